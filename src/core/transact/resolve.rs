//! One pass over the operations: who each term is, upserts, and what each operation says.
//!
//! **Invariant:** operations act in the order of the text, each on the state that those before it
//! left. A tempid that turns out to be an entity after something else was done with it makes
//! another pass in which it is that from the start.

use super::error::{TxProblem, shown};
use super::parse::{Op, OpKind, Operand, Parsed, Slot, Term};
use super::state::{State, is_reserved};
use crate::edn::Span;
use crate::id::{AttrId, EntityId};
use crate::query::PredicateError;
use crate::schema::{About, Attribute, Schema, Unique, VALID_FROM, VALID_TO};
use crate::value::{Keyword, Value};
use std::collections::BTreeSet;

/// What a slot turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Unknown,
    /// A new entity, unless an upsert says otherwise later.
    Fresh(EntityId),
    /// An entity by upsert.
    Found(EntityId),
}

impl Binding {
    pub(super) fn entity(self) -> Option<EntityId> {
        match self {
            Self::Unknown => None,
            Self::Fresh(e) | Self::Found(e) => Some(e),
        }
    }
}

pub(super) struct Pass<'a> {
    pub(super) state: State<'a>,
    pub(super) parsed: &'a Parsed,
    pub(super) bindings: Vec<Binding>,
    /// A slot was bound to something else than before: what was done with it is wrong.
    pub(super) again: bool,
    /// Composite tuples that were written, which has to be what they are.
    claims: Vec<(EntityId, AttrId, Value, Span)>,
    ensures: Vec<(EntityId, EntityId, Span)>,
    /// Entities that describe attributes, with all their facts.
    pub(super) described: Vec<About>,
}

/// A problem, and where.
type Failure = (TxProblem, Option<Span>);

impl<'a> Pass<'a> {
    pub(super) fn new(state: State<'a>, parsed: &'a Parsed, bindings: Vec<Binding>) -> Self {
        let (claims, ensures, described) = (Vec::new(), Vec::new(), Vec::new());
        Self { state, parsed, bindings, again: false, claims, ensures, described }
    }

    /// Does all operations, then what has to hold at the end.
    pub(super) fn run(&mut self) -> Result<(), Failure> {
        let result = self.all();
        // Something new turned out to be what its composite tuple identifies.
        if let (Err(_), Some((e, owner))) = (&result, self.state.same) {
            let fresh = Binding::Fresh(e);
            let slots = self.bindings.iter_mut().filter(|binding| **binding == fresh);
            for binding in slots {
                *binding = Binding::Found(owner);
                self.again = true;
            }
        }
        result
    }

    fn all(&mut self) -> Result<(), Failure> {
        let parsed = self.parsed;
        for op in &parsed.ops {
            self.operation(op).map_err(|problem| (problem, Some(op.span)))?;
        }
        if let Err((e, problem)) = self.state.keep_tuples() {
            return Err((problem, self.place(e)));
        }
        for (e, a, v, span) in std::mem::take(&mut self.claims) {
            if self.state.one(e, a) != Some(v) {
                let attribute = super::error::name(self.state.schema, a);
                return Err((TxProblem::Composite { attribute }, Some(span)));
            }
        }
        for (e, spec, span) in std::mem::take(&mut self.ensures) {
            self.ensure(e, spec).map_err(|problem| (problem, Some(span)))?;
        }
        self.windows()?;
        let describing = self.state.datoms.iter().filter(|d| Schema::describes(d.a));
        let mut seen = BTreeSet::new();
        let entities: Vec<_> = describing.map(|d| d.e).filter(|e| seen.insert(*e)).collect();
        self.described = entities.into_iter().map(|e| (e, self.state.about(e))).collect();
        Ok(())
    }

    /// Where the last operation on an entity stands.
    fn place(&mut self, e: EntityId) -> Option<Span> {
        let parsed = self.parsed;
        parsed.last(|op| self.entity(&op.e).ok().flatten() == Some(e))
    }

    /// That no transaction is said to be valid from a moment that is not before its end.
    fn windows(&mut self) -> Result<(), Failure> {
        let schema = self.state.schema;
        let id = |name| schema.attr(name).map(|a| a.id);
        let (Some(from), Some(to)) = (id(VALID_FROM), id(VALID_TO)) else { return Ok(()) };
        let datoms = self.state.datoms.iter().filter(|d| d.added && (d.a == from || d.a == to));
        let said: BTreeSet<EntityId> = datoms.map(|d| d.e).collect();
        for tx in said.into_iter().filter(|e| e.as_tx().is_some()) {
            let bounds = (self.state.one(tx, from), self.state.one(tx, to));
            let (Some(Value::Inst(start)), Some(Value::Inst(end))) = bounds else { continue };
            if start >= end {
                let (from, to) = (crate::instant::format(start), crate::instant::format(end));
                return Err((TxProblem::Window { tx, from, to }, self.place(tx)));
            }
        }
        Ok(())
    }

