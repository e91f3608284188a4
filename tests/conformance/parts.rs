//! Cases of the parser: whether a part of a query, or a pull pattern, is one.

use super::call::Stop;
use factfs_core::db::Db;
use factfs_core::edn::Form;
use factfs_core::id::EntityId;
use factfs_core::pull;
use factfs_core::query::{Part, check_part};
use factfs_core::value::Value;

/// The part that an operation reads.
pub fn part(op: &str) -> Option<Part> {
    Some(match op {
        "parse-query" => Part::Query,
        "parse-find" => Part::Find,
        "parse-with" => Part::With,
        "parse-in" => Part::In,
        "parse-binding" => Part::Binding,
        "parse-clause" => Part::Clause,
        "parse-rules" => Part::Rules,
        _ => return None,
    })
}

/// `:ok` or an error.
pub fn check(part: Part, form: &Form) -> Result<Value, Stop> {
    check_part(part, form)?;
    Ok(Value::keyword("ok"))
}

/// `:ok` or an error: what a pattern means is known only with a schema.
pub fn pattern(db: &Db, form: &Form) -> Result<Value, Stop> {
    let pattern = pull::parse(&form.to_value()).map_err(Stop::error)?;
    pull::pull(db, &pattern, EntityId(1)).map_err(Stop::error)?;
    Ok(Value::keyword("ok"))
}
