//! Which type a text is written as, where nothing else tells.
//!
//! **Invariant:** a text is read as the type that is named here without losing anything, and is a
//! number only if it is written as one (`007` is text).

use super::parse_cell;
use crate::value::Tag;

/// The narrowest type that a text can be read as: boolean, long, double, instant, uuid or string.
pub fn type_of_text(text: &str) -> Tag {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = !digits.starts_with('0') || digits == "0" || digits.starts_with("0.");
    let is = |tag: Tag| parse_cell(text, tag).is_ok();
    if is(Tag::Bool) {
        Tag::Bool
    } else if is_plain && !text.starts_with('+') && is(Tag::Long) {
        Tag::Long
    } else if is_plain && digits.starts_with(|c: char| c.is_ascii_digit()) && is(Tag::Double) {
        Tag::Double
    } else if text.len() >= 10 && is(Tag::Inst) {
        Tag::Inst
    } else if is(Tag::Uuid) {
        Tag::Uuid
    } else {
        Tag::Str
    }
}

/// The type that texts of two such types can be read as together.
pub fn type_of_both(one: Tag, other: Tag) -> Tag {
    match (one, other) {
        (one, other) if one == other => one,
        (Tag::Long | Tag::Double, Tag::Long | Tag::Double) => Tag::Double,
        _ => Tag::Str,
    }
}
