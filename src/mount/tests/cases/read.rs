//! Reading.

use crate::fixture::{Fixture, create};
use std::time::{Duration, Instant};

/// Each on a mount where the file was not opened before.
pub fn tools_give_the_same_bytes() {
    let expected = "db/id,product/name,product/price,product/sku\n4,Chair,45,c1\n5,Table,90,t1\n";
    let file = "catalog/head/tables/product.csv";
    for tool in [
        format!("cat {file}"),
        format!("head -n 9 {file}"),
        format!("tail -n 9 {file}"),
        format!("cat < {file}"),
        format!("awk '{{print}}' {file}"),
        format!("grep '' {file}"),
        format!("sort -s -k1,1.0 {file} | cat {file}"),
        format!("cp {file} ../copy && cat ../copy && rm ../copy"),
        format!("dd if={file} status=none bs=7"),
        format!("dd if={file} status=none iflag=direct bs=4096 || cat {file}"),
        format!("tar -chf - {file} | tar -xOf -"),
        format!("python3 -c 'print(open(\"{file}\").read(), end=\"\")'"),
        format!(
            "python3 -c 'import mmap,sys; f=open(\"{file}\",\"rb\"); \
             sys.stdout.buffer.write(mmap.mmap(f.fileno(),0,access=mmap.ACCESS_READ)[:])'"
        ),
        format!(
            "python3 -c 'import os,sys; f=open(\"{file}\",\"rb\"); os.sendfile(1,f.fileno(),0,99)' \
             | cat"
        ),
        format!("cmp {file} <(cat {file}) && cat {file}"),
        format!("test $(wc -c < {file}) = {} && cat {file}", expected.len()),
        format!(
            "test $(cat {file} > /dev/null; stat -Lc %s {file}) = {} && cat {file}",
            expected.len()
        ),
    ] {
        let fixture = Fixture::mounted();
        assert_eq!(fixture.sh(&tool), expected, "{tool}");
    }
}

pub fn the_join_of_two_stores() {
    let fixture = Fixture::mounted();
    let query = "[:find ?name ?count :in $catalog $inventory :where \
                 [$catalog ?p :product/sku ?s] [$catalog ?p :product/name ?name] \
                 [$inventory ?i :item/sku ?s] [$inventory ?i :item/count ?count]]";
    fixture.sh(&format!("echo '{query}' > queries/stock.edn"));
    assert_eq!(fixture.sh("ls results"), "stock.csv\nstock.json\n");
    assert_eq!(fixture.sh("cat results/stock.csv"), "name,count\nChair,3\nTable,0\n");
    fixture.sh("echo '[{:item/sku \"c1\" :item/count 8}]' > inventory/head/transact");
    assert_eq!(fixture.sh("cat results/stock.csv"), "name,count\nChair,8\nTable,0\n");
    let meta = fixture.sh("cat results/stock.csv.meta");
    assert!(meta.contains("\"rows\": 2"), "{meta}");
    assert_eq!(fixture.sh("cat results/stock.csv.err"), "");
    let found =
        fixture.sh("cat 'catalog/head/query/[:find (max ?p) . :where [_ :product/price ?p]].txt'");
    assert!(found.contains("90"), "{found}");
    let failed = fixture.run("bash", "echo '[:find ?x' > queries/bad.edn; cat results/bad.csv");
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains("Invalid argument"), "{said}");
    assert!(fixture.sh("cat results/bad.csv.err").contains("line 1"));
}

pub fn the_past() {
    let fixture = Fixture::mounted();
    let file = "tables/product.csv";
    assert!(fixture.sh(&format!("cat catalog/at/2/{file}")).contains("Chair,40"));
    assert!(fixture.sh(&format!("cat catalog/commits/2/{file}")).contains("Chair,40"));
    let id = fixture.sh("readlink catalog/commits/2");
    let id = id.trim();
    let size = fixture.sh(&format!("stat -Lc %s catalog/commits/{id}/{file}"));
    let text = fixture.sh(&format!("cat catalog/commits/{id}/{file}"));
    assert_eq!(size.trim(), text.len().to_string());
    assert!(fixture.sh("cat catalog/log/2.edn").contains(":product/name \"Chair\""));
    assert_eq!(fixture.sh("ls catalog/log").lines().count(), 3);
    assert!(fixture.sh("ls at").lines().count() >= 8);
    let today = fixture.sh("date -u +%Y-%m-%d");
    let today = today.trim();
    assert!(fixture.sh(&format!("cat catalog/at/{today}/{file}")).contains("Chair,45"));
    assert!(fixture.sh(&format!("cat at/{today}/catalog/{file}")).contains("Chair,45"));
}

pub fn find_and_grep_end() {
    let fixture = Fixture::mounted();
    let found = fixture.sh("find . | sort | uniq -d");
    assert_eq!(found, "", "doubled names");
    assert!(fixture.sh("find . -type f | wc -l").trim().parse::<u32>().unwrap() > 20);
    let counts = fixture.sh("grep -rc . . || true");
    assert!(counts.lines().count() > 20, "{counts}");
    fixture.sh("tar -cf /dev/null catalog README.md");
    fixture.sh("cp -r catalog ../copied && test -s ../copied/branches/main/datoms.edn");
}

/// `FACTFS_ENTITIES` says how many; the figures of a listing are printed.
pub fn many_entities() {
    let fixture = Fixture::stores();
    let ident =
        r#"[{:db/ident :n/n :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]"#;
    let wanted = std::env::var("FACTFS_ENTITIES").ok().and_then(|n| n.parse().ok());
    let count: usize = wanted.unwrap_or(10_000).max(1000);
    let mut transactions = vec![ident.to_owned()];
    for batch in 0..count / 1000 {
        let entities: Vec<_> =
            (0..1000).map(|n| format!("{{:n/n {}}}", batch * 1000 + n)).collect();
        transactions.push(format!("[{}]", entities.join(" ")));
    }
    let count = count / 1000 * 1000;
    let texts: Vec<&str> = transactions.iter().map(String::as_str).collect();
    create(&fixture.path().join("many"), &texts);
    assert!(fixture.command(&["mount", "m", "many=many"]).status.success());
    let commit = "many/commits/$(readlink many/commits/11)/entities/";
    for (command, lines) in [
        ("ls many/head/entities".to_owned(), count + 1),
        ("ls -f many/head/entities | sort -u".to_owned(), count + 3),
        ("find many/head/entities/ | sort -u".to_owned(), count + 2),
        ("ls -l many/head/entities/ | sort -u".to_owned(), count + 2),
        (format!("ls -l {commit} | sort -u"), 10_002.min(count + 2)),
    ] {
        let started = Instant::now();
        assert_eq!(
            fixture.sh(&format!("{command} | wc -l")).trim(),
            lines.to_string(),
            "{command}"
        );
        println!("  {command}: {:?}", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(15), "{command}");
    }
    let all = fixture.sh("cd many/head/entities; cat 1[0-9]*.edn | wc -c");
    let sizes =
        fixture.sh("cd many/head/entities; stat -c %s 1[0-9]*.edn | awk '{s+=$1} END {print s}'");
    assert_eq!(all.trim(), sizes.trim());
}
