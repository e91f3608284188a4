//! Pins of two small databases, path by path.

use super::*;
use crate::fixture::{CATALOG, database, tree};
use crate::source::{MemorySource, Mounted, Source};
use crate::spool::Cancel;
use crate::tree::{Entry, Limits, LocalDesk, Parts, Resolved, Tree};
use factfs_core::text::Format;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;

fn content(tree: &Tree, path: &str) -> Result<String> {
    let resolved = tree.walk(path)?;
    let bytes = match &resolved.entry {
        Entry::Bytes(content) => content.clone(),
        Entry::Work(work) => {
            let made = tree.render(work, &Cancel::default());
            if work.is_answer() { made?.content } else { tree.about(work, &made) }
        }
        other => panic!("{path} is {other:?}"),
    };
    Ok(String::from_utf8(bytes.read(0, 1 << 20)?).unwrap())
}

fn meta(tree: &Tree, path: &str) -> (Json, String) {
    let text = content(tree, &format!("{path}.meta")).unwrap();
    (serde_json::from_str(&text).unwrap(), text)
}

fn again(tree: &Tree, path: &str) -> String {
    meta(tree, path).0["again"].as_str().unwrap_or_else(|| panic!("{path}")).to_owned()
}

fn transact(source: &MemorySource, text: &str) {
    source.transact("main", &edn::read_one(text).unwrap()).unwrap();
}

fn names(tree: &Tree, path: &str) -> Vec<String> {
    let node = tree.walk(path).unwrap().node;
    let listing = tree.list(&node, &Cancel::default()).unwrap();
    (0..listing.len()).filter_map(|i| listing.get(i)).map(|listed| listed.name).collect()
}

/// The same databases mounted under other names, with these queries.
fn elsewhere(sources: &[Arc<MemorySource>; 2], desk: LocalDesk) -> Tree {
    let stores = [("products", sources[0].clone()), ("stock", sources[1].clone())];
    Tree::new(Parts {
        stores: stores.into_iter().map(|(name, source)| Mounted::new(name, source)).collect(),
        desk,
        clock: Arc::new(|| crate::fixture::NOW_MS),
        limits: Limits::default(),
        formats: vec![Format::Csv],
        is_read_only: false,
    })
}

/// Files of all kinds that follow a branch, or take words that move.
const FILES: [&str; 8] = [
    "/results/stock.csv",
    "/results/stock.json",
    "/at/2026-01/results/stock.csv",
    "/catalog/branches/main/tables/product.csv",
    "/catalog/branches/main/entities/5.edn",
    "/catalog/branches/main/by/product/sku/c1.json",
    "/catalog/branches/main/datoms.csv",
    "/catalog/branches/main/query/[:find ?s ?c :in $ $inventory :where [?e :product/sku ?s] \
     [$inventory ?i :item/sku ?s] [$inventory ?i :item/count ?c]].csv",
];