    fn operation(&mut self, op: &Op) -> Result<(), TxProblem> {
        let schema = self.state.schema;
        let get = |a: AttrId| -> Result<&'a Attribute, TxProblem> {
            let found = schema.get(a).map(|a| a.as_ref());
            found.ok_or_else(|| TxProblem::unknown(&Keyword::new(&a.to_string()), schema))
        };
        match &op.kind {
            OpKind::Entity(is, identities) => {
                if let (Some(is), Term::Slot(slot)) = (is, &op.e) {
                    self.bindings[*slot as usize] = Binding::Found(self.strict(is)?);
                }
                self.identify(&op.e, identities.clone())
            }
            OpKind::Add(a, operand) => self.add(op, get(*a)?, operand),
            OpKind::Retract(a, operand) => {
                let Some(e) = self.entity(&op.e)? else { return Ok(()) };
                let attribute = get(*a)?;
                own(attribute)?;
                let values = match operand {
                    Some(operand) => vec![self.value(operand)?],
                    None => self.state.values(attribute, e),
                };
                values.iter().for_each(|v| self.state.retract(attribute, e, v));
                Ok(())
            }
            OpKind::RetractEntity => match self.entity(&op.e)? {
                Some(e) => self.state.retract_entities(vec![e]),
                None => Ok(()),
            },
            OpKind::RetractAttribute(a) => {
                let Some(e) = self.entity(&op.e)? else { return Ok(()) };
                let attribute = get(*a)?;
                own(attribute)?;
                self.state.retract_attribute(attribute, e)
            }
            OpKind::Settle => match self.entity(&op.e)? {
                Some(e) => self.state.settle(e),
                None => Ok(()),
            },
            OpKind::Cas(a, old, new) => self.cas(op, get(*a)?, old.as_ref(), new),
            OpKind::Ensure(spec) => {
                let e = self.strict(&op.e)?;
                let spec = self.strict(spec)?;
                self.ensures.push((e, spec, op.span));
                Ok(())
            }
        }
    }

    fn add(&mut self, op: &Op, a: &Attribute, operand: &Operand) -> Result<(), TxProblem> {
        // The value's entity gets its id first, if both are new.
        let v = self.value(operand)?;
        let upsert = a.unique == Some(Unique::Identity);
        let e = match &op.e {
            Term::Slot(slot) if upsert => {
                if let Some(owner) = self.state.owner(a.id, &v)? {
                    self.bind(*slot, owner, &a.ident, &v)?;
                }
                self.slot(*slot)?
            }
            term => self.strict(term)?,
        };
        self.state.take(e);
        if let Value::Ref(target) = v {
            self.state.take(target);
        }
        if is_reserved(a.id) {
            let Value::Inst(ms) = v else { return Ok(()) };
            if e != self.state.tx.entity() {
                return own(a);
            }
            self.state.instant_ms = Some(ms);
            return Ok(());
        }
        if a.is_composite() {
            return self.claim(op, a, e, v);
        }
        self.state.add(a, e, v)
    }

    /// A composite tuple is written to say which entity is meant: it is what it is now, or will be
    /// at the end.
    fn claim(&mut self, op: &Op, a: &Attribute, e: EntityId, v: Value) -> Result<(), TxProblem> {
        // What has nothing of a part is not named by the tuple.
        let whole = matches!(&v, Value::Vector(parts) if !parts.contains(&Value::Nil));
        if !whole {
            return Err(TxProblem::Composite { attribute: a.ident.clone() });
        }
        self.state.keep_tuples().map_err(|(_, problem)| problem)?;
        if self.state.one(e, a.id).as_ref() != Some(&v) {
            self.claims.push((e, a.id, v, op.span));
        }
        Ok(())
    }

    fn cas(
        &mut self,
        op: &Op,
        a: &Attribute,
        old: Option<&Operand>,
        new: &Operand,
    ) -> Result<(), TxProblem> {
        own(a)?;
        let e = self.strict(&op.e)?;
        let old = old.map(|old| self.value(old)).transpose()?;
        let now = self.state.values(a, e);
        let as_expected = match &old {
            Some(old) => now.contains(old),
            None => now.is_empty(),
        };
        if !as_expected {
            let listed = now.iter().map(shown).collect::<Vec<_>>().join(", ");
            return Err(TxProblem::Cas {
                attribute: a.ident.clone(),
                entity: e,
                found: if now.is_empty() { "nil".into() } else { listed },
                expected: old.as_ref().map_or("nil".into(), shown),
            });
        }
        let new = self.value(new)?;
        self.state.take(e);
        if let Value::Ref(target) = new {
            self.state.take(target);
        }
        self.state.add(a, e, new)
    }

    /// A map's entity: who its identities say it is, else what its term says.
    fn identify(&mut self, e: &Term, identities: std::ops::Range<usize>) -> Result<(), TxProblem> {
        let parsed = self.parsed;
        let mut found: Option<(EntityId, AttrId, Value)> = None;
        for (a, operand) in &parsed.identities[identities] {
            let Some(v) = self.value_if_known(operand)? else { continue };
            let Some(owner) = self.state.owner(*a, &v)? else { continue };
            match &found {
                Some((other, ..)) if *other != owner => {
                    return Err(self.upsert(*a, &v, owner, *other));
                }
                Some(_) => {}
                None => found = Some((owner, *a, v)),
            }
        }
        match (e, found) {
            (Term::Slot(slot), Some((owner, a, v))) => {
                let ident = super::error::name(self.state.schema, a);
                self.bind(*slot, owner, &ident, &v)
            }
            (Term::Slot(slot), None) => self.slot(*slot).map(drop),
            (term, found) => {
                let e = self.strict(term)?;
                self.state.take(e);
                match found {
                    Some((owner, a, v)) if owner != e => Err(self.upsert(a, &v, owner, e)),
                    _ => Ok(()),
                }
            }
        }
    }

    fn upsert(&self, a: AttrId, v: &Value, found: EntityId, other: EntityId) -> TxProblem {
        let attribute = super::error::name(self.state.schema, a);
        TxProblem::Upsert { attribute, value: shown(v), found, other }
    }

    /// A slot is found to be an entity.
    fn bind(
        &mut self,
        slot: Slot,
        owner: EntityId,
        ident: &Keyword,
        v: &Value,
    ) -> Result<(), TxProblem> {
        let binding = &mut self.bindings[slot as usize];
        match *binding {
            Binding::Unknown => {}
            Binding::Fresh(e) | Binding::Found(e) if e == owner => return Ok(()),
            Binding::Fresh(_) => self.again = true,
            Binding::Found(other) => {
                let (attribute, value) = (ident.clone(), shown(v));
                return Err(TxProblem::Upsert { attribute, value, found: owner, other });
            }
        }
        *binding = Binding::Found(owner);
        Ok(())
    }

    /// The entity of a slot; a new one if nothing said who it is.
    fn slot(&mut self, slot: Slot) -> Result<EntityId, TxProblem> {
        if let Some(e) = self.bindings[slot as usize].entity() {
            return Ok(e);
        }
        let e = self.state.allocate()?;
        self.bindings[slot as usize] = Binding::Fresh(e);
        Ok(e)
    }

    fn entity(&mut self, term: &Term) -> Result<Option<EntityId>, TxProblem> {
        match term {
            Term::Id(e) => {
                self.known(*e)?;
                Ok(Some(*e))
            }
            Term::Tx => Ok(Some(self.state.tx.entity())),
            Term::Slot(slot) => self.slot(*slot).map(Some),
            Term::Ident(ident) => {
                let ident = Value::Keyword(ident.clone());
                self.state.owner(crate::schema::builtin::IDENT, &ident)
            }
            Term::Lookup(a, operand) => {
                let v = self.value(operand)?;
                self.state.owner(*a, &v)
            }
        }
    }

    /// Ids of blocks that this branch did not make, and that may not be made yet, have to be there.
    fn known(&mut self, e: EntityId) -> Result<(), TxProblem> {
        if e.block() <= self.parsed.block || self.parsed.any_ids || self.state.exists(e) {
            return Ok(());
        }
        Err(TxProblem::BadId { id: e.to_string() })
    }

    fn strict(&mut self, term: &Term) -> Result<EntityId, TxProblem> {
        let found = self.entity(term)?;
        found.ok_or_else(|| {
            let nearest = match term {
                Term::Ident(ident) => self.parsed.schema.nearest(ident.as_str()),
                _ => None,
            };
            TxProblem::NoSuchEntity { what: self.written(term), nearest }
        })
    }

    fn written(&self, term: &Term) -> String {
        match term {
            Term::Ident(ident) => ident.to_string(),
            Term::Lookup(a, operand) => {
                let v = match operand.as_ref() {
                    Operand::Value(v) => shown(v),
                    Operand::Entity(term) => self.written(term),
                    Operand::Tuple(_) => "a tuple".into(),
                };
                format!("[{} {v}]", super::error::name(self.state.schema, *a))
            }
            Term::Id(e) => e.to_string(),
            Term::Slot(_) | Term::Tx => "of this transaction".into(),
        }
    }

    fn value(&mut self, operand: &Operand) -> Result<Value, TxProblem> {
        match operand {
            Operand::Value(v) => Ok(v.clone()),
            Operand::Entity(term) => self.strict(term).map(Value::Ref),
            Operand::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.value(part));
                Ok(Value::Vector(parts.collect::<Result<_, _>>()?))
            }
        }
    }

    /// The value, unless it is something that is not known to exist yet.
    fn value_if_known(&mut self, operand: &Operand) -> Result<Option<Value>, TxProblem> {
        match operand {
            Operand::Value(v) => Ok(Some(v.clone())),
            Operand::Entity(Term::Slot(slot)) => {
                Ok(self.bindings[*slot as usize].entity().map(Value::Ref))
            }
            Operand::Entity(term) => Ok(self.entity(term)?.map(Value::Ref)),
            Operand::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.value_if_known(part));
                let parts: Option<Vec<_>> = parts.collect::<Result<_, _>>()?;
                Ok(parts.map(Value::from))
            }
        }
    }

    /// That an entity has all attributes that a specification requires.
    fn ensure(&mut self, e: EntityId, spec: EntityId) -> Result<(), TxProblem> {
        use crate::schema::builtin::{ENTITY_ATTRS, ENTITY_PREDS, IDENT};
        let facts = self.state.about(spec);
        let ident = facts.iter().find(|(a, _)| *a == IDENT).map(|(_, v)| shown(v));
        let spec = ident.unwrap_or_else(|| spec.to_string());
        for (_, v) in facts.iter().filter(|(a, _)| *a == ENTITY_ATTRS) {
            let Value::Keyword(required) = v else { continue };
            let attribute = self.state.schema.attr(required.as_str()).cloned();
            if attribute.is_none_or(|a| self.state.values(&a, e).is_empty()) {
                return Err(TxProblem::Ensure { entity: e, spec, missing: required.clone() });
            }
        }
        facts.iter().filter(|(a, _)| *a == ENTITY_PREDS).try_for_each(|(_, pred)| {
            if self.satisfies(e, pred, &spec)? {
                return Ok(());
            }
            let (spec, pred) = (spec.clone(), shown(pred));
            Err(TxProblem::EntityPred { entity: e, spec, pred })
        })
    }

    /// Whether a predicate holds of an entity: a built-in function of the entity's id, or one with
    /// its arguments, in which names of attributes stand for what the entity has.
    fn satisfies(&mut self, e: EntityId, pred: &Value, spec: &str) -> Result<bool, TxProblem> {
        let schema = self.state.schema;
        let (name, args) = match pred {
            Value::Symbol(name) => (name, vec![Value::Ref(e)]),
            Value::List(call) => match call.split_first() {
                Some((Value::Symbol(name), args)) => {
                    let value = |arg: &Value| match arg {
                        Value::Keyword(k) => match schema.attr(k.as_str()) {
                            Some(attribute) => self.said(attribute, e),
                            None => arg.clone(),
                        },
                        arg => arg.clone(),
                    };
                    (name, args.iter().map(value).collect())
                }
                _ => return Ok(true),
            },
            _ => return Ok(true),
        };
        match super::check::predicate(name.as_str(), &args) {
            Err(PredicateError::Failed { .. }) => Ok(false),
            Err(error) => Err(TxProblem::NoPredicate { of: spec.to_owned(), error }),
            Ok(holds) => Ok(holds),
        }
    }

    /// What an entity has of an attribute as one value: nil, the value, or a vector of many.
    fn said(&mut self, attribute: &Attribute, e: EntityId) -> Value {
        let mut values = self.state.values(attribute, e);
        match values.len() {
            0 => Value::Nil,
            1 if !attribute.many => values.swap_remove(0),
            _ => Value::from(values),
        }
    }
}

/// That facts of the attribute may be written by anybody.
fn own(a: &Attribute) -> Result<(), TxProblem> {
    if is_reserved(a.id) {
        return Err(TxProblem::Reserved { attribute: a.ident.clone() });
    }
    Ok(())
}
