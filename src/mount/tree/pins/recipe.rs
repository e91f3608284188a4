//! What a `.meta` says an answer was made of: all that another machine needs to make it again.
//!
//! **Invariant:** a recipe names every database by uuid and whole commit, and every other input by
//! its value, so what it makes does not depend on names, saved queries or the time. What it was
//! written as reads back as it was.

use super::{Pin, Pinned, invalid, read_commit, whole_commit};
use crate::error::Result;
use crate::name::is_query_name;
use crate::tree::diff::{ALL, kind_of};
use crate::tree::node::{Leaf, Name};
use factfs_core::hash::NodeHash;
use factfs_core::id::CommitId;
use factfs_core::instant;
use factfs_core::text::Format;
use factfs_core::value::Uuid;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write;

/// What is said to who gives something else.
const WHICH: &str = "an answer's .meta has its name with .meta after it";
/// How long the part of a saved query's name is that a recipe's name keeps.
const NAME_BYTES: usize = 180;
/// How many digits of its hash follow.
const HASH_DIGITS: usize = 12;

/// How an answer was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What was made.
    pub made: Made,
    /// In which format.
    pub format: Format,
    /// The databases that were read, in the order of `:in`.
    pub sources: Vec<Read>,
    /// The files of the machine that were read as rows.
    pub files: Vec<FileRead>,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A query's answer.
    Answer(Answered),
    /// A file of a snapshot folder, such as `tables/product.csv`.
    Part(String),
    /// What changed from the second of its databases to the first.
    Difference,
}

/// A query and what it was asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the query was saved as, or `query`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Values by the name of the input, as EDN; rules are those of `%`.
    pub inputs: Vec<(String, String)>,
}

/// A database that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// `$x`
    pub symbol: String,
    /// What it was mounted as.
    pub store: String,
    /// Where it was, without credentials.
    pub url: Option<String>,
    /// Which database.
    pub uuid: Uuid,
    /// Which commit; none is the empty database.
    pub commit: Option<CommitId>,
    /// When that was.
    pub instant_ms: Option<i64>,
    /// How often facts had been erased.
    pub purges: u64,
    /// Whether the query names a branch here, so that under a pin it is that pin's commit.
    pub is_branch: bool,
    /// Which changes were read, where this is the newer end of a difference.
    pub changes: Option<String>,
}

/// A file that was read as rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// `$x`
    pub symbol: String,
    /// Where it was.
    pub path: String,
    /// Its format.
    pub format: Format,
    /// How long it was.
    pub bytes: u64,
    /// The blake3 of its bytes.
    pub blake3: String,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How many bytes.
    pub bytes: u64,
    /// Their blake3.
    pub blake3: String,
    /// The version that made it.
    pub version: String,
}

impl Recipe {
    /// The commits: of a store the one that a branch was, else the first that was read.
    pub fn pin(&self) -> Pin {
        let (branches, others): (Vec<_>, Vec<_>) =
            self.sources.iter().partition(|read| read.is_branch);
        Pin::new(branches.into_iter().chain(others).map(|read| {
            let (store, commit) = (read.store.clone(), read.commit);
            (read.uuid, Pinned { store, commit, instant_ms: read.instant_ms })
        }))
    }

    /// What its answer is called under `pins/ID/results/`: the query's name and a hash of all that
    /// the answer depends on. Parts of snapshots have no such name, nor has what is made of files,
    /// which no pin keeps, or of no database.
    pub fn name(&self) -> Option<Name> {
        if self.again_not().is_some() {
            return None;
        }
        let Made::Answer(answered) = &self.made else { return None };
        let kept: String = answered.name.chars().take(NAME_BYTES).collect();
        Some(format!("{kept}-{}", self.digits(answered)).into())
    }

    fn digits(&self, answered: &Answered) -> String {
        let hash = NodeHash::of(self.identity(answered).as_bytes()).to_string();
        hash[..HASH_DIGITS].to_owned()
    }

    /// The same, where the query is called what its answer is called under a pin: there it was made
    /// again, and the name it was saved as stands before the hash.
    pub fn under_its_name(mut self) -> Self {
        if let Made::Answer(answered) = &self.made
            && let Some(name) = answered.name.strip_suffix(&self.digits(answered))
            && let Some(name) = name.strip_suffix('-').map(str::to_owned)
            && let Made::Answer(answered) = &mut self.made
        {
            answered.name = name;
        }
        self
    }

    /// Why no path of a mount gives the answer from now on.
    fn again_not(&self) -> Option<String> {
        let file = self.files.first();
        file.map(|file| format!("it reads a file, {}, and a pin keeps none", file.path))
            .or_else(|| self.sources.is_empty().then(|| "it reads no database".to_owned()))
    }