fn change(sources: &[Arc<MemorySource>; 2]) {
    transact(&sources[0], r#"[{:product/sku "c1" :product/name "Stool" :product/price 1}]"#);
    transact(&sources[1], r#"[{:item/sku "c1" :item/count 77}]"#);
}

/// A link of the tree is followed as the kernel does.
fn follow(tree: &Tree, path: &str) -> Result<String> {
    let parts: Vec<&str> = path.trim_start_matches('/').splitn(4, '/').collect();
    if let ["pins", id, store, rest] = parts[..]
        && let Entry::Link(target) = tree.walk(&format!("/pins/{id}/{store}"))?.entry
    {
        let target = target.strip_prefix("../../").expect("relative, inside the mount").to_owned();
        return content(tree, &format!("/{target}/{rest}"));
    }
    content(tree, path)
}

#[test]
fn what_meta_names_gives_the_same_bytes_later() {
    let (tree, sources) = tree();
    let before: Vec<_> =
        FILES.map(|path| (path, content(&tree, path).unwrap(), again(&tree, path))).into();
    change(&sources);
    for (path, bytes, again) in before {
        assert_ne!(content(&tree, path).unwrap_or_default(), bytes, "{path} has moved");
        assert_eq!(follow(&tree, &again).unwrap(), bytes, "{path} again at {again}");
    }
}

#[test]
fn a_query_that_was_changed_is_asked_again_as_it_was() {
    let (tree, _) = tree();
    let bytes = content(&tree, "/results/stock.csv").unwrap();
    let again = again(&tree, "/results/stock.csv");
    tree.desk()
        .put("stock", Some("[:find ?n . :in $catalog :where [$catalog _ :product/name ?n]]"), 0)
        .unwrap();
    assert_eq!(content(&tree, &again).unwrap(), bytes);
    let id = again.split('/').nth(1).unwrap();
    let today = content(&tree, &format!("/pins/{id}/results/stock.csv")).unwrap();
    assert_eq!(today, "n\nChair\n", "the saved query in today's wording");
}

#[test]
fn a_result_under_a_pin_reads_its_commits_and_follows_todays_wording() {
    let (tree, sources) = tree();
    let id = again(&tree, "/results/stock.csv").split('/').nth(1).unwrap().to_owned();
    change(&sources);
    let pinned = format!("/pins/{id}/results/stock.csv");
    assert_eq!(content(&tree, &pinned).unwrap(), "name,count\nChair,3\nTable,0\n");
    let resolved = tree.walk(&pinned).unwrap();
    assert!(!resolved.is_fixed, "the wording may change");
    let Entry::Work(work) = resolved.entry else { panic!() };
    assert!(work.is_in_commit(), "its size is exact");
    let (about, _) = meta(&tree, &pinned);
    assert_eq!(about["pin"], *id, "the same commits, the same pin");
    assert!(tree.walk(about["again"].as_str().unwrap()).unwrap().is_fixed);
}

#[test]
fn a_pin_is_a_folder_of_links_and_its_text() {
    let (tree, sources) = tree();
    let (about, _) = meta(&tree, "/results/stock.csv");
    let folder = format!("/pins/{}", about["pin"].as_str().unwrap());
    assert_eq!(names(&tree, &folder), {
        let mut stores = [("catalog", &sources[0]), ("inventory", &sources[1])];
        stores.sort_by_key(|(_, source)| source.uuid());
        [&["pin.edn", "results"][..], &[stores[0].0, stores[1].0]].concat()
    });
    let head = sources[0].head("main").unwrap().id();
    match tree.walk(&format!("{folder}/catalog")).unwrap() {
        Resolved { entry: Entry::Link(target), is_fixed: true, .. } => {
            assert_eq!(target, format!("../../catalog/commits/{head}"));
        }
        other => panic!("{other:?}"),
    }
    let text = content(&tree, &format!("{folder}/pin.edn")).unwrap();
    assert_eq!(&*Pin::read(&text).unwrap().id(), about["pin"]);
    assert_eq!(names(&tree, &format!("{folder}/results")), ["stock.csv", "stock.json"]);
    assert_eq!(names(&tree, "/pins"), [""; 0], "known, and not kept");
}

#[test]
fn another_mount_makes_it_again_from_the_meta_alone() {
    let (tree, sources) = tree();
    for path in FILES {
        let bytes = content(&tree, path).unwrap();
        let (about, text) = meta(&tree, path);
        let other = elsewhere(&sources, LocalDesk::default());
        let failure = follow(&other, about["again"].as_str().unwrap()).unwrap_err();
        assert!(failure.to_string().contains("--pin FILE"), "{failure}");
        let added = other.pins().add(&text).unwrap();
        let expected = about["again"].as_str().unwrap();
        assert_eq!(added, expected);
        // The link has the name of the store where the pin was made, and leads to its name here.
        assert_eq!(follow(&other, expected).unwrap(), bytes, "{path}");
        assert!(names(&other, "/pins").contains(&about["pin"].as_str().unwrap().to_owned()));
    }
}

#[test]
fn what_is_kept_outlives_the_mount() {
    let folder = tempfile::tempdir().unwrap();
    let desk = || LocalDesk::Folder(folder.path().join("queries"));
    let (first, sources) = tree();
    let bytes = content(&first, "/results/stock.csv").unwrap();
    let (about, text) = meta(&first, "/results/stock.csv");
    let id = about["pin"].as_str().unwrap().to_owned();
    let path = {
        let tree = elsewhere(&sources, desk());
        tree.pins().add(&text).unwrap()
    };
    change(&sources);
    let tree = elsewhere(&sources, desk());
    assert_eq!(content(&tree, &path).unwrap(), bytes);
    assert_eq!(names(&tree, "/pins"), [id.as_str()]);
    let own = Path::new(&path).file_name().unwrap().to_str().unwrap();
    assert_eq!(names(&tree, &format!("/pins/{id}/results")), [own]);
    tree.pins().name("q3", Some(&id)).unwrap();
    let tree = elsewhere(&sources, desk());
    assert_eq!(names(&tree, "/pins"), ["q3".to_owned(), id.clone()]);
    assert!(matches!(tree.walk("/pins/q3").unwrap().entry, Entry::Link(to) if to == id));
    tree.pins().name("q3", None).unwrap();
    assert_eq!(tree.walk("/pins/q3").unwrap_err().kind, Kind::NotFound);
    // What somebody changed is not believed.
    let file = folder.path().join("queries/.pins").join(&id).join("pin.edn");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&id, "0000000000000000")).unwrap();
    let tree = elsewhere(&sources, desk());
    assert!(tree.walk(&format!("/pins/{id}")).unwrap_err().message.contains("what it pins makes"));
}

