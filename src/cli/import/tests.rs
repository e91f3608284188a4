//! Rows of every format become the forms that they state.

use super::*;
use crate::cli::exit::Problem;
use crate::cli::forms::Source;
use factfs_core::db::{Db, NoNodes, Snapshot};
use factfs_core::edn::{self, Form, FormKind, Span};
use factfs_core::import::{Field, ImportError};
use factfs_core::schema::{Attribute, Schema};
use factfs_core::text::Format;
use factfs_core::transact::{self, Statement, TxOptions};
use proptest::prelude::*;

fn rows(text: &str, format: Format) -> anyhow::Result<Vec<Row>> {
    let mut rows = Rows::open(Source::Text(text.into()), format)?;
    let mut out = Vec::new();
    while let Some(item) = rows.next_item()? {
        if let Item::Row(row) = item {
            out.push(row);
        }
    }
    Ok(out)
}

/// Applies what `infer` proposes for some rows, as a transaction would.
fn schema_of(text: &str, naming: &Naming, identities: &[&str]) -> (Schema, String) {
    let identities: Vec<String> = identities.iter().map(|s| s.to_string()).collect();
    let rows = rows(text, Format::Jsonl).unwrap();
    let proposed = infer(&rows, naming, &Schema::default(), &identities).unwrap();
    let text = proposed.as_ref().map(edn::to_string).unwrap_or_default();
    (schema_from(&text), text)
}

fn schema_from(text: &str) -> Schema {
    if text.is_empty() { Schema::default() } else { database(&[text]).schema().clone() }
}

/// A database that some transactions made.
fn database(texts: &[&str]) -> Db {
    let (nil, nodes) = (factfs_core::value::Uuid::nil(), std::sync::Arc::new(NoNodes));
    let empty = Db::new(Snapshot::empty(nil, nodes, Schema::default()));
    texts.iter().fold(empty, |db, text| {
        let form = edn::read_one(text).unwrap();
        transact::with(&db, &form, &TxOptions::default()).unwrap().db_after
    })
}

