//! A process that writes: `factfs transact DB -`, fed by a thread, its report lines gathered by
//! another.
//!
//! **Invariant:** what counts as acknowledged is a whole report line that came out of the process,
//! also if it was read after the process died.

use super::Place;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

/// A running writer.
pub struct Writer {
    child: Child,
    feeder: JoinHandle<()>,
    reader: JoinHandle<Vec<Value>>,
    seen: Receiver<()>,
}

/// What came of one.
#[derive(Debug)]
pub struct Written {
    /// The report lines.
    pub acknowledged: Vec<Value>,
    /// What it said on standard error.
    pub stderr: String,
    /// The exit code; `None` if it was killed.
    pub code: Option<i32>,
}

impl Writer {
    /// Starts one that is given these forms, as fast as it takes them.
    pub fn start(place: &Place, url: &str, forms: Vec<String>) -> Self {
        let mut command = place.factfs(&["transact", url, "-", "--format", "jsonl"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let feeder = std::thread::spawn(move || {
            for form in forms {
                if writeln!(stdin, "{form}").is_err() {
                    return;
                }
            }
        });
        let (tell, seen) = channel();
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let (mut line, mut reports) = (String::new(), Vec::new());
            while lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
                reports.push(serde_json::from_str(&line).unwrap());
                line.clear();
                let _ = tell.send(());
            }
            reports
        });
        Self { child, feeder, reader, seen }
    }

    /// Waits until so many transactions are acknowledged, or it ended.
    pub fn wait_for(&self, acknowledged: usize) {
        let _ = self.seen.iter().take(acknowledged).count();
    }

    /// How many transactions were acknowledged since this was last asked.
    pub fn newly_seen(&self) -> usize {
        self.seen.try_iter().count()
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) -> Written {
        self.child.kill().unwrap();
        self.end()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Written {
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let acknowledged = self.reader.join().unwrap();
        let code = self.child.wait().unwrap().code();
        self.feeder.join().unwrap();
        Written { acknowledged, stderr, code }
    }
}
