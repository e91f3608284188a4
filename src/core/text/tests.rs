//! Results in each format, as statements; and that cells read back as what was written.

use super::*;
use crate::edn::{read_all, read_one, to_string};
use crate::value::{Tag, Value, arbitrary};
use proptest::prelude::*;

const ALL: [Format; 7] = Format::ALL;

fn values(edn: &str) -> Vec<Value> {
    read_all(edn).unwrap().iter().map(crate::edn::Form::to_value).collect()
}

fn rows(edn: &str) -> Vec<Vec<Value>> {
    let vector = |value| match value {
        Value::Vector(items) => items.to_vec(),
        other => vec![other],
    };
    values(edn).into_iter().map(vector).collect()
}

fn write(format: Format, layout: Layout, edn: &str) -> String {
    let rows = rows(edn);
    write_all(format, layout, rows.iter().map(Vec::as_slice))
}

#[track_caller]
fn check(format: Format, layout: Layout, edn: &str, expected: &str) {
    assert_eq!(write(format, layout, edn), expected, "{format:?}");
}

fn layout(shape: Shape) -> Layout {
    Layout { shape, ..Layout::relation(["name", "n", "n"]) }
}

const PEOPLE: &str =
    r#"["Ann" 1 1.5M] ["Bob, \"B\"" -20 nil] ["" :a/b 1/2] ["x\ty\\z\n" #{2 1} {:p/q ##NaN}]"#;

#[test]
fn a_relation() {
    let relation = || layout(Shape::Relation);
    check(
        Format::Csv,
        relation(),
        PEOPLE,
        concat!(
            "name,n,n_2\n",
            "Ann,1,1.5\n",
            "\"Bob, \"\"B\"\"\",-20,\n",
            "\"\",:a/b,1/2\n",
            "\"x\ty\\z\n",
            "\",\"[1, 2]\",\"{\"\"p/q\"\": \"\"NaN\"\"}\"\n",
        ),
    );
    check(
        Format::Tsv,
        relation(),
        PEOPLE,
        concat!(
            "name\tn\tn_2\n",
            "Ann\t1\t1.5\n",
            "Bob, \"B\"\t-20\t\n",
            "\"\"\t:a/b\t1/2\n",
            "x\\ty\\\\z\\n\t[1, 2]\t{\"p/q\": \"NaN\"}\n",
        ),
    );
    check(
        Format::Json,
        relation(),
        PEOPLE,
        concat!(
            "[{\"name\": \"Ann\", \"n\": 1, \"n_2\": 1.5},\n ",
            "{\"name\": \"Bob, \\\"B\\\"\", \"n\": -20, \"n_2\": null},\n ",
            "{\"name\": \"\", \"n\": \":a/b\", \"n_2\": \"1/2\"},\n ",
            "{\"name\": \"x\\ty\\\\z\\n\", \"n\": [1, 2], \"n_2\": {\"p/q\": \"NaN\"}}]\n"
        ),
    );
    check(
        Format::Edn,
        relation(),
        PEOPLE,
        concat!(
            "[[\"Ann\" 1 1.5M]\n",
            " [\"Bob, \\\"B\\\"\" -20 nil]\n",
            " [\"\" :a/b 1/2]\n",
            " [\"x\\ty\\\\z\\n\" #{1 2} {:p/q ##NaN}]]\n",
        ),
    );
    check(
        Format::Txt,
        relation(),
        "[\"Ann\" 1 1.5M] [\"漢字\u{1b}[1m\" -20 nil] [nil nil 100N] [\"e\u{301}\" 7 nil]",
        concat!(
            "name             n  n_2\n",
            "-------------  ---  ---\n",
            "Ann              1  1.5\n",
            "漢字\\u001b[1m  -20\n",
            "                    100\n",
            "e\u{301}                7\n",
        ),
    );
    check(
        Format::Md,
        relation(),
        "[\"a|b*\" 1 nil] [\"x\\ny\" :a_b \"\"]",
        concat!(
            "| name | n | n\\_2 |\n",
            "| --- | --- | --- |\n",
            "| a\\|b\\* | 1 |  |\n",
            "| x<br>y | :a\\_b | \"\" |\n",
        ),
    );
    let lines = write(Format::Jsonl, relation(), PEOPLE);
    assert_eq!(lines.lines().count(), 4);
    assert_eq!(lines.lines().next(), Some("{\"name\": \"Ann\", \"n\": 1, \"n_2\": 1.5}"));
}

