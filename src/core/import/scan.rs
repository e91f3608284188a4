//! Reads plain lines of JSON faster than a reader of all JSON can.
//!
//! **Invariant:** what is read here is exactly what the reader of JSON reads. A line with anything
//! but strings without escapes, numbers, `true`, `false`, `null` and flat arrays of those is left
//! to it, and so is every error.

use serde_json::Value as Json;
use std::sync::Arc;

/// More names than this are left to the reader of JSON.
const NAMES: usize = 64;

/// The names of objects, each kept once.
#[derive(Debug, Default)]
pub struct Names(Vec<Arc<str>>);

impl Names {
    /// Which one a name is; it is looked for from a place on, where it mostly is.
    fn find(&mut self, name: &str, from: usize) -> Option<usize> {
        let all = (from..self.0.len()).chain(0..from.min(self.0.len()));
        for at in all {
            if *self.0[at] == *name {
                return Some(at);
            }
        }
        (self.0.len() < NAMES).then(|| {
            self.0.push(name.into());
            self.0.len() - 1
        })
    }
}

/// The fields of a line that is one object; `None`: it is for the reader of JSON to say.
pub fn object(line: &[u8], names: &mut Names) -> Option<Vec<(Arc<str>, Json)>> {
    let mut line = Line { text: std::str::from_utf8(line).ok()?, at: 0 };
    line.take(b'{')?;
    let (mut fields, mut seen, mut next) = (Vec::with_capacity(names.0.len().min(16)), 0u64, 0);
    if line.take(b'}').is_none() {
        loop {
            let at = names.find(line.string()?, next)?;
            if seen & 1 << at != 0 {
                return None;
            }
            (seen, next) = (seen | 1 << at, at + 1);
            line.take(b':')?;
            let json = match line.peek()? {
                b'[' => line.array()?,
                _ => line.scalar()?,
            };
            fields.push((names.0[at].clone(), json));
            if line.take(b',').is_none() {
                line.take(b'}')?;
                break;
            }
        }
    }
    line.peek().is_none().then_some(fields)
}

struct Line<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Line<'a> {
    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Passes over this byte, if it is the next one.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let len = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))?;
        let text = (rest[len] == b'"').then(|| &self.text[self.at..self.at + len])?;
        self.at += len + 1;
        Some(text)
    }

    fn scalar(&mut self) -> Option<Json> {
        match self.peek()? {
            b'"' => self.string().map(|text| Json::String(text.to_owned())),
            b'-' | b'0'..=b'9' => {
                let number =
                    self.word(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
                number.parse().ok().map(Json::Number)
            }
            _ => match self.word(|b| b.is_ascii_lowercase()) {
                "true" => Some(Json::Bool(true)),
                "false" => Some(Json::Bool(false)),
                "null" => Some(Json::Null),
                _ => None,
            },
        }
    }

    fn word(&mut self, is_part: fn(&u8) -> bool) -> &'a str {
        let rest = &self.text.as_bytes()[self.at..];
        let len = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        self.at += len;
        &self.text[self.at - len..self.at]
    }

    fn array(&mut self) -> Option<Json> {
        self.take(b'[')?;
        let mut items = Vec::new();
        if self.take(b']').is_some() {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.scalar()?);
            if self.take(b',').is_none() {
                self.take(b']')?;
                return Some(Json::Array(items));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Fields = Vec<(Arc<str>, Json)>;

    /// What both readers make of a line.
    fn read(line: &str) -> (Option<Fields>, Option<Fields>) {
        let all = serde_json::from_str::<Json>(line).ok().and_then(|json| match json {
            Json::Object(entries) => Some(entries),
            _ => None,
        });
        let all = all.map(|all| all.into_iter().map(|(k, v)| (k.into(), v)).collect());
        (object(line.as_bytes(), &mut Names::default()), all)
    }

    #[test]
    fn plain_lines_are_read_as_json_is() {
        for line in [
            "{}",
            " { } ",
            r#"{"a/b":1,"c":"x y"}"#,
            r#"{"a": -1.50e+3 , "b" : [ ] , "c":[1,"zwei",null,true]}"#,
            r#"{"a":null,"b":false,"ü":"ß"}"#,
            r#"{"a":123456789012345678901234567890,"b":0.1}"#,
        ] {
            let (fast, all) = read(line);
            assert!(fast.is_some() && fast == all, "{line}: {fast:?}");
        }
    }

    /// Lines that are mostly objects.
    fn lines() -> impl Strategy<Value = String> {
        let name = r#""[ab]{0,2}"|"[a\\\\"]{0,2}"|a"#;
        let value = prop_oneof![
            r"-?[0-9]{1,3}([.][0-9])?([eE][-+]?[0-9])?",
            r"[-+.eE0-9]{1,4}",
            r#""[x,:}]{0,2}"|"[x\\\\"]?"|true|false|null?"#,
            r#"\[([0-9],|"x" ?, ?){0,2}(1|"y"|null)?\]"#,
        ];
        let fields = prop::collection::vec((name, " ?: ?", value), 0..4);
        (fields, prop::sample::select(vec!["}", "} ", "", "}}"])).prop_map(|(fields, end)| {
            let fields = fields.into_iter().map(|(name, colon, value)| name + &colon + &value);
            format!("{{{}{end}", fields.collect::<Vec<_>>().join(","))
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_reader_of_json_reads(line in lines()) {
            let (fast, all) = read(&line);
            prop_assert!(fast.is_none() || fast == all, "{line}: {fast:?} {all:?}");
        }
    }

    #[test]
    fn all_else_is_left_to_the_reader_of_json() {
        for line in [
            "",
            "[]",
            "{",
            r#"{"a":1"#,
            r#"{"a":1}}"#,
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":+1}"#,
            r#"{"a":-}"#,
            r#"{"a":nul}"#,
            r#"{"a":nullx}"#,
            r#"{"a":"x\ny"}"#,
            "{\"a\":\"x\ty\"}",
            r#"{"a":{"b":1}}"#,
            r#"{"a":[[1]]}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":1,"a":2}"#,
            r#"{a:1}"#,
        ] {
            assert_eq!(read(line).0, None, "{line}");
        }
    }
}
