//! The cases that are listed, by reason: those answered otherwise on purpose (`decided.edn`), and
//! those that are known to fail (`expected.edn`).
//!
//! **Invariant:** an entry names a call by its hash ([`super::key`]), so that it means the same
//! call in another directory, whatever that is called there. Its id is for people, and is checked
//! in the directory that the lists were written for, which `:of` names.
//!
//! `FACTFS_CASES_ACCEPT=1` writes the hashes of what is decided anew, and the list of failures;
//! what this directory has no cases for stays.

use factfs_core::edn::{Form, read_one};
use std::collections::BTreeMap;
use std::path::Path;

/// The reason of a failure that nobody has looked at.
const NOT_YET: &str = "not yet";

/// One file.
pub struct Listed {
    file: &'static str,
    /// The directory that it was written for.
    pub of: String,
    by_id: BTreeMap<String, Entry>,
}

/// A case.
#[derive(Clone)]
pub struct Entry {
    pub reason: String,
    pub key: String,
}

impl Listed {
    pub fn decided() -> Self {
        Self::read("decided.edn", include_str!("decided.edn"))
    }

    pub fn expected() -> Self {
        Self::read("expected.edn", include_str!("expected.edn"))
    }

    fn read(file: &'static str, text: &str) -> Self {
        let form = read_one(text).unwrap();
        let mut listed = Self { file, of: String::new(), by_id: BTreeMap::new() };
        for (reason, ids) in form.as_map().unwrap() {
            if reason.is_keyword("of") {
                listed.of = ids.as_str().unwrap().to_owned();
                continue;
            }
            let reason = reason.as_str().unwrap().to_owned();
            let entry = |key: &str| Entry { reason: reason.clone(), key: key.to_owned() };
            for (id, key) in ids.as_map().unwrap_or_default() {
                let [id, key] = [id, key].map(|form: &Form| form.as_str().unwrap());
                listed.by_id.insert(id.to_owned(), entry(key));
            }
            // Ids alone wait for their hashes.
            for id in ids.as_seq().unwrap_or_default() {
                listed.by_id.insert(id.as_str().unwrap().to_owned(), entry(""));
            }
        }
        listed
    }

    pub fn has(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The reason of a call.
    pub fn reason(&self, key: &str) -> Option<&str> {
        let mut entries = self.by_id.values();
        entries.find(|entry| entry.key == key).map(|entry| entry.reason.as_str())
    }

    /// Ids that are not among these, with these calls.
    pub fn not_among(&self, met: &BTreeMap<String, String>) -> Vec<String> {
        let is_met = |id: &str, entry: &Entry| met.get(id) == Some(&entry.key);
        let stale = self.by_id.iter().filter(|(id, entry)| !is_met(id, entry));
        stale.map(|(id, entry)| format!("{id} ({}, in {})", entry.key, self.file)).collect()
    }

    /// The list with these calls: of ids that it has, or of all.
    pub fn accept(mut self, of: &str, seen: &BTreeMap<String, String>, failed: &[String]) {
        self.of = of.to_owned();
        for (id, entry) in &mut self.by_id {
            if let Some(key) = seen.get(id) {
                entry.key = key.clone();
            }
        }
        if self.file == "expected.edn" {
            self.by_id.retain(|id, _| !seen.contains_key(id) || failed.contains(id));
            for id in failed {
                let new = Entry { reason: NOT_YET.to_owned(), key: seen[id].clone() };
                self.by_id.entry(id.clone()).or_insert(new);
            }
        }
        self.write();
    }

    fn write(&self) {
        let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (id, Entry { reason, key }) in &self.by_id {
            by_reason.entry(reason).or_default().push(format!("{id:?} {key:?}"));
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(self.file);
        let text = std::fs::read_to_string(&path).unwrap();
        let comments = text.lines().take_while(|line| line.starts_with(';'));
        let mut text: String = comments.map(|line| format!("{line}\n")).collect();
        text.push_str(&format!("{{:of {:?}\n", self.of));
        for (reason, ids) in by_reason {
            text.push_str(&format!(" {reason:?}\n {{{}}}\n", ids.join("\n  ")));
        }
        text.push_str("}\n");
        std::fs::write(path, text).unwrap();
    }
}
