//! Documents and entities, written by the calls of a file system.

use crate::error::{Kind, Result};
use crate::fixture::tree;
use crate::inode::ROOT;
use crate::journal;
use crate::source::{MemorySource, Source};
use crate::spool::Cancel;
use crate::vfs::{Mode, Opened, Vfs};
use std::sync::Arc;

const SHELL: Option<u32> = Some(7);
const CHILD: Option<u32> = Some(8);
const READ: Mode = Mode { read: true, write: false, truncate: false, process: None };
const ANEW: Mode = Mode { read: false, write: true, truncate: true, process: SHELL };
const ON: Mode = Mode { truncate: false, ..ANEW };

const HEAD: &str = "/catalog/branches/main";
const INBOX: &str = "/catalog/branches/main/inbox";
const CHAIR: &str = "/catalog/branches/main/entities/5.edn";
const CHAIR_JSON: &str = "/catalog/branches/main/entities/5.json";

fn vfs() -> (Vfs, Arc<MemorySource>) {
    let (tree, [catalog, _]) = tree();
    (Vfs::new(tree, 1 << 20).unwrap(), catalog)
}

fn commits(source: &MemorySource) -> u64 {
    source.head("main").unwrap().db.basis_t().0
}

fn folder(vfs: &Vfs, path: &str) -> u64 {
    vfs.walk(ROOT, path).unwrap().ino
}

fn read(vfs: &Vfs, path: &str) -> Result<String> {
    let ino = vfs.walk(ROOT, path)?.ino;
    let opened = vfs.open(ino, READ, &Cancel::default())?;
    let bytes = vfs.read(opened.handle, 0, 1 << 20)?;
    vfs.release(opened.handle);
    Ok(String::from_utf8(bytes).unwrap())
}

/// Opens a file, made if it is not there.
fn open(vfs: &Vfs, path: &str, mode: Mode) -> Result<(u64, Opened)> {
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = folder(vfs, parent);
    match vfs.lookup(parent, name.as_bytes()) {
        Ok(found) => Ok((found.attr.ino, vfs.open(found.attr.ino, mode, &Cancel::default())?)),
        Err(_) => vfs.create(parent, name.as_bytes(), mode).map(|(found, o)| (found.attr.ino, o)),
    }
}

/// What a write, and then the close after it, ends with.
fn write(vfs: &Vfs, path: &str, text: &str) -> Result<()> {
    let (ino, opened) = open(vfs, path, ANEW)?;
    // As a shell does: a flush of the copied descriptor comes first.
    vfs.flush(ino, opened.handle, SHELL)?;
    vfs.write(ino, opened.handle, 0, text.as_bytes())?;
    let flushed = vfs.flush(ino, opened.handle, SHELL);
    vfs.release(opened.handle);
    flushed
}

fn listed(vfs: &Vfs, path: &str) -> Vec<String> {
    let handle = vfs.open_folder(folder(vfs, path), &Cancel::default()).unwrap();
    let names = vfs.names(handle, 0, 10_000).unwrap().into_iter().map(|named| named.name);
    let names = names.collect();
    let found = vfs.found(handle, 0, 10_000).unwrap();
    assert!(found.len() <= vfs.names(handle, 0, 10_000).unwrap().len());
    vfs.release(handle);
    names
}

const PRICES: &str = "product/sku,product/price\nc1,46\nt/1,91\n";

