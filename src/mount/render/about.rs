//! What a store is, and what a snapshot is, as JSON.

use crate::error::Result;
use crate::source::{Moment, Mounted};
use factfs_core::instant;
use serde_json::{Map, Value as Json, json};

/// `snapshot.json`: which value this is.
pub fn snapshot_json(mounted: &Mounted, branch: Option<&str>, moment: &Moment) -> Result<String> {
    let t = moment.db.basis_t();
    let on = branch.map_or_else(|| mounted.head_branch(), str::to_owned);
    let entry = match moment.commit {
        Some(_) => mounted.source.log(&on, Some(t), 1)?.into_iter().next(),
        None => None,
    };
    let parents = entry
        .filter(|entry| Some(entry.commit) == moment.commit)
        .map(|entry| entry.parents.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut about = Map::new();
    about.insert("store".into(), json!(&*mounted.name));
    about.insert("uuid".into(), json!(mounted.source.uuid().to_string()));
    about.extend(branch.map(|branch| ("branch".into(), json!(branch))));
    about.insert("commit".into(), json!(moment.commit.map(|commit| commit.to_string())));
    about.insert("t".into(), json!(t.0));
    about.insert("instant".into(), json!(moment.instant_ms.map(instant::format)));
    // Only a head knows its counts without reading everything.
    let datoms = moment.db.view().is_now().then(|| moment.db.snapshot().counts.values().sum());
    about.extend(datoms.map(|datoms: u64| ("datoms".into(), json!(datoms))));
    about.extend(parents.map(|parents| ("parents".into(), json!(parents))));
    Ok(pretty(&Json::Object(about)))
}

/// `store.json`: which store this is.
pub fn store_json(mounted: &Mounted) -> Result<String> {
    let source = &mounted.source;
    let branches = source.branches()?;
    let tags = source.tags()?;
    let head = source.head(&mounted.head_branch())?;
    let commit = |branch: &crate::source::Branch| branch.commit.map(|commit| commit.to_string());
    let names = branches.iter().map(|branch| (branch.name.clone(), json!(commit(branch))));
    let read_only = mounted.check_writable().err().map(|failure| failure.message);
    let about = json!({
        "name": &*mounted.name,
        "own_name": source.name(),
        "uuid": source.uuid().to_string(),
        "url": source.url(),
        "format": factfs_core::commit::FORMAT_VERSION,
        "default_branch": source.default_branch(),
        "head": head.commit.map(|commit| commit.to_string()),
        "t": head.db.basis_t().0,
        "instant": head.instant_ms.map(instant::format),
        "datoms": head.db.snapshot().counts.values().sum::<u64>(),
        "attributes": head.db.schema().attributes().filter(|a| a.entity.is_some()).count(),
        "branches": names.collect::<Map<_, _>>(),
        "tags": tags.iter().map(|tag| (tag.name.clone(), json!(tag.commit.to_string())))
            .collect::<Map<_, _>>(),
        "writable": read_only.is_none(),
        "why_read_only": read_only,
    });
    Ok(pretty(&about))
}

/// JSON as it is shown.
pub fn pretty(json: &Json) -> String {
    // Printing a value that is in memory cannot fail.
    serde_json::to_string_pretty(json).unwrap_or_default() + "\n"
}
