//! The indexes as people name places in them: entities by ident and lookup ref, attributes by name.
//!
//! **Invariant:** what cannot be looked up is an error, and never nothing: an attribute that is not
//! in AVET has no place there.

use super::{Db, DbError, EntityRef};
use crate::datom::{Datom, KeyRange, Order, Probe, Side, Slice};
use crate::id::EntityId;
use crate::schema::{Attribute, Flexibility, TupleKind};
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
                if self.schema().flexibility == Flexibility::Read && order != Order::Avet =>
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

    /// The entity that a value names; an error if it can be no name.
    pub fn entity_of(&self, value: &Value) -> Result<Option<EntityId>, DbError> {
        let nobody = || DbError::NoSuchEntity { what: crate::edn::to_string(value) };
        let named = match self.reference(value)?.ok_or_else(nobody)? {
            EntityRef::Lookup(a, v) => {
                let attribute = self.schema().get(a);
                EntityRef::Lookup(a, attribute.map_or(Ok(v.clone()), |a| self.value_in(a, &v))?)
            }
            named => named,
        };
        self.entid(&named)
    }

    /// A value as the attribute holds it: of a ref, the entity that is named, and so of the parts
    /// of a composite tuple.
    fn value_in(&self, attribute: &Attribute, value: &Value) -> Result<Value, DbError> {
        if let (Some(TupleKind::Composite(parts)), Value::Vector(values) | Value::List(values)) =
            (&attribute.tuple, value)
        {
            let part = |(at, value): (usize, &Value)| {
                // More than there are parts are no value of it, and have a place among them.
                let part = parts.get(at).and_then(|part| self.schema().get(*part));
                match part.filter(|_| !matches!(value, Value::Nil)) {
                    Some(part) => self.value_in(part, value),
                    None => Ok(value.clone()),
                }
            };
            let values = values.iter().enumerate().map(part).collect::<Result<Vec<_>, _>>();
            return Ok(Value::from(values?));
        }
        if !attribute.is_ref() {
            return Ok(match self.schema().typed(attribute, value.clone()) {
                Value::List(items) => Value::Vector(items),
                value => value,
            });
        }
        let nobody = || DbError::NoSuchEntity { what: crate::edn::to_string(value) };
        self.entity_of(value)?.map(Value::Ref).ok_or_else(nobody)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{NoNodes, Snapshot};
    use crate::edn::{read_one, to_string};
    use crate::id::Tx;
    use crate::schema::Schema;
    use crate::value::Uuid;

    fn value(text: &str) -> Value {
        read_one(text).unwrap().to_value()
    }

    /// Two who are named, of which the first follows the second; `:age` is in no index by value.
    fn db() -> Db {
        let schema = "{:name {:db/unique :db.unique/identity} :age {}
                       :follows {:db/valueType :db.type/ref}
                       :follows+name {:db/tupleAttrs [:follows :name]}}";
        let schema = Schema::from_map(&value(schema)).unwrap();
        let facts = "[[1 :name \"B\"] [1 :follows 2] [1 :follows+name [2 \"B\"]] [2 :name \"A\"]]";
        let datom = |fact: &crate::edn::Form| {
            let [e, a, v] = fact.as_seq().unwrap() else { panic!("{fact}") };
            let attribute = schema.attr(a.as_keyword().unwrap().as_str()).unwrap();
            let v = schema.typed(attribute, v.to_value());
            let (e, a) = (EntityId(e.as_long().unwrap() as u64), attribute.id);
            Datom { e, a, v, tx: Tx(536_870_913), added: true }
        };
        let facts = read_one(facts).unwrap();
        let datoms: Vec<Datom> = facts.as_seq().unwrap().iter().map(datom).collect();
        let empty = Snapshot::empty(Uuid::nil(), Arc::new(NoNodes), schema.clone());
        Db::new(empty.with(Tx(536_870_913), 0, &datoms, schema.clone(), EntityId(3)))
    }

    fn shown(db: &Db, datoms: Result<Vec<Datom>, DbError>) -> String {
        let line = |d: Datom| {
            let attribute = db.schema().get(d.a).unwrap();
            format!("{} {} {}", d.e, attribute.ident, to_string(&d.v))
        };
        let told = |all: Vec<Datom>| all.into_iter().map(line).collect::<Vec<_>>().join(", ");
        datoms.map_or_else(|e| e.to_string(), told)
    }

    fn of(order: Order, components: &str) -> String {
        let Value::Vector(components) = value(components) else { panic!("{components}") };
        let db = db();
        shown(&db, db.datoms_of(order, &components))
    }

    #[test]
    fn components_are_names() {
        assert_eq!(of(Order::Eavt, "[[:name \"B\"] :follows]"), "1 :follows 2");
        assert_eq!(of(Order::Avet, "[:follows [:name \"A\"]]"), "1 :follows 2");
        assert_eq!(of(Order::Avet, "[:follows+name [[:name \"A\"] \"B\"] 1]").lines().count(), 1);
        assert_eq!(of(Order::Avet, "[:name \"A\" 1]"), "");
        assert_eq!(of(Order::Avet, "[:follows+name [2 \"B\" \"more\"]]"), "");
        assert_eq!(of(Order::Eavt, "[[:name \"C\"]]"), "");
        assert_eq!(of(Order::Aevt, "[:never]"), "");
    }

    #[test]
    fn what_has_no_place_is_an_error() {
        let message = "attribute :age should be marked as :db/index true";
        assert_eq!(of(Order::Avet, "[:age 1]"), message);
        assert_eq!(of(Order::Avet, "[:never]"), "unknown attribute :never");
        assert_eq!(of(Order::Eavt, "[[:name]]"), "nothing found for entity id [:name]");
        assert_eq!(of(Order::Eavt, "[1 7]"), "7 names no attribute");
    }

    #[test]
    fn ranges_go_both_ways() {
        let db = db();
        let all = |found| shown(&db, found);
        let names = [value(":name"), value("\"A\"")];
        assert_eq!(all(db.seek_datoms(Order::Avet, &names)), "2 :name \"A\", 1 :name \"B\"");
        assert!(all(db.rseek_datoms(Order::Avet, &names)).starts_with("2 :name \"A\", "));
        let from = value("\"AA\"");
        assert_eq!(all(db.index_range("name", Some(&from), None)), "1 :name \"B\"");
        assert_eq!(all(db.index_range("name", None, Some(&from))), "2 :name \"A\"");
    }
}
