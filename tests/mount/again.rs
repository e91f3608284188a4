//! A mount whose trees are collected while a query reads them.

use super::{Mount, can_mount, queries};
use crate::store::again::{ENTITIES, URL, replace_and_collect, served};
use std::thread;

#[test]
fn a_query_of_a_mount_goes_on() {
    if !can_mount() {
        return;
    }
    let Some((_moto, place, proxy, far)) = served() else { return };
    queries(&far);
    let mount = Mount::new(&far, "m", &[&format!("stock={URL}")]);
    proxy.shut_after(0);
    let path = mount.path("results/count.json");
    let answer = thread::spawn(move || std::fs::read_to_string(path));
    proxy.wait_for_one();
    replace_and_collect(&place, URL);
    proxy.open();
    assert_eq!(answer.join().unwrap().unwrap().trim(), ENTITIES.to_string());
}
