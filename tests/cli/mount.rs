//! `factfs mount` and `factfs umount`: what is refused before anything is mounted, and coming and
//! going. What a mount shows is tested with the mount.

use super::{Sandbox, can_mount};
use insta::assert_snapshot;

#[test]
fn what_cannot_be_mounted_is_named() {
    let sandbox = Sandbox::demo();
    assert_snapshot!(sandbox.fails(&["mount", "mnt", "none=none"]), @"
    factfs: none: DIR/none: no database here (create one with `factfs init`)
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["mount", "mnt", "a=catalog", "a=inventory"]), @"
    factfs: two stores are to be mounted as `a`
    hint: name them: NAME=URL
    exit code 5
    ");
    assert_snapshot!(sandbox.fails(&["mount", "mnt", "queries=catalog"]), @"
    factfs: `queries` cannot be the name of a store's folder
    hint: letters, digits, - _ . and none of queries results at pins diff
    exit code 3
    ");
    assert_snapshot!(sandbox.fails(&["mount", "mnt", "catalog@2020-01-01x"]), @"
    factfs: catalog: 2020-01-01x: no such commit, tag or branch
    exit code 4
    ");
    assert_snapshot!(sandbox.fails(&["umount", "queries"]), @"
    factfs: nothing of factfs is mounted at DIR/queries
    hint: mount -t fuse.factfs lists what is
    exit code 4
    ");
}

#[test]
fn a_mount_comes_and_goes() {
    if !can_mount() {
        return;
    }
    let sandbox = Sandbox::demo();
    assert_eq!(sandbox.ok(&["mount", "mnt", "catalog", "--queries", "queries"]), "");
    let price = "[:find ?p . :where [?e :product/sku \"B-10\"] [?e :product/price ?p]]";
    let in_mount = |folder: &str| sandbox.ran(&["query", price, folder], "");
    let (head, tag) = (in_mount("mnt/catalog/head"), in_mount("mnt/catalog/at/2026-09-30"));
    let over = sandbox.ran(&["mount", "mnt", "inventory"], "");
    let umount = sandbox.ran(&["umount", "mnt"], "");
    assert_eq!((umount.code, umount.stderr.as_str()), (0, ""));
    assert_eq!((head.stdout.as_str(), head.stderr.as_str()), ("14\n", ""));
    assert_eq!((tag.stdout.as_str(), tag.stderr.as_str()), ("12\n", ""));
    assert_snapshot!(over.stderr, @"
    factfs: DIR/mnt is in use: factfs is mounted there
    hint: factfs umount DIR/mnt, or take another folder
    ");
    assert_snapshot!(sandbox.fails(&["umount", "mnt"]), @"
    factfs: nothing of factfs is mounted at DIR/mnt
    hint: mount -t fuse.factfs lists what is
    exit code 4
    ");
}