/// A `.meta` comes by mail: what it calls its query once was a path out of the folder.
#[test]
fn a_meta_writes_nothing_outside_the_folder_of_pins() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, sources) = tree();
    let (_, text) = meta(&tree, "/results/stock.csv");
    let tree = elsewhere(&sources, LocalDesk::Folder(folder.path().join("mine/queries")));
    for name in ["../../../../stolen", "/stolen", "a/b", "..", ".x", "", "A", "x\\u001b[2J"] {
        let text = text.replacen("\"stock\"", &format!("\"{name}\""), 1);
        let failure = tree.pins().add(&text).unwrap_err();
        assert_eq!(failure.kind, Kind::Invalid, "{name}");
        assert!(failure.message.contains("which is no name"), "{name}: {failure}");
        assert!(!failure.to_string().contains('\u{1b}'), "{failure:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

const CHANGES: &str = "/catalog/branches/main/query/{:query [:find ?e ?a :in $d \
    :where [$d ?e ?a]] :inputs {$d \"catalog/diff/main..2/changed\"}}.csv";

/// Other changes between the same commits once had the name and the bytes of these.
#[test]
fn which_changes_are_read_is_part_of_what_an_answer_is() {
    let (tree, _) = tree();
    let (_, text) = meta(&tree, CHANGES);
    let key = |text: &str| {
        let path = tree.pins().add(text).unwrap();
        (tree.walk(&path).unwrap().key, path)
    };
    let (one, other) = (key(&text), key(&text.replace("\"changed\"", "\"retracted\"")));
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, other.1);
    assert_eq!(content(&tree, &one.1).unwrap(), "e,a\n5,:product/price\n");
    assert_eq!(content(&tree, &other.1).unwrap(), "e,a\n536870915,:db/txInstant\n");
    let failure = Recipe::read(&text.replace("\"changed\"", "\"moved\"")).unwrap_err();
    assert!(failure.message.contains("`moved`"), "{failure}");
}

#[test]
fn a_difference_made_again_has_the_pin_of_its_branch() {
    let (tree, _) = tree();
    let (first, _) = meta(&tree, CHANGES);
    let (second, _) = meta(&tree, first["again"].as_str().unwrap());
    for field in ["pin", "again", "sources"] {
        assert_eq!(second[field], first[field], "{field}");
    }
}

/// The databases under each other's names.
fn swapped(sources: &[Arc<MemorySource>; 2]) -> Tree {
    let stores = [("inventory", sources[0].clone()), ("catalog", sources[1].clone())];
    Tree::new(Parts {
        stores: stores.into_iter().map(|(name, source)| Mounted::new(name, source)).collect(),
        desk: LocalDesk::default(),
        clock: Arc::new(|| crate::fixture::NOW_MS),
        limits: Limits::default(),
        formats: vec![Format::Csv],
        is_read_only: false,
    })
}

const NAMES: &str = "[:find ?n :in $db :where [$db _ :product/name ?n]]";

#[test]
fn under_a_pin_names_are_those_of_the_pin_everywhere() {
    let (tree, sources) = tree();
    let (about, text) = meta(&tree, "/results/stock.csv");
    let other = swapped(&sources);
    other.pins().add(&text).unwrap();
    let pin = format!("/pins/{}", about["pin"].as_str().unwrap());
    let table = content(&tree, "/catalog/branches/main/tables/product.csv").unwrap();
    let follow = |name: &str| follow(&other, &format!("{pin}/{name}/tables/product.csv"));
    assert_eq!(follow("catalog").unwrap(), table);
    let listed = names(&other, &pin);
    assert!(listed.contains(&"catalog".to_owned()) && listed.contains(&"inventory".to_owned()));
    other.desk().put("names", Some(NAMES), 0).unwrap();
    let path = format!("{pin}/results/names/catalog.csv");
    assert_eq!(content(&other, &path).unwrap(), "n\nChair\nTable\n");
}

/// A store that only the pin knows by the name that a query has for it.
#[test]
fn what_the_pin_calls_a_store_is_no_argument() {
    let (tree, sources) = tree();
    let shop = Tree::new(Parts {
        stores: vec![Mounted::new("shop", sources[0].clone())],
        desk: LocalDesk::default(),
        clock: Arc::new(|| crate::fixture::NOW_MS),
        limits: Limits::default(),
        formats: vec![Format::Csv],
        is_read_only: false,
    });
    let query = NAMES.replace("$db", "$shop");
    shop.desk().put("names", Some(&query), 0).unwrap();
    let (about, text) = meta(&shop, "/results/names.csv");
    tree.pins().add(&text).unwrap();
    tree.desk().put("names", Some(&query), 0).unwrap();
    let results = format!("/pins/{}/results", about["pin"].as_str().unwrap());
    assert!(names(&tree, &results).contains(&"names.csv".to_owned()));
    assert_eq!(content(&tree, &format!("{results}/names.csv")).unwrap(), "n\nChair\nTable\n");
    assert!(tree.walk(&format!("{results}/names")).is_err(), "it takes no argument");
}

/// A store is called otherwise here, and another one has the name it had.
#[test]
fn a_name_that_was_taken_since_means_what_the_pin_says() {
    let (tree, sources) = tree();
    let (about, text) = meta(&tree, "/catalog/branches/main/tables/product.csv");
    let other = swapped(&sources);
    other.pins().add(&text).unwrap();
    let bytes = content(&tree, "/catalog/branches/main/tables/product.csv").unwrap();
    assert_eq!(follow(&other, about["again"].as_str().unwrap()).unwrap(), bytes);
    let pin = format!("/pins/{}", about["pin"].as_str().unwrap());
    assert_eq!(names(&other, &pin), ["pin.edn", "results", "inventory"]);
    assert_eq!(follow(&other, &format!("{pin}/inventory/tables/product.csv")).unwrap(), bytes);
}

#[test]
fn what_was_read_from_its_file_is_known_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let desk = || LocalDesk::Folder(folder.path().join("queries"));
    let (first, sources) = tree();
    let bytes = content(&first, "/results/stock.csv").unwrap();
    let path = elsewhere(&sources, desk()).pins().add(&meta(&first, "/results/stock.csv").1);
    let path = path.unwrap();
    let tree = elsewhere(&sources, desk());
    assert_eq!(content(&tree, &path).unwrap(), bytes);
    std::fs::remove_dir_all(folder.path().join("queries/.pins")).unwrap();
    assert_eq!(content(&tree, &path).unwrap(), bytes);
}

