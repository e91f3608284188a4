//! What the code promises about itself: floors, headers, sizes, and words that must not be there.
//!
//! Each rule is a function from files to complaints, and each is tried on a small file that breaks
//! it, so that a rule that no longer sees anything is noticed.

mod floors;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

/// A source file.
#[derive(Clone, Debug)]
pub struct File {
    /// From the root of the workspace.
    path: String,
    /// The directory of its crate's root file.
    krate: String,
    /// From the root of its crate.
    module: Vec<String>,
    text: String,
    /// Whether it is built for tests alone.
    is_test: bool,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let crates =
            ["src/core", "src/store", "src/mount", "src/server", "src/web", "src", "tests"];
        let inside = |krate: &&&str| path.strip_prefix(**krate).is_some_and(|p| p.starts_with('/'));
        let krate = crates.iter().find(inside).copied().unwrap_or_default().to_owned();
        let within = path[krate.len()..].trim_start_matches('/').trim_end_matches(".rs");
        let mut module: Vec<String> = within.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
            module.pop();
        }
        let apart =
            module.first().is_some_and(|m| ["examples", "benches", "tests"].contains(&m.as_str()));
        let is_test = krate == "tests" || apart;
        Self { path: path.into(), krate, module, text: text.into(), is_test }
    }

    /// The modules that it declares for tests alone.
    fn test_modules(&self) -> impl Iterator<Item = Vec<String>> {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let declared = lines.windows(2).filter_map(|pair| {
            let after_visibility = pair[1].rfind("mod ").map(|at| &pair[1][at + 4..])?;
            let name = after_visibility.strip_suffix(';')?;
            (pair[0] == "#[cfg(test)]").then(|| [&self.module[..], &[name.to_owned()]].concat())
        });
        declared.collect::<Vec<_>>().into_iter()
    }

    /// The code before the tests that the file carries.
    fn body_code(&self) -> String {
        let (body, _) = source::body_and_tests(&self.text);
        let code = source::code(&self.text);
        code.lines().take(body).map(|line| format!("{line}\n")).collect()
    }
}

/// Files that are tables: as long as what they list.
const TABLES: &[&str] = &[];

const MOST_LINES: usize = 500;
const MOST_LINES_OF_A_FUNCTION: usize = 70;
const MOST_LINES_OF_TESTS_IN_A_FILE: usize = 150;
const MOST_COLUMNS: usize = 100;

/// The core touches no machine: neither files nor clock nor environment.
const BANNED_IN_CORE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::time::SystemTime",
    "std::time::Instant",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "new_v4",
    "now_v7",
    "tokio",
    "println!",
    "eprintln!",
];

/// Names that say nothing.
const BANNED_IN_NAMES: &[&str] = &["manager", "engine", "helper", "util", "processor"];

fn header(file: &File, complaints: &mut Vec<String>) {
    if !file.text.starts_with("//! ") {
        complaints.push(format!("{}:1: begins with `//!`: what it is", file.path));
    }
}

fn sizes(file: &File, complaints: &mut Vec<String>) {
    let path = &file.path;
    let (body, tests) = source::body_and_tests(&file.text);
    if body > MOST_LINES && !file.is_test && !TABLES.contains(&path.as_str()) {
        complaints.push(format!("{path}: {body} lines, at most {MOST_LINES}"));
    }
    if tests > MOST_LINES_OF_TESTS_IN_A_FILE {
        complaints.push(format!("{path}: {tests} lines of tests; they go to a tests.rs beside it"));
    }
    let code = source::code(&file.text);
    for (number, (line, code)) in file.text.lines().zip(code.lines()).enumerate() {
        // What tests expect is as long as it is.
        let is_expected = file.is_test && !line.trim_start().starts_with("//");
        let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
        let columns = if is_expected { &code } else { line }.chars().count();
        if columns > MOST_COLUMNS {
            complaints.push(format!("{path}:{}: {columns} columns", number + 1));
        }
    }
    for source::Function { name, line, lines } in source::functions(&code) {
        if lines > MOST_LINES_OF_A_FUNCTION && !file.is_test {
            complaints.push(format!("{path}:{line}: `{name}` has {lines} lines"));
        }
    }
}

fn banned(file: &File, complaints: &mut Vec<String>) {
    let code = file.body_code();
    let words: Vec<source::Word<'_>> = source::words(&code);
    if file.krate == "src/core" && !file.is_test {
        for (number, line) in code.lines().enumerate() {
            for word in BANNED_IN_CORE.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{}: `{word}` in the core", file.path, number + 1));
            }
        }
    }
    for pair in words.windows(2) {
        let (line, name) = pair[1];
        let declares = ["struct", "enum", "trait", "type", "mod", "union"].contains(&pair[0].1);
        if declares && says_nothing(name) {
            complaints.push(format!("{}:{line}: `{name}` names nothing", file.path));
        }
    }
    let only_here = [("fuser", "src/mount", "fuse"), ("anyhow", "src", "")];
    for (word, krate, module) in only_here {
        // A test stands between the store and a file system.
        let is_recorder = word == "fuser" && file.path.starts_with("tests/store/power/");
        let home = is_recorder
            || file.krate == krate
                && (module.is_empty() || file.module.first().is_some_and(|m| m == module));
        if let Some((line, _)) = words.iter().find(|w| w.1 == word).filter(|_| !home) {
            complaints.push(format!("{}:{line}: `{word}` belongs in {krate} {module}", file.path));
        }
    }
}

