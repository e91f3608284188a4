//! Rust source as the tidiness checks see it: code without comments and strings, and where
//! functions begin and end.
//!
//! **Invariant:** `code` keeps every line break and every column of the source, so a place in the
//! one is a place in the other. It is no parser: it knows comments, strings, characters, lifetimes
//! and brackets, and no more.

/// The source with comments, string contents and characters blanked out.
pub fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment, string or character that starts here ends; `at` itself if none does.
fn skipped(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let inside_a_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match rest {
        ['/', '/', ..] => at + rest.iter().take_while(|c| **c != '\n').count(),
        ['/', '*', ..] => at + block_comment(rest),
        ['"', ..] => at + string(rest),
        ['r' | 'b' | 'c', ..] if !inside_a_word => at + prefixed_string(rest),
        ['\'', '\\', ..] => at + 3 + rest.iter().skip(3).take_while(|c| **c != '\'').count() + 1,
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
    .min(chars.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < rest.len() {
        match &rest[i..] {
            ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
            ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            break;
        }
    }
    i
}

fn string(rest: &[char]) -> usize {
    let mut i = 1;
    while i < rest.len() && rest[i] != '"' {
        i += if rest[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br#"…"#`, `b'…'`; 0 if it is a plain word.
fn prefixed_string(rest: &[char]) -> usize {
    let word = rest.iter().take_while(|c| c.is_ascii_lowercase()).count();
    let hashes = rest[word..].iter().take_while(|c| **c == '#').count();
    let prefix: String = rest[..word].iter().collect();
    let raw = prefix.contains('r');
    match rest.get(word + hashes) {
        Some('"') if !raw && hashes == 0 && word == 1 => word + string(&rest[word..]),
        Some('"') if raw && word <= 2 => {
            let mut i = word + hashes + 1;
            let closes = |i: usize| {
                rest[i] == '"'
                    && rest[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
            };
            while i < rest.len() && !closes(i) {
                i += 1;
            }
            i + 1 + hashes
        }
        Some('\'') if prefix == "b" => {
            let escaped = usize::from(rest.get(2) == Some(&'\\'));
            2 + escaped
                + 1
                + rest.iter().skip(2 + escaped + 1).take_while(|c| **c != '\'').count()
                + 1
        }
        _ => 0,
    }
}

/// The lines before the tests that a file carries, and the number of lines of those tests.
pub fn body_and_tests(source: &str) -> (usize, usize) {
    let lines: Vec<&str> = source.lines().collect();
    let start = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    let body = start.unwrap_or(lines.len());
    (body, lines.len() - body)
}

/// A word of the code and the line it is on, from 1.
pub type Word<'a> = (usize, &'a str);

/// Identifiers and single punctuation characters, in order; `::` is one word.
pub fn words(code: &str) -> Vec<Word<'_>> {
    let mut out = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if rest.starts_with("::") {
                2
            } else if is_name(first) {
                rest.find(|c| !is_name(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            out.push((number + 1, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    out
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A function: its name, its first line, and how many lines it has.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// All functions with a body, nested ones too.
pub fn functions(code: &str) -> Vec<Function> {
    let words = words(code);
    let mut out = Vec::new();
    for (i, (line, word)) in words.iter().enumerate() {
        let name = words.get(i + 1).map_or("", |w| w.1);
        if *word != "fn" || !name.starts_with(is_name) {
            continue;
        }
        let (mut depth, mut nested) = (0, 0);
        for (end, word) in &words[i + 2..] {
            match *word {
                "(" | "[" => nested += 1,
                ")" | "]" => nested -= 1,
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            let declared_only = depth == 0 && nested == 0 && *word == ";";
            if declared_only {
                break;
            }
            if depth == 0 && *word == "}" {
                out.push(Function { name: name.into(), line: *line, lines: end - line + 1 });
                break;
            }
        }
    }
    out
}

#[test]
fn comments_strings_and_characters_are_blanked() {
    let check = |source: &str, expected: &str| assert_eq!(code(source), expected, "{source}");
    check("a // b\nc", "a     \nc");
    check("a /* b /* c */ d */ e", "a                   e");
    check(r#"f("x\"y", z)"#, "f(      , z)");
    check(r##"r#"a"b"# + 1"##, "         + 1");
    check("b'\\'' 'a' '\\n' &'a str", "               &'a str");
    check("b\"x\" crate bar", "     crate bar");
    check("for r in b {}", "for r in b {}");
}

#[test]
fn functions_are_measured() {
    let source =
        "fn a() {\n  if x {\n  }\n}\ntrait T { fn b(&self); fn c(x: [u8; 4]) -> u8 { 1 } }\n";
    let found: Vec<_> = functions(source).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("a".into(), 1, 4), ("c".into(), 5, 1)]);
}

#[test]
fn tests_in_a_file_are_not_its_body() {
    assert_eq!(body_and_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), (2, 3));
    assert_eq!(body_and_tests("a\n#[cfg(test)]\nmod tests;\n"), (3, 0));
}