#[test]
fn the_other_shapes() {
    let shape = |shape| Layout { shape, ..Layout::relation(["a", "b"]) };
    check(Format::Json, shape(Shape::Collection), "1 \"x\"", "[1,\n \"x\"]\n");
    check(Format::Jsonl, shape(Shape::Collection), "1 \"x\"", "1\n\"x\"\n");
    check(Format::Edn, shape(Shape::Collection), "1 \"x\"", "[1\n \"x\"]\n");
    check(Format::Json, shape(Shape::Tuple), "[1 2]", "{\"a\": 1, \"b\": 2}\n");
    check(Format::Edn, shape(Shape::Tuple), "[1 2]", "[1 2]\n");
    check(Format::Csv, shape(Shape::Tuple), "[1 2]", "a,b\n1,2\n");
    check(Format::Json, shape(Shape::Scalar), "{:a/b [1]}", "{\"a/b\": [1]}\n");
    check(Format::Edn, shape(Shape::Scalar), "{:a/b [1]}", "{:a/b [1]}\n");
    let maps = |keys| Layout { keys: Some(keys), ..shape(Shape::Relation) };
    check(Format::Edn, maps(RowKeys::Keywords), "[1 2] [3 4]", "[{:a 1, :b 2}\n {:a 3, :b 4}]\n");
    check(Format::Edn, maps(RowKeys::Strings), "[1 2]", "[{\"a\" 1, \"b\" 2}]\n");
    check(Format::Edn, maps(RowKeys::Symbols), "[1 2]", "[{a 1, b 2}]\n");
}

#[test]
fn nothing_is_right_in_every_format() {
    let empty = |shape| {
        ALL.map(|format| write(format, Layout { shape, ..Layout::relation(["a", "b"]) }, ""))
    };
    let (csv, tsv, txt, md) = ("a,b\n", "a\tb\n", "a  b\n-  -\n", "| a | b |\n| --- | --- |\n");
    for shape in [Shape::Relation, Shape::Collection] {
        assert_eq!(empty(shape), [csv, tsv, "[]\n", "", "[]\n", txt, md]);
    }
    for shape in [Shape::Tuple, Shape::Scalar] {
        assert_eq!(empty(shape), [csv, tsv, "null\n", "", "nil\n", txt, md]);
    }
}

#[test]
fn json_is_exact_and_has_each_key_once() {
    let json = |edn: &str| {
        let mut out = String::new();
        write_json(&read_one(edn).unwrap().to_value(), &mut out);
        serde_json::from_str::<serde_json::Value>(&out).expect("it is JSON");
        out
    };
    assert_eq!(json("123456789012345678901234567890N"), "123456789012345678901234567890");
    assert_eq!(json("[0.1 1e300 1.10M 1E5M ##-Inf]"), "[0.1, 1.0E300, 1.10, 1E+5, \"-Infinity\"]");
    assert_eq!(json("{:a 1 \"a\" 2 3 4}"), "{\"3\": 4, \"a\": 2, \"a_2\": 1}");
    assert_eq!(json("#inst \"2026-06-30\""), "\"2026-06-30T00:00:00Z\"");
    assert_eq!(json("\"\\u001b\\u202e\""), "\"\\u001b\\u202e\"");
    assert_eq!(json("#my/tag [1]"), "{\"#my/tag\": [1]}");
}

#[test]
fn extensions() {
    for format in ALL {
        assert_eq!(Format::from_extension(format.extension()), Some(format));
    }
    assert_eq!(Format::from_extension("xls"), None);
}

