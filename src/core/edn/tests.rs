//! The proof of the reader and the printer: as statements, as properties, and on the conformance
//! files.

use super::*;
use crate::value::{BigDec, BigInt, Value, arbitrary};
use proptest::prelude::*;

/// What a text means prints as this.
#[track_caller]
fn reads(text: &str, expected: &str) {
    match read_one(text) {
        Ok(form) => assert_eq!(to_string(&form.to_value()), expected, "{text}"),
        Err(error) => panic!("{text}\n{error}"),
    }
}

/// A text is refused, at this place, with a message that holds these words.
#[track_caller]
fn refuses(text: &str, line: u32, column: u32, words: &str) {
    let error = read_all(text).expect_err(text);
    assert_eq!((error.span.line, error.span.column), (line, column), "{text}\n{error}");
    assert!(error.kind.to_string().contains(words), "{text}\n{error}");
}

#[test]
fn numbers() {
    reads("0", "0");
    reads("-0", "0");
    reads("+7", "7");
    reads("9223372036854775807", "9223372036854775807");
    reads("-9223372036854775808", "-9223372036854775808");
    reads("9223372036854775808", "9223372036854775808N");
    reads("1N", "1N");
    reads("-12345678901234567890123N", "-12345678901234567890123N");
    reads("0x1F", "31");
    reads("-0xff", "-255");
    reads("0xFFFFFFFFFFFFFFFFFF", "4722366482869645213695N");
    reads("0x1FN", "31N");
    reads("017", "15");
    reads("00", "0");
    reads("2r1011", "11");
    reads("36rZZ", "1295");
    reads("36rN", "23");
    reads("1/2", "1/2");
    reads("-6/4", "-3/2");
    reads("4/2", "2");
    reads("1.5", "1.5");
    reads("1.", "1.0");
    reads("-1e3", "-1000.0");
    reads("1E+10", "1.0E10");
    reads("1e-3", "0.001");
    reads("1e-4", "1.0E-4");
    reads("9999999.0", "9999999.0");
    reads("10000000.0", "1.0E7");
    reads("5e-324", "5.0E-324");
    reads("1.7976931348623157e308", "1.7976931348623157E308");
    reads("-0.0", "0.0");
    reads("1.50M", "1.50M");
    reads("1M", "1M");
    reads("1E3M", "1E+3M");
    reads("-12E-9M", "-1.2E-8M");
    reads("0.000001M", "0.000001M");
    reads("[##Inf ##-Inf ##NaN]", "[##Inf ##-Inf ##NaN]");
}

#[test]
fn numbers_that_are_none() {
    refuses("[1 +1a]", 1, 4, "`+1a` is no number");
    refuses("1a", 1, 1, "does not begin with a digit");
    refuses("08", 1, 1, "octal");
    refuses("0x", 1, 1, "no number");
    refuses("0xG", 1, 1, "no number");
    refuses("37r1", 1, 1, "no number");
    refuses("2r3", 1, 1, "no number");
    refuses("1/0", 1, 1, "divides by zero");
    refuses("1/-2", 1, 1, "no number");
    refuses("1.5N", 1, 1, "no number");
    refuses("1.5e", 1, 1, "no number");
    refuses("1.2.3", 1, 1, "no number");
    refuses("1_000", 1, 1, "no number");
    refuses("1é", 1, 1, "no number");
    refuses("1e400", 1, 1, "1e400M");
    refuses("1E10001M", 1, 1, "at most 10000");
    refuses("1E99999999999999999999M", 1, 1, "at most 10000");
    refuses(".5", 1, 1, "a digit before its point");
    refuses("-.5", 1, 1, "a digit before its point");
    refuses(&"9".repeat(MAX_DIGITS + 1), 1, 1, "more than 100000");
    refuses("##Info", 1, 1, "none of ##Inf");
}

