//! Instants as text: RFC 3339 and its prefixes, read and written, and ages such as `7d`.
//!
//! **Invariant:** `parse(format(ms)) == ms` for every `i64`; years outside 0000 to 9999 are written
//! with a sign (`+12026-01-01T00:00:00Z`), so that no stored instant is without a text. The
//! calendar is the proleptic Gregorian one, the zone is UTC. There is no clock here: "now" is an
//! argument of whoever asks.

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The instant that a text names, in milliseconds since 1970 UTC: a year, a month, a day, or a time
/// to the hour, minute, second or a fraction of it, each meaning its start. Without an offset it is
/// UTC. Digits below a millisecond are cut.
pub fn parse(text: &str) -> Option<i64> {
    Written::read(text)?.start()
}

/// The first millisecond after what a text names: `2026-06` ends when July begins,
/// `2026-06-30T10:15` when 10:16 does. A time written to the second or finer is a single instant,
/// and ends one millisecond after it.
pub fn end_of(text: &str) -> Option<i64> {
    let mut written = Written::read(text)?;
    match written.precision {
        Precision::Year => written.year += 1,
        Precision::Month if written.month == 12 => {
            (written.year, written.month) = (written.year + 1, 1)
        }
        Precision::Month => written.month += 1,
        Precision::Day => return written.start()?.checked_add(DAY),
        Precision::Hour => return written.start()?.checked_add(HOUR),
        Precision::Minute => return written.start()?.checked_add(MINUTE),
        Precision::Instant => return written.start()?.checked_add(1),
    }
    written.start()
}

/// The milliseconds of an age: digits and one of `w d h m s`, as in `7d` or `36h`.
pub fn parse_age(text: &str) -> Option<i64> {
    let unit = match text.as_bytes().last()? {
        b'w' => 7 * DAY,
        b'd' => DAY,
        b'h' => HOUR,
        b'm' => MINUTE,
        b's' => SECOND,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse::<i64>().ok()?.checked_mul(unit) } else { None }
}

/// RFC 3339 in UTC: `2026-06-30T00:00:00Z`, with milliseconds where there are any.
pub fn format(ms: i64) -> String {
    let (date, time) = civil_text(ms);
    let millis = ms.rem_euclid(SECOND);
    if millis == 0 { format!("{date}T{time}Z") } else { format!("{date}T{time}.{millis:03}Z") }
}

/// As Clojure prints it in `#inst`: `2026-06-30T00:00:00.000-00:00`.
pub fn format_clojure(ms: i64) -> String {
    let (date, time) = civil_text(ms);
    format!("{date}T{time}.{:03}-00:00", ms.rem_euclid(SECOND))
}

fn civil_text(ms: i64) -> (String, String) {
    let (year, month, day) = civil(ms.div_euclid(DAY));
    let year = match year {
        0..=9999 => format!("{year:04}"),
        year => format!("{}{:04}", if year < 0 { '-' } else { '+' }, year.unsigned_abs()),
    };
    let in_day = ms.rem_euclid(DAY);
    let (hour, minute, second) = (in_day / HOUR, in_day % HOUR / MINUTE, in_day % MINUTE / SECOND);
    (format!("{year}-{month:02}-{day:02}"), format!("{hour:02}:{minute:02}:{second:02}"))
}

/// How much of a time was written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Instant,
}

/// A time as written, its parts checked.
#[derive(Debug)]
struct Written {
    year: i64,
    month: i64,
    day: i64,
    /// Since the start of the day, the offset taken off.
    in_day_ms: i64,
    precision: Precision,
}

impl Written {
    fn read(text: &str) -> Option<Self> {
        let mut rest = Rest(text.as_bytes());
        let mut written =
            Self { year: rest.year()?, month: 1, day: 1, in_day_ms: 0, precision: Precision::Year };
        if rest.eat(b'-') {
            written.month = rest.two(1, 12)?;
            written.precision = Precision::Month;
            if rest.eat(b'-') {
                written.day = rest.two(1, days_in_month(written.year, written.month))?;
                written.precision = Precision::Day;
                if rest.eat(b'T') || rest.eat(b't') || rest.eat(b' ') {
                    written.time(&mut rest)?;
                }
            }
        }
        rest.0.is_empty().then_some(written)
    }

    fn time(&mut self, rest: &mut Rest<'_>) -> Option<()> {
        let mut ms = rest.two(0, 23)? * HOUR;
        self.precision = Precision::Hour;
        if rest.eat(b':') {
            let minute = rest.two(0, 59)?;
            ms += minute * MINUTE;
            self.precision = Precision::Minute;
            if rest.eat(b':') {
                // A leap second counts as the second after it, as in the clocks of computers.
                ms += rest.two(0, if minute == 59 { 60 } else { 59 })? * SECOND;
                ms += if rest.eat(b'.') { rest.millis()? } else { 0 };
                self.precision = Precision::Instant;
            }
        }
        self.in_day_ms = ms - rest.offset()?;
        Some(())
    }

