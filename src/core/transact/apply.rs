//! The rounds of a transaction, and what is added at the end: the transaction's own facts and the
//! next schema.
//!
//! **Invariant:** a pass in which an answer was guessed, or a tempid turned out to be something
//! else, has no effect.

use super::TxOptions;
use super::error::{TxError, TxProblem};
use super::parse::{Op, OpKind, Operand, Parsed, Term, parse};
use super::reads::{Question, Reads};
use super::resolve::{Binding, Pass};
use super::state::State;
use crate::datom::{Datom, KeyRange, Order};
use crate::db::{Db, DbError, Prepared};
use crate::edn::{Form, Span};
use crate::id::{AttrId, EntityId, Tx};
use crate::schema::{About, Change, Condition, Schema, SchemaError, TupleKind, builtin};
use crate::value::{Keyword, Value};
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;

pub(super) fn prepare(db: &Db, form: &Form, options: &TxOptions) -> Result<Prepared, TxError> {
    if !db.view().is_now() {
        return Err(TxProblem::PastView.into());
    }
    if let Some(already) = already(db, options)? {
        return Ok(already);
    }
    let snapshot = db.snapshot();
    let parsed = parse(db.schema(), snapshot.block, snapshot.next_tx(), form);
    let prepared = parsed.and_then(|mut parsed| {
        parsed.any_ids = options.any_ids;
        done(db, parsed, options)
    });
    prepared.map_err(|error| error.in_text(form))
}

/// Prepares operations that are parsed.
pub(super) fn prepare_parsed(
    db: &Db,
    parsed: Parsed,
    options: &TxOptions,
) -> Result<Prepared, TxError> {
    if !db.view().is_now() {
        return Err(TxProblem::PastView.into());
    }
    match already(db, options)? {
        Some(already) => Ok(already),
        None => done(db, parsed, options),
    }
}

fn done(db: &Db, parsed: Parsed, options: &TxOptions) -> Result<Prepared, TxError> {
    let tx = db.snapshot().next_tx();
    let mut done = rounds(db, tx, &parsed)?;
    let instant_ms = instant(db, done.instant_ms, options);
    let instant_ms = instant_ms.map_err(|problem| TxError {
        span: parsed.last(|op| matches!(op.kind, OpKind::Add(builtin::TX_INSTANT, _))),
        ..problem.into()
    })?;
    let mut datoms = std::mem::take(&mut done.datoms);
    if datoms.iter().any(|d| !d.added) {
        datoms = net(datoms);
    }
    own_facts(&mut datoms, tx, instant_ms, options);
    let mut prepared = Prepared {
        tx,
        instant_ms,
        datoms,
        schema: parsed.schema.clone(),
        next_entity: done.next_entity,
        tempids: tempids(&parsed, &done.bindings),
        backfill: Vec::new(),
        merged: Vec::new(),
        already: None,
    };
    if !parsed.brought.is_empty() || !done.described.is_empty() {
        let changed = change_schema(db, &parsed, &done.described, &mut prepared);
        let changed = changed.and_then(|()| backfill_allowed(&parsed, &prepared, options));
        changed.map_err(|error| TxError { span: described_at(&error, &parsed, &done), ..error })?;
    }
    Ok(prepared)
}

/// Where an attribute is described that the schema cannot be so.
fn described_at(error: &TxError, parsed: &Parsed, done: &Done) -> Option<Span> {
    let ident = match &error.problem {
        TxProblem::Schema(problem) => problem.ident().map(Keyword::new),
        TxProblem::SharedTuple { attribute, .. } => Some(attribute.clone()),
        _ => return None,
    };
    let is = |(_, facts): &&About| {
        let said = facts.iter().find(|(a, _)| *a == builtin::IDENT).map(|(_, v)| v);
        said == ident.clone().map(Value::Keyword).as_ref()
    };
    let (e, _) = done.described.iter().find(is)?;
    let of_it = |op: &Op| match op.e {
        Term::Id(id) => id == *e,
        Term::Slot(slot) => done.bindings[slot as usize].entity() == Some(*e),
        _ => false,
    };
    let key = match &error.problem {
        TxProblem::Schema(SchemaError::BadValue { key, .. }) => {
            parsed.schema.attr(key.trim_start_matches(':'))
        }
        _ => None,
    };
    let says = |op: &Op| match &op.kind {
        OpKind::Add(a, _) => key.is_some_and(|key| key.id == *a),
        _ => false,
    };
    parsed.last(|op| of_it(op) && says(op)).or_else(|| parsed.last(|op| of_it(op)))
}

