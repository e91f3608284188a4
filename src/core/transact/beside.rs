//! A transaction's forms, and what is given beside them.
//!
//! **Invariant:** nothing is read of the forms themselves.

use super::error::{TxError, TxProblem};
use super::parse::syntax;
use crate::edn::Form;
use crate::value::Value;

/// The option that lets attributes with facts get an index, as it is called in Datahike.
const ALLOW_BACKFILL: &str = "allow-index-backfill?";

/// What stands beside the forms of a transaction.
#[derive(Default)]
pub(super) struct Beside<'f> {
    /// Facts about the transaction.
    pub(super) meta: Option<&'f Form>,
    /// Whether attributes that have facts may get an index.
    pub(super) allow_backfill: bool,
}

/// The forms of a transaction, and what is given beside them. A map is a transaction of that one
/// form, unless it is a map with `:tx-data`.
pub(super) fn forms(tx: &Form) -> Result<(&[Form], Beside<'_>), TxError> {
    const EXPECTED: &str = "a transaction is a vector of forms, or one map";
    let tx = tx.unquoted();
    if let Some(inner) = tx.get("tx-data") {
        let forms = inner.unquoted().as_seq();
        let forms = forms.ok_or_else(|| TxProblem::Syntax { expected: EXPECTED }.at(inner))?;
        let allow_backfill = match tx.get(ALLOW_BACKFILL) {
            None => false,
            Some(form) => match form.as_value() {
                Some(Value::Bool(allowed)) => *allowed,
                _ => return Err(syntax(":allow-index-backfill? is true or false", form)),
            },
        };
        let meta = tx.get("tx-meta").filter(|meta| !meta.is_nil());
        return Ok((forms, Beside { meta, allow_backfill }));
    }
    if tx.as_map().is_some() {
        return Ok((std::slice::from_ref(tx), Beside::default()));
    }
    let forms = tx.as_seq().ok_or_else(|| TxProblem::Syntax { expected: EXPECTED }.at(tx))?;
    Ok((forms, Beside::default()))
}
