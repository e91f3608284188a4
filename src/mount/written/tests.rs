//! What the mount writes out and is given back changes nothing; and what edited entities say.

use super::*;
use crate::error::{Kind, Result};
use crate::fixture::{CATALOG, database};
use crate::render;
use crate::source::{MemorySource, Source};
use crate::spool::{Cancel, Spool};
use factfs_core::datom::Order;
use factfs_core::db::TxReport;
use factfs_core::edn;
use factfs_core::id::EntityId;
use factfs_core::text::Format;
use factfs_core::value::{BigDec, BigInt, BigRational, Keyword, Symbol, Uuid, Value};
use proptest::prelude::*;
use serde_json::Value as Json;

/// The types whose values have no parts, with the tuples made of them.
const TYPES: [&str; 15] = [
    "string", "long", "double", "float", "bigint", "bigdec", "boolean", "keyword", "symbol",
    "uuid", "instant", "uri", "bytes", "number", "ref",
];

/// `:t/TYPE` and `:t/TYPE-many`, arrays, and every kind of tuple.
fn schema() -> String {
    let mut forms = String::new();
    for (name, of, more) in TYPES.map(|of| (of, of, "")).into_iter().chain([
        ("floats", "float-array", ""),
        ("doubles", "double-array", ""),
        ("same", "tuple", ":db/tupleType :db.type/bigdec"),
        (
            "each",
            "tuple",
            ":db/tupleTypes [:db.type/instant :db.type/keyword :db.type/bytes :db.type/number]",
        ),
    ]) {
        for (suffix, cardinality) in [("", "one"), ("-many", "many")] {
            forms += &format!(
                "{{:db/ident :t/{name}{suffix} :db/valueType :db.type/{of} {more}
                   :db/cardinality :db.cardinality/{cardinality}}}\n"
            );
        }
    }
    format!(
        "[{forms} {{:db/ident :t/pair :db/valueType :db.type/tuple
          :db/cardinality :db.cardinality/one :db/tupleAttrs [:t/string :t/long]}}
         {{:db/ident :t/named}}]"
    )
}

fn texts() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "\"",
        "\"\"",
        "\\N",
        "\\",
        ":x",
        "[1]",
        "[\"a\"]",
        "a,b",
        "\r\n",
        "x\r",
        "\u{feff}",
        "NaN",
        "null",
        "nil",
        "1.0",
        " x ",
        "\t",
        "a\nb",
        "007",
        "#{}",
        "\u{202e}x",
        "%2F",
    ];
    prop_oneof![any::<String>(), prop::sample::select(odd.to_vec()).prop_map(str::to_owned)]
}

fn bigint() -> impl Strategy<Value = BigInt> {
    (any::<i64>(), any::<i64>()).prop_map(|(a, b)| BigInt::from(a) * b)
}

fn bigdec() -> impl Strategy<Value = Value> {
    (bigint(), -3i64..20).prop_map(|(unscaled, scale)| BigDec { unscaled, scale }.into())
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(0.1), Just(1e300)]
}

fn instant() -> impl Strategy<Value = Value> {
    (-60_000_000_000_000i64..200_000_000_000_000).prop_map(Value::Inst)
}

fn number() -> BoxedStrategy<Value> {
    let ratio = (any::<i32>(), 2i32..99);
    prop_oneof![
        any::<i64>().prop_map(Value::Long),
        bigint().prop_map(Value::from),
        bigdec(),
        double().prop_map(Value::Double),
        ratio.prop_map(|(a, b)| BigRational::new(a.into(), b.into()).into()),
    ]
    .boxed()
}

fn keyword() -> impl Strategy<Value = Value> {
    texts().prop_map(|text| Value::Keyword(Keyword::new(&text)))
}

fn bytes() -> impl Strategy<Value = Value> {
    prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Bytes(bytes.into()))
}

