//! `factfs init`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn makes_an_empty_database() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.ok(&["init", "db"]), @r#"{:name "db", :t 0, :url "DIR/db", :uuid #uuid "UUID"}"#);
    assert_snapshot!(sandbox.ok(&["log", "db"]), @"t,commit,instant,added,retracted,tx");
}

#[test]
fn takes_a_schema_and_a_name() {
    let sandbox = Sandbox::new();
    sandbox.file("schema.edn", "[{:db/ident :a/b :db/valueType :db.type/long}] [{:db/ident :x/y}]");
    let args = ["init", "db", "--name", "stock", "--schema", "schema.edn", "--format", "json"];
    assert_snapshot!(sandbox.ok(&args), @r#"{"url": "DIR/db", "uuid": "UUID", "name": "stock", "t": 2}"#);
}

#[test]
fn refuses_a_place_that_is_taken() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "db"]);
    assert_snapshot!(sandbox.fails(&["init", "db"]), @"
    factfs: DIR/db: there is a database here already
    exit code 5
    ");
}

#[test]
fn makes_nothing_if_the_schema_is_not_there() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.fails(&["init", "db", "--schema", "none.edn"]), @"
    factfs: none.edn: cannot be read: No such file or directory (os error 2)
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["status", "db"]), @"
    factfs: db: DIR/db: no database here (create one with `factfs init`)
    exit code 4
    ");
}
