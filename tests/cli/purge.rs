//! `factfs purge`.

use super::Sandbox;
use insta::assert_snapshot;
use serde_json::Value;

/// Two items over a branch and a tag; of one all is secret.
fn items() -> Sandbox {
    let sandbox = Sandbox::items();
    for tx in [
        "[{:item/sku \"secret\" :item/count 1} {:item/sku \"B\" :item/count 10}]",
        "[{:item/sku \"secret\" :item/count 2 :item/tag :secret} {:item/sku \"C\" \
         :item/part [:item/sku \"secret\"]}]",
        "[{:item/sku \"B\" :item/count 11}]",
    ] {
        sandbox.ok(&["transact", "db", tx]);
    }
    sandbox.ok(&["branch", "create", "db", "try", "--at", "2"]);
    sandbox.ok(&["tag", "create", "db", "v1", "--at", "3"]);
    sandbox.ok(&["transact", "db#try", "[{:item/sku \"secret\" :item/tag :here}]"]);
    sandbox
}

fn report(sandbox: &Sandbox, args: &[&str]) -> Value {
    let all = [&["purge", "db", "--format", "json"], args].concat();
    serde_json::from_str(&sandbox.ok(&all)).unwrap()
}

fn entity(sandbox: &Sandbox) -> String {
    let query = "[:find ?e . :where [?e :item/sku \"secret\"]]";
    sandbox.ok(&["query", query, "db", "--format", "edn"]).trim().to_owned()
}

fn verified(sandbox: &Sandbox) -> Value {
    let report = sandbox.ok(&["verify", "db", "--format", "json"]);
    serde_json::from_str(&report).unwrap()
}

const NAMED: &str = "[:item/sku \"secret\"]";

#[test]
fn a_dry_run_says_how_much_and_where() {
    let sandbox = items();
    let report = report(&sandbox, &["--entity", NAMED, "--dry-run"]);
    assert_eq!(report["dry-run"], true);
    assert_eq!(report["branches"], serde_json::json!({"main": 6, "try": 3}));
    assert_eq!(report["tags"], serde_json::json!({"v1": 6}));
    assert_eq!(report["datoms"], 7);
    assert_eq!(
        sandbox
            .ok(&[
                "query",
                "[:find ?c . :where [?e :item/sku \"secret\"] \
        [?e :item/count ?c]]",
                "db"
            ])
            .trim(),
        "2"
    );
}

#[test]
fn an_entity_is_gone_from_everywhere() {
    let sandbox = items();
    let id = entity(&sandbox);
    let done = report(&sandbox, &["--entity", NAMED, "--now", "--yes"]);
    assert_eq!((&done["datoms"], &done["generation"]), (&7.into(), &1.into()));
    assert!(done["deleted-objects"].as_u64().unwrap() > 0 && done["waiting-objects"] == 0);
    for place in ["db", "db#try", "db@v1", "db@2", "db@3"] {
        assert_eq!(sandbox.ok(&["pull", place, "[*]", &id]).trim(), "nil", "{place}");
    }
    let verified = verified(&sandbox);
    assert_eq!((&verified["whole"], &verified["orphans"]), (&true.into(), &0.into()));
    assert_eq!((&verified["purged-commits"], &verified["purged-datoms"]), (&3.into(), &7.into()));
    // What is there goes on.
    sandbox.ok(&["transact", "db", "[{:item/sku \"D\"}]"]);
    assert_eq!(report(&sandbox, &["--entity", &id, "--yes"])["datoms"], 0);
}

#[test]
fn the_log_keeps_its_ids_and_says_how_much_is_gone() {
    let sandbox = items();
    let ids = |sandbox: &Sandbox| {
        let log = sandbox.ok(&["log", "db", "--format", "json"]);
        let log: Value = serde_json::from_str(&log).unwrap();
        let entries = log.as_array().unwrap().iter();
        entries.map(|entry| (entry["commit"].clone(), entry["instant"].clone())).collect::<Vec<_>>()
    };
    let before = ids(&sandbox);
    sandbox.ok(&["purge", "db", "--attribute", ":item/count", "--yes"]);
    assert_eq!(ids(&sandbox), before);
    assert_snapshot!(sandbox.ok(&["log", "db", "--format", "csv"]), @r#"
    t,commit,instant,added,retracted,tx
    4,4-HASH,NOW,0,0,"{""purged"": 2}"
    3,3-HASH,NOW,3,0,"{""purged"": 2}"
    2,2-HASH,NOW,2,0,"{""purged"": 2}"
    1,1-HASH,NOW,13,0,
    "#);
}

#[test]
fn what_had_ended_goes_and_what_held_stays() {
    let sandbox = items();
    let done = report(&sandbox, &["--before", "4", "--yes"]);
    // On the other branch one item is 1 still, and B is 10.
    assert_eq!(done["datoms"], 0);
    sandbox.ok(&["branch", "delete", "db", "try"]);
    let done = report(&sandbox, &["--before", "4", "--yes"]);
    assert_eq!(done["datoms"], 4);
    let counts = "[:find ?s ?c :where [?e :item/sku ?s] [?e :item/count ?c]]";
    assert_snapshot!(sandbox.ok(&["query", counts, "db@4"]), @"
    s,c
    B,11
    secret,2
    ");
    assert_snapshot!(sandbox.ok(&["query", counts, "db@2"]), @"s,c");
}

#[test]
fn what_cannot_be_erased_is_refused() {
    let sandbox = items();
    assert_snapshot!(sandbox.fails(&["purge", "db", "--entity", NAMED]), @"
    factfs: nothing was erased: it cannot be undone, and there is nobody to ask
    hint: --dry-run says what would be erased; --yes does it
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["purge", "db@2", "--entity", NAMED, "--yes"]), @"
    factfs: db@2: facts are erased from all of the database
    hint: leave out @2
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["purge", "db", "--entity", ":item/sku", "--yes"]), @"
    factfs: entity 1 defines :item/sku, and a definition cannot be erased: erase what the attribute says
    code: tx/erase
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["purge", "db", "--attribute", ":db/txInstant", "--yes"]), @"
    factfs: :db/txInstant cannot be erased: the database is made of it
    code: tx/erase
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["purge", "db", "--attribute", ":item/cuont", "--yes"]), @"
    factfs: unknown attribute :item/cuont (did you mean :item/count?)
    code: attribute/unknown
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["purge", "db", "--entity", "[:item/sku 1]", "--yes"]), @"
    factfs: there is no entity `[:item/sku 1]`, and there was none
    hint: if an earlier run has begun to erase it, name it by its id
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["purge", "db", "--yes"]), @"
    error: the following required arguments were not provided:
      <--entity <ENTITY>|--attribute <ATTRIBUTE>|--before <WHEN>>

    Usage: factfs purge --yes <--entity <ENTITY>|--attribute <ATTRIBUTE>|--before <WHEN>> <DB>

    For more information, try '--help'.
    exit code 2
    ");
}

