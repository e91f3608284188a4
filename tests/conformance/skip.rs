//! What is not run, and why.
//!
//! **Invariant:** a reason is a mark of the case itself, or the case is listed in `decided.edn`,
//! where the dialect was decided to be another.

use super::find::foreign_functions;
use super::format::Case;
use factfs_core::edn::read_one;
use factfs_core::query::is_builtin;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The reason of cases that need values of the recorded program.
pub const HOST: &str = "needs a value of its host";

static DECIDED: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| ids_by_reason(include_str!("decided.edn")));

static EXTENSIONS: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| ids_by_reason(include_str!("extensions.edn")));

/// Why a text that the recorded parser refused so is a query.
pub fn extension(error: &str) -> Option<String> {
    let known = EXTENSIONS.iter().find(|(known, _)| error.starts_with(known.as_str()));
    known.map(|(_, reason)| format!("an extension: {reason}"))
}

/// A map from reasons to ids, turned round.
pub fn ids_by_reason(text: &str) -> BTreeMap<String, String> {
    let form = read_one(text).unwrap();
    let mut reasons = BTreeMap::new();
    for (reason, ids) in form.as_map().unwrap() {
        for id in ids.as_seq().unwrap() {
            let id = id.as_str().unwrap().to_owned();
            reasons.insert(id, reason.as_str().unwrap().to_owned());
        }
    }
    reasons
}

/// Why a case is not run, if it is not.
pub fn reason(suite: &str, case: &Case) -> Option<String> {
    if let Some(reason) = decided(suite, &case.id) {
        return Some(reason);
    }
    if case.host {
        return Some(HOST.to_owned());
    }
    if case.failed {
        return Some("failed where it was recorded".to_owned());
    }
    let foreign = case.query.as_ref().filter(|_| case.op == "q").map(foreign_functions);
    let mut called = case.fns.iter().chain(foreign.iter().flatten());
    let unknown = called.find(|name| !is_builtin(name) && *name != "pull");
    unknown.map(|name| format!("unknown function {name}"))
}

/// The reason of a transaction whose schema names a predicate of the recorded program, if that is
/// what its error says.
pub fn host_predicate(error: &str) -> Option<String> {
    let (_, rest) = error.split_once("unknown predicate ")?;
    let name = rest.split_whitespace().next()?;
    name.contains('/').then(|| format!("unknown function {name}"))
}

/// Why the dialect was decided to answer otherwise.
pub fn decided(suite: &str, id: &str) -> Option<String> {
    let reason = DECIDED.get(&format!("{suite}/{id}"))?;
    Some(format!("decided otherwise: {reason}"))
}
