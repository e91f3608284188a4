//! Every form of path that a mount has, on a mount of the demo: what one can find there in ten
//! minutes, each by its name, and that listings show what they should and end.

use super::{Mount, can_mount};
use crate::support::Place;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Folder,
    /// A file that is read here.
    File,
    /// A file that would wait, or is written.
    Place,
    /// A link to something that is there.
    Link,
}

/// What a path is, if it is anything.
fn found(mount: &Mount, path: &str) -> Result<Is, String> {
    let whole = mount.path(path);
    let about = fs::symlink_metadata(&whole).map_err(|error| error.to_string())?;
    if about.is_symlink() {
        let target = fs::metadata(&whole).map_err(|error| format!("a link to nothing: {error}"))?;
        return Ok(if target.is_dir() { Is::Link } else { Is::Place });
    }
    if about.is_dir() {
        let entries = fs::read_dir(&whole).map_err(|error| format!("not listed: {error}"))?;
        let broken = entries.filter(|entry| entry.is_err()).count();
        return if broken == 0 { Ok(Is::Folder) } else { Err("not listed wholly".to_owned()) };
    }
    if is_waiting(path) {
        return Ok(Is::Place);
    }
    fs::read(&whole).map(|_| Is::File).map_err(|error| format!("not read: {error}"))
}

fn is_waiting(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.ends_with(".wait") || name == ".events"
}

/// A mount of the demo, with a tag, a branch, queries of the team, an attribute that is indexed,
/// and a document of each outcome.
fn demo() -> (Place, Mount) {
    let place = Place::new();
    place.ok(&["demo", ".", "--today", "2026-11-20"], "");
    let mount = Mount::new(&place, "mnt", &["catalog=catalog", "inventory=inventory"]);
    let indexed = "[{:db/ident :product/color :db/valueType :db.type/keyword
        :db/cardinality :db.cardinality/one :db/index true}]\n";
    mount.write("catalog/head/transact", indexed).unwrap();
    let color = "[{:product/sku \"B-10\" :product/color :color/red}]\n";
    mount.write("catalog/head/transact", color).unwrap();
    symlink("../head", mount.path("catalog/tags/q3")).unwrap();
    fs::create_dir(mount.path("catalog/branches/exp")).unwrap();
    let team = "[:find ?n :in $ ?sku :where [?p :product/sku ?sku] [?p :product/name ?n]]";
    fs::write(mount.path("catalog/head/queries/named.edn"), team).unwrap();
    let all = "[:find ?n :where [_ :product/name ?n]]";
    fs::write(mount.path("catalog/head/queries/names.edn"), all).unwrap();
    let document = "{:product/sku \"B-10\" :product/price 17}";
    fs::write(mount.path("catalog/head/inbox/price.edn"), document).unwrap();
    // What fails at its close is not heard of here.
    let _ = fs::write(mount.path("catalog/head/inbox/prize.edn"), document.replace("ce", "ze"));
    (place, mount)
}

/// The folder that a link leads to, below the store.
fn commit(mount: &Mount) -> String {
    let id = fs::read_link(mount.path("catalog/commits/3")).unwrap();
    id.to_str().unwrap().to_owned()
}

fn at_the_top(pin: &str) -> Vec<(String, Is)> {
    let named = |path: &str, is| (path.replace("PIN", pin), is);
    vec![
        named("README.md", Is::File),
        named(".factfs", Is::Folder),
        named(".factfs/version", Is::File),
        named(".factfs/status.json", Is::File),
        named(".factfs/metrics", Is::File),
        named(".factfs/last-error", Is::File),
        named(".factfs/log", Is::File),
        named("queries", Is::Folder),
        named("queries/low-stock.edn", Is::File),
        named("results", Is::Folder),
        named("results/low-stock.csv", Is::File),
        named("results/low-stock.explain", Is::File),
        named("at", Is::Folder),
        named("at/2026-09", Is::Folder),
        named("at/2026-09/results", Is::Folder),
        named("at/2026-09/results/low-stock.csv", Is::File),
        named("at/2026-09/catalog", Is::Link),
        named("at/7d/inventory", Is::Link),
        named("pins", Is::Folder),
        named("pins/PIN", Is::Folder),
        named("pins/PIN/pin.edn", Is::File),
        named("pins/PIN/results", Is::Folder),
        named("pins/PIN/results/low-stock.csv", Is::File),
        named("pins/PIN/catalog", Is::Link),
        named("pins/q3", Is::Link),
    ]
}

