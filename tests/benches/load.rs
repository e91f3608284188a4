//! Loading: tx-data text into databases in local directories, then single durable transactions.
//!
//! `cargo bench -p factfs-store --bench load -- SIZE FOLDER [--one-by-one] [--updates] [--tx]`
//!
//! A line of the workload is a transaction of a thousand entities. They are given 48 at a time, as
//! an import does; with `--one-by-one` each is durable before the next is given.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a bench ends so")]

mod common;

use common::{DATABASES, Workload, disk, form, median, timed};
use factfs_core::conn::CreateOptions;
use factfs_store::{Database, Settings, TransactOptions};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many transactions are given at once.
const TOGETHER: usize = 48;

fn main() {
    let (workload, rest) = Workload::from_args();
    let _ = std::fs::remove_dir_all(workload.folder.join("factfs"));
    let together = if rest.iter().any(|a| a == "--one-by-one") { 1 } else { TOGETHER };
    let all = || DATABASES.iter().for_each(|name| load(&workload, name, together));
    let ((), cpu, wall) = timed(all);
    let datoms = workload.params["datoms"].as_u64().unwrap_or_default();
    let (bytes, files) = disk(&workload.folder.join("factfs"));
    workload.print(json!({
        "q": "load", "cpu": cpu.as_secs_f64(), "wall": wall.as_secs_f64(), "datoms": datoms,
        "per_cpu_second": (datoms as f64 / cpu.as_secs_f64()) as u64,
        "per_second": (datoms as f64 / wall.as_secs_f64()) as u64, "memory": common::most_memory(),
        "bytes": bytes, "files": files, "bytes_per_datom": bytes as f64 / datoms as f64,
    }));
    if rest.iter().any(|a| a == "--updates") {
        let catalog = workload.open("catalog");
        for line in workload.text("updates.tx.edn").lines() {
            catalog.transact(&form(line), &TransactOptions::default()).expect("update");
        }
    }
    if rest.iter().any(|a| a == "--tx") {
        single(&workload);
    }
}

fn load(workload: &Workload, name: &str, together: usize) {
    let begun = (common::cpu(), Instant::now());
    let options = CreateOptions::default();
    let url = workload.url(name);
    let database = Database::create(&url, &options, &Settings::default()).expect("create");
    let none = TransactOptions::default();
    database.transact(&form(&workload.text(&format!("{name}.schema.edn"))), &none).expect("schema");
    let mut datoms = 0;
    let text = workload.text(&format!("{name}.tx.edn"));
    let lines: Vec<&str> = text.lines().collect();
    for some in lines.chunks(together) {
        let txs = some.iter().map(|line| (form(line), none.clone()));
        for report in database.transact_all(txs).expect("transact") {
            datoms += report.expect("transact").datoms.len();
        }
    }
    let cpu = (common::cpu() - begun.0).as_secs_f64();
    workload.print(json!({
        "q": format!("load-{name}"), "cpu": cpu, "wall": begun.1.elapsed().as_secs_f64(),
        "datoms": datoms, "per_cpu_second": (datoms as f64 / cpu) as u64,
        "counts": format!("{:?}", database.counts()),
    }));
}

/// One price changed by each transaction.
fn single(workload: &Workload) {
    let database = workload.open("catalog");
    let skus = workload.params["skus"].as_array().expect("skus").clone();
    let (mut cpus, mut walls): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
    let before = database.counts();
    for n in 0..600 {
        let sku = skus[n % skus.len()].as_str().expect("a sku");
        let tx = form(&format!("[{{:product/sku \"{sku}\" :product/price {}}}]", 500 + n));
        let (report, cpu, wall) =
            timed(|| database.transact(&tx, &TransactOptions::default()).expect("tx"));
        assert_eq!(report.datoms.len(), 3);
        cpus.push(cpu);
        walls.push(wall);
    }
    let after = database.counts();
    let worst = walls.iter().max().map_or(0.0, Duration::as_secs_f64);
    workload.print(json!({
        "q": "tx1", "reps": walls.len(), "cpu_med": median(&mut cpus),
        "wall_med": median(&mut walls), "wall_min": walls[0].as_secs_f64(), "wall_max": worst,
        "bytes_per_tx": (after.bytes_out - before.bytes_out) / walls.len() as u64,
        "puts": after.puts - before.puts, "cas": after.cas - before.cas,
    }));
    let mut file = replaced(&workload.folder.join("factfs"));
    workload.print(json!({ "q": "durable-replace", "wall_med": median(&mut file) }));
}

/// One durable replacement of a file, for comparison.
fn replaced(folder: &Path) -> Vec<Duration> {
    use std::io::Write;
    let (temporary, name) = (folder.join("new"), folder.join("file"));
    let replace = |_| {
        let begun = Instant::now();
        let mut file = std::fs::File::create(&temporary).expect("create");
        file.write_all(&[7; 16 << 10]).expect("write");
        file.sync_all().expect("sync");
        std::fs::rename(&temporary, &name).expect("rename");
        std::fs::File::open(folder).and_then(|f| f.sync_all()).expect("sync");
        begun.elapsed()
    };
    (0..100).map(replace).collect()
}
