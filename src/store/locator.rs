//! How a database is named on a command line: `URL`, `URL#BRANCH`, `URL@WHEN`, `URL#BRANCH@WHEN`.
//!
//! **Invariant:** the marks count only after the last `/`, and a path that exists wins over any
//! reading of its name. What is displayed is for people: it has no password.

use crate::shown::shown;
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Urls in which an `@` follows who asks.
const WITH_USERS: [&str; 4] = ["postgres://", "postgresql://", "http://", "https://"];

/// A database, and which of its values is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Locator {
    /// Where it is.
    pub url: String,
    /// Which branch; `None` is the default one.
    pub branch: Option<String>,
    /// Which moment, commit or tag; `None` is the head.
    pub at: Option<String>,
}

impl Locator {
    /// Reads a name, asking `exists` whether a path is there.
    pub fn parse(text: &str, exists: impl Fn(&str) -> bool) -> Self {
        let whole = Self { url: text.to_owned(), branch: None, at: None };
        if exists(text) {
            return whole;
        }
        let start = text.rfind('/').map_or(0, |slash| slash + 1);
        if WITH_USERS.iter().any(|scheme| text[..start].eq_ignore_ascii_case(scheme)) {
            // What is before an @ there is who asks, and maybe a password.
            return whole;
        }
        let (last, folder) = (&text[start..], &text[..start]);
        let (rest, at) = cut(last, '@');
        let (name, branch) = cut(rest, '#');
        if at.is_none() && branch.is_none() {
            return whole;
        }
        Self { url: format!("{folder}{name}"), branch, at }
    }
}

/// Cuts at the first mark, if something stands on both sides of it.
fn cut(text: &str, mark: char) -> (&str, Option<String>) {
    match text.split_once(mark) {
        Some((before, after)) if !before.is_empty() && !after.is_empty() => {
            (before, Some(after.to_owned()))
        }
        _ => (text, None),
    }
}

impl FromStr for Locator {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::parse(text, |path| Path::new(path).exists()))
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", shown(&self.url))?;
        self.branch.iter().try_for_each(|branch| write!(f, "#{branch}"))?;
        self.at.iter().try_for_each(|at| write!(f, "@{at}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Locator;

    fn check(text: &str, url: &str, branch: Option<&str>, at: Option<&str>) {
        let locator = Locator::parse(text, |path| path == "/srv/odd@name#here");
        assert_eq!(locator.url, url);
        assert_eq!(locator.branch.as_deref(), branch);
        assert_eq!(locator.at.as_deref(), at);
        assert_eq!(locator.to_string(), text);
    }

    #[test]
    fn a_branch_and_a_moment_follow_the_last_slash() {
        check("s3://team-a/catalog", "s3://team-a/catalog", None, None);
        check("/srv/inventory@2026-06-30", "/srv/inventory", None, Some("2026-06-30"));
        check("/srv/inventory#exp", "/srv/inventory", Some("exp"), None);
        check("data#exp@7d", "data", Some("exp"), Some("7d"));
    }

    #[test]
    fn marks_before_the_last_slash_are_part_of_the_url() {
        check("postgres://user@host/db", "postgres://user@host/db", None, None);
        check("/a#b/c", "/a#b/c", None, None);
        check("postgres://user@host", "postgres://user@host", None, None);
    }

    #[test]
    fn a_path_that_exists_wins() {
        check("/srv/odd@name#here", "/srv/odd@name#here", None, None);
    }

    #[test]
    fn a_mark_without_a_name_is_no_mark() {
        check("/srv/db@", "/srv/db@", None, None);
        check("/srv/#x", "/srv/#x", None, None);
    }
}
