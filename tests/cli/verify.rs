//! `factfs verify`.

use super::Sandbox;
use insta::assert_snapshot;
use std::fs;

#[test]
fn says_what_was_looked_at() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&["verify", "catalog"]), @"
    property,value
    url,catalog
    uuid,UUID
    whole,true
    heads,1
    commits,3
    datoms,59
    facts,57
    purged-commits,0
    purged-datoms,0
    nodes,0
    packs,0
    segments,0
    bytes,0
    orphans,0
    orphan-bytes,0
    problem-count,0
    problems,[]
    damaged,[]
    ");
    let json = sandbox.ok(&["verify", "inventory", "--format", "json"]);
    assert!(json.starts_with("{\"bytes\": 0") && json.contains("\"whole\": true"), "{json}");
}

#[test]
fn names_what_is_damaged_and_ends_with_14() {
    let sandbox = Sandbox::demo();
    let refs = sandbox.directory.path().join("catalog/refs");
    let mut bytes = fs::read(&refs).unwrap();
    bytes[20] ^= 1;
    fs::write(&refs, bytes).unwrap();
    let ran = sandbox.ran(&["verify", "catalog"], "");
    assert_snapshot!(ran.stderr, @"
    factfs: catalog: 1 problem:
      refs: its hash does not match its bytes
    hint: what the log cannot make comes back from a clone
    ");
    assert_eq!(ran.code, 14);
    assert!(ran.stdout.contains("whole,false"), "{}", ran.stdout);
}

#[test]
fn a_part_of_a_database_cannot_be_named() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.fails(&["verify", "catalog#main"]), @"
    factfs: catalog#main: a database is looked through with all its branches and tags
    hint: leave out # and @
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["verify", "none"]), @"
    factfs: none: DIR/none: no database here (create one with `factfs init`)
    exit code 4
    ");
}

/// Trees that are gone come back from the log, byte for byte the same facts.
#[test]
fn repairs_from_the_log() {
    let sandbox = Sandbox::items();
    let form = |n: usize| format!("[{{:item/sku \"s{n} {:0900}\" :item/count {n}}}]\n", n * 7919);
    let forms: String = (0..400).map(form).collect();
    let mut import = std::process::Command::new(env!("CARGO_BIN_EXE_factfs"));
    let import = import.args(["transact", "db", "-"]).env("FACTFS_FLUSH_ROWS", "300");
    let import = import.current_dir(sandbox.directory.path());
    let mut child =
        import.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn();
    let child = child.as_mut().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), forms.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let all = "[:find ?e ?a ?v ?tx :where [?e ?a ?v ?tx]]";
    let before = sandbox.ok(&["query", all, "db"]);
    for pack in fs::read_dir(sandbox.directory.path().join("db/pack")).unwrap() {
        fs::write(pack.unwrap().path(), "gone").unwrap();
    }
    let ran = sandbox.ran(&["verify", "db"], "");
    assert_eq!(ran.code, 14, "{}", ran.stdout);
    assert!(ran.stderr.contains("--repair"), "{}", ran.stderr);
    // The automatic tags have trees of their own, which stay damaged: the branch is whole.
    let ran = sandbox.ran(&["verify", "db", "--repair", "--format", "json"], "");
    assert!(ran.stdout.contains("\"damaged\": []"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\"repaired\": [\"main\"]"), "{}", ran.stdout);
    assert_eq!(sandbox.ok(&["query", all, "db"]), before);
}
