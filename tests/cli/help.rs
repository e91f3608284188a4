//! `--help` of everything: it changes on purpose or not at all.

use super::Sandbox;
use insta::assert_snapshot;

fn help(command: &[&str]) -> String {
    Sandbox::new().ok(&[command, &["--help"]].concat())
}

#[test]
fn of_the_program() {
    assert_snapshot!(help(&[]), @"");
}

#[test]
fn of_transact() {
    assert_snapshot!(help(&["transact"]), @"");
}

#[test]
fn of_query() {
    assert_snapshot!(help(&["query"]), @"");
}

#[test]
fn of_import() {
    assert_snapshot!(help(&["import"]), @"");
}

#[test]
fn of_log() {
    assert_snapshot!(help(&["log"]), @"");
}

#[test]
fn every_command_has_examples() {
    let commands = [
        "demo", "init", "mount", "umount", "transact", "query", "pull", "import", "log", "branch",
        "tag", "status", "completions",
    ];
    for command in commands {
        let help = help(&[command]);
        assert!(help.contains("Examples:\n  factfs "), "{command}: {help}");
    }
}

#[test]
fn a_mistake_on_the_command_line_has_exit_code_2() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.ran(&["transact"], "").code, 2);
    assert_eq!(sandbox.ran(&["transakt"], "").code, 2);
    assert_eq!(sandbox.ran(&["query", "[:find ?e :where [?e]]", "db", "--format", "xml"], "").code, 2);
}