#[test]
fn a_document_is_committed_by_the_close_of_who_opened_it() {
    let (vfs, source) = vfs();
    let before = commits(&source);
    let path = format!("{INBOX}/prices.csv");
    let (ino, opened) = open(&vfs, &path, ANEW).unwrap();
    vfs.flush(ino, opened.handle, SHELL).unwrap();
    vfs.write(ino, opened.handle, 0, &PRICES.as_bytes()[..30]).unwrap();
    vfs.flush(ino, opened.handle, CHILD).unwrap();
    vfs.sync(ino, opened.handle, SHELL).unwrap();
    assert_eq!(commits(&source), before);
    vfs.write(ino, opened.handle, 30, &PRICES.as_bytes()[30..]).unwrap();
    vfs.flush(ino, opened.handle, SHELL).unwrap();
    assert_eq!(commits(&source), before + 1);
    let more = vfs.write(ino, opened.handle, PRICES.len() as u64, b"x").unwrap_err();
    assert_eq!(more.kind, Kind::Busy);
    vfs.release(opened.handle);
    assert_eq!(commits(&source), before + 1);
    assert_eq!(listed(&vfs, INBOX), ["prices.csv", "prices.csv.result"]);
    assert_eq!(read(&vfs, &path).unwrap(), PRICES);
    let result = read(&vfs, &format!("{path}.result")).unwrap();
    assert!(result.starts_with("{:t 4\n :commit \"4-"), "{result}");
    assert!(result.contains(" :tempids {}\n :datoms 6}"), "{result}");
    assert!(read(&vfs, &format!("{HEAD}/tables/product.csv")).unwrap().contains(",91,"));
}

#[test]
fn the_same_bytes_under_the_same_name_are_committed_once() {
    let (vfs, source) = vfs();
    let path = format!("{INBOX}/new.edn");
    let text = "[{:product/sku \"n\" :product/price 1} {:product/name \"no identity\"}]";
    write(&vfs, &path, text).unwrap();
    let after = commits(&source);
    write(&vfs, &path, text).unwrap();
    assert_eq!(commits(&source), after);
    let result = read(&vfs, &format!("{path}.result")).unwrap();
    assert!(result.contains(":already true"), "{result}");
    write(&vfs, &path, &format!("{text}\n")).unwrap();
    assert_eq!(commits(&source), after + 1);
    write(&vfs, &format!("{INBOX}/other.edn"), text).unwrap();
    assert_eq!(commits(&source), after + 2);
}

#[test]
fn a_document_that_fails_says_why() {
    let (vfs, source) = vfs();
    let before = commits(&source);
    let path = format!("{INBOX}/prices.csv");
    let failure = write(&vfs, &path, &PRICES.replace("91", "many")).unwrap_err();
    assert_eq!(failure.kind, Kind::Invalid);
    assert_eq!(listed(&vfs, INBOX), ["prices.csv", "prices.csv.err"]);
    let said = read(&vfs, &format!("{path}.err")).unwrap();
    assert!(said.starts_with("line 3, column `product/price`: `many` is no long"), "{said}");
    assert!(read(&vfs, &format!("{path}.result")).is_err());
    assert!(read(&vfs, "/.factfs/last-error").unwrap().contains("inbox/prices.csv: line 3"));
    assert_eq!(commits(&source), before);
    // It may be put right where it is.
    let (ino, opened) = open(&vfs, &path, ON).unwrap();
    vfs.write(ino, opened.handle, PRICES.len() as u64 - 3, b"91\n   ").unwrap();
    vfs.resize(ino, Some(opened.handle), PRICES.len() as u64).unwrap();
    vfs.flush(ino, opened.handle, SHELL).unwrap();
    vfs.release(opened.handle);
    assert_eq!(listed(&vfs, INBOX), ["prices.csv", "prices.csv.result"]);
    assert_eq!(commits(&source), before + 1);
}

#[test]
fn a_document_is_committed_at_its_last_close_at_the_latest() {
    let (vfs, source) = vfs();
    let before = commits(&source);
    let (ino, opened) = open(&vfs, &format!("{INBOX}/a.json"), ANEW).unwrap();
    vfs.write(ino, opened.handle, 0, b"{\"product/sku\": \"n\"}").unwrap();
    vfs.flush(ino, opened.handle, CHILD).unwrap();
    vfs.release(opened.handle);
    assert_eq!(commits(&source), before + 1);
    let (_, opened) = open(&vfs, &format!("{INBOX}/empty.json"), ANEW).unwrap();
    vfs.release(opened.handle);
    assert_eq!(commits(&source), before + 1);
    assert_eq!(listed(&vfs, INBOX), ["a.json", "a.json.result", "empty.json"]);
}

