//! Whether an answer is still what its `.meta` says: it is made again, and compared.
//!
//! **Invariant:** an answer is called the same only if all of its bytes were made anew from the
//! databases, and have the hash that the `.meta` names. When they differ each source is looked
//! into, and whatever is found is told of that source. Where stores are is not known here: whoever
//! asks opens them.

use crate::error::{Failure, Kind, Result};
use crate::local::Contents;
use crate::source::{Moment, Mounted};
use crate::spool::Cancel;
use crate::tree::pins::{Expected, FileRead, Read, Recipe, whole_commit};
use crate::tree::{Entry, Limits, LocalDesk, Parts, Tree};
use factfs_core::id::T;
use factfs_core::value::Uuid;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// How an answer compares with what was made again.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was made again: its bytes and their blake3, or why nothing was.
    pub made: std::result::Result<Bytes, Failure>,
    /// Whether that is what the `.meta` says.
    pub is_same: bool,
    /// Each source, in the order of the `.meta`.
    pub sources: Vec<Judged>,
    /// Each file that was read.
    pub files: Vec<JudgedFile>,
}

/// A file, and why it is not what the answer was made of.
#[derive(Clone, Debug)]
pub struct JudgedFile {
    /// What the `.meta` says of it, at the path where it was looked for.
    pub read: FileRead,
    /// What is not so any more.
    pub difference: Option<Failure>,
}

/// How many bytes, and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// How many.
    pub count: u64,
    /// Their blake3.
    pub blake3: String,
}

/// A source, and how it differs from what the answer was made of.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What the `.meta` says of it.
    pub read: Read,
    /// What is not so any more.
    pub differences: Vec<Difference>,
}

/// How a source is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Nobody said where the database is.
    Unknown,
    /// What was opened is another database.
    Another(Uuid),
    /// It could not be read.
    Unreadable(Failure),
    /// It has no such commit; at that place it has another, or its history ends before.
    NoCommit(Option<String>),
    /// Facts were erased: so often by then, and by now.
    Erased(u64, u64),
    /// Objects are damaged, or do not agree with the log.
    Damaged(Vec<String>),
}

impl Difference {
    /// A word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Another(_) => "another-database",
            Self::Unreadable(_) => "unreadable",
            Self::NoCommit(_) => "no-commit",
            Self::Erased(..) => "erased",
            Self::Damaged(_) => "damaged",
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unknown | Self::Another(_) => Kind::NotFound,
            Self::Unreadable(failure) => failure.kind,
            Self::NoCommit(_) | Self::Erased(..) | Self::Damaged(_) => Kind::Corrupt,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("it is not known where this database is"),
            Self::Another(found) => write!(f, "what is there is another database, {found}"),
            Self::Unreadable(failure) => write!(f, "{}", failure.message.trim_end()),
            Self::NoCommit(Some(found)) => {
                write!(f, "it has no such commit: at that t it has {found}, with other facts")
            }
            Self::NoCommit(None) => f.write_str("it has no such commit: its history is shorter"),
            Self::Erased(before, now) => {
                write!(f, "facts were erased from it: {} since then", times(now - before))
            }
            Self::Damaged(problems) => {
                f.write_str("it is damaged")?;
                problems.iter().try_for_each(|problem| write!(f, "\n    {problem}"))
            }
        }
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// Databases by uuid, as far as they could be opened.
type Stores = BTreeMap<Uuid, std::result::Result<Option<Mounted>, Failure>>;

/// Makes an answer again and compares it. `open` gives the database that a source names, if it is
/// known where that is; `look` looks through all of one, and says what is wrong.
pub fn verify(
    recipe: &Recipe,
    expected: &Expected,
    limits: Limits,
    open: &mut dyn FnMut(&Read) -> Result<Option<Mounted>>,
    look: &mut dyn FnMut(&Read) -> Result<Vec<String>>,
) -> Verdict {
    let mut stores = Stores::new();
    for read in &recipe.sources {
        stores.entry(read.uuid).or_insert_with(|| open(read));
    }
    let tree = tree(&stores, limits);
    let mut sources: Vec<Judged> = Vec::new();
    for read in &recipe.sources {
        let differences = found(&tree, &stores, read).err().into_iter().collect();
        sources.push(Judged { read: read.clone(), differences });
    }
    let files: Vec<JudgedFile> = recipe.files.iter().map(judged_file).collect();
    let database = sources.iter().flat_map(|judged| &judged.differences).next();
    let file = files.iter().find_map(|judged| judged.difference.as_ref());
    let made = match database.map(Difference::kind).or(file.map(|failure| failure.kind)) {
        Some(kind) => Err(Failure::new(kind, "a source is not what it was")),
        None => made(&tree, recipe),
    };
    let is_expected = |made: &Bytes| made.count == expected.bytes && made.blake3 == expected.blake3;
    let is_same = made.as_ref().is_ok_and(is_expected);
    if !is_same && file.is_none() {
        let moments = |read: &Read| found(&tree, &stores, read).ok();
        look_into(&mut sources, &moments, look);
    }
    Verdict { made, is_same, sources, files }
}

