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
