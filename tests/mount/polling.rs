//! `poll`, `select` and `epoll` on the files of a mount, and reading a stream that commits.

use super::{Mount, can_mount, place};
use crate::support::{Place, run};
use std::fs;
use std::process::Command;

/// Runs a script of python in a mount; `db` is the folder of the store.
#[track_caller]
fn python(place: &Place, mount: &Mount, script: &str) {
    let common = "import fcntl, os, select, subprocess, sys, threading, time
db = sys.argv[1]
def ready(fd, wait_ms):
    p = select.poll(); p.register(fd, select.POLLIN)
    return bool(p.poll(wait_ms))
def say(key):
    with open('stock/head/transact', 'w') as f: f.write('[{:w/key \"%s\"}]' % key)
def opened(name, flags=os.O_RDONLY): return os.open(name, flags)
";
    fs::write(place.path("s.py"), format!("{common}{script}")).unwrap();
    let mut command = Command::new("timeout");
    command.args(["60", "python3"]).arg(place.path("s.py")).arg(place.path("db"));
    command.current_dir(&mount.point);
    let ran = run(command, "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn who_polls_is_told_when_a_read_would_not_wait() {
    if !can_mount() {
        return;
    }
    let place = place();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    python(
        &place,
        &mount,
        "
events = opened('stock/head/.events')
assert ready(events, 0) and os.read(events, 4096)
waits = [events] + [opened(name) for name in ('stock/head/.wait', 'results/keys.csv.wait')]
for fd in waits: assert not ready(fd, 100), fd
threading.Timer(0.3, say, ['polled']).start()
for fd in waits: assert ready(fd, 20000) and os.read(fd, 4096), fd
assert not ready(events, 100) and ready(waits[1], 0) and os.read(waits[1], 1) == b''
# As event loops do it.
loop = select.epoll()
loop.register(events, select.EPOLLIN)
assert loop.poll(0.1) == []
threading.Timer(0.3, say, ['again']).start()
assert loop.poll(20) and os.read(events, 4096)
threading.Timer(0.3, say, ['once more']).start()
assert select.select([events], [], [], 20)[0]
# All other files can be read, and whatever is closed while it is polled is let go of.
for name in ('README.md', 'results/keys.csv', 'queries/count.edn', 'stock/head/transact'):
    assert ready(opened(name), 0), name
assert not ready(opened('stock/head/.wait'), 100)
",
    );
}

#[test]
fn a_stream_that_commits_holds_nobody_else_up() {
    if !can_mount() {
        return;
    }
    let place = place();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    python(
        &place,
        &mount,
        "
# Begun first: a child closes what it inherits, and would wait for the commit as well.
other = ['sh', '-c', 'read go && timeout 8 cat README.md']
other = subprocess.Popen(other, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
stream = opened('stock/head/transact', os.O_RDWR)
assert ready(stream, 0)
lock = opened(db + '/.lock', os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
writer = threading.Thread(target=os.write, args=(stream, b'[{:w/key \"late\"}]'))
writer.start()
while ready(stream, 0): time.sleep(0.01)
said = []
readers = [threading.Thread(target=lambda: said.append(os.read(stream, 9))) for _ in range(7)]
for reader in readers: reader.start()
time.sleep(0.3)
other.communicate(b'go\\n')
assert other.returncode == 0, 'another program waits'
assert not said, said
fcntl.flock(lock, fcntl.LOCK_UN)
assert ready(stream, 20000)
for thread in readers + [writer]: thread.join()
assert len(said) == 7 and all(said), said
",
    );
}
