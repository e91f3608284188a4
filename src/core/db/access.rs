//! The indexes as people name places in them: entities by ident and lookup ref, attributes by name.
//!
//! **Invariant:** what cannot be looked up is an error, and never nothing: an attribute that is not
//! in AVET has no place there.

use super::{Db, DbError};
use crate::datom::{Datom, KeyRange, Order, Probe, Side, Slice};
use crate::id::EntityId;
use crate::schema::{Attribute, Flexibility, typed};
use crate::value::Value;
use std::sync::Arc;

/// Before all facts, or after all.
fn end(side: Side) -> Probe {
    Probe { e: None, a: None, v: None, side }
}

impl Db {
    /// The datoms that begin with these components, in the order of the index; none where an
    /// entity is named that is not there.
    pub fn datoms_of(&self, order: Order, components: &[Value]) -> Result<Vec<Datom>, DbError> {
        let Some(from) = self.place(order, components)? else { return Ok(Vec::new()) };
        let to = Probe { side: Side::After, ..from.clone() };
        self.between(order, from, to)
    }

    /// All datoms from these components on.
    pub fn seek_datoms(&self, order: Order, components: &[Value]) -> Result<Vec<Datom>, DbError> {
        let Some(from) = self.place(order, components)? else { return Ok(Vec::new()) };
        self.between(order, from, end(Side::After))
    }

    /// All datoms from these components back to the first one.
    pub fn rseek_datoms(&self, order: Order, components: &[Value]) -> Result<Vec<Datom>, DbError> {
        let Some(to) = self.place(order, components)? else { return Ok(Vec::new()) };
        let to = Probe { side: Side::After, ..to };
        let mut datoms = self.between(order, end(Side::Before), to)?;
        datoms.reverse();
        Ok(datoms)
    }

    /// The datoms of an attribute with values from one to another, both included, by value.
    pub fn index_range(
        &self,
        attribute: &str,
        from: Option<&Value>,
        to: Option<&Value>,
    ) -> Result<Vec<Datom>, DbError> {
        let attribute = self.in_avet(self.attribute(attribute)?)?;
        let probe = |v: Option<&Value>, side| {
            let v = v.map(|v| self.value_in(attribute, v)).transpose()?;
            Ok::<_, DbError>(Probe { e: None, a: Some(attribute.id), v, side })
        };
        self.between(Order::Avet, probe(from, Side::Before)?, probe(to, Side::After)?)
    }

    fn between(&self, order: Order, from: Probe, to: Probe) -> Result<Vec<Datom>, DbError> {
        let slices = self.scan(order, &[KeyRange { from, to }])?;
        Ok(slices.iter().flatten().flat_map(Slice::datoms).collect())
    }

    /// Before the first datom that begins so; `None` where an entity is named that is not there, or
    /// an attribute that nobody used yet.
    fn place(&self, order: Order, components: &[Value]) -> Result<Option<Probe>, DbError> {
        let named = |at: usize| components.get(at).filter(|value| !matches!(value, Value::Nil));
        let [e, a, v] = match order {
            Order::Eavt => [0, 1, 2],
            Order::Aevt => [1, 0, 2],
            Order::Avet => [2, 0, 1],
        };
        let (e, a, v) = (named(e), named(a), named(v));
        let attribute = match a.map(|a| self.attribute_of(a)).transpose() {
            Err(DbError::UnknownAttribute { .. })
                if self.schema().flexibility == Flexibility::Read =>
            {
                return Ok(None);
            }
            attribute => attribute?,
        };
        if let (Order::Avet, Some(attribute)) = (order, attribute) {
            self.in_avet(attribute)?;
        }
        let e = match e.map(|e| self.entity_of(e)).transpose()? {
            Some(None) => return Ok(None),
            found => found.flatten(),
        };
        let value = |(a, v): (&Arc<Attribute>, &Value)| self.value_in(a, v);
        let v = attribute.zip(v).map(value).transpose()?;
        Ok(Some(Probe { e, a: attribute.map(|a| a.id), v, side: Side::Before }))
    }

    fn in_avet<'a>(&self, attribute: &'a Arc<Attribute>) -> Result<&'a Arc<Attribute>, DbError> {
        match attribute.in_avet() {
            true => Ok(attribute),
            false => Err(DbError::NotIndexed { ident: attribute.ident.as_str().to_owned() }),
        }
    }

    /// The attribute that a keyword, or the number of the entity that describes it, means.
    fn attribute_of(&self, value: &Value) -> Result<&Arc<Attribute>, DbError> {
        let by_entity = |e| self.schema().described_by(e);
        let unknown = || DbError::NoSuchAttribute { what: crate::edn::to_string(value) };
        match value {
            Value::Keyword(ident) => self.attribute(ident.as_str()),
            Value::Ref(e) => by_entity(*e).ok_or_else(unknown),
            Value::Long(e) => {
                u64::try_from(*e).ok().map(EntityId).and_then(by_entity).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }

    fn entity_of(&self, value: &Value) -> Result<Option<EntityId>, DbError> {
        let named = self.reference(value)?;
        let nobody = || DbError::NoSuchEntity { what: crate::edn::to_string(value) };
        self.entid(&named.ok_or_else(nobody)?)
    }

    /// A value as the attribute holds it: of a ref, the entity that is named.
    fn value_in(&self, attribute: &Attribute, value: &Value) -> Result<Value, DbError> {
        if !attribute.is_ref() {
            let value = typed(value.clone(), attribute.value_type);
            return Ok(if let Value::List(items) = value { Value::Vector(items) } else { value });
        }
        let nobody = || DbError::NoSuchEntity { what: crate::edn::to_string(value) };
        self.entity_of(value)?.map(Value::Ref).ok_or_else(nobody)
    }
}
