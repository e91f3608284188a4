//! `factfs verify-result`, `query --pin` and `mount --pin`: what they say.

use super::{Sandbox, can_mount};
use insta::assert_snapshot;
use regex::Regex;
use std::fs;

/// The demo, and a report of it that was copied from a mount: `r.csv`, `r.csv.meta`, `pin.edn`.
fn report() -> Option<Sandbox> {
    if !can_mount() {
        return None;
    }
    let sandbox = Sandbox::demo();
    sandbox.ok(&["mount", "mnt", "catalog", "inventory", "--queries", "queries"]);
    let directory = sandbox.directory.path();
    let copied: Vec<_> = ["csv", "csv.meta"]
        .map(|end| fs::read(directory.join(format!("mnt/results/low-stock.{end}"))))
        .into();
    let pin = fs::read_dir(directory.join("mnt/pins"));
    let pin = pin.map(|entries| entries.count());
    sandbox.ok(&["umount", "mnt"]);
    assert_eq!(pin.unwrap(), 0, "what was read is known, and not kept");
    for (bytes, name) in copied.into_iter().zip(["r.csv", "r.csv.meta"]) {
        fs::write(directory.join(name), bytes.unwrap()).unwrap();
    }
    Some(sandbox)
}

/// Without what differs from run to run.
fn plain(text: &str) -> String {
    let hashes = Regex::new(r"\b[0-9a-f]{16}\b").unwrap();
    hashes.replace_all(text, "PIN").into_owned()
}

