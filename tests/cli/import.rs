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
    assert_snapshot!(sandbox.ok(&["import", "db", "a.csv"]), @"{:already 0, :datoms 7, :rows 2, :t 2, :transactions 1}");
    sandbox.file("b.csv", "sku,count\nA1,6\nA3,7\nA2,\\N\n");
    assert_snapshot!(sandbox.ok(&["import", "db", "b.csv", "--namespace", "item"]), @"{:already 0, :datoms 5, :rows 3, :t 3, :transactions 1}");
    assert_snapshot!(items(&sandbox), @"
    sku,count
    A1,6
    A2,-1
    A3,7
    ");
}

#[test]
fn columns_are_renamed_and_skipped() {
    let sandbox = Sandbox::items();
    sandbox.file("a.csv", "Artikel,Menge,Bemerkung\nA1,5,gut\n");
    let args = ["import", "db", "a.csv", "--map", "Artikel=item/sku", "--map", "Menge=:item/count"];
    assert_snapshot!(sandbox.fails(&args), @"
    factfs: a.csv: column `Bemerkung`: which attribute is it?
    hint: no row was imported
    hint: --namespace NS makes it NS/Bemerkung; or --map 'Bemerkung=some/attribute' names it, --map 'Bemerkung=' skips it
    exit code 3
    ");
    sandbox.ok(&[&args[..], &["--map", "Bemerkung="]].concat());
    assert_snapshot!(items(&sandbox), @"
    sku,count
    A1,5
    ");
}

#[test]
fn json_lines_with_nested_entities() {
    let sandbox = Sandbox::items();
    let rows = r#"{"sku": "A1", "part": {"sku": "A2", "count": 3}}
{"sku": "A3", "item/part.item/sku": "A1", "tag": ["x", "y"]}"#;
    let args = ["import", "db", "-", "--format", "jsonl", "--namespace", "item", "--batch", "1"];
    assert_snapshot!(sandbox.ok_with(&args, rows), @"{:already 0, :datoms 10, :rows 2, :t 3, :transactions 2}");
    let query = "[:find ?a ?b :where [?x :item/part ?y] [?x :item/sku ?a] [?y :item/sku ?b]]";
    assert_snapshot!(sandbox.ok(&["query", query, "db"]), @"
    a,b
    A1,A2
    A3,A1
    ");
}

#[test]
fn refs_to_what_comes_later_are_made_when_asked() {
    let sandbox = Sandbox::items();
    let rows = "{\"item/sku\": \"A1\", \"item/part.item/sku\": \"A2\"}\n{\"item/sku\": \"A2\"}\n";
    let args = ["import", "db", "--format", "jsonl"];
    let ran = sandbox.ran(&args, rows);
    assert_snapshot!(ran.stderr, @r#"
    factfs: standard input: line 1, column 1: nothing found for entity id [:item/sku "A2"]
    hint: no row was imported
    code: entity/unknown
    "#);
    assert_eq!(ran.code, 4);
    sandbox.ok_with(&[&args[..], &["--create-refs"]].concat(), rows);
    assert_snapshot!(items(&sandbox), @"
    sku,count
    A1,-1
    A2,-1
    ");
}

#[test]
fn edn_maps_and_transactions() {
    let sandbox = Sandbox::items();
    let forms =
        "{:item/sku \"A1\"} {:item/sku \"A2\"} [[:db/add [:item/sku \"A1\"] :item/count 1]]";
    assert_snapshot!(sandbox.ok_with(&["import", "db", "--format", "edn"], forms), @"{:already 0, :datoms 5, :rows 2, :t 3, :transactions 2}");
    assert_snapshot!(items(&sandbox), @"
    sku,count
    A1,1
    A2,-1
    ");
}

#[test]
fn a_schema_is_inferred_when_asked() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["init", "db"]);
    sandbox.file("a.csv", "sku,count,weight,since\n007,5,1.5,2026-06-30\nA2,6,2,2026-07-01\n");
    let args = ["import", "db", "a.csv", "--namespace", "item", "--identity", "item/sku"];
    assert_snapshot!(sandbox.fails(&args), @"
    factfs: unknown attribute :item/sku
    hint: --infer proposes a schema, --schema FILE states one
    exit code 3
    ");
    sandbox.ok(&[&args[..], &["--infer"]].concat());
    let query = "[:find ?name ?type :where [?a :db/ident ?name] [?a :db/valueType ?type]]";
    assert_snapshot!(sandbox.ok(&["query", query, "db"]), @"
    name,type
    :item/count,:db.type/long
    :item/since,:db.type/instant
    :item/sku,:db.type/string
    :item/weight,:db.type/double
    ");
    assert_snapshot!(items(&sandbox), @"
    sku,count
    007,5
    A2,6
    ");
}

#[test]
fn an_error_says_how_far_it_came() {
    let sandbox = Sandbox::items();
    sandbox.file("a.csv", "item/sku,item/count\nA1,1\nA2,2\nA3,three\n");
    let args = ["import", "db", "a.csv", "--batch", "1"];
    assert_snapshot!(sandbox.fails(&args), @"
    factfs: a.csv: line 4, column `item/count`: `three` is no long
    hint: 2 rows, up to line 3, are imported
    exit code 3
    ");
    assert_snapshot!(items(&sandbox), @"
    sku,count
    A1,1
    A2,2
    ");
    sandbox.file("b.txt", "");
    assert_snapshot!(sandbox.fails(&["import", "db", "b.txt"]), @"
    factfs: b.txt: `txt` can be written, not read
    exit code 18
    ");
    sandbox.file("b.csv", "item/sku,item/sku\n");
    assert_snapshot!(sandbox.fails(&["import", "db", "b.csv"]), @"
    factfs: b.csv: column 2 is named `item/sku` like one before
    exit code 3
    ");
}

#[test]
fn no_batch_is_committed_after_one_that_is_not() {
    let sandbox = Sandbox::items();
    sandbox
        .file("a.edn", "{:item/sku \"A1\"} {:item/nope 1} {:item/sku \"A3\"} {:item/sku \"A4\"}");
    let failed = sandbox.fails(&["import", "db", "a.edn", "--batch", "1"]);
    assert!(failed.contains("1 rows, up to line 1, are imported"), "{failed}");
    assert_snapshot!(items(&sandbox), @"
    sku,count
    A1,-1
    ");
}

#[test]
fn with_ids_a_second_run_does_nothing() {
    let sandbox = Sandbox::items();
    sandbox.file("a.csv", "item/sku,item/count\nA1,1\nA2,2\nA3,3\n");
    let args = ["import", "db", "a.csv", "--batch", "2", "--tx-id", "nightly"];
    assert_snapshot!(sandbox.ok(&args), @"{:already 0, :datoms 10, :rows 3, :t 3, :transactions 2}");
    assert_snapshot!(sandbox.ok(&args), @"{:already 2, :datoms 0, :rows 3, :t 3, :transactions 2}");
}
