//! The options of a mount: the one table of them.
//!
//! **Invariant:** a row is all there is to say about an option: its name, what it takes, what
//! holds without it, what it does, and how it is set. Names are the same everywhere; `-` and `_`
//! are the same in them.

use super::value;
use factfs_core::nearest::nearest;
use factfs_mount::Setup;
use factfs_mount::journal::Target;
use std::path::{Path, PathBuf};

/// An option.
pub struct Row {
    /// Its name in `-o`, in fstab and in the config file; with `--` before it on the command line,
    /// unless it is one of the whole program there.
    pub name: &'static str,
    /// Another name on the command line.
    pub long: Option<&'static str>,
    /// What it takes; nothing, if it is a switch.
    pub value: Option<&'static str>,
    /// What holds without it.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
    set: fn(&mut Wanted, &str) -> Result<(), String>,
}

/// What the options came to.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The mount.
    pub setup: Setup,
    /// The profile that credentials of `s3:` stores come from.
    pub profile: Option<String>,
    /// The file of variables that credentials come from.
    pub credentials: Option<PathBuf>,
    /// The folder that paths begin at; none is where the command runs.
    pub base: Option<PathBuf>,
}

impl Wanted {
    /// The usual.
    pub fn new(setup: Setup) -> Self {
        Self { setup, profile: None, credentials: None, base: None }
    }

    /// A path as it was written here: `~/` is the home of who mounts.
    pub fn path(&self, text: &str) -> Result<PathBuf, String> {
        if text.is_empty() {
            return Err("the path is empty".to_owned());
        }
        if let Some(rest) = text.strip_prefix("~/") {
            let home = self.setup.settings.env.get("HOME").filter(|home| !home.is_empty());
            let home = home.ok_or("`~` is no folder here: HOME is not set")?;
            return Ok(Path::new(home).join(rest));
        }
        Ok(self.base.as_ref().map_or_else(|| text.into(), |base| base.join(text)))
    }

    /// Sets an option.
    pub fn set(&mut self, row: &Row, text: &str) -> Result<(), String> {
        if row.value.is_none() && value::flag(text).is_err() {
            return Err(format!("{}: it takes no value but true and false", row.name));
        }
        if row.value.is_some() && text.is_empty() {
            return Err(format!("{} takes a value: {}=...", row.name, row.name));
        }
        (row.set)(self, text).map_err(|why| format!("{}: {why}", row.name))
    }

    fn variable(&mut self, name: &str, value: String) {
        self.setup.settings.env.insert(name.to_owned(), value);
    }
}

/// What fstab and systemd say to others: taken, and of no meaning here.
const FOR_OTHERS: [&str; 18] = [
    "_netdev",
    "auto",
    "defaults",
    "exec",
    "group",
    "loop",
    "noatime",
    "noauto",
    "nodev",
    "nodiratime",
    "noexec",
    "nofail",
    "nosuid",
    "nouser",
    "owner",
    "relatime",
    "user",
    "users",
];

/// Whether an option of fstab is meant for others than factfs.
pub fn is_for_others(name: &str) -> bool {
    name.starts_with("x-") || name == "comment" || FOR_OTHERS.contains(&name)
}

/// The option of this name.
pub fn named(name: &str) -> Option<&'static Row> {
    let name = name.replace('_', "-");
    TABLE.iter().find(|row| row.name == name || row.long == Some(&name))
}

/// What is said of a name that no option has; `more` are names that would do here, too.
pub fn unknown(name: &str, more: &[&str]) -> String {
    let names = TABLE.iter().flat_map(|row| [Some(row.name), row.long]).flatten();
    let known = names.chain(more.iter().copied());
    match nearest(name, known) {
        Some(other) => format!("there is no option `{name}`; did you mean `{other}`?"),
        None => format!("there is no option `{name}`"),
    }
}

/// Reads `-o`: names, and values behind `=`, with commas between them.
pub fn list(text: &str) -> Result<Vec<(&'static Row, String)>, String> {
    let mut given = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (name, named(name)) {
            ("rw", _) => given.extend(named("ro").map(|row| (row, "false".to_owned()))),
            (_, Some(row)) => {
                check(row, value)?;
                given.push((row, value.to_owned()));
            }
            _ if is_for_others(name) => {}
            _ => return Err(unknown(name, &["rw", "noauto", "nofail"])),
        }
    }
    Ok(given)
}

