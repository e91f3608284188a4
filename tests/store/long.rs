//! Values that are stored as nodes of their own, through the whole program: what is printed is the
//! whole value, wherever it lies.

use crate::support::audit::read_all;
use crate::support::{Place, Random};
use std::fs;

/// Text of some length that does not compress to nothing.
fn text(random: &mut Random, len: usize) -> String {
    (0..len).map(|_| char::from_digit(random.below(16) as u32, 16).unwrap()).collect()
}

/// The one value that a query finds.
fn answer(place: &Place, query: &str, url: &str) -> String {
    fs::write(place.path("query.edn"), query).unwrap();
    let printed = place.ok(&["query", "query.edn", url, "--format", "csv"], "");
    printed.lines().last().unwrap().to_owned()
}

fn pack_bytes(place: &Place) -> u64 {
    let packs = fs::read_dir(place.path("db/pack")).unwrap();
    packs.map(|pack| pack.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn a_long_value_is_printed_whole_and_names_its_entity() {
    let place = Place::with_database().set("FACTFS_FLUSH_ROWS", 1);
    let mut random = Random(11);
    let long: Vec<String> = [4096, 4097, 70_000, 1 << 20].map(|n| text(&mut random, n)).into();
    for (n, key) in long.iter().enumerate() {
        place.ok(&["transact", "db", "-"], &format!("[{{:w/key \"{key}\" :w/n {n}}}]"));
    }
    // Said again, and by its long identity: nothing new is stored of it.
    let before = pack_bytes(&place);
    for (n, key) in long.iter().enumerate() {
        place.ok(
            &["transact", "db", "-"],
            &format!("[[:db/add [:w/key \"{key}\"] :w/n {}]]", n + 10),
        );
    }
    assert!(pack_bytes(&place) - before < 300_000, "{before} and {}", pack_bytes(&place));
    for (n, key) in long.iter().enumerate() {
        let of = |n: usize| format!("[:find ?k . :where [?e :w/n {n}] [?e :w/key ?k]]");
        assert_eq!(answer(&place, &of(n + 10), "db"), *key);
        assert_eq!(answer(&place, &of(n), "db@5"), *key);
        let whose = format!("[:find ?n . :where [?e :w/key \"{key}\"] [?e :w/n ?n]]");
        assert_eq!(answer(&place, &whose, "db"), (n + 10).to_string());
    }
    // Copied, collected and looked through.
    place.ok(&["clone", "db", "copy"], "");
    place.ok(&["gc", "db", "--grace", "0"], "");
    place.ok(&["gc", "db", "--grace", "0"], "");
    for url in ["db", "copy"] {
        place.ok(&["verify", url], "");
        let keys = read_all(&place, url).unwrap().keys;
        assert!(long.iter().all(|key| keys.contains_key(key)), "{url}");
    }
}

#[test]
fn what_is_larger_than_a_transaction_is_refused() {
    let place = Place::with_database();
    let long = "x".repeat((64 << 20) + 1);
    let said = place.fails(9, &["transact", "db", "-"], &format!("[{{:w/key \"{long}\"}}]"));
    assert!(said.contains("64 MiB"), "{}", &said[..said.len().min(500)]);
}
