//! Reports of two small databases, made again elsewhere.

use super::*;
use crate::fixture::{CATALOG, database};
use crate::source::{MemorySource, Source};
use factfs_core::edn;

/// A `.meta`, read where the databases were mounted.
fn report(path: &str) -> (Recipe, Expected, [Arc<MemorySource>; 2]) {
    let (tree, sources) = crate::fixture::tree();
    let Entry::Work(work) = tree.walk(&format!("{path}.meta")).unwrap().entry else { panic!() };
    let made = tree.render(&work, &Cancel::default());
    let text = tree.about(&work, &made).read(0, 1 << 20).unwrap();
    let text = String::from_utf8(text).unwrap();
    (Recipe::read(&text).unwrap(), Expected::read(&text).unwrap(), sources)
}

fn transact(source: &MemorySource, text: &str) {
    source.transact("main", &edn::read_one(text).unwrap()).unwrap();
}

type Given = std::result::Result<Option<Arc<MemorySource>>, Failure>;

/// The verdict over databases that are given for `catalog` and `inventory`.
fn judge(report: &(Recipe, Expected, [Arc<MemorySource>; 2]), given: [Given; 2]) -> Verdict {
    let open = |read: &Read| {
        let found = given[usize::from(read.store == "inventory")].clone()?;
        Ok(found.map(|source| Mounted::new(&read.store, source)))
    };
    let look = |read: &Read| Ok(vec![format!("looked through {}", read.store)]);
    verify(&report.0, &report.1, Limits::default(), &mut { open }, &mut { look })
}

fn differences(verdict: &Verdict) -> Vec<Vec<String>> {
    assert!(!verdict.is_same);
    let of = |judged: &Judged| judged.differences.iter().map(ToString::to_string).collect();
    verdict.sources.iter().map(of).collect()
}

fn as_they_are(report: &(Recipe, Expected, [Arc<MemorySource>; 2])) -> [Given; 2] {
    report.2.clone().map(|source| Ok(Some(source)))
}

#[test]
fn the_same_bytes_a_hundred_transactions_later() {
    for path in [
        "/results/stock.csv",
        "/results/stock.json",
        "/catalog/branches/main/tables/product.md",
        "/catalog/branches/main/entities/5.edn",
        "/catalog/branches/main/schema.json",
        "/catalog/branches/main/query/[:find ?n :where [_ :product/name ?n]].tsv",
        "/catalog/diff/1..main.csv",
        "/catalog/diff/1..main/changed.json",
        "/catalog/branches/main/query/{:query [:find ?e ?a :in $new :where [$new _ ?e ?a]] \
         :inputs {$new \"catalog/diff/1..main/added\"}}.csv",
    ] {
        let report = report(path);
        for n in 0..100 {
            transact(&report.2[0], &format!("[{{:product/sku \"c1\" :product/price {n}}}]"));
            transact(&report.2[1], &format!("[{{:item/sku \"c1\" :item/count {n}}}]"));
        }
        let verdict = judge(&report, as_they_are(&report));
        assert!(verdict.is_same, "{path}: {verdict:?}");
        assert_eq!(verdict.made.unwrap().blake3, report.1.blake3);
    }
}

#[test]
fn a_history_with_another_fact_is_named() {
    let report = report("/results/stock.csv");
    let rewritten = database("catalog", &CATALOG[..2]);
    transact(&rewritten, r#"[{:product/sku "c1" :product/price 46}]"#);
    let other = rewritten.head("main").unwrap().id();
    let verdict = judge(&report, [Ok(Some(rewritten)), Ok(Some(report.2[1].clone()))]);
    let words = format!("it has no such commit: at that t it has {other}, with other facts");
    assert_eq!(differences(&verdict), [vec![words], vec![]]);
    let shorter = database("catalog", &CATALOG[..2]);
    let verdict = judge(&report, [Ok(Some(shorter)), Ok(Some(report.2[1].clone()))]);
    let words = "it has no such commit: its history is shorter".to_owned();
    assert_eq!(differences(&verdict), [vec![words], vec![]]);
}

#[test]
fn what_is_not_there_or_another_database_is_named() {
    let report = report("/results/stock.csv");
    let another = database("else", &[]);
    let words = format!("what is there is another database, {}", another.uuid());
    let verdict = judge(&report, [Ok(None), Ok(Some(another))]);
    let unknown = "it is not known where this database is".to_owned();
    assert_eq!(differences(&verdict), [vec![unknown], vec![words]]);
    assert_eq!(verdict.made.unwrap_err().kind, Kind::NotFound);
    let failure = Failure::new(Kind::Unavailable, "nobody answers");
    let verdict = judge(&report, [Err(failure), Ok(Some(report.2[1].clone()))]);
    assert_eq!(differences(&verdict)[0], ["nobody answers"]);
}

#[test]
fn sources_are_looked_through_when_the_bytes_differ() {
    let mut report = report("/results/stock.csv");
    report.1.blake3.replace_range(..1, "x");
    let verdict = judge(&report, as_they_are(&report));
    let [catalog, inventory] = [0, 1].map(|i| differences(&verdict)[i].clone());
    assert_eq!(catalog, ["it is damaged\n    looked through catalog"]);
    assert_eq!(inventory, ["it is damaged\n    looked through inventory"]);
}

/// A report that was made of a file, and the folder that the file `prices.csv` is in.
fn report_of_a_file() -> (Recipe, Expected, [Arc<MemorySource>; 2], tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("prices.csv"), "sku,price\nc1,4\n").unwrap();
    let (tree, sources) = crate::fixture::tree_in(folder.path());
    let query = "{:query [:find ?count ?price :in $inventory $prices :where [$prices ?sku ?price]
      [$inventory ?i :item/sku ?sku] [$inventory ?i :item/count ?count]]
     :inputs {$prices \"file:prices.csv\"}}";
    tree.desk().put("priced", Some(query), 0).unwrap();
    let Entry::Work(work) = tree.walk("/results/priced.csv.meta").unwrap().entry else { panic!() };
    let text = tree.about(&work, &tree.render(&work, &Cancel::default()));
    let text = String::from_utf8(text.read(0, 1 << 20).unwrap()).unwrap();
    (Recipe::read(&text).unwrap(), Expected::read(&text).unwrap(), sources, folder)
}

#[test]
fn a_file_is_needed_as_it_was() {
    let (recipe, expected, sources, folder) = report_of_a_file();
    let report = (recipe, expected, sources);
    transact(&report.2[1], "[{:item/sku \"c1\" :item/count 77}]");
    let verdict = judge(&report, as_they_are(&report));
    assert!(verdict.is_same, "{verdict:?}");
    let file = folder.path().join("prices.csv");
    let differs = || {
        let verdict = judge(&report, as_they_are(&report));
        assert_eq!(differences(&verdict), [[""; 0]], "no database is looked through");
        verdict.files[0].difference.clone().unwrap()
    };
    std::fs::write(&file, "sku,price\nc1,5\n").unwrap();
    assert_eq!(differs().kind, Kind::Corrupt);
    assert!(differs().message.contains("has another content: 15 bytes, "));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(differs().kind, Kind::NotFound);
}
