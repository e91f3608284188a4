//! Work in small: 8 processes read, list, write, branch, merge and interrupt each other's readers
//! on one mount, and every byte that they read is what the log says of its commit.
//!
//! `FACTFS_OPERATIONS` is how many operations all do together (2,000), `FACTFS_SEED` what they are.
//! The processes are this program again, as the test `worker`. They write down what they read:
//! which file, between which two commits, and a hash; the log of the store, replayed, is held
//! against it.

use super::{Mount, can_mount, place};
use crate::support::{Place, Random, number};
use factfs_core::value::Value;
use factfs_store::{Database, Locator, Settings};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const PROCESSES: usize = 8;
const QUERY: &str = "[:find ?k ?n :where [?e :w/key ?k] [?e :w/n ?n]]";
/// As long as somebody waits for it.
const SLOW: &str = "[:find (count ?d) . :with ?a ?b ?c :in $stock :where [$stock ?a _ _] \
    [$stock ?b _ _] [$stock ?c _ _] [$stock ?d _ _] [(+ 1 2) ?x] [(= ?x 4)]]";

fn hash(bytes: &[u8]) -> u64 {
    // The same in all processes, unlike that of maps.
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// One of those who work.
struct Worker {
    number: usize,
    point: PathBuf,
    store: PathBuf,
    random: Random,
    log: File,
    written: usize,
}

impl Worker {
    fn path(&self, name: &str) -> PathBuf {
        self.point.join("stock").join(name)
    }

    fn note(&mut self, line: &str) {
        writeln!(self.log, "{line}").unwrap();
    }

    /// How far a branch is.
    fn t(&self, branch: &str) -> u64 {
        let text = fs::read(self.path(&format!("branches/{branch}/snapshot.json"))).unwrap();
        let about: serde_json::Value = serde_json::from_slice(&text).unwrap();
        about["t"].as_u64().unwrap()
    }

    fn past(&mut self) -> u64 {
        let t = self.t("main") as usize;
        2 + self.random.below(t - 1) as u64
    }

    fn read(&mut self, file: &str, t: (u64, u64), kind: &str) {
        let bytes = fs::read(self.path(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        self.note(&format!("{kind} {} {} {}", t.0, t.1, hash(&bytes)));
    }

    fn read_head(&mut self) {
        let before = self.t("main");
        let bytes = fs::read(self.path("branches/main/results/team.csv")).unwrap();
        let after = self.t("main");
        self.note(&format!("csv {before} {after} {}", hash(&bytes)));
    }

    /// Goes on reading what it opened, whatever is written meanwhile.
    fn hold(&mut self) {
        let before = self.t("main");
        let mut file = File::open(self.path("branches/main/results/team.csv")).unwrap();
        let after = self.t("main");
        let mut bytes = vec![0; 7];
        let read = file.read(&mut bytes).unwrap();
        bytes.truncate(read);
        self.write("hot");
        file.read_to_end(&mut bytes).unwrap();
        self.note(&format!("csv {before} {after} {}", hash(&bytes)));
    }

    fn list(&mut self) {
        let t = self.past();
        let entries = fs::read_dir(self.path(&format!("commits/{t}/by/w/key"))).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        self.note(&format!("names {t} {t} {}", hash(names.join("\n").as_bytes())));
    }

    fn write(&mut self, key: &str) {
        self.written += 1;
        let n = self.number * 1_000_000 + self.written;
        let transact = self.path("branches/main/transact");
        let mut file = OpenOptions::new().write(true).open(transact).unwrap();
        file.write_all(format!("[{{:w/key \"{key}\" :w/n {n}}}]\n").as_bytes()).unwrap();
        self.note(&format!("wrote {key} {n} 0"));
    }

    fn factfs(&self, args: &[&str]) -> i32 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_factfs"));
        let output = command.args(args).env("FACTFS_CACHE", "off").output().unwrap();
        output.status.code().unwrap_or(-1)
    }

    /// A branch: read, written, merged, gone.
    fn branch(&mut self) {
        let (t, store) = (self.past(), self.store.display().to_string());
        self.written += 1;
        let (name, of) = (format!("b{}-{}", self.number, self.written), self.written);
        let made = self.factfs(&["branch", "create", &store, &name, "--at", &t.to_string()]);
        assert_eq!(made, 0, "branch {name}");
        self.read(&format!("branches/{name}/query/{QUERY}.csv"), (t, t), "csv");
        let transact = self.path(&format!("branches/{name}/transact"));
        let form = format!("[{{:w/key \"{name}\" :w/n {of}}}]");
        OpenOptions::new().write(true).open(transact).unwrap().write_all(form.as_bytes()).unwrap();
        let merged = self.factfs(&["merge", &store, &name]);
        assert!([0, 6, 7].contains(&merged), "merge of {name}: {merged}");
        if merged == 0 {
            self.note(&format!("wrote {name} {of} 0"));
        }
        self.factfs(&["branch", "delete", &store, &name]);
    }

    /// Readers that are ended before there is an answer.
    fn interrupt(&mut self) {
        let file = self.point.join("results/slow.csv");
        let start = || {
            let mut cat = Command::new("cat");
            cat.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let mut readers: [Child; 2] = [start(), start()];
        thread::sleep(Duration::from_millis(self.random.below(60) as u64));
        for reader in &mut readers {
            let signal = ["-INT", "-TERM", "-KILL"][self.random.below(3)];
            let pid = reader.id().to_string();
            Command::new("kill").args([signal, &pid]).stderr(Stdio::null()).status().unwrap();
            thread::sleep(Duration::from_millis(self.random.below(20) as u64));
        }
        for reader in &mut readers {
            reader.wait().unwrap();
        }
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0..12 => self.read_head(),
            12..20 => {
                let t = self.past();
                self.read(&format!("commits/{t}/results/team.csv"), (t, t), "csv");
            }
            20..24 => self.list(),
            24..28 => {
                let t = self.past();
                let file = ["tables/w.csv", "tables/w.json", "datoms.edn"][self.random.below(3)];
                self.read(&format!("commits/{t}/{file}"), (t, t), file);
            }
            28..33 => {
                let key = format!("w{}-{}", self.number, self.random.below(30));
                self.write(&key);
            }
            33 => self.write("hot"),
            34..37 => self.hold(),
            37..39 => self.interrupt(),
            _ => self.branch(),
        }
    }
}

/// One process of [`random_operations`]; does nothing when it is run by itself.
#[test]
fn worker() {
    let Ok(order) = std::env::var("FACTFS_SOAK_WORKER") else { return };
    let words: Vec<&str> = order.split('\n').collect();
    let [number, operations, seed, place] = words[..] else { panic!("{order}") };
    let number: usize = number.parse().unwrap();
    let seed: u64 = seed.parse().unwrap();
    let place = Path::new(place);
    let mut worker = Worker {
        number,
        point: place.join("m"),
        store: place.join("db"),
        random: Random(seed.wrapping_mul(31).wrapping_add(number as u64)),
        log: File::create(place.join(format!("worker-{number}"))).unwrap(),
        written: 0,
    };
    for _ in 0..operations.parse::<usize>().unwrap() {
        worker.step();
    }
}

/// What files are, after each commit.
struct Model {
    csv: Vec<u64>,
    names: Vec<u64>,
    said: BTreeSet<(String, i64)>,
}

/// Replays the log.
fn model(place: &Place) -> Model {
    let url = place.path("db").display().to_string();
    let locator = Locator { url, branch: None, at: None };
    let database = Database::open(&locator, &Settings::default()).unwrap();
    let db = database.db().unwrap();
    let id = |name: &str| db.schema().attr(name).unwrap().id;
    let (key, n) = (id("w/key"), id("w/n"));
    let (mut keys, mut numbers) = (BTreeMap::new(), BTreeMap::new());
    let mut model = Model { csv: vec![0], names: vec![0], said: BTreeSet::new() };
    for entry in database.log(None, false, usize::MAX).unwrap() {
        for datom in entry.datoms.iter().filter(|datom| !datom.added) {
            match datom.a {
                a if a == key => drop(keys.remove(&datom.e)),
                a if a == n => drop(numbers.remove(&datom.e)),
                _ => {}
            }
        }
        for datom in entry.datoms.iter().filter(|datom| datom.added) {
            match &datom.v {
                Value::Str(text) if datom.a == key => {
                    keys.insert(datom.e, text.to_string());
                }
                Value::Long(x) if datom.a == n => {
                    numbers.insert(datom.e, *x);
                }
                _ => {}
            }
        }
        let mut rows: Vec<(&String, i64)> =
            keys.iter().filter_map(|(e, key)| Some((key, *numbers.get(e)?))).collect();
        rows.sort();
        let mut csv = "k,n\n".to_owned();
        rows.iter().for_each(|(key, n)| writeln!(csv, "{key},{n}").unwrap());
        let mut names: Vec<String> = keys.values().map(|key| format!("{key}.edn")).collect();
        names.sort();
        model.csv.push(hash(csv.as_bytes()));
        model.names.push(hash(names.join("\n").as_bytes()));
        model.said.extend(rows.iter().map(|(key, n)| ((*key).clone(), *n)));
    }
    model
}

/// Holds what the processes wrote down against the log; how much it was.
fn check(place: &Place, model: &Model) -> usize {
    let (mut count, mut others) = (0, HashMap::new());
    for number in 0..PROCESSES {
        let text = fs::read_to_string(place.path(&format!("worker-{number}"))).unwrap();
        for line in text.lines() {
            count += 1;
            let words: Vec<&str> = line.split(' ').collect();
            let [kind, a, b, c] = words[..] else { panic!("{line}") };
            if kind == "wrote" {
                let is_there = model.said.contains(&(a.to_owned(), b.parse().unwrap()));
                assert!(is_there, "acknowledged and lost: {line}");
                continue;
            }
            let (from, to): (usize, usize) = (a.parse().unwrap(), b.parse().unwrap());
            let found: u64 = c.parse().unwrap();
            let is_right = match kind {
                "csv" => (from..=to).any(|t| model.csv[t] == found),
                "names" => model.names[from] == found,
                file => *others.entry((file.to_owned(), from)).or_insert(found) == found,
            };
            assert!(is_right, "process {number} read something else: {line}");
        }
    }
    // Files that the log alone does not say: as a mount of its own shows them.
    let mount = Mount::new(place, "other", &["stock=db"]);
    for ((file, t), expected) in others.iter().take(300) {
        let bytes = fs::read(mount.path(&format!("stock/commits/{t}/{file}"))).unwrap();
        assert_eq!(hash(&bytes), *expected, "{file} at {t}");
    }
    count
}

/// KiB of memory that the process has now.
fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

#[test]
fn random_operations() {
    if !can_mount() {
        return;
    }
    let operations = number("FACTFS_OPERATIONS", 2000);
    let seed = Random::seeded().0;
    let place = place();
    place.ok(&["transact", "db", "[{:w/key \"hot\" :w/n 0}]"], "");
    fs::write(place.path("queries/slow.edn"), SLOW).unwrap();
    let mount = Mount::new(&place, "m", &["stock=db"]);
    fs::write(mount.path("stock/head/queries/team.edn"), QUERY).unwrap();
    let (pid, files) = (mount.process.id(), open_files(mount.process.id()));
    let start = |number: usize| {
        let mut worker = Command::new(std::env::current_exe().unwrap());
        worker.args(["mount::soak::worker", "--exact", "--nocapture"]);
        let (each, place) = (operations / PROCESSES, place.path(""));
        let order = format!("{number}\n{each}\n{seed}\n{}", place.display());
        worker.env("FACTFS_SOAK_WORKER", order).stdout(Stdio::null()).spawn().unwrap()
    };
    let mut workers: Vec<Child> = (0..PROCESSES).map(start).collect();
    let mut memory = Vec::new();
    while workers.iter_mut().any(|worker| worker.try_wait().unwrap().is_none()) {
        memory.push(resident(pid));
        thread::sleep(Duration::from_millis(200));
    }
    for mut worker in workers {
        assert!(worker.wait().unwrap().success(), "a process failed, see above");
    }
    let quarter = memory.len() / 4;
    let early = memory[..=quarter].iter().max().unwrap();
    let late = memory.iter().max().unwrap();
    let still_open = open_files(pid);
    let status = mount.read(".factfs/status.json").unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    drop(mount);
    let model = model(&place);
    let count = check(&place, &model);
    println!(
        "{operations} operations, {count} things noted, {} commits, {early} KiB early, {late} KiB \
         at most, {} handles, {files} files open before and {still_open} after",
        model.csv.len() - 1,
        status["handles"],
    );
    place.ok(&["verify", "db"], "");
    assert!(status["handles"].as_u64().is_none_or(|handles| handles <= 1), "{status}");
    assert!(still_open <= files + 16, "{files} files were open, then {still_open}");
    assert!(*late < early + (300 << 10), "memory grew from {early} to {late} KiB");
}
