//! The programs that people have, on every kind of file: each reads the same bytes as from a copy
//! on a disk, also as the first one to open the file.
//!
//! Each program gets a mount of its own, where nothing was opened before. What a result is comes
//! from `factfs query`. Programs that are not there are skipped, and it is said which;
//! `FACTFS_TEST_TOOLS` is a python that has `duckdb` and `pandas`.

use super::{Mount, can_mount, place};
use crate::support::Place;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
    Other,
}

/// A file of the mount, and a copy of what it has to be.
struct Sample {
    path: String,
    copy: String,
    kind: Kind,
}

/// Entities, so that a result is larger than the kernel reads at once.
const ENTITIES: usize = 1200;

const QUERY: &str = "[:find ?k ?n :where [?e :w/key ?k] [?e :w/n ?n]]";

/// A database with names of some length, queries of its own among them.
fn filled() -> Place {
    let place = place();
    let entity =
        |n: usize| format!("{{:w/key \"key, \\\"{n}\\\" é {}\" :w/n {n}}}", "x".repeat(99));
    let entities: Vec<String> = (0..ENTITIES).map(entity).collect();
    place.ok(&["transact", "db", "-"], &format!("[{}]", entities.join(" ")));
    let mount = Mount::new(&place, "m0", &["stock=db"]);
    fs::write(mount.path("stock/head/queries/team.edn"), QUERY).unwrap();
    drop(mount);
    place
}

