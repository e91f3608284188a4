//! A report that was mailed with its `.meta`: checked on another mount, and against stores that are
//! not what they were.

use super::{Mount, can_mount};
use crate::support::{Place, SCHEMA};
use factfs_core::commit::{Frame, Head};
use factfs_core::value::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What both stores know of each key.
const BOTH: &str = "[:find ?k ?a ?b :in $first $second :where [$first ?x :w/key ?k]
  [$first ?x :w/n ?a] [$second ?y :w/key ?k] [$second ?y :w/n ?b]]";

/// Two stores with some keys, a query over both, and a report of it: `r.csv`, `r.csv.meta`.
fn mailed() -> Place {
    let place = Place::new();
    for (store, from) in [("first", 0), ("second", 100)] {
        place.ok(&["init", store, "--schema", SCHEMA], "");
        write(&place, store, from, 5);
    }
    fs::create_dir(place.path("queries")).unwrap();
    fs::write(place.path("queries/both.edn"), BOTH).unwrap();
    let mount = Mount::new(&place, "m", &["first=first", "second=second"]);
    for name in ["csv", "csv.meta"] {
        let read = mount.read(&format!("results/both.{name}")).unwrap();
        fs::write(place.path(&format!("r.{name}")), read).unwrap();
    }
    place
}

fn write(place: &Place, store: &str, from: usize, count: usize) {
    let form = |n: usize| format!("[{{:w/key \"k{}\" :w/n {n}}}]\n", n % 5);
    place.ok(&["transact", store, "-"], &(from..from + count).map(form).collect::<String>());
}

fn meta(place: &Place, field: &str) -> String {
    let text = fs::read_to_string(place.path("r.csv.meta")).unwrap();
    let meta: serde_json::Value = serde_json::from_str(&text).unwrap();
    meta[field].as_str().unwrap().to_owned()
}

/// What `verify-result` says of the report when `second` is in another place.
fn says(place: &Place, code: u8, second: &str) -> String {
    let second = format!("second={second}");
    let said = place.fails(code, &["verify-result", "r.csv.meta", "--store", &second], "");
    assert!(said.contains("\n  $second (second, "), "{said}");
    assert!(!said.contains("\n  $first"), "{said}");
    said
}

fn copy(place: &Place, to: &str) {
    copy_folder(&place.path("second"), &place.path(to));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        match path.is_dir() {
            true => copy_folder(&path, &to.join(name)),
            false => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

#[test]
fn a_hundred_transactions_later_another_mount_gives_the_same_bytes() {
    if !can_mount() {
        return;
    }
    let place = mailed();
    let report = fs::read_to_string(place.path("r.csv")).unwrap();
    write(&place, "first", 1000, 100);
    write(&place, "second", 2000, 100);
    fs::write(place.path("queries/both.edn"), "[:find ?k . :in $a :where [$a _ :w/key ?k]]")
        .unwrap();
    let said = place.ok(&["verify-result", "r.csv.meta", "--result", "r.csv"], "");
    assert!(said.contains("same,true") && said.contains("result-same,true"), "{said}");
    // On a mount that knows the stores by other names, and the query not at all.
    let again = meta(&place, "again");
    let pin = meta(&place, "pin");
    let stores = ["one=first", "two=second"];
    let mount = Mount::new(&place, "other", &[&stores[..], &["--pin", "r.csv.meta"]].concat());
    assert_eq!(mount.read(&again).unwrap(), report);
    assert_eq!(fs::metadata(mount.path(&again)).unwrap().len(), report.len() as u64);
    symlink(&pin, mount.path("pins/q3")).unwrap();
    drop(mount);
    // The name is kept, and with it what it was given to.
    let mount = Mount::new(&place, "third", &stores);
    let name = again.rsplit('/').next().unwrap();
    assert_eq!(mount.read(&format!("pins/q3/results/{name}")).unwrap(), report);
    assert_eq!(mount.shell("grep -c . pins/q3/two/datoms.csv").code, 0);
    assert_eq!(mount.shell("mv pins/q3 pins/q4 && rm pins/q4 && ls pins").stdout.trim(), pin);
    // Each kind of file says how it is made again.
    for file in ["tables/w.csv", "datoms.csv", "by/w/key/k1.edn"] {
        let path = mount.path(&format!("two/head/{file}.meta"));
        place.ok(&["verify-result", path.to_str().unwrap()], "");
    }
}

#[test]
fn a_store_that_moved_is_found_through_a_mount() {
    if !can_mount() {
        return;
    }
    let place = mailed();
    fs::rename(place.path("second"), place.path("moved")).unwrap();
    let said = place.fails(4, &["verify-result", "r.csv.meta"], "");
    assert!(said.contains("not known where this database is"), "{said}");
    let _mount = Mount::new(&place, "m", &["any=moved"]);
    place.ok(&["verify-result", "r.csv.meta"], "");
}

#[test]
fn a_changed_copy_of_a_store_is_named() {
    if !can_mount() {
        return;
    }
    let place = mailed();
    copy(&place, "same");
    place.ok(&["verify-result", "r.csv.meta", "--store", "second=same"], "");
    // A bit of what is stored.
    copy(&place, "flipped");
    let head = place.path("flipped/head");
    let mut bytes = fs::read(&head).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&head, bytes).unwrap();
    assert!(says(&place, 14, "flipped").contains("head: its hash does not match its bytes"));
    // A fact of the log, with all hashes of objects as they should be: the commit is another one.
    for (copied, is_renamed) in [("lie", false), ("forged", true)] {
        copy(&place, copied);
        forge(&place.path(copied).join("head"), is_renamed);
    }
    assert!(says(&place, 14, "lie").contains("its commit is not what the log says"));
    let said = says(&place, 14, "forged");
    assert!(said.contains("at that t it has 6-") && said.contains("with other facts"), "{said}");
    // Another database, though it says the same.
    place.ok(&["clone", "second", "fork", "--fork"], "");
    assert!(says(&place, 4, "fork").contains("another database"));
}

/// Changes a number in the newest transaction; the commit's new id is told or kept quiet.
fn forge(path: &Path, is_told: bool) {
    let mut head = Head::decode(&fs::read(path).unwrap()).unwrap();
    let newest = head.tail.last_mut().unwrap();
    let (_, mut frame) = Frame::decode(newest).unwrap();
    let mut datoms: Vec<_> = frame.datoms().collect();
    let number = datoms.iter_mut().find(|datom| datom.v == Value::Long(104) && datom.added);
    number.expect("the number that was written").v = Value::Long(77);
    frame.datoms = Frame::columns(&datoms);
    let encoded = frame.encode().unwrap();
    *newest = encoded.bytes;
    if is_told {
        head.tip.commit = Some(encoded.id);
    }
    fs::write(path, head.encode().unwrap()).unwrap();
}

#[test]
fn erased_facts_are_told_as_such() {
    if !can_mount() {
        return;
    }
    let place = mailed();
    let query = "[:find ?e . :where [?e :w/key \"k1\"]]";
    let e = place.ok(&["query", query, "second"], "");
    place.ok(&["purge", "second", "--entity", e.trim(), "--yes"], "");
    assert!(says(&place, 14, "second").contains("facts were erased from it: once since then"));
}