/// A value for the attribute `:t/NAME`, as a transaction says it.
fn value(name: &str) -> BoxedStrategy<Value> {
    match name {
        "string" => texts().prop_map(Value::from).boxed(),
        "long" => any::<i64>().prop_map(Value::Long).boxed(),
        "double" => double().prop_map(Value::Double).boxed(),
        "float" => any::<f32>().prop_map(Value::Float).boxed(),
        "bigint" => bigint().prop_map(Value::from).boxed(),
        "bigdec" => bigdec().boxed(),
        "boolean" => any::<bool>().prop_map(Value::Bool).boxed(),
        "keyword" => keyword().boxed(),
        "symbol" => texts().prop_map(|text| Value::Symbol(Symbol::new(&text))).boxed(),
        "uuid" => any::<[u8; 16]>().prop_map(|b| Value::Uuid(Uuid::from_bytes(b))).boxed(),
        "instant" => instant().boxed(),
        "uri" => texts().prop_map(|text| Value::Uri(text.as_str().into())).boxed(),
        "bytes" => bytes().boxed(),
        "number" => number(),
        "ref" => prop::sample::select(vec!["one", "two", "named"]).prop_map(Value::str).boxed(),
        "floats" | "doubles" => {
            let one = any::<f32>().prop_map(|x| Value::Double(f64::from(x)));
            prop::collection::vec(one, 0..4).prop_map(Value::from).boxed()
        }
        "same" => prop::collection::vec(bigdec(), 2..4).prop_map(Value::from).boxed(),
        _ => (instant(), keyword(), bytes(), prop_oneof![number(), Just(Value::Nil)].boxed())
            .prop_map(|(a, b, c, d)| Value::from(vec![a, b, c, d]))
            .boxed(),
    }
}

/// Attributes of an entity, with one value or many.
fn entity() -> impl Strategy<Value = Vec<(String, Value)>> {
    let names = TYPES.into_iter().chain(["floats", "doubles", "same", "each"]).collect::<Vec<_>>();
    let of = |name: &'static str| {
        let one = value(name).prop_map(move |value| (name.to_owned(), value));
        let many = prop::collection::vec(value(name), 1..4);
        let many = many.prop_map(move |all| (format!("{name}-many"), Value::from(all)));
        prop_oneof![one, many]
    };
    prop::sample::subsequence(names, 1..9)
        .prop_flat_map(move |names| names.into_iter().map(of).collect::<Vec<_>>())
}

fn transact(source: &MemorySource, text: &str) {
    source.transact("main", &edn::read_one(text).unwrap()).unwrap();
}

fn give(source: &MemorySource, format: Format, text: &str) -> Result<TxReport> {
    source.transact_made("main", None, &document(format, text.as_bytes())?)
}

fn table(source: &MemorySource, format: Format) -> String {
    let mut out = Spool::new(1 << 30, Cancel::default());
    render::table(&source.head("main").unwrap().db, "t", format, &mut out).unwrap();
    let content = out.finish().unwrap();
    String::from_utf8(content.read(0, 1 << 30).unwrap()).unwrap()
}

/// That a text changes nothing: the transaction says when it was, and no more.
fn says_nothing(
    source: &MemorySource,
    format: Format,
    text: &str,
) -> std::result::Result<(), TestCaseError> {
    let report = give(source, format, text);
    let report = report.map_err(|e| TestCaseError::fail(format!("{format:?} {text}: {e}")))?;
    prop_assert_eq!(report.datoms.len(), 1, "{:?} {}: {:?}", format, text, report.datoms);
    Ok(())
}

/// An entity of a transaction, which is found again by its name.
fn map(name: &str, said: &[(String, Value)]) -> String {
    let facts = said.iter().map(|(name, v)| format!(" :t/{name} {}", edn::to_string(v)));
    format!("{{:db/id \"{name}\" :db/doc \"{name}\"{}}}", facts.collect::<String>())
}

/// The entity of this name.
fn named(source: &MemorySource, name: &str) -> EntityId {
    let db = source.head("main").unwrap().db;
    let all = db.datoms(Order::Eavt, None, None, None).unwrap();
    all.iter().find(|datom| datom.v == Value::str(name)).unwrap().e
}

