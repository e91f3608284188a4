//! Differences of small databases, as files and in queries.

use crate::error::{Kind, Result};
use crate::fixture::{NOW_MS, tree};
use crate::source::{MemorySource, Source};
use crate::spool::Cancel;
use crate::tree::{Entry, Limits, Tree};
use factfs_core::edn;
use std::time::Duration;

fn content(tree: &Tree, path: &str) -> Result<String> {
    let resolved = tree.walk(path)?;
    let Entry::Work(work) = &resolved.entry else { panic!("{path} is {:?}", resolved.entry) };
    let made = tree.render(work, &Cancel::default());
    let bytes = if work.is_answer() { made?.content } else { tree.about(work, &made) };
    Ok(String::from_utf8(bytes.read(0, 1 << 20)?).unwrap())
}

#[track_caller]
fn check(tree: &Tree, path: &str, expected: &str) {
    match content(tree, path) {
        Ok(text) => assert_eq!(text, expected, "{path}"),
        Err(failure) => panic!("{path}: {failure}"),
    }
}

fn names(tree: &Tree, path: &str) -> Vec<String> {
    let listing = tree.list(&tree.walk(path).unwrap().node, &Cancel::default()).unwrap();
    (0..listing.len()).filter_map(|i| listing.get(i)).map(|listed| listed.name).collect()
}

fn say(source: &MemorySource, branch: &str, tx: &str) {
    source.transact(branch, &edn::read_one(tx).unwrap()).unwrap();
}

const T3: &str = "2026-01-01T00:03:00Z";

#[test]
fn what_changed_is_a_table() {
    let (tree, _) = tree();
    check(
        &tree,
        "/catalog/diff/2..main.csv",
        &format!(
            "e,a,v,change,old,t,instant\n\
             5,:product/price,45,:changed,40,3,{T3}\n\
             536870915,:db/txInstant,{T3},:added,,3,{T3}\n"
        ),
    );
    check(
        &tree,
        "/catalog/diff/main..2.csv",
        "e,a,v,change,old,t,instant\n\
         5,:product/price,40,:changed,45,2,2026-01-01T00:02:00Z\n\
         536870915,:db/txInstant,2026-01-01T00:03:00Z,:retracted,,,\n",
    );
    check(&tree, "/catalog/diff/3..main.csv", "e,a,v,change,old,t,instant\n");
    for format in ["tsv", "json", "jsonl", "edn", "txt", "md"] {
        assert!(content(&tree, &format!("/catalog/diff/0..main.{format}")).unwrap().contains("90"));
    }
}

#[test]
fn columns_are_aligned_and_limits_are_the_same_in_every_format() {
    let (tree, _) = tree();
    check(
        &tree,
        "/catalog/diff/2..main/changed.txt",
        &format!(
            "e  a                v  old  t  instant\n\
             -  --------------  --  ---  -  --------------------\n\
             5  :product/price  45   40  3  {T3}\n"
        ),
    );
    for format in ["csv", "txt", "json"] {
        let path = format!("/catalog/diff/0..main.{format}");
        let Entry::Work(work) = tree.walk(&path).unwrap().entry else { panic!() };
        let limits = Limits { bytes: 300, ..Limits::default() };
        let failure = tree.render_within(&work, &limits, &Cancel::default()).unwrap_err();
        assert_eq!(failure.kind, Kind::TooLarge, "{path}: {failure}");
    }
}

#[test]
fn each_kind_is_a_file_of_its_own() {
    let (tree, _) = tree();
    let folder = "/catalog/diff/2..main";
    let listed = ["added", "retracted", "changed"];
    let listed = listed.map(|kind| [format!("{kind}.csv"), format!("{kind}.json")]).concat();
    assert_eq!(names(&tree, folder), listed);
    check(
        &tree,
        &format!("{folder}/changed.tsv"),
        &format!("e\ta\tv\told\tt\tinstant\n5\t:product/price\t45\t40\t3\t{T3}\n"),
    );
    check(
        &tree,
        &format!("{folder}/added.csv"),
        &format!("e,a,v,t,instant\n536870915,:db/txInstant,{T3},3,{T3}\n"),
    );
    check(&tree, &format!("{folder}/retracted.csv"), "e,a,v,t,instant\n");
    // By name only.
    assert!(!names(&tree, "/catalog").contains(&"diff".to_owned()));
    assert!(names(&tree, "/catalog/diff").is_empty());
}

