//! What changed between two moments, read with ordinary tools.

use super::{Mount, can_mount, place};
use std::fs;

#[test]
fn what_changed_is_a_file_and_a_source() {
    if !can_mount() {
        return;
    }
    let place = place();
    let query = "{:query [:find ?k ?old ?new :in $d $stock
                   :where [$d ?e :w/n ?new :changed ?old] [$stock ?e :w/key ?k]]
                  :inputs {$d \"stock/diff/v1..main\"}}";
    fs::write(place.path("queries/moved.edn"), query).unwrap();
    place.ok(&["transact", "db", "[{:w/key \"a\" :w/n 1} {:w/key \"b\" :w/n 2}]"], "");
    place.ok(&["tag", "create", "db", "v1"], "");
    let mount = Mount::new(&place, "m", &["stock=db"]);
    assert_eq!(mount.read("results/moved.csv").unwrap(), "k,old,new\n");
    mount.write("stock/transact", "[{:w/key \"a\" :w/n 5} {:w/key \"c\" :w/n 3}]").unwrap();
    assert_eq!(mount.read("results/moved.csv").unwrap(), "k,old,new\na,1,5\n");
    let changed = mount.read("stock/diff/v1..main/changed.tsv").unwrap();
    let row = changed.lines().nth(1).unwrap();
    assert!(row.contains("\t:w/n\t5\t1\t3\t"), "{changed}");
    let ran = mount.shell("ls stock/diff/2..3; grep -c :added stock/diff/2..3.csv; ls stock");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let listed =
        "added.csv\nadded.json\nchanged.csv\nchanged.json\nretracted.csv\nretracted.json\n";
    assert!(ran.stdout.starts_with(&format!("{listed}3\n")), "{}", ran.stdout);
    assert!(!ran.stdout.contains("diff"), "it is by name only: {}", ran.stdout);
    // A copy of what can never change is whole without being read before.
    let ran = mount.shell("cp stock/diff/2..3.csv ../copy && cmp ../copy stock/diff/2..3.csv");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let size = fs::metadata(mount.path("stock/diff/1..3.csv")).unwrap().len();
    assert_eq!(size, mount.read("stock/diff/1..3.csv").unwrap().len() as u64);
    let ran = mount.shell("cat stock/diff/v1..none.csv");
    assert!(ran.stderr.contains("No such file or directory"), "{}", ran.stderr);
    // What it was made of is fixed by the commits at both ends.
    let meta = mount.read("stock/diff/v1..main.csv.meta").unwrap();
    let again = meta.split("\"again\": \"").nth(1).and_then(|rest| rest.split('"').next());
    let again = again.unwrap_or_else(|| panic!("{meta}"));
    assert!(!again.contains("v1") && !again.contains("main"), "{again}");
    let now = mount.read("stock/diff/v1..main.csv").unwrap();
    mount.write("stock/transact", "[{:w/key \"d\"}]").unwrap();
    assert_eq!(mount.read(again).unwrap(), now);
    assert_ne!(mount.read("stock/diff/v1..main.csv").unwrap(), now);
}

#[test]
fn a_branch_is_compared_with_another() {
    if !can_mount() {
        return;
    }
    let place = place();
    place.ok(&["transact", "db", "[{:w/key \"a\" :w/n 1}]"], "");
    place.ok(&["branch", "create", "db", "exp"], "");
    let mount = Mount::new(&place, "m", &["stock=db"]);
    mount.write("stock/branches/exp/transact", "[{:w/key \"a\" :w/n 2}]").unwrap();
    mount.write("stock/branches/main/transact", "[{:w/key \"b\" :w/n 7}]").unwrap();
    let read = |path: &str| mount.read(path).unwrap();
    let changed = read("stock/diff/main..exp/changed.csv");
    assert_eq!(changed.lines().count(), 2, "{changed}");
    let kinds = |path: &str, kind: &str| read(path).matches(kind).count();
    // The key and the number, and when it was said.
    assert_eq!(kinds("stock/diff/main..exp.csv", ":retracted"), 3);
    assert_eq!(kinds("stock/diff/exp..main.csv", ":added"), 3);
    assert_eq!(read("stock/diff/exp..exp.csv"), "e,a,v,change,old,t,instant\n");
}
