//! The tree of two small databases, path by path.

use super::*;
use crate::error::Kind;
use crate::fixture::{database, tree};
use crate::source::{MemorySource, Source};
use crate::spool::Cancel;
use factfs_core::edn;
use factfs_core::query;
use node::Desk;

fn content(tree: &Tree, path: &str) -> Result<String> {
    let resolved = tree.walk(path)?;
    let bytes = match &resolved.entry {
        Entry::Bytes(content) | Entry::Transact(content) => content.clone(),
        Entry::Query(size_bytes) => {
            let Node::QueryFile(desk, file) = &resolved.node else { panic!("{path}") };
            let name = desk::query_of(file).unwrap();
            let text = tree.saved_text(desk, name)?.unwrap().0;
            assert_eq!(text.len() as u64, *size_bytes);
            return Ok(text);
        }
        Entry::Work(work) => {
            let made = tree.render(work, &Cancel::default());
            match work.leaf.aspect {
                node::Aspect::Answer | node::Aspect::Explain => made?.content,
                _ => tree.about(work, &made),
            }
        }
        other => panic!("{path} is {other:?}"),
    };
    Ok(String::from_utf8(bytes.read(0, 1 << 20)?).unwrap())
}

#[track_caller]
fn check(tree: &Tree, path: &str, expected: &str) {
    match content(tree, path) {
        Ok(text) => assert_eq!(text, expected, "{path}"),
        Err(failure) => panic!("{path}: {failure}"),
    }
}

#[track_caller]
fn fails(tree: &Tree, path: &str, kind: Kind, words: &str) {
    let failure = content(tree, path).unwrap_err();
    assert_eq!(failure.kind, kind, "{path}: {failure}");
    assert!(failure.to_string().contains(words), "{path}: {failure}");
}

fn names(tree: &Tree, path: &str) -> Vec<String> {
    let node = tree.walk(path).unwrap().node;
    let listing = tree.list(&node, &Cancel::default()).unwrap();
    (0..listing.len()).filter_map(|i| listing.get(i)).map(|listed| listed.name).collect()
}

fn save(source: &MemorySource, name: &str, text: &str) {
    let quoted = edn::to_string(&factfs_core::value::Value::str(text));
    let attributes = r#"[{:db/ident :factfs.query/name :db/valueType :db.type/string
        :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
        {:db/ident :factfs.query/text :db/valueType :db.type/string
         :db/cardinality :db.cardinality/one}]"#;
    source.transact("main", &edn::read_one(attributes).unwrap()).unwrap();
    let tx = format!("[{{:factfs.query/name \"{name}\" :factfs.query/text {quoted}}}]");
    source.transact("main", &edn::read_one(&tx).unwrap()).unwrap();
}

#[test]
fn tables_in_every_format() {
    let (tree, _) = tree();
    let table = "/catalog/branches/main/tables/product";
    check(
        &tree,
        &format!("{table}.csv"),
        "db/id,product/name,product/price,product/sku,product/tags\n\
         5,Chair,45,c1,\"[\"\":home/seat\"\", \"\":wood\"\"]\"\n6,Table,90,t/1,\"[\"\":wood\"\"]\"\n",
    );
    for format in ["tsv", "json", "jsonl", "edn", "txt", "md"] {
        assert!(content(&tree, &format!("{table}.{format}")).unwrap().contains("Chair"));
    }
    fails(&tree, "/catalog/branches/main/tables/none.csv", Kind::NotFound, "there are: product");
}

