//! The files of a directory of cases.
//!
//! **Invariant:** what a file means is told by its content alone: a map with `:cases`, or a vector
//! of maps with `:text`; any other file is no file of cases. One that cannot be read is an error.

use factfs_core::edn::{Form, read_all};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a file holds.
pub enum Content {
    Cases(File),
    Corpus(Vec<Text>),
    Other,
}

/// A file of cases.
pub struct File {
    pub suite: String,
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
    pub expect: Form,
    pub host: bool,
    pub failed: bool,
    pub fns: Vec<String>,
}

/// A text that may be a query.
pub struct Text {
    pub suite: String,
    pub id: String,
    pub text: String,
    /// Why the recorded parser did not take it.
    pub error: Option<String>,
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

/// Reads a file. Suites are named by the file, else by the folder it lies in.
pub fn read(root: &Path, path: &Path) -> Content {
    let text = fs::read_to_string(path).unwrap();
    let forms = read_all(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let [form] = forms.as_slice() else { return Content::Other };
    let folder = path.parent().unwrap_or(root).file_name().unwrap_or_default();
    let folder = folder.to_string_lossy().into_owned();
    if let Some(cases) = form.get("cases").and_then(Form::as_seq) {
        let suite = form.get("suite").and_then(Form::as_str).map_or(folder, str::to_owned);
        let dbs = form.get("dbs").and_then(Form::as_map).unwrap_or_default().iter();
        let dbs = dbs.map(|(name, db)| (name.as_str().unwrap().to_owned(), db.clone())).collect();
        return Content::Cases(File { suite, dbs, cases: cases.iter().map(case).collect() });
    }
    match form.as_seq() {
        Some(items @ [first, ..]) if first.get("text").is_some() => {
            let mut seen = BTreeMap::new();
            Content::Corpus(items.iter().map(|item| text_of(&folder, item, &mut seen)).collect())
        }
        _ => Content::Other,
    }
}

fn case(form: &Form) -> Case {
    let text = |key: &str| form.get(key).and_then(Form::as_str).unwrap_or_default().to_owned();
    let items = |key: &str| form.get(key).and_then(Form::as_seq).unwrap_or_default().to_vec();
    let op = form.get("op").and_then(Form::as_keyword).map(|op| op.as_str().to_owned());
    Case {
        id: text("id"),
        op: op.unwrap_or_default(),
        query: form.get("query").cloned(),
        args: items("args"),
        opts: form.get("opts").cloned(),
        expect: form
            .get("expect")
            .cloned()
            .unwrap_or_else(|| panic!("{} expects nothing", text("id"))),
        host: form.get("host").is_some(),
        failed: form.get("failed").is_some(),
        fns: items("fns").iter().map(Form::to_string).collect(),
    }
}

fn text_of(suite: &str, form: &Form, seen: &mut BTreeMap<String, usize>) -> Text {
    let file = form.get("file").and_then(Form::as_str).unwrap_or_default();
    let line = form.get("line").and_then(Form::as_long).unwrap_or_default();
    let place = format!("{file}:{line}");
    let count = seen.entry(place.clone()).or_default();
    *count += 1;
    let id = if *count == 1 { place } else { format!("{place}#{count}") };
    Text {
        suite: suite.to_owned(),
        id,
        text: form.get("text").and_then(Form::as_str).unwrap_or_default().to_owned(),
        error: match (form.get("parse"), form.get("edn-error")) {
            (Some(verdict), _) if verdict.is_keyword("ok") => None,
            (verdict, error) => Some(verdict.or(error).map(Form::to_string).unwrap_or_default()),
        },
    }
}
