//! Branches, tags, merges and waiting, by the commands of a shell in a real mount.

use super::{Mount, can_mount, not_writable, place};
use crate::support::audit::audit;
use crate::support::{Place, Ran};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn mounted() -> Option<(Place, Mount)> {
    if !can_mount() {
        return None;
    }
    let place = place();
    place.ok(&["transact", "db", "-"], "[{:w/key \"a\" :w/n 1}] [{:w/key \"b\" :w/n 2}]");
    let mount = Mount::new(&place, "m", &["stock=db"]);
    Some((place, mount))
}

impl Mount {
    /// What a script prints; it has to succeed.
    #[track_caller]
    fn says(&self, script: &str) -> String {
        let Ran { stdout, stderr, code } = self.shell(script);
        assert!(code == 0 && stderr.is_empty(), "{script}: {code} {stderr}");
        stdout
    }

    /// A script that has to fail with these words.
    #[track_caller]
    fn refuses(&self, script: &str, words: &str) {
        let ran = self.shell(script);
        assert!(ran.code != 0 && ran.stderr.contains(words), "{script}: {ran:?}");
    }

    /// A script that goes on beside this.
    fn begin(&self, script: &str) -> Child {
        let mut shell = Command::new("env");
        shell.args(["--default-signal", "bash", "-c", script]).current_dir(&self.point);
        shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

#[test]
fn a_branch_lives_and_is_merged() {
    let Some((place, mount)) = mounted() else { return };
    mount.says("mkdir stock/branches/exp");
    assert_eq!(mount.says("ls stock/branches"), "exp\nmain\n");
    mount.says("echo '[{:w/key \"c\"}]' > stock/branches/exp/transact");
    mount.refuses("rmdir stock/branches/exp", "Device or resource busy");
    let hint = mount.says("cat .factfs/last-error");
    assert!(hint.contains("hint: merge it (echo exp > stock/head/merge)"), "{hint}");
    mount.says("mv stock/branches/exp stock/branches/more && cat stock/branches/more/tables/w.csv");
    mount.says("echo more > stock/head/merge");
    assert!(mount.says("cat stock/head/tables/w.csv").contains(",c,"));
    mount.says("rmdir stock/branches/more && ! ls stock/branches/more 2>/dev/null");
    assert_eq!(mount.says("ls stock/branches"), "main\n");
    mount.refuses("rmdir stock/branches/main", "Operation not permitted");
    mount.refuses("mkdir stock/branches/7d", "Invalid argument");
    mount.refuses("mkdir stock/branches/main", "File exists");
    drop(mount);
    assert_eq!(audit(&place, "db").unwrap().log.len(), 4);
}

#[test]
fn links_make_branches_and_tags() {
    let Some((place, mount)) = mounted() else { return };
    let id = mount.says("readlink stock/commits/2");
    mount.says("cd stock && ln -s ../commits/2 branches/past && ln -s ../commits/2 tags/v1");
    assert_eq!(mount.says("readlink stock/tags/v1"), format!("../commits/{id}"));
    assert!(mount.says("cat stock/tags/v1/tables/w.csv").ends_with(",a,1\n"));
    // A folder, as soon as it is looked at again.
    let shown = mount.says("stat -c %F stock/branches/past; cat stock/branches/past/tables/w.csv");
    assert!(shown.starts_with("directory\n") && shown.ends_with(",a,1\n"), "{shown}");
    mount.says("echo '[{:w/key \"d\"}]' > stock/branches/past/transact");
    mount.refuses("ln -sT ../commits/2 stock/branches/main", "File exists");
    mount.refuses("ln -s ../commits/77 stock/tags/v2", "Invalid argument");
    mount.refuses("ln -s /etc/passwd stock/tags/v2", "Invalid argument");
    mount.refuses("mv stock/branches/past stock/tags/", "Operation not permitted");
    // Tagged, it may go.
    mount.says("ln -s ../branches/past stock/tags/kept && rmdir stock/branches/past");
    assert!(mount.says("cat stock/tags/kept/tables/w.csv").contains(",d,"));
    mount.says("mv stock/tags/kept stock/tags/other && rm stock/tags/v1");
    assert_eq!(mount.says("ls stock/tags"), "other\n");
    drop(mount);
    assert!(place.ok(&["tag", "list", "db"], "").contains("other"));
}

#[test]
fn a_shell_goes_on_in_a_folder_that_is_renamed() {
    let Some((_place, mount)) = mounted() else { return };
    let script = "mkdir stock/branches/a; cd stock/branches/a/tables; mv ../../a ../../b; \
                  pwd -P | grep -o 'branches/.*'; cat w.csv | tail -1; cd ../..; ls; \
                  mkdir a; ls a/tables; rmdir a b; ls";
    let expected = "branches/b/tables\n";
    let said = mount.says(script);
    assert!(said.starts_with(expected) && said.contains(",b,2\nb\nmain\n"), "{said}");
    assert!(said.ends_with("w.csv\nw.json\nmain\n"), "{said}");
}

#[test]
fn a_folder_that_is_made_again_is_another_one() {
    let Some((_place, mount)) = mounted() else { return };
    let script = "mkdir stock/branches/a; cd stock/branches/a/tables; ls; rmdir ../../a; \
                  mkdir $OLDPWD/stock/branches/a; ls $OLDPWD/stock/branches/a/tables; \
                  cat $OLDPWD/stock/branches/a/tables/w.csv | tail -1";
    let said = mount.says(script);
    assert!(
        said.starts_with("w.csv\nw.json\nw.csv\nw.json\n") && said.ends_with(",b,2\n"),
        "{said}"
    );
}

#[test]
fn two_mounts_agree_on_names() {
    let Some((place, one)) = mounted() else { return };
    let two = Mount::new(&place, "n", &["stock=db"]);
    one.says("mkdir stock/branches/a");
    two.says("echo '{:w/key \"first\"}' > stock/branches/a/transact");
    one.says("mv stock/branches/a stock/branches/b; mkdir stock/branches/a");
    // Not what it had open under that name.
    two.says("echo '{:w/key \"second\"}' > stock/branches/a/transact");
    let tables =
        one.says("cd stock/branches; tail -n +4 a/tables/w.csv; tail -n +4 b/tables/w.csv");
    assert!(tables.find("second") < tables.find("first"), "{tables}");
    two.says("echo b > stock/head/merge; rmdir stock/branches/b");
    one.says("sleep 0.1; ! ls stock/branches/b/tables 2>/dev/null; ls stock/branches/a/tables");
}

#[test]
fn a_merge_that_is_stopped_says_by_what() {
    let Some((_place, mount)) = mounted() else { return };
    mount.says(
        "mkdir stock/branches/exp; echo '{:w/key \"a\" :w/n 5}' > stock/branches/exp/transact; \
         echo '{:w/key \"a\" :w/n 6}' > stock/transact",
    );
    mount.refuses("echo exp > stock/head/merge", "Operation canceled");
    mount.refuses("printf exp > stock/head/merge", "Operation canceled");
    let rows = mount.says("cat stock/head/merge.conflicts.csv");
    assert!(rows.contains(",:w/n,1,6,5,3-"), "{rows}");
    assert!(mount.says("cat stock/head/merge.err").contains("1 conflict between main and exp"));
    mount.says("echo '{:w/key \"a\" :w/n 6}' > stock/branches/exp/transact");
    let report = mount.says("exec 3<>stock/head/merge; echo exp >&3; cat <&3");
    assert!(report.contains(":already false"), "{report}");
    assert_eq!(
        mount.says("cat stock/head/merge.err; wc -l < stock/head/merge.conflicts.csv"),
        "1\n"
    );
    let log = mount.says("cat stock/log/$(ls stock/log | sort -n | tail -1)");
    assert_eq!(log.matches("\"4-").count() + log.matches("\"5-").count(), 3, "{log}");
    assert!(mount.says("cat stock/head/merge").starts_with("# Write the name of a branch"));
}

#[test]
fn a_wait_ends_with_the_next_commit() {
    let Some((place, mount)) = mounted() else { return };
    let waits = [
        mount.begin("cat stock/head/.wait"),
        mount.begin("cat stock/head/tables/w.csv.wait > /dev/null && cat stock/head/tables/w.csv"),
        mount.begin("cat results/count.json.wait > /dev/null; cat results/count.json"),
        mount.begin("head -2 stock/head/.events"),
    ];
    std::thread::sleep(Duration::from_millis(500));
    // By another process, which the mount does not know of.
    place.ok(&["transact", "db", "[{:w/key \"new\"}]"], "");
    let said = waits.map(|wait| {
        let output = wait.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    });
    assert!(said[0].lines().count() == 1 && said[0].contains("\"t\":4"), "{}", said[0]);
    assert!(said[1].contains(",new,"), "{}", said[1]);
    assert_eq!(said[2].trim(), "3");
    let events: Vec<&str> = said[3].lines().collect();
    assert!(events[0].contains("\"t\":3") && events[1].contains("\"t\":4"), "{events:?}");
}

#[test]
fn a_wait_can_be_interrupted() {
    let Some((_place, mount)) = mounted() else { return };
    for file in ["stock/head/.events", "stock/head/.wait", "results/count.csv.wait"] {
        for name in ["INT", "TERM", "KILL"] {
            let mut child = mount.begin(&format!("exec cat {file}"));
            std::thread::sleep(Duration::from_millis(300));
            assert!(child.try_wait().unwrap().is_none(), "{file} ended");
            let sent = Instant::now();
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
            assert!(!child.wait().unwrap().success());
            let took = sent.elapsed();
            assert!(took < Duration::from_secs(2), "{file} {name}: {took:?}");
        }
    }
    // All else goes on meanwhile, with many who wait.
    let waits: Vec<Child> = (0..200).map(|_| mount.begin("exec cat stock/head/.wait")).collect();
    assert!(mount.says("cat stock/head/tables/w.csv").contains(",a,"));
    mount.says("sleep 0.5; echo '[{:w/key \"x\"}]' > stock/transact");
    for wait in waits {
        let output = wait.wait_with_output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn unmounting_ends_all_waits() {
    let Some((place, mut mount)) = mounted() else { return };
    let waits: Vec<Child> = ["head/.wait", "head/.events", "head/tables/w.csv.wait"]
        .map(|file| mount.begin(&format!("exec cat stock/{file}")))
        .into();
    std::thread::sleep(Duration::from_millis(500));
    let asked = Instant::now();
    place.ok(&["umount", "m"], "");
    for wait in waits {
        assert!(!wait.wait_with_output().unwrap().status.success());
    }
    assert!(mount.process.wait().unwrap().success());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn nothing_is_made_where_nothing_may_be_written() {
    if !can_mount() {
        return;
    }
    let place = place();
    place.ok(&["transact", "db", "[{:w/key \"a\"}]"], "");
    place.ok(&["branch", "create", "db", "exp"], "");
    let read_only = "Read-only file system";
    for (args, file) in
        [(["stock=db", "--read-only"].as_slice(), read_only), (&["stock=db@2"], not_writable())]
    {
        let mount = Mount::new(&place, "m", args);
        for script in [
            "mkdir stock/branches/new",
            "rmdir stock/branches/exp",
            "mv stock/branches/exp stock/branches/new",
            "ln -s ../commits/1 stock/tags/v1",
        ] {
            mount.refuses(script, read_only);
        }
        mount.refuses("echo exp > stock/branches/main/merge", file);
    }
}
