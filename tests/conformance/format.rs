//! The files of a directory of cases.
//!
//! **Invariant:** what a form of a file means is told by its content alone: a map with `:cases`,
//! or a vector of maps with `:text`; any other form is no case. A file that cannot be read, and a
//! case without an answer, are failures and end nothing.

use factfs_core::edn::{Form, read_all};
use factfs_core::hash::NodeHash;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a form of a file holds.
pub enum Content {
    Cases(File),
    Corpus(Vec<Text>),
    /// No cases, by the file's name.
    Other(String),
    /// A file of this suite and name that cannot be read.
    Unreadable {
        suite: String,
        name: String,
        why: String,
    },
}

/// A file of cases.
pub struct File {
    pub suite: String,
    /// Its name, without the ending.
    pub name: String,
    pub dbs: BTreeMap<String, Form>,
    pub cases: Vec<Case>,
}

/// A call, and what it answered.
pub struct Case {
    pub id: String,
    pub op: String,
    pub query: Option<Form>,
    pub args: Vec<Form>,
    pub opts: Option<Form>,
    pub expect: Option<Form>,
    pub host: bool,
    pub failed: bool,
    pub fns: Vec<String>,
}

/// A text that may be a query.
pub struct Text {
    pub suite: String,
    pub id: String,
    pub text: String,
    pub verdict: Verdict,
}

/// What the recorded parser said.
pub enum Verdict {
    Query,
    Error(String),
    Missing,
}

/// It describes the format to people.
const DESCRIPTION: &str = "format.edn";

/// All files below a directory, by name.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut rest = vec![directory.to_owned()];
    while let Some(directory) = rest.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rest.push(path);
            } else if path.extension().is_some_and(|e| e == "edn") && !path.ends_with(DESCRIPTION) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What names the contents of files, wherever they lie.
pub fn fingerprint(root: &Path, files: &[PathBuf]) -> String {
    let mut listed = Vec::new();
    for path in files {
        let name = path.strip_prefix(root).unwrap_or(path);
        let hash = NodeHash::of(&fs::read(path).unwrap());
        listed.push(format!("{} {hash}\n", name.display()));
    }
    NodeHash::of(listed.concat().as_bytes()).to_string()
}

/// Reads a file. Suites are named by the file, else by the folder it lies in.
pub fn read(root: &Path, path: &Path) -> Vec<Content> {
    let folder = path.parent().unwrap_or(root).file_name().unwrap_or_default();
    let suite = folder.to_string_lossy().into_owned();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).map_err(|e| e.to_string());
    let forms = match text.and_then(|text| read_all(&text).map_err(|e| e.to_string())) {
        Ok(forms) => forms,
        Err(why) => return vec![Content::Unreadable { suite, name, why }],
    };
    let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let contents = forms.iter().filter_map(|form| content(form, &suite, &name));
    let contents: Vec<Content> = contents.collect();
    if contents.is_empty() { vec![Content::Other(shown)] } else { contents }
}

fn content(form: &Form, folder: &str, name: &str) -> Option<Content> {
    if let Some(cases) = form.get("cases").and_then(Form::as_seq) {
        let suite = form.get("suite").and_then(Form::as_str).unwrap_or(folder).to_owned();
        let dbs = form.get("dbs").and_then(Form::as_map).unwrap_or_default().iter();
        let dbs = dbs.map(|(name, db)| (key(name), db.clone())).collect();
        let cases = cases.iter().enumerate().map(|(at, form)| case(form, name, at)).collect();
        return Some(Content::Cases(File { suite, name: name.to_owned(), dbs, cases }));
    }
    let items = form.as_seq()?;
    items.first()?.get("text")?;
    let mut seen = BTreeMap::new();
    let texts = items.iter().map(|item| text_of(folder, name, item, &mut seen));
    Some(Content::Corpus(texts.collect()))
}

/// A name, written as a string or as something else.
fn key(form: &Form) -> String {
    form.as_str().map_or_else(|| form.to_string(), str::to_owned)
}

fn case(form: &Form, file: &str, at: usize) -> Case {
    let items = |key: &str| form.get(key).and_then(Form::as_seq).unwrap_or_default().to_vec();
    let is_said = |key: &str| form.get(key).is_some_and(|said| !said.is_nil());
    let op = form.get("op").and_then(Form::as_keyword).map(|op| op.as_str().to_owned());
    let functions = form.get("fns").and_then(|fns| fns.as_seq().or(fns.as_set()));
    Case {
        id: form.get("id").map_or_else(|| format!("{file}#{}", at + 1), key),
        op: op.unwrap_or_default(),
        query: form.get("query").cloned(),
        args: items("args"),
        opts: form.get("opts").cloned(),
        expect: form.get("expect").cloned(),
        host: is_said("host"),
        failed: is_said("failed"),
        fns: functions.unwrap_or_default().iter().map(key).collect(),
    }
}

fn text_of(suite: &str, name: &str, form: &Form, seen: &mut BTreeMap<String, usize>) -> Text {
    let file = form.get("file").and_then(Form::as_str).unwrap_or(name);
    let line = form.get("line").and_then(Form::as_long).unwrap_or_default();
    let place = format!("{file}:{line}");
    let count = seen.entry(place.clone()).or_default();
    *count += 1;
    let id = if *count == 1 { place } else { format!("{place}#{count}") };
    Text {
        suite: suite.to_owned(),
        id,
        text: form.get("text").and_then(Form::as_str).unwrap_or_default().to_owned(),
        verdict: match (form.get("parse"), form.get("edn-error")) {
            (Some(verdict), _) if verdict.is_keyword("ok") => Verdict::Query,
            (Some(error), _) | (None, Some(error)) => Verdict::Error(error.to_string()),
            (None, None) => Verdict::Missing,
        },
    }
}
