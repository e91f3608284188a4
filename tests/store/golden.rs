//! Stores of frozen format versions: whatever is built now must give the answers that were given
//! when a version was frozen, and go on with the store.
//!
//! `tests/golden/store-N` is a store of version N as files, with everything in it that the format
//! has; `tests/golden/answers-N` has the commands and what they print (of long prints the blake3).
//! Neither is ever changed. Where one is missing, `FACTFS_GOLDEN=N` makes it.

use crate::support::{Place, Random};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Prints longer than this are told by their hash.
const LONG_BYTES: usize = 2_000;

const SCHEMA: &str = r#"[
    {:db/ident :item/sku :db/valueType :db.type/string :db/unique :db.unique/identity}
    {:db/ident :item/n :db/valueType :db.type/long :db/index true}
    {:db/ident :item/price :db/valueType :db.type/double}
    {:db/ident :item/weight :db/valueType :db.type/float}
    {:db/ident :item/stars :db/valueType :db.type/bigint}
    {:db/ident :item/cost :db/valueType :db.type/bigdec}
    {:db/ident :item/there :db/valueType :db.type/boolean}
    {:db/ident :item/kind :db/valueType :db.type/keyword}
    {:db/ident :item/symbol :db/valueType :db.type/symbol}
    {:db/ident :item/uuid :db/valueType :db.type/uuid :db/unique :db.unique/value}
    {:db/ident :item/made :db/valueType :db.type/instant :db/index true}
    {:db/ident :item/page :db/valueType :db.type/uri}
    {:db/ident :item/blob :db/valueType :db.type/bytes}
    {:db/ident :item/any :db/valueType :db.type/number}
    {:db/ident :item/tags :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
    {:db/ident :item/like :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
    {:db/ident :item/part :db/valueType :db.type/ref :db/isComponent true}
    {:db/ident :item/text :db/valueType :db.type/string}
    {:db/ident :item/spot :db/valueType :db.type/tuple
     :db/tupleTypes [:db.type/long :db.type/string]}
    {:db/ident :item/row :db/valueType :db.type/tuple :db/tupleType :db.type/long}
    {:db/ident :item/kind+n :db/valueType :db.type/tuple :db/tupleAttrs [:item/kind :item/n]}
    {:db/ident :item/seen :db/valueType :db.type/long :db/noHistory true}]"#;

const EVERY_TYPE: &str = r#"[
    {:db/id "a" :item/sku "every type" :item/n -42 :item/price 1.5e300 :item/weight 0.25
     :item/stars 123456789012345678901234567890N :item/cost 12.3400M :item/there false
     :item/kind :kind/odd :item/symbol a.b/c :item/uuid #uuid "550e8400-e29b-41d4-a716-446655440000"
     :item/made #inst "1969-12-31T23:59:59.999Z" :item/page #uri "https://example.org/?a=b"
     :item/blob #bytes "AP/+" :item/any 3/4 :item/tags ["" "ü" "a\nb" "日本"]
     :item/spot [7 "seven"] :item/row [1 nil 3] :item/part {:item/sku "a part" :item/n 1}}
    [:db/add "a" :item/like "a"] [:db/add "datomic.tx" :db/doc "all types"]]"#;

