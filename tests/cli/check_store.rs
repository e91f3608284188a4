//! `factfs check-store`.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn says_what_a_place_can_be_trusted_with() {
    let sandbox = Sandbox::new();
    for url in ["db", "sqlite:facts.db", "sqlite:facts.db/team-a"] {
        let text = sandbox.ok(&["check-store", url, "--seconds", "0.2", "--format", "csv"]);
        assert_eq!(text.lines().count(), 8, "{text}");
        assert!(text.contains("\na race loses no write,true,\"4 writers, "), "{text}");
        let verdict = "it can be trusted with,true,any number of writers at once\n";
        assert!(text.ends_with(verdict), "{text}");
    }
}

#[test]
fn says_what_is_wrong_with_what_was_asked() {
    let sandbox = Sandbox::new();
    let said = sandbox.fails(&["check-store", "https://example.com/db"]);
    assert!(said.contains("an http address can be read, not written\nexit code 15"), "{said}");
    assert_snapshot!(sandbox.fails(&["check-store", "db", "--seconds", "nan"]), @"
    factfs: --seconds is a number from 0 to 3600
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["check-store", ""]), @"
    factfs: which place? the URL is empty
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["check-store", "db", "--writers", "0"]), @"
    error: invalid value '0' for '--writers <N>': 0 is not in 1..=64

    For more information, try '--help'.
    exit code 2
    ");
}
