//! Ctrl-C.

use crate::fixture::{Fixture, create, eventually, signal};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A mount with a query that takes long.
fn slow() -> Fixture {
    let fixture = Fixture::stores();
    let ident =
        r#"[{:db/ident :n/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]"#;
    let entities: Vec<_> = (0..3000).map(|n| format!("{{:n/n {n}}}")).collect();
    create(&fixture.path().join("many"), &[ident, &format!("[{}]", entities.join(" "))]);
    assert!(fixture.command(&["mount", "m", "many=many"]).status.success());
    let query = "[:find (count ?d) . :with ?a ?b ?c :in $many :where [$many _ :n/n ?a] \
                 [$many _ :n/n ?b] [$many _ :n/n ?c] [$many _ :n/n ?d] \
                 [(+ ?a ?b) ?x] [(+ ?c ?d) ?y] [(= ?x ?y)]]";
    fixture.sh(&format!("echo '{query}' > queries/slow.edn"));
    fixture
}

fn reader(fixture: &Fixture, program: &str, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(args).current_dir(fixture.point());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    child
}

pub fn signals_that_end() {
    let fixture = slow();
    for name in ["INT", "TERM", "KILL", "HUP", "QUIT", "XCPU"] {
        // Whoever runs the tests may ignore some of them, as nohup does.
        let mut child = reader(&fixture, "env", &["--default-signal", "cat", "results/slow.csv"]);
        assert!(child.try_wait().unwrap().is_none(), "the query is slow");
        let sent = Instant::now();
        signal(child.id(), name);
        let status = child.wait().unwrap();
        let took = sent.elapsed();
        assert!(!status.success() && took < Duration::from_millis(400), "{name}: {took:?}");
        println!("  {name}: {took:?}");
    }
    // What nobody waits for is given up: the next question is answered.
    assert_eq!(fixture.sh("cat many/head/by/n/n/README 2>/dev/null; echo here"), "here\n");
}

/// Signals that a program handles and that are no wish to end.
pub fn signals_that_do_not() {
    let fixture = slow();
    let script = "import signal
for s in (signal.SIGWINCH, signal.SIGALRM, signal.SIGURG): signal.signal(s, lambda *a: None)
open('../started', 'w').close()
open('results/slow.csv')";
    let mut child = reader(&fixture, "python3", &["-c", script]);
    let started = fixture.path().join("started");
    eventually("python has started", Duration::from_secs(20), || started.exists());
    std::thread::sleep(Duration::from_millis(300));
    for name in ["WINCH", "ALRM", "URG"] {
        signal(child.id(), name);
        std::thread::sleep(Duration::from_millis(200));
        assert!(child.try_wait().unwrap().is_none(), "{name}");
    }
    signal(child.id(), "KILL");
    child.wait().unwrap();
}