    /// The query's text, its databases and its inputs, a line each.
    fn identity(&self, answered: &Answered) -> String {
        let mut out = format!("{}\n", NodeHash::of(answered.text.as_bytes()));
        for read in &self.sources {
            // Writing to a string cannot fail.
            let commit = whole_commit(read.commit);
            let _ = write!(out, "{} {} {commit}", read.symbol, read.uuid);
            out.extend(read.changes.iter().flat_map(|changes| [" ", changes]));
            out.push('\n');
        }
        for (name, value) in &answered.inputs {
            let _ = writeln!(out, "{name} {value}");
        }
        out
    }

    /// Its path from the mount point: under `pins/`, or between two commits.
    pub fn again(&self) -> Option<String> {
        let id = self.pin().id();
        match &self.made {
            Made::Answer(_) => {
                let suffix = Leaf::answer(self.format).suffix();
                Some(format!("pins/{id}/results/{}{suffix}", self.name()?))
            }
            Made::Part(part) => Some(format!("pins/{id}/{}/{part}", self.sources.first()?.store)),
            Made::Difference => {
                let [to, from] = &self.sources[..] else { return None };
                let id = |read: &Read| read.commit.map_or("0".to_owned(), |id| id.to_string());
                let kind = match to.changes.as_deref()? {
                    ALL => String::new(),
                    kind => format!("/{kind}"),
                };
                let suffix = Leaf::answer(self.format).suffix();
                Some(format!("{}/diff/{}..{}{kind}{suffix}", to.store, id(from), id(to)))
            }
        }
    }

    /// It as the fields of a `.meta`.
    pub fn fields(&self) -> Map<String, Json> {
        let mut about = Map::new();
        about.extend(self.again().map(|again| ("again".into(), json!(again))));
        if let Some(why) = self.again_not() {
            about.insert("again".into(), Json::Null);
            about.insert("again_not".into(), json!(why));
        }
        about.insert("pin".into(), json!(&*self.pin().id()));
        about.insert("format".into(), json!(self.format.extension()));
        match &self.made {
            Made::Part(part) => drop(about.insert("part".into(), json!(part))),
            Made::Difference => {}
            Made::Answer(answered) => {
                let (rules, inputs): (Vec<_>, Vec<_>) =
                    answered.inputs.iter().partition(|(name, _)| name == "%");
                let inputs: Map<_, _> =
                    inputs.into_iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                about.insert("name".into(), json!(answered.name));
                about.insert("query".into(), json!(answered.text));
                let hash = NodeHash::of(answered.text.as_bytes()).to_string();
                about.insert("query_blake3".into(), json!(hash));
                about.extend(rules.first().map(|(_, rules)| ("rules".into(), json!(rules))));
                about.insert("inputs".into(), Json::Object(inputs));
            }
        }
        let files = self.files.iter().map(file_source);
        let read = self.sources.iter().map(source).chain(files);
        about.insert("sources".into(), read.collect());
        about
    }

    /// Reads a `.meta`.
    pub fn read(text: &str) -> Result<Self> {
        let json: Json = serde_json::from_str(text)
            .map_err(|error| invalid(&format!("this is no `.meta`: {error}")).hint(WHICH))?;
        if let Some(error) = json["error"].as_str() {
            let message = format!("there was no answer: {error}");
            return Err(invalid(&message));
        }
        if json["pin"].is_null() && json["sources"][0].is_object() {
            let message = "this `.meta` is about what follows from more than commits: it cannot be \
                           made again";
            return Err(invalid(message).hint("its sources say which values were read"));
        }
        let recipe = Self::of(&json).ok_or_else(|| {
            let hint = "a .meta of this version has format, sources, and query or part";
            invalid("this is no `.meta` that an answer can be made from again").hint(hint)
        })?;
        recipe.check_name()?;
        recipe.check_changes()?;
        let said = |name: &str| json[name].as_str();
        let hash = said("query").map(|text| NodeHash::of(text.as_bytes()).to_string());
        if said("pin") != Some(&recipe.pin().id()) || said("query_blake3") != hash.as_deref() {
            let message = "the `.meta` was changed: its query or commits are not those it was \
                           written with";
            return Err(invalid(message));
        }
        Ok(recipe)
    }

    /// The name becomes a file beside the pin, so it is only believed to be a saved query's.
    fn check_name(&self) -> Result<()> {
        match &self.made {
            Made::Answer(Answered { name, .. }) if !is_query_name(name) => {
                let message = format!("the `.meta` calls its query {name:?}, which is no name");
                let hint = "a query's name has a-z, 0-9, _ and -, and begins with a-z or 0-9";
                Err(invalid(&message).hint(hint))
            }
            _ => Ok(()),
        }
    }