    fn start(&self) -> Option<i64> {
        let days = days(self.year, self.month, self.day);
        // In 128 bits: the last days that an i64 reaches start outside or end outside of it.
        i64::try_from(i128::from(days) * i128::from(DAY) + i128::from(self.in_day_ms)).ok()
    }
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.0.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        if !(least..=most).contains(&count) {
            return None;
        }
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(digits.iter().fold(0, |n, b| n * 10 + i64::from(b - b'0')))
    }

    fn two(&mut self, least: i64, most: i64) -> Option<i64> {
        self.digits(2, 2).filter(|n| (least..=most).contains(n))
    }

    /// Four digits; with a sign up to nine, which is more than an `i64` of milliseconds reaches.
    fn year(&mut self) -> Option<i64> {
        if self.eat(b'-') {
            self.digits(4, 9).map(|year| -year)
        } else if self.eat(b'+') {
            self.digits(4, 9)
        } else {
            self.digits(4, 4)
        }
    }

    fn millis(&mut self) -> Option<i64> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        let digit = |i: usize| digits.get(i).map_or(0, |b| i64::from(b - b'0'));
        (count > 0).then(|| digit(0) * 100 + digit(1) * 10 + digit(2))
    }

    /// `Z`, `+02:00`, `+0200`, `+02`, or nothing, in milliseconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0.first() {
            Some(b'Z' | b'z') => {
                self.0 = &self.0[1..];
                return Some(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Some(0),
        };
        self.0 = &self.0[1..];
        let hours = self.two(0, 23)?;
        let minutes = if self.eat(b':') || !self.0.is_empty() { self.two(0, 59)? } else { 0 };
        Some(sign * (hours * HOUR + minutes * MINUTE))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;
/// From the 1st of March of year 0 to 1970.
const EPOCH: i64 = 719_468;

/// Days since 1970. Years begin in March here, so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let before_month = (153 * month + 2) / 5;
    cycle * CYCLE + year * 365 + year / 4 - year / 100 + before_month + day - 1 - EPOCH
}

/// Year, month and day of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH;
    let (cycle, in_cycle) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year = (in_cycle - in_cycle / 1_460 + in_cycle / 36_524 - in_cycle / (CYCLE - 1)) / 365;
    let in_year = in_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let year = year + cycle * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).map(format).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn a_prefix_names_its_start() {
        check("2018", "2018-01-01T00:00:00Z");
        check("2018-05", "2018-05-01T00:00:00Z");
        check("2018-05-31", "2018-05-31T00:00:00Z");
        check("2018-05-31T10", "2018-05-31T10:00:00Z");
        check("2018-05-31T10:20", "2018-05-31T10:20:00Z");
        check("2018-05-31 10:20:30", "2018-05-31T10:20:30Z");
        check("2018-05-31T10:20:30.5Z", "2018-05-31T10:20:30.500Z");
        check("2018-05-31T10:20:30.123456789Z", "2018-05-31T10:20:30.123Z");
        check("2018-05-31T01:20:30+02:00", "2018-05-30T23:20:30Z");
        check("2018-05-31T23:20:30-0130", "2018-06-01T00:50:30Z");
        check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z");
        check("-0044-03-15", "-0044-03-15T00:00:00Z");
        check("+12026-01-01", "+12026-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "1",
            "18",
            "20180",
            "2018-",
            "2018-13",
            "2018-00",
            "2018-02-29",
            "2018-04-31",
            "2018-05-01T",
            "2018-05-01T24:00",
            "2018-05-01T10:60",
            "2018-05-01T10:20:60",
            "2018-05-01T10:20:30.",
            "2018-05-01T10:20:30+",
            "2018-05-01T10:20:30+2",
            "2018-05-01T10:20:30Zx",
            "2018-05-01Z",
            "+999999999",
            "-",
            "２０１８",
            "2018-5-1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("2000-02-29").is_some());
        assert!(parse("1900-02-29").is_none());
    }

    #[test]
    fn a_time_ends_with_what_is_written() {
        let ends = |text: &str, end: &str| assert_eq!(end_of(text), parse(end), "{text}");
        ends("2026", "2027");
        ends("2026-06", "2026-07");
        ends("2026-12", "2027-01");
        ends("2024-02", "2024-03");
        ends("2026-06-30", "2026-07-01");
        ends("2026-06-30T23", "2026-07-01");
        ends("2026-06-30T10:15", "2026-06-30T10:16");
        ends("2026-06-30T10:15+02:00", "2026-06-30T08:16");
        ends("2026-06-30T10:15:00Z", "2026-06-30T10:15:00.001Z");
        assert_eq!(end_of("2026-06-31"), None);
    }

    #[test]
    fn ages_are_spans() {
        assert_eq!(parse_age("15m"), Some(900_000));
        assert_eq!(parse_age("36h"), parse_age("2160m"));
        assert_eq!(parse_age("2w"), parse_age("14d"));
        for text in ["", "d", "7", "-7d", "+7d", "7 d", "7D", "7é", "99999999999999999w"] {
            assert_eq!(parse_age(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_has_a_text(ms: i64) {
            prop_assert_eq!(parse(&format(ms)), Some(ms));
            prop_assert_eq!(parse(&format_clojure(ms)), Some(ms));
        }

        #[test]
        fn the_calendar_is_the_one_of_jiff(ms in -377_705_023_201_000..253_402_207_200_000i64) {
            let theirs = jiff::Timestamp::from_millisecond(ms).expect("in range").to_string();
            prop_assert_eq!(parse(&theirs), Some(ms));
        }

        #[test]
        fn no_text_panics(text: String, digits in "[-+0-9T:.Z ]{0,30}") {
            parse(&text);
            end_of(&digits);
            parse_age(&text);
        }
    }

    #[test]
    fn the_ends_of_the_range_have_a_text() {
        for ms in [i64::MIN, i64::MAX, -1, 0, 1] {
            assert_eq!(parse(&format(ms)), Some(ms));
        }
    }
}