#[test]
fn what_is_not_here_is_told_by_its_uuid() {
    let (tree, sources) = tree();
    let (about, text) = meta(&tree, "/results/stock.csv");
    let id = about["pin"].as_str().unwrap();
    let uuid = sources[1].uuid().to_string();
    let alone = Tree::new(Parts {
        stores: vec![Mounted::new("catalog", sources[0].clone())],
        desk: LocalDesk::default(),
        clock: Arc::new(|| crate::fixture::NOW_MS),
        limits: Limits::default(),
        formats: vec![Format::Csv],
        is_read_only: false,
    });
    let path = alone.pins().add(&text).unwrap();
    for path in [path.as_str(), &format!("pins/{id}/inventory")] {
        let failure = content(&alone, path).unwrap_err();
        assert_eq!(failure.kind, Kind::NotFound);
        assert!(failure.message.contains(&uuid), "{path}: {failure}");
    }
    assert_eq!(names(&alone, &format!("/pins/{id}")), ["pin.edn", "results", "catalog"]);
    // A database made anew is another one, though it says the same.
    let rewritten = database("catalog", &CATALOG[..2]);
    transact(&rewritten, r#"[{:product/sku "c1" :product/price 46}]"#);
    let other = elsewhere(&[rewritten, sources[1].clone()], LocalDesk::default());
    let path = other.pins().add(&text).unwrap();
    let failure = content(&other, &path).unwrap_err();
    assert!(failure.message.contains("products has no commit 3-"), "{failure}");
}

/// Values as they are in a path, in a file, and as of a moment; rules; a source in the path.
#[test]
fn inputs_of_all_kinds_come_back() {
    let (tree, sources) = tree();
    let desk = tree.desk();
    for (name, text, path) in [
        (
            "named",
            "[:find ?n :in $catalog ?p ?s :where [$catalog ?e :product/price ?p]
              [$catalog ?e :product/sku ?s] [$catalog ?e :product/name ?n]]",
            "named/90/t%2F1",
        ),
        (
            "rules",
            "{:query [:find ?n ?x ?now :in $catalog % [?x ...] [[?a ?b]] ?now ?f
                      :where (of ?n ?x)]
              :rules [[(of ?n ?x) [$catalog ?e :product/sku ?s] [$catalog ?e :product/name ?n]
                       [(= ?x ?s)]]]
              :inputs {[?x ...] [\"c1\" \"q\\\"\"] [[?a ?b]] [[1 2.5] [:k nil]] ?now :basis
                       ?f ##NaN}}",
            "rules",
        ),
        (
            "then",
            "[:find ?new ?old :in $catalog $then :where [$catalog ?e :product/price ?new]
              [$then ?e :product/price ?old] [(not= ?new ?old)]]",
            "then/catalog@2",
        ),
    ] {
        let text = text.replace(
            "(of ?n ?x)]\n              :rules",
            "($catalog of ?n ?x)]\n              :rules",
        );
        desk.put(name, Some(&text), 0).unwrap();
        let path = format!("/results/{path}.json");
        let bytes = content(&tree, &path).unwrap_or_else(|failure| panic!("{path}: {failure}"));
        let again = again(&tree, &path);
        assert!(again.contains(&format!("/results/{name}-")), "{again}");
        desk.put(name, None, 0).unwrap();
        assert_eq!(content(&tree, &again).unwrap(), bytes, "{path}");
        change(&sources);
        assert_eq!(content(&tree, &again).unwrap(), bytes, "{path}");
    }
}

