//! What is not run, and why.
//!
//! **Invariant:** the reason is a mark of the case itself. What is answered otherwise on purpose
//! is run, and is no matter of this file.

use super::format::Case;
use factfs_core::query::is_builtin;

/// The reason of cases that need values of the recorded program.
pub const HOST: &str = "needs a value of its host";

/// Why a case is not run, if it is not.
pub fn reason(case: &Case) -> Option<String> {
    if case.host {
        return Some(HOST.to_owned());
    }
    if case.failed {
        return Some("failed where it was recorded".to_owned());
    }
    let unknown = case.fns.iter().find(|name| !is_known(name))?;
    Some(format!("unknown function {unknown}"))
}

fn is_known(name: &str) -> bool {
    is_builtin(name) || ["pull", "datahike.api/q"].contains(&name)
}
