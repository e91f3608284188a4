//! Arguments that several commands share: how a database is named, and the format of what is
//! printed.
//!
//! **Invariant:** what was typed becomes a [`Locator`] or an error that says which two parts
//! contradict each other; nothing is opened here but the small files of a mount's snapshot folder.

use super::exit::Problem;
use super::output::Output;
use anyhow::Context;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use factfs_core::conn::span_ms;
use factfs_core::text::Format;
use factfs_store::{Kind, Locator, shown};
use std::fs;
use std::path::Path;

/// What `--help` says about naming a database.
pub const DATABASE_HELP: &str = "\
A database is named by
  URL             a directory, s3://BUCKET/PREFIX, gs://…, az://…, sqlite:///FILE.db/PREFIX,
                  postgres://USER@HOST/DATABASE/PREFIX, https://… (to read)
  URL#BRANCH      a branch of it
  URL@WHEN        its state then: a basis t, an age (7d, 36h), a time (2026-06-30), a tag, a branch,
                  or the beginning of a commit id
  FOLDER          a snapshot folder of a mount, such as ~/data/catalog/head";

/// A database.
#[derive(Clone, Debug, clap::Args)]
pub struct DatabaseArgs {
    /// The database: URL, URL#BRANCH, URL@WHEN, or a snapshot folder of a mount
    #[arg(value_name = "DB")]
    pub database: String,
    #[command(flatten)]
    pub which: WhichArgs,
}

/// The part of a url that is a path: what follows a `?` is not.
pub fn place_of(url: &str) -> &str {
    let is_url = url.contains("://");
    let place = url.split('?').next().filter(|_| is_url).unwrap_or(url);
    place.trim_end_matches('/')
}

/// Which value of a database.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WhichArgs {
    /// The branch, as after `#`
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// The moment, as after `@`: t, age, time, tag, branch or commit
    #[arg(long, value_name = "WHEN")]
    pub at: Option<String>,
}

impl DatabaseArgs {
    /// What was named.
    pub fn locator(&self) -> anyhow::Result<Locator> {
        let mut locator = locator(&self.database)?;
        let WhichArgs { branch, at } = &self.which;
        for (option, given, place) in
            [("--branch", branch, &mut locator.branch), ("--at", at, &mut locator.at)]
        {
            match (given, &place) {
                (Some(given), Some(named)) if given != named => {
                    let named_so = shown(&self.database);
                    let text = format!("`{named_so}` says {named}, {option} says {given}");
                    return Err(Problem::invalid(text).into());
                }
                (Some(given), _) => *place = Some(given.clone()),
                (None, _) => {}
            }
        }
        Ok(locator)
    }
}

/// The database that a text names; the text may be a snapshot folder of a mount.
pub fn locator(text: &str) -> anyhow::Result<Locator> {
    if text.is_empty() {
        return Err(Problem::invalid("the name of the database is empty").into());
    }
    let folder = Path::new(text);
    for (file, is_snapshot) in [("snapshot.json", true), ("store.json", false)] {
        let file = folder.join(file);
        if file.is_file() {
            return in_mount(&file, is_snapshot);
        }
    }
    Ok(text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}))
}

/// Reads what a mount says about one of its folders: on a branch that branch, else that commit.
/// Where the database is stands beside the snapshot, or two folders above it.
fn in_mount(file: &Path, is_snapshot: bool) -> anyhow::Result<Locator> {
    let about = json(file)?;
    let field = |json: &serde_json::Value, name: &str| {
        json.get(name).and_then(|value| value.as_str()).map(str::to_owned)
    };
    let above = || {
        let folder = file.parent()?.canonicalize().ok()?;
        json(&folder.parent()?.parent()?.join("store.json")).ok()
    };
    let url = field(&about, "url").or_else(|| field(&above()?, "url"));
    let url = url.ok_or_else(|| {
        let text = format!("{} does not say where its database is", file.display());
        Problem::new(Kind::NotFound, text)
    })?;
    let branch = field(&about, "branch").filter(|_| is_snapshot);
    let at = if branch.is_none() && is_snapshot { field(&about, "commit") } else { None };
    Ok(Locator { url, branch, at })
}

fn json(file: &Path) -> anyhow::Result<serde_json::Value> {
    let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}", file.display()))
}

/// The format of what is printed.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct FormatArgs {
    /// The format of what is printed [default: txt on a terminal, else csv; reports and single
    /// values: edn]
    #[arg(long, short, value_name = "FORMAT", value_parser = format_parser())]
    pub format: Option<Format>,
}

impl FormatArgs {
    /// Standard output in that format.
    pub fn output(self) -> Output {
        Output::new(self.format)
    }
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::extension)).try_map(|text| {
        Format::from_extension(&text).ok_or_else(|| Problem::invalid("no such format"))
    })
}

/// A time of grace in milliseconds, from text such as `24h`.
pub fn grace(text: &str) -> Result<u64, String> {
    let ms = span_ms(text).and_then(|ms| u64::try_from(ms).ok());
    ms.ok_or_else(|| "a time is a number and s, m, h, d or w, such as 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_marks_must_agree() {
        let args = |database: &str, branch: Option<&str>| DatabaseArgs {
            database: database.into(),
            which: WhichArgs { branch: branch.map(Into::into), at: None },
        };
        let branch = |args: DatabaseArgs| args.locator().unwrap().branch;
        assert_eq!(branch(args("/srv/a#x", None)).as_deref(), Some("x"));
        assert_eq!(branch(args("/srv/a", Some("y"))).as_deref(), Some("y"));
        let error = args("/srv/a#x", Some("y")).locator().unwrap_err();
        assert_eq!(error.to_string(), "`/srv/a#x` says x, --branch says y");
    }

    #[test]
    fn a_snapshot_folder_names_its_database() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join("branches/main");
        fs::create_dir_all(&snapshot).unwrap();
        fs::write(folder.path().join("store.json"), r#"{"url": "/srv/a"}"#).unwrap();
        let file = snapshot.join("snapshot.json");
        let check = |text: &str, branch: Option<&str>, at: Option<&str>| {
            fs::write(&file, text).unwrap();
            let locator = locator(&snapshot.to_string_lossy()).unwrap();
            assert_eq!(locator.url, "/srv/a");
            assert_eq!((locator.branch.as_deref(), locator.at.as_deref()), (branch, at));
        };
        check(r#"{"store": "a", "branch": "main", "commit": "3-abc"}"#, Some("main"), None);
        check(r#"{"store": "a", "commit": "3-abc"}"#, None, Some("3-abc"));
    }
}
