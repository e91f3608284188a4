//! The cases that are known to fail, by reason: `expected.edn`, which shrinks to nothing.
//!
//! `FACTFS_CASES_ACCEPT=1` writes it anew; reasons that it has are kept.

use super::skip::ids_by_reason;
use std::collections::BTreeMap;
use std::path::Path;

/// The reason of a failure that nobody has looked at.
const NOT_YET: &str = "not yet";

/// Ids and why they fail.
pub fn known() -> BTreeMap<String, String> {
    ids_by_reason(include_str!("expected.edn"))
}

/// Writes the list of these failures, if that was asked for.
pub fn accept(failed: &[String]) {
    if std::env::var_os("FACTFS_CASES_ACCEPT").is_none() {
        return;
    }
    let known = known();
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for id in failed {
        let reason = known.get(id).map_or(NOT_YET, String::as_str);
        by_reason.entry(reason).or_default().push(id);
    }
    let mut text = ";; Cases that fail, by reason.\n{".to_owned();
    for (reason, ids) in by_reason {
        text.push_str(&format!("{reason:?}\n ["));
        text.push_str(&ids.iter().map(|id| format!("{id:?}")).collect::<Vec<_>>().join("\n  "));
        text.push_str("]\n");
    }
    text.push_str("}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/expected.edn");
    std::fs::write(path, text).unwrap();
}
