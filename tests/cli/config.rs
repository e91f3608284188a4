//! The config file: what is refused, where, and what is suggested. What a config file mounts is
//! tested with the mount.

use super::Sandbox;
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const MOUNT: &str = "[mounts.team]\npoint = \"mnt\"\nstores.db = \"db\"\n";

/// How mounting `team` of a config file fails.
fn refused(text: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.file("factfs.toml", text);
    sandbox.fails(&["mount", "team", "--config", "factfs.toml"])
}

#[test]
fn a_name_that_is_not_known_is_refused_with_its_line() {
    assert_snapshot!(refused(&format!("# all\ntiem = 5\n{MOUNT}")), @"
    factfs: factfs.toml:2: there is no option `tiem`; did you mean `time`?
    hint: man factfs.toml lists what there is
    exit code 3
    ");
    assert_snapshot!(refused(&format!("{MOUNT}redonly = true\n")), @"
    factfs: factfs.toml:4: there is no option `redonly`; did you mean `read-only`?
    hint: man factfs.toml lists what there is
    exit code 3
    ");
    assert_snapshot!(refused(&format!("{MOUNT}stores.other = {{ ulr = \"db\" }}\n")), @"
    factfs: factfs.toml:4: a store has no `ulr`; did you mean `url`?
    hint: url branch at profile
    exit code 3
    ");
    assert_snapshot!(refused(&format!("{MOUNT}\n[mount.other]\n")), @"
    factfs: factfs.toml:5: there is no option `mount`; did you mean `mounts`?
    hint: man factfs.toml lists what there is
    exit code 3
    ");
}

#[test]
fn a_value_that_would_not_do_is_refused_with_its_line() {
    assert_snapshot!(refused(&format!("time = \"soon\"\n{MOUNT}")), @r#"
    factfs: factfs.toml:1: time: "soon" is no time, such as 30s, 500ms or 2m
    hint: man factfs.toml lists what there is
    exit code 3
    "#);
    assert_snapshot!(refused(&format!("{MOUNT}ro = 3\n")), @"
    factfs: factfs.toml:4: ro: it takes no value but true and false
    hint: man factfs.toml lists what there is
    exit code 3
    ");
    assert_snapshot!(refused(&format!("{MOUNT}formats = [1]\n")), @"
    factfs: factfs.toml:4: formats: one value is expected
    exit code 3
    ");
    assert_snapshot!(refused(&format!("{MOUNT}formats = [\"csv\", \"xls\"]\n")), @r#"
    factfs: factfs.toml:4: formats: "xls" is no format; there are: csv tsv json jsonl edn txt md
    hint: man factfs.toml lists what there is
    exit code 3
    "#);
    assert_snapshot!(refused("[mounts.team]\npoint = 7\n"), @"
    factfs: factfs.toml:2: point: a text is expected, in quotes
    exit code 3
    ");
    assert_snapshot!(refused("a = \n"), @"
    factfs: factfs.toml:1: string values must be quoted, expected literal string
    exit code 3
    ");
}

#[test]
fn what_a_mount_needs_is_asked_for() {
    assert_snapshot!(refused("[mounts.team]\nstores.db = \"db\"\n"), @r#"
    factfs: factfs.toml:1: the mount `team` has no point
    hint: point = "/the/folder"
    exit code 3
    "#);
    assert_snapshot!(refused("\n[mounts.team]\npoint = \"mnt\"\n"), @r#"
    factfs: factfs.toml:2: the mount `team` has no stores
    hint: stores.NAME = "URL"
    exit code 3
    "#);
    assert_snapshot!(refused("[mounts.\"../x\"]\npoint = \"mnt\"\nstores.db = \"db\"\n"), @"
    factfs: factfs.toml:1: `../x` cannot be the name of a mount
    hint: letters, digits, - _ .
    exit code 3
    ");
    assert_snapshot!(refused("[mounts.team]\npoint = \"mnt\"\nstores.db = {}\n"), @"
    factfs: factfs.toml:3: the store `db` has no url
    exit code 3
    ");
}

#[test]
fn a_mount_that_is_not_there() {
    assert_snapshot!(refused(&MOUNT.replace("team", "taem")), @"
    factfs: factfs.toml has no mount `team`
    hint: did you mean `taem`?
    exit code 4
    ");
    assert_snapshot!(refused("time = 5\n"), @"
    factfs: factfs.toml has no mount `team`
    hint: it has none: [mounts.NAME]
    exit code 4
    ");
    let sandbox = Sandbox::new();
    let said = sandbox.fails(&["mount", "team", "--config", "none.toml"]);
    assert_snapshot!(said, @"
    factfs: none.toml: No such file or directory (os error 2)
    exit code 4
    ");
}

/// A password stands only where nobody else can read it, and it is not shown.
#[test]
fn a_password_is_for_its_owner() {
    let sandbox = Sandbox::new();
    sandbox
        .file("factfs.toml", &MOUNT.replace("\"db\"", "\"postgres://ann:s3cret@127.0.0.1:1/x\""));
    let path = sandbox.directory.path().join("factfs.toml");
    let args = ["mount", "team", "--config", "factfs.toml"];
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_snapshot!(sandbox.fails(&args), @"
    factfs: factfs.toml:3: the url holds a password, and others may read this file
    hint: chmod 600 the file, or leave the password to the option credentials
    exit code 3
    ");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let said = sandbox.fails(&args);
    assert!(!said.contains("s3cret") && !said.contains("may read"), "{said}");
}

#[test]
fn credentials_are_for_their_owner() {
    let sandbox = Sandbox::new();
    let path = sandbox.directory.path().join("keys");
    let args = ["mount", "mnt", "db=s3://team-a/x", "--credentials", "keys"];
    sandbox.file("keys", "AWS_ACCESS_KEY_ID=s3cret\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_snapshot!(sandbox.fails(&args), @"
    factfs: credentials: others may read keys
    hint: chmod 600 keys
    exit code 13
    ");
    sandbox.file("keys", "# keys\nAWS_ACCESS_KEY_ID=s3cret\ns3cret\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_snapshot!(sandbox.fails(&args), @"
    factfs: keys:3: no NAME=VALUE
    exit code 3
    ");
}

#[test]
fn options_on_the_command_line_are_those_of_the_file() {
    let sandbox = Sandbox::new();
    let ran = sandbox.ran(&["mount", "mnt", "db", "-o", "ro,siez=exact"], "");
    assert_snapshot!(ran.stderr, @"
    error: invalid value 'ro,siez=exact' for '-o <NAME[=VALUE],...>': there is no option `siez`; did you mean `size`?

    For more information, try '--help'.
    ");
    assert_eq!(ran.code, 2);
    let ran = sandbox.ran(&["mount", "mnt", "db", "--size", "fake"], "");
    assert_snapshot!(ran.stderr, @r#"
    error: invalid value 'fake' for '--size <auto|exact>': size: "fake" is neither auto nor exact

    For more information, try '--help'.
    "#);
    assert_snapshot!(sandbox.fails(&["mount-helper", "db", "mnt", "-o", "tiem=5"]), @"
    factfs: there is no option `tiem`; did you mean `time`?
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["mount-helper", "db", "-o", "ro"]), @"
    factfs: SPEC and DIR are expected, and `db` is not that
    exit code 3
    ");
}

/// Everything that `--help` names is in the page of the command.
#[test]
fn the_pages_have_all_options() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["man", "./man"]);
    let option = regex::Regex::new(r"(?m)^ +(?:-\w, |    )?(--[a-z-]+)").unwrap();
    let pages = fs::read_dir(sandbox.directory.path().join("man/man1")).unwrap();
    let mut options = 0;
    for page in pages.map(|page| page.unwrap().path()) {
        let name = page.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&page).unwrap().replace("\\-", "-");
        let Some(command) = name.strip_prefix("factfs-") else { continue };
        let help = sandbox.ok(&[command, "--help"]);
        for found in option.captures_iter(&help) {
            assert!(text.contains(&found[1]), "{name} has no {}", &found[1]);
            options += 1;
        }
    }
    assert!(options > 100, "{options} options");
    let written = fs::read_to_string(sandbox.directory.path().join("man/man5/factfs.toml.5"));
    assert_eq!(written.unwrap(), include_str!("../../man/factfs.toml.5"));
}