/// An entity in JSON, but for what its attributes give no type and what the database keeps.
fn typed(source: &MemorySource, e: EntityId) -> Json {
    let db = source.head("main").unwrap().db;
    let text = render::entity(&db, e, Format::Json).unwrap().unwrap();
    let mut json: Json = serde_json::from_str(&text).unwrap();
    let is_typed = |name: &str| !["number", "each", "pair"].iter().any(|n| name.contains(n));
    json.as_object_mut().unwrap().retain(|name, _| is_typed(name));
    json
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("FACTFS_CASES_WRITTEN").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
    ))]

    #[test]
    fn what_was_written_out_changes_nothing(one in entity(), two in entity()) {
        let source = MemorySource::new("t");
        transact(&source, &schema());
        let named = "{:db/id \"named\" :db/ident :t/it}";
        transact(&source, &format!("[{} {} {named}]", map("one", &one), map("two", &two)));
        for format in [Format::Csv, Format::Tsv, Format::Json, Format::Jsonl] {
            says_nothing(&source, format, &table(&source, format))?;
        }
        let db = source.head("main").unwrap().db;
        for e in render::entity_ids(&db, &Cancel::default()).unwrap() {
            for format in [Format::Edn, Format::Json] {
                let text = render::entity(&db, e, format).unwrap().unwrap();
                let forms = Edited::read(format, text.as_bytes(), e).and_then(|e| e.forms(&db));
                prop_assert_eq!(forms.map(|forms| forms.len()), Ok(0), "{}", text);
                says_nothing(&source, format, &text)?;
            }
        }
    }

    #[test]
    fn an_entity_that_is_written_in_json_is_read_so(one in entity(), two in entity()) {
        let source = MemorySource::new("t");
        transact(&source, &schema());
        let other = "{:db/id \"named\" :db/ident :t/it}";
        let maps = format!("{} {}", map("one", &one), map("two", &two));
        transact(&source, &format!("[{maps} {other}]"));
        let (from, to) = (named(&source, "one"), named(&source, "two"));
        let mut text = typed(&source, from);
        text["db/id"] = to.0.into();
        let db = source.head("main").unwrap().db;
        let edited = Edited::read(Format::Json, text.to_string().as_bytes(), to).unwrap();
        let forms = edited.forms(&db);
        let forms = forms.map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        let forms = edn::Form { kind: edn::FormKind::Vector(forms), span: edn::Span::default() };
        let done = source.transact("main", &forms);
        done.map_err(|e| TestCaseError::fail(format!("{text}: {forms}: {e}")))?;
        let mut now = typed(&source, to);
        now["db/basis"] = text["db/basis"].clone();
        prop_assert_eq!(now, text);
    }
}

fn catalog() -> std::sync::Arc<MemorySource> {
    database("catalog", &CATALOG)
}

fn entity_text(source: &MemorySource, e: u64) -> String {
    let db = source.head("main").unwrap().db;
    render::entity(&db, EntityId(e), Format::Edn).unwrap().unwrap()
}

fn edited(source: &MemorySource, e: u64, text: &str) -> Result<Vec<String>> {
    let edited = Edited::read(Format::Edn, text.as_bytes(), EntityId(e))?;
    let forms = edited.forms(&source.head("main").unwrap().db)?;
    Ok(forms.iter().map(ToString::to_string).collect())
}

/// The chair.
const E: u64 = 5;

#[test]
fn an_edited_entity_is_the_difference_to_its_basis() {
    let source = catalog();
    let text = entity_text(&source, E);
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(text.contains(from), "{text}");
        assert_eq!(edited(&source, E, &text.replace(from, to)).unwrap(), expected, "{to}");
    };
    check("45", "45", &[]);
    check("45", "50", &["[:db/add 5 :product/price 50]"]);
    check("\n :product/price 45", "", &["[:db/retract 5 :product/price 45]"]);
    check(
        ":wood",
        ":oak",
        &["[:db/retract 5 :product/tags :wood]", "[:db/add 5 :product/tags :oak]"],
    );
    check("#{:home/seat :wood}", "[:home/seat]", &["[:db/retract 5 :product/tags :wood]"]);
    check(
        "\"Chair\"",
        "\"Seat\"\n :db/doc \"x\"",
        &["[:db/add 5 :db/doc \"x\"]", "[:db/add 5 :product/name \"Seat\"]"],
    );
}

