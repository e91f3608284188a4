//! The manual pages: examples are run as they are written there, and tables are those of the code.

use super::readme::run_mounted;
use super::{Sandbox, session};
use factfs_core::catalogue::TABLE;
use insta::assert_snapshot;
use regex::Regex;

#[test]
fn the_examples_of_the_dialect_are_true() {
    let steps = session::of_manual(include_str!("../../man/factfs-query.7"));
    assert!(steps.len() > 20, "{} steps", steps.len());
    session::run(&steps, &Sandbox::demo());
}

#[test]
fn the_examples_of_the_tree_are_true() {
    let steps = session::of_manual(include_str!("../../man/factfs-tree.7"));
    assert!(steps.len() > 10, "{} steps", steps.len());
    run_mounted(&steps);
}

/// Names and texts of the rows of the table in a section of a manual page.
fn rows(page: &str, section: &str) -> Vec<(String, String)> {
    let (_, rest) = page.split_once(&format!(".SH {section}\n")).unwrap();
    let section = rest.split("\n.SH ").next().unwrap();
    let cell = Regex::new(r"(?ms)^(\S+)\|T\{\n(.*?)\nT\}").unwrap();
    let plain = |text: &str| {
        let text = text.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    cell.captures_iter(section).map(|cell| (plain(&cell[1]), plain(&cell[2]))).collect()
}

#[test]
fn the_table_of_errors_is_that_of_the_code() {
    let expected: Vec<_> = TABLE
        .iter()
        .map(|row| (row.name.to_owned(), format!("{}: {}", row.meaning, row.advice)))
        .collect();
    assert_eq!(rows(include_str!("../../man/factfs-query.7"), "ERRORS"), expected);
}

#[test]
fn the_name_of_a_command_is_no_folder_for_pages() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.fails(&["man", "mount"]), @"
    factfs: `mount` is a command, and no folder
    hint: --page shows its page; ./ before it is a folder
    exit code 3
    ");
    assert!(!sandbox.directory.path().join("mount").exists());
    sandbox.ok(&["man", "./mount"]);
    assert!(sandbox.directory.path().join("mount/man1/factfs-mount.1").exists());
}

/// What `--help` says of the program, of its commands, and of theirs.
pub fn helps(sandbox: &Sandbox) -> Vec<(String, String)> {
    let commands = |help: &str| -> Vec<String> {
        let listed = help.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
        let names = listed.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("  "));
        let names = names.filter_map(|line| line.split(' ').next().filter(|name| !name.is_empty()));
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    };
    let whole = sandbox.ok(&["--help"]);
    let mut helps = vec![("factfs".to_owned(), whole.clone())];
    for command in commands(&whole) {
        let help = sandbox.ok(&[&command, "--help"]);
        for inner in commands(&help) {
            let help = sandbox.ok(&[&command, &inner, "--help"]);
            helps.push((format!("{command} {inner}"), help));
        }
        helps.push((command, help));
    }
    assert!(helps.len() > 25, "{} commands", helps.len());
    helps
}

#[test]
fn options_that_documents_name_are_there() {
    let option = Regex::new(r"(?:^|[^\w-])(--[a-z][a-z-]+)").unwrap();
    let helps = helps(&Sandbox::new());
    let known: Vec<&str> = helps
        .iter()
        .flat_map(|(_, help)| option.captures_iter(help).filter_map(|found| found.get(1)))
        .map(|found| found.as_str())
        .collect();
    for (document, text) in [
        ("factfs-tree.7", include_str!("../../man/factfs-tree.7")),
        ("factfs-query.7", include_str!("../../man/factfs-query.7")),
        ("factfs-store.5", include_str!("../../man/factfs-store.5")),
        ("factfs.toml.5", include_str!("../../man/factfs.toml.5")),
        ("README.md", include_str!("../../README.md")),
    ] {
        let text = text.replace("\\-", "-");
        // Those of other programs stand there too.
        let lines =
            text.lines().filter(|line| !line.contains("cargo ") && !line.contains("build "));
        for found in lines.flat_map(|line| option.captures_iter(line)) {
            assert!(known.contains(&&found[1]), "{document} has {}", &found[1]);
        }
    }
}

/// What a file of a mount can fail with, and what a command ends with.
#[test]
fn the_kinds_of_errors_are_those_of_the_code() {
    let page = include_str!("../../man/factfs-tree.7");
    let section = page.split(".SH ERRORS\n").nth(1).unwrap().split("\n.SH ").next().unwrap();
    let name = Regex::new(r"(?m)^(E[A-Z]+)\|").unwrap();
    let named: Vec<_> = name.captures_iter(section).map(|found| found[1].to_owned()).collect();
    let expected: Vec<_> = factfs_store::TABLE.iter().map(|row| row.1.to_owned()).collect();
    assert_eq!(named, expected);
}
