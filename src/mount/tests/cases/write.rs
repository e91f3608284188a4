//! Writing.

use crate::fixture::{Fixture, eventually};
use std::process::Output;
use std::time::Duration;

fn count(fixture: &Fixture) -> u64 {
    let json = fixture.sh("cat inventory/head/snapshot.json");
    let about: serde_json::Value = serde_json::from_str(&json).unwrap();
    about["t"].as_u64().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit codes of every way to write one good and one bad transaction.
pub fn shells_are_told() {
    let fixture = Fixture::mounted();
    let good = r#"[{:item/sku "n" :item/count 1} [:db/add "datomic.tx" :db/doc "x"]]"#;
    let bad = r#"[{:item/sku "n" :item/count "one"}]"#;
    let to = "inventory/head/transact";
    for (shell, script) in [
        ("bash", "echo 'FORM' > TO"),
        ("bash", "echo 'FORM' >> TO"),
        ("bash", "printf '%s' 'FORM' > TO"),
        ("dash", "echo 'FORM' > TO"),
        ("bash", "set -o pipefail; echo 'FORM' | cat > TO"),
        ("bash", "set -o pipefail; echo 'FORM' | tee TO > /dev/null"),
        ("bash", "echo 'FORM' > ../tx.edn && cp ../tx.edn TO"),
        ("bash", "set -o pipefail; echo 'FORM' | dd of=TO status=none"),
        ("bash", "python3 -c 'with open(\"TO\",\"w\") as f: f.write(\"\"\"FORM\"\"\")'"),
        ("bash", "cat > TO <<'END'\nFORM\nEND"),
    ] {
        let script = script.replace("TO", to);
        let before = count(&fixture);
        let output = fixture.run(shell, &script.replace("FORM", good));
        assert!(output.status.success(), "{shell} {script}: {}", said(&output));
        assert_eq!(count(&fixture), before + 1, "{shell} {script}");
        let output = fixture.run(shell, &script.replace("FORM", bad));
        assert!(!output.status.success(), "{shell} {script}");
        // dash has words of its own.
        let words = if shell == "dash" { "I/O error" } else { "Invalid argument" };
        assert!(said(&output).contains(words), "{script}: {}", said(&output));
        assert_eq!(count(&fixture), before + 1, "{shell} {script}");
        assert!(fixture.sh(&format!("cat {to}.err")).contains(":item/count"), "{script}");
    }
    let half = fixture
        .run("bash", &format!("python3 -c 'f=open(\"{to}\",\"w\"); f.write(\"[{{\"); f.close()'"));
    assert!(!half.status.success(), "a form that is not complete");
    assert_eq!(fixture.sh(&format!("stat -Lc %a {to}")), "600\n");
    assert!(fixture.sh(&format!("cat {to}")).starts_with(";; Write transactions here"));
}

pub fn forms_of_one_write() {
    let fixture = Fixture::mounted();
    let before = count(&fixture);
    let script = "import os
f = os.open('inventory/head/transact', os.O_WRONLY)
one = b'[{:item/sku \"a\"}]'
bad = b'[{:item/sku 1}]'
assert os.write(f, one + bad + one) == len(one)
try:
    os.write(f, bad + one); assert False
except OSError as e: assert e.errno == 22, e
try:
    os.write(f, one); assert False
except OSError as e: assert e.errno == 22, e
";
    std::fs::write(fixture.path().join("s.py"), script).unwrap();
    fixture.sh("python3 ../s.py");
    assert_eq!(count(&fixture), before + 1);
    fixture.sh("(/bin/echo '[{:item/sku \"b\"'; /bin/echo '}]') > inventory/head/transact");
    assert_eq!(count(&fixture), before + 2);
}

/// The file is open in a shell, and each of its children closes it.
pub fn children_share_a_file() {
    let fixture = Fixture::mounted();
    let to = "inventory/head/transact";
    fixture.sh("echo '{:item/sku \"s\"}' > ../forms.edn");
    for script in [
        "(echo '['; sed p ../forms.edn; echo ']') > TO",
        "(/bin/echo '['; cat ../forms.edn; /bin/echo ']') > TO",
        "exec 3> TO; /bin/echo '[' >&3; cat ../forms.edn >&3; /bin/echo ']' >&3",
    ] {
        let before = count(&fixture);
        let output = fixture.run("bash", &format!("set -e; {}", script.replace("TO", to)));
        assert!(output.status.success() && said(&output).is_empty(), "{script}: {output:?}");
        assert_eq!(count(&fixture), before + 1, "{script}");
        assert_eq!(fixture.sh(&format!("cat {to}.err")), "", "{script}");
    }
    // Who opened it is told, and whoever comes last leaves word.
    let half = fixture.run("bash", &format!("/bin/echo '[' > {to}"));
    assert!(said(&half).contains("Invalid argument"), "{}", said(&half));
    fixture.sh(&format!("echo '[]' > {to}; (sleep 0.3; /bin/echo '[') > {to} & wait"));
    eventually("the end is noted", Duration::from_secs(8), || {
        fixture.sh(&format!("cat {to}.err")).contains("not complete")
    });
}

/// Bytes that can never be a transaction are refused by the write that brings them.
pub fn what_is_no_form() {
    let fixture = Fixture::mounted();
    let to = "inventory/head/transact";
    let before = count(&fixture);
    for (script, error) in [
        ("printf '\\xff\\xfe' > TO", "Invalid argument"),
        ("printf '[\\xff' > TO", "Invalid argument"),
        ("printf hello > TO", "Invalid argument"),
        (
            "(echo '[{:item/sku \"'; head -c 200000000 /dev/zero | tr '\\0' x; echo '\"}]') > TO",
            "File too large",
        ),
        ("chmod 777 TO", "Operation not permitted"),
    ] {
        let output = fixture.run("bash", &script.replace("TO", to));
        assert!(!output.status.success(), "{script}");
        assert!(said(&output).contains(error), "{script}: {}", said(&output));
    }
    fixture.sh(&format!("chmod 600 {to}; touch {to}"));
    assert_eq!(fixture.sh(&format!("stat -Lc %a {to}")), "600\n");
    assert_eq!(count(&fixture), before);
}

pub fn reports_come_back() {
    let fixture = Fixture::mounted();
    let report = fixture.sh(
        "exec 3<>inventory/head/transact; echo '[[:db/add \"x\" :item/sku \"z\"]]' >&3; cat <&3",
    );
    assert!(report.contains(":tempids {\"x\" ") && report.contains(":commit \"3-"), "{report}");
}

pub fn editors_save_queries() {
    let fixture = Fixture::mounted();
    for folder in ["queries", "catalog/head/queries"] {
        let results = folder.replace("queries", "results");
        let query = "[:find ?n :in $catalog :where [$catalog _ :product/name ?n]]";
        fixture.sh(&format!("echo '{query}' > {folder}/names.edn"));
        assert_eq!(fixture.sh(&format!("cat {results}/names.csv")), "n\nChair\nTable\n");
        fixture.sh(&format!(
            "sed -i 's/ :in/ ?p :in/; \
             s/name ?n/name ?n] [$catalog _ :product\\/price ?p/' {folder}/names.edn"
        ));
        let all = fixture.sh(&format!("cat {results}/names.csv"));
        assert!(all.starts_with("n,p\nChair,45\nChair,90\n"), "{all}");
        fixture.sh(&format!(
            "cp {folder}/names.edn {folder}/other.edn && mv {folder}/other.edn {folder}/third.edn"
        ));
        assert_eq!(fixture.sh(&format!("ls {folder}")), "names.edn\nthird.edn\n");
        fixture.sh(&format!(
            "rm {folder}/third.edn; touch {folder}/empty.edn; test ! -s {folder}/empty.edn"
        ));
        assert_eq!(fixture.sh(&format!("ls {folder}")), "empty.edn\nnames.edn\n");
        fixture.sh(&format!(
            "rm {folder}/empty.edn; echo x > {folder}/.scratch; \
             cat {folder}/.scratch; rm {folder}/.scratch"
        ));
        let script = format!(
            "command -v vim > /dev/null || exit 0; \
             vim -u NONE -es -c 'normal ggO;; x' -c wq {folder}/names.edn; \
             head -1 {folder}/names.edn | grep -q x"
        );
        fixture.sh(&script);
    }
}

pub fn all_else_refuses() {
    let fixture = Fixture::mounted();
    for (script, error) in [
        ("echo x > catalog/head/schema.edn", "Read-only file system"),
        ("echo x > catalog/head/new", "Read-only file system"),
        ("mkdir catalog/commits/exp", "Read-only file system"),
        ("mkdir catalog/branches/main", "File exists"),
        ("rm -f catalog/head/entities/4.edn", "Operation not permitted"),
        ("rmdir catalog/head/entities", "Read-only file system"),
        ("ln -s x catalog/tags/v1", "Invalid argument"),
        ("cat catalog/head/entities/777.edn", "No such file or directory"),
        ("cat catalog/head/results/none.csv", "No such file or directory"),
        ("ls nothing", "No such file or directory"),
    ] {
        let output = fixture.run("bash", script);
        assert!(!output.status.success(), "{script}");
        assert!(said(&output).contains(error), "{script}: {}", said(&output));
    }
    assert!(
        fixture.sh("cat .factfs/last-error").contains("rmdir")
            || !fixture.sh("cat .factfs/last-error").is_empty()
    );
}

/// Two mounts of one store, both writing.
pub fn two_mounts() {
    let fixture = Fixture::mounted();
    std::fs::create_dir(fixture.path().join("n")).unwrap();
    let mounted = fixture.command(&["mount", "n", "inventory=inventory"]);
    assert!(mounted.status.success(), "{}", said(&mounted));
    let before = count(&fixture);
    let script = "for w in m n; do (cd ../$w; for i in $(seq 40); do \
                  echo \"[{:item/sku \\\"$w$i\\\"}]\" > inventory/head/transact || echo failed; \
                  done) & \
                  done; wait";
    assert_eq!(fixture.sh(script), "");
    assert_eq!(count(&fixture), before + 80);
    fixture.sh("sleep 0.1; cmp inventory/head/tables/item.csv ../n/inventory/head/tables/item.csv");
    assert!(fixture.command(&["umount", "n"]).status.success());
}