/// What a reader may ask. `T` runs through some of the moments.
const QUESTIONS: &[&[&str]] = &[
    &["log", "db", "--limit", "100000"],
    &["log", "db", "--limit", "100000", "--datoms"],
    &["log", "db#exp", "--limit", "100000", "--datoms"],
    &["branch", "list", "db"],
    &["tag", "list", "db"],
    &["query", "[:find ?e ?a ?v :where [?e ?a ?v]]", "db"],
    &["query", "[:find ?e ?a ?v :where [?e ?a ?v]]", "db#exp"],
    &["query", "[:find ?e ?a ?v :where [?e ?a ?v]]", "db@v1"],
    &["query", "[:find ?e ?a ?v :where [?e ?a ?v]]", "db@T"],
    &["query", "[:find ?a (count ?e) :where [?e ?i] [?i :db/ident ?a]]", "db@T"],
    &["query", "[:find ?sku ?n :where [?e :item/n ?n] [(< 990 ?n)] [?e :item/sku ?sku]]", "db"],
    &["query", "[:find ?n . :where [[:item/sku \"item 77\"] :item/n ?n]]", "db@T"],
    &["query", "[:find (count ?x) (max ?x) :where [?e :item/text ?x]]", "db@T"],
    &["pull", "db", "[*]", "[:item/sku \"every type\"]"],
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

/// Everything that the format has, by the commands of a user.
fn make(place: &Place) {
    let (mut random, db) = (Random(1), "db");
    let text = |random: &mut Random, bytes: usize| -> String {
        (0..bytes / 16).map(|_| format!("{:016x}", random.below(usize::MAX))).collect()
    };
    place.ok(&["init", db, "--name", "golden", "--schema", SCHEMA], "");
    place.ok(&["transact", db, EVERY_TYPE, "--tx-id", "every-type"], "");
    let rows = |random: &mut Random, items: std::ops::Range<usize>| {
        let mut tx = String::from("[");
        for i in items {
            let (n, like) = (random.below(1_000), random.below(i.max(1)));
            let kind = [":kind/a", ":kind/b"][random.below(2)];
            write!(tx, "{{:item/sku \"item {i}\" :item/n {n} :item/kind {kind} :item/seen {n}")
                .unwrap();
            write!(tx, " :item/price {n}.5 :item/made #inst \"2020-01-01T00:00:00.{n:03}Z\"")
                .unwrap();
            writeln!(tx, " :item/like [:item/sku \"item {like}\"]}}").unwrap();
        }
        tx + "]"
    };
    place.ok(&["transact", db, "[{:item/sku \"item 0\"}]"], "");
    (0..6).for_each(|i| {
        let range = i * 400 + 1..(i + 1) * 400 + 1;
        place.ok(&["transact", db, "-"], &rows(&mut random, range));
    });
    place.ok(&["tag", "create", db, "v1"], "");
    let long = [text(&mut random, 5_000), text(&mut random, 70_000)];
    for (i, text) in long.iter().enumerate() {
        place.ok(
            &["transact", db, "-"],
            &format!("[{{:item/sku \"long {i}\" :item/text \"{text}\"}}]"),
        );
    }
    place.ok(&["transact", db, "-"], &rows(&mut random, 1..800));
    place.ok(&["branch", "create", db, "exp", "--at", "6"], "");
    place.ok(&["transact", "db#exp", "[{:item/sku \"of exp\" :item/n 5}]"], "");
    place.ok(&["branch", "create", db, "done"], "");
    place.ok(&["transact", "db#done", "[{:item/sku \"merged\" :item/n 6}]"], "");
    place.ok(&["merge", db, "done"], "");
    place.ok(&["branch", "delete", db, "done"], "");
    let gone = "[[:db/retractEntity [:item/sku \"item 9\"]]
                 [:db/retract [:item/sku \"every type\"] :item/tags \"ü\"]]";
    place.ok(&["transact", db, gone], "");
    place.ok(
        &[
            "transact",
            db,
            "{:tx-data [{:db/id :item/kind :db/index true}] :allow-index-backfill? true}",
        ],
        "",
    );
    place.ok(&["purge", db, "--entity", "[:item/sku \"item 8\"]", "--yes"], "");
    place.ok(&["gc", db, "--keep", "none"], "");
    for i in 0..30 {
        place.ok(&["transact", db, &format!("[{{:item/sku \"item {i}\" :item/n {i}}}]")], "");
    }
}

/// Every question with its answer.
fn answers(place: &Place) -> String {
    let mut all = String::new();
    let mut ask = |args: &[&str]| {
        let (line, answer) = (args.join(" ").replace('\n', " "), place.ok(args, ""));
        writeln!(all, "> {line}").unwrap();
        if answer.len() <= LONG_BYTES {
            all.push_str(&answer);
        } else {
            let hash = factfs_core::hash::NodeHash::of(answer.as_bytes());
            writeln!(all, "{} bytes, blake3 {hash}", answer.len()).unwrap();
        }
    };
    for question in QUESTIONS {
        if question.iter().any(|arg| arg.ends_with("@T")) {
            for t in [1, 3, 6, 9, 11, 13, 15, 40] {
                let at = format!("@{t}");
                let args: Vec<String> = question.iter().map(|a| a.replace("@T", &at)).collect();
                ask(&args.iter().map(String::as_str).collect::<Vec<_>>());
            }
        } else {
            ask(question);
        }
    }
    all
}

/// The versions that are kept.
fn versions() -> Vec<String> {
    let entries = fs::read_dir(golden("")).unwrap().map(Result::unwrap);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix("store-").map(str::to_owned)).collect()
}

fn place_of(version: &str) -> Place {
    let place = Place::new().set("FACTFS_FLUSH_ROWS", 4_000);
    copy(&golden(&format!("store-{version}")), &place.path("db"));
    place
}

#[test]
fn stores_of_every_version_give_their_answers() {
    if let Ok(version) = std::env::var("FACTFS_GOLDEN") {
        let store = golden(&format!("store-{version}"));
        assert!(!store.exists(), "a version that is frozen is not made again");
        let place = Place::new().set("FACTFS_FLUSH_ROWS", 4_000);
        make(&place);
        fs::write(golden(&format!("answers-{version}")), answers(&place)).unwrap();
        copy(&place.path("db"), &store);
    }
    let versions = versions();
    assert!(!versions.is_empty(), "no store is kept in tests/golden");
    for version in versions {
        let place = place_of(&version);
        let expected = fs::read_to_string(golden(&format!("answers-{version}"))).unwrap();
        similar(&answers(&place), &expected, &version);
        place.ok(&["verify", "db"], "");
    }
}

/// The first line that differs is what there is to see.
fn similar(found: &str, expected: &str, version: &str) {
    let mut question = "";
    for (found, expected) in found.lines().zip(expected.lines()) {
        if expected.starts_with("> ") {
            question = expected;
        }
        assert_eq!(found, expected, "version {version}: {question}");
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "version {version}");
}

#[test]
fn stores_of_every_version_go_on() {
    for version in versions() {
        let place = place_of(&version);
        let again = place.ok(&["transact", "db", EVERY_TYPE, "--tx-id", "every-type"], "");
        assert!(again.contains(":already true"), "version {version}: {again}");
        for i in 0..5 {
            let tx: String = (0..900).map(|k| format!("{{:item/sku \"new {i} {k}\"}}")).collect();
            place.ok(&["transact", "db", "-"], &format!("[{tx}]"));
        }
        place.ok(&["gc", "db", "--grace", "0"], "");
        place.ok(&["verify", "db"], "");
        let facts = "[:find (count ?e) . :where [?e :item/sku]]";
        assert_eq!(place.ok(&["query", facts, "db"], "").trim(), "6906", "version {version}");
    }
}