#[test]
fn columns_have_names() {
    let named = |edn: &str| column_name(&read_one(edn).unwrap());
    assert_eq!(named("?name"), "name");
    assert_eq!(named("(sum ?r)"), "sum_r");
    assert_eq!(named("(max 3 ?x)"), "max_3_x");
    assert_eq!(named("(pull $h ?e [*])"), "pull_h_e");
    let unique = unique_names(["a", "a", "a_2", "a", "b"].map(String::from));
    assert_eq!(unique, ["a", "a_3", "a_2", "a_4", "b"]);
}

#[track_caller]
fn parses(text: &str, tag: Tag, expected: &str) {
    let found = match parse_cell(text, tag) {
        Ok(value) => to_string(&value),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "{text} as {tag:?}");
}

#[test]
fn cells_are_exact_or_refused() {
    parses("007", Tag::Long, "7");
    parses("+1e3", Tag::Long, "1000");
    parses("1.0", Tag::Long, "1");
    parses("1.5", Tag::Long, "`1.5` is not exact as a long");
    parses("9223372036854775808", Tag::Long, "`9223372036854775808` is not exact as a long");
    parses("0x10", Tag::Long, "`0x10` is no long");
    parses("1 ", Tag::Long, "`1 ` is no long");
    parses("", Tag::Long, "`` is no long");
    parses("-007", Tag::BigInt, "-7N");
    parses("0.10", Tag::BigDec, "0.10M");
    parses("010.50", Tag::BigDec, "10.50M");
    parses("1e99999", Tag::BigDec, "`1e99999` is no bigdec");
    parses("0.1", Tag::Double, "0.1");
    parses("9007199254740993", Tag::Double, "`9007199254740993` is not exact as a double");
    parses("1e999", Tag::Double, "`1e999` is not exact as a double");
    parses("inf", Tag::Double, "`inf` is no double");
    parses("-Infinity", Tag::Double, "##-Inf");
    parses("0.1", Tag::Float, "0.1");
    parses("16777217", Tag::Float, "`16777217` is not exact as a float");
    parses("TRUE", Tag::Bool, "`TRUE` is no boolean");
    parses("a/b", Tag::Keyword, ":a/b");
    parses(":a/b", Tag::Keyword, ":a/b");
    parses("42", Tag::Ref, "42");
    parses(":a/b", Tag::Ref, ":a/b");
    parses("x", Tag::Ref, "`x` is no entity id or ident");
    parses("2026-06-30", Tag::Inst, "#inst \"2026-06-30T00:00:00.000-00:00\"");
    parses("yesterday", Tag::Inst, "`yesterday` is no instant (RFC 3339)");
    parses("[1, \"a\", {\"b\": null}]", Tag::Vector, "[1 \"a\" {:b nil}]");
    parses("{}", Tag::Vector, "`{}` is no JSON array");
}

/// The records of a text, pushed in pieces of `size`.
fn records(format: Format, text: &str, size: usize) -> Result<Vec<Record>, RecordError> {
    let (mut reader, mut all) = (Records::new(format), Vec::new());
    for piece in text.as_bytes().chunks(size.max(1)) {
        reader.push(piece);
        while let Some(record) = reader.next_record()? {
            all.push(record);
        }
    }
    while let Some(record) = reader.finish()? {
        all.push(record);
    }
    Ok(all)
}

#[test]
fn records_of_csv() {
    let text = "\u{feff}a,\"b\"\r\n1,\"x\n\"\"y\"\"\"\r\n\"\",\\N\n,\"\\N\"";
    let lines = |records: &[Record]| records.iter().map(|r| r.line).collect::<Vec<_>>();
    let cell = |text: &str| Cell::Text(text.into());
    for size in [1, 2, 3, 100] {
        let records = records(Format::Csv, text, size).unwrap();
        assert_eq!(lines(&records), [1, 2, 4, 5]);
        let cells: Vec<_> = records.into_iter().map(|r| r.cells).collect();
        let expected = [
            [cell("a"), cell("b")],
            [cell("1"), cell("x\n\"y\"")],
            [cell(""), Cell::Retract],
            [Cell::Nothing, cell("\\N")],
        ];
        assert_eq!(cells, expected);
    }
    let fails = |text: &str| records(Format::Csv, text, 3).unwrap_err().to_string();
    assert_eq!(
        fails("a\nb\"c\"d\n"),
        "line 2, cell 1: a quote inside a cell that does not begin with one"
    );
    assert_eq!(fails("a,\"b\"c\n"), "line 1, cell 2: text after the closing quote");
    assert_eq!(
        fails("a\n\n1,\"b\n\n"),
        "line 3: the text ends inside a quoted cell of this record"
    );
    let tsv = records(Format::Tsv, "a\t\\x\n", 9).unwrap_err().to_string();
    assert_eq!(tsv, "line 1, cell 2: a backslash is followed by t, n, r, \" or a backslash");
    assert_eq!(records(Format::Csv, "", 1), Ok(vec![]));
}