/// Whether a file is there with the content that it had.
fn judged_file(read: &FileRead) -> JudgedFile {
    let found = Contents::default().look(Path::new(&read.path), u64::MAX, 0);
    let difference = match found {
        Err(failure) => Some(failure),
        Ok(found) if found.blake3 == read.blake3 => None,
        Ok(found) => {
            let (at, now) = (&read.path, found.bytes);
            let message = format!("{at} has another content: {now} bytes, {}", found.blake3);
            Some(Failure::new(Kind::Corrupt, message))
        }
    };
    JudgedFile { read: read.clone(), difference }
}

/// A tree of the databases that were meant and could be opened.
fn tree(stores: &Stores, limits: Limits) -> Tree {
    let is_meant = |(uuid, mounted): (&Uuid, &Mounted)| {
        (mounted.source.uuid() == *uuid).then(|| mounted.clone())
    };
    let opened = stores.iter().filter_map(|(uuid, found)| Some((uuid, found.as_ref().ok()?)));
    let opened = opened.filter_map(|(uuid, found)| is_meant((uuid, found.as_ref()?)));
    Tree::new(Parts {
        stores: opened.collect(),
        desk: LocalDesk::default(),
        clock: Arc::new(|| 0),
        limits,
        formats: Vec::new(),
        is_read_only: true,
    })
}

/// The value that a source names, or why it is not there.
fn found(tree: &Tree, stores: &Stores, read: &Read) -> std::result::Result<Moment, Difference> {
    let mounted = match stores.get(&read.uuid) {
        Some(Ok(Some(mounted))) => mounted,
        Some(Err(failure)) => return Err(Difference::Unreadable(failure.clone())),
        Some(Ok(None)) | None => return Err(Difference::Unknown),
    };
    let uuid = mounted.source.uuid();
    if uuid != read.uuid {
        return Err(Difference::Another(uuid));
    }
    tree.commit_of(mounted, read.commit).map_err(|failure| match failure.kind {
        Kind::NotFound => Difference::NoCommit(at_that_t(mounted, read)),
        _ => Difference::Unreadable(failure),
    })
}

/// The commit that a history has in the place of one that is not in it.
fn at_that_t(mounted: &Mounted, read: &Read) -> Option<String> {
    let t = T(read.commit?.t.0);
    let entries = mounted.source.log(&mounted.head_branch(), Some(t), 1).ok()?;
    let found = entries.first().map(|entry| entry.commit).filter(|commit| commit.t == t)?;
    let is_alike = Some(found.to_string()) == read.commit.map(|commit| commit.to_string());
    Some(if is_alike { whole_commit(Some(found)) } else { found.to_string() })
}

fn made(tree: &Tree, recipe: &Recipe) -> Result<Bytes> {
    let resolved = tree.recipe_work(recipe)?;
    let Entry::Work(work) = &resolved.entry else {
        return Err(Failure::new(Kind::Invalid, "the `.meta` is about no answer"));
    };
    let content = tree.render(work, &Cancel::default())?.content;
    Ok(Bytes { count: content.size_bytes(), blake3: content.hash_hex() })
}

/// Looks for what made the bytes differ: in all sources, unless it is known already which one is
/// not what it was.
fn look_into(
    sources: &mut [Judged],
    moment: &dyn Fn(&Read) -> Option<Moment>,
    look: &mut dyn FnMut(&Read) -> Result<Vec<String>>,
) {
    let is_known = sources.iter().any(|judged| !judged.differences.is_empty());
    let mut looked: BTreeMap<Uuid, Option<Difference>> = BTreeMap::new();
    for Judged { read, differences } in sources {
        let corrupt = |found: &Difference| {
            matches!(found, Difference::Unreadable(_)) && found.kind() == Kind::Corrupt
        };
        let is_damaged = differences.iter().any(corrupt);
        if let Some(moment) = moment(read) {
            let now = moment.db.snapshot().purges;
            let erased = (now > read.purges).then_some(Difference::Erased(read.purges, now));
            differences.extend(erased);
        }
        if is_known && !is_damaged {
            continue;
        }
        let found = looked.entry(read.uuid).or_insert_with(|| match look(read) {
            Ok(problems) if problems.is_empty() => None,
            Ok(problems) => Some(Difference::Damaged(problems)),
            Err(failure) => Some(Difference::Unreadable(failure)),
        });
        differences.extend(found.clone().filter(|found| !differences.contains(found)));
    }
}

#[cfg(test)]
mod tests;
