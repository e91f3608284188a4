//! Map forms: nested maps, reverse attributes, several values, and attributes that the transaction
//! itself defines.
//!
//! **Invariant:** an entity's operation stands before those of its attributes, a nested entity's
//! before the one that refers to it.

use super::error::{TxError, TxProblem};
use super::parse::{OpKind, Operand, Parser, Term};
use crate::edn::{Form, FormKind};
use crate::id::AttrId;
use crate::schema::{Attribute, Schema, Unique, builtin, describe};
use crate::value::{Keyword, Value};
use std::sync::Arc;

impl Parser<'_> {
    /// A map as an entity; `e` is who it is, if that is known without it.
    pub(super) fn map_of(&mut self, form: &Form, e: Option<Term>) -> Result<Term, TxError> {
        let Some(entries) = form.as_map() else {
            return Err(TxProblem::Syntax { expected: "a map was expected" }.at(form));
        };
        let e = match (e, form.get("db/id").filter(|id| !id.is_nil())) {
            (Some(e), _) => e,
            (None, Some(id)) => self.entity(id)?,
            (None, None) => Term::Slot(self.new_slot(None, form.span)),
        };
        // What the map says may change whom a lookup ref means: it is looked up once, before.
        let (e, is) = match e {
            Term::Ident(_) | Term::Lookup(..) => {
                (Term::Slot(self.new_slot(None, form.span)), Some(e))
            }
            e => (e, None),
        };
        let entity_op = self.parsed.ops.len();
        self.push(form, e.clone(), OpKind::Entity(is, 0..0));
        let (mut identities, mut said) = (Vec::new(), Vec::new());
        if form.get("db/id").is_some() {
            self.tell(&e);
        }
        for (key, value) in entries {
            let Some(ident) = key.as_keyword() else {
                let expected = "the keys of a map are attributes, written as keywords";
                return Err(TxProblem::Syntax { expected }.at(key));
            };
            match ident.as_str() {
                "db/id" | "db.install/_attribute" => continue,
                "db/ensure" => {
                    self.ensured(&e, value)?;
                    continue;
                }
                _ => self.tell(&e),
            }
            match ident.forward() {
                Some(forward) => self.reverse(&e, &forward, key, value)?,
                None => {
                    let attribute = self.named(ident, key)?;
                    let first = self.values(&e, &attribute, key, value, &mut identities)?;
                    if !self.tuples.is_empty() && !attribute.many {
                        said.extend(first.map(|operand| (attribute.id, operand)));
                    }
                }
            }
        }
        identities.extend(self.implied(&said));
        let start = self.parsed.identities.len();
        self.parsed.identities.append(&mut identities);
        if let OpKind::Entity(_, range) = &mut self.parsed.ops[entity_op].kind {
            *range = start..self.parsed.identities.len();
        }
        Ok(e)
    }

    /// The composite tuples that identify and of which a map says all parts.
    fn implied(&self, said: &[(AttrId, Operand)]) -> Vec<(AttrId, Operand)> {
        let part = |a: &AttrId| said.iter().find(|(b, _)| a == b).map(|(_, v)| v.clone());
        let whole = |(a, parts): &(AttrId, Vec<AttrId>)| {
            let parts: Option<Vec<_>> = parts.iter().map(part).collect();
            Some((*a, Operand::Tuple(parts?)))
        };
        self.tuples.iter().filter_map(whole).collect()
    }

    fn ensured(&mut self, e: &Term, value: &Form) -> Result<(), TxError> {
        let many = value.as_seq().or(value.as_set());
        for spec in many.unwrap_or(std::slice::from_ref(value)) {
            let term = self.entity(spec)?;
            self.push(spec, e.clone(), OpKind::Ensure(term));
        }
        Ok(())
    }

    fn values(
        &mut self,
        e: &Term,
        attribute: &Arc<Attribute>,
        key: &Form,
        value: &Form,
        identities: &mut Vec<(AttrId, Operand)>,
    ) -> Result<Option<Operand>, TxError> {
        let many = attribute.many && !self.is_lookup(attribute, value);
        let items = if many { value.as_seq().or(value.as_set()) } else { None };
        let mut first = None;
        for item in items.unwrap_or(std::slice::from_ref(value)) {
            let operand = self.operand(attribute, item)?;
            if first.is_none() && !self.tuples.is_empty() {
                first = Some(operand.clone());
            }
            if attribute.unique == Some(Unique::Identity) {
                identities.push((attribute.id, operand.clone()));
            }
            // A place of its own for each item of a long list, the attribute's for a single one.
            let place = if items.is_some() { item } else { key };
            self.push(place, e.clone(), OpKind::Add(attribute.id, operand));
        }
        Ok(first)
    }

    /// Whether two things in a vector are one lookup ref and not two values.
    fn is_lookup(&self, attribute: &Attribute, value: &Form) -> bool {
        let Some([a, _]) = value.as_seq() else { return false };
        let unique = |ident: &Keyword| {
            self.parsed.schema.attr(ident.as_str()).is_some_and(|a| a.unique.is_some())
        };
        attribute.is_ref() && a.as_keyword().is_some_and(unique)
    }

    fn reverse(
        &mut self,
        e: &Term,
        forward: &Keyword,
        key: &Form,
        value: &Form,
    ) -> Result<(), TxError> {
        let attribute = self.named(forward, key)?;
        if !attribute.is_ref() {
            let expected = "the reverse of an attribute needs {:db/valueType :db.type/ref}";
            return Err(TxProblem::Syntax { expected }.at(key));
        }
        let single = self.is_lookup(&attribute, value);
        let items = if single { None } else { value.as_seq().or(value.as_set()) };
        for item in items.unwrap_or(std::slice::from_ref(value)) {
            let Operand::Entity(from) = self.operand(&attribute, item)? else { continue };
            self.tell(&from);
            self.push(item, from, OpKind::Add(attribute.id, Operand::Entity(e.clone())));
        }
        Ok(())
    }
}