/// Eight digits of a commit's hash or a few more: those that read as a `t` or an age mean one.
fn prefix(id: &str) -> &str {
    let hash = &id[id.find('-').unwrap() + 1..];
    let is_plain = |text: &str| text[..text.len() - 1].contains(|c: char| !c.is_ascii_digit());
    (8..=hash.len()).map(|length| &hash[..length]).find(|text| is_plain(text)).unwrap_or(id)
}

fn of_a_store(id: &str) -> Vec<(String, Is)> {
    let hash = prefix(id);
    let named =
        |path: &str, is| (format!("catalog/{}", path.replace("ID", id).replace("HASH", hash)), is);
    vec![
        named("", Is::Folder),
        named("store.json", Is::File),
        named("head", Is::Link),
        named("at", Is::Link),
        named("log", Is::Link),
        named("queries", Is::Link),
        named("transact", Is::Place),
        named("inbox", Is::Link),
        named("branches", Is::Folder),
        named("branches/main", Is::Folder),
        named("branches/exp", Is::Folder),
        named("tags", Is::Folder),
        named("tags/q3", Is::Link),
        named("commits", Is::Folder),
        named("commits/ID", Is::Folder),
        named("commits/3", Is::Link),
        named("commits/HASH", Is::Link),
        named("diff", Is::Folder),
        named("diff/1..main.csv", Is::File),
        named("diff/1..main", Is::Folder),
        named("diff/1..main/added.csv", Is::File),
        named("diff/1..main/retracted.json", Is::File),
        named("diff/1..main/changed.txt", Is::File),
    ]
}

fn of_a_branch(id: &str) -> Vec<(String, Is)> {
    let hash = prefix(id);
    let named = |path: &str, is| {
        let path = path.replace("HASH", hash).replace("ID", id);
        (format!("catalog/branches/main/{path}"), is)
    };
    vec![
        named("queries", Is::Folder),
        named("queries/names.edn", Is::File),
        named("transact", Is::File),
        named("transact.json", Is::File),
        named("transact.err", Is::File),
        named("inbox", Is::Folder),
        named("inbox/price.edn", Is::File),
        named("inbox/price.edn.result", Is::File),
        named("inbox/prize.edn.err", Is::File),
        named("merge", Is::File),
        named("merge.err", Is::File),
        named("merge.conflicts.csv", Is::File),
        named("at", Is::Folder),
        named("at/3", Is::Link),
        named("at/7d", Is::Link),
        named("at/2026-09", Is::Link),
        named("at/2026-09-30", Is::Link),
        named("at/2026-09-30T00:00:00Z", Is::Link),
        named("at/q3", Is::Link),
        named("at/exp", Is::Link),
        named("at/HASH", Is::Link),
        named("at/ID", Is::Link),
        named("log", Is::Folder),
        named("log/3.edn", Is::File),
        named(".wait", Is::Place),
        named(".events", Is::Place),
    ]
}

/// The forms of a snapshot folder, below it.
fn of_a_snapshot(folder: &str) -> Vec<(String, Is)> {
    let named = |path: &str, is| (format!("{folder}/{path}"), is);
    let mut all = vec![
        named("snapshot.json", Is::File),
        named("schema.edn", Is::File),
        named("schema.json", Is::File),
        named("entities", Is::Folder),
        named("entities/10.edn", Is::File),
        named("entities/10.json", Is::File),
        named("by", Is::Folder),
        named("by/product", Is::Folder),
        named("by/product/sku", Is::Folder),
        named("by/product/sku/B-10.edn", Is::File),
        named("by/product/sku/B-10.json", Is::File),
        named("tables", Is::Folder),
        named("results", Is::Folder),
        named("results/named", Is::Folder),
        named("results/named/B-10.csv", Is::File),
        named("results/names.explain", Is::File),
        named("results/named/B-10.explain", Is::File),
        named("query", Is::Folder),
        named("query/[:find ?n :where [_ :product/name ?n]].explain", Is::File),
        named("query/README", Is::File),
    ];
    for format in ["csv", "tsv", "json", "jsonl", "edn", "txt", "md"] {
        let query = "query/[:find ?n :where [_ :product/name ?n]]";
        for stem in ["tables/product", "results/names", "datoms", query] {
            all.push(named(&format!("{stem}.{format}"), Is::File));
        }
    }
    for about in ["err", "meta"] {
        all.push(named(&format!("results/names.csv.{about}"), Is::File));
    }
    all
}

