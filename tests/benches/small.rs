//! Reads of a database with a thousand small commits in its novelty and tail, against the same with
//! freshly built trees: the same questions, interleaved.
//!
//! `cargo bench -p factfs-store --bench small -- SIZE FOLDER`, after the bench `load` has loaded
//! that workload.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a bench ends so")]

mod common;

use common::{Workload, flush, form, median, timed};
use factfs_core::datom::{KeyRange, Order};
use factfs_core::db::Db;
use factfs_core::query::{CancelToken, Input, Limits, Query, run};
use factfs_core::value::Value;
use factfs_store::{Database, Settings, TransactOptions};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const COMMITS: usize = 1_000;
const ROUNDS: usize = 5;

const POINT: &str = "[:find ?n ?r :in $ ?k :where [?e :product/sku ?k] [?e :product/name ?n]
    [?e :product/price ?r]]";
const RANGE: &str = "[:find ?e ?r :in $ ?lo ?hi :where [?e :product/price ?r]
    [(<= ?lo ?r)] [(< ?r ?hi)]]";
const GROUPS: &str = "[:find ?c (count ?e) (sum ?r) :where [?e :product/category ?c]
    [?e :product/price ?r]]";

fn main() {
    let (workload, _) = Workload::from_args();
    let url = workload.url("catalog");
    flush(&url);
    let (late, fresh) = (copy(&workload, "late"), copy(&workload, "fresh"));
    let skus: Vec<String> = strings(&workload, "skus");
    for database in [&late, &fresh] {
        let database = open(database);
        for n in 0..COMMITS {
            let sku = &skus[n % skus.len()];
            let tx = form(&format!("[{{:product/sku \"{sku}\" :product/price {}}}]", 900 + n));
            database.transact(&tx, &TransactOptions::default()).expect("a price");
        }
    }
    flush(&fresh);
    let dbs = [open(&late).cached_db(), open(&fresh).cached_db()];
    let waiting = |db: &Db| db.snapshot().layers.iter().map(|layer| layer.len()).sum::<usize>();
    assert!(waiting(&dbs[0]) >= COMMITS && waiting(&dbs[1]) == 0, "{}", waiting(&dbs[0]));
    type Ask<'a> = Box<dyn Fn(&Db) + 'a>;
    let bounds = &workload.params["ranges"][4];
    let (low, high) = (bounds[0].as_i64().expect("low"), bounds[1].as_i64().expect("high"));
    let asks: [(&str, usize, Ask<'_>); 5] = [
        ("point", 400, asked(POINT, skus.iter().map(|sku| vec![Value::str(sku)]).collect())),
        ("range", 10, asked(RANGE, vec![vec![Value::Long(low), Value::Long(high)]])),
        ("groups", 2, asked(GROUPS, vec![vec![]])),
        ("entities", 400, Box::new(entities)),
        ("scan", 2, Box::new(|db| assert!(db.chunks(Order::Aevt, KeyRange::all()).count() > 0))),
    ];
    for (name, times, ask) in asks {
        let mut taken: [Vec<Duration>; 2] = Default::default();
        for round in 0..=ROUNDS {
            for (db, taken) in dbs.iter().zip(&mut taken) {
                let ((), cpu, _) = timed(|| (0..times).for_each(|_| ask(db)));
                if round > 0 {
                    taken.push(cpu);
                }
            }
        }
        let [late, fresh] = taken.map(|mut times| median(&mut times));
        workload.print(json!({
            "q": format!("small-{name}"), "after_commits": late, "fresh": fresh,
            "ratio": (late / fresh * 100.0).round() / 100.0,
        }));
    }
}

/// A question with each of these inputs in turn.
fn asked<'a>(text: &str, inputs: Vec<Vec<Value>>) -> Box<dyn Fn(&Db) + 'a> {
    let query = Query::parse(text).expect("a query");
    let turn = std::cell::Cell::new(0);
    Box::new(move |db| {
        let values = &inputs[turn.replace(turn.get() + 1) % inputs.len()];
        let values = values.iter().cloned().map(Input::Value);
        let inputs: Vec<Input> = std::iter::once(Input::Db(db.clone())).chain(values).collect();
        let answer = run(&query, &inputs, &Limits::default(), &CancelToken::default());
        assert!(!answer.expect("an answer").rows.is_empty());
    })
}

/// All facts of some entities.
fn entities(db: &Db) {
    let next = db.snapshot().next_entity.0;
    let e = factfs_core::id::EntityId(next * 3 / 7);
    assert!(!db.datoms(Order::Eavt, Some(e), None, None).expect("facts").is_empty());
}

fn strings(workload: &Workload, name: &str) -> Vec<String> {
    let list = workload.params[name].as_array().expect("a list");
    list.iter().map(|x| x.as_str().expect("a string").to_owned()).collect()
}

fn open(url: &str) -> Database {
    Database::open(&url.parse().expect("a locator"), &Settings::default()).expect("a database")
}

/// A copy of the catalog.
fn copy(workload: &Workload, name: &str) -> String {
    let to = workload.folder.join(name);
    let _ = std::fs::remove_dir_all(&to);
    common::copy(Path::new(&workload.url("catalog")), &to);
    to.to_string_lossy().into_owned()
}
