//! A transaction of facts as they are: what another branch said, with its ids.
//!
//! **Invariant:** as any transaction: what is added fits its attribute, unique values have one
//! owner, composite tuples are kept, a schema change holds for all facts. Retractions come first,
//! so that a value can go from one entity to another.

use super::apply::prepare_parsed;
use super::check::coerce;
use super::error::TxError;
use super::parse::{Op, OpKind, Operand, Parsed, Term};
use super::{TxOptions, TxProblem};
use crate::datom::{Datom, Order};
use crate::db::{Db, DbError, Prepared};
use crate::edn::Span;
use crate::id::{AttrId, EntityId};
use crate::schema::{About, Attribute, Schema};
use crate::value::{Keyword, Value};
use std::collections::BTreeSet;

/// An entity, an attribute, a value.
pub type Fact = (EntityId, AttrId, Value);

/// What is to be said.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What does not hold any more.
    pub retract: Vec<Fact>,
    /// What holds from now on.
    pub add: Vec<Fact>,
    /// Attributes that the database does not have, by the numbers they keep.
    pub brought: Vec<(Keyword, AttrId)>,
}

/// Checks and resolves facts as a transaction.
pub fn prepare_facts(db: &Db, facts: &Facts, options: &TxOptions) -> Result<Prepared, TxError> {
    let schema = schema_after(db, facts)?;
    let mut ops = Vec::with_capacity(facts.retract.len() + facts.add.len());
    let op = |e: EntityId, kind| Op { e: Term::Id(e), kind, span: NOWHERE };
    for (e, a, v) in &facts.retract {
        ops.push(op(*e, OpKind::Retract(*a, Some(Operand::Value(v.clone())))));
    }
    for (e, a, v) in &facts.add {
        let attribute = schema
            .get(*a)
            .ok_or_else(|| TxProblem::unknown(&Keyword::new(&a.to_string()), &schema));
        let v = coerce(attribute?, v.clone())?;
        ops.push(op(*e, OpKind::Add(*a, Operand::Value(v))));
    }
    let parsed = Parsed {
        ops,
        identities: Vec::new(),
        slots: Vec::new(),
        block: db.snapshot().block,
        any_ids: true,
        allow_backfill: true,
        schema,
        brought: facts.brought.clone(),
    };
    let prepared = prepare_parsed(db, parsed, options);
    prepared.map_err(|error| TxError { span: None, ..error })
}

/// Facts are in no text.
const NOWHERE: Span = Span { start: 0, end: 0, line: 0, column: 0 };

/// The schema that the facts are to be understood by: the one after them.
fn schema_after(db: &Db, facts: &Facts) -> Result<Schema, TxError> {
    let mut schema = db.schema().clone();
    for (ident, id) in &facts.brought {
        schema.insert(Attribute::at_first_use(*id, ident.clone()));
    }
    let said = facts.retract.iter().chain(&facts.add);
    let entities: BTreeSet<EntityId> =
        said.filter(|(_, a, _)| Schema::describes(*a)).map(|(e, ..)| *e).collect();
    if entities.is_empty() {
        return Ok(schema);
    }
    let described: Result<Vec<About>, DbError> =
        entities.into_iter().map(|e| Ok((e, about(db, facts, e)?))).collect();
    Ok(schema.apply(db.snapshot().block, &described?)?.schema)
}

/// What holds of an entity after the facts.
fn about(db: &Db, facts: &Facts, e: EntityId) -> Result<Vec<(AttrId, Value)>, DbError> {
    let datoms = db.datoms(Order::Eavt, Some(e), None, None)?;
    let mut about: BTreeSet<(AttrId, Value)> =
        datoms.into_iter().map(|Datom { a, v, .. }| (a, v)).collect();
    for (_, a, v) in facts.retract.iter().filter(|fact| fact.0 == e) {
        about.remove(&(*a, v.clone()));
    }
    about.extend(facts.add.iter().filter(|f| f.0 == e).map(|(_, a, v)| (*a, v.clone())));
    Ok(about.into_iter().collect())
}