    fn check_changes(&self) -> Result<()> {
        let mut named = self.sources.iter().filter_map(|read| read.changes.as_deref());
        match named.find(|name| *name != ALL && kind_of(name).is_none()) {
            Some(name) => {
                let message = format!("the `.meta` is about changes that are `{name}`");
                Err(invalid(&message).hint("there are all, added, retracted and changed"))
            }
            None => Ok(()),
        }
    }

    fn of(json: &Json) -> Option<Self> {
        let format = Format::from_extension(json["format"].as_str()?)?;
        let (files, sources): (Vec<_>, Vec<_>) =
            json["sources"].as_array()?.iter().partition(|source| !source["file"].is_null());
        let sources: Vec<Read> = sources.into_iter().map(read_source).collect::<Option<_>>()?;
        let files: Vec<FileRead> = files.into_iter().map(read_file).collect::<Option<_>>()?;
        if let Some(part) = json["part"].as_str() {
            let made = Made::Part(part.to_owned());
            return (sources.len() == 1).then_some(Self { made, format, sources, files });
        }
        if let [to, _] = &sources[..]
            && to.changes.is_some()
            && json["query"].is_null()
        {
            return Some(Self { made: Made::Difference, format, sources, files });
        }
        let text = json["query"].as_str()?.to_owned();
        let name = json["name"].as_str().unwrap_or("query").to_owned();
        let given = json["inputs"].as_object()?.iter();
        let given = given.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        let mut inputs = given.collect::<Option<Vec<_>>>()?;
        inputs.extend(json["rules"].as_str().map(|rules| ("%".to_owned(), rules.to_owned())));
        inputs.sort();
        let made = Made::Answer(Answered { name, text, inputs });
        Some(Self { made, format, sources, files })
    }
}

impl Expected {
    /// What a `.meta` says came out.
    pub fn read(text: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(text).ok()?;
        Some(Self {
            bytes: json["bytes"].as_u64()?,
            blake3: json["blake3"].as_str()?.to_owned(),
            version: json["factfs"].as_str().unwrap_or_default().to_owned(),
        })
    }
}

/// Databases as a `.meta` has them.
pub fn sources(reads: &[Read]) -> Json {
    reads.iter().map(source).collect()
}

fn source(read: &Read) -> Json {
    let mut about = Map::new();
    about.insert("name".into(), json!(read.symbol));
    about.insert("store".into(), json!(read.store));
    about.extend(read.url.as_ref().map(|url| ("url".into(), json!(url))));
    about.insert("uuid".into(), json!(read.uuid.to_string()));
    about.insert("commit".into(), json!(read.commit.map(|commit| commit.to_string())));
    about.insert("commit_id".into(), json!(whole_commit(read.commit)));
    about.insert("t".into(), json!(read.commit.map_or(0, |commit| commit.t.0)));
    about.insert("instant".into(), json!(read.instant_ms.map(instant::format)));
    about.insert("branch".into(), json!(read.is_branch));
    about.insert("purges".into(), json!(read.purges));
    about.extend(read.changes.as_ref().map(|changes| ("changes".into(), json!(changes))));
    Json::Object(about)
}

fn file_source(read: &FileRead) -> Json {
    json!({
        "name": read.symbol,
        "file": read.path,
        "format": read.format.extension(),
        "bytes": read.bytes,
        "blake3": read.blake3,
    })
}

fn read_file(json: &Json) -> Option<FileRead> {
    Some(FileRead {
        symbol: json["name"].as_str()?.to_owned(),
        path: json["file"].as_str()?.to_owned(),
        format: Format::from_extension(json["format"].as_str()?)?,
        bytes: json["bytes"].as_u64()?,
        blake3: json["blake3"].as_str()?.to_owned(),
    })
}

fn read_source(json: &Json) -> Option<Read> {
    Some(Read {
        symbol: json["name"].as_str()?.to_owned(),
        store: json["store"].as_str()?.to_owned(),
        url: json["url"].as_str().map(str::to_owned),
        uuid: json["uuid"].as_str()?.parse().ok()?,
        commit: read_commit(json["commit_id"].as_str()?)?,
        instant_ms: json["instant"].as_str().and_then(instant::parse),
        purges: json["purges"].as_u64().unwrap_or(0),
        is_branch: json["branch"].as_bool().unwrap_or(false),
        changes: json["changes"].as_str().map(str::to_owned),
    })
}
