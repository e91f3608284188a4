//! Values of options as people write them: times, amounts, lists.
//!
//! **Invariant:** what is not understood is refused with what would be; nothing is rounded or cut.

use factfs_core::text::Format;
use factfs_store::Settings;
use std::time::Duration;

/// A time: a number of seconds, or one with ms, s, m or h.
pub fn span(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is no time, such as 30s, 500ms or 2m");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_seconds = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(refused()),
    };
    let is_number = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number = digits.parse::<f64>().ok().filter(|_| is_number).ok_or_else(refused)?;
    Duration::try_from_secs_f64(number * unit_seconds)
        .ok()
        .filter(|time| !time.is_zero() && *time <= Duration::from_secs(24 * 3600))
        .ok_or_else(|| format!("{text:?}: a time is more than nothing and at most 24h"))
}

/// A number of bytes, with K, M, G or T for powers of 1024.
pub fn bytes(text: &str) -> Result<u64, String> {
    Settings::bytes(text).ok_or_else(|| format!("{text:?} is no number of bytes, such as 500M"))
}

/// The same, of memory.
pub fn memory(text: &str) -> Result<usize, String> {
    let too_many = |_| format!("{text:?} is more than this machine can have");
    bytes(text).and_then(|bytes| usize::try_from(bytes).map_err(too_many))
}

/// A whole number from 1 on.
pub fn count(text: &str) -> Result<u64, String> {
    let refused = || format!("{text:?} is no number from 1 on");
    text.parse().ok().filter(|number| *number > 0).ok_or_else(refused)
}

/// Yes or no; the option alone is yes.
pub fn flag(text: &str) -> Result<bool, String> {
    match text {
        "" | "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// Formats, with colons or commas between them; each counts once.
pub fn formats(text: &str) -> Result<Vec<Format>, String> {
    let known = Format::ALL.map(Format::extension).join(" ");
    let format = |name| {
        let refused = || format!("{name:?} is no format; there are: {known}");
        Format::from_extension(name).ok_or_else(refused)
    };
    let mut formats = Vec::new();
    for name in text.split([':', ',']) {
        let format = format(name)?;
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    Ok(formats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let ms = |text: &str| span(text).map(|time| time.as_millis());
        let read = [("30", 30_000), ("30s", 30_000), ("0.5", 500), ("500ms", 500), ("2m", 120_000)];
        read.iter().for_each(|(text, expected)| assert_eq!(ms(text), Ok(*expected), "{text}"));
        let refused = ["", "s", "-1s", "1d", "0", "25h", "1e3", "inf", "NaN", "1 s", "é"];
        refused.iter().for_each(|text| assert!(span(text).is_err(), "{text}"));
    }

    #[test]
    fn formats_are_known_ones() {
        assert_eq!(formats("csv:json"), Ok(vec![Format::Csv, Format::Json]));
        assert_eq!(formats("csv,md").map(|formats| formats.len()), Ok(2));
        assert_eq!(formats("csv:json,csv"), Ok(vec![Format::Csv, Format::Json]));
        assert!(formats("").is_err() && formats("csv:xls").is_err());
    }
}