/// The attribute of this name that a map of the transaction defines, so that it can be used at
/// once. It has to be written out in one map with its ident.
pub(super) fn defined(
    parser: &mut Parser<'_>,
    ident: &Keyword,
) -> Result<Option<Arc<Attribute>>, TxError> {
    let Some(form) = definition(parser, ident) else { return Ok(None) };
    let mut facts = vec![(builtin::IDENT, Value::Keyword(ident.clone()))];
    for (key, value) in form.as_map().unwrap_or_default() {
        let Some(key) = key.as_keyword() else { continue };
        let Some(attribute) = parser.parsed.schema.attr(key.as_str()) else { continue };
        match &value.kind {
            FormKind::Vector(items) | FormKind::Set(items) if attribute.many => {
                facts.extend(items.iter().map(|item| (attribute.id, item.to_value())));
            }
            _ => facts.push((attribute.id, value.to_value())),
        }
    }
    if facts.iter().all(|(a, _)| !Schema::describes(*a) || *a == builtin::IDENT) {
        return Ok(None);
    }
    let attribute = describe(&facts).map_err(|e| TxProblem::from(e).at(form))?;
    let Some(attribute) = attribute else { return Ok(None) };
    if let (true, Some((_, names))) =
        (attribute.is_composite(), facts.iter().find(|(a, _)| *a == builtin::TUPLE_ATTRS))
    {
        return parser.tuple_of(attribute, names, form).map(Some);
    }
    parser.bring(attribute, form).map(Some)
}

/// The map of the transaction with this ident.
pub(super) fn definition<'a>(parser: &mut Parser<'a>, ident: &Keyword) -> Option<&'a Form> {
    let forms = parser.forms;
    let definitions = parser.definitions.get_or_insert_with(|| {
        let named = |form| Some((Form::get(form, "db/ident")?.as_keyword()?.clone(), form));
        forms.iter().filter_map(named).collect()
    });
    definitions.get(ident).copied()
}