/// The transaction that has this client's id already.
pub(super) fn already(db: &Db, options: &TxOptions) -> Result<Option<Prepared>, TxError> {
    let Some(id) = &options.tx_id else { return Ok(None) };
    let Some(tx) = db.tx_with_id(id)? else { return Ok(None) };
    let mut prepared = Prepared::already(db, tx);
    if let Some(Value::Inst(ms)) = db.value(tx.entity(), builtin::TX_INSTANT)? {
        prepared.instant_ms = ms;
    }
    Ok(Some(prepared))
}

/// What the last pass came to.
struct Done {
    datoms: Vec<Datom>,
    next_entity: EntityId,
    instant_ms: Option<i64>,
    bindings: Vec<Binding>,
    described: Vec<About>,
}

fn rounds(db: &Db, tx: Tx, parsed: &Parsed) -> Result<Done, TxError> {
    let tuples = tuples_by_part(&parsed.schema);
    let mut reads = Reads::with_capacity(parsed.identities.len());
    ask_ahead(parsed, db, &mut reads)?;
    ask_parts(parsed, db, &mut reads)?;
    let first_new = db.snapshot().next_entity;
    let (mut bindings, mut next) = (vec![Binding::Unknown; parsed.slots.len()], first_new);
    loop {
        let ids = (first_new, next);
        let room = parsed.ops.len() + 2;
        let state = State::new(&mut reads, &parsed.schema, &tuples, tx, ids, room);
        let mut pass = Pass::new(state, parsed, bindings.clone());
        let result = pass.run();
        if pass.state.reads.is_guessing() {
            reads.fetch(db)?;
            continue;
        }
        if pass.again {
            (bindings, next) = (pass.bindings, pass.state.next_entity);
            continue;
        }
        result.map_err(|(problem, span)| TxError { problem, span, form: None })?;
        let (described, bindings) = (pass.described, pass.bindings);
        let State { datoms, next_entity, instant_ms, .. } = pass.state;
        return Ok(Done { datoms, next_entity, instant_ms, bindings, described });
    }
}

/// Asks who has the unique values that are written, and whom idents and lookup refs mean: most
/// transactions need no other answer before their first pass. A pass ends at the first of those
/// that it does not know, so none may be left to it.
fn ask_ahead(parsed: &Parsed, db: &Db, reads: &mut Reads) -> Result<(), DbError> {
    loop {
        let mut ask = Ask { parsed, reads, unique: HashMap::new() };
        for (a, operand) in &parsed.identities {
            ask.written(*a, operand);
        }
        parsed.ops.iter().for_each(|op| ask.operation(op));
        if !reads.is_guessing() {
            return Ok(());
        }
        // Lookup refs whose values are lookup refs take a round for each level.
        reads.fetch(db)?;
    }
}

/// Asks for all that goes with an entity that is retracted, its parts and theirs: a level at a
/// time, so that a pass does not end at each level of them.
fn ask_parts(parsed: &Parsed, db: &Db, reads: &mut Reads) -> Result<(), DbError> {
    let schema = &parsed.schema;
    let part = |a: AttrId, v: &Value| match v {
        Value::Ref(part) if schema.get(a).is_some_and(|a| a.component) => Some(*part),
        _ => None,
    };
    let mut level: Vec<EntityId> = Vec::new();
    for op in &parsed.ops {
        let (attribute, whole) = match op.kind {
            OpKind::RetractEntity => (None, true),
            OpKind::RetractAttribute(a) => (Some(a), schema.get(a).is_some_and(|a| a.component)),
            _ => continue,
        };
        let e = Ask { parsed, reads, unique: HashMap::new() }.term(&op.e);
        match (e, attribute) {
            (Some(e), None) => level.push(e),
            (Some(e), Some(_)) if whole => level.push(e),
            _ => {}
        }
    }
    if level.is_empty() {
        return Ok(());
    }
    let refs: Vec<AttrId> = schema.attributes().filter(|a| a.is_ref()).map(|a| a.id).collect();
    let mut seen: HashSet<EntityId> = level.iter().copied().collect();
    while !level.is_empty() {
        for e in &level {
            reads.list(Question::Entity(*e));
            refs.iter().for_each(|a| drop(reads.list(Question::Incoming(*a, *e))));
        }
        reads.fetch(db)?;
        let facts = level.iter().map(|e| reads.list(Question::Entity(*e))).collect::<Vec<_>>();
        let parts = facts.iter().flat_map(|f| f.iter()).filter_map(|(_, a, v)| part(*a, v));
        level = parts.filter(|part| seen.insert(*part)).collect();
    }
    Ok(())
}

