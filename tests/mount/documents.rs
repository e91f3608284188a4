//! Documents and entities, written by the tools that people have: shells, copies, editors.

use super::{Mount, can_mount};
use crate::support::Place;
use crate::support::audit::audit;
use std::fs;
use std::process::Command;

const SCHEMA: &str = r#"[
  {:db/ident :p/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
   :db/unique :db.unique/identity}
  {:db/ident :p/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
  {:db/ident :p/price :db/valueType :db.type/bigdec :db/cardinality :db.cardinality/one}
  {:db/ident :p/tags :db/valueType :db.type/keyword :db/cardinality :db.cardinality/many}]"#;
const FACTS: &str = r#"[
  {:p/sku "a" :p/name "Chair, \"oak\"\n" :p/price 1.50M :p/tags [:x :y/z]}
  {:p/sku "b" :p/name "" :p/price 2M}]"#;

fn mounted() -> Option<(Place, Mount)> {
    let place = can_mount().then(Place::new)?;
    fs::create_dir(place.path("queries")).unwrap();
    place.ok(&["init", "db", "--schema", SCHEMA], "");
    place.ok(&["transact", "db", FACTS], "");
    let mount = Mount::new(&place, "m", &["shop=db"]);
    Some((place, mount))
}

impl Mount {
    /// How many transactions there are.
    fn t(&self) -> u64 {
        let about = self.read("shop/head/snapshot.json").unwrap();
        serde_json::from_str::<serde_json::Value>(&about).unwrap()["t"].as_u64().unwrap()
    }

    #[track_caller]
    fn sh(&self, command: &str) -> String {
        let ran = self.shell(command);
        assert_eq!(ran.code, 0, "{command}: {}", ran.stderr);
        ran.stdout
    }

    /// The path of the entity with this number, from the mount.
    fn entity(&self, sku: &str) -> String {
        let text = self.read(&format!("shop/head/by/p/sku/{sku}.edn")).unwrap();
        let id = text.trim_start_matches("{:db/id ").lines().next().unwrap().to_owned();
        format!("shop/head/entities/{id}.edn")
    }
}

/// Ways to write a file FROM to TO, and whether their exit code tells how the close ended.
const WAYS: [(&str, bool); 10] = [
    ("bash -c 'cat FROM > TO'", true),
    // It opens the file itself, and does not look at how closing it ends.
    ("dash -c 'cat FROM > TO'", false),
    ("bash -c 'echo \"$(cat FROM)\" > TO'", false),
    ("dash -c 'echo \"$(cat FROM)\" > TO'", false),
    ("set -o pipefail; tee TO < FROM > ../out", true),
    ("cp FROM TO", true),
    ("dd if=FROM of=TO bs=7 status=none", true),
    ("dd if=FROM of=TO conv=fsync status=none", true),
    ("mv FROM TO", true),
    ("python3 -c 'open(\"TO\", \"w\").write(open(\"FROM\").read())'", false),
];

#[test]
fn a_document_from_every_tool() {
    let Some((place, mount)) = mounted() else { return };
    for (number, (way, tells)) in WAYS.into_iter().enumerate() {
        let (from, to) = (place.path("from"), format!("shop/inbox/{number}.csv"));
        let command = |to: &str| way.replace("FROM", from.to_str().unwrap()).replace("TO", to);
        let before = mount.t();
        fs::write(&from, format!("p/sku,p/price\nnew{number},\"1.5\"\na,{number}\n")).unwrap();
        mount.sh(&command(&to));
        assert_eq!(mount.t(), before + 1, "{way}");
        let result = mount.read(&format!("{to}.result")).unwrap();
        assert!(result.contains(":commit "), "{way}: {result}");
        let bad = format!("shop/inbox/bad{number}.csv");
        fs::write(&from, "p/sku,p/price\nx,1\ny,one\n").unwrap();
        let ran = mount.shell(&command(&bad));
        assert_eq!(mount.t(), before + 1, "{way}");
        assert!(mount.read(&format!("{bad}.err")).unwrap().contains("`one` is no bigdec"));
        assert!(
            !tells || ran.code != 0 && ran.stderr.contains("Invalid argument"),
            "{way}: {ran:?}"
        );
    }
    let python =
        "python3 -c 'f = open(\"shop/inbox/c.csv\", \"w\"); f.write(\"x\\n1\"); f.close()'";
    assert_ne!(mount.shell(python).code, 0);
    drop(mount);
    audit(&place, "db").unwrap();
}

