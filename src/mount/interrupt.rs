//! Ctrl-C: whether the process that waits for an answer is to be ended.
//!
//! **Invariant:** only HUP, INT, QUIT, TERM, KILL and XCPU count, and only those that are pending
//! and not blocked: a terminal that changes its size must not end a query. The kernel's own message
//! about it cannot be used: once it was refused, and the library refuses it, even KILL waits for
//! the answer.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How often callers are looked at.
const INTERVAL: Duration = Duration::from_millis(20);
/// How often those are who have waited for long, as many may who wait for a change.
const LATER: u64 = 5;
/// Looks after which that is so.
const LONG: u64 = 50;
/// Rounds without a caller before the thread sleeps until it is woken: who calls often, and waits
/// for little, is not to wake it each time.
const QUIET: u32 = 50;

/// Bits of the signals that end a wait: HUP 1, INT 2, QUIT 3, KILL 9, TERM 15, XCPU 24.
const ENDING: u64 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8 | 1 << 14 | 1 << 23;

/// Looks at the callers of what takes long.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    watched: HashMap<u64, Caller>,
    last: u64,
    is_running: bool,
    is_idle: bool,
}

struct Caller {
    pid: u32,
    /// How often he was to be looked at.
    looks: u64,
    interrupted: Box<dyn FnOnce() + Send>,
}

/// Ends the watch of one caller when dropped.
pub struct Watched(Arc<Shared>, u64);

impl Default for Watch {
    fn default() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() }))
    }
}

impl Watch {
    /// Does `interrupted` once if the thread `pid` is to be ended while the watch lasts.
    pub fn caller(&self, pid: u32, interrupted: impl FnOnce() + Send + 'static) -> Watched {
        let mut state = self.0.lock();
        state.last += 1;
        let number = state.last;
        // Who calls from another namespace of processes has no number here.
        if pid != 0 {
            let interrupted = Box::new(interrupted);
            state.watched.insert(number, Caller { pid, looks: 0, interrupted });
        }
        if !state.is_running {
            let shared = self.0.clone();
            let name = "interrupts".to_owned();
            state.is_running =
                thread::Builder::new().name(name).spawn(move || shared.look()).is_ok();
        }
        let is_idle = std::mem::take(&mut state.is_idle);
        drop(state);
        if is_idle {
            self.0.wake.notify_one();
        }
        Watched(self.0.clone(), number)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let watched = self.0.lock().watched.remove(&self.1);
        drop(watched);
    }
}

impl State {
    /// Whom to look at in this round.
    fn due(&mut self) -> Vec<(u64, u32)> {
        let mut due = Vec::new();
        for (number, caller) in &mut self.watched {
            caller.looks += 1;
            // Not all of them in the same round.
            if caller.looks < LONG || (caller.looks + number) % LATER == 0 {
                due.push((*number, caller.pid));
            }
        }
        due
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let mut quiet = 0;
        loop {
            let mut state = self.lock();
            quiet = if state.watched.is_empty() { quiet + 1 } else { 0 };
            if quiet >= QUIET {
                state.is_idle = true;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                quiet = 0;
            }
            state.is_idle = false;
            drop(state);
            thread::sleep(INTERVAL);
            let due = self.lock().due();
            for (number, pid) in due {
                if !is_ending(pid) {
                    continue;
                }
                let interrupted = self.lock().watched.remove(&number);
                interrupted.into_iter().for_each(|caller| (caller.interrupted)());
            }
        }
    }
}

/// The process that a thread is of; `None` where that cannot be known.
pub fn process_of(thread: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// Whether a process is at its end by a signal, as the kernel notes it when files are closed.
///
/// A process that runs another program closes files, too, and until they are closed the kernel
/// keeps everybody waiting who reads how that process ended. Who has memory has not ended.
pub fn is_killed(thread: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{thread}/status"));
    let has_ended = status.is_ok_and(|status| !status.contains("\nVmSize:"));
    let stat = || fs::read_to_string(format!("/proc/{thread}/stat"));
    has_ended && stat().is_ok_and(|stat| is_killed_stat(&stat))
}

fn is_killed_stat(stat: &str) -> bool {
    /// `PF_SIGNALED`
    const SIGNALED: u64 = 0x400;
    // The name of the program, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let flags = fields.split_whitespace().nth(6).and_then(|flags| flags.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & SIGNALED != 0)
}

/// Whether a signal that ends things is pending for a thread or its process.
fn is_ending(pid: u32) -> bool {
    // A caller that is gone waits for nothing.
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| is_ending_status(&status))
}

fn is_ending_status(status: &str) -> bool {
    let mask = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
    };
    let pending = mask("SigPnd:") | mask("ShdPnd:");
    pending & !mask("SigBlk:") & ENDING != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_killed_is_told_by_its_flags() {
        let stat = |flags: u64| format!("7 (a) b) R 1 7 7 0 -1 {flags} 0 0 0");
        assert!(is_killed_stat(&stat(0x400 | 4)) && !is_killed_stat(&stat(4)));
        assert!(!is_killed(std::process::id()) && !is_killed_stat(""));
    }

    #[track_caller]
    fn check(thread: u64, process: u64, blocked: u64, expected: bool) {
        let status = format!(
            "Name:\tcat\nSigPnd:\t{thread:016x}\nShdPnd:\t{process:016x}\nSigBlk:\t{blocked:016x}\n"
        );
        assert_eq!(is_ending_status(&status), expected, "{status}");
    }

    #[test]
    fn which_signals_end_a_wait() {
        let bit = |signal: u64| 1 << (signal - 1);
        for signal in [1, 2, 3, 9, 15, 24] {
            check(bit(signal), 0, 0, true);
            check(0, bit(signal), 0, true);
        }
        for signal in [10, 14, 17, 18, 20, 23, 28] {
            check(0, bit(signal), 0, false);
        }
        check(0, bit(15), bit(15), false);
        check(0, 0, 0, false);
    }

    #[test]
    fn who_has_waited_for_long_is_looked_at_less_often() {
        let mut state = State::default();
        for number in 0..10 {
            let interrupted = Box::new(|| {});
            state.watched.insert(number, Caller { pid: 1, looks: 0, interrupted });
        }
        let looks = |state: &mut State| (0..LATER).map(|_| state.due().len()).sum::<usize>();
        assert_eq!(looks(&mut state), 10 * LATER as usize);
        (0..LONG).for_each(|_| drop(state.due()));
        assert_eq!(looks(&mut state), 10);
    }
}
