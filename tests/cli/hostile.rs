//! Text that is wrong, cut off, enormous or malicious: an exit code of the table, words that say
//! where, and a store that has lost nothing and gained nothing.

use crate::support::Place;
use crate::support::audit::audit;

/// A database with one entity, `:w/key "kept"`.
fn place() -> Place {
    let place = Place::with_database();
    place.ok(&["transact", "db", "[{:w/key \"kept\" :w/n 1}]"], "");
    place
}

/// Refuses each input with this exit code and words; the database has these keys afterwards.
fn check(inputs: &[(&str, u8, &str)], keys: &[&str]) {
    let place = place();
    for (input, code, words) in inputs {
        let shown = &input[..input.len().min(80)];
        let said = place.fails(*code, &["transact", "db", "-"], input);
        assert!(said.contains(words), "{shown}: {said}");
        assert!(said.len() < 2000, "{shown}: {} bytes of error", said.len());
    }
    let found: Vec<String> = audit(&place, "db").unwrap().keys.into_keys().collect();
    assert_eq!(found, keys);
}

#[test]
fn what_came_before_the_broken_form_is_there() {
    check(&[("[{:w/key \"a\"}] [{:w/key", 3, "line 1, column 17")], &["a", "kept"]);
    check(&[("[{:w/key \"a\"}]\n[{:w/key \"b\"", 3, "line 2, column 1")], &["a", "kept"]);
    check(&[("[{:w/key \"a\"}]\n[{:w/kee \"b\"}]", 3, "did you mean :w/key?")], &["a", "kept"]);
    check(&[("[{:w/key \"a\"}]\n[{:w/key \"b\"}]}", 3, "line 2, column 15")], &["a", "b", "kept"]);
}

#[test]
fn a_refused_transaction_leaves_nothing() {
    let inputs = [
        ("[{:w/key \"a\"} {:w/kee 1}]", 3, "unknown attribute :w/kee (did you mean :w/key?)"),
        ("[{:w/key \"a\"} {:w/n \"1\"}]", 3, "takes a long, not the string \"1\""),
        ("[{:w/key \"a\"} {:w/n 1.5}]", 3, "takes a long"),
        ("[{:w/key \"a\"} [:db/retract]]", 3, "line 1, column 15"),
        ("[{:w/key \"a\"} [:db/cas [:w/key \"kept\"] :w/n 2 3]]", 6, ":w/n"),
        ("[{:w/key \"a\"} [:db/add [:w/key \"none\"] :w/n 1]]", 4, "nothing found"),
        ("[{:w/key \"a\"} [:db/add 9007199254740993 :w/n 1]]", 3, "no entity id"),
        ("[{:w/key \"a\"} [:my/function 1]]", 18, ":my/function"),
        ("\"a\"", 3, "line 1, column 1"),
        ("[{:w/key \"a\\q\"}]", 3, "line 1, column"),
        ("[#inst \"2026-02-30\"]", 3, "line 1, column 2"),
    ];
    check(&inputs, &["kept"]);
}

#[test]
fn nesting_and_numbers_have_limits() {
    let deep = "[".repeat(200_000);
    let closed = deep.clone() + &"]".repeat(200_000);
    let maps = format!("[{}1{}]", "{:w/n ".repeat(100_000), "}".repeat(100_000));
    let long = format!("[{{:w/n {}}}]", "9".repeat(100_000));
    let longer = format!("[{{:w/n {}}}]", "9".repeat(1_000_000));
    let inputs = [
        (deep.as_str(), 3, "nested deeper than 512"),
        (&closed, 3, "nested deeper than 512"),
        (&maps, 3, "nested deeper than 512"),
        (&long, 3, "takes a long"),
        (&longer, 3, "a number of more than 100000 characters"),
        ("[{:w/n 1e999999999999M}]", 3, "line 1, column 8"),
        ("[{:w/n 1e400}]", 3, "line 1, column 8"),
        ("[{:w/n 1/0}]", 3, "line 1, column 8"),
    ];
    check(&inputs, &["kept"]);
    let place = place();
    let query = format!("[:find ?e :where {closed}]");
    let said = place.fails(3, &["query", "-", "db"], &query);
    assert!(said.contains("nested deeper than 512"), "{said}");
    let said = place.fails(3, &["pull", "db", "-", "1"], &closed);
    assert!(said.len() < 2000, "{said}");
    let query = format!("[:find (pull ?e {closed}) :where [?e :w/key]]");
    let said = place.fails(3, &["query", "-", "db"], &query);
    assert!(said.contains("nested deeper than 512") && said.len() < 2000, "{said}");
    let (rules, query) = ("[[(r ?e) {closed}]]", "[:find ?e :in $ % :where (r ?e)]");
    std::fs::write(place.path("rules.edn"), rules.replace("{closed}", &closed)).unwrap();
    let said = place.fails(3, &["query", query, "db", "--rules", "rules.edn"], "");
    assert!(said.contains("nested deeper than 512") && said.len() < 2000, "{said}");
}