/// The files, copied from a mount of their own; results are what the command line prints.
fn samples(place: &Place) -> Vec<Sample> {
    let mount = Mount::new(place, "m0", &["stock=db"]);
    let head = fs::read_link(mount.path("stock/commits/3")).unwrap();
    let commit = format!("stock/commits/{}", head.to_str().unwrap());
    let entity = mount.shell("ls stock/head/entities | tail -1").stdout;
    let entity = entity.trim();
    let branch = "stock/branches/main";
    let mut samples = Vec::new();
    for (path, kind, asked) in [
        (format!("{branch}/results/team.csv"), Kind::Csv, Some("csv")),
        (format!("{branch}/results/team.json"), Kind::Json, Some("json")),
        (format!("{commit}/results/team.csv"), Kind::Csv, Some("csv")),
        (format!("{commit}/results/team.json"), Kind::Json, Some("json")),
        (format!("{commit}/results/team.txt"), Kind::Other, Some("txt")),
        (format!("{branch}/query/{QUERY}.tsv"), Kind::Other, Some("tsv")),
        ("results/keys.csv".to_owned(), Kind::Csv, None),
        (format!("{branch}/tables/w.csv"), Kind::Csv, None),
        (format!("{commit}/tables/w.json"), Kind::Json, None),
        (format!("{branch}/entities/{entity}"), Kind::Other, None),
        (format!("{commit}/entities/{entity}"), Kind::Other, None),
        (format!("{commit}/datoms.edn"), Kind::Other, None),
        (format!("{commit}/datoms.csv"), Kind::Csv, None),
        ("README.md".to_owned(), Kind::Other, None),
    ] {
        let read = fs::read(mount.path(&path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        if let Some(format) = asked {
            let printed = place.ok(&["query", QUERY, "db", "--format", format], "");
            assert!(read == printed.as_bytes(), "{path} is not what the command line prints");
        }
        // Some programs tell by the extension what a file is.
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        let copy = place.path(&format!("copy-{}.{extension}", samples.len()));
        fs::write(&copy, read).unwrap();
        samples.push(Sample { path, copy: copy.to_str().unwrap().to_owned(), kind });
    }
    samples
}

/// Whether a program is there.
fn is_there(program: &str) -> bool {
    let found = Command::new("which").arg(program).output();
    let is_there = found.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("skipped: {program} is missing");
    }
    is_there
}

/// Says that a command gives the same for the file in the mount, as `$F`, as for its copy.
/// `$OUT` is a new folder outside.
fn same(place: &Place, mount: &Mount, command: &str, sample: &Sample) {
    let run = |file: &str, out: &Path| {
        let _ = fs::remove_dir_all(out);
        fs::create_dir(out).unwrap();
        let mut shell = Command::new("timeout");
        shell.args(["60", "bash", "-c", &format!("set -eo pipefail; {command}")]);
        shell.current_dir(&mount.point).env("F", file).env("OUT", out).env("LESSOPEN", "");
        shell.env("C", &sample.copy).output().unwrap()
    };
    let found = run(&sample.path, &place.path("out"));
    let wanted = run(&sample.copy, &place.path("out"));
    let said = String::from_utf8_lossy(&found.stderr);
    let what = format!("{command}, F={}: {said}", sample.path);
    assert_eq!(found.status.code(), wanted.status.code(), "{what}");
    let (found, wanted) = (found.stdout, wanted.stdout);
    assert!(found == wanted, "{what}: {} bytes instead of {}", found.len(), wanted.len());
    assert!(!wanted.is_empty(), "{what}: nothing was read");
}

/// A program by a command, each time as the first that opens the file.
fn table(programs: &[(&str, &str)], kinds: &[Kind]) {
    if !can_mount() {
        return;
    }
    let place = filled();
    let samples = samples(&place);
    for (program, command) in programs {
        if !is_there(program) {
            continue;
        }
        let mount = Mount::new(&place, "m", &["stock=db"]);
        for sample in samples.iter().filter(|sample| kinds.contains(&sample.kind)) {
            same(&place, &mount, command, sample);
        }
    }
}

const ALL: &[Kind] = &[Kind::Csv, Kind::Json, Kind::Other];

#[test]
fn programs_that_show_a_file() {
    table(
        &[
            ("cat", "cat \"$F\""),
            ("cat", "cat < \"$F\""),
            ("head", "head -n 3 \"$F\"; head -c 100000000 \"$F\""),
            ("tail", "tail -n 3 \"$F\"; tail -c +1 \"$F\"; tail -c 9 \"$F\""),
            ("grep", "grep -a '' \"$F\""),
            ("rg", "rg --no-config -N --no-filename '' \"$F\""),
            ("rg", "rg --no-config -N --no-filename --mmap '' \"$F\""),
            ("rg", "rg --no-config -N --no-filename --no-mmap '' \"$F\""),
            ("awk", "awk '{print}' \"$F\""),
            ("sed", "sed '' \"$F\""),
            ("sort", "LC_ALL=C sort \"$F\""),
            ("wc", "wc < \"$F\"; wc -c \"$F\" | cut -d' ' -f1; wc -l \"$F\" | cut -d' ' -f1"),
            ("less", "less \"$F\" | cat"),
            ("sha256sum", "sha256sum < \"$F\""),
            ("stat", "cat \"$F\" > /dev/null; stat -Lc %s \"$F\""),
        ],
        ALL,
    );
}

#[test]
fn programs_that_copy_and_compare() {
    // Those that go by the size before they open a file are told it: on a branch it is known in
    // advance only where the answer takes little time, whatever else runs on the machine.
    table(
        &[
            ("cp", "cp \"$F\" $OUT/x; cat $OUT/x"),
            ("cp", "cp --reflink=auto --sparse=always \"$F\" $OUT/x; cat $OUT/x"),
            ("cmp", "cmp \"$F\" $C; echo same"),
            ("diff", "diff \"$F\" $C; echo same"),
            ("rsync", "wc \"$F\" > $OUT/n; rsync -a \"$F\" $OUT/x; cat $OUT/x"),
            (
                "rsync",
                "wc \"$F\" > $OUT/n; rsync -a --inplace --no-whole-file \"$F\" $OUT/x; cat $OUT/x",
            ),
            ("tar", "wc \"$F\" > $OUT/n; tar -cPf - \"$F\" | tar -xPOf -"),
            (
                "zip",
                "zip -q $OUT/x.zip \"$F\"; python3 -c 'import sys, zipfile; \
                    z = zipfile.ZipFile(sys.argv[1]); \
                    sys.stdout.buffer.write(z.read(z.namelist()[0]))' $OUT/x.zip",
            ),
            ("gzip", "gzip -c \"$F\" | gzip -dc"),
            ("dd", "dd if=\"$F\" bs=4k status=none; dd if=\"$F\" bs=7 count=3 skip=2 status=none"),
            ("split", "split -b 100000 \"$F\" $OUT/x; cat $OUT/x*"),
        ],
        ALL,
    );
}

#[test]
fn programs_that_read_in_their_own_way() {
    let python = |script: &str| format!("python3 -c '{script}' \"$F\"");
    let read = python("import sys; sys.stdout.buffer.write(open(sys.argv[1], \"rb\").read())");
    let map = python(
        "import mmap, sys; f = open(sys.argv[1], \"rb\")
m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); sys.stdout.buffer.write(m[:])",
    );
    let send = python(
        "import os, sys; f = open(sys.argv[1], \"rb\"); at = 0; n = os.fstat(f.fileno()).st_size
while at < n: at += os.sendfile(1, f.fileno(), at, n - at)",
    );
    let back = python(
        "import os, sys; f = os.open(sys.argv[1], os.O_RDONLY); n = os.fstat(f).st_size
for at in reversed(range(0, n, 997)): os.write(1, os.pread(f, 997, at))",
    );
    let python: Vec<(&str, &str)> =
        [&read, &map, &send, &back].map(|command| ("python3", command.as_str())).into();
    table(&python, ALL);
}

