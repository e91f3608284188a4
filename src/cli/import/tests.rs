//! Rows of every format become the forms that they state.

use super::rows::Field;
use super::*;
use crate::cli::forms::Source;
use factfs_core::edn;
use factfs_core::schema::{Attribute, Schema};
use factfs_core::text::Format;
use factfs_core::transact;

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
    let db = factfs_core::db::Db::new(factfs_core::db::Snapshot::empty(
        factfs_core::value::Uuid::nil(),
        std::sync::Arc::new(factfs_core::db::NoNodes),
        Schema::default(),
    ));
    if text.is_empty() {
        return Schema::default();
    }
    let options = factfs_core::transact::TxOptions::default();
    let form = edn::read_one(text).unwrap();
    factfs_core::transact::with(&db, &form, &options).unwrap().db_after.schema().clone()
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
        Err(problem) => problem.to_string(),
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
        assert_eq!(found.unwrap_or_else(|e| e.to_string()), expected);
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