#[test]
fn children_of_a_subshell_write_one_document() {
    let Some((_place, mount)) = mounted() else { return };
    let before = mount.t();
    mount.sh(
        "(/bin/echo p/sku,p/name; /bin/echo n,N; cat /dev/null; /bin/echo o,O) > shop/inbox/s.csv",
    );
    assert_eq!(mount.t(), before + 1);
    assert!(mount.read("shop/inbox/s.csv.result").unwrap().contains(":datoms 6"));
    mount.sh("rsync --version > ../out 2>&1 || exit 0; cp shop/inbox/s.csv ../r.csv; \
              rsync ../r.csv shop/inbox/");
    assert_eq!(mount.read("shop/inbox/s.csv").unwrap(), "p/sku,p/name\nn,N\no,O\n");
    let later = "exec 3> shop/inbox/l.edn; /bin/echo '{:p/sku \"l\"}' >&3; exec 3>&-; \
                 test -s shop/inbox/l.edn.result && rm shop/inbox/*; ls shop/inbox";
    assert_eq!(mount.sh(later), "");
}

/// What a killed program wrote may be the beginning of what it wanted to write.
#[test]
fn a_document_of_a_program_that_is_killed() {
    let Some((_place, mount)) = mounted() else { return };
    let before = mount.t();
    for signal in ["KILL", "TERM", "HUP"] {
        let ran = mount.shell(&format!(
            "(/bin/echo p/sku; /bin/echo k1; exec sleep 60) > shop/inbox/{signal}.csv & sleep 0.3; \
             kill -s {signal} $!; wait $!"
        ));
        assert!(ran.code > 128, "{ran:?}");
        let said = mount.read(&format!("shop/inbox/{signal}.csv.err")).unwrap();
        assert!(said.contains("ended by a signal"), "{said}");
    }
    assert_eq!(mount.t(), before);
}

#[test]
fn what_is_copied_out_and_in_again_changes_nothing() {
    let Some((_place, mount)) = mounted() else { return };
    let table = |mount: &Mount| mount.read("shop/head/tables/p.json").unwrap();
    let facts = table(&mount);
    for format in ["csv", "tsv", "json", "jsonl"] {
        mount.sh(&format!("cp shop/head/tables/p.{format} shop/inbox/"));
        let result = mount.read(&format!("shop/inbox/p.{format}.result")).unwrap();
        // The time and the name of the transaction.
        assert!(result.contains(":datoms 2}"), "{format}: {result}");
    }
    mount.sh("cat shop/head/entities/*.edn > shop/inbox/all.edn");
    assert!(mount.read("shop/inbox/all.edn.result").unwrap().contains(":datoms 2}"));
    assert_eq!(table(&mount), facts);
    let again = mount.t();
    mount.sh("cp shop/inbox/p.csv ../p.csv; cp ../p.csv shop/inbox/p.csv");
    assert!(mount.read("shop/inbox/p.csv.result").unwrap().contains(":already true"));
    assert_eq!(mount.t(), again);
}

#[test]
fn editors_change_an_entity() {
    let Some((place, mount)) = mounted() else { return };
    let file = mount.entity("a");
    mount.sh(&format!("sed -i 's/1.50M/1.60M/' {file}"));
    assert!(mount.read(&file).unwrap().contains(":p/price 1.60M"));
    let python = format!(
        "import os, tempfile
old = open('{file}').read()
f = tempfile.NamedTemporaryFile('w', dir=os.path.dirname('{file}'), delete=False)
f.write(old.replace('1.60M', '1.70M')); f.flush(); os.fsync(f.fileno()); f.close()
os.replace(f.name, '{file}')
assert '1.70M' in open('{file}').read()
"
    );
    fs::write(place.path("save.py"), python).unwrap();
    mount.sh("python3 ../save.py");
    mount.sh(&format!("sed 's/1.70M/1.80M/' {file} > ../new && cp ../new {file}"));
    mount.sh(&format!("sed 's/1.80M/1.90M/' {file} > ../new && cat ../new > {file}"));
    assert!(mount.read(&file).unwrap().contains(":p/price 1.90M"));
    let folder = "shop/head/entities";
    let before = mount.sh(&format!("ls -A {folder}"));
    if Command::new("vim").arg("--version").output().is_err() {
        eprintln!("skipped: vim is missing");
        return;
    }
    for (option, from, to) in [
        ("set backupcopy=auto", "1.90M", "2.00M"),
        ("set backupcopy=no", "2.00M", "2.10M"),
        ("set backupcopy=yes backup", "2.10M", "2.20M"),
    ] {
        let file_now = mount.entity("a");
        let script =
            format!("vim -N -u NONE -es -c '{option}' -c '%s/{from}/{to}/' -c wq {file_now}");
        mount.sh(&script);
        let text = mount.read(&file).unwrap();
        assert!(text.contains(to), "{option}: {text}");
    }
    mount.sh(&format!("rm -f {folder}/*~"));
    assert_eq!(mount.sh(&format!("ls -A {folder}")), before);
}