/// What is not so, a line each.
fn wrong(mount: &Mount, forms: &[(String, Is)]) -> Vec<String> {
    let say = |(path, is): &(String, Is)| match found(mount, path) {
        Ok(found) if found == *is => None,
        Ok(found) => Some(format!("{path}: {found:?}, not {is:?}")),
        Err(error) => Some(format!("{path}: {error}")),
    };
    forms.iter().filter_map(say).collect()
}

#[test]
fn every_form_of_path_is_there() {
    if !can_mount() {
        return;
    }
    let (_place, mount) = demo();
    let id = commit(&mount);
    let meta = mount.read("results/low-stock.csv.meta").unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    let pin = meta["pin"].as_str().unwrap();
    symlink(pin, mount.path("pins/q3")).unwrap();
    let mut forms = [at_the_top(pin), of_a_store(&id), of_a_branch(&id)].concat();
    forms.extend(of_a_snapshot("catalog/branches/main"));
    forms.extend(of_a_snapshot(&format!("catalog/commits/{id}")));
    forms.push(("catalog/branches/main/results/names.csv.wait".to_owned(), Is::Place));
    let color = "catalog/head/by/product/color";
    forms.push((color.to_owned(), Is::Folder));
    forms.push((format!("{color}/:color/red"), Is::Folder));
    forms.push((format!("{color}/:color/red/10.edn"), Is::Place));
    forms.push((meta["again"].as_str().unwrap().to_owned(), Is::File));
    let wrong = wrong(&mount, &forms);
    assert!(wrong.is_empty(), "of {} forms:\n{}", forms.len(), wrong.join("\n"));
}

/// The names in a folder.
fn listed(mount: &Mount, path: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(mount.path(path)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[track_caller]
fn lists(mount: &Mount, path: &str, shown: &[&str], hidden: &[&str]) {
    let names = listed(mount, path);
    let missing: Vec<_> = shown.iter().filter(|name| !names.contains(**name)).collect();
    let seen: Vec<_> = hidden.iter().filter(|name| names.contains(**name)).collect();
    assert!(missing.is_empty() && seen.is_empty(), "{path}: {names:?}: {missing:?} {seen:?}");
}

#[test]
fn listings_show_what_ends() {
    if !can_mount() {
        return;
    }
    let (_place, mount) = demo();
    let top = ["README.md", "queries", "results", "at", "pins", "catalog", "inventory"];
    lists(&mount, "", &top, &[".factfs"]);
    let store = ["store.json", "head", "at", "log", "queries", "transact", "inbox", "branches"];
    lists(&mount, "catalog", &[&store[..], &["tags"]].concat(), &["commits", "diff"]);
    let snapshot = ["snapshot.json", "schema.edn", "schema.json", "entities", "tables", "results"];
    let by_name = ["by", "query", ".wait", ".events", "datoms.csv"];
    let head = [&snapshot[..], &["datoms.edn", "transact", "inbox", "queries"]].concat();
    lists(&mount, "catalog/branches/main", &head, &by_name);
    let id = commit(&mount);
    lists(&mount, &format!("catalog/commits/{id}"), &snapshot, &by_name);
    lists(&mount, "catalog/tags", &["q3"], &[]);
    lists(&mount, "catalog/branches", &["main", "exp"], &[]);
    let tables = ["product.csv", "product.json"];
    lists(&mount, "catalog/head/tables", &tables, &["product.txt", "product.csv.err"]);
    let results = ["names.csv", "names.json", "named"];
    lists(
        &mount,
        "catalog/head/results",
        &results,
        &["names.edn", "names.csv.meta", "names.explain"],
    );
    lists(&mount, "catalog/head/entities", &["10.edn"], &["10.json"]);
    lists(&mount, "catalog/head/log", &["1.edn", "3.edn"], &[]);
}