/// Whether a value would do.
pub fn check(row: &Row, text: &str) -> Result<(), String> {
    let mut setup = Setup::new("", Default::default());
    // A path below a home is looked for when it is needed.
    setup.settings.env.insert("HOME".into(), "/".into());
    Wanted::new(setup).set(row, text)
}

fn put<T>(value: T, place: &mut T) -> Result<(), String> {
    *place = value;
    Ok(())
}

/// All of them, in the order in which they are shown.
pub const TABLE: &[Row] = &[
    Row {
        name: "ro",
        long: Some("read-only"),
        value: None,
        default: "writes are taken",
        help: "Refuse every write",
        set: |wanted, text| put(value::flag(text)?, &mut wanted.setup.is_read_only),
    },
    Row {
        name: "allow-other",
        long: None,
        value: None,
        default: "only who mounted may look",
        help: "Let other users of this machine read what is mounted, and write if they may \
               write its files, all with the rights of who mounted",
        set: |wanted, text| put(value::flag(text)?, &mut wanted.setup.allow_other),
    },
    Row {
        name: "queries",
        long: None,
        value: Some("DIR"),
        default: "$XDG_DATA_HOME/factfs/queries",
        help: "The folder of the mount's own queries",
        set: |wanted, text| put(Some(wanted.path(text)?), &mut wanted.setup.queries),
    },
    Row {
        name: "formats",
        long: None,
        value: Some("FORMAT:..."),
        default: "csv:json",
        help: "The formats of results that are listed; all formats can be named",
        set: |wanted, text| put(value::formats(text)?, &mut wanted.setup.formats),
    },
    Row {
        name: "size",
        long: None,
        value: Some("auto|exact"),
        default: "auto",
        help: "Sizes of results: exact as soon as they cost little or were opened, or exact for \
               every stat, which then waits for the answer",
        set: |wanted, text| match text {
            "auto" => put(false, &mut wanted.setup.exact_sizes),
            "exact" => put(true, &mut wanted.setup.exact_sizes),
            _ => Err(format!("{text:?} is neither auto nor exact")),
        },
    },
    Row {
        name: "time",
        long: None,
        value: Some("TIME"),
        default: "30s",
        help: "How long a query may take",
        set: |wanted, text| put(value::span(text)?, &mut wanted.setup.limits.time),
    },
    Row {
        name: "rows",
        long: None,
        value: Some("N"),
        default: "10000000",
        help: "How many rows a result may have",
        set: |wanted, text| put(value::count(text)?, &mut wanted.setup.limits.rows),
    },
    Row {
        name: "bytes",
        long: None,
        value: Some("BYTES"),
        default: "1G",
        help: "How many bytes a result may have",
        set: |wanted, text| put(value::bytes(text)?, &mut wanted.setup.limits.bytes),
    },
    Row {
        name: "memory",
        long: None,
        value: Some("BYTES"),
        default: "1G",
        help: "How much memory a query may take, about",
        set: |wanted, text| put(value::bytes(text)?, &mut wanted.setup.limits.memory_bytes),
    },
    Row {
        name: "at-once",
        long: None,
        value: Some("N"),
        default: "8",
        help: "How many queries run at once; others wait",
        set: |wanted, text| match usize::try_from(value::count(text)?) {
            Ok(count) if count <= 1024 => put(count, &mut wanted.setup.limits.at_once),
            _ => Err("at most 1024".to_owned()),
        },
    },
    Row {
        name: "results",
        long: None,
        value: Some("BYTES"),
        default: "256M",
        help: "How much memory results are kept in",
        set: |wanted, text| put(value::memory(text)?, &mut wanted.setup.cache_bytes),
    },
    Row {
        name: "nodes",
        long: None,
        value: Some("BYTES"),
        default: "256M",
        help: "How much memory nodes of each store are kept in",
        set: |wanted, text| put(value::memory(text)?, &mut wanted.setup.settings.cache_bytes),
    },
    Row {
        name: "cache",
        long: None,
        value: Some("DIR|off"),
        default: "$XDG_CACHE_HOME/factfs",
        help: "Where nodes of remote stores are kept on disk",
        set: |wanted, text| {
            let is_off = matches!(text, "off" | "no" | "0" | "false");
            let root = if is_off { "off".into() } else { wanted.path(text)? };
            let root = root.to_str().ok_or("the path is not Unicode")?.to_owned();
            wanted.variable("FACTFS_CACHE", root);
            Ok(())
        },
    },
    Row {
        name: "cache-bytes",
        long: None,
        value: Some("BYTES"),
        default: "2G",
        help: "How many bytes of them",
        set: |wanted, text| {
            wanted.variable("FACTFS_CACHE_BYTES", value::bytes(text)?.to_string());
            Ok(())
        },
    },
    Row {
        name: "poll",
        long: None,
        value: Some("TIME"),
        default: "1s; of stores on this machine 20ms",
        help: "How often heads are looked at while they are in use",
        set: |wanted, text| put(Some(value::span(text)?), &mut wanted.setup.poll),
    },
    Row {
        name: "log",
        long: None,
        value: Some("FILE|-"),
        default: ".factfs/log alone",
        help: "A file that the log is appended to; - is standard error, with --foreground",
        set: |wanted, text| {
            let target =
                if text == "-" { Target::Stderr } else { Target::File(wanted.path(text)?) };
            put(target, &mut wanted.setup.log)
        },
    },
    Row {
        name: "profile",
        long: None,
        value: Some("NAME"),
        default: "as the environment says",
        help: "The profile of AWS that credentials of s3: stores come from",
        set: |wanted, text| put(Some(text.to_owned()), &mut wanted.profile),
    },
    Row {
        name: "credentials",
        long: None,
        value: Some("FILE"),
        default: "the environment",
        help: "A file of NAME=VALUE lines that credentials come from, as from the environment; \
               its owner alone may read it",
        set: |wanted, text| put(Some(wanted.path(text)?), &mut wanted.credentials),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_with_both_dashes() {
        assert_eq!(named("allow_other").map(|row| row.name), Some("allow-other"));
        assert_eq!(named("read-only").map(|row| row.name), Some("ro"));
        assert!(named("allowother").is_none());
    }

    #[test]
    fn what_fstab_says_to_others_is_taken() {
        let given = list("rw,noauto,nofail,_netdev,x-systemd.automount,time=5s,ro").unwrap();
        let given: Vec<(&str, &str)> =
            given.iter().map(|(row, value)| (row.name, value.as_str())).collect();
        assert_eq!(given, [("ro", "false"), ("time", "5s"), ("ro", "")]);
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        assert_eq!(list(text).err().as_deref(), Some(expected));
    }

    #[test]
    fn what_is_wrong_is_named() {
        check_refused("tiem=5s", "there is no option `tiem`; did you mean `time`?");
        check_refused("suid", "there is no option `suid`");
        check_refused("time=x", "time: \"x\" is no time, such as 30s, 500ms or 2m");
        check_refused("ro=x", "ro: it takes no value but true and false");
        check_refused("time", "time takes a value: time=...");
        check_refused("at-once=0", "at-once: \"0\" is no number from 1 on");
        check_refused("size=fake", "size: \"fake\" is neither auto nor exact");
    }

    #[test]
    fn defaults_are_what_they_are_said_to_be() {
        let usual = Setup::new("", Default::default());
        let mut wanted = Wanted::new(usual.clone());
        for name in ["formats", "size", "time", "rows", "bytes", "memory", "at-once", "nodes"] {
            let row = named(name).unwrap();
            wanted.set(row, row.default).unwrap();
        }
        assert_eq!(format!("{:?}", wanted.setup), format!("{usual:?}"));
    }

    /// The rows of the page as plain text: the option with its value, and what it does.
    fn documented() -> Vec<(String, String)> {
        let page = include_str!("../../../man/factfs.toml.5");
        let section = page.split("\n.SH OPTIONS\n").nth(1).unwrap().split("\n.SH ").next().unwrap();
        let plain = |text: &str| {
            let text = ["\\fI", "\\fP"].iter().fold(text.to_owned(), |text, f| text.replace(f, ""));
            let text = text.replace("\\[ba]", "|").replace("\\-", "-").replace("\\&", "");
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let rows = section.split("|T{\n").collect::<Vec<_>>();
        let name = |before: &str| plain(before.lines().last().unwrap());
        let rows = rows
            .windows(2)
            .map(|pair| (name(pair[0]), plain(pair[1].split("\nT}").next().unwrap())));
        rows.collect()
    }

    #[test]
    fn the_manual_has_every_option_as_it_is_here() {
        let row = |row: &Row| {
            let value = row.value.map(|value| format!("={value}")).unwrap_or_default();
            (format!("{}{value}", row.name), format!("{}. Default: {}.", row.help, row.default))
        };
        assert_eq!(documented(), TABLE.iter().map(row).collect::<Vec<_>>());
    }
}
