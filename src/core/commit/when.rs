//! WHEN as users write it: a `t`, an age, a time, or a name.
//!
//! **Invariant:** the forms are told apart by the text alone, in this order: digits, an age, a time, a name. A time is the
//! end of what is written: `2026-06` the end of June, `2026-06-30` the end of that day (UTC), a full time that instant
//! inclusive. The clock is an argument.

use crate::id::T;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

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
        if let Some((count, unit_ms)) = age(text) {
            let count: i64 = count.parse().map_err(|_| range())?;
            let ago = count.checked_mul(unit_ms).ok_or_else(range)?;
            let moment = now_ms.checked_sub(ago).and_then(|ms| ms.checked_add(1));
            return moment.map(Self::Before).ok_or_else(range);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 4 && text.as_bytes().get(4) == Some(&b'-') {
            if let Some(end) = end_of(text) {
                return Ok(Self::Before(end));
            }
            if text.len() <= 10 || text.contains(':') {
                return Err(range());
            }
        }
        Ok(Self::Name(text.to_owned()))
    }
}

/// The digits and the unit of an age.
fn age(text: &str) -> Option<(&str, i64)> {
    let (count, unit) = text.split_at_checked(text.len() - 1)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return None,
    };
    (!count.is_empty() && count.bytes().all(|b| b.is_ascii_digit())).then_some((count, unit_ms))
}

/// The first moment after what is written.
fn end_of(text: &str) -> Option<i64> {
    let utc = |at: DateTime| Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    let day = |date: Date| DateTime::from_parts(date, Time::midnight());
    match text.len() {
        7 => {
            let first: Date = format!("{text}-01").parse().ok()?;
            utc(day(first.checked_add(Span::new().months(1)).ok()?))
        }
        10 => utc(day(text.parse::<Date>().ok()?.checked_add(Span::new().days(1)).ok()?)),
        // `2026-06-30T12`, `2026-06-30T12:30`: the hour, the minute.
        13 => {
            let start: DateTime = format!("{text}:00").parse().ok()?;
            utc(start.checked_add(Span::new().hours(1)).ok()?)
        }
        16 => utc(text.parse::<DateTime>().ok()?.checked_add(Span::new().minutes(1)).ok()?),
        _ => match text.parse::<Timestamp>() {
            Ok(at) => at.as_millisecond().checked_add(1),
            Err(_) => utc(text.parse::<DateTime>().ok()?)?.checked_add(1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let end: Timestamp = expected.parse().unwrap();
        assert_eq!(When::parse(text, 0), Ok(When::Before(end.as_millisecond())), "{text}");
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
        for bad in ["2026-13", "2026-02-30", "99999999999999999999", "9999999999999999d"] {
            assert!(matches!(When::parse(bad, 0), Err(WhenError::Range(_))), "{bad}");
        }
        assert_eq!(When::parse("", 0), Err(WhenError::Empty));
    }
}