const SCHEMA: &str = r#"[
  {:db/ident :p/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :p/price :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
  {:db/ident :p/tag :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}
  {:db/ident :p/part :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
  {:db/ident :p/maker :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}]"#;

fn forms(text: &str, format: Format, create_refs: bool) -> Vec<String> {
    let naming = Naming { namespace: Some("p".into()), ..Naming::default() };
    let mut builder = Builder::new(schema_from(SCHEMA), naming, create_refs);
    let row = |row: &Row| match builder.entity(row) {
        Ok(Entity { said, retracts }) => {
            let columns = builder.columns().as_ref().clone();
            let rows = transact::Rows { columns, statements: said.into_iter().collect() };
            let said = rows.to_form().as_vector().unwrap().to_vec();
            let retracts = retracts.into_iter().map(|r| r.form);
            said.into_iter().chain(retracts).map(|f| f.to_string()).collect::<Vec<_>>().join(" ")
        }
        Err(error) => Problem::from(error).to_string(),
    };
    rows(text, format).unwrap().iter().map(row).collect()
}

#[test]
fn csv_rows_become_maps() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(forms(text, Format::Csv, false), expected, "{text}");
    };
    check("sku,price\nA1,5\nA2,\n", &[r#"{:p/sku "A1", :p/price 5}"#, r#"{:p/sku "A2"}"#]);
    check(":p/sku,p/tag\nA1,x\n", &[r#"{:p/sku "A1", :p/tag [:x]}"#]);
    check("sku,tag\nA1,\"[\"\"x\"\",\"\":y\"\"]\"\n", &[r#"{:p/sku "A1", :p/tag [:x :y]}"#]);
    check("db/id,price\n17,5\n", &["{:db/id 17, :p/price 5}"]);
    check("sku,p/maker.p/sku\nA1,M\n", &[r#"{:p/sku "A1", :p/maker [:p/sku "M"]}"#]);
    check("sku,p/part.p/sku\nA1,M\n", &[r#"{:p/sku "A1", :p/part [[:p/sku "M"]]}"#]);
    check("sku,maker\nA1,:acme\n", &[r#"{:p/sku "A1", :p/maker :acme}"#]);
    check("sku,price\nA1,\\N\n", &[r#"{:p/sku "A1"} [:db/retract [:p/sku "A1"] :p/price]"#]);
}

#[test]
fn json_rows_become_maps() {
    let check = |text: &str, expected: &str| {
        assert_eq!(forms(text, Format::Jsonl, true), [expected], "{text}");
    };
    check(r#"{"sku": "A1", "tag": ["x", "y"]}"#, r#"{:p/sku "A1", :p/tag [:x :y]}"#);
    check(r#"{"sku": "A1", "maker": {"sku": "M"}}"#, r#"{:p/sku "A1", :p/maker {:p/sku "M"}}"#);
    check(r#"{"p/part.p/sku": ["M"]}"#, r#"{:p/part [{:p/sku "M"}]}"#);
    check(r#"{"db/id": 3, "price": null}"#, "[:db/retract 3 :p/price]");
}

#[test]
fn what_does_not_fit_is_named() {
    let check = |text: &str, expected: &str| {
        let found = forms(text, Format::Csv, false).join("\n");
        assert_eq!(found, expected, "{text}");
    };
    check("sku,price\nA1,five\n", "line 2, column `price`: `five` is no long");
    check(
        "p/skew\nA1\n",
        "line 2, column `p/skew`: unknown attribute :p/skew\nhint: did you mean :p/sku?",
    );
    check(
        "p/sku.p/price\nA1\n",
        "line 2, column `p/sku.p/price`: :p/sku is no ref: it has no .p/price",
    );
    check(
        "price\n\\N\n",
        "line 2: of which entity is :p/price to be retracted?\nhint: the row has to name it by \
         db/id or by an identity",
    );
}

#[test]
fn broken_inputs_are_told_with_their_line() {
    let check = |text: &str, format: Format, expected: &str| {
        let error = rows(text, format).unwrap_err();
        assert_eq!(format!("{error:#}"), expected, "{text}");
    };
    check("", Format::Csv, "argument: the header is missing: the file is empty");
    check("a,a\n", Format::Csv, "argument: column 2 is named `a` like one before");
    check("a\n1,2\n", Format::Csv, "argument: line 2: 2 cells under a header of 1");
    check(
        "{\"a\": 1}\n{\"a\"\n",
        Format::Jsonl,
        "argument: line 2, column 4: EOF while parsing an object",
    );
    check("[1]\n", Format::Jsonl, "argument: line 1: an object is expected");
    check("3", Format::Edn, "argument: line 1, column 1: a map or a vector is expected");
}

#[test]
fn names_of_columns_have_one_meaning() {
    let naming = Naming {
        namespace: None,
        renamed: [("Artikel", "p/sku"), ("x", "")].map(|(a, b)| (a.into(), b.into())).into(),
        entity_id: Some("id".into()),
    };
    let check = |name: &str, expected: &str| {
        let found = naming.target(name).map(|target| format!("{target:?}"));
        assert_eq!(
            found.unwrap_or_else(|e| Problem::from(ImportError::from(e)).to_string()),
            expected
        );
    };
    check("Artikel", r#"Attribute { ident: "p/sku", via: None }"#);
    check("p/a.b.c/id", r#"Attribute { ident: "p/a", via: Some("b.c/id") }"#);
    check("p/a.b", r#"Attribute { ident: "p/a.b", via: None }"#);
    check("x", "Skip");
    check("id", "EntityId");
    let hint = "--map 'y=some/attribute' names it, --map 'y=' skips it";
    let expected = "column `y`: which attribute is it?\nhint: --namespace NS makes it NS/y; or ";
    check("y", &format!("{expected}{hint}"));
}

#[test]
fn a_schema_is_proposed_that_holds_what_was_seen() {
    let naming = Naming { namespace: Some("p".into()), ..Naming::default() };
    let text = r#"{"n": "x", "size": 5, "w": 1, "tags": ["a"], "dep": [{"n": "y"}], "at": "2026-06-30"}
{"n": "007", "size": 5.5, "w": 2}"#;
    let (schema, _) = schema_of(text, &naming, &["p/n"]);
    let of = |ident: &str| {
        let Attribute { value_type, many, .. } = schema.attr(ident).unwrap().as_ref().clone();
        format!("{:?} {many}", value_type.unwrap())
    };
    assert_eq!(of("p/n"), "String false");
    assert_eq!(of("p/size"), "Double false");
    assert_eq!(of("p/w"), "Long false");
    assert_eq!(of("p/tags"), "String true");
    assert_eq!(of("p/dep"), "Ref true");
    assert_eq!(of("p/at"), "Instant false");
}

#[test]
fn a_field_of_csv_is_a_number_only_if_written_as_one() {
    let row = |text: &str| Row { line: 2, fields: vec![("p/x".into(), Field::Text(text.into()))] };
    let check = |cells: &[&str], expected: &str| {
        let rows: Vec<Row> = cells.iter().map(|cell| row(cell)).collect();
        let found = infer(&rows, &Naming::default(), &Schema::default(), &[]).unwrap();
        let text = edn::to_string(&found.unwrap());
        assert!(text.contains(&format!(":db.type/{expected}")), "{cells:?}: {text}");
    };
    check(&["1", "2"], "long");
    check(&["1", "2.5"], "double");
    check(&["007"], "string");
    check(&["true", "false"], "boolean");
    check(&["true", "1"], "string");
    check(&["2026-06-30T12:00:00Z"], "instant");
    check(&["2026"], "long");
}

const TYPES: &str = r#"[
  {:db/ident :t/id :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :t/no :db/valueType :db.type/long :db/cardinality :db.cardinality/one
   :db/unique :db.unique/value}
  {:db/ident :t/double :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
  {:db/ident :t/float :db/valueType :db.type/float :db/cardinality :db.cardinality/one}
  {:db/ident :t/big :db/valueType :db.type/bigint :db/cardinality :db.cardinality/one}
  {:db/ident :t/dec :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
  {:db/ident :t/yes :db/valueType :db.type/boolean :db/cardinality :db.cardinality/one}
  {:db/ident :t/at :db/valueType :db.type/instant :db/cardinality :db.cardinality/one}
  {:db/ident :t/uuid :db/valueType :db.type/uuid :db/cardinality :db.cardinality/one}
  {:db/ident :t/uri :db/valueType :db.type/uri :db/cardinality :db.cardinality/one}
  {:db/ident :t/bytes :db/valueType :db.type/bytes :db/cardinality :db.cardinality/one}
  {:db/ident :t/symbol :db/valueType :db.type/symbol :db/cardinality :db.cardinality/one}
  {:db/ident :t/ref :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}
  {:db/ident :t/refs :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
  {:db/ident :t/words :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
  {:db/ident :t/names :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}
  {:db/ident :t/short :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/maxLength 3}]"#;
const THERE: &str = r#"[{:db/id 1 :t/id "a" :t/no 1 :t/words ["a" "b"] :db/ident :one}
  {:db/id 2 :t/id "b" :t/double 1.5}]"#;

/// What is said in a column, as a line of JSON or a cell has it.
fn field() -> impl Strategy<Value = Field> {
    let texts = [
        "a",
        "b",
        "c",
        "",
        "abcd",
        "1",
        "2",
        "-1",
        "007",
        "+5",
        "1.5",
        "1e3",
        "1e400",
        "NaN",
        ":one",
        ":a/b",
        "true",
        "2026-06-30",
        "2026-06-30T12:00:00Z",
        "ab+/",
        "[\"a\",\"b\"]",
        "[1,2]",
        "[",
        "00000000-0000-0000-0000-000000000001",
        "9223372036854775808",
        "9007199254740993",
        "nil",
    ];
    let texts = prop::sample::select(texts.to_vec());
    let words = [
        "null",
        "true",
        "1",
        "2",
        "0",
        "-1",
        "1.0",
        "1.5",
        "1e3",
        "9223372036854775808",
        "[]",
        "[null]",
        "[1,2]",
        "[2,2]",
        "[\"a\",\"c\"]",
        "[[1]]",
        "{}",
        "{\"t/id\":\"a\"}",
        "[\":one\"]",
    ];
    let words = prop::sample::select(words.to_vec()).prop_map(|json| json.to_owned());
    let json = prop_oneof![words, texts.clone().prop_map(|text| format!("{text:?}"))];
    prop_oneof![
        texts.prop_map(|text| Field::Text(text.to_owned())),
        json.prop_map(|json| match serde_json::from_str(&json).unwrap() {
            serde_json::Value::Null => Field::Retract,
            json => Field::Json(json),
        }),
    ]
}

fn columns() -> impl Strategy<Value = Vec<&'static str>> {
    let names = TYPES.split(":db/ident :").skip(1).map(|rest| rest.split(' ').next().unwrap());
    let names: Vec<_> = names.chain(["db/id"]).collect();
    prop::sample::subsequence(names, 1..4).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn plain_rows_say_what_their_forms_say(
        names in columns(),
        cells in prop::collection::vec(prop::collection::vec(field(), 3), 1..4),
    ) {
        let db = database(&[TYPES, THERE]);
        let builder = || Builder::new(db.schema().clone(), Naming::default(), false);
        let (mut plain, mut forms) = (builder(), builder());
        let (mut typed, mut written) = (transact::Rows::default(), Vec::new());
        for (fields, line) in cells.into_iter().zip(2..) {
            let fields = names.iter().map(|name| (*name).into()).zip(fields).collect();
            let row = Row { line, fields };
            let Ok(Entity { said: Some(said @ Statement::Row(_)), .. }) = plain.entity(&row) else {
                continue;
            };
            let form = forms.forms(&row, None).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert!(form.retracts.is_empty());
            let Some(Statement::Form(form)) = form.said else { panic!("{row:?}") };
            typed.statements.push(said);
            written.push(form);
        }
        typed.columns = plain.columns().as_ref().clone();
        let written = Form { kind: FormKind::Vector(written), span: Span::default() };
        let options = TxOptions { now_ms: 99, ..TxOptions::default() };
        let typed = transact::prepare_rows(&db, &typed, &options);
        let written = transact::prepare(&db, &written, &options);
        let [typed, written] = [typed, written].map(|prepared| {
            prepared.map(|p| (p.datoms, p.next_entity)).map_err(|error| error.to_string())
        });
        prop_assert_eq!(typed, written);
    }
}
