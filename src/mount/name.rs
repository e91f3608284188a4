//! Names: values as file names and back, and which names queries, branches and tags may have.
//!
//! **Invariant:** [`escape`] is injective and gives a name of 1 to [`MAX_ESCAPED`] bytes that is no
//! `.`, no `..` and holds neither `/` nor NUL; [`unescape`] accepts exactly the names that `escape`
//! gives. A value too long for a name is named by its beginning and its hash: it has to be searched
//! for, and never equals the name of another value.

use factfs_core::edn::is_unsafe;
use factfs_core::hash::NodeHash;
use std::fmt::Write;

/// The most bytes of an escaped value: what is left of 255 is for the longest extension.
pub const MAX_ESCAPED: usize = 240;
const KEPT: usize = 200;
const DIGEST: usize = 32;

/// What may stand after the last dot of a file name in the tree.
const EXTENSIONS: [&str; 14] = [
    "csv", "tsv", "json", "jsonl", "edn", "txt", "md", "explain", "parquet", "arrow", "err",
    "meta", "wait", "events",
];

/// The file name of a value's text.
pub fn escape(value: &[u8]) -> String {
    let full = escape_bytes(value);
    if full.len() > MAX_ESCAPED {
        return shorten(value, &full);
    }
    if looks_shortened(&full) {
        let at = full.len() - DIGEST - 1;
        return format!("{}%7E{}", &full[..at], &full[at + 1..]);
    }
    full
}

/// What an escaped name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unescaped {
    /// The whole text.
    Whole(Vec<u8>),
    /// The name of a longer text: escape candidates and compare. Its text begins with this.
    Shortened {
        /// The text begins with these bytes.
        begins: Vec<u8>,
    },
}

/// The inverse of [`escape`]; `None` for a name that it never gives.
pub fn unescape(name: &str) -> Option<Unescaped> {
    if looks_shortened(name) {
        let begins = decode(&name[..name.len() - DIGEST - 1])?;
        return Some(Unescaped::Shortened { begins });
    }
    let value = if name == "%" { Vec::new() } else { decode(name)? };
    (escape(&value) == name).then_some(Unescaped::Whole(value))
}

/// Whether a saved query may have this name; any other name in `queries/` is scratch.
pub fn is_query_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first && name.len() <= 200 && name.bytes().all(inner)
}

/// Whether a store may be mounted under this name: what a query can write after `$`, and no name of
/// the tree's own.
pub fn is_store_name(name: &str) -> bool {
    let own = ["queries", "results", "at", "pins", "diff", "README.md"];
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    first && name.len() <= 100 && name.bytes().all(inner) && !own.contains(&name)
}

/// Whether a pin may be called so: no name that could be taken for an id.
pub fn is_pin_name(name: &str) -> bool {
    let letter = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let hash = name.len() >= 8 && name.bytes().all(|b| b.is_ascii_hexdigit());
    letter && name.len() <= 200 && name.bytes().all(plain) && !hash
}

/// Whether the end of a name says a format.
pub fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| EXTENSIONS.contains(&end))
}

fn escape_bytes(value: &[u8]) -> String {
    if value.is_empty() {
        return "%".to_owned();
    }
    let format_dot = dot_before_extension(value);
    let mut out = String::with_capacity(value.len() + 8);
    let mut offset = 0;
    for chunk in value.utf8_chunks() {
        for (i, c) in chunk.valid().char_indices() {
            let at = offset + i;
            let edge = at == 0 || at + 1 == value.len();
            let special = match c {
                '/' | '%' => true,
                '.' => at == 0 || Some(at) == format_dot,
                '-' => at == 0,
                ' ' => edge,
                // What changes how a terminal shows the names around it.
                c => is_unsafe(c),
            };
            if special {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| push_escape(&mut out, b));
            } else {
                out.push(c);
            }
        }
        chunk.invalid().iter().for_each(|b| push_escape(&mut out, *b));
        offset += chunk.valid().len() + chunk.invalid().len();
    }
    out
}

fn push_escape(out: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(out, "%{byte:02X}");
}

