//! `factfs gc`.

use super::Sandbox;
use insta::assert_snapshot;
use serde_json::Value;

/// The report of a collection.
fn report(sandbox: &Sandbox, args: &[&str]) -> Value {
    let all = [&["gc", "db", "--format", "json"], args].concat();
    serde_json::from_str(&sandbox.ok(&all)).unwrap()
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("no {name}: {report}"))
}

/// A database with two objects that nothing refers to.
fn with_garbage() -> Sandbox {
    let sandbox = Sandbox::items();
    sandbox.ok(&["tag", "create", "db", "v1"]);
    sandbox.ok(&["tag", "create", "db", "v2"]);
    sandbox.ok(&["tag", "delete", "db", "v1"]);
    sandbox.ok(&["branch", "create", "db", "try"]);
    sandbox.ok(&["branch", "delete", "db", "try"]);
    sandbox
}

#[test]
fn a_dry_run_says_what_and_how_much_and_writes_nothing() {
    let sandbox = with_garbage();
    for _ in 0..2 {
        let report = report(&sandbox, &["--dry-run", "--grace", "0"]);
        assert_eq!(number(&report, "generation"), 0);
        assert_eq!(number(&report, "deleted-objects"), 2);
        assert!(number(&report, "deleted-bytes") > 0);
    }
    let list = sandbox.ok(&["gc", "db", "--dry-run", "--list"]);
    let waits =
        |kind: &str| list.lines().any(|line| line.starts_with(kind) && line.ends_with(",false"));
    assert!(waits("snap/") && waits("branch/"), "{list}");
}

#[test]
fn garbage_waits_for_the_time_of_grace() {
    let sandbox = with_garbage();
    for generation in 1..3 {
        let report = report(&sandbox, &[]);
        assert_eq!(number(&report, "generation"), generation);
        assert_eq!(number(&report, "waiting-objects"), 2);
        assert_eq!(number(&report, "deleted-objects"), 0);
    }
    assert_eq!(number(&report(&sandbox, &["--grace", "0"]), "deleted-objects"), 2);
    let left = report(&sandbox, &["--grace", "0"]);
    assert_eq!(number(&left, "deleted-objects") + number(&left, "waiting-objects"), 0);
}

#[test]
fn what_is_named_stays() {
    let sandbox = with_garbage();
    sandbox.ok(&["transact", "db", "[{:item/sku \"A\" :item/count 1}]"]);
    sandbox.ok(&["gc", "db", "--grace", "0"]);
    let skus = "[:find ?s :where [_ :item/sku ?s]]";
    assert_snapshot!(sandbox.ok(&["query", skus, "db"]), @r"
    s
    A
    ");
    assert_snapshot!(sandbox.ok(&["query", skus, "db@v2"]), @"s");
    assert_snapshot!(sandbox.fails(&["query", skus, "db@v1"]), @"
    factfs: db@v1: v1: no such commit, tag or branch
    exit code 4
    ");
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::items();
    assert_snapshot!(sandbox.fails(&["gc", "db#main"]), @"
    factfs: db#main: a collection is of the whole database
    hint: leave out the branch
    exit code 3
    ");
    let wrong = sandbox.fails(&["gc", "db", "--keep", "1x"]);
    assert!(wrong.contains("up to which age, and one in how much time"), "{wrong}");
    let wrong = sandbox.fails(&["gc", "db", "--grace", "soon"]);
    assert!(wrong.contains("such as 24h"), "{wrong}");
}