/// Whether one of the words that a name is made of is banned.
fn says_nothing(name: &str) -> bool {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c.is_uppercase() || c == '_' {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
    }
    words.iter().any(|word| BANNED_IN_NAMES.contains(&word.trim_end_matches('s')))
}

/// Text for users and readers stands on its own.
fn mentions(path: &str, text: &str, complaints: &mut Vec<String>) {
    let elsewhere = ["store", "tree", "query", "engine", "code"].map(|name| format!("{name}.md"));
    for (number, line) in text.lines().enumerate() {
        let named = |word: &String| {
            line.match_indices(word.as_str()).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "-_/".contains(c))
            })
        };
        if let Some(word) = elsewhere.iter().find(|word| named(word)) {
            complaints.push(format!("{path}:{}: names `{word}`, which is not here", number + 1));
        }
        if line.contains(concat!("/work", "/")) {
            complaints.push(format!("{path}:{}: a path of one machine", number + 1));
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files under a directory of the workspace, sorted; what is built or hidden is left out.
fn walk(directory: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "target" || name == "golden" || name.starts_with('.') {
        } else if path.is_dir() {
            walk(&path, out);
        } else {
            out.push(path);
        }
    }
}

fn texts() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for directory in ["src", "tests", "scripts", "man"] {
        let directory = root().join(directory);
        if directory.is_dir() {
            walk(&directory, &mut paths);
        }
    }
    paths.extend(["README.md", "CHANGELOG.md", "Cargo.toml"].map(|name| root().join(name)));
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    let text = |path: &Path| fs::read_to_string(path).ok();
    paths.iter().filter_map(|path| Some((relative(path), text(path)?))).collect()
}

fn sources() -> Vec<File> {
    let texts = texts();
    let rust = texts.iter().filter(|(path, _)| path.ends_with(".rs"));
    marked(rust.map(|(path, text)| File::new(path, text)).collect())
}

/// The files, with those marked that are built for tests alone.
fn marked(mut files: Vec<File>) -> Vec<File> {
    let of = |file: &File| file.test_modules().map(|m| (file.krate.clone(), m)).collect::<Vec<_>>();
    let tests: Vec<(String, Vec<String>)> = files.iter().flat_map(of).collect();
    for file in &mut files {
        let inside = |(krate, module): &(String, Vec<String>)| {
            *krate == file.krate && file.module.starts_with(module)
        };
        file.is_test |= tests.iter().any(inside);
    }
    files
}

fn complaints_of(rule: impl Fn(&File, &mut Vec<String>)) -> Vec<String> {
    let mut complaints = Vec::new();
    sources().iter().for_each(|file| rule(file, &mut complaints));
    complaints
}

fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn rooms(files: &[File], complaints: &mut Vec<String>) -> Vec<floors::Room> {
    let may_be = |file: &&File| ["lib.rs", "mod.rs"].iter().any(|end| file.path.ends_with(end));
    files.iter().filter(may_be).filter_map(|file| floors::room(file, complaints)).collect()
}

fn floor_complaints(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    let rooms = rooms(files, &mut complaints);
    for file in files.iter().filter(|file| !file.is_test) {
        floors::check(&rooms, file, &mut complaints);
    }
    complaints
}

#[test]
fn imports_go_down() {
    none(floor_complaints(&sources()));
}

#[test]
fn every_crate_lists_its_floors() {
    let files = sources();
    let rooms = rooms(&files, &mut Vec::new());
    for krate in ["src/core", "src/store", "src/mount", "src"] {
        assert!(rooms.iter().any(|room| room.krate == krate), "{krate} has no `// floor N` lines");
    }
}

#[test]
fn files_say_what_they_are() {
    none(complaints_of(header));
}

#[test]
fn files_functions_and_lines_are_short() {
    none(complaints_of(sizes));
}

#[test]
fn words_stay_where_they_belong() {
    none(complaints_of(banned));
}

#[test]
fn texts_stand_on_their_own() {
    let mut complaints = Vec::new();
    texts().iter().for_each(|(path, text)| mentions(path, text, &mut complaints));
    none(complaints);
}

#[test]
fn licences_and_documents_are_there() {
    for name in ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "CHANGELOG.md", ".ci/run"] {
        assert!(root().join(name).is_file(), "{name} is missing");
    }
}

/// The rules, tried on files that break them.
mod the_rules {
    use super::*;

    fn check(rule: impl Fn(&File, &mut Vec<String>), path: &str, text: &str, expected: &[&str]) {
        let mut complaints = Vec::new();
        rule(&File::new(path, text), &mut complaints);
        assert_eq!(complaints, expected, "{text}");
    }