#[test]
fn entities_and_the_ways_to_them() {
    let (tree, _) = tree();
    let chair = "{:db/id 5\n :product/name \"Chair\"\n :product/price 45\n :product/sku \"c1\"\n \
                 :product/tags #{:home/seat :wood}\n :db/basis 3}\n";
    let head = "/catalog/branches/main";
    check(&tree, &format!("{head}/entities/5.edn"), chair);
    check(&tree, &format!("{head}/by/product/sku/c1.edn"), chair);
    let json = content(&tree, &format!("{head}/by/product/sku/t%2F1.json")).unwrap();
    assert!(json.contains("\"product/price\": 90"), "{json}");
    assert_eq!(names(&tree, &format!("{head}/by/product")), ["price", "sku", "tags"]);
    assert_eq!(names(&tree, &format!("{head}/by/product/sku")), ["c1.edn", "t%2F1.edn"]);
    assert_eq!(names(&tree, &format!("{head}/by/product/price/90")), ["6.edn"]);
    assert_eq!(names(&tree, &format!("{head}/by/product/tags/:home/seat")), ["5.edn"]);
    assert_eq!(names(&tree, &format!("{head}/by/product/tags/:wood")), ["5.edn", "6.edn"]);
    match tree.walk(&format!("{head}/by/product/price/90/6.edn")).unwrap().entry {
        Entry::Link(target) => assert_eq!(target, "../../../../entities/6.edn"),
        other => panic!("{other:?}"),
    }
    for path in ["entities/77.edn", "by/product/sku/none.edn", "by/product/name/Chair.edn"] {
        fails(&tree, &format!("{head}/{path}"), Kind::NotFound, "");
    }
    assert_eq!(names(&tree, &format!("{head}/entities")).len(), 6);
}

#[test]
fn what_a_snapshot_is() {
    let (tree, sources) = tree();
    let id = sources[0].head("main").unwrap().id();
    let json = content(&tree, "/catalog/branches/main/snapshot.json").unwrap();
    let about: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((about["commit"].as_str(), about["t"].as_u64()), (Some(id.as_str()), Some(3)));
    assert_eq!(about["parents"].as_array().unwrap().len(), 1);
    let schema = content(&tree, "/catalog/branches/main/schema.edn").unwrap();
    assert!(schema.contains("{:db/ident :product/sku, :db/valueType :db.type/string"), "{schema}");
    assert!(schema.contains(":count 2}"), "{schema}");
    let datoms = content(&tree, "/catalog/branches/main/datoms.csv").unwrap();
    assert!(datoms.contains("5,:product/price,45,"), "{datoms}");
    assert!(!datoms.contains("5,:product/price,40,"), "{datoms}");
    let store = content(&tree, "/inventory/store.json").unwrap();
    assert!(store.contains("\"default_branch\": \"main\""), "{store}");
    assert!(store.contains("\"format\": 1"), "{store}");
}

#[test]
fn the_past_is_a_folder() {
    let (tree, sources) = tree();
    let second = sources[0].at("main", "2").unwrap().id();
    let chair = content(&tree, &format!("/catalog/commits/{second}/entities/5.edn")).unwrap();
    assert!(chair.contains(":product/price 40") && chair.contains(":db/basis 2"), "{chair}");
    assert!(tree.walk(&format!("/catalog/commits/{second}")).unwrap().is_fixed);
    let link = |path: &str| match tree.walk(path).unwrap().entry {
        Entry::Link(target) => target,
        other => panic!("{other:?}"),
    };
    assert_eq!(link("/catalog/commits/2"), second);
    assert_eq!(link("/catalog/branches/main/at/2"), format!("../../../commits/{second}"));
    assert_eq!(link("/catalog/head"), "branches/main");
    assert_eq!(link("/catalog/at"), "head/at");
    let newest = sources[0].head("main").unwrap().id();
    assert_eq!(link("/at/2026-01/catalog"), format!("../../catalog/commits/{newest}"));
    assert_eq!(link("/at/2025-12/catalog"), "../../catalog/commits/0");
    sources[0].tag("v1", "main");
    assert_eq!(link("/catalog/tags/v1"), format!("../commits/{newest}"));
    fails(&tree, "/catalog/commits/9-000000000000/schema.edn", Kind::NotFound, "");
}

