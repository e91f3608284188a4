//! WHEN: how a moment of a branch is written, `42`, `7d`, `2026-06`, a tag, a branch, the beginning
//! of a commit's hash.
//!
//! **Invariant:** a text is one kind only, tried in this order: digits are a `t`, then an age, a
//! time, and a name (a tag before a branch before a commit, which only the database can tell
//! apart). There is no clock here.

use factfs_core::id::{CommitPrefix, T};
use factfs_core::instant;

/// A moment as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// A transaction's number.
    T(T),
    /// So many milliseconds before now.
    Age(i64),
    /// The newest commit before this instant: the end of the time that was written.
    Before(i64),
    /// A tag, a branch or a commit.
    Name(String),
}

impl When {
    /// Reads a moment; any text that is no number, age or time is a name.
    pub fn read(text: &str) -> Self {
        if let Some(t) = digits(text) {
            return Self::T(T(t));
        }
        if let Some(age) = instant::parse_age(text) {
            return Self::Age(age);
        }
        match instant::end_of(text) {
            Some(end) => Self::Before(end),
            None => Self::Name(text.to_owned()),
        }
    }

    /// Whether it is written as an age or a time: what all stores can be asked for at once.
    pub fn is_time(text: &str) -> bool {
        matches!(Self::read(text), Self::Age(_) | Self::Before(_))
    }

    /// The commit that the text may begin with, if it is long enough to name one.
    pub fn commit_prefix(text: &str) -> Option<CommitPrefix> {
        let prefix: CommitPrefix = text.parse().ok()?;
        (prefix.t.is_some() || prefix.hex.len() >= 8).then_some(prefix)
    }
}

/// The names at both ends of `A..B`: a name has no two dots together and begins with none, so there
/// is one way to cut.
pub fn range(text: &str) -> Option<(&str, &str)> {
    let is_name = |name: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        first && name.bytes().all(inner) && !name.contains("..")
    };
    let is_moment = |text: &str| match When::read(text) {
        When::Name(name) => is_name(&name),
        When::T(_) | When::Age(_) | When::Before(_) => true,
    };
    let mut cuts = text.match_indices('.').map(|(at, _)| at);
    cuts.find_map(|at| {
        let ends = (&text[..at], text[at..].strip_prefix("..")?);
        (is_moment(ends.0) && is_moment(ends.1)).then_some(ends)
    })
}

/// A `t`: a year such as `2026` is one, too; a time needs a month.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_one_kind() {
        assert_eq!(When::read("2026"), When::T(T(2026)));
        assert_eq!(When::read("7d"), When::Age(7 * 86_400_000));
        assert_eq!(When::read("v1"), When::Name("v1".into()));
        assert_eq!(When::read("1970-01"), When::Before(31 * 86_400_000));
        assert_eq!(When::read("1970-01-01"), When::Before(86_400_000));
        assert_eq!(When::read("1970-01-01T00:00:00Z"), When::Before(1));
    }

    #[test]
    fn a_range_is_cut_where_two_names_are() {
        for (text, from, to) in [
            ("v1..main", "v1", "main"),
            ("v1.2..v1.3", "v1.2", "v1.3"),
            ("v1...main", "v1.", "main"),
            ("7d..2026-06-30T10:00:00.5Z", "7d", "2026-06-30T10:00:00.5Z"),
            ("3..9-0123456789ab", "3", "9-0123456789ab"),
        ] {
            assert_eq!(range(text), Some((from, to)), "{text}");
        }
        for text in ["", "..", "v1..", "..v1", "v1.main", "a..b..c", "a b..c", "-x..y"] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn short_hexadecimal_names_are_no_commits() {
        assert!(When::commit_prefix("decade").is_none());
        assert!(
            When::commit_prefix("9f3c2a71").is_some() && When::commit_prefix("42-9f").is_some()
        );
    }
}
