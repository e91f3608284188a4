//! What a token without parts means: names, strings, characters.
//!
//! **Invariant:** a name that is read prints as it was written, and no name holds a blank or a
//! control character.

use super::error::{ErrorKind, shown};
use super::lexer::ends_atom;
use super::number;
use super::print::is_unsafe;
use crate::value::{Keyword, Symbol, Value};

/// A number, `nil`, a boolean, a keyword or a symbol.
pub(super) fn atom(text: &str) -> Result<Value, ErrorKind> {
    let bytes = text.as_bytes();
    let first = bytes.first().copied().unwrap_or_default();
    let digit_at = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    match first {
        b'0'..=b'9' => number::number(text),
        b'+' | b'-' if digit_at(1) => number::number(text),
        b':' => keyword(text).map(Value::Keyword),
        _ => Ok(match text {
            "nil" => Value::Nil,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::Symbol(symbol(text)?),
        }),
    }
}

fn keyword(text: &str) -> Result<Keyword, ErrorKind> {
    let name = text.strip_prefix(':').unwrap_or(text);
    match keyword_fault(name) {
        Some(hint) => Err(ErrorKind::Keyword { text: shown(text), hint: Some(hint) }),
        None => Ok(Keyword::new(name)),
    }
}

fn keyword_fault(name: &str) -> Option<&'static str> {
    match name.as_bytes() {
        [] => Some("a name belongs after the colon"),
        [b':', ..] => Some("write the namespace out, `:namespace/name`"),
        _ => name_fault(name),
    }
}

pub(super) fn symbol(text: &str) -> Result<Symbol, ErrorKind> {
    let unsupported = |hint| ErrorKind::Unsupported { text: shown(text), hint: Some(hint) };
    let complain = |hint| ErrorKind::Symbol { text: shown(text), hint: Some(hint) };
    match text.as_bytes() {
        [b'`' | b'~', ..] => Err(unsupported("this is the syntax of a macro; write plain data")),
        [b'@', ..] => Err(unsupported("there is nothing to dereference in data")),
        _ => match symbol_fault(text) {
            Some(hint) => Err(complain(hint)),
            None => Ok(Symbol::new(text)),
        },
    }
}

fn symbol_fault(text: &str) -> Option<&'static str> {
    match text.as_bytes() {
        [] => Some("it is empty"),
        [b'`' | b'~' | b'@' | b':' | b'#' | b'\'', ..] => Some("it begins like something else"),
        [b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..] => Some("it begins like a number"),
        [b'.', b'0'..=b'9', ..] | [b'+' | b'-', b'.', b'0'..=b'9', ..] => {
            Some("a number needs a digit before its point")
        }
        _ => name_fault(text),
    }
}

/// Why a text is no name of a keyword or a symbol.
fn name_fault(name: &str) -> Option<&'static str> {
    if name.chars().any(|c| c.is_whitespace() || is_unsafe(c)) {
        Some("it holds a character that cannot be seen")
    } else if name.ends_with(':') || name.contains("::") {
        Some("a name ends in no colon, and holds no two in a row")
    } else if name == "/" || name.len() > 2 && name.ends_with("//") {
        None
    } else if name.starts_with('/') || name.ends_with('/') {
        Some("a slash stands between a namespace and a name")
    } else {
        None
    }
}

/// Whether this text reads as the symbol of that name.
pub(super) fn is_symbol(text: &str) -> bool {
    let word = matches!(text, "nil" | "true" | "false");
    !word && symbol_fault(text).is_none() && !text.bytes().any(ends_atom)
}

/// Whether this text with a colon before it reads as the keyword of that name.
pub(super) fn is_keyword(text: &str) -> bool {
    keyword_fault(text).is_none() && !text.bytes().any(ends_atom)
}

/// Whether this text can stand after a `#`.
pub(super) fn is_tag(text: &str) -> bool {
    is_symbol(text) && text.starts_with(|c: char| c.is_ascii_alphabetic() || !c.is_ascii())
}

/// The character after a backslash.
pub(super) fn character(text: &str) -> Result<char, ErrorKind> {
    let name = text.strip_prefix('\\').unwrap_or(text);
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return Ok(c);
    }
    let unknown = || ErrorKind::Char { text: shown(text) };
    Ok(match name {
        "newline" => '\n',
        "return" => '\r',
        "space" => ' ',
        "tab" => '\t',
        "backspace" => '\u{8}',
        "formfeed" => '\u{c}',
        _ => {
            let (radix, digits) = match name.split_at_checked(1) {
                Some(("u", digits)) if digits.len() == 4 => (16, digits),
                Some(("o", digits)) if digits.len() <= 3 => (8, digits),
                _ => return Err(unknown()),
            };
            let code = code(digits, radix).filter(|c| radix == 16 || *c <= 0o377);
            let code = code.ok_or_else(unknown)?;
            char::from_u32(code).ok_or_else(|| ErrorKind::Surrogate { text: shown(text) })?
        }
    })
}

fn code(digits: &str, radix: u32) -> Option<u32> {
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if plain { u32::from_str_radix(digits, radix).ok() } else { None }
}

/// The text between two quotes, its escapes resolved. An error says at which byte.
pub(super) fn string(text: &str) -> Result<String, (ErrorKind, usize)> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        let at = text.len() - rest.len() + backslash;
        let (c, length) = escape(&rest[backslash..]).map_err(|kind| (kind, at))?;
        out.push(c);
        rest = &rest[backslash + length..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The character that the escape at the start of `text` means, and the length of the escape.
fn escape(text: &str) -> Result<(char, usize), ErrorKind> {
    let name = text[1..].chars().next().unwrap_or_default();
    Ok(match name {
        'n' => ('\n', 2),
        't' => ('\t', 2),
        'r' => ('\r', 2),
        'b' => ('\u{8}', 2),
        'f' => ('\u{c}', 2),
        '"' | '\\' => (name, 2),
        'u' => unicode_escape(text)?,
        'o' => octal_escape(text, 2)?,
        '0'..='7' => octal_escape(text, 1)?,
        _ => {
            return Err(ErrorKind::Escape {
                text: shown(text.get(..1 + name.len_utf8()).unwrap_or(text)),
            });
        }
    })
}

fn octal_escape(text: &str, from: usize) -> Result<(char, usize), ErrorKind> {
    let count = text.bytes().skip(from).take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
    let digits = text.get(from..from + count).unwrap_or_default();
    let code = code(digits, 8).filter(|code| *code <= 0o377).and_then(char::from_u32);
    let fault = || ErrorKind::Escape { text: shown(text.get(..from + count).unwrap_or(text)) };
    code.map(|c| (c, from + count)).ok_or_else(fault)
}

/// `\uXXXX`, or two of them that are a surrogate pair.
fn unicode_escape(text: &str) -> Result<(char, usize), ErrorKind> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        code(digits, 16)
    };
    let text_of = |length: usize| shown(text.get(..length).unwrap_or(text));
    let first = unit(0).ok_or_else(|| {
        let digits = text.chars().skip(2).take(4).take_while(char::is_ascii_hexdigit).count();
        ErrorKind::Escape { text: text_of(2 + digits) }
    })?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, 6));
    }
    let pair = unit(6).filter(|second| first < 0xdc00 && (0xdc00..0xe000).contains(second));
    let pair =
        pair.and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)));
    pair.map(|c| (c, 12)).ok_or_else(|| ErrorKind::Surrogate { text: text_of(6) })
}