    #[test]
    fn see_imports_that_go_up_or_sideways() {
        let root = "// floor 0\npub mod a;\npub mod b;\n// floor 1\nmod c;\n#[cfg(test)]\nmod t;\n";
        let check = |path: &str, text: &str, expected: &[&str]| {
            let files = [File::new("src/core/lib.rs", root), File::new(path, text)];
            assert_eq!(floor_complaints(&files), expected, "{text}");
        };
        check("src/core/c.rs", "use crate::{a::X, b};", &[]);
        let beside = "src/core/a.rs:2: `a` (floor 0) names `b` (floor 0), beside it";
        check("src/core/a.rs", "\nuse crate::b::X;", &[beside]);
        let above = "src/core/a/x.rs:1: `a` (floor 0) names `c` (floor 1), above it";
        check("src/core/a/x.rs", "fn f() { super::super::c::g() }", &[above]);
        check("src/core/a/mod.rs", "use super::a::x; // crate::c", &[]);
        check("src/core/a.rs", "#[cfg(test)]\nmod tests {\n use crate::c;\n}", &[]);
        check("src/store/a.rs", "use crate::b;", &[]);
    }

    #[test]
    fn leave_alone_what_is_built_for_tests() {
        let files = marked(vec![
            File::new("src/core/lib.rs", "// floor 0\nmod a;\n// floor 1\nmod b;\n"),
            File::new("src/core/a/mod.rs", "#[cfg(test)]\npub(crate) mod sim;\n"),
            File::new("src/core/a/sim/x.rs", "use crate::b; use std::fs;"),
        ]);
        assert_eq!(floor_complaints(&files), [""; 0]);
        let mut complaints = Vec::new();
        files.iter().for_each(|file| banned(file, &mut complaints));
        assert_eq!(complaints, [""; 0]);
    }

    #[test]
    fn see_modules_without_a_floor() {
        let files = [File::new("src/core/lib.rs", "mod x;\n// floor 0\nmod a;\n")];
        assert_eq!(floor_complaints(&files), ["src/core/lib.rs: `x` has no floor"]);
    }

    #[test]
    fn see_missing_headers() {
        check(
            header,
            "src/a.rs",
            "use b;\n//! late",
            &["src/a.rs:1: begins with `//!`: what it is"],
        );
        check(header, "src/a.rs", "//! What it is.\n", &[]);
    }

    #[test]
    fn see_what_is_too_long() {
        let long = format!("//! A.\n{}", "x();\n".repeat(500));
        check(sizes, "src/a.rs", &long, &["src/a.rs: 501 lines, at most 500"]);
        check(sizes, "tests/a.rs", &long, &[]);
        check(sizes, "tests/a.rs", &format!("f(\"{}\")", "x".repeat(98)), &[]);
        let wide = format!("// {}", "ä".repeat(98));
        check(sizes, "src/a.rs", &wide, &["src/a.rs:1: 101 columns"]);
        let function = format!("fn f() {{\n{}}}\n", "x();\n".repeat(69));
        check(sizes, "src/a.rs", &function, &["src/a.rs:1: `f` has 71 lines"]);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "x();\n".repeat(150));
        let complaint = "src/a.rs: 153 lines of tests; they go to a tests.rs beside it";
        check(sizes, "src/a.rs", &tests, &[complaint]);
    }

    #[test]
    fn see_words_in_the_wrong_place() {
        let complaint = "src/core/a.rs:1: `std::fs` in the core";
        check(banned, "src/core/a.rs", "use std::fs::File; // std::env", &[complaint]);
        check(banned, "src/store/a.rs", "use std::fs::File;", &[]);
        let complaint = "src/core/a.rs:1: `fuser` belongs in src/mount fuse";
        check(banned, "src/core/a.rs", "use fuser::Session;", &[complaint]);
        check(banned, "src/mount/fuse/mod.rs", "use fuser::Session;", &[]);
        check(banned, "src/cli/a.rs", "use anyhow::Result;", &[]);
        let complaint = "src/store/a.rs:1: `anyhow` belongs in src ";
        check(banned, "src/store/a.rs", "use anyhow::Result;", &[complaint]);
    }

    #[test]
    fn see_names_that_say_nothing() {
        let complaint = "src/a.rs:1: `CacheManager` names nothing";
        check(banned, "src/a.rs", "struct CacheManager;", &[complaint]);
        check(banned, "src/a.rs", "mod utils;", &["src/a.rs:1: `utils` names nothing"]);
        check(banned, "src/a.rs", "struct Utilization; fn helper() {}", &[]);
    }

    #[test]
    fn see_names_of_what_is_not_here() {
        let check = |text: &str, expected: &[&str]| {
            let mut complaints = Vec::new();
            mentions("a", text, &mut complaints);
            assert_eq!(complaints, expected);
        };
        check(
            concat!("see tree", ".md"),
            &[concat!("a:1: names `tree", ".md`, which is not here")],
        );
        check("see man/factfs-tree.md and README.md", &[]);
        check(concat!("cd /work", "/x"), &["a:1: a path of one machine"]);
    }
}