#[test]
fn branches_tags_and_times_are_ends() {
    let (tree, [catalog, _]) = tree();
    catalog.tag("v1.0", "main");
    catalog.fork("main", "exp");
    say(&catalog, "exp", "[[:db/retract 6 :product/tags :wood] [:db/add 6 :product/price 95]]");
    say(&catalog, "main", "[[:db/add 5 :product/name \"Stool\"]]");
    for from in ["v1.0", "3", "2026-01-01T00:03:00Z"] {
        let changed = content(&tree, &format!("/catalog/diff/{from}..main/changed.csv")).unwrap();
        assert_eq!(
            changed.lines().nth(1).unwrap(),
            "5,:product/name,Stool,Chair,4,2026-01-01T00:04:00Z"
        );
    }
    let across = content(&tree, "/catalog/diff/main..exp.jsonl").unwrap();
    let expected = [
        "\"v\": \"Chair\", \"change\": \":changed\", \"old\": \"Stool\"",
        "\"v\": 95, \"change\": \":changed\", \"old\": 90",
        "\"v\": \":wood\", \"change\": \":retracted\", \"old\": null, \"t\": 4",
    ];
    for words in expected {
        assert!(across.contains(words), "{words}: {across}");
    }
}

#[test]
fn head_is_an_end_as_the_link_of_that_name() {
    let (tree, [catalog, _]) = tree();
    catalog.fork("main", "exp");
    say(&catalog, "main", "[[:db/add 5 :product/name \"Stool\"]]");
    for (head, main) in [("2..head", "2..main"), ("head..exp", "main..exp")] {
        let [head, main] = [head, main].map(|range| format!("/catalog/diff/{range}.csv"));
        check(&tree, &head, &content(&tree, &main).unwrap());
        assert!(!tree.walk(&head).unwrap().is_fixed);
    }
    let on = |branch: &str| {
        let mounted = crate::source::Mounted::new("catalog", catalog.clone());
        let mounted = crate::source::Mounted { branch: Some(branch.into()), ..mounted };
        content(&crate::fixture::tree_of(vec![mounted]), "/catalog/diff/3..head.csv").unwrap()
    };
    assert!(on("main").contains("Stool"));
    assert_eq!(on("exp"), "e,a,v,change,old,t,instant\n", "the branch that is mounted");
    let query = "{:query [:find ?v :in $d :where [$d _ :product/name ?v]]
                  :inputs {$d \"catalog/diff/2..head\"}}";
    assert_eq!(ask(&tree, "new", query).unwrap(), "v\nStool\n");
    let meta = content(&tree, "/results/new.csv.meta").unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    assert_eq!(meta["sources"][0]["branch"], true);
    let path = format!("/pins/{}/results/new.csv", meta["pin"].as_str().unwrap());
    say(&catalog, "main", "[[:db/add 5 :product/name \"Bench\"]]");
    check(&tree, &path, "v\nStool\n");
}

#[test]
fn only_what_can_never_be_anything_else_is_fixed() {
    let (tree, [catalog, _]) = tree();
    let is_fixed = |path: &str| tree.walk(path).unwrap().is_fixed;
    assert!(is_fixed("/catalog/diff/1..3.csv") && is_fixed("/catalog/diff/1..3"));
    assert!(!is_fixed("/catalog/diff/1..main.csv") && !is_fixed("/catalog/diff/1..3.csv.meta"));
    let before = tree.walk("/catalog/diff/1..main.csv").unwrap();
    say(&catalog, "main", "[[:db/add 5 :product/name \"Stool\"]]");
    assert_ne!(tree.walk("/catalog/diff/1..main.csv").unwrap().key, before.key);
    // Who has the old file open goes on reading the old value.
    let Entry::Work(work) = &before.entry else { panic!("{before:?}") };
    let made = tree.render(work, &Cancel::default()).unwrap().content;
    let text = String::from_utf8(made.read(0, 1 << 20).unwrap()).unwrap();
    assert!(text.contains("Chair") && !text.contains("Stool"), "{text}");
}

#[test]
fn where_it_came_from_and_why_there_is_none() {
    let (tree, [catalog, _]) = tree();
    let meta = content(&tree, "/catalog/diff/2..main.csv.meta").unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    let end = |at: usize| (meta["sources"][at]["name"].as_str(), meta["sources"][at]["t"].as_u64());
    assert_eq!((end(0), end(1)), ((Some("$"), Some(3)), (Some("$ from"), Some(2))));
    assert_eq!(meta["rows"], 2);
    assert_eq!(content(&tree, "/catalog/diff/2..main.csv.err").unwrap(), "");
    for path in ["/catalog/diff/2..9.csv", "/catalog/diff/v9..main.csv", "/catalog/diff/2..v9"] {
        let failure = tree.walk(path).unwrap_err();
        assert_eq!(failure.kind, Kind::NotFound, "{path}: {failure}");
    }
    let one = catalog.head("main").unwrap();
    assert!(
        catalog
            .difference("main", &one, &one)
            .unwrap()
            .next()
            .is_none_or(|x| x.unwrap().is_empty())
    );
}

fn ask(tree: &Tree, name: &str, query: &str) -> Result<String> {
    tree.desk().put(name, Some(query), NOW_MS).unwrap();
    content(tree, &format!("/results/{name}.csv"))
}

const DEARER: &str = "{:query [:find ?sku ?old ?new ?count :in $d $catalog $inventory
   :where [$d ?e :product/price ?new :changed ?old] [$catalog ?e :product/sku ?sku]
          [(< ?old ?new)] [$inventory ?i :item/sku ?sku] [$inventory ?i :item/count ?count]]
  :inputs {$d \"catalog/diff/2..main\"}}";

#[test]
fn a_query_joins_changes_with_other_stores() {
    let (tree, [catalog, _]) = tree();
    assert_eq!(ask(&tree, "dearer", DEARER).unwrap(), "sku,old,new,count\nc1,40,45,3\n");
    let identity = tree.walk("/results/dearer.csv").unwrap().key;
    say(&catalog, "main", "[[:db/add 6 :product/price 99]]");
    assert_ne!(tree.walk("/results/dearer.csv").unwrap().key, identity);
    let both = "sku,old,new,count\nc1,40,45,3\nt/1,90,99,0\n";
    assert_eq!(content(&tree, "/results/dearer.csv").unwrap(), both);
    // As of then, a branch is what it was, and a number stays.
    let then = content(&tree, "/at/2026-01-01T00:03:00Z/results/dearer.csv").unwrap();
    assert_eq!(then, "sku,old,new,count\nc1,40,45,3\n");
    let meta = content(&tree, "/results/dearer.csv.meta").unwrap();
    assert!(meta.contains("\"$d from\"") && meta.contains("\"t\": 4"), "{meta}");
}

#[test]
fn one_kind_is_a_source_too_and_fixed_ends_fix_the_answer() {
    let (tree, _) = tree();
    let of = |path: &str| {
        format!("{{:query [:find ?e ?a :in $d :where [$d ?e ?a]] :inputs {{$d \"{path}\"}}}}")
    };
    let answer = ask(&tree, "changed", &of("catalog/diff/2..3/changed")).unwrap();
    assert_eq!(answer, "e,a\n5,:product/price\n");
    let Entry::Work(work) = tree.walk("/results/changed.csv").unwrap().entry else { panic!() };
    let crate::tree::Pins::Plan(Ok(plan)) = &work.pins else { panic!() };
    assert!(plan.is_fixed);
    let failure = ask(&tree, "wrong", &of("catalog/diff/2..v9")).unwrap_err();
    assert_eq!(failure.kind, Kind::NotFound, "{failure}");
    let failure = ask(&tree, "wrong", &of("catalog/diff/main")).unwrap_err();
    assert!(failure.to_string().contains("is not A..B"), "{failure}");
    let failure = ask(&tree, "wrong", &of("shop/diff/2..3")).unwrap_err();
    assert!(failure.to_string().contains("there are: catalog inventory"), "{failure}");
}

#[test]
fn limits_and_cancellation_are_kept() {
    let (tree, _) = tree();
    let Entry::Work(work) = tree.walk("/catalog/diff/0..main.csv").unwrap().entry else { panic!() };
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(tree.render(&work, &cancel).unwrap_err().kind, Kind::Interrupted);
    let limits = Limits { bytes: 100, ..Limits::default() };
    let failure = tree.render_within(&work, &limits, &Cancel::default()).unwrap_err();
    assert_eq!(failure.kind, Kind::TooLarge, "{failure}");
    ask(&tree, "dearer", DEARER).unwrap();
    let Entry::Work(work) = tree.walk("/results/dearer.csv").unwrap().entry else { panic!() };
    for (limits, kind) in [
        (Limits { memory_bytes: 10, ..Limits::default() }, Kind::Memory),
        (Limits { time: Duration::ZERO, ..Limits::default() }, Kind::Timeout),
    ] {
        let failure = tree.render_within(&work, &limits, &Cancel::default()).unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
    }
}