#[test]
fn names() {
    for text in [
        "foo",
        "foo/bar",
        "/",
        ".",
        "...",
        "?x",
        "$",
        "$old",
        "%",
        "*",
        "&",
        "_",
        "-",
        "+",
        "->x",
        "a.b.c/d",
        "<=",
        "not=",
        "foo'",
        "x#",
        "a/b/c",
        "clojure.core//",
        ":a",
        ":a/b",
        ":a.b/c?",
        ":1",
        ":db/id",
        ":<",
        ":größe",
        "größe",
        ":a@b",
        "nil",
        "true",
        "false",
    ] {
        reads(text, text);
    }
    refuses("::x", 1, 1, "write the namespace out");
    refuses("{:a :}", 1, 5, "after the colon");
    refuses(":a/", 1, 1, "slash");
    refuses("a/", 1, 1, "slash");
    refuses("/a", 1, 1, "slash");
    refuses(":a:", 1, 1, "colon");
    refuses("x\u{a0}y", 1, 1, "cannot be seen");
    refuses("@db", 1, 1, "dereference");
    refuses("[~x]", 1, 2, "macro");
    refuses("`x", 1, 1, "macro");
}

#[test]
fn texts_and_characters() {
    reads(r#""a\tb\n\"\\\r\b\f""#, r#""a\tb\n\"\\\r\b\f""#);
    reads(r#""\u00e9 \101 \o101 \0""#, r#""é A A \u0000""#);
    reads(r#""\ud83d\ude00""#, "\"😀\"");
    reads("\"two\nlines\"", "\"two\\nlines\"");
    reads("\"\u{1b}[31m \u{202e}\"", "\"\\u001b[31m \\u202e\"");
    reads(
        r"[\a \newline \space \tab \return \( \; \, \\ \u00e9 \o101 \é \u \o \1]",
        r"[\a \newline \space \tab \return \( \; \, \\ \é \A \é \u \o \1]",
    );
    reads(r"[\u0000 \formfeed \backspace]", r"[\u0000 \formfeed \backspace]");
    refuses("[\"ab\n\\q\"]", 2, 1, "`\\q` is no escape");
    refuses(r#""abc\uZZ""#, 1, 5, "`\\u` is no escape");
    refuses(r#""\u12""#, 1, 2, "`\\u12` is no escape");
    refuses(r#""\ud800""#, 1, 2, "surrogate");
    refuses(r#""\ud800\u0041""#, 1, 2, "surrogate");
    refuses(r#""\400""#, 1, 2, "no escape");
    refuses(r"\foo", 1, 1, "no character");
    refuses(r"\ud800", 1, 1, "surrogate");
}

#[test]
fn collections_and_what_is_skipped() {
    reads("(1 [2 #{3} {4 5}])", "(1 [2 #{3} {4 5}])");
    reads("[1,2 , ; one\n ;two\r\n 3]", "[1 2 3]");
    reads("[#_1 2 #_ #_ 3 4 5 #_[6 #_7]]", "[2 5]");
    reads("{:a #_:x 1}", "{:a 1}");
    reads("#_#_ 1 2 3", "3");
    reads("^:private ^{:doc \"x\"} ^String [^int a]", "[a]");
    reads("'[:find ?x]", "(quote [:find ?x])");
    reads("#:a{:b 1, c 2, :d/e 3, :_/f 4, \"g\" 5}", "{\"g\" 5, :a/b 1, :d/e 3, :f 4, a/c 2}");
    reads("#:a {:b 1}", "{:a/b 1}");
    reads("{:b 1 :a 2}", "{:a 2, :b 1}");
    reads("#{3 1 2}", "#{1 2 3}");
    reads("\u{feff}1", "1");
    reads("[\"a\"\"b\":c\\d(e)f]", "[\"a\" \"b\" :c \\d (e) f]");
    assert_eq!(read_one("{:b 1 :a #{2 1}}").unwrap().to_string(), "{:b 1, :a #{2 1}}");
    assert_eq!(read_one("'[x]").unwrap().unquoted().to_string(), "[x]");
    assert_eq!(read_all(" ; nothing\n").unwrap(), []);
}

#[test]
fn brackets_that_do_not_fit() {
    refuses("[1 2", 1, 1, "inside a vector");
    refuses(
        "(a\n [b {:c",
        2,
        5,
        "inside a map that starts here (in the form that starts at line 1, column 1)",
    );
    refuses("[1 \"abc\n", 1, 4, "inside a string");
    refuses("[1\n 2)", 2, 3, "`)` where `]` should close the `[` of line 1, column 1");
    refuses("#{1]", 1, 4, "`]` where `}` should close the `#{` of line 1, column 1");
    refuses("1 ]", 1, 3, "closes nothing");
    refuses("[#_]", 1, 4, "a discard `#_` needs a form");
    refuses("[#foo]", 1, 6, "a tag needs a form");
    refuses("#inst", 1, 1, "inside a tag");
    refuses("{:a 1 :b}", 1, 7, "this key has none");
    refuses("{:a 1 :b 2 :a 3}", 1, 12, "`:a` is in the map already");
    refuses("#{[1] 2 [1]}", 1, 9, "`[1]` is in the set already");
    refuses("#:a{:b 1 :a/b 2}", 1, 10, "`:a/b` is in the map already");
    refuses("#:a [1]", 1, 5, "needs a map");
    refuses("#::a{:b 1}", 1, 1, "write the namespace out");
    refuses("#(+ 1 %)", 1, 1, "a function is not data");
    refuses("[1 #<Object>]", 1, 4, "to be looked at");
    refuses("#", 1, 1, "inside a `#`");
    refuses("\\", 1, 1, "inside a character");
    assert_eq!(read_one(" ").unwrap_err().kind, ErrorKind::Blank);
    assert_eq!(read_one("1 2").unwrap_err().kind, ErrorKind::SecondForm);
}

#[test]
fn tags() {
    reads("#inst \"2018\"", "#inst \"2018-01-01T00:00:00.000-00:00\"");
    reads("#inst \"2018-05-01T10:00:00.5+02:00\"", "#inst \"2018-05-01T08:00:00.500-00:00\"");
    reads("#inst #_x \"2018\"", "#inst \"2018-01-01T00:00:00.000-00:00\"");
    reads(
        "#uuid \"F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6\"",
        "#uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"",
    );
    reads("#uri \"https://a.b/?c\"", "#uri \"https://a.b/?c\"");
    reads("#bytes \"AAEC/w==\"", "#bytes \"AAEC/w==\"");
    reads("#db/id [:db.part/user -1]", "#db/id [:db.part/user -1]");
    reads("#\"a\\d\\\"[\"", "#regex \"a\\\\d\\\\\\\"[\"");
    refuses("#inst \"2018-13\"", 1, 1, "`#inst` needs a time");
    refuses("#uuid \"x\"", 1, 1, "`#uuid` needs");
    refuses("#bytes \"AAE\"", 1, 1, "base64");
    refuses("[#bytes 1]", 1, 2, "not `1`");
}

#[test]
fn an_error_shows_its_line() {
    let error = read_one("[:find ?x\n :where [?x :a 08]]\n").unwrap_err();
    let expected = "line 2, column 16: `08` is no number: with a 0 in front it is octal, which \
                    has no 8 \
                    and no 9\n   :where [?x :a 08]]\n                 ^";
    assert_eq!(error.to_string(), expected);
    let long = format!("[{}\u{1b}08{}", "é".repeat(5_000), " x".repeat(5_000));
    let error = read_one(&long).unwrap_err();
    let excerpt = error.excerpt.clone().expect("the line is at hand");
    assert!(excerpt.text.chars().count() < 160 && !error.to_string().contains('\u{1b}'), "{error}");
    assert!(error.to_string().lines().count() <= 3);
}

#[test]
fn deep_nesting_is_an_error() {
    for (open, close) in [
        ("[", "]"),
        ("(", ")"),
        ("{1 ", "}"),
        ("#{", "}"),
        ("#a ", ""),
        ("#_ ", " 0"),
        ("'", ""),
        ("^a ", ""),
    ] {
        let text = open.repeat(200_000);
        let error = read_one(&text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooDeep { limit: MAX_DEPTH }, "{open}");
        let text = format!("{}0{}", open.repeat(MAX_DEPTH), close.repeat(MAX_DEPTH));
        let all_of_it = read_all(&text).unwrap();
        for form in all_of_it {
            let value = form.to_value();
            let mut pretty = String::new();
            print_pretty(&value, 80, &mut pretty).unwrap();
            assert_eq!(read_one(&pretty).unwrap().to_value(), value);
            assert_eq!(Form::from(value), form.clone());
        }
    }
}

#[test]
fn what_prints_deeper_than_it_reads_is_not_read() {
    let nested = |depth: usize| format!("{}#\"x\"{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read_one(&nested(MAX_DEPTH)).is_err());
    let value = read_one(&nested(MAX_DEPTH - 1)).unwrap().to_value();
    assert_eq!(read_one(&to_string(&value)).unwrap().to_value(), value);
}

#[test]
fn forms_come_as_their_bytes_do() {
    let mut reader = Reader::new();
    reader.push(b"[1 \"\xc3");
    assert_eq!(reader.next_form().unwrap(), None);
    reader.push(b"\xa9\"] ;x\n 4");
    assert_eq!(reader.next_form().unwrap().unwrap().to_string(), "[1 \"é\"]");
    assert_eq!(reader.consumed(), 8);
    assert_eq!(reader.next_form().unwrap(), None);
    assert_eq!(reader.open_since().map(|s| (s.line, s.column)), Some((2, 2)));
    reader.push(b"2 ");
    assert_eq!(reader.next_form().unwrap().unwrap().to_string(), "42");
    assert_eq!((reader.consumed(), reader.open_since()), (15, None));
    reader.push(b"{:a\n");
    assert_eq!(reader.next_form().unwrap(), None);
    let error = reader.finish().unwrap_err();
    assert_eq!((error.span.line, error.span.column, error.span.start), (2, 5, 16));
    assert_eq!(reader.next_form().unwrap_err(), error);
}

#[test]
fn a_long_stream_is_read_in_little_memory_and_linear_time() {
    let mut reader = Reader::new();
    let mut text = String::from("[\"");
    text.push_str(&"x\\\\".repeat(300_000));
    text.push_str("\" ;");
    text.push_str(&"comment ".repeat(100_000));
    text.push_str("\n :key/word 12]");
    for byte in text.as_bytes() {
        reader.push(std::slice::from_ref(byte));
        if let Some(form) = reader.next_form().unwrap() {
            assert_eq!(form.as_vector().map(<[Form]>::len), Some(3));
        }
    }
    assert_eq!(reader.consumed(), text.len());
    reader.push(b"\n08 ");
    let error = reader.next_form().unwrap_err();
    assert_eq!((error.span.line, error.span.column), (3, 1));
    assert_eq!(error.excerpt.map(|e| e.text).as_deref(), Some("08 "));
}

#[test]
fn bytes_that_are_no_text() {
    let mut reader = Reader::new();
    reader.push(b"[:a \"\xff\"]");
    let error = reader.next_form().unwrap_err();
    assert_eq!((error.kind, error.span.column), (ErrorKind::NotUtf8, 5));
}

#[test]
fn pretty_text_breaks_where_it_must() {
    let value = read_one("{:a [1 2 3] :b {:c \"dddddddddd\" :e #{:f}} :g #x [11111 22222 33333]}")
        .unwrap()
        .to_value();
    let mut out = String::new();
    print_pretty(&value, 20, &mut out).unwrap();
    assert_eq!(
        out,
        concat!(
            "{:a [1 2 3]\n :b {:c \"dddddddddd\"\n     :e #{:f}}\n",
            " :g #x [11111\n        22222\n        33333]}"
        )
    );
    let mut out = String::new();
    print_pretty(&value, 200, &mut out).unwrap();
    assert_eq!(out, to_string(&value));
}

#[test]
fn decimals_keep_their_scale() {
    for scale in [-10_000, -3, -1, 0, 1, 6, 7, 300, 10_000] {
        for unscaled in [0, 1, -1, 10, 123_456, -1_200] {
            let value = Value::from(BigDec { unscaled: BigInt::from(unscaled), scale });
            assert_eq!(read_one(&to_string(&value)).unwrap().to_value(), value);
        }
    }
}

/// Every value as the reader gives it back: refs are longs, 32-bit floats the double with their
/// digits.
fn as_read(value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(as_read).collect::<Vec<_>>();
    match value {
        Value::Ref(e) => i64::try_from(e.0).map_or_else(|_| BigInt::from(e.0).into(), Value::Long),
        Value::Float(x) if x.is_finite() => Value::Double(x.to_string().parse().unwrap()),
        Value::Float(x) => Value::Double(f64::from(*x)),
        Value::Vector(x) => Value::Vector(all(x).into()),
        Value::List(x) => Value::List(all(x).into()),
        Value::Set(x) => Value::set(all(x)),
        Value::Map(x) => Value::map(x.iter().map(|(k, v)| (as_read(k), as_read(v))).collect()),
        Value::Tagged(x) => Value::Tagged((x.0.clone(), as_read(&x.1)).into()),
        other => other.clone(),
    }
}

/// Pieces of EDN, most of them ending in the middle of something.
const TEXT: &str = concat!(
    r#"([\[\](){}"\\'^; \n,;a-c:/#_0-9+.NMerx\-é]|#\{|#_|\\u00e9|\\newline|"ab\\n"|#inst "20"#,
    r#"|#:a\{|##Inf|;c\n|1\.5M?){0,60}"#
);

proptest! {
    #[test]
    fn what_is_printed_reads_back(value in arbitrary::values(), width in 0usize..100) {
        let text = to_string(&value);
        prop_assert!(!text.contains(print::is_unsafe));
        // Two elements may become one where a ref meets the long of its number; the reader says so.
        let expected = as_read(&value);
        match read_one(&text) {
            Ok(form) => prop_assert_eq!(form.to_value(), expected.clone(), "{}", text),
            Err(error) => prop_assert!(matches!(error.kind,
                ErrorKind::DuplicateKey { .. } | ErrorKind::DuplicateElement { .. }), "{}", error),
        }
        let mut pretty = String::new();
        print_pretty(&expected, width, &mut pretty).unwrap();
        prop_assert_eq!(read_one(&pretty).unwrap().to_value(), expected, "{}", pretty);
    }

    #[test]
    fn any_bytes_are_forms_or_an_error(
        bytes: Vec<u8>,
        cuts in prop::collection::vec(0usize..40, 0..20),
    ) {
        same_in_pieces(&bytes, &cuts);
    }

    #[test]
    fn any_text_is_forms_or_an_error(
        text in TEXT,
        cuts in prop::collection::vec(0usize..20, 0..20),
    ) {
        same_in_pieces(text.as_bytes(), &cuts);
    }

    #[test]
    fn base64_is_one_to_one(bytes: Vec<u8>, text in "[A-Da-d0-2+/=]{0,9}") {
        prop_assert_eq!(decode_base64(&encode_base64(&bytes)), Some(bytes));
        if let Some(bytes) = decode_base64(&text) {
            prop_assert_eq!(encode_base64(&bytes), text);
        }
    }
}

/// All forms up to the end or an error, with their places, pushing pieces of these lengths.
fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (Vec<(String, Span, usize)>, Option<EdnError>) {
    let (mut reader, mut forms, mut rest) = (Reader::new(), Vec::new(), bytes);
    let mut cuts = cuts.iter().copied();
    loop {
        let (piece, after) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
        reader.push(piece);
        let last = after.is_empty() && cuts.len() == 0;
        loop {
            let next = if last { reader.finish() } else { reader.next_form() };
            match next {
                Ok(Some(form)) => forms.push((form.to_string(), form.span, reader.consumed())),
                Ok(None) => break,
                Err(error) => return (forms, Some(error)),
            }
        }
        if last {
            return (forms, None);
        }
        rest = after;
    }
}

fn same_in_pieces(bytes: &[u8], cuts: &[usize]) {
    let mut whole = in_pieces(bytes, &[]);
    let mut pieces = in_pieces(bytes, cuts);
    // How much of the line is shown depends on how much of it has arrived.
    let excerpts = [&mut whole.1, &mut pieces.1].map(|e| e.as_mut().and_then(|e| e.excerpt.take()));
    assert_eq!(whole, pieces);
    for excerpt in excerpts.into_iter().flatten() {
        assert!(excerpt.caret <= excerpt.text.chars().count());
    }
}

/// The files of cases of other engines, where they are (`FACTFS_CASES`).
#[test]
fn the_conformance_files_are_read() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let folder =
        std::env::var("FACTFS_CASES").unwrap_or_else(|_| format!("{root}/../shared/conformance"));
    let Ok(suites) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: there are no cases in {folder} (set FACTFS_CASES)");
        return;
    };
    let (mut files, mut forms) = (0, 0);
    let folders = suites.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    for file in folders.flat_map(|path| std::fs::read_dir(path).unwrap()).flatten() {
        let path = file.path();
        if path.extension().is_none_or(|extension| extension != "edn") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let all = read_all(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for form in &all {
            let value = form.to_value();
            assert_eq!(read_one(&to_string(&value)).unwrap().to_value(), value);
        }
        (files, forms) = (files + 1, forms + all.len());
    }
    assert!(files > 0, "{folder} holds no files");
    eprintln!("{files} files, {forms} forms");
}
