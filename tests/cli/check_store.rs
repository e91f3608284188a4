//! `factfs check-store`.

use super::Sandbox;
use insta::assert_snapshot;

/// The race takes no time here, and so tells no numbers that differ.
#[test]
fn says_what_a_place_can_be_trusted_with() {
    let sandbox = Sandbox::new();
    for url in ["db", "sqlite:facts.db", "sqlite:facts.db/team-a"] {
        let text = sandbox.ok(&["check-store", url, "--seconds", "0.2", "--format", "csv"]);
        let lines: Vec<&str> = text.lines().map(|line| line.split(",").next().unwrap()).collect();
        assert_eq!(lines.len(), 8, "{text}");
        assert!(text.contains("\na race loses no write,true,\"4 writers, "), "{text}");
        let verdict = "it can be trusted with,true,any number of writers at once\n";
        assert!(text.ends_with(verdict), "{text}");
    }
}

#[test]
fn says_what_is_wrong_with_what_was_asked() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.fails(&["check-store", "https://example.com/db"]), @"");
    assert_snapshot!(sandbox.fails(&["check-store", "db", "--seconds", "nan"]), @"");
    assert_snapshot!(sandbox.fails(&["check-store", ""]), @"");
    assert_snapshot!(sandbox.fails(&["check-store", "db", "--writers", "0"]), @"");
}