#[test]
fn what_changed_meanwhile_is_a_conflict_where_it_is_edited() {
    let source = catalog();
    let text = entity_text(&source, E);
    transact(&source, "[[:db/add 5 :product/price 60]]");
    let name = text.replace("Chair", "Seat");
    assert_eq!(edited(&source, E, &name).unwrap(), ["[:db/add 5 :product/name \"Seat\"]"]);
    let failure = edited(&source, E, &text.replace("45", "50")).unwrap_err();
    assert_eq!(failure.kind, Kind::Conflict);
    assert!(failure.message.contains(":product/price was 45, is 60, here 50"), "{failure}");
    assert!(edited(&source, E, &text.replace("45", "60")).unwrap().is_empty());
    assert!(edited(&source, E, &text).unwrap().is_empty());
}

/// The catalogue with suppliers, and the text of the chair in JSON.
fn supplied() -> (std::sync::Arc<MemorySource>, String) {
    let source = catalog();
    transact(
        &source,
        "[{:db/ident :supplier/id :db/valueType :db.type/string :db/unique :db.unique/identity}
          {:db/ident :product/supplier :db/valueType :db.type/ref}
          {:db/ident :product/others :db/valueType :db.type/ref
           :db/cardinality :db.cardinality/many}
          {:db/ident :product/made :db/valueType :db.type/instant}]",
    );
    transact(
        &source,
        "[{:db/id \"a\" :supplier/id \"acme\" :db/ident :is/acme}
          {:db/id \"b\" :supplier/id \"bolt\"}
          {:db/id 5 :product/supplier \"b\" :product/others [\"a\" \"b\"]}]",
    );
    let text = render::entity(&source.head("main").unwrap().db, EntityId(E), Format::Json);
    (source, text.unwrap().unwrap())
}

/// What a text in JSON changes of the chair.
fn in_json(source: &MemorySource, text: &str) -> Result<Vec<String>> {
    let edited = Edited::read(Format::Json, text.as_bytes(), EntityId(E))?;
    let forms = edited.forms(&source.head("main").unwrap().db)?;
    Ok(forms.iter().map(ToString::to_string).collect())
}

#[test]
fn an_entity_in_json_says_values_by_the_types_of_attributes() {
    let (source, text) = supplied();
    let id = |name: &str| named(&source, name).to_string();
    let (acme, bolt) = (id("acme"), id("bolt"));
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert!(text.contains(from), "{from}: {text}");
        let forms = in_json(&source, &text.replace(from, to)).unwrap();
        assert_eq!(forms, expected, "{to}");
    };
    check("45", "45", &[]);
    check("45", "50", &["[:db/add 5 :product/price 50]"]);
    check("45", "null", &["[:db/retract 5 :product/price 45]"]);
    check("\"product/price\": 45,", "", &["[:db/retract 5 :product/price 45]"]);
    check("\"Chair\"", "\"4,5\"", &["[:db/add 5 :product/name \"4,5\"]"]);
    let tags = ["[:db/retract 5 :product/tags :wood]", "[:db/add 5 :product/tags :oak]"];
    check("\":wood\"", "\"oak\"", &tags);
    check("\":wood\"", "\":oak\"", &tags);
    let made = "\"product/made\": \"2026-01-02\", \"product/price\"";
    let instant = "[:db/add 5 :product/made #inst \"2026-01-02T00:00:00.000-00:00\"]";
    check("\"product/price\"", made, &[instant]);
    // A ref by id, by ident, and by the value of an identity.
    let supplier = format!("\"product/supplier\": {bolt}");
    let to_acme = format!("[:db/add 5 :product/supplier {acme}]");
    check(&supplier, &format!("\"product/supplier\": {acme}"), &[&to_acme]);
    check(&supplier, "\"product/supplier\": \":is/acme\"", &[&to_acme]);
    check(&supplier, "\"product/supplier.supplier/id\": \"acme\"", &[&to_acme]);
    check(&supplier, "\"product/supplier.supplier/id\": \"bolt\"", &[]);
    let all = "\"product/others.supplier/id\": [\"bolt\", \"acme\"]";
    let shown = text.lines().find(|line| line.contains("product/others")).unwrap();
    check(shown.trim().trim_end_matches(','), all, &[]);
}

