//! Files of this machine, and rows, as sources of queries.

use super::*;
use crate::fixture::tree_in;
use crate::inode::ROOT;
use crate::vfs::tests::{READ, read, write};
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use tempfile::TempDir;

const PRICED: &str = "{:query [:find ?sku ?count ?price :in $inventory $prices
  :where [$prices ?sku ?price] [$inventory ?i :item/sku ?sku] [$inventory ?i :item/count ?count]]
 :inputs {$prices \"file:prices.csv\"}}";

/// A mount with a query over a file of prices, and the folder of both.
fn priced(prices: &str) -> (Arc<Vfs>, TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (tree, _) = tree_in(folder.path());
    tree.desk().put("priced", Some(PRICED), 0).unwrap();
    let file = folder.path().join("prices.csv");
    fs::write(&file, prices).unwrap();
    (Arc::new(Vfs::new(tree, 1 << 20).unwrap()), folder, file)
}

fn ino(vfs: &Vfs, path: &str) -> u64 {
    vfs.walk(ROOT, path).unwrap().ino
}

#[track_caller]
fn fails(vfs: &Vfs, path: &str, kind: Kind, words: &str) {
    let failure = read(vfs, path).unwrap_err();
    assert_eq!(failure.kind, kind, "{path}: {failure}");
    let said = read(vfs, &format!("{path}.err")).unwrap();
    assert!(said.contains(words), "{path}: {said}");
}

#[test]
fn a_store_is_joined_with_a_file() {
    let (vfs, _folder, _) = priced("sku,price\nc1,4.5\nnone,1\nt/1,12\n");
    let path = "/results/priced.csv";
    assert_eq!(read(&vfs, path).unwrap(), "sku,count,price\nc1,3,4.5\nt/1,0,12.0\n");
    assert_eq!(read(&vfs, "/results/priced.csv.err").unwrap(), "");
}

#[test]
fn a_result_is_of_the_content_of_its_file() {
    let (vfs, _folder, file) = priced("sku,price\nc1,1\n");
    let path = "/results/priced.csv";
    let first = read(&vfs, path).unwrap();
    let (before, opened) = (ino(&vfs, path), vfs.open(ino(&vfs, path), READ, &Cancel::default()));
    // Written anew, and the same.
    fs::write(&file, "sku,price\nc1,1\n").unwrap();
    assert_eq!(ino(&vfs, path), before);
    fs::write(&file, "sku,price\nc1,2\n").unwrap();
    assert_ne!(ino(&vfs, path), before);
    assert_eq!(read(&vfs, path).unwrap(), "sku,count,price\nc1,3,2\n");
    // Who has it open goes on reading what it was.
    let old = vfs.read(opened.unwrap().handle, 0, 99).unwrap();
    assert_eq!(String::from_utf8(old).unwrap(), first);
}

#[test]
fn a_column_has_the_type_of_the_attribute_that_it_is_joined_with() {
    let (vfs, _folder, file) = priced("sku,price\n12,1\n");
    let tx = "[{:item/sku \"12\" :item/count 7}]\n";
    write(&vfs, "/inventory/branches/main/transact", tx).unwrap();
    assert_eq!(read(&vfs, "/results/priced.csv").unwrap(), "sku,count,price\n12,7,1\n");
    let counted =
        PRICED.replace("[$inventory ?i :item/count ?count]", "") + " ; the price is a count, too";
    let counted = counted.replace("?sku ?count ?price :in", "?sku ?price :in");
    let counted = counted.replace("[$prices", "[$inventory ?i :item/count ?price] [$prices");
    write(&vfs, "/queries/counted.edn", &counted).unwrap();
    fs::write(file, "sku,price\n12,7\nc1,0.5\n").unwrap();
    let words = "line 3, column `price`: `0.5` is not exact as a long";
    fails(&vfs, "/results/counted.csv", Kind::Invalid, words);
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_path() {
    let (vfs, folder, file) = priced("sku,price\nc1\n");
    let path = "/results/priced.csv";
    let at = file.display().to_string();
    fails(&vfs, path, Kind::Invalid, &format!("{at}: line 2: 1 cells under a header of 2"));
    fs::write(&file, "sku\nc1\n").unwrap();
    let words = format!("{at}: 2 columns are asked for, and there are 1: sku");
    fails(&vfs, path, Kind::Invalid, &words);
    fs::remove_file(&file).unwrap();
    fails(&vfs, path, Kind::NotFound, &format!("$prices: {at}: there is no such file"));
    fs::create_dir(&file).unwrap();
    fails(&vfs, path, Kind::Invalid, &format!("{at} is a folder, and no regular file"));
    drop(folder);
}

#[test]
fn only_a_query_of_the_mount_that_is_read_as_of_now_names_files() {
    let (vfs, _folder, _) = priced("sku,price\nc1,1\n");
    write(&vfs, "/inventory/branches/main/queries/priced.edn", PRICED).unwrap();
    let stored = "/inventory/branches/main/results/priced.csv";
    fails(&vfs, stored, Kind::Invalid, "a query that is read in a store names no files");
    let query = PRICED.replace('\n', " ");
    let typed = format!("/inventory/branches/main/query/{query}.csv");
    fails(&vfs, &typed, Kind::Invalid, "a query that is read in a store names no files");
    fails(&vfs, "/at/2026-01-02/results/priced.csv", Kind::Invalid, "a file has no past");
    let meta = read(&vfs, "/results/priced.csv.meta").unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    let pinned = format!("/pins/{}/results/priced.csv", meta["pin"].as_str().unwrap());
    fails(&vfs, &pinned, Kind::Invalid, "a pin keeps no files");
    let far = PRICED.replace("file:prices.csv", "https://example.org/prices.csv");
    write(&vfs, "/queries/far.edn", &far).unwrap();
    fails(&vfs, "/results/far.csv", Kind::Invalid, "no query reads https: itself");
}

#[test]
fn the_meta_has_the_file_and_says_why_no_path_keeps_the_answer() {
    let (vfs, _folder, file) = priced("sku,price\nc1,1\n");
    let text = read(&vfs, "/results/priced.csv.meta").unwrap();
    let meta: serde_json::Value = serde_json::from_str(&text).unwrap();
    let source = &meta["sources"][1];
    assert_eq!(source["name"], "$prices");
    assert_eq!(source["file"], file.display().to_string());
    assert_eq!(source["bytes"], 15);
    let hash = factfs_core::hash::NodeHash::of(b"sku,price\nc1,1\n").to_string();
    assert_eq!(source["blake3"], hash);
    assert!(meta["again"].is_null() && text.contains("\"again\": null"), "{text}");
    let why = format!("it reads a file, {}, and a pin keeps none", file.display());
    assert_eq!(meta["again_not"], why);
}

#[test]
fn rows_stand_in_a_query_file() {
    let (vfs, _folder, _) = priced("");
    let rows = PRICED.replace("\"file:prices.csv\"", "[[\"c1\" 9] [\"t/1\" 8]]");
    write(&vfs, "/queries/rows.edn", &rows).unwrap();
    let answer = "sku,count,price\nc1,3,9\nt/1,0,8\n";
    assert_eq!(read(&vfs, "/results/rows.csv").unwrap(), answer);
    let meta = read(&vfs, "/results/rows.csv.meta").unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    assert_eq!(meta["inputs"]["$prices"], "[[\"c1\" 9] [\"t/1\" 8]]");
    let again = format!("/{}", meta["again"].as_str().unwrap());
    assert_eq!(read(&vfs, &again).unwrap(), answer);
    assert_eq!(ino(&vfs, &again), ino(&vfs, "/results/rows.csv"));
    let relation =
        rows.replace("$prices\n", "[[?sku ?price]]\n").replace("[$prices ?sku ?price]", "");
    for named in ["[[?sku ?price]] ", "?price "] {
        let query = relation.replace("{$prices ", &format!("{{{named}"));
        write(&vfs, "/queries/relation.edn", &query).unwrap();
        assert_eq!(read(&vfs, "/results/relation.csv").unwrap(), answer, "{query}");
    }
    let args = relation.replace(":inputs {$prices ", ":args [").replace("]]}}", "]]]}");
    write(&vfs, "/queries/args.edn", &args).unwrap();
    assert_eq!(read(&vfs, "/results/args.csv").unwrap(), answer, "{args}");
}

#[test]
fn an_answer_of_rows_alone_is_checked_and_kept_nowhere() {
    let (vfs, _folder, _) = priced("sku,price\nc1,1\n");
    for (input, rows) in [("[[1 2]]", "1"), ("\"file:prices.csv\"", "c1")] {
        let query = "{:query [:find ?a :in $r :where [$r ?a]] :inputs {$r ROWS}}";
        write(&vfs, "/queries/alone.edn", &query.replace("ROWS", input)).unwrap();
        assert_eq!(read(&vfs, "/results/alone.csv").unwrap(), format!("a\n{rows}\n"));
        let text = read(&vfs, "/results/alone.csv.meta").unwrap();
        let meta: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(meta["again"].is_null() && meta["again_not"].is_string(), "{text}");
        let recipe = crate::tree::pins::Recipe::read(&text).unwrap();
        let Entry::Work(work) = vfs.tree.recipe_work(&recipe).unwrap().entry else { panic!() };
        let made = vfs.tree.render(&work, &Cancel::default()).unwrap();
        assert_eq!(made.content.hash_hex(), meta["blake3"], "{text}");
    }
}

#[test]
fn who_waits_for_a_result_is_told_when_its_file_changes() {
    let (vfs, _folder, file) = priced("sku,price\nc1,1\n");
    let opened = vfs.open(ino(&vfs, "/results/priced.csv.wait"), READ, &Cancel::default());
    let (send, told) = mpsc::channel();
    let handle = opened.unwrap().handle;
    vfs.read_later(handle, 4096, &Cancel::default(), move |read| drop(send.send(read)));
    fs::write(file, "sku,price\nc1,2\n").unwrap();
    let line = told.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
    assert!(String::from_utf8(line).unwrap().contains("\"path\":\"/results/priced.csv\""));
}