#[test]
fn what_is_cut_short_is_not_committed() {
    let (vfs, source) = vfs();
    let before = commits(&source);
    let path = format!("{INBOX}/a.csv");
    let (ino, opened) = open(&vfs, &path, ANEW).unwrap();
    vfs.write(ino, opened.handle, 0, PRICES.as_bytes()).unwrap();
    vfs.cut_short(opened.handle, CHILD);
    vfs.cut_short(opened.handle, SHELL);
    vfs.flush(ino, opened.handle, SHELL).unwrap();
    vfs.release(opened.handle);
    assert!(read(&vfs, &format!("{path}.err")).unwrap().contains("ended by a signal"));
    let (ino, opened) = open(&vfs, &path, ANEW).unwrap();
    vfs.write(ino, opened.handle, 0, PRICES.as_bytes()).unwrap();
    let large = vfs.write(ino, opened.handle, 64 << 20, b"x").unwrap_err();
    assert_eq!(large.kind, Kind::TooLarge);
    vfs.flush(ino, opened.handle, SHELL).unwrap();
    vfs.release(opened.handle);
    assert!(read(&vfs, &format!("{path}.err")).unwrap().contains("at most 64 MiB"));
    assert_eq!(commits(&source), before);
}

#[test]
fn a_document_that_is_committed_is_not_gone_on_with() {
    let (vfs, source) = vfs();
    let path = format!("{INBOX}/a.edn");
    write(&vfs, &path, "[{:product/name \"x\"}]").unwrap();
    let after = commits(&source);
    let (ino, opened) = open(&vfs, &path, ON).unwrap();
    let refused = vfs.write(ino, opened.handle, 21, b"[{:product/name \"y\"}]").unwrap_err();
    assert_eq!(refused.kind, Kind::Busy);
    vfs.release(opened.handle);
    assert_eq!(commits(&source), after);
}

#[test]
fn scratch_becomes_a_document_by_its_name() {
    let (vfs, source) = vfs();
    let before = commits(&source);
    let inbox = folder(&vfs, INBOX);
    write(&vfs, &format!("{INBOX}/.prices.csv.Xy12"), PRICES).unwrap();
    assert_eq!((commits(&source), listed(&vfs, INBOX)), (before, vec![".prices.csv.Xy12".into()]));
    vfs.rename((inbox, b".prices.csv.Xy12"), (inbox, b"prices.csv"), true).unwrap();
    assert_eq!(commits(&source), before + 1);
    assert_eq!(listed(&vfs, INBOX), ["prices.csv", "prices.csv.result"]);
    // What is committed is only called something else.
    vfs.rename((inbox, b"prices.csv"), (inbox, b"june.csv"), true).unwrap();
    assert_eq!(commits(&source), before + 1);
    assert_eq!(listed(&vfs, INBOX), ["june.csv", "june.csv.result"]);
    write(&vfs, &format!("{INBOX}/tmp"), "product/sku,product/price\nc1,x\n").unwrap();
    let failure = vfs.rename((inbox, b"tmp"), (inbox, b"bad.csv"), true).unwrap_err();
    assert_eq!(failure.kind, Kind::Invalid);
    assert_eq!(listed(&vfs, INBOX), ["bad.csv.err", "june.csv", "june.csv.result", "tmp"]);
    let refused = vfs.rename((inbox, b"tmp"), (inbox, b"june.csv"), false).unwrap_err();
    assert_eq!(refused.kind, Kind::Exists);
    for name in listed(&vfs, INBOX) {
        vfs.unlink(inbox, name.as_bytes()).unwrap();
    }
    assert!(listed(&vfs, INBOX).is_empty());
    assert_eq!(vfs.unlink(inbox, b"tmp").unwrap_err().kind, Kind::NotFound);
}