#[test]
fn a_transaction_can_erase() {
    let sandbox = items();
    let id = entity(&sandbox);
    let tx = "[[:db.purge/entity [:item/sku \"secret\"]]]";
    assert_snapshot!(sandbox.ok(&["transact", "db", tx, "--tx-id", "p1", "--format", "csv"]), @"
    t,tx,commit,instant,datoms,tempids,already
    5,536870917,5-HASH,NOW,2,,
    ");
    for place in ["db", "db#try", "db@v1", "db@2", "db@3", "db@5"] {
        assert_eq!(sandbox.ok(&["pull", place, "[*]", &id]).trim(), "nil", "{place}");
    }
    let report = verified(&sandbox);
    assert_eq!((&report["whole"], &report["purged-datoms"]), (&true.into(), &7.into()));
    // Said again under its id it is done already; by its number there is nothing left of it.
    let again = sandbox.ok(&["transact", "db", tx, "--tx-id", "p1", "--format", "jsonl"]);
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap()["already"], true);
    sandbox.ok(&["transact", "db", &format!("[[:db.purge/entity {id}]]")]);
    assert_snapshot!(sandbox.fails(&["transact", "db", tx]), @"
    factfs: nothing was committed: line 1, column 20: there is no entity [:item/sku \"secret\"], and there was none; it may have been erased
      in [:item/sku \"secret\"]
    code: entity/unknown
    exit code 4
    ");
}

#[test]
fn a_transaction_erases_single_facts_and_what_had_ended() {
    let sandbox = items();
    sandbox.ok(&["branch", "delete", "db", "try"]);
    let counts = "[:find ?s ?c :where [?e :item/sku ?s] [?e :item/count ?c]]";
    let seen = |sandbox: &Sandbox| {
        let at = ["db@2", "db@3", "db@4", "db"].map(|db| sandbox.ok(&["query", counts, db]));
        at.map(|rows| rows.replace('\n', " ")).join("\n")
    };
    sandbox.ok(&["transact", "db", "[[:db/purge [:item/sku \"secret\"] :item/count 1]]"]);
    assert_snapshot!(seen(&sandbox), @"
    s,c B,10 
    s,c B,10 secret,2 
    s,c B,11 secret,2 
    s,c B,11 secret,2
    ");
    sandbox.ok(&["transact", "db", "[[:db.history.purge/before #inst \"2100\"]]"]);
    assert_snapshot!(seen(&sandbox), @"
    s,c 
    s,c secret,2 
    s,c B,11 secret,2 
    s,c B,11 secret,2
    ");
    let one = "[[:db.purge/attribute [:item/sku \"B\"] :item/count] [:db/purge [:item/sku \"secret\"] \
        :item/tag :secret]]";
    sandbox.ok(&["transact", "db", one]);
    assert_snapshot!(seen(&sandbox), @"
    s,c 
    s,c secret,2 
    s,c secret,2 
    s,c secret,2
    ");
    assert_eq!(verified(&sandbox)["whole"], true);
}

#[test]
fn forms_that_erase_stand_alone() {
    let sandbox = items();
    let mixed = "[{:item/sku \"D\"} [:db/purge [:item/sku \"B\"] :item/count 10]]";
    assert_snapshot!(sandbox.fails(&["transact", "db", mixed]), @"
    factfs: nothing was committed: line 1, column 18: :db/purge erases for good: it stands in a transaction of such forms alone, and in none that is imported
      in [:db/purge [:item/sku \"B\"] :item/count 10]
    code: tx/erase
    exit code 18
    ");
    assert_snapshot!(sandbox.fails(&["transact", "db", "[[:db.purge/entity :item/sku]]"]), @"
    factfs: nothing was committed: entity 1 defines :item/sku, and a definition cannot be erased: erase what the attribute says
    code: tx/erase
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["transact", "db", "[[:db.purg/entity 1]]"]), @"
    factfs: nothing was committed: line 1, column 2: :db.purg/entity is no operation (did you mean :db.purge/entity?)
      in [:db.purg/entity 1]
    code: tx/unknown-operation
    exit code 18
    ");
    assert_eq!(verified(&sandbox)["purged-datoms"], 0);
}