#[test]
fn results_over_two_stores() {
    let (tree, sources) = tree();
    check(&tree, "/results/stock.csv", "name,count\nChair,3\nTable,0\n");
    check(&tree, "/results/stock.csv.err", "");
    let meta = content(&tree, "/results/stock.csv.meta").unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    assert_eq!(meta["rows"], 2);
    assert_eq!(meta["sources"][1]["store"], "inventory");
    assert_eq!(meta["inputs"]["?least"], "0");
    let before = tree.walk("/results/stock.csv").unwrap().key;
    assert_eq!(tree.walk("/results/stock.csv").unwrap().key, before);
    let tx = edn::read_one(r#"[{:item/sku "c1" :item/count 7}]"#).unwrap();
    sources[1].transact("main", &tx).unwrap();
    assert_ne!(tree.walk("/results/stock.csv").unwrap().key, before);
    check(&tree, "/results/stock.csv", "name,count\nChair,7\nTable,0\n");
    check(&tree, "/at/2026-01-01T00:02:30Z/results/stock.csv", "name,count\nChair,3\nTable,0\n");
}

#[test]
fn arguments_in_the_path_have_the_type_of_their_attribute() {
    let (tree, sources) = tree();
    let desk = tree.desk();
    let query = "[:find ?n :in $catalog ?p ?s :where [$catalog ?e :product/price ?p]
                  [$catalog ?e :product/sku ?s] [$catalog ?e :product/name ?n]]";
    desk.put("named", Some(query), 0).unwrap();
    check(&tree, "/results/named/90/t%2F1.csv", "n\nTable\n");
    check(&tree, "/results/named/45/c1.csv", "n\nChair\n");
    fails(&tree, "/results/named/x/c1.csv", Kind::Invalid, "`x` is no long");
    fails(&tree, "/results/named/90.csv", Kind::NotFound, "?s has no value");
    fails(&tree, "/results/named/90/a/b.csv", Kind::NotFound, "more than");
    let listed = names(&tree, "/results");
    assert_eq!(listed, ["named", "stock.csv", "stock.json"]);
    // A source, too, may be an argument.
    let both = "[:find ?new ?old :in $ $then :where [?e :product/price ?new]
                 [$then ?e :product/price ?old] [(not= ?new ?old)]]";
    save(&sources[0], "changed", both);
    check(&tree, "/catalog/branches/main/results/changed/2.csv", "new,old\n45,40\n");
    check(&tree, "/catalog/branches/main/results/changed/catalog@2.csv", "new,old\n45,40\n");
}

#[test]
fn a_file_may_say_what_the_first_source_is() {
    let (tree, sources) = tree();
    let query = "[:find ?p . :in $ ?sku :where [?e :product/sku ?sku] [?e :product/price ?p]]";
    for (name, given, price) in [
        ("then", ":args [\"catalog/at/2\" \"c1\"]", "40"),
        ("named", ":inputs {$ \"catalog/at/2\", ?sku \"c1\"}", "40"),
        ("now", ":args [\"c1\"]", "45"),
    ] {
        save(&sources[0], name, &format!("{{:query {query} {given}}}"));
        let path = format!("/catalog/branches/main/results/{name}.csv");
        check(&tree, &path, &format!("p\n{price}\n"));
    }
}

#[test]
fn a_teams_queries_are_read_in_todays_words_everywhere() {
    let (tree, sources) = tree();
    let second = sources[0].at("main", "2").unwrap().id();
    save(
        &sources[0],
        "prices",
        "[:find ?n ?p :where [?e :product/name ?n] [?e :product/price ?p]]",
    );
    check(&tree, "/catalog/branches/main/results/prices.csv", "n,p\nChair,45\nTable,90\n");
    let past = format!("/catalog/commits/{second}/results/prices.csv");
    check(&tree, &past, "n,p\nChair,40\nTable,90\n");
    assert_eq!(names(&tree, "/catalog/branches/main/queries"), ["prices.edn"]);
    let desk = Desk::Branch("catalog".into(), "main".into());
    assert_eq!(tree.saved_names(&desk).unwrap(), ["prices"]);
}