#[test]
fn what_came_of_a_document_is_not_written() {
    let (vfs, source) = vfs();
    let inbox = folder(&vfs, INBOX);
    let made = vfs.create(inbox, b"a.edn.result", ANEW).unwrap_err();
    assert_eq!(made.kind, Kind::NotPermitted);
    source.seal("the bucket refuses writes");
    assert_eq!(vfs.create(inbox, b"a.edn", ANEW).unwrap_err().kind, Kind::ReadOnly);
    let id = source.head("main").unwrap().id();
    assert!(vfs.walk(ROOT, &format!("/catalog/commits/{id}/inbox")).is_err());
}

#[test]
fn transactions_in_json() {
    let (vfs, source) = vfs();
    let path = format!("{HEAD}/transact.json");
    let before = commits(&source);
    write(&vfs, &path, "{\"product/sku\": \"c1\", \"product/price\": 50}\n").unwrap();
    write(&vfs, &path, "[[\"db/add\", [\"product/sku\", \"c1\"], \"product/name\", \"Seat\"]]")
        .unwrap();
    assert_eq!(commits(&source), before + 2);
    let chair = read(&vfs, CHAIR).unwrap();
    assert!(chair.contains("\"Seat\"") && chair.contains(":product/price 50"), "{chair}");
    let failure = write(&vfs, &path, "{\"product/price\": \"much\"}").unwrap_err();
    assert_eq!(failure.kind, Kind::Invalid);
    assert!(read(&vfs, &format!("{path}.err")).unwrap().contains("`\"much\"` is no long"));
    assert!(read(&vfs, &path).unwrap().contains("in JSON"));
    assert!(!listed(&vfs, HEAD).contains(&"transact.json".to_owned()));
}

#[test]
fn an_entity_is_changed_by_writing_it() {
    let (vfs, source) = vfs();
    let before = commits(&source);
    let text = read(&vfs, CHAIR).unwrap();
    assert_eq!(vfs.walk(ROOT, CHAIR).unwrap().mode, 0o644);
    write(&vfs, CHAIR, &text).unwrap();
    assert_eq!(commits(&source), before);
    write(&vfs, CHAIR, &text.replace("45", "48")).unwrap();
    assert_eq!(commits(&source), before + 1);
    let now = read(&vfs, CHAIR).unwrap();
    assert_eq!(now, text.replace("45", "48").replace(":db/basis 3", ":db/basis 4"));
    // In place, as an editor that does not begin anew.
    let (ino, opened) = open(&vfs, CHAIR, ON).unwrap();
    let at = now.find("48").unwrap() as u64;
    vfs.write(ino, opened.handle, at, b"49").unwrap();
    vfs.flush(ino, opened.handle, SHELL).unwrap();
    vfs.release(opened.handle);
    assert!(read(&vfs, CHAIR).unwrap().contains("49"));
}

#[test]
fn an_entity_that_changed_meanwhile_is_a_conflict() {
    let (vfs, source) = vfs();
    let text = read(&vfs, CHAIR).unwrap();
    write(&vfs, &format!("{HEAD}/transact"), "[[:db/add 5 :product/price 60]]").unwrap();
    let after = commits(&source);
    let failure = write(&vfs, CHAIR, &text.replace("45", "50")).unwrap_err();
    assert_eq!(failure.kind, Kind::Conflict);
    assert_eq!(commits(&source), after);
    assert!(read(&vfs, CHAIR).unwrap().contains("60"));
    let said = read(&vfs, &format!("{CHAIR}.err")).unwrap();
    assert!(said.contains(":product/price was 45, is 60, here 50"), "{said}");
    assert!(!read(&vfs, &format!("{CHAIR}.meta")).unwrap().contains("error"));
    let failure = write(&vfs, CHAIR, "{:db/id 5 :product/price 1}").unwrap_err();
    assert_eq!((failure.kind, commits(&source)), (Kind::Invalid, after));
    assert!(failure.to_string().contains(":db/basis"), "{failure}");
    let text = read(&vfs, CHAIR).unwrap();
    write(&vfs, CHAIR, &text.replace("60", "50")).unwrap();
    assert_eq!(read(&vfs, &format!("{CHAIR}.err")).unwrap(), "");
}