#[test]
fn a_result_under_a_pin_finds_stores_by_the_names_they_had() {
    let (tree, sources) = tree();
    let (about, text) = meta(&tree, "/results/stock.csv");
    let bytes = content(&tree, "/results/stock.csv").unwrap();
    change(&sources);
    let other = elsewhere(&sources, LocalDesk::default());
    other.desk().put("stock", Some(crate::fixture::STOCK), 0).unwrap();
    other.pins().add(&text).unwrap();
    let path = format!("/pins/{}/results/stock.csv", about["pin"].as_str().unwrap());
    assert_eq!(content(&other, &path).unwrap(), bytes);
}

#[test]
fn a_source_with_a_time_of_its_own_keeps_it() {
    let (tree, sources) = tree();
    let query = "{:query [:find ?old ?new :in $old $catalog :where [$old ?e :product/price ?old]
      [$catalog ?e :product/price ?new] [(not= ?old ?new)]] :inputs {$old \"catalog/at/2\"}}";
    tree.desk().put("changed", Some(query), 0).unwrap();
    assert_eq!(content(&tree, "/results/changed.csv").unwrap(), "old,new\n40,45\n");
    let (about, _) = meta(&tree, "/results/changed.csv");
    let head = sources[0].head("main").unwrap().id();
    let id = about["pin"].as_str().unwrap();
    let Entry::Link(to) = tree.walk(&format!("/pins/{id}/catalog")).unwrap().entry else {
        panic!()
    };
    assert!(to.ends_with(&head), "the pin is the branch's commit: {to}");
    change(&sources);
    for path in [about["again"].as_str().unwrap(), &format!("/pins/{id}/results/changed.csv")] {
        assert_eq!(content(&tree, path).unwrap(), "old,new\n40,45\n", "{path}");
    }
}

