//! A local store loses power at any moment and loses nothing that it acknowledged.
//!
//! All that reaches the file system is recorded once. Then, for moments of the recording, a
//! directory is made as the disk could have it after power was lost there, and opened.
//! `FACTFS_POWER` is how many of them (300), `FACTFS_SEED` repeats which.

mod disk;
mod filesystem;
mod promised;
mod recorder;
mod workload;

use crate::support::{Place, Random, number};
use disk::{Change, Disk, Lost};
use promised::Promised;
use recorder::{Line, Recorder};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use workload::{Note, database_at, run};

/// Everything that was written and noted, in order; `None` where that cannot be recorded.
fn recorded(seed: u64) -> Option<Vec<Line<Note>>> {
    let place = Place::new();
    let root = place.path("mount");
    fs::create_dir(&root).unwrap();
    let (recorder, session) = Recorder::mount(&root)?;
    run(&root, &recorder, seed);
    let lines = recorder.lines();
    session.umount_and_join().unwrap();
    let written = folders_written(&lines);
    for kind in ["pack", "log", "novelty", "snap"] {
        assert!(written.contains(kind), "nothing was ever written to {kind}/: {written:?}");
    }
    Some(lines)
}

/// The names of the folders where a file got its name.
fn folders_written(lines: &[Line<Note>]) -> BTreeSet<String> {
    let (mut folders, mut written) = (BTreeMap::new(), BTreeSet::new());
    for line in lines {
        match line {
            Line::Changed(Change::MakeFolder { name, node, .. }) => {
                folders.insert(*node, name.clone());
            }
            Line::Changed(Change::Rename { folder, .. }) => {
                written.extend(folders.get(folder).cloned());
            }
            _ => {}
        }
    }
    written
}

/// Half of them are right after something was noted: what was just promised is lost most easily.
fn moments(lines: &[Line<Note>], count: usize, random: &mut Random) -> Vec<usize> {
    let noted: Vec<_> =
        (1..=lines.len()).filter(|at| matches!(lines[at - 1], Line::Noted(_))).collect();
    let moment = |n| match n % 2 {
        0 => random.below(lines.len() + 1),
        _ => noted[random.below(noted.len())],
    };
    let mut moments: Vec<_> = (0..count).map(moment).collect();
    moments.sort_unstable();
    moments
}

fn describe(lines: &[Line<Note>]) -> String {
    let count = |is: fn(&Change) -> bool| {
        lines.iter().filter(|line| matches!(line, Line::Changed(change) if is(change))).count()
    };
    format!(
        "{} lines: {} writes, {} renames, {} removals, {} syncs",
        lines.len(),
        count(|change| matches!(change, Change::Write { .. })),
        count(|change| matches!(change, Change::Rename { .. })),
        count(|change| matches!(change, Change::Remove { .. })),
        count(|change| matches!(change, Change::Sync { .. })),
    )
}

/// The disk after power was lost at `moment`: what it then broke, and what was taken.
fn lose_power(disk: &Disk, promised: &Promised, random: &mut Random) -> (Option<String>, Lost) {
    let place = Place::new();
    let lost = disk.lose_power(&place.path("disk"), random);
    let database = database_at("disk".as_ref());
    (promised.broken(&place, database.to_str().unwrap()), lost)
}

#[test]
fn every_acknowledged_transaction_outlives_a_loss_of_power() {
    let mut random = Random::seeded();
    let Some(lines) = recorded(random.0) else { return };
    let count = number("FACTFS_POWER", 300);
    let moments = moments(&lines, count, &mut random);
    let (mut disk, mut promised, mut at) = (Disk::new(), Promised::default(), 0);
    let (mut broken, mut names, mut bytes) = (Vec::new(), 0, 0);
    for moment in moments {
        for line in &lines[at..moment] {
            match line {
                Line::Changed(change) => disk.apply(change),
                Line::Noted(note) => promised.add(note),
            }
        }
        at = moment;
        let (why, lost) = lose_power(&disk, &promised, &mut random);
        broken.extend(why.map(|why| format!("at {moment}: {why}")));
        names += lost.names;
        bytes += lost.bytes;
    }
    eprintln!("{}", describe(&lines));
    let commits = promised.commits();
    eprintln!("{count} losses of power, {commits} commits acknowledged by the last of them");
    eprintln!("{names} changes of names were lost, {bytes} of files lost or torn");
    assert!(broken.is_empty(), "{} of {count}:\n{}", broken.len(), broken.join("\n"));
}