#[test]
fn a_change_of_an_entity_that_fails_is_in_the_log() {
    journal::collect(&journal::Target::Memory).unwrap();
    let (vfs, _) = vfs();
    write(&vfs, CHAIR, "{:db/id 5 :product/price 1} ; for the log").unwrap_err();
    let said = format!("path={CHAIR} errno=EINVAL");
    assert!(journal::text().contains(&said), "{}", journal::text());
}

#[test]
fn editors_change_entities_by_renaming() {
    let (vfs, source) = vfs();
    let entities = folder(&vfs, &format!("{HEAD}/entities"));
    let text = read(&vfs, CHAIR).unwrap();
    // As `sed -i`, and whoever replaces files at once.
    write(&vfs, &format!("{HEAD}/entities/sedXyz"), &text.replace("45", "46")).unwrap();
    assert!(listed(&vfs, &format!("{HEAD}/entities")).contains(&"sedXyz".to_owned()));
    vfs.rename((entities, b"sedXyz"), (entities, b"5.edn"), true).unwrap();
    let text = read(&vfs, CHAIR).unwrap();
    assert!(text.contains("46") && commits(&source) == 4, "{text}");
    // As vim does: the old one is put aside, the new one written, the old one removed.
    vfs.rename((entities, b"5.edn"), (entities, b"5.edn~"), true).unwrap();
    assert_eq!(read(&vfs, &format!("{HEAD}/entities/5.edn~")).unwrap(), text);
    let (found, opened) = vfs.create(entities, b"5.edn", ANEW).unwrap();
    vfs.write(found.attr.ino, opened.handle, 0, text.replace("46", "47").as_bytes()).unwrap();
    vfs.flush(found.attr.ino, opened.handle, SHELL).unwrap();
    vfs.release(opened.handle);
    vfs.unlink(entities, b"5.edn~").unwrap();
    assert!(read(&vfs, CHAIR).unwrap().contains("47"));
    assert_eq!(listed(&vfs, &format!("{HEAD}/entities")).len(), 6);
    // A conflict leaves both as they are.
    write(&vfs, &format!("{HEAD}/entities/sedXyz"), &text.replace("46", "1")).unwrap();
    let failure = vfs.rename((entities, b"sedXyz"), (entities, b"5.edn"), true).unwrap_err();
    assert_eq!(failure.kind, Kind::Conflict);
    assert!(read(&vfs, CHAIR).unwrap().contains("47"));
    assert!(listed(&vfs, &format!("{HEAD}/entities")).contains(&"sedXyz".to_owned()));
}