#[test]
fn programs_change_an_entity_in_json() {
    let Some((place, mount)) = mounted() else { return };
    let file = mount.entity("a").replace(".edn", ".json");
    let before = mount.t();
    mount.sh(&format!("cp {file} ../same && cat ../same > {file}"));
    assert_eq!(mount.t(), before);
    mount.sh(&format!("sed -i 's/1.50/1.60/' {file}"));
    assert!(mount.read(&file).unwrap().contains("\"p/price\": 1.60"));
    let python = format!(
        "import json, os
entity = json.load(open('{file}'))
entity['p/price'] = 1.75
json.dump(entity, open('{file}', 'w'))
entity = json.load(open('{file}'))
entity['p/price'] = None
json.dump(entity, open('{file}.new', 'w'))
os.replace('{file}.new', '{file}')
"
    );
    fs::write(place.path("save.py"), python).unwrap();
    mount.sh("python3 ../save.py");
    assert_eq!(mount.t(), before + 3);
    assert!(!mount.read(&file).unwrap().contains("p/price"));
    let ran = mount.shell(&format!("cp ../same {file}"));
    assert!(ran.code == 0, "what it says of the price is no edit: {ran:?}");
    let ran = mount.shell(&format!("sed s/1.50/9/ ../same > ../new; cp ../new {file}"));
    assert!(ran.code != 0 && ran.stderr.contains("Operation canceled"), "{ran:?}");
    let said = mount.read(&format!("{file}.err")).unwrap();
    assert!(said.contains(":p/price was 1.50M, is nothing, here 9"), "{said}");
    let ran = mount.shell(&format!("rm -f {file}"));
    assert!(ran.code != 0 && ran.stderr.contains("Operation not permitted"), "{ran:?}");
}

#[test]
fn an_entity_that_changed_meanwhile() {
    let Some((_place, mount)) = mounted() else { return };
    let file = mount.entity("a");
    mount.sh(&format!("cp {file} ../old.edn; sed -i s/1.50M/3M/ {file}"));
    let before = mount.t();
    for command in [
        "sed s/1.50M/4M/ ../old.edn > ../new; cp ../new FILE",
        "sed s/1.50M/4M/ ../old.edn | dd status=none of=FILE",
    ] {
        let ran = mount.shell(&format!("set -o pipefail; {}", command.replace("FILE", &file)));
        assert!(ran.code != 0 && ran.stderr.contains("Operation canceled"), "{ran:?}");
        let said = mount.read(&format!("{file}.err")).unwrap();
        assert!(said.contains(":p/price was 1.50M, is 3M, here 4M"), "{said}");
        assert!(mount.read(&file).unwrap().contains(":p/price 3M"));
        assert_eq!(mount.t(), before);
    }
    let ran = mount.shell(&format!("rm -f {file}"));
    assert!(ran.code != 0 && ran.stderr.contains("Operation not permitted"), "{ran:?}");
    let commit = mount.sh("basename $(readlink shop/branches/main/at/2)");
    let fixed = file.replace("head", &format!("commits/{}", commit.trim()));
    let ran = mount.shell(&format!("echo x > {fixed}"));
    assert!(ran.code != 0 && ran.stderr.contains("Read-only file system"), "{ran:?}");
    let ran = mount.shell(&format!("sed -i s/1/2/ {fixed}"));
    assert!(ran.code != 0, "{ran:?}");
}

#[test]
fn transactions_in_json() {
    let Some((_place, mount)) = mounted() else { return };
    let before = mount.t();
    let to = "shop/transact.json";
    mount.sh(&format!("echo '{{\"p/sku\": \"a\", \"p/price\": 9.10}}' > {to}"));
    mount.sh(&format!(
        "printf '[[\"db/retract\",[\"p/sku\",\"a\"],\"p/tags\",\"x\"]] {{\"p/sku\":\"c\"}}' > {to}"
    ));
    assert_eq!(mount.t(), before + 3);
    let a = mount.read(&mount.entity("a")).unwrap();
    assert!(a.contains("9.10M") && a.contains("#{:y/z}"), "{a}");
    for shell in ["bash", "dash"] {
        let ran = mount.shell(&format!("{shell} -c 'echo \"{{\\\"p/sku\\\": 1}}\" > {to}'"));
        assert_ne!(ran.code, 0);
        assert!(mount.read(&format!("{to}.err")).unwrap().contains("`1` is no string"));
    }
    assert_eq!(mount.t(), before + 3);
}

/// Files that are closed by running another program: the kernel tells it while it changes the
/// program, and lets nobody read how that process is until it has.
#[test]
fn a_writer_that_runs_another_program_has_written() {
    let Some((_place, mount)) = mounted() else { return };
    let before = mount.t();
    let write = |to: &str| {
        format!(
            "timeout 60 python3 -c 'import os; f = open(\"{to}\", \"w\", buffering=1); \
             f.write(\"[{{:p/sku \\\"{}\\\"}}]\\n\"); os.execvp(\"true\", [\"true\"])'",
            before + mount.t()
        )
    };
    mount.sh(&write("shop/head/transact"));
    mount.sh(&write("shop/inbox/c.edn"));
    assert_eq!(mount.t(), before + 2);
}
