//! Bytes a datom: of the trees, of the log, and of everything on disk once what nothing refers to
//! is deleted; for the facts that hold, and again after the twenty updates of the workload.
//!
//! `cargo bench -p factfs-store --bench sizes -- SIZE FOLDER`, after the bench `load` has loaded
//! that workload, without `--updates`.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a bench ends so")]

mod common;

use common::sizes::Sizes;
use common::{DATABASES, Workload, disk, flush, form};
use factfs_core::conn::{Collection, Retention};
use factfs_store::TransactOptions;
use serde_json::json;
use std::path::Path;

fn main() {
    let (workload, _) = Workload::from_args();
    measure(&workload, "sizes-current");
    let catalog = workload.open("catalog");
    for line in workload.text("updates.tx.edn").lines() {
        catalog.transact(&form(line), &TransactOptions::default()).expect("update");
    }
    drop(catalog);
    measure(&workload, "sizes-updated");
}

/// Sums over all databases of the workload.
fn measure(workload: &Workload, name: &str) {
    let (mut facts, mut orders, mut past) = (0, [0u64; 3], 0u64);
    let (mut log, mut all) = (0, 0);
    for database in DATABASES {
        flush(&workload.url(database));
        let open = workload.open(database);
        let asked = Collection { grace_ms: 0, keep: Retention::nothing() };
        // The first notes what is garbage, the second deletes it.
        (0..2).for_each(|_| drop(open.collect(&asked, &mut |_, _| ()).expect("a collection")));
        let db = open.db().expect("a head");
        let current = Sizes::current(&db);
        facts += current[0].facts;
        orders.iter_mut().zip(current).for_each(|(sum, tree)| *sum += tree.bytes);
        past += Sizes::superseded(&db).iter().map(|tree| tree.bytes).sum::<u64>();
        let folder = workload.url(database);
        log += disk(&Path::new(&folder).join("log")).0;
        all += disk(Path::new(&folder)).0;
    }
    let each = |bytes: u64| (bytes as f64 / facts as f64 * 100.0).round() / 100.0;
    workload.print(json!({
        "q": name, "datoms": facts, "eavt": each(orders[0]), "aevt": each(orders[1]),
        "avet": each(orders[2]), "three_indexes": each(orders.iter().sum()),
        "superseded": each(past), "log": each(log), "on_disk": each(all),
    }));
}