#[test]
fn an_entity_is_changed_by_writing_its_json() {
    let (vfs, source) = vfs();
    let before = commits(&source);
    let text = read(&vfs, CHAIR_JSON).unwrap();
    assert_eq!(vfs.walk(ROOT, CHAIR_JSON).unwrap().mode, 0o644);
    write(&vfs, CHAIR_JSON, &text).unwrap();
    assert_eq!(commits(&source), before);
    write(&vfs, CHAIR_JSON, &text.replace("45", "48").replace(":wood", "oak")).unwrap();
    assert_eq!(commits(&source), before + 1);
    let now = read(&vfs, CHAIR).unwrap();
    assert!(now.contains(":product/price 48") && now.contains(":oak"), "{now}");
    // As of its basis: both are shown, and nothing is written.
    let failure = write(&vfs, CHAIR_JSON, &text.replace("45", "50")).unwrap_err();
    assert_eq!((failure.kind, commits(&source)), (Kind::Conflict, before + 1));
    let said = read(&vfs, &format!("{CHAIR_JSON}.err")).unwrap();
    assert!(said.contains(":product/price was 45, is 48, here 50"), "{said}");
    let failure = write(&vfs, CHAIR_JSON, "{\"db/id\": 5, \"product/price\": 1}").unwrap_err();
    assert_eq!((failure.kind, commits(&source)), (Kind::Invalid, before + 1));
    let text = read(&vfs, CHAIR_JSON).unwrap();
    // As `sed -i`, and whoever replaces files at once.
    let entities = folder(&vfs, &format!("{HEAD}/entities"));
    write(&vfs, &format!("{HEAD}/entities/sedXyz"), &text.replace("48", "null")).unwrap();
    vfs.rename((entities, b"sedXyz"), (entities, b"5.json"), true).unwrap();
    assert!(!read(&vfs, CHAIR).unwrap().contains(":product/price"));
    assert_eq!(read(&vfs, &format!("{CHAIR_JSON}.err")).unwrap(), "");
    assert!(!listed(&vfs, &format!("{HEAD}/entities")).contains(&"5.json".to_owned()));
    let id = source.head("main").unwrap().id();
    let fixed = vfs.walk(ROOT, &format!("/catalog/commits/{id}/entities/5.json")).unwrap();
    let refused = vfs.open(fixed.ino, ANEW, &Cancel::default()).unwrap_err();
    assert_eq!((refused.kind, fixed.mode), (Kind::ReadOnly, 0o444));
}

#[test]
fn entities_are_neither_made_nor_removed_nor_changed_in_a_commit() {
    let (vfs, source) = vfs();
    let entities = folder(&vfs, &format!("{HEAD}/entities"));
    assert_eq!(vfs.unlink(entities, b"5.edn").unwrap_err().kind, Kind::NotPermitted);
    assert_eq!(vfs.create(entities, b"99.edn", ANEW).unwrap_err().kind, Kind::NotPermitted);
    assert_eq!(vfs.unlink(entities, b"5.json").unwrap_err().kind, Kind::NotPermitted);
    assert_eq!(vfs.create(entities, b"99.json", ANEW).unwrap_err().kind, Kind::NotPermitted);
    assert_eq!(vfs.create(entities, b"5.json.err", ANEW).unwrap_err().kind, Kind::ReadOnly);
    let away = vfs.rename((entities, b"5.edn"), (entities, b"6.edn"), true).unwrap_err();
    assert_eq!(away.kind, Kind::NotPermitted);
    let id = source.head("main").unwrap().id();
    let path = format!("/catalog/commits/{id}/entities/5.edn");
    assert_eq!(read(&vfs, &path).unwrap(), read(&vfs, CHAIR).unwrap());
    let (fixed, moving) = (vfs.walk(ROOT, &path).unwrap(), vfs.walk(ROOT, CHAIR).unwrap());
    assert!(fixed.ino != moving.ino && fixed.mode == 0o444);
    let refused = vfs.open(fixed.ino, ANEW, &Cancel::default()).unwrap_err();
    assert_eq!(refused.kind, Kind::ReadOnly);
    let place = folder(&vfs, &format!("/catalog/commits/{id}/entities"));
    assert_eq!(vfs.create(place, b"tmp", ANEW).unwrap_err().kind, Kind::ReadOnly);
    assert_eq!(vfs.unlink(place, b"tmp").unwrap_err().kind, Kind::ReadOnly);
    source.seal("the bucket refuses writes");
    let moving = vfs.walk(ROOT, CHAIR).unwrap();
    assert_eq!(moving.mode, 0o444);
    let refused = vfs.open(moving.ino, ANEW, &Cancel::default()).unwrap_err();
    assert!(refused.kind == Kind::ReadOnly && refused.message.contains("bucket"), "{refused}");
}
