//! `factfs diff`, and changes as the input of a query.

use super::Sandbox;
use insta::assert_snapshot;

#[test]
fn shows_what_changed() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.ok(&["diff", "inventory", "3"]), @"
    e,a,v,change,old,t,instant
    4,:item/count,120,:changed,260,4,2026-10-26T00:00:00Z
    6,:item/count,25,:changed,3,4,2026-10-26T00:00:00Z
    7,:item/count,28,:changed,90,4,2026-10-26T00:00:00Z
    8,:item/count,8,:added,,4,2026-10-26T00:00:00Z
    8,:item/level,20,:added,,4,2026-10-26T00:00:00Z
    8,:item/sku,P-05,:added,,4,2026-10-26T00:00:00Z
    536870916,:db/txInstant,2026-10-26T00:00:00Z,:added,,4,2026-10-26T00:00:00Z
    ");
    assert_snapshot!(sandbox.ok(&["diff", "inventory", "2..3", "--no-tx"]), @"
    e,a,v,change,old,t,instant
    4,:item/count,260,:changed,500,3,2026-09-21T00:00:00Z
    6,:item/count,3,:changed,12,3,2026-09-21T00:00:00Z
    ");
    assert_snapshot!(sandbox.ok(&["diff", "inventory@3", "2", "--format", "json"]), @r#"
    [{"e": 4, "a": ":item/count", "v": 260, "change": ":changed", "old": 500, "t": 3, "instant": "2026-09-21T00:00:00Z"},
     {"e": 6, "a": ":item/count", "v": 3, "change": ":changed", "old": 12, "t": 3, "instant": "2026-09-21T00:00:00Z"},
     {"e": 536870915, "a": ":db/txInstant", "v": "2026-09-21T00:00:00Z", "change": ":added", "old": null, "t": 3, "instant": "2026-09-21T00:00:00Z"}]
    "#);
    assert_snapshot!(sandbox.ok(&["diff", "inventory", "3", "2", "--no-tx", "-f", "txt"]), @"
    e  a              v  change    old  t  instant
    -  -----------  ---  --------  ---  -  --------------------
    4  :item/count  500  :changed  260  2  2026-08-02T00:00:00Z
    6  :item/count   12  :changed    3  2  2026-08-02T00:00:00Z
    ");
}

#[test]
fn of_one_entity_or_attribute() {
    let sandbox = Sandbox::demo();
    let entity = "[:item/sku \"B-10\"]";
    assert_snapshot!(sandbox.ok(&["diff", "inventory", "1", "--entity", entity]), @"
    e,a,v,change,old,t,instant
    4,:item/count,120,:added,,4,2026-10-26T00:00:00Z
    4,:item/level,200,:added,,2,2026-08-02T00:00:00Z
    4,:item/sku,B-10,:added,,2,2026-08-02T00:00:00Z
    ");
    let args = ["diff", "inventory", "1", "2", "--attribute", ":item/count", "-f", "tsv"];
    assert_snapshot!(sandbox.ok(&args), @"
    e	a	v	change	old	t	instant
    4	:item/count	500	:added		2	2026-08-02T00:00:00Z
    5	:item/count	40	:added		2	2026-08-02T00:00:00Z
    6	:item/count	12	:added		2	2026-08-02T00:00:00Z
    7	:item/count	90	:added		2	2026-08-02T00:00:00Z
    ");
}

#[test]
fn between_branches_and_with_an_exit_code() {
    let sandbox = Sandbox::demo();
    sandbox.ok(&["branch", "create", "inventory", "what-if"]);
    let same = ["diff", "--exit-code", "inventory", "main", "what-if"];
    assert_snapshot!(sandbox.ok(&same), @"e,a,v,change,old,t,instant");
    let tx = "[[:db/add [:item/sku \"B-10\"] :item/count 7]]";
    sandbox.ok(&["transact", "inventory#what-if", tx]);
    let ran = sandbox.ran(&[&same[..], &["--no-tx", "-f", "tsv"]].concat(), "");
    assert_eq!((ran.code, ran.stdout.lines().count(), &*ran.stderr), (1, 2, ""));
    assert!(ran.stdout.contains("\t:item/count\t7\t:changed\t"), "{}", ran.stdout);
    // Otherwise a difference is no failure.
    sandbox.ok(&["diff", "inventory", "main", "what-if"]);
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.fails(&["diff", "inventory", "v9"]), @"
    factfs: inventory: v9: no such commit, tag or branch
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["diff", "inventory", "1..2", "3"]), @"
    factfs: `1..2` names both moments, and there is another one
    hint: factfs diff DB A B, or DB A..B
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["diff", "inventory", "1", "--attribute", ":item/cuont"]), @"
    factfs: unknown attribute :item/cuont (did you mean :item/count?)
    code: attribute/unknown
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["diff", "inventory", "1", "--entity", "[:item/sku 1]"]), @"
    factfs: there is no entity `[:item/sku 1]`
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["branch", "create", "inventory", "a..b"]), @"
    factfs: a..b: a name is a letter, then letters, digits, `.`, `_` and `-`; not like a hash, not ending like a format, and without `..`
    exit code 3
    ");
}

#[test]
fn a_query_joins_changes_with_databases() {
    let sandbox = Sandbox::demo();
    let query = "[:find ?name ?old ?new :in $d $catalog $inventory \
                  :where [$d ?i :item/count ?new :changed ?old] [$inventory ?i :item/sku ?sku] \
                  [$catalog ?p :product/sku ?sku] [$catalog ?p :product/name ?name]]";
    let databases = ["--in", "catalog=catalog", "--in", "inventory=inventory"];
    let given = [&["query", query, "--in", "d=inventory/diff/2..3"], &databases[..]].concat();
    let answer = sandbox.ok(&given);
    assert_snapshot!(answer, @"
    name,old,new
    Bolt M10,500,260
    Lamp,12,3
    ");
    let file = format!("{{:query {query} :inputs {{$d \"inventory/diff/2..3\"}}}}");
    assert_eq!(sandbox.ok(&[&["query", &file], &databases[..]].concat()), answer);
    let kind = "[:find (count ?e) . :in $d :where [$d ?e]]";
    assert_snapshot!(sandbox.ok(&["query", kind, "--in", "d=inventory/diff/2..3/added"]), @"1");
}
