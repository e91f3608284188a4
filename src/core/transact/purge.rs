//! Forms that erase for good: what is meant by them.
//!
//! **Invariant:** they stand in a transaction of their own. What they erase is no datom, so
//! [`prepare`](super::prepare) refuses them: [`with`](super::with) erases from a value, and whoever
//! commits erases from all of the database first and then commits the rest, the transaction itself.
//! So the transaction is there only when the erasure is done. A name that nobody has now means who
//! had it.

use super::beside::forms;
use super::error::{TxError, TxProblem, shown};
use super::parse::{Operand, Parser, Term, syntax};
use crate::db::{Db, EntityRef, Erase};
use crate::edn::{Form, FormKind};
use crate::id::EntityId;
use crate::schema::Attribute;
use crate::value::Value;
use std::sync::Arc;

/// A transaction that erases.
#[derive(Clone, Debug)]
pub struct Purging {
    /// What it erases.
    pub erase: Erase,
    /// The rest of it: what is said about the transaction itself, if anything is.
    pub tx: Form,
}

/// Whether this begins a form that erases.
pub(super) fn is_purge(operation: &str) -> bool {
    let all = ["db/purge", "db.purge/entity", "db.purge/attribute", "db.history.purge/before"];
    all.contains(&operation)
}

/// The operation of a form, if it is one that erases.
fn operation(form: &Form) -> Option<&str> {
    let name = form.as_seq()?.first()?.as_keyword()?.as_str();
    Some(name).filter(|name| is_purge(name))
}

/// Whether a transaction has forms that erase; by its text, whether or not they mean something.
pub fn erases(tx: &Form) -> bool {
    forms(tx).is_ok_and(|(forms, _)| forms.iter().any(|form| operation(form).is_some()))
}

/// What a transaction of forms that erase means here.
pub fn purging(db: &Db, tx: &Form) -> Result<Purging, TxError> {
    if !db.view().is_now() {
        return Err(TxProblem::PastView.into());
    }
    let (all, beside) = forms(tx)?;
    let (block, next) = (db.snapshot().block, db.snapshot().next_tx());
    let mut reader = Reader { db, parser: Parser::new(db.schema(), block, next, all, 0) };
    let mut erase = Vec::with_capacity(all.len());
    for form in all.iter().filter(|form| !form.is_nil()) {
        erase.push(reader.form(form, all)?);
    }
    let erase = if erase.len() == 1 { erase.swap_remove(0) } else { Erase::Several(erase) };
    Ok(Purging { erase, tx: rest(tx, beside.meta) })
}

/// A transaction that says this of itself, and nothing else.
fn rest(tx: &Form, meta: Option<&Form>) -> Form {
    let of = |kind| Form { kind, span: tx.span };
    let nothing = of(FormKind::Vector(Vec::new()));
    let Some(meta) = meta else { return nothing };
    let key = |name: &str| Form::from(Value::keyword(name));
    of(FormKind::Map(vec![(key("tx-data"), nothing), (key("tx-meta"), meta.clone())]))
}

/// The first form that erases, which cannot stand beside others.
fn mixed(all: &[Form]) -> Option<TxError> {
    let form = all.iter().find(|form| operation(form).is_some())?;
    let operation = form.as_seq()?.first()?.as_keyword()?.clone();
    Some(TxProblem::PurgeAlone { operation }.at(form))
}

struct Reader<'a> {
    db: &'a Db,
    parser: Parser<'a>,
}

impl Reader<'_> {
    fn form(&mut self, form: &Form, all: &[Form]) -> Result<Erase, TxError> {
        let (Some(name), Some(items)) = (operation(form), form.as_seq()) else {
            return Err(mixed(all).unwrap_or_else(|| syntax("a form that erases", form)));
        };
        match (name, &items[1..]) {
            ("db/purge", [e, a, v]) => self.fact(form, e, a, v),
            // Datahike takes an attribute here, too, and erases the entity.
            ("db.purge/entity", [e] | [e, _]) => {
                Ok(Erase::Entity(self.entity(e, ":db.purge/entity")?))
            }
            ("db.purge/attribute", [e, a]) => {
                let attribute = self.attribute(a)?.id;
                let entity = Some(self.entity(e, ":db.purge/attribute")?);
                Ok(Erase::Attribute { attribute, entity })
            }
            ("db.history.purge/before", [at]) => match at.to_value() {
                Value::Inst(ms) => Ok(Erase::Before(ms.saturating_sub(1))),
                _ => Err(syntax(":db.history.purge/before takes an instant, #inst \"…\"", form)),
            },
            ("db/purge", _) => {
                Err(syntax(":db/purge takes an entity, an attribute and a value", form))
            }
            ("db.purge/entity", _) => Err(syntax(":db.purge/entity takes an entity", form)),
            ("db.purge/attribute", _) => {
                Err(syntax(":db.purge/attribute takes an entity and an attribute", form))
            }
            _ => Err(syntax(":db.history.purge/before takes an instant", form)),
        }
    }

    fn fact(&mut self, form: &Form, e: &Form, a: &Form, v: &Form) -> Result<Erase, TxError> {
        let attribute = self.attribute(a)?;
        if attribute.is_composite() {
            return Err(TxProblem::Composite { attribute: attribute.ident.clone() }.at(form));
        }
        let entity = self.entity(e, ":db/purge")?;
        let operand = self.parser.operand(&attribute, v)?;
        let value = self.value(&operand, v, ":db/purge")?;
        Ok(Erase::Fact { entity, attribute: attribute.id, value })
    }

    /// An attribute that is there: what is not brings nothing.
    fn attribute(&mut self, form: &Form) -> Result<Arc<Attribute>, TxError> {
        let attribute = self.parser.attribute(form)?;
        match self.db.schema().get(attribute.id) {
            Some(_) => Ok(attribute),
            None => Err(TxProblem::unknown(&attribute.ident, self.db.schema()).at(form)),
        }
    }

    fn entity(&mut self, form: &Form, operation: &'static str) -> Result<EntityId, TxError> {
        let term = self.parser.known_entity(form, operation)?;
        self.resolve(&term, form, operation)
    }

    fn resolve(
        &self,
        term: &Term,
        form: &Form,
        operation: &'static str,
    ) -> Result<EntityId, TxError> {
        let named = match term {
            Term::Id(e) => EntityRef::Id(*e),
            Term::Ident(ident) => EntityRef::Ident(ident.clone()),
            Term::Lookup(a, operand) => {
                EntityRef::Lookup(*a, self.value(operand, form, operation)?)
            }
            Term::Slot(_) | Term::Tx => return Err(TxProblem::TempidIn { operation }.at(form)),
        };
        let found = self.db.entids_ever(&named)?;
        let what = || shown(&form.to_value());
        match found[..] {
            [entity] => Ok(entity),
            [] => Err(TxProblem::NeverWas { what: what() }.at(form)),
            _ => Err(TxProblem::Ambiguous { what: what(), entities: found }.at(form)),
        }
    }

    fn value(
        &self,
        operand: &Operand,
        form: &Form,
        operation: &'static str,
    ) -> Result<Value, TxError> {
        match operand {
            Operand::Value(value) => Ok(value.clone()),
            Operand::Entity(term) => self.resolve(term, form, operation).map(Value::Ref),
            Operand::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.value(part, form, operation));
                Ok(Value::from(parts.collect::<Result<Vec<_>, _>>()?))
            }
        }
    }
}