#[test]
fn says_what_was_compared() {
    let Some(sandbox) = report() else { return };
    let said = sandbox.ok(&["verify-result", "r.csv.meta", "--result", "r.csv"]);
    assert_snapshot!(plain(&said), @"
    property,value
    same,true
    pin,PIN
    blake3,a0c01888e3889c56bb0dacc5b6d6b27b3f79d3ede77f395942a90802c5121be3
    bytes,149
    made-blake3,a0c01888e3889c56bb0dacc5b6d6b27b3f79d3ede77f395942a90802c5121be3
    made-bytes,149
    $catalog,catalog at 3-HASH in DIR/catalog: as it was
    $inventory,inventory at 4-HASH in DIR/inventory: as it was
    result-same,true
    ");
    let json = sandbox.ok(&["verify-result", "r.csv.meta", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["same"], true);
    assert_eq!(json["sources"][1]["store"], "inventory");
    assert_eq!(json["sources"][1]["differs"], serde_json::json!([]));
}

#[test]
fn names_what_is_wrong_and_ends_with_its_code() {
    let Some(sandbox) = report() else { return };
    let fails = |args: &[&str]| {
        let ran = sandbox.ran(&[&["verify-result"], args].concat(), "");
        format!("{}exit code {}", plain(&ran.stderr), ran.code)
    };
    sandbox.file("other.csv", "sku,name\n");
    assert_snapshot!(fails(&["r.csv.meta", "--result", "other.csv"]), @"
    factfs: other.csv is not the answer that r.csv.meta is about: its bytes are others
    exit code 14
    ");
    assert_snapshot!(fails(&["r.csv.meta", "--store", "inventory=catalog"]), @"
    factfs: r.csv.meta: it cannot be made again as it was
      $inventory (inventory, UUID, commit 4-HASH):
        what is there is another database, UUID
    hint: --store NAME=DB says where a store is
    exit code 4
    ");
    assert_snapshot!(fails(&["r.csv.meta", "--store", "stock=catalog"]), @"
    factfs: nothing was read from a store `stock`
    hint: there are: catalog inventory
    exit code 4
    ");
    assert_snapshot!(fails(&["r.csv.meta", "--store", "inventory"]), @"
    error: invalid value 'inventory' for '--store <NAME=DB>': `inventory` has no = after a name

    For more information, try '--help'.
    exit code 2
    ");
    assert_snapshot!(fails(&["r.csv"]), @"
    factfs: r.csv: this is no `.meta`: expected value at line 1 column 1
    hint: an answer's .meta has its name with .meta after it
    exit code 3
    ");
    assert_snapshot!(fails(&["none.meta"]), @"
    factfs: none.meta: No such file or directory (os error 2)
    exit code 4
    ");
    let meta = fs::read_to_string(sandbox.directory.path().join("r.csv.meta")).unwrap();
    sandbox.file("changed.meta", &meta.replace("(< ?count ?level)", "(> ?count ?level)"));
    assert_snapshot!(fails(&["changed.meta"]), @"
    factfs: changed.meta: the `.meta` was changed: its query or commits are not those it was written with
    exit code 3
    ");
    sandbox.file("other.meta", &meta.replace("\"blake3\": \"", "\"blake3\": \"00"));
    assert_snapshot!(fails(&["other.meta"]), @"
    factfs: other.meta: the answer that is made again is another one
    hint: every source is whole and has its commit: the bytes that the .meta names are not of this answer
    exit code 14
    ");
}

#[test]
fn a_query_reads_what_a_pin_names() {
    let Some(sandbox) = report() else { return };
    let query = "[:find ?c . :where [?i :item/sku \"B-10\"] [?i :item/count ?c]]";
    let change = "[{:item/sku \"B-10\" :item/count 777}]";
    sandbox.ok(&["transact", "inventory", change]);
    let ask = |args: &[&str]| sandbox.ok(&[&["query", query], args].concat());
    assert_eq!(ask(&["inventory"]), "777\n");
    assert_eq!(ask(&["inventory", "--pin", "r.csv.meta"]), "120\n");
    assert_eq!(ask(&["inventory@5", "--pin", "r.csv.meta"]), "777\n");
    sandbox.ok(&["init", "else"]);
    let fails = sandbox.fails(&["query", query, "else", "--pin", "r.csv.meta"]);
    assert_snapshot!(plain(&fails), @"
    factfs: else: pin PIN has no commit of it (UUID)
    hint: it has: catalog UUID, inventory UUID; a database that is not pinned is named with @WHEN
    exit code 4
    ");
    sandbox.file("pin.edn", "{:stores [{:uuid \"x\"}]}");
    assert_snapshot!(sandbox.fails(&["query", query, "inventory", "--pin", "pin.edn"]), @r#"
    factfs: pin.edn: {:uuid "x"} pins no store
    hint: each is {:uuid #uuid "…" :commit "T-HASH"}, the hash with all 64 digits
    exit code 3
    "#);
    let join = "queries/low-stock.edn";
    let both = ["--in", "catalog=catalog", "--in", "inventory=inventory", "--pin", "r.csv.meta"];
    let report = fs::read_to_string(sandbox.directory.path().join("r.csv")).unwrap();
    assert_eq!(sandbox.ok(&[&["query", join], &both[..]].concat()), report);
}

#[test]
fn the_ends_of_a_difference_that_are_branches_are_those_of_the_pin() {
    let Some(sandbox) = report() else { return };
    sandbox.ok(&["transact", "inventory", "[{:item/sku \"B-10\" :item/count 777}]"]);
    let query = "[:find [?c ...] :in $d :where [$d _ :item/count ?c :changed _]]";
    let ask = |args: &[&str]| sandbox.ok(&[&["query", query, "-f", "jsonl"], args].concat());
    let (pin, now) = (["--pin", "r.csv.meta"], "25\n28\n777\n");
    for end in ["main", "head"] {
        let given = format!("d=inventory/diff/3..{end}");
        assert_eq!(ask(&["--in", &given]), now, "{end}");
        let then = ask(&[&["--in", &given], &pin[..]].concat());
        assert_eq!(then, now.replace("777", "120"), "{end}");
    }
    // A moment of its own stays, and so does the other end.
    assert_eq!(ask(&[&["--in", "d=inventory/diff/3..5"], &pin[..]].concat()), now);
    assert_eq!(
        sandbox.ok(&["diff", "inventory", "5..head"]),
        sandbox.ok(&["diff", "inventory", "5..5"])
    );
}

#[test]
fn a_mount_keeps_a_pin_and_says_where_it_is() {
    let Some(sandbox) = report() else { return };
    let mount = ["mount", "mnt", "catalog", "inventory", "--queries", "queries"];
    let said = sandbox.ran(&[&mount[..], &["--pin", "r.csv.meta"]].concat(), "");
    let report = fs::read(sandbox.directory.path().join(said.stdout.trim_end()));
    sandbox.ok(&["umount", "mnt"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
    assert_eq!(report.unwrap(), fs::read(sandbox.directory.path().join("r.csv")).unwrap());
    sandbox.ok(&mount);
    let kept = fs::read(sandbox.directory.path().join(said.stdout.trim_end()));
    sandbox.ok(&["umount", "mnt"]);
    assert!(kept.is_ok(), "{kept:?}");
}