/// A scalar as its column would hold it: a ratio that is an integer is not one.
fn scalar() -> impl Strategy<Value = Value> {
    arbitrary::scalars().prop_map(|value| match value {
        Value::Ratio(x) if x.is_integer() => Value::Long(1),
        value => value,
    })
}

proptest! {
    #[test]
    fn cells_read_back(first in scalar(), second in scalar(), size in 1usize..30) {
        let row = [first, second];
        for format in [Format::Csv, Format::Tsv] {
            let text = write_all(format, Layout::relation(["a", "b"]), [row.as_slice()]);
            let records = records(format, &text, size).unwrap();
            prop_assert_eq!(records.len(), 2, "{}", text);
            prop_assert_eq!(records[1].cells.len(), 2, "{}", text);
            for (cell, value) in records[1].cells.iter().zip(&row) {
                match cell {
                    Cell::Nothing => prop_assert_eq!(value, &Value::Nil),
                    Cell::Text(text) => {
                        prop_assert_eq!(&parse_cell(text, value.tag()).unwrap(), value);
                    }
                    Cell::Retract => prop_assert!(false, "a value reads as a retraction"),
                }
            }
        }
    }

    #[test]
    fn json_reads_back(first in scalar(), second in scalar()) {
        let row = [first, second];
        let layout = || Layout::relation(["a", "b"]);
        let json: serde_json::Value =
            serde_json::from_str(&write_all(Format::Json, layout(), [row.as_slice()])).unwrap();
        let line: serde_json::Value =
            serde_json::from_str(&write_all(Format::Jsonl, layout(), [row.as_slice()])).unwrap();
        prop_assert_eq!(&json[0], &line);
        for (name, value) in ["a", "b"].iter().zip(&row) {
            prop_assert_eq!(&from_json_as(&line[name], value.tag()).unwrap(), value);
        }
    }

    #[test]
    fn every_format_takes_every_value(items in prop::collection::vec(arbitrary::values(), 0..6)) {
        let shapes = [Shape::Relation, Shape::Collection, Shape::Scalar].into_iter().cycle();
        let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
        for (format, shape) in ALL.into_iter().zip(shapes) {
            let rows = items.chunks(2).take(if shape == Shape::Scalar { 1 } else { 9 });
            let layout = Layout { shape, ..Layout::relation(["a", "b"]) };
            let text = write_all(format, layout, rows);
            match format {
                Format::Json => prop_assert!(is_json(&text), "{}", text),
                Format::Jsonl => prop_assert!(text.lines().all(is_json), "{}", text),
                Format::Txt | Format::Md => {
                    prop_assert!(!text.contains(|c| c != '\n' && crate::edn::is_unsafe(c)));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn no_cell_panics(
        text: String,
        digits in r"[-+0-9./eEINaxn]{0,12}",
        tag in 0u8..22,
        size in 1usize..9,
    ) {
        let tag = Tag::from_byte(tag).unwrap();
        for text in [&text, &digits] {
            if let Ok(value) = parse_cell(text, tag) {
                prop_assert!(value.tag() == tag || matches!(tag, Tag::Ref | Tag::Ratio));
            }
            let _ = from_json_as(&serde_json::Value::String(text.clone()), tag);
            for format in [Format::Csv, Format::Tsv] {
                prop_assert_eq!(records(format, text, size), records(format, text, 1_000));
            }
        }
    }
}
