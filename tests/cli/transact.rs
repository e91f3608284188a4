//! `factfs transact`.

use super::Sandbox;
use insta::assert_snapshot;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

#[test]
fn reports_each_form_on_a_line() {
    let sandbox = Sandbox::items();
    let forms = r#"[{:db/id "a" :item/sku "A1" :item/count 5}]
        {:item/sku "A1" :item/count 6}"#;
    assert_snapshot!(sandbox.ok(&["transact", "db", forms]), @r#"
    {:commit "2-HASH", :datoms 3, :instant #inst "NOW", :t 2, :tempids {"a" 5}, :tx 536870914}
    {:commit "3-HASH", :datoms 3, :instant #inst "NOW", :t 3, :tx 536870915}
    "#);
    let json = ["transact", "db", "-", "--format", "json"];
    assert_snapshot!(sandbox.ok_with(&json, forms), @r#"
    {"t": 4, "tx": 536870916, "commit": "4-HASH", "instant": "NOW", "datoms": 3, "tempids": {"a": 5}, "already": null}
    {"t": 5, "tx": 536870917, "commit": "5-HASH", "instant": "NOW", "datoms": 3, "tempids": null, "already": null}
    "#);
}

#[test]
fn what_was_reported_stays_when_a_later_form_fails() {
    let sandbox = Sandbox::items();
    sandbox.file("tx.edn", "{:item/sku \"A1\"}\n{:item/sku 5}\n{:item/sku \"A2\"}\n");
    let ran = sandbox.ran(&["transact", "db", "tx.edn"], "");
    assert_snapshot!(ran.stderr, @"
    factfs: after one transaction that is committed: line 2, column 12: attribute :item/sku takes a string, not the long 5
      in 5
    code: tx/type
    ");
    assert_eq!(ran.code, 3);
    assert_eq!(ran.stdout.lines().count(), 1);
    let skus =
        sandbox.ok(&["query", "[:find [?s ...] :where [_ :item/sku ?s]]", "db", "-f", "edn"]);
    assert_snapshot!(skus, @r#"["A1"]"#);
}

#[test]
fn half_a_form_is_an_error() {
    let sandbox = Sandbox::items();
    let ran = sandbox.ran(&["transact", "db", "-"], "{:item/sku \"A1\"} [{:item/sku");
    assert_snapshot!(ran.stderr, @r#"
    factfs: after one transaction that is committed: standard input: line 1, column 19: the text ends inside a map that starts here (in the form that starts at line 1, column 18)
      {:item/sku "A1"} [{:item/sku
                        ^
    code: edn/incomplete
    "#);
    assert_eq!((ran.code, ran.stdout.lines().count()), (3, 1));
}

#[test]
fn bad_transactions_say_what_where_and_what_to_do() {
    let sandbox = Sandbox::items();
    assert_snapshot!(sandbox.fails(&["transact", "db", "[{:item/skew \"A1\"}]"]), @"
    factfs: nothing was committed: line 1, column 3: unknown attribute :item/skew (did you mean :item/sku?)
      in :item/skew
    code: attribute/unknown
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["transact", "db", "[{:item/sku 5}]"]), @"
    factfs: nothing was committed: line 1, column 13: attribute :item/sku takes a string, not the long 5
      in 5
    code: tx/type
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["transact", "db", "none.edn"]), @"
    factfs: none.edn: cannot be read: No such file or directory (os error 2)
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["transact", "none", "[]"]), @"
    factfs: none: DIR/none: no database here (create one with `factfs init`)
    exit code 4
    ");
    let cas = "[[:db/cas [:item/sku \"none\"] :item/count 1 2]]";
    assert_snapshot!(sandbox.fails(&["transact", "db", cas]), @r#"
    factfs: nothing was committed: line 1, column 2: nothing found for entity id [:item/sku "none"]
      in [:db/cas [:item/sku "none"] :item/count 1 2]
    code: entity/unknown
    exit code 4
    "#);
    assert_snapshot!(sandbox.fails(&["transact", "db@1", "[]"]), @"
    factfs: db@1 is a moment in the past, and the past is not written
    hint: leave out @1, or make a branch from it: factfs branch create
    exit code 15
    ");
}

#[test]
fn an_id_is_committed_once() {
    let sandbox = Sandbox::items();
    let args = ["transact", "db", "[{:item/sku \"A1\"}] [{:item/sku \"A2\"}]", "--tx-id", "x"];
    sandbox.ok(&args);
    let again = sandbox.ok(&args);
    assert_eq!(again.matches(":already true").count(), 2, "{again}");
    let count = sandbox.ok(&["log", "db", "--format", "jsonl"]).lines().count();
    assert_eq!(count, 3);
}

/// The report of a form comes while the input stays open.
#[test]
fn forms_are_committed_as_they_arrive() {
    let sandbox = Sandbox::items();
    let mut child = Command::new(env!("CARGO_BIN_EXE_factfs"))
        .args(["transact", "db", "-"])
        .current_dir(sandbox.directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for sku in ["A1", "A2"] {
        write!(input, "[{{:item/sku \"{sku}\"}}]").unwrap();
        input.flush().unwrap();
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains(":commit"), "{line}");
        let found = sandbox.ok(&["query", "[:find [?s ...] :where [_ :item/sku ?s]]", "db"]);
        assert!(found.contains(sku), "{found}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}