struct Ask<'a> {
    parsed: &'a Parsed,
    reads: &'a mut Reads,
    unique: HashMap<AttrId, bool>,
}

impl Ask<'_> {
    fn operation(&mut self, op: &Op) {
        self.term(&op.e);
        match &op.kind {
            OpKind::Entity(Some(term), _) | OpKind::Ensure(term) => {
                let _ = self.term(term);
            }
            OpKind::Add(a, v) => self.written(*a, v),
            OpKind::Retract(_, Some(v)) | OpKind::Cas(_, None, v) => drop(self.operand(v)),
            OpKind::Cas(_, Some(old), new) => drop((self.operand(old), self.operand(new))),
            _ => {}
        }
    }

    /// A value that is said of somebody: whose is it, if it is unique?
    fn written(&mut self, a: AttrId, operand: &Operand) {
        let schema = &self.parsed.schema;
        let unique = || schema.get(a).is_some_and(|a| a.unique.is_some());
        let is_unique = *self.unique.entry(a).or_insert_with(unique);
        match operand {
            Operand::Value(v) if is_unique => {
                let _ = self.reads.owner(&(a, v.clone()));
            }
            Operand::Value(_) => {}
            operand => drop(self.operand(operand)),
        }
    }

    fn term(&mut self, term: &Term) -> Option<EntityId> {
        match term {
            Term::Ident(ident) => {
                self.reads.owner(&(builtin::IDENT, Value::Keyword(ident.clone())))
            }
            Term::Lookup(a, operand) => {
                let v = self.operand(operand)?;
                self.reads.owner(&(*a, v))
            }
            Term::Id(e) => Some(*e),
            Term::Slot(_) | Term::Tx => None,
        }
    }

    fn operand(&mut self, operand: &Operand) -> Option<Value> {
        match operand {
            Operand::Value(v) => Some(v.clone()),
            Operand::Entity(term) => self.term(term).map(Value::Ref),
            Operand::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.operand(part)).collect();
                parts.into_iter().collect::<Option<Vec<_>>>().map(Value::from)
            }
        }
    }
}

fn tuples_by_part(schema: &Schema) -> HashMap<AttrId, Vec<AttrId>> {
    let mut by_part: HashMap<AttrId, Vec<AttrId>> = HashMap::new();
    for attribute in schema.attributes() {
        if let Some(TupleKind::Composite(parts)) = &attribute.tuple {
            parts.iter().for_each(|part| by_part.entry(*part).or_default().push(attribute.id));
        }
    }
    by_part
}

fn tempids(parsed: &Parsed, bindings: &[Binding]) -> BTreeMap<Value, EntityId> {
    let named = parsed.slots.iter().zip(bindings);
    named.filter_map(|(slot, binding)| Some((slot.name.clone()?, binding.entity()?))).collect()
}

/// When the transaction is made. Each is later than the one before, and none is later than the
/// clock of whoever makes it: all after it would have to be later still. A clock that is behind the
/// last transaction says the moment after that one.
fn instant(db: &Db, given: Option<i64>, options: &TxOptions) -> Result<i64, TxProblem> {
    let last = db.snapshot().instant_ms;
    let now = last.map_or(options.now_ms, |last| options.now_ms.max(last.saturating_add(1)));
    match (given, last) {
        (Some(given), Some(last)) if given <= last => Err(TxProblem::Instant { last_ms: last }),
        (Some(given), _) if given > now => {
            Err(TxProblem::FarInstant { now: crate::instant::format(now) })
        }
        (given, _) => Ok(given.unwrap_or(now)),
    }
}

fn own_facts(datoms: &mut Vec<Datom>, tx: Tx, instant_ms: i64, options: &TxOptions) {
    let own = |a, v| Datom { e: tx.entity(), a, v, tx, added: true };
    let id = options.tx_id.as_ref().map(|id| own(builtin::TX_ID, Value::str(id)));
    let instant = own(builtin::TX_INSTANT, Value::Inst(instant_ms));
    datoms.splice(0..0, std::iter::once(instant).chain(id));
}

/// Of a fact that was said and taken back several times only the last of each stays: a fact is in
/// an index once for each transaction that began it.
fn net(mut datoms: Vec<Datom>) -> Vec<Datom> {
    let mut keep = kept(&datoms).into_iter();
    datoms.retain(|_| keep.next().unwrap_or(true));
    datoms
}

