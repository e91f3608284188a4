//! `factfs import`.

use super::Sandbox;
use insta::assert_snapshot;

fn items(sandbox: &Sandbox) -> String {
    let query = "[:find ?sku ?count :where [?i :item/sku ?sku] \
                 [(get-else $ ?i :item/count -1) ?count]]";
    sandbox.ok(&["query", query, "db"])
}

#[test]
fn csv_rows_upsert_by_identity() {
    let sandbox = Sandbox::items();
    sandbox.file("a.csv", "item/sku,item/count,item/tag\nA1,5,x\nA2,,\"[\"\"x\"\",\"\"y\"\"]\"\n");
    assert_snapshot!(sandbox.ok(&["import", "db", "a.csv"]), @"");
    sandbox.file("b.csv", "sku,count\nA1,6\nA3,7\nA2,\\N\n");
    assert_snapshot!(sandbox.ok(&["import", "db", "b.csv", "--namespace", "item"]), @"");
    assert_snapshot!(items(&sandbox), @"");
}

#[test]
fn columns_are_renamed_and_skipped() {
    let sandbox = Sandbox::items();
    sandbox.file("a.csv", "Artikel,Menge,Bemerkung\nA1,5,gut\n");
    let args = ["import", "db", "a.csv", "--map", "Artikel=item/sku", "--map", "Menge=:item/count"];
    assert_snapshot!(sandbox.fails(&args), @"");
    sandbox.ok(&[&args[..], &["--map", "Bemerkung="]].concat());
    assert_snapshot!(items(&sandbox), @"");
}

#[test]
fn json_lines_with_nested_entities() {
    let sandbox = Sandbox::items();
    let rows = r#"{"sku": "A1", "part": {"sku": "A2", "count": 3}}
{"sku": "A3", "item/part.item/sku": "A1", "tag": ["x", "y"]}"#;
    let args = ["import", "db", "-", "--format", "jsonl", "--namespace", "item", "--batch", "1"];
    assert_snapshot!(sandbox.ok_with(&args, rows), @"");
    let query = "[:find ?a ?b :where [?x :item/part ?y] [?x :item/sku ?a] [?y :item/sku ?b]]";
    assert_snapshot!(sandbox.ok(&["query", query, "db"]), @"");
}

#[test]
fn refs_to_what_comes_later_are_made_when_asked() {
    let sandbox = Sandbox::items();
    let rows = "{\"item/sku\": \"A1\", \"item/part.item/sku\": \"A2\"}\n{\"item/sku\": \"A2\"}\n";
    let args = ["import", "db", "--format", "jsonl"];
    let ran = sandbox.ran(&args, rows);
    assert_snapshot!(ran.stderr, @"");
    assert_eq!(ran.code, 4);
    sandbox.ok_with(&[&args[..], &["--create-refs"]].concat(), rows);
    assert_snapshot!(items(&sandbox), @"");
}

#[test]
fn edn_maps_and_transactions() {
    let sandbox = Sandbox::items();
    let forms = "{:item/sku \"A1\"} {:item/sku \"A2\"} [[:db/add [:item/sku \"A1\"] :item/count 1]]";
    assert_snapshot!(sandbox.ok_with(&["import", "db", "--format", "edn"], forms), @"");
    assert_snapshot!(items(&sandbox), @"");
}

#[test]
fn a_schema_is_inferred_when_asked() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "db"]);
    sandbox.file("a.csv", "sku,count,weight,since\n007,5,1.5,2026-06-30\nA2,6,2,2026-07-01\n");
    let args = ["import", "db", "a.csv", "--namespace", "item", "--identity", "item/sku"];
    assert_snapshot!(sandbox.fails(&args), @"");
    sandbox.ok(&[&args[..], &["--infer"]].concat());
    let query = "[:find ?name ?type :where [?a :db/ident ?name] [?a :db/valueType ?t] \
                 [?t :db/ident ?type]]";
    assert_snapshot!(sandbox.ok(&["query", query, "db"]), @"");
    assert_snapshot!(items(&sandbox), @"");
}

#[test]
fn an_error_says_how_far_it_came() {
    let sandbox = Sandbox::items();
    sandbox.file("a.csv", "item/sku,item/count\nA1,1\nA2,2\nA3,three\n");
    let args = ["import", "db", "a.csv", "--batch", "1"];
    assert_snapshot!(sandbox.fails(&args), @"");
    assert_snapshot!(items(&sandbox), @"");
    sandbox.file("b.txt", "");
    assert_snapshot!(sandbox.fails(&["import", "db", "b.txt"]), @"");
    sandbox.file("b.csv", "item/sku,item/sku\n");
    assert_snapshot!(sandbox.fails(&["import", "db", "b.csv"]), @"");
}

#[test]
fn with_ids_a_second_run_does_nothing() {
    let sandbox = Sandbox::items();
    sandbox.file("a.csv", "item/sku,item/count\nA1,1\nA2,2\nA3,3\n");
    let args = ["import", "db", "a.csv", "--batch", "2", "--tx-id", "nightly"];
    assert_snapshot!(sandbox.ok(&args), @"");
    assert_snapshot!(sandbox.ok(&args), @"");
}
