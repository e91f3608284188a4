//! Wrong input through a mount: an errno at the call that failed, its reason to be read, and
//! nothing lost.

use super::{Mount, can_mount, place};
use crate::support::Place;
use crate::support::audit::audit;
use rustix::io::Errno;
use std::fs;

fn mounted() -> Option<(Place, Mount)> {
    let place = can_mount().then(place)?;
    place.ok(&["transact", "db", "[{:w/key \"kept\"}]"], "");
    let mount = Mount::new(&place, "m", &["stock=db"]);
    Some((place, mount))
}

#[test]
fn a_broken_query_file() {
    let Some((place, mount)) = mounted() else { return };
    let broken = [
        ("[:find ?x :in $stock :where [$stock ?e :w/key ?x]", Errno::INVAL, "line 1, column 1"),
        ("[:find ?y :in $stock :where [$stock ?e :w/key ?x]]", Errno::INVAL, "?y"),
        ("[:find ?x :in $none :where [$none ?e :w/key ?x]]", Errno::NOENT, "none"),
        ("[:find ?x :in $stock :where [(foo ?x)]]", Errno::INVAL, "foo"),
    ];
    for (text, errno, words) in broken {
        fs::write(mount.path("queries/bad.edn"), text).unwrap();
        let found = Mount::errno(fs::read(mount.path("results/bad.csv")));
        assert_eq!(found, errno, "{text}");
        let said = mount.read("results/bad.csv.err").unwrap();
        assert!(said.contains(words), "{text}: {said}");
        let ran = mount.shell("cat results/bad.csv");
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
        assert!(mount.read(".factfs/last-error").unwrap().contains(words));
    }
    fs::write(mount.path("queries/bad.edn"), "[:find ?x . :in $stock :where [$stock _ :w/key ?x]]")
        .unwrap();
    assert!(mount.read("results/bad.csv").unwrap().contains("kept"));
    assert_eq!(mount.read("results/bad.csv.err").unwrap(), "");
    drop(mount);
    audit(&place, "db").unwrap();
}

#[test]
fn a_transaction_that_is_refused() {
    let Some((place, mount)) = mounted() else { return };
    let refused = [
        ("[{:w/kee \"a\"}]", "Invalid argument", "did you mean :w/key?"),
        ("[{:w/n \"one\"}]", "Invalid argument", "takes a long"),
        ("[{:w/key \"a\"} [:db/add [:w/key \"no\"] :w/n 1]]", "No such file", "nothing found"),
        ("[[:db/cas [:w/key \"kept\"] :w/n 1 2]]", "Operation canceled", ":w/n"),
        ("]", "Invalid argument", "line 1, column 1"),
    ];
    for (form, errno, words) in refused {
        for shell in ["echo", "printf %s"] {
            let ran = mount.shell(&format!("{shell} '{form}' > stock/head/transact"));
            assert_ne!(ran.code, 0, "{form}");
            assert!(ran.stderr.contains(errno), "{form}: {}", ran.stderr);
        }
        let said = mount.read("stock/transact.err").unwrap();
        assert!(said.contains(words), "{form}: {said}");
    }
    assert_eq!(mount.shell("echo '[{:w/key \"a\"}]' > stock/head/transact").code, 0);
    assert_eq!(mount.read("stock/head/transact.err").unwrap(), "");
    drop(mount);
    let keys = audit(&place, "db").unwrap().keys;
    assert_eq!(keys.into_keys().collect::<Vec<_>>(), ["a", "kept"]);
}

/// What is complete is committed; the rest is an error of closing the file, which `cat` tells.
#[test]
fn a_form_that_is_cut_off() {
    let Some((place, mount)) = mounted() else { return };
    fs::write(place.path("half.edn"), "[{:w/key \"a\"}]\n[{:w/key \"b\"").unwrap();
    let ran = mount.shell("cat ../half.edn > stock/head/transact");
    assert_ne!(ran.code, 0, "{ran:?}");
    let said = mount.read("stock/transact.err").unwrap();
    assert!(said.contains("line 2, column 1"), "{said}");
    drop(mount);
    let keys = audit(&place, "db").unwrap().keys;
    assert_eq!(keys.into_keys().collect::<Vec<_>>(), ["a", "kept"]);
}

#[test]
fn a_damaged_store_answers_ebadmsg() {
    let Some((place, mount)) = mounted() else { return };
    drop(mount);
    let mount = Mount::new(&place, "m", &["stock=db"]);
    let head = fs::read(place.path("db/head")).unwrap();
    let mut damaged = head.clone();
    damaged[head.len() / 2] ^= 1;
    fs::write(place.path("db/head"), &damaged).unwrap();
    // Longer than the heads of a local store are believed without a look.
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(Mount::errno(mount.read("results/keys.json")), Errno::BADMSG);
    let said = mount.read("results/keys.json.err").unwrap();
    assert!(said.contains("head"), "{said}");
    fs::write(place.path("db/head"), &head).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(mount.read("results/keys.json").unwrap().trim(), "[\"kept\"]");
}

/// As deep as text may be, on the threads of the mount, and one deeper.
#[test]
fn deep_queries_end_with_an_answer_or_an_errno() {
    let Some((_place, mount)) = mounted() else { return };
    for (depth, open, close) in [(500, "(not ", ")"), (250, "(or (and ", "))")] {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        let pattern = "[$stock ?e :w/n 1]";
        let query =
            format!("[:find ?k . :in $stock :where [$stock ?e :w/key ?k] {open}{pattern}{close}]");
        fs::write(mount.path("queries/deep.edn"), query).unwrap();
        let _ = mount.read("results/deep.edn");
        assert_eq!(mount.read("results/keys.json").unwrap().trim(), "[\"kept\"]");
    }
    fs::write(mount.path("queries/deep.edn"), "[".repeat(200_000)).unwrap();
    assert_eq!(Mount::errno(mount.read("results/deep.edn")), Errno::INVAL);
    let deep = Mount::errno(mount.write("stock/head/transact", &"[".repeat(100_000)));
    assert_eq!(deep, Errno::INVAL);
}