fn kept(datoms: &[Datom]) -> Vec<bool> {
    let mut said: HashMap<(EntityId, AttrId, &Value), u32> = HashMap::new();
    for datom in datoms {
        *said.entry((datom.e, datom.a, &datom.v)).or_default() += 1;
    }
    // Two of one fact say that it was added and retracted, or the other way round: both are told.
    // Beyond that a pair says nothing new.
    let mut keep = vec![true; datoms.len()];
    let mut from_end: HashMap<(EntityId, AttrId, &Value), u32> = HashMap::new();
    for (i, datom) in datoms.iter().enumerate().rev() {
        let key = (datom.e, datom.a, &datom.v);
        let events = said.get(&key).copied().unwrap_or_default();
        if events > 2 {
            let nth = from_end.entry(key).or_default();
            *nth += 1;
            // An even number ends as it began: the last pair. An odd number changes the fact: its
            // last event.
            keep[i] = *nth <= 2 - events % 2;
        }
    }
    keep
}

fn change_schema(
    db: &Db,
    parsed: &Parsed,
    described: &[About],
    prepared: &mut Prepared,
) -> Result<(), TxError> {
    let mut bare = db.schema().clone();
    for (ident, id) in &parsed.brought {
        bare.insert(crate::schema::Attribute::at_first_use(*id, ident.clone()));
    }
    let change = bare.apply(db.snapshot().block, described)?;
    let new: HashSet<AttrId> = parsed.brought.iter().map(|(_, id)| *id).collect();
    let Change { schema, conditions, backfill } = change;
    prepared.schema = schema;
    prepared.schema.keep_from(db.schema(), prepared.tx.t());
    let conditions: Vec<_> = conditions.into_iter().filter(|c| !new.contains(&c.attr())).collect();
    if !conditions.is_empty() {
        conditions_hold(db, &conditions, prepared)?;
    }
    super::older::fill_tuples(db, prepared)?;
    for a in backfill {
        if !new.contains(&a) && has_facts(&db.history(), a)? {
            prepared.backfill.push(a);
        }
    }
    Ok(())
}

/// An index of facts that are there already is only made where that was asked for.
fn backfill_allowed(
    parsed: &Parsed,
    prepared: &Prepared,
    options: &TxOptions,
) -> Result<(), TxError> {
    let allowed = parsed.allow_backfill || options.allow_backfill;
    match prepared.backfill.first().filter(|_| !allowed) {
        None => Ok(()),
        Some(a) => {
            let ident = super::error::name(&prepared.schema, *a);
            let reason = "it has or had facts, of which an index would have to be made: \
                          {:tx-data [...] :allow-index-backfill? true} allows that";
            Err(SchemaError::Forbidden { ident, reason }.into())
        }
    }
}

fn has_facts(db: &Db, a: AttrId) -> Result<bool, DbError> {
    let range = KeyRange::prefix(None, Some(a), None);
    let chunk = db.chunks(Order::Aevt, range).references().next();
    Ok(chunk.transpose()?.is_some_and(|slice| !slice.is_empty()))
}

fn conditions_hold(db: &Db, all: &[Condition], prepared: &Prepared) -> Result<(), TxError> {
    let Prepared { tx, instant_ms, datoms, schema, next_entity, .. } = prepared;
    let after = db.snapshot().with(*tx, *instant_ms, datoms, schema.clone(), *next_entity);
    let after = Db::new(after);
    for condition in all {
        let (a, reason) = match *condition {
            Condition::Unused(a, reason) => (a, (has_facts(&db.history(), a)?).then_some(reason)),
            Condition::OneValued(a) => {
                let several = several_values(&after, a)?;
                (
                    a,
                    several
                        .then_some("an entity has several values, so it cannot become one-valued"),
                )
            }
            Condition::Distinct(a) => {
                let shared = shared_values(&after, a)?;
                (a, shared.then_some("entities share a value, so it cannot become unique"))
            }
        };
        if let Some(reason) = reason {
            let ident = super::error::name(schema, a);
            return Err(SchemaError::Forbidden { ident, reason }.into());
        }
    }
    Ok(())
}

fn several_values(db: &Db, a: AttrId) -> Result<bool, DbError> {
    let mut last = None;
    let range = KeyRange::prefix(None, Some(a), None);
    for slice in db.chunks(Order::Aevt, range).references() {
        let slice = slice?;
        for row in slice.rows.clone() {
            let e = slice.facts.e(row);
            if last.replace(e) == Some(e) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn shared_values(db: &Db, a: AttrId) -> Result<bool, DbError> {
    let mut seen = HashSet::new();
    for slice in db.chunks(Order::Aevt, KeyRange::prefix(None, Some(a), None)) {
        let slice = slice?;
        for row in slice.rows.clone() {
            if !seen.insert(slice.facts.v(row).to_value()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