#[test]
fn queries_written_as_paths() {
    let (tree, _) = tree();
    let query = "/catalog/branches/main/query/[:find ?n :where [?e :product/sku \"t%2F1\"] \
                 [?e :product/name ?n]]";
    check(&tree, &format!("{query}.csv"), "n\nTable\n");
    check(&tree, &format!("{query}.edn"), "[[\"Table\"]]\n");
    let broken = "/catalog/branches/main/query/[:find ?n :where [?e :product/nam ?n]].csv";
    let _ = content(&tree, broken);
    fails(&tree, "/catalog/branches/main/query/[:find ?n].csv", Kind::Invalid, "");
    assert!(content(&tree, "/catalog/branches/main/query/README").unwrap().contains("%2F"));
}

#[test]
fn what_is_wrong_is_said() {
    let (tree, _) = tree();
    tree.desk().put("broken", Some("[:find ?x :where [?x :a"), 0).unwrap();
    tree.desk().put("any", Some("[:find ?x :where [?x :product/sku]]"), 0).unwrap();
    tree.desk().put("other", Some("[:find ?x :in $billing :where [$billing ?x :a/b]]"), 0).unwrap();
    fails(&tree, "/results/broken.csv", Kind::Invalid, "line 1");
    let said = content(&tree, "/results/broken.csv.err").unwrap();
    assert!(said.contains("line 1") && said.ends_with("\ncode: edn/incomplete\n"), "{said}");
    let meta = content(&tree, "/results/broken.csv.meta").unwrap();
    assert!(meta.contains("\"code\": \"edn/incomplete\""), "{meta}");
    let query = "[:find (pull ?p [:product/skew]) :in $catalog :where [$catalog ?p :product/sku]]";
    tree.desk().put("pulled", Some(&query.replace("(pull ", "(pull $catalog ")), 0).unwrap();
    let said = content(&tree, "/results/pulled.csv.err").unwrap();
    assert!(said.starts_with("warning: unknown attribute :product/skew (did you mean"), "{said}");
    fails(&tree, "/results/any.csv", Kind::NotFound, "$catalog $inventory");
    fails(&tree, "/results/none.csv", Kind::NotFound, "save it as /queries/none.edn");
    fails(&tree, "/nothing/head", Kind::NotFound, "there are: catalog inventory");
    fails(&tree, "/results/other.csv", Kind::NotFound, "$billing");
}

