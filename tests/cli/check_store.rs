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
    assert_snapshot!(sandbox.fails(&["check-store", "https://example.com/db"]), @"
    factfs: https://example.com/db: probe/3a35a4786171749b54767b09b4b51e4b/ref: cannot be reached: failed to lookup address information: Name or service not known: Generic HTTP error: Error performing GET https://example.com/db/probe/3a35a4786171749b54767b09b4b51e4b/ref in 1.578057256s, after 8 retries, max_retries: 8, retry_timeout: 10s  - HTTP error: error sending request: client error (Connect): dns error: error resolving DNS
    exit code 12
    ");
    assert_snapshot!(sandbox.fails(&["check-store", "db", "--seconds", "nan"]), @"");
    assert_snapshot!(sandbox.fails(&["check-store", ""]), @"");
    assert_snapshot!(sandbox.fails(&["check-store", "db", "--writers", "0"]), @"");
}
