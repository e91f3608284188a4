//! Files of the machine as sources of a mount's own queries, and files that are none.

use super::{Mount, can_mount};
use crate::support::Place;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::time::{Duration, Instant};

const PRICED: &str = "{:query [:find ?k ?n ?price :in $stock $prices
  :where [$prices ?k ?price] [$stock ?e :w/key ?k] [$stock ?e :w/n ?n]]
 :inputs {$prices \"file:FILE\"}}";

/// A store with two keys, and a query over it and a file.
fn place(file: &str) -> Place {
    let place = Place::with_database();
    place.ok(&["transact", "db", "[{:w/key \"7\" :w/n 1} {:w/key \"A-7\" :w/n 2}]"], "");
    fs::create_dir(place.path("queries")).unwrap();
    name(&place, file);
    place
}

/// Has the query name another file.
fn name(place: &Place, file: &str) {
    let query = PRICED.replace("FILE", file);
    fs::write(place.path("queries/priced.edn"), query).unwrap();
}

fn mounted(place: &Place) -> Mount {
    Mount::new(place, "m", &["stock=db"])
}

#[test]
fn a_price_list_is_joined_with_a_store_by_cat() {
    if !can_mount() {
        return;
    }
    let place = place("prices.csv");
    let prices = place.path("queries/prices.csv");
    fs::write(&prices, "key,price\n7,12.5\nA-7,3\nB-1,9\n").unwrap();
    let mount = mounted(&place);
    let said = mount.shell("cat results/priced.csv && wc -c < results/priced.csv");
    assert_eq!(said.stdout, "k,n,price\n7,1,12.5\nA-7,2,3.0\n29\n", "{}", said.stderr);
    let ino = || fs::metadata(mount.path("results/priced.csv")).unwrap().ino();
    let before = ino();
    // Saved anew by an editor: the same content is the same file.
    fs::write(place.path("queries/new"), "key,price\n7,12.5\nA-7,3\nB-1,9\n").unwrap();
    fs::rename(place.path("queries/new"), &prices).unwrap();
    assert_eq!(ino(), before);
    fs::write(&prices, "key,price\nA-7,4\n").unwrap();
    assert_eq!(mount.read("results/priced.csv").unwrap(), "k,n,price\nA-7,2,4\n");
    // The command reads it in the same way.
    let asked = ["query", "queries/priced.edn", "--in", "stock=db", "--format", "csv"];
    assert_eq!(place.ok(&asked, ""), "k,n,price\nA-7,2,4\n");
}

#[test]
fn an_answer_is_checked_where_its_file_is() {
    if !can_mount() {
        return;
    }
    let place = place("prices.csv");
    let prices = place.path("queries/prices.csv");
    fs::write(&prices, "key,price\n7,12.5\n").unwrap();
    let meta = mounted(&place).read("results/priced.csv.meta").unwrap();
    fs::write(place.path("r.csv.meta"), meta).unwrap();
    place.ok(&["verify-result", "r.csv.meta", "--store", "stock=db"], "");
    fs::rename(&prices, place.path("elsewhere.csv")).unwrap();
    let verify = ["verify-result", "r.csv.meta", "--store", "stock=db"];
    let said = place.fails(4, &verify, "");
    assert!(said.contains("$prices (a file of 17 bytes, blake3 "), "{said}");
    assert!(said.contains("hint: --file NAME=FILE says where a file is"), "{said}");
    place.ok(&[&verify[..], &["--file", "prices=elsewhere.csv"]].concat(), "");
    fs::copy(place.path("elsewhere.csv"), place.path("prices.csv")).unwrap();
    place.ok(&verify, "");
    fs::write(place.path("prices.csv"), "key,price\n7,12.6\n").unwrap();
    let said = place.fails(14, &verify, "");
    assert!(said.contains("has another content: 17 bytes"), "{said}");
}

#[test]
fn nothing_that_would_wait_is_opened() {
    if !can_mount() {
        return;
    }
    let place = place("none.csv");
    let at = |name: &str| place.path(&format!("queries/{name}"));
    mknodat(CWD, at("fifo.csv"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    symlink("/dev/zero", at("zero.csv")).unwrap();
    symlink("../m/results/priced.csv", at("itself.csv")).unwrap();
    symlink("../m", at("mount")).unwrap();
    let mount = mounted(&place);
    let whole = |name: &str| mount.path(name).display().to_string();
    for (file, errno, words) in [
        ("none.csv", Errno::NOENT, "none.csv: there is no such file"),
        ("fifo.csv", Errno::INVAL, "fifo.csv is a FIFO"),
        ("zero.csv", Errno::INVAL, "zero.csv is a device"),
        ("itself.csv", Errno::INVAL, "itself.csv is in a mount of factfs"),
        ("mount/results/priced.csv", Errno::INVAL, "is in a mount of factfs"),
        (&whole("results/priced.csv"), Errno::INVAL, "is in a mount of factfs"),
        (&whole("stock/head/tables/w.csv"), Errno::INVAL, "is in a mount of factfs"),
    ] {
        name(&place, file);
        let started = Instant::now();
        assert_eq!(Mount::errno(mount.read("results/priced.csv")), errno, "{file}");
        assert!(started.elapsed() < Duration::from_secs(10), "{file}");
        let said = mount.read("results/priced.csv.err").unwrap();
        assert!(said.contains(words), "{file}: {said}");
    }
}