#[test]
fn everything_listed_is_there_and_listings_end() {
    let (tree, sources) = tree();
    save(&sources[0], "one", "[:find (count ?e) . :where [?e :product/sku]]");
    let mut pending = vec![String::new()];
    let mut seen = 0;
    while let Some(path) = pending.pop() {
        let resolved = tree.walk(&path).unwrap_or_else(|failure| panic!("{path}: {failure}"));
        seen += 1;
        assert!(seen < 1000, "{path}");
        match resolved.entry {
            Entry::Folder => {
                let children = names(&tree, &path).into_iter().map(|name| format!("{path}/{name}"));
                pending.extend(children);
            }
            Entry::Link(_) => {}
            _ => {
                content(&tree, &path).unwrap_or_else(|failure| panic!("{path}: {failure}"));
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn the_readme_names_what_is_mounted_and_its_examples_work() {
    let (tree, _) = tree();
    let readme = content(&tree, "/README.md").unwrap();
    let examples = readme.lines().filter_map(|line| line.strip_prefix("    cat "));
    let mut tried = 0;
    for example in examples.filter(|example| example.starts_with(['c', 'i', '\''])) {
        let path = example.trim_matches('\'').replace("/head/", "/branches/main/");
        content(&tree, &path).unwrap_or_else(|failure| panic!("{path}: {failure}"));
        tried += 1;
    }
    assert!(tried >= 4, "{readme}");
    let query = readme.split("echo '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    tree.desk().put("both", Some(query), 0).unwrap();
    check(&tree, "/results/both.csv", "v\nc1\nt/1\n");
}

#[test]
fn an_empty_store_says_how_to_begin() {
    let (_, sources) = tree();
    drop(sources);
    let tree = Tree::new(Parts {
        stores: vec![Mounted::new("new", database("new", &[]))],
        desk: LocalDesk::default(),
        clock: Arc::new(|| 0),
        limits: Limits::default(),
        formats: vec![Format::Csv],
        is_read_only: false,
    });
    assert!(content(&tree, "/README.md").unwrap().contains("transact"));
    check(&tree, "/new/branches/main/datoms.csv", "e,a,v,tx\n");
    check(&tree, "/new/commits/0/schema.edn", "[]\n");
}

#[test]
fn names_of_attributes_are_escaped() {
    let (long, wide) = ("x".repeat(5000), "n".repeat(300));
    let idents =
        [format!(":w/{long}"), format!(":{wide}/key"), ":w/v.csv".into(), ":a.edn/%".into()];
    let schema = idents.map(|ident| {
        format!(
            "{{:db/ident {ident} :db/valueType :db.type/string :db/unique :db.unique/identity \
             :db/cardinality :db.cardinality/one}}"
        )
    });
    let facts = format!(
        "[{{:w/{long} \"1\"}} {{:{wide}/key \"2\"}} {{:w/v.csv \"3\"}} {{:a.edn/% \"4\"}}]"
    );
    let source = database("odd", &[&format!("[{}]", schema.join(" ")), &facts]);
    let tree = Tree::new(Parts {
        stores: vec![Mounted::new("odd", source)],
        desk: LocalDesk::default(),
        clock: Arc::new(|| 0),
        limits: Limits::default(),
        formats: vec![Format::Csv],
        is_read_only: false,
    });
    let head = "/odd/branches/main";
    let mut found = Vec::new();
    let made = |ns: &String| !ns.starts_with("db") && !ns.starts_with("factfs");
    for ns in names(&tree, &format!("{head}/by")).into_iter().filter(made) {
        for attribute in names(&tree, &format!("{head}/by/{ns}")) {
            for value in names(&tree, &format!("{head}/by/{ns}/{attribute}")) {
                assert!([&ns, &attribute, &value].iter().all(|name| name.len() <= 240));
                let path = format!("{head}/by/{ns}/{attribute}/{value}");
                assert!(content(&tree, &path).is_ok(), "{path}");
                found.push(value);
            }
        }
    }
    found.sort();
    assert_eq!(found, ["1.edn", "2.edn", "3.edn", "4.edn"]);
    let tables = names(&tree, &format!("{head}/tables"));
    assert!(tables.contains(&"a%2Eedn.csv".to_owned()) && tables.len() == 3, "{tables:?}");
    for table in tables {
        assert!(table.len() <= 255);
        assert!(content(&tree, &format!("{head}/tables/{table}")).unwrap().lines().count() > 1);
    }
    assert!(content(&tree, "/README.md").unwrap().contains("tables/a%2Eedn.csv"));
}

#[test]
fn a_moment_is_final_once_the_branch_has_a_later_instant() {
    let (tree, sources) = tree();
    let is_final =
        |when: &str| tree.walk(&format!("/catalog/branches/main/at/{when}")).unwrap().is_fixed;
    let (last, before) = ("2026-01-01T00:03:00Z", "2026-01-01T00:02:00Z");
    for (when, expected) in
        [("2", true), ("2025-12", true), (before, true), (last, false), ("7d", false)]
    {
        assert_eq!(is_final(when), expected, "{when}");
    }
    let later = edn::read_one("[[:db/add \"x\" :db/doc \"x\"]]").unwrap();
    sources[0].transact("main", &later).unwrap();
    assert!(is_final(last) && !is_final("2026-01-01"));
}

/// What `factfs query --explain` prints, of every kind of result and nothing else.
#[test]
fn a_result_says_how_it_was_come_to() {
    let (tree, sources) = tree();
    let query = "[:find ?n :in $ ?p :where [?e :product/price ?p] [?e :product/name ?n]]";
    save(&sources[0], "named", query);
    let db = sources[0].head("main").unwrap().db;
    let inputs = [query::Input::Db(db), query::Input::Value(90.into())];
    let answer = query::run(
        &query::QueryFile::read(query).unwrap().query,
        &inputs,
        &query::Limits::default(),
        &query::CancelToken::default(),
    );
    let expected = answer.unwrap().explain.to_string();
    assert!(expected.contains(":product/price"), "{expected}");
    check(&tree, "/catalog/branches/main/results/named/90.explain", &expected);
    check(&tree, "/catalog/branches/main/results/named/90.explain.err", "");
    for path in [
        "/results/stock.explain".to_owned(),
        "/at/2026-01/results/stock.explain".to_owned(),
        "/catalog/branches/main/query/[:find ?n :where [_ :product/name ?n]].explain".to_owned(),
        again(&tree, "/results/stock.csv").replace(".csv", ".explain"),
    ] {
        let text = content(&tree, &path).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("        rows     expected  step"), "{path}");
        assert!(lines.next().unwrap().starts_with("           2"), "{path}: {text}");
    }
    assert_eq!(names(&tree, "/results"), ["stock.csv", "stock.json"]);
    for path in ["/results/stock.csv.explain", "/results/stock.explain.meta"] {
        assert!(tree.walk(path).is_err(), "{path}");
    }
}

#[test]
fn files_of_a_snapshot_say_which_value_they_are() {
    let (tree, sources) = tree();
    let head = sources[0].head("main").unwrap().id();
    let uuid = sources[0].uuid().to_string();
    let ways = ["branches/main".to_owned(), format!("commits/{head}")];
    for (at, way) in ways.iter().enumerate() {
        for file in ["schema.edn", "schema.json", "snapshot.json", "tables/product.csv"] {
            let path = format!("/catalog/{way}/{file}");
            let meta = content(&tree, &format!("{path}.meta")).unwrap();
            let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
            let read = &meta["sources"][0];
            assert_eq!((meta["path"].as_str(), meta["sources"][1].is_null()), (Some(&*path), true));
            assert_eq!(
                (read["uuid"].as_str(), read["commit"].as_str()),
                (Some(&*uuid), Some(&*head))
            );
            assert_eq!((read["branch"].as_bool(), meta["query"].is_null()), (Some(at == 0), true));
            let bytes = content(&tree, &path).unwrap();
            assert_eq!(meta["bytes"].as_u64(), Some(bytes.len() as u64), "{path}");
            match file {
                // It says of a branch which it is, and of a head how many datoms there are.
                "snapshot.json" => assert!(meta["again"].is_null() && meta["pin"].is_null()),
                _ => assert_eq!(meta["part"], file),
            }
            check(&tree, &format!("{path}.err"), "");
        }
    }
    assert_eq!(
        names(&tree, &format!("/catalog/commits/{head}"))[..3],
        ["snapshot.json", "schema.edn", "schema.json"]
    );
    let meta = content(&tree, "/catalog/branches/main/snapshot.json.meta").unwrap();
    let failure = pins::Recipe::read(&meta).unwrap_err();
    assert!(failure.message.contains("cannot be made again"), "{failure}");
}

fn again(tree: &Tree, path: &str) -> String {
    let meta = content(tree, &format!("{path}.meta")).unwrap();
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    meta["again"].as_str().unwrap().to_owned()
}