#[test]
fn an_entity_in_json_that_is_wrong_is_refused() {
    let (source, text) = supplied();
    let refused = |from: &str, to: &str, words: &str| {
        let failure = in_json(&source, &text.replace(from, to)).unwrap_err();
        assert_eq!(failure.kind, Kind::Invalid);
        assert!(failure.to_string().contains(words), "{to}: {failure}");
    };
    refused("db/basis", "db/basin", "has no :db/basis");
    refused("db/id", "db/ident", "has no :db/id");
    refused("\"db/id\": 5", "\"db/id\": 6", "this is entity 6, in the file of 5");
    refused("product/price", "product/prize", "did you mean :product/price?");
    refused("45", "\"many\"", "`\"many\"` is no long");
    refused("45", "4.5", "4.5");
    refused("45", "45,", "line ");
    let twice = "\"product/supplier.supplier/id\": \"acme\", \"product/supplier\"";
    refused("\"product/supplier\"", twice, ":product/supplier is said twice");
}

#[test]
fn a_text_that_is_no_entity_is_refused() {
    let source = catalog();
    let text = entity_text(&source, E);
    let refused = |text: &str, words: &str| {
        let failure = edited(&source, E, text).unwrap_err();
        assert!(failure.to_string().contains(words), "{text}: {failure}");
    };
    refused(&text.replace(":db/basis 3", ""), "has no :db/basis");
    refused(&text.replace(":db/basis 3", ":db/basis 99"), ":db/basis 99 is not yet");
    refused(&text.replace(":db/id 5", ":db/id 6"), "this is entity 6, in the file of 5");
    refused(&text.replace(":product/price", ":product/prize"), "did you mean :product/price?");
    refused("[]", "an entity is one map");
    refused("", "");
}

#[test]
fn a_document_is_one_transaction() {
    let source = catalog();
    let given =
        |format, text: &str| give(&source, format, text).map(|report| report.datoms.len() - 1);
    let two = "[{:product/sku \"n\"}] {:product/sku \"m\" :product/price 1}";
    assert_eq!(given(Format::Edn, two), Ok(3));
    assert_eq!(given(Format::Csv, "product/sku,product/price\nn,2\nk,\n"), Ok(2));
    assert_eq!(given(Format::Csv, "product/sku,product/price\nn,\\N\n"), Ok(1));
    assert_eq!(given(Format::Jsonl, "{\"product/sku\": \"n\", \"product/price\": 3}\n\n"), Ok(1));
    assert_eq!(given(Format::Json, "{\"product/sku\": \"n\", \"product/price\": null}"), Ok(1));
    let failure = given(Format::Csv, "product/sku,product/price\nz,1\ny,one\n").unwrap_err();
    assert!(failure.message.starts_with("line 3, column `product/price`: `one`"), "{failure}");
    let failure = given(Format::Csv, "sku\nz\n").unwrap_err();
    assert!(failure.to_string().ends_with("NAMESPACE/sku"), "{failure}");
    for (format, text) in [
        (Format::Edn, "[{:product/sku \"n\"}"),
        (Format::Edn, "3"),
        (Format::Json, "[{]"),
        (Format::Jsonl, "{}\n[\n"),
        (Format::Csv, ""),
    ] {
        assert_eq!(given(format, text).unwrap_err().kind, Kind::Invalid, "{text}");
    }
}

#[test]
fn entities_of_a_document_are_as_they_were_edited() {
    let source = catalog();
    let both = format!("{}{}", entity_text(&source, 5), entity_text(&source, 6));
    let report = give(&source, Format::Edn, &both.replace("90", "91")).unwrap();
    assert_eq!(report.datoms.len(), 3, "{:?}", report.datoms);
    transact(&source, "[[:db/add 6 :product/price 7]]");
    let failure = give(&source, Format::Edn, &both.replace("90", "92")).unwrap_err();
    assert_eq!(failure.kind, Kind::Conflict);
}

#[test]
fn names_of_documents() {
    for name in ["prices.csv", "Prices June.tsv", "x.y.json", "a.edn", "b.jsonl"] {
        assert!(format_of(name).is_some(), "{name}");
    }
    for name in [".prices.csv.Xy12", "a.edn~", ".a.edn", "#a.edn#", "4913", "a.txt", ".csv", "csv"]
    {
        assert!(format_of(name).is_none(), "{name}");
    }
}
