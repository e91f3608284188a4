//! A mount whose queries take longer than anybody waits, and a server that does nothing at all.

use crate::fixture::{Fixture, create, signal};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// More than run at once, more than may ever run.
const QUERIES: usize = 20;
const LIMIT: Duration = Duration::from_secs(4);

/// One list, one text, one search in it: steps that look at no clock for minutes.
fn endless(n: usize) -> String {
    format!(
        "[:find (count ?r) . :where [(range {}) ?l] [(clojure.string/join ?l) ?s] \
         [(re-seq #\"1.*?Z|1\" ?s) [?r ...]]]",
        300_000 + n
    )
}

/// A mount with such queries, and the programs that read their results.
fn stuck() -> (Fixture, Vec<Child>) {
    let fixture = Fixture::stores();
    let ident =
        r#"[{:db/ident :n/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]"#;
    create(&fixture.path().join("one"), &[ident, "[{:n/n 1}]"]);
    let output = fixture.command(&["mount", "m", "--timeout=4", "one=one"]);
    assert!(output.status.success(), "{output:?}");
    for n in 0..QUERIES {
        std::fs::write(fixture.point().join(format!("queries/b{n}.edn")), endless(n)).unwrap();
    }
    let read = |n| {
        let mut command = Command::new("cat");
        command.arg(format!("results/b{n}.csv")).current_dir(fixture.point());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let readers = (0..QUERIES).map(read).collect();
    std::thread::sleep(Duration::from_millis(500));
    (fixture, readers)
}

pub fn all_else_goes_on() {
    let started = Instant::now();
    let (fixture, readers) = stuck();
    for script in [
        "cat README.md .factfs/status.json .factfs/last-error .factfs/version",
        "cat one/store.json one/head/schema.edn one/head/snapshot.json one/head/transact",
        "cat one/head/entities/$(ls one/head/entities | tail -1) one/head/tables/n.csv one/head/datoms.csv",
        "cat queries/b1.edn; ls -l queries results one/head/ one/head/entities > /dev/null",
        "cat one/commits/$(readlink one/commits/2)/tables/n.csv",
        "echo '[{:n/n 2}]' > one/head/transact",
        "echo '[:find ?n :where [_ :n/n ?n]]' > queries/new.edn; rm queries/new.edn",
    ] {
        let asked = Instant::now();
        fixture.sh(script);
        assert!(asked.elapsed() < Duration::from_secs(3), "{script}: {:?}", asked.elapsed());
    }
    for reader in readers {
        let output = reader.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_told = ["timed out", "resource busy"].iter().any(|words| said.contains(words));
        assert!(!output.status.success() && is_told, "{said}");
    }
    let took = started.elapsed();
    assert!(took < LIMIT * 4, "{took:?}");
    assert!(!fixture.sh("cat results/b1.csv.err").is_empty());
    // What was given up may go on for a while: one more is answered or refused within its limit.
    fixture.sh("echo '[:find ?n :in $one :where [$one _ :n/n ?n]]' > queries/q.edn");
    let asked = Instant::now();
    let output = fixture.run("bash", "cat results/q.csv");
    assert!(output.stdout == b"n\n1\n2\n" || !output.stderr.is_empty(), "{output:?}");
    assert!(asked.elapsed() < LIMIT + Duration::from_secs(3), "{:?}", asked.elapsed());
}

pub fn unmounting_ends() {
    let (fixture, readers) = stuck();
    let started = Instant::now();
    let output = fixture.umount();
    assert!(output.status.success(), "{output:?}");
    // What the test's `umount` waits for the server, and the programs for their answer.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(!fixture.is_mounted());
    for mut reader in readers {
        reader.wait().unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(16), "{:?}", started.elapsed());
}

pub fn a_server_that_stands_still() {
    let fixture = Fixture::mounted();
    let server = fixture.server();
    signal(server, "STOP");
    let started = Instant::now();
    let output = fixture.umount();
    let took = started.elapsed();
    signal(server, "KILL");
    assert!(output.status.success(), "{output:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(!fixture.is_mounted());
}
