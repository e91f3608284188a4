//! Readers whose trees are collected while they read: they go on over the newest head, as of what
//! they held.

use crate::support::moto::Moto;
use crate::support::proxy::{Manner, Proxy};
use crate::support::{Place, Random, SCHEMA, run};
use factfs_core::datom::{Datom, KeyRange, Order};
use factfs_core::db::Db;
use factfs_store::{Database, Locator, Settings};
use std::thread;

pub const URL: &str = "s3://team-a/db";
const COUNT: &str = "[:find (count ?e) . :where [?e :w/key] [?e :w/n ?n] [(< ?n 1000000)]]";
pub const ENTITIES: usize = 12_000;

/// Sets `:w/n` of all entities to numbers from `least` on. What is written hardly compresses, or it
/// would all lie in the head.
fn fill(place: &Place, url: &str, least: usize) {
    let key = |i: usize| Random(i as u64).below(usize::MAX);
    let n = |i: usize| least + Random((i + least) as u64).below(1_000_000);
    let form = |from: usize| {
        let map = |i: usize| format!("{{:w/key \"{:x}\" :w/n {}}}", key(i), n(i));
        let maps = (from..from + 1000).map(map);
        format!("[{}]\n", maps.collect::<Vec<_>>().join(" "))
    };
    let forms: String = (0..ENTITIES).step_by(1000).map(form).collect();
    place.ok(&["transact", url, "-"], &forms);
}

/// Replaces all facts, and deletes the trees that held them.
pub fn replace_and_collect(place: &Place, url: &str) {
    fill(place, url, 1_000_000);
    for _ in 0..2 {
        place.ok(&["gc", url, "--grace", "0", "--keep", "none"], "");
    }
}

fn settings(place: &Place) -> Settings {
    let cache = ("FACTFS_CACHE".to_owned(), "off".to_owned());
    Settings { env: place.env().chain([cache]).collect(), ..Settings::default() }
}

fn local() -> (Place, Locator) {
    let place = Place::with_database().set("FACTFS_FLUSH_ROWS", 2000);
    fill(&place, "db", 0);
    let url = place.path("db").display().to_string();
    (place, Locator { url, branch: None, at: None })
}

fn all(db: &Db, order: Order) -> Vec<Datom> {
    db.datoms(order, None, None, None).unwrap()
}

#[test]
fn a_value_that_is_held_gives_the_same_answers() {
    let (place, locator) = local();
    let seen = Database::open(&locator, &settings(&place)).unwrap().db().unwrap();
    let before: Vec<_> = Order::ALL.iter().map(|order| all(&seen, *order)).collect();
    let history = all(&seen.history(), Order::Eavt);
    // With nothing of it in memory.
    let held = Database::open(&locator, &settings(&place)).unwrap();
    let db = held.db().unwrap();
    replace_and_collect(&place, "db");
    for (order, before) in Order::ALL.iter().zip(before) {
        assert!(all(&db, *order) == before, "{order:?}");
    }
    assert!(all(&db.history(), Order::Eavt) == history, "history");
    assert!(all(&held.db().unwrap(), Order::Eavt) != all(&db, Order::Eavt), "the head moved");
    let again = held.again(&db).unwrap();
    assert!(all(&again, Order::Eavt) == all(&db, Order::Eavt));
}

#[test]
fn a_scan_goes_on_in_the_middle() {
    let (place, locator) = local();
    let expected =
        all(&Database::open(&locator, &settings(&place)).unwrap().db().unwrap(), Order::Eavt);
    let held = Database::open(&locator, &settings(&place)).unwrap();
    let mut chunks = held.db().unwrap().chunks(Order::Eavt, KeyRange::prefix(None, None, None));
    let mut found: Vec<Datom> = chunks.next().unwrap().unwrap().datoms().collect();
    assert!(!found.is_empty() && found.len() < expected.len(), "{} rows", found.len());
    replace_and_collect(&place, "db");
    for slice in chunks {
        found.extend(slice.unwrap().datoms());
    }
    assert!(found == expected, "{} rows, not {}", found.len(), expected.len());
}

/// A server, a place at it, and one behind a proxy with a gate.
pub fn served() -> Option<(Moto, Place, Proxy, Place)> {
    let moto = Moto::start()?;
    moto.bucket("team-a");
    let place = Place::new().with_s3(moto.port).set("FACTFS_FLUSH_ROWS", 2000);
    place.ok(&["init", URL, "--schema", SCHEMA], "");
    fill(&place, URL, 0);
    let proxy = Proxy::start(moto.port, Manner::Gate);
    let far = Place::new().with_s3(proxy.port);
    Some((moto, place, proxy, far))
}

#[test]
fn a_query_on_the_command_line_goes_on() {
    let Some((_moto, place, proxy, far)) = served() else { return };
    proxy.shut_after(0);
    let query = far.factfs(&["query", COUNT, URL]);
    let answer = thread::spawn(move || run(query, ""));
    proxy.wait_for_one();
    replace_and_collect(&place, URL);
    proxy.open();
    let ran = answer.join().unwrap();
    assert_eq!((ran.code, ran.stdout.trim()), (0, &*ENTITIES.to_string()), "{}", ran.stderr);
}

/// A head that was copied over another one: neither is believed.
#[test]
fn a_head_of_another_database_or_branch_is_refused() {
    let (place, other) = (Place::with_database(), Place::with_database());
    std::fs::copy(other.path("db/head"), place.path("db/head")).unwrap();
    let said = place.fails(14, &["status", "db"], "");
    assert!(said.contains("head: it holds a head of the database"), "{said}");
    let said = place.fails(14, &["transact", "db", "[{:w/key \"a\"}]"], "");
    assert!(said.contains("where a head of the database"), "{said}");
    let place = Place::with_database();
    for name in ["one", "two"] {
        place.ok(&["branch", "create", "db", name], "");
    }
    let mut heads = std::fs::read_dir(place.path("db/branch")).unwrap();
    let mut head = || heads.next().unwrap().unwrap().path().join("head");
    std::fs::copy(head(), head()).unwrap();
    let opened = ["db#one", "db#two"].map(|branch| place.ran(&["status", branch], ""));
    let refused: Vec<_> = opened.iter().filter(|ran| ran.code == 14).collect();
    assert_eq!(refused.len(), 1, "{opened:?}");
    assert!(refused[0].stderr.contains("head: it holds the head of a branch"), "{refused:?}");
}