fn dot_before_extension(value: &[u8]) -> Option<usize> {
    let dot = value.iter().rposition(|b| *b == b'.')?;
    let extension = std::str::from_utf8(&value[dot + 1..]).ok()?;
    EXTENSIONS.contains(&extension).then_some(dot)
}

fn shorten(value: &[u8], full: &str) -> String {
    let mut end = KEPT;
    while !full.is_char_boundary(end) {
        end -= 1;
    }
    // Not inside `%XX`.
    if let Some(percent) = full[..end].rfind('%').filter(|p| p + 3 > end) {
        end = percent;
    }
    let digest = NodeHash::of(value).to_string();
    format!("{}~{}", &full[..end], &digest[..DIGEST])
}

fn looks_shortened(name: &str) -> bool {
    let bytes = name.as_bytes();
    let Some(at) = bytes.len().checked_sub(DIGEST + 1) else { return false };
    let digit = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    (KEPT - 4..=KEPT).contains(&at) && bytes[at] == b'~' && bytes[at + 1..].iter().all(digit)
}

fn decode(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(value: &str, name: &str) {
        assert_eq!(escape(value.as_bytes()), name);
        assert_eq!(unescape(name), Some(Unescaped::Whole(value.as_bytes().to_vec())));
    }

    #[test]
    fn what_is_escaped() {
        check("Ann Lee", "Ann Lee");
        check("", "%");
        check("%", "%25");
        check("a/b", "a%2Fb");
        check("..", "%2E.");
        check(".", "%2E");
        check("-rf", "%2Drf");
        check(" a ", "%20a%20");
        check("notes.csv", "notes%2Ecsv");
        check("notes.csv.b", "notes.csv.b");
        check("v1.2", "v1.2");
        check("naïve", "naïve");
        check("a\nb\0", "a%0Ab%00");
        check("\u{1b}[2J", "%1B[2J");
        check("\u{9b}2J", "%C2%9B2J");
        check("a\u{202e}b", "a%E2%80%AEb");
    }

    #[test]
    fn names_that_escape_never_gives_are_refused() {
        for name in ["%41", "a\u{202e}b", "\u{9b}", "a%2fb", "%zz", "%2", ".x", " x", "a.csv", "%%"]
        {
            assert_eq!(unescape(name), None, "{name}");
        }
    }

    #[test]
    fn long_values_are_named_by_their_hash() {
        let value = "x".repeat(300);
        let name = escape(value.as_bytes());
        assert_eq!(name.len(), KEPT + 1 + DIGEST);
        let begins = vec![b'x'; KEPT];
        assert_eq!(unescape(&name), Some(Unescaped::Shortened { begins }));
        // A value that reads like such a name is another file.
        check(&name, &name.replace('~', "%7E"));
        let euro = "€/".repeat(150);
        assert!(escape(euro.as_bytes()).len() <= MAX_ESCAPED);
    }

    #[test]
    fn which_names_are_queries() {
        assert!(is_query_name("low-stock_2") && is_query_name("1"));
        assert!(
            !is_query_name("_x")
                && !is_query_name("A")
                && !is_query_name("")
                && !is_query_name("a.b")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_to_a_name_and_back(value in proptest::collection::vec(any::<u8>(), 0..400)) {
            round_trip(&value)?;
        }

        #[test]
        fn any_text_to_a_name_and_back(value in "(\\PC|[./%~ -]|\\.csv){0,90}") {
            round_trip(value.as_bytes())?;
        }
    }

    fn round_trip(value: &[u8]) -> std::result::Result<(), TestCaseError> {
        let name = escape(value);
        prop_assert!(!name.is_empty() && name.len() <= MAX_ESCAPED);
        prop_assert!(!name.contains(['/', '\0']) && name != "." && name != "..");
        match unescape(&name) {
            Some(Unescaped::Whole(back)) => prop_assert_eq!(back, value),
            Some(Unescaped::Shortened { begins }) => {
                prop_assert!(value.starts_with(&begins) && begins.len() < value.len());
            }
            None => prop_assert!(false, "{name} is refused"),
        }
        Ok(())
    }
}
