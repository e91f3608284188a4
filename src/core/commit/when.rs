//! WHEN as users write it: a `t`, an age, a time, or a name.
//!
//! **Invariant:** the forms are told apart by the text alone, in this order: digits, an age, a
//! time, a name. A time is the end of what is written: `2026-06` the end of June, `2026-06-30` the
//! end of that day (UTC), a full time that instant inclusive. The clock is an argument.

use crate::id::T;
use crate::instant;

/// What a WHEN says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// The transaction with this number.
    T(T),
    /// The newest commit before this moment, in milliseconds since 1970.
    Before(i64),
    /// A tag, a branch or a commit prefix, in this order.
    Name(String),
}

/// A WHEN that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// Nothing was written.
    #[error("an empty point in time")]
    Empty,
    /// A number or a moment that is not there.
    #[error("{0}: no such moment")]
    Range(String),
}

impl When {
    /// Reads a WHEN; ages are counted back from `now_ms`.
    pub fn parse(text: &str, now_ms: i64) -> Result<Self, WhenError> {
        if text.is_empty() {
            return Err(WhenError::Empty);
        }
        let range = || WhenError::Range(text.to_owned());
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map(|t| Self::T(T(t))).map_err(|_| range());
        }
        if let Some(age_ms) = instant::parse_age(text) {
            // The moment itself counts: what is written names its end.
            let moment = now_ms.checked_sub(age_ms).and_then(|ms| ms.checked_add(1));
            return moment.map(Self::Before).ok_or_else(range);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 4 && text.as_bytes().get(4) == Some(&b'-') {
            if let Some(end) = instant::end_of(text) {
                return Ok(Self::Before(end));
            }
            if text.len() <= 10 || text.contains(':') {
                return Err(range());
            }
        }
        Ok(Self::Name(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let end = instant::parse(expected).unwrap();
        assert_eq!(When::parse(text, 0), Ok(When::Before(end)), "{text}");
    }

    #[test]
    fn times_name_their_end() {
        check("2026-06", "2026-07-01T00:00:00Z");
        check("2026-12", "2027-01-01T00:00:00Z");
        check("2026-06-30", "2026-07-01T00:00:00Z");
        check("2024-02-28", "2024-02-29T00:00:00Z");
        check("2026-06-30T12", "2026-06-30T13:00:00Z");
        check("2026-06-30T12:30", "2026-06-30T12:31:00Z");
        check("2026-06-30T12:30:05Z", "2026-06-30T12:30:05.001Z");
        check("2026-06-30T12:30:05", "2026-06-30T12:30:05.001Z");
        check("2026-06-30T12:30:05.25+02:00", "2026-06-30T10:30:05.251Z");
    }

    #[test]
    fn the_other_forms() {
        assert_eq!(When::parse("1042", 0), Ok(When::T(T(1042))));
        assert_eq!(When::parse("7d", 7 * 86_400_000), Ok(When::Before(1)));
        assert_eq!(When::parse("36h", 0), Ok(When::Before(1 - 36 * 3_600_000)));
        for name in ["v1", "main", "1042-9f3c2a71b0de", "9f3c2a71b0de", "d", "12345678ab"] {
            assert_eq!(When::parse(name, 0), Ok(When::Name(name.to_owned())), "{name}");
        }
        for bad in ["2026-13", "2026-02-30", "99999999999999999999"] {
            assert!(matches!(When::parse(bad, 0), Err(WhenError::Range(_))), "{bad}");
        }
        assert_eq!(When::parse("", 0), Err(WhenError::Empty));
    }
}
