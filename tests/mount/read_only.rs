//! Who may only read mounts, queries, and gets EROFS on every write.

use super::{Mount, can_mount, place, queries};
use crate::support::audit::audit;
use crate::support::moto::Moto;
use crate::support::proxy::{Manner, Proxy};
use crate::support::{FileSystem, Place, SCHEMA};
use rustix::io::Errno;
use std::fs;

/// Reads answer, writes do not.
fn check(mount: &Mount) {
    assert_eq!(mount.read("results/keys.json").unwrap().trim(), "[\"a\"]");
    assert!(mount.read("stock/head/schema.edn").unwrap().contains(":w/key"));
    let refused = Mount::errno(mount.write("stock/head/transact", "[{:w/key \"b\"}]"));
    assert_eq!(refused, Errno::ROFS);
    let ran = mount.shell("echo '[{:w/key \"b\"}]' > stock/head/transact");
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
    let branch = Mount::errno(fs::create_dir(mount.path("stock/branches/exp")));
    assert_eq!(branch, Errno::ROFS);
    assert_eq!(mount.read("results/keys.json").unwrap().trim(), "[\"a\"]", "it answers no more");
}

#[test]
fn a_store_on_a_read_only_bind_mount() {
    if !can_mount() {
        return;
    }
    let place = place();
    place.ok(&["transact", "db", "[{:w/key \"a\"}]"], "");
    let Some(_bind) = FileSystem::read_only(&place.path("db"), &place.path("bind")) else {
        return;
    };
    check(&Mount::new(&place, "m", &["stock=bind"]));
    assert_eq!(audit(&place, "db").unwrap().log.len(), 2);
}

#[test]
fn a_store_on_s3_that_answers_403_to_put() {
    let Some(moto) = can_mount().then(Moto::start).flatten() else { return };
    moto.bucket("team-a");
    let writer = Place::new().with_s3(moto.port);
    writer.ok(&["init", "s3://team-a/stock", "--schema", SCHEMA], "");
    writer.ok(&["transact", "s3://team-a/stock", "[{:w/key \"a\"}]"], "");
    let proxy = Proxy::start(moto.port, Manner::RefusePut);
    let reader = Place::new().with_s3(proxy.port);
    queries(&reader);
    check(&Mount::new(&reader, "m", &["stock=s3://team-a/stock"]));
    assert_eq!(audit(&writer, "s3://team-a/stock").unwrap().log.len(), 2);
}

#[test]
fn a_mount_that_was_asked_to_be_read_only() {
    if !can_mount() {
        return;
    }
    let place = place();
    place.ok(&["transact", "db", "[{:w/key \"a\"}]"], "");
    check(&Mount::new(&place, "m", &["stock=db", "--read-only"]));
    assert_eq!(audit(&place, "db").unwrap().log.len(), 2);
}

#[test]
fn a_mount_of_the_past() {
    if !can_mount() {
        return;
    }
    let place = place();
    place.ok(&["transact", "db", "-"], "[{:w/key \"a\"}] [{:w/key \"b\"}]");
    let mount = Mount::new(&place, "m", &["stock=db@2"]);
    assert_eq!(mount.read("results/keys.json").unwrap().trim(), "[\"a\"]");
    let ran = mount.shell("echo '[{:w/key \"c\"}]' > stock/head/transact");
    assert!(ran.stderr.contains("Read-only file system"), "{ran:?}");
    assert_eq!(audit(&place, "db").unwrap().log.len(), 3);
}
