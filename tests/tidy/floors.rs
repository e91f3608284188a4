//! Who may import whom: the floors that a `lib.rs` or `mod.rs` lists, and the paths that its
//! modules name.
//!
//! **Invariant:** a module names only modules on floors below its own; two modules on one floor are
//! strangers. Tests may look anywhere. Between crates the manifests rule, not this.

use super::File;
use super::source::words;
use std::collections::BTreeMap;

/// A module whose submodules stand on floors.
#[derive(Debug, PartialEq, Eq)]
pub struct Room {
    /// The directory of the crate's root.
    pub krate: String,
    /// The module, from the root of its crate.
    pub module: Vec<String>,
    /// Submodule to floor.
    pub floors: BTreeMap<String, u32>,
}

/// The room that a file describes, if it has `// floor N` lines.
pub fn room(file: &File, complaints: &mut Vec<String>) -> Option<Room> {
    let mut floor = None;
    let mut floors = BTreeMap::new();
    let mut homeless = Vec::new();
    let mut for_tests = false;
    for line in file.text.lines().map(str::trim) {
        if let Some(number) = line.strip_prefix("// floor ") {
            let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
            floor = digits.parse().ok();
        } else if let Some(name) = declared(line) {
            match floor {
                _ if for_tests => {}
                Some(floor) => drop(floors.insert(name.to_owned(), floor)),
                None => homeless.push(name.to_owned()),
            }
        }
        for_tests = line == "#[cfg(test)]";
    }
    floor?;
    complaints.extend(homeless.iter().map(|name| format!("{}: `{name}` has no floor", file.path)));
    Some(Room { krate: file.krate.clone(), module: file.module.clone(), floors })
}

fn declared(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub ").or(line.strip_prefix("pub(crate) ")).unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// Says which imports go up or sideways.
pub fn check(rooms: &[Room], file: &File, complaints: &mut Vec<String>) {
    for (line, path) in paths(&file.body_code(), &file.module) {
        for room in rooms.iter().filter(|room| room.krate == file.krate) {
            let depth = room.module.len();
            if !file.module.starts_with(&room.module) || !path.starts_with(&room.module) {
                continue;
            }
            let (Some(own), Some(other)) = (file.module.get(depth), path.get(depth)) else {
                continue;
            };
            let (Some(here), Some(there)) = (room.floors.get(own), room.floors.get(other)) else {
                continue;
            };
            if own != other && here <= there {
                let place = &file.path;
                let how = if here == there { "beside it" } else { "above it" };
                complaints.push(format!(
                    "{place}:{line}: `{own}` (floor {here}) names `{other}` (floor {there}), {how}"
                ));
            }
        }
    }
}

/// Each path that begins with `crate`, `super` or `self`, from the root of the crate, and its line.
pub fn paths(code: &str, module: &[String]) -> Vec<(usize, Vec<String>)> {
    let words = words(code);
    let mut out = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let starts = matches!(words[at].1, "crate" | "super" | "self")
            && words.get(at + 1).is_some_and(|w| w.1 == "::")
            && (at == 0 || words[at - 1].1 != "::");
        if starts {
            at = tree(&words, at, &[], module, &mut out);
        } else {
            at += 1;
        }
    }
    out
}

type Paths = Vec<(usize, Vec<String>)>;

/// One tree of a `use`, or one path; returns the index after it.
fn tree(
    words: &[(usize, &str)],
    mut at: usize,
    prefix: &[String],
    module: &[String],
    out: &mut Paths,
) -> usize {
    let mut path = prefix.to_vec();
    let line = words[at].0;
    while let Some((_, word)) = words.get(at) {
        match *word {
            "crate" => path.clear(),
            "self" if path.is_empty() => path = module.to_vec(),
            "self" => {}
            "super" if path.is_empty() => path = module[..module.len().saturating_sub(1)].to_vec(),
            "super" => drop(path.pop()),
            "{" => {
                at += 1;
                while words.get(at).is_some_and(|w| w.1 != "}") {
                    at = if words[at].1 == "," {
                        at + 1
                    } else {
                        tree(words, at, &path, module, out)
                    };
                }
                return at + 1;
            }
            name => path.push(name.to_owned()),
        }
        at += 1;
        if words.get(at).is_none_or(|w| w.1 != "::") {
            break;
        }
        at += 1;
    }
    if words.get(at).is_some_and(|w| w.1 == "as") {
        at += 2;
    }
    out.push((line, path));
    at
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let check = |code: &str, module: &str, expected: &[&str]| {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        let found: Vec<String> = paths(code, &module).iter().map(|(_, p)| p.join("::")).collect();
        assert_eq!(found, expected, "{code}");
    };
    check("use crate::a::B;", "x", &["a::B"]);
    check("use crate::{a::{B, C as D}, e};", "x", &["a::B", "a::C", "e"]);
    check("fn f() { crate::a::g(super::h(), self::i()) }", "x::y", &["a::g", "x::h", "x::y::i"]);
    check("use super::super::a;", "x::y", &["a"]);
    check("pub(crate) fn f() {}", "x", &[]);
    check("use std::collections::{self, BTreeMap};", "x", &[]);
}
