//! How long automatic tags are kept.
//!
//! **Invariant:** of the tags of one span of time the last is kept; the newest tag of all stays
//! always. A tag is dropped for its age alone, by the time of its commit.

use crate::commit::Tag;
use std::str::FromStr;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A twelfth of a year.
const MONTH_MS: i64 = 365 * DAY_MS / 12;

/// Which automatic tags a collection keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Up to which age, and one in how much time (0: all), by rising age. What is older than the
    /// last is dropped.
    steps: Vec<(i64, i64)>,
}

impl Default for Retention {
    /// All of the last 24 hours, one a day for 30 days, one a month after.
    fn default() -> Self {
        Self { steps: vec![(DAY_MS, 0), (30 * DAY_MS, DAY_MS), (i64::MAX, MONTH_MS)] }
    }
}

impl Retention {
    /// Every tag.
    pub fn everything() -> Self {
        Self { steps: vec![(i64::MAX, 0)] }
    }

    /// No tag but the newest.
    pub fn nothing() -> Self {
        Self { steps: Vec::new() }
    }

    /// The tags that are kept of these, in their order.
    pub fn kept(&self, tags: &[Tag], now_ms: i64) -> Vec<Tag> {
        let newest = tags.iter().filter_map(|tag| tag.instant_ms).max();
        let mut last: Vec<(usize, i64)> = Vec::new();
        let mut kept: Vec<bool> = vec![false; tags.len()];
        // From the newest to the oldest: the first one of a span that is met is its last.
        let mut order: Vec<usize> = (0..tags.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(tags[*i].instant_ms));
        for i in order {
            let instant_ms = tags[i].instant_ms.unwrap_or(i64::MIN);
            let age_ms = now_ms.saturating_sub(instant_ms).max(0);
            let step = self.steps.iter().position(|(until, _)| age_ms <= *until);
            let fits = step.is_some_and(|step| match self.steps[step].1 {
                0 => true,
                every => {
                    let span = (step, instant_ms.div_euclid(every));
                    let new = !last.contains(&span);
                    last.push(span);
                    new
                }
            });
            kept[i] = fits || tags[i].instant_ms == newest;
        }
        tags.iter().zip(kept).filter(|(_, kept)| *kept).map(|(tag, _)| tag.clone()).collect()
    }
}

/// Words that are no retention.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` does not say what to keep: it is `all`, `none`, or parts such as \
     `24h,30d/1d,forever/30d`: up to which age, and one in how much time"
)]
pub struct RetentionError(String);

impl FromStr for Retention {
    type Err = RetentionError;

    /// Reads `24h,30d/1d,forever/30d`, `all` or `none`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => return Ok(Self::everything()),
            "none" => return Ok(Self::nothing()),
            _ => {}
        }
        let error = || RetentionError(text.to_owned());
        let mut steps: Vec<(i64, i64)> = Vec::new();
        for part in text.split(',') {
            let (until, every) = part.split_once('/').unwrap_or((part, "0"));
            let until = match until {
                "forever" => i64::MAX,
                span => span_ms(span).ok_or_else(error)?,
            };
            let every = span_ms(every).ok_or_else(error)?;
            if steps.last().is_some_and(|(before, _)| *before >= until) {
                return Err(error());
            }
            steps.push((until, every));
        }
        Ok(Self { steps })
    }
}

/// A span of time as users write it: `90s`, `15m`, `24h`, `30d`, `2w`; 0 needs no unit.
pub fn span_ms(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let unit = text.chars().last()?;
    let ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => HOUR_MS,
        'd' => DAY_MS,
        'w' => 7 * DAY_MS,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(instant_ms: i64) -> Tag {
        Tag { snapshot: format!("snap/{instant_ms}"), commit: None, instant_ms: Some(instant_ms) }
    }

    /// The ages, in hours, that are kept of these.
    fn check(policy: &str, ages: &[i64], kept: &[i64]) {
        // The middle of a day that begins a month.
        let now_ms = 600 * MONTH_MS / DAY_MS * DAY_MS + DAY_MS / 2;
        let tags: Vec<Tag> = ages.iter().map(|age| tag(now_ms - age * HOUR_MS)).collect();
        let policy: Retention = policy.parse().unwrap();
        let left = policy.kept(&tags, now_ms).into_iter().filter_map(|tag| tag.instant_ms);
        assert_eq!(left.map(|ms| (now_ms - ms) / HOUR_MS).collect::<Vec<_>>(), kept);
    }

    #[test]
    fn the_usual_policy() {
        let usual: Retention = "24h,30d/1d,forever/730h".parse().unwrap();
        assert_eq!(usual, Retention::default());
        check("24h,30d/1d,forever/730h", &[30, 27, 26, 23, 1], &[26, 23, 1]);
        check("24h,30d/1d,forever/730h", &[24 * 60 + 2, 24 * 60, 3], &[24 * 60, 3]);
    }

    #[test]
    fn all_none_and_the_newest() {
        check("all", &[900_000, 5, 1], &[900_000, 5, 1]);
        check("none", &[900_000, 5, 1], &[1]);
        check("2h", &[5, 3], &[3]);
        check("2h", &[5, 2, 1, 0], &[2, 1, 0]);
    }

    #[test]
    fn words_that_say_nothing() {
        for text in ["", "x", "24", "1h,1h", "2d,1d", "1d/", "1d/x", "-1h", "forever,1d", "+1h"] {
            assert!(text.parse::<Retention>().is_err(), "{text}");
        }
    }
}