fn pin() -> Pin {
    let commit = |t| CommitId { t: T(t), hash: [t as u8; 32] };
    let pinned = |store: &str, t| Pinned {
        store: store.into(),
        commit: (t > 0).then(|| commit(t)),
        instant_ms: (t > 0).then_some(1_767_225_660_000),
    };
    let uuid = |b| Uuid::from_bytes([b; 16]);
    Pin::new([(uuid(2), pinned("in \"x\"", 7)), (uuid(1), pinned("catalog", 0))])
}

#[test]
fn its_text_leads_back_to_it() {
    let pin = pin();
    assert_eq!(Pin::read(&pin.text()).unwrap(), pin);
    let other = pin.text().replacen("7-0707", "7-0708", 1);
    let failure = Pin::read(&other).unwrap_err();
    assert!(failure.message.contains("and what it pins makes"), "{failure}");
}

/// The id is a promise to other machines and later versions.
#[test]
fn its_id_is_that_of_the_bytes_in_the_manual() {
    let mut bytes = Vec::new();
    bytes.extend([1; 16]);
    bytes.extend([0; 40]);
    bytes.extend([2; 16]);
    bytes.extend(7_u64.to_le_bytes());
    bytes.extend([7; 32]);
    let hash = factfs_core::hash::NodeHash::of(&bytes).to_string();
    assert_eq!(&*pin().id(), &hash[..16]);
    assert_eq!(&*pin().id(), "c82c77b125e9fbc4");
    assert!(is_pin_id(&pin().id()) && !is_pin_id("q3") && !is_pin_id("9F3c2a71b0de55aa"));
}

#[test]
fn what_is_no_pin_is_told() {
    for (text, words) in [
        ("[1]", "no pin"),
        ("{:stores []}", "at least one store"),
        ("{:stores [{:uuid \"x\" :commit \"0\"}]}", "pins no store"),
        ("{:stores [1]}", "pins no store"),
        ("{\"sources\": []}", "no `.meta`"),
        ("{", "EOF"),
    ] {
        let failure = Pin::read(text).unwrap_err();
        assert_eq!(failure.kind, Kind::Invalid, "{text}");
        if words != "EOF" {
            assert!(failure.message.contains(words), "{text}: {failure}");
        }
    }
}