/// As deep as text may be: every stage after the reader has to stand it.
#[test]
fn nesting_up_to_the_limit_is_answered() {
    let place = place();
    for (open, close) in [("(not ", ")"), ("(or ", ")"), ("(or (and ", "))")] {
        let depth = 500 / open.matches('(').count();
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        let query = format!("[:find ?e . :where [?e :w/key] {open}[?e :w/n 1]{close}]");
        place.ok(&["query", &query, "db"], "");
        let rules = format!("[[(r ?e) [?e :w/key] {open}[?e :w/n 1]{close}]]");
        let query = "[:find ?e . :in $ % :where (r ?e)]";
        let said = place.ran(&["query", query, "db", "--rules", &rules], "");
        assert!([0, 9].contains(&said.code), "{said:?}");
    }
    let pattern = format!("{}*{}", "[{:w/ref ".repeat(250), "}]".repeat(250));
    place.ok(&["pull", "db", &pattern.replace('*', "[*]"), "1"], "");
    let vector = "[".repeat(500) + &"]".repeat(500);
    let printed = place.ok(&["query", "[:find ?x . :in ?x]", "--arg", &format!("?x={vector}")], "");
    assert_eq!(printed.trim(), vector);
}

#[test]
fn bytes_that_are_no_text() {
    let place = place();
    let path = place.path("bytes.edn");
    for (bytes, column) in [(&b"[{:w/key \"\xff\"}]"[..], 11), (b"\xfe\xff[]", 1), (b"\0", 1)] {
        std::fs::write(&path, bytes).unwrap();
        let said = place.fails(3, &["transact", "db", "bytes.edn"], "");
        assert!(said.contains("bytes.edn: line 1, column"), "{column}: {said}");
        place.fails(3, &["query", "bytes.edn", "db"], "");
    }
    assert_eq!(audit(&place, "db").unwrap().log.len(), 2);
}

/// Any string is a value, and comes back as it went in.
#[test]
fn strange_values_come_back() {
    let place = Place::with_database();
    let strange = ["", " ", "../../etc/passwd", "a\0b", "\u{202e}x", "💥\n\t\"\\", "%2F", "-rf"];
    for value in strange {
        let text = serde_json::to_string(value).unwrap().replace("\\u0000", "\u{0}");
        place.ok(&["transact", "db", "-"], &format!("[{{:w/key {text}}}]"));
    }
    let large = "x".repeat(5_000_000);
    place.ok(&["transact", "db", "-"], &format!("[{{:w/key \"{large}\"}}]"));
    let keys = audit(&place, "db").unwrap().keys;
    assert!(strange.iter().chain([&large.as_str()]).all(|value| keys.contains_key(*value)));
    let query = "[:find [?k ...] :where [_ :w/key ?k]]";
    let json = place.ok(&["query", query, "db", "-f", "json"], "");
    let found: Vec<String> = serde_json::from_str(&json).unwrap();
    assert_eq!(found, keys.into_keys().collect::<Vec<_>>());
}

#[test]
fn names_that_are_no_names() {
    let place = place();
    let names = ["../x", "a/b", ".", "..", "", "-x", "a b", "a\nb", "x.csv", "deadbeef", "7d", "é"];
    for name in names {
        for kind in ["branch", "tag"] {
            let ran = place.ran(&[kind, "create", "db", "--", name], "");
            assert_eq!(ran.code, 3, "{kind} {name:?}: {ran:?}");
        }
    }
    let long = "a".repeat(100_000);
    for when in ["yesterday", "99999", "2026-13-45", "-1", "18446744073709551616", &long] {
        let at = format!("--at={when}");
        let ran = place.ran(&["query", "[:find ?e :where [?e :w/n]]", "db", &at], "");
        assert!([3, 4].contains(&ran.code), "{}: {ran:?}", &when[..when.len().min(40)]);
    }
    place.fails(4, &["query", "[:find ?e :where [?e :w/n]]", "db#../../x"], "");
    place.fails(3, &["init", ""], "");
    place.fails(3, &["init", "gopher://x/y"], "");
    let outside = std::fs::read_dir(place.path("")).unwrap().count();
    assert_eq!(outside, 1, "something was made beside the database");
    audit(&place, "db").unwrap();
}
