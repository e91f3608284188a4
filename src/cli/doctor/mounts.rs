//! How a mount is.

use super::finding::Finding;
use crate::cli::mounting::mounted::{self, State};
use factfs_mount::point::Mount;
use factfs_store::Kind;
use serde_json::Value as Json;

/// A head that was not looked at for so long, while something runs, is worth a word.
const OLD_SECONDS: f64 = 60.0;

/// How a mount is, and the places of its databases.
pub fn mount(mount: &Mount) -> (Vec<Finding>, Vec<String>) {
    let point = mount.point.display();
    let check = format!("mount {point}");
    let state = mounted::look(mount);
    let found = match &state {
        State::Answers(status) => return (answering(&check, status), urls(status)),
        State::Dead => Finding::failure(
            check,
            Kind::Stale,
            "its process is gone",
            &format!("factfs umount {point}; mounting there again clears it, too"),
        ),
        State::Closed => Finding::warning(
            check,
            "it is another user's",
            "ask who mounted it, or that it be mounted with --allow-other",
        ),
        State::Silent(why) => Finding::failure(
            check,
            Kind::Timeout,
            why.clone(),
            &format!("its log may say why; factfs umount {point} takes it away"),
        ),
    };
    (vec![found], Vec::new())
}

fn answering(check: &str, status: &Json) -> Vec<Finding> {
    let number = |field: &str| status.get(field).and_then(Json::as_u64).unwrap_or(0);
    let list = |field: &str| status.get(field).and_then(Json::as_array).map_or(0, Vec::len);
    let heads = mounted::of_stores(status, "commit");
    let found = format!(
        "{heads}; {} running, {} waiting, {} open",
        list("running"),
        number("waiting"),
        number("handles")
    );
    let mut all = vec![Finding::well(check, found)];
    let version = status.get("version").and_then(Json::as_str).unwrap_or_default();
    if version != env!("CARGO_PKG_VERSION") {
        let found = format!("it is served by factfs {version}");
        all.push(Finding::warning(check, found, "unmount it and mount it again"));
    }
    if number("waiting") > 0 {
        let found = "queries wait for others to end";
        let hint = "mount it with a larger --at-once, or a shorter --time";
        all.push(Finding::warning(check, found, hint));
    }
    for (name, store) in status.get("stores").and_then(Json::as_object).into_iter().flatten() {
        let lag = store.get("lag_seconds").and_then(Json::as_f64).unwrap_or(0.0);
        if lag > OLD_SECONDS && list("running") > 0 {
            let found = format!("{name}: its head was looked at {lag} s ago");
            all.push(Finding::warning(check, found, "look at the line of the store, and the log"));
        }
    }
    all
}

fn urls(status: &Json) -> Vec<String> {
    let stores = status.get("stores").and_then(Json::as_object);
    let url = |store: &Json| Some(store.get("url")?.as_str()?.to_owned());
    stores.into_iter().flatten().filter_map(|(_, store)| url(store)).collect()
}
