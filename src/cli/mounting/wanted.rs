//! From options, wherever they stand, to a mount.
//!
//! **Invariant:** what is said nearer to the mount wins; a file of credentials is read only where
//! nobody else may read it, and nothing of it is shown.

use super::config::{Config, Entry, Given, Store};
use super::options::Wanted;
use crate::cli::exit::Problem;
use crate::cli::open;
use anyhow::Context;
use factfs_mount::{Setup, default_queries};
use factfs_store::Kind;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Variables that count before a config file.
const BEFORE_CONFIG: [&str; 2] = ["FACTFS_CACHE", "FACTFS_CACHE_BYTES"];

/// Where options come from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The config file.
    pub config: Option<&'a Config>,
    /// The command line.
    pub given: &'a [Given],
}

/// A mount of these databases.
pub fn of_stores(point: &Path, stores: Vec<Store>, source: Source<'_>) -> anyhow::Result<Setup> {
    let wanted = wanted(point.to_owned(), &[], source)?;
    finish(wanted, &stores)
}

/// The mount that a config file describes.
pub fn of_entry(entry: &Entry, source: Source<'_>) -> anyhow::Result<Setup> {
    let mut wanted = wanted(PathBuf::new(), &entry.options, source)?;
    wanted.base = source.config.map(Config::folder);
    wanted.setup.point = wanted.path(&entry.point).map_err(Problem::invalid)?;
    finish(wanted, &entry.stores)
}

fn wanted(point: PathBuf, of_mount: &[Given], source: Source<'_>) -> anyhow::Result<Wanted> {
    let mut wanted = Wanted::new(Setup::new(point, open::settings()));
    let env = &wanted.setup.settings.env;
    let before = BEFORE_CONFIG.map(|name| env.get_key_value(name));
    let before: BTreeMap<String, String> =
        before.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
    wanted.base = source.config.map(Config::folder);
    let common = source.config.map_or(&[][..], |config| &config.common);
    set(&mut wanted, common.iter().chain(of_mount))?;
    wanted.setup.settings.env.extend(before);
    wanted.base = None;
    set(&mut wanted, source.given.iter())?;
    Ok(wanted)
}

fn set<'a>(wanted: &mut Wanted, options: impl Iterator<Item = &'a Given>) -> Result<(), Problem> {
    for (row, value) in options {
        wanted.set(row, value).map_err(Problem::invalid)?;
    }
    Ok(())
}

fn finish(mut wanted: Wanted, stores: &[Store]) -> anyhow::Result<Setup> {
    if let Some(path) = &wanted.credentials {
        let variables = credentials(path)?;
        wanted.setup.settings.env.extend(variables);
    }
    for store in stores {
        let mut locator = store.locator.clone();
        let profile = store.profile.as_ref().or(wanted.profile.as_ref());
        let is_s3 = locator.url.starts_with("s3://");
        if store.profile.is_some() && !is_s3 {
            let message = format!("{}: profiles are of s3: stores alone", store.name);
            return Err(Problem::invalid(message).into());
        }
        if let Some(profile) = profile.filter(|_| is_s3 && !locator.url.contains('?')) {
            locator.url.push_str(&format!("?profile={}", escaped(profile)));
        }
        wanted.setup.stores.push((store.name.clone(), locator));
    }
    let mut setup = wanted.setup;
    setup.queries = setup.queries.or_else(|| default_queries(&setup.settings));
    Ok(setup)
}

/// A name as part of a url.
fn escaped(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// The variables that a file sets: `NAME=VALUE` lines; `#` begins a comment.
fn credentials(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("credentials: {shown}"))?;
    let mode = fs::metadata(path).with_context(|| shown.to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        let message = format!("credentials: others may read {shown}");
        let hint = format!("chmod 600 {shown}");
        return Err(Problem::new(Kind::Denied, message).hint(hint).into());
    }
    let mut variables = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line itself may be a secret.
        let refused = || Problem::invalid(format!("{shown}:{}: no NAME=VALUE", number + 1));
        let (name, value) = line.split_once('=').ok_or_else(refused)?;
        let quoted = |quote| value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        variables.insert(name.trim().to_owned(), value.to_owned());
    }
    Ok(variables)
}