#[test]
fn programs_that_read_tables() {
    table(
        &[("sqlite3", "sqlite3 :memory: \".import --csv '$F' t\" 'select * from t'")],
        &[Kind::Csv],
    );
    table(
        &[
            ("jq", "jq -c '.[]' \"$F\""),
            ("sqlite3", "sqlite3 :memory: \"select value from json_each(readfile('$F'))\""),
        ],
        &[Kind::Json],
    );
    let Ok(python) = std::env::var("FACTFS_TEST_TOOLS") else {
        return eprintln!("skipped: FACTFS_TEST_TOOLS is no python with duckdb and pandas");
    };
    let script = |script: &str| format!("{python} -c '{script}' \"$F\"");
    let duck =
        script("import duckdb, sys; print(duckdb.sql(f\"from \\\"{sys.argv[1]}\\\"\").fetchall())");
    let csv = script("import pandas, sys; print(pandas.read_csv(sys.argv[1]).to_csv())");
    let json = script("import pandas, sys; print(pandas.read_json(sys.argv[1]).to_csv())");
    table(&[(&python, &duck), (&python, &csv)], &[Kind::Csv]);
    table(&[(&python, &duck), (&python, &json)], &[Kind::Json]);
}

/// A folder of a commit, archived and copied: the same bytes twice, and on two mounts.
#[test]
fn folders_of_commits_are_archived() {
    if !can_mount() {
        return;
    }
    let place = filled();
    let mounts = ["m1", "m2"].map(|point| Mount::new(&place, point, &["stock=db"]));
    let id = fs::read_link(mounts[0].path("stock/commits/3")).unwrap();
    let id = id.to_str().unwrap();
    let all = |command: &str| -> Vec<String> {
        let _ = fs::remove_dir_all(place.path("out"));
        fs::create_dir(place.path("out")).unwrap();
        let command = command.replace("COMMIT", &format!("stock/commits/{id}"));
        let shell = |mount: &Mount| {
            let ran = mount.shell(&format!("set -eo pipefail; {command}"));
            assert_eq!(ran.code, 0, "{command}: {}", ran.stderr);
            ran.stdout
        };
        mounts.iter().chain(&mounts).map(shell).collect()
    };
    for (program, command) in [
        ("tar", "tar -cf - COMMIT | sha256sum"),
        (
            "rsync",
            "rm -rf ../out/x; rsync -a COMMIT/ ../out/x; tar -C ../out/x -cf - . | sha256sum",
        ),
        (
            "rsync",
            "rsync -a COMMIT/ ../out/y; rsync -aic COMMIT/ ../out/y; diff -r COMMIT ../out/y",
        ),
        ("zip", "rm -f ../out/z.zip; zip -qrX ../out/z.zip COMMIT; sha256sum ../out/z.zip"),
        (
            "git",
            "(git diff --no-index stock/commits/$(readlink stock/commits/2) COMMIT || true) | sha256sum",
        ),
        ("find", "find COMMIT -type f -exec sha256sum {} + | sort"),
        ("find", "find COMMIT -ls | awk '{$1=$2=\"\"; print}'"),
    ] {
        if is_there(program) {
            let found = all(command);
            assert!(found.iter().all(|one| *one == found[0]), "{command}: {found:?}");
        }
    }
}
