//! What schema facts change: from all facts of the entities that describe attributes to the next
//! schema.
//!
//! **Invariant:** an attribute keeps its number whatever happens to it; what may not change once
//! there are facts is told as a [`Condition`] that whoever can see the facts checks. It reads no
//! database.

use super::{Attribute, Flexibility, Schema, SchemaError, TupleKind, Unique, ValueType, builtin};
use crate::id::{AttrId, EntityId};
use crate::nearest::nearest;
use crate::value::{Keyword, Value};
use std::collections::BTreeMap;

/// What must hold of an attribute's facts for a change to be allowed. Seen after the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It never had a fact; else `Forbidden` with the reason.
    Unused(AttrId, &'static str),
    /// No entity has several values.
    OneValued(AttrId),
    /// No value belongs to several entities.
    Distinct(AttrId),
}

impl Condition {
    /// The attribute it is about.
    pub fn attr(&self) -> AttrId {
        match *self {
            Self::Unused(a, _) | Self::OneValued(a) | Self::Distinct(a) => a,
        }
    }
}

/// The next schema, and what it asks for.
#[derive(Clone, Debug)]
pub struct Change {
    /// The schema after.
    pub schema: Schema,
    /// What must hold for the change to be allowed.
    pub conditions: Vec<Condition>,
    /// Attributes that come into AVET and may have facts: those have to be put there.
    pub backfill: Vec<AttrId>,
}

/// All facts about one entity.
pub type About = (EntityId, Vec<(AttrId, Value)>);

impl Schema {
    /// Whether facts with this attribute describe attributes: entities with such facts are what
    /// [`Schema::apply`] wants.
    pub fn describes(a: AttrId) -> bool {
        use builtin::*;
        let all = [
            IDENT,
            VALUE_TYPE,
            CARDINALITY,
            UNIQUE,
            INDEX,
            IS_COMPONENT,
            DOC,
            NO_HISTORY,
            TUPLE_ATTRS,
            TUPLE_TYPE,
            TUPLE_TYPES,
            ATTR_PREDS,
            MAX_LENGTH,
        ];
        all.contains(&a)
    }

    /// The schema after a transaction: `entities` are those of which a describing fact changed,
    /// each with all its facts after the transaction. New attributes take numbers of `block` in the
    /// order given.
    pub fn apply(&self, block: u64, entities: &[About]) -> Result<Change, SchemaError> {
        let described: BTreeMap<_, _> =
            self.attributes().filter_map(|a| Some((a.entity?, a.id))).collect();
        let (schema, conditions, backfill) = (self.clone(), Vec::new(), Vec::new());
        let mut change = Change { schema, conditions, backfill };
        let mut made = Vec::new();
        for (entity, facts) in entities {
            let id = described.get(entity).copied();
            if let Some(id) = change.entity(block, *entity, id, facts)? {
                made.push(id);
            }
        }
        // Names of tuple parts are looked up when all attributes of the transaction are there.
        for (id, facts) in made.iter().zip(entities.iter().filter(|x| is_attribute(&x.1))) {
            change.tuple_parts(block, *id, &facts.1)?;
        }
        for id in made {
            let now = change.schema.get(id).map(|attribute| &attribute.tuple);
            if self.get(id).is_some_and(|old| old.is_composite() && Some(&old.tuple) != now) {
                let reason = "what it is made of cannot change, because it has or had facts";
                change.conditions.push(Condition::Unused(id, reason));
            }
        }
        Ok(change)
    }
}

/// Whether the facts say that the entity is an attribute and not just something with a name.
fn is_attribute(facts: &[(AttrId, Value)]) -> bool {
    let plain = [builtin::IDENT, builtin::DOC];
    facts.iter().any(|(a, _)| Schema::describes(*a) && !plain.contains(a))
}

impl Change {
    fn entity(
        &mut self,
        block: u64,
        entity: EntityId,
        id: Option<AttrId>,
        facts: &[(AttrId, Value)],
    ) -> Result<Option<AttrId>, SchemaError> {
        let old = id.and_then(|id| self.schema.get(id)).cloned();
        if !is_attribute(facts) {
            return match old {
                None => Ok(None),
                Some(old) => Err(SchemaError::Forbidden {
                    ident: old.ident.clone(),
                    reason: "an attribute cannot lose its description",
                }),
            };
        }
        let mut new = describe(facts)?.ok_or_else(|| SchemaError::Incomplete {
            ident: format!("of entity {entity}"),
            missing: ":db/ident",
        })?;
        new.entity = Some(entity);
        // A name that is used without a description is described now, under the number it has.
        let bearer = self.schema.attr(new.ident.as_str()).filter(|a| a.ident == new.ident).cloned();
        let before = match (old, bearer) {
            (_, Some(x)) if x.id < AttrId(crate::id::ATTR_USER) => {
                return Err(SchemaError::BuiltIn { ident: new.ident });
            }
            (Some(old), Some(bearer)) if old.id != bearer.id => {
                return Err(SchemaError::NameTaken { ident: new.ident });
            }
            (None, Some(bearer)) if bearer.entity.is_some_and(|e| e != entity) => {
                return Err(SchemaError::NameTaken { ident: new.ident });
            }
            (Some(old), _) => Some(old),
            (None, bearer) => bearer,
        };
        if new.value_type.is_none() && self.schema.flexibility == Flexibility::Write {
            let ident = new.ident.to_string();
            return Err(SchemaError::Incomplete { ident, missing: ":db/valueType" });
        }
        new.id = match &before {
            Some(before) => before.id,
            None => self.schema.next_attr(block).ok_or(SchemaError::Full)?,
        };
        consistent(&new)?;
        if (new.many || new.is_composite()) && self.is_part(new.id) {
            let reason = "it is part of a composite tuple, so it has one value that is no tuple";
            return Err(SchemaError::Forbidden { ident: new.ident, reason });
        }
        if let Some(before) = before {
            if before.unique.is_some() && !before.many && new.many {
                let reason = "what is unique and has one value cannot have many";
                return Err(SchemaError::Forbidden { ident: new.ident, reason });
            }
            new.forgotten = before.forgotten;
            self.alteration(&before, &new);
        }
        let id = new.id;
        self.schema.insert(new);
        Ok(Some(id))
    }

    fn is_part(&self, id: AttrId) -> bool {
        let has = |tuple: &Option<TupleKind>| match tuple {
            Some(TupleKind::Composite(parts)) => parts.contains(&id),
            _ => false,
        };
        self.schema.attributes().any(|a| has(&a.tuple))
    }

    fn alteration(&mut self, old: &Attribute, new: &Attribute) {
        if old.value_type != new.value_type {
            let reason = "its type cannot change, because it has or had facts";
            self.conditions.push(Condition::Unused(old.id, reason));
        }
        if old.many && !new.many {
            self.conditions.push(Condition::OneValued(old.id));
        }
        if old.unique.is_none() && new.unique.is_some() {
            self.conditions.push(Condition::Distinct(old.id));
        }
        if !old.in_avet() && new.in_avet() {
            self.backfill.push(old.id);
        }
    }

    /// Names of parts become numbers; one that nothing is known of yet can be described later.
    fn tuple_parts(
        &mut self,
        block: u64,
        id: AttrId,
        facts: &[(AttrId, Value)],
    ) -> Result<(), SchemaError> {
        let Some(old) = self.schema.get(id).cloned() else { return Ok(()) };
        let names = facts.iter().find(|(a, _)| *a == builtin::TUPLE_ATTRS).map(|(_, v)| v);
        let Some(names) = names else { return Ok(()) };
        let mut parts = Vec::new();
        for name in items(names) {
            let Value::Keyword(name) = name else {
                return Err(bad(&old.ident, ":db/tupleAttrs", name, "vectors of attributes"));
            };
            let part = |reason| SchemaError::TuplePart {
                ident: old.ident.clone(),
                source_ident: name.clone(),
                reason,
            };
            let source = self.schema.ensure(block, name)?;
            let Some(source) = self.schema.get(source) else { continue };
            if source.many {
                return Err(part("it has many values"));
            }
            if source.is_composite() || source.id == id {
                return Err(part("it is a composite tuple itself"));
            }
            parts.push(source.id);
        }
        if parts.is_empty() {
            return Err(bad(&old.ident, ":db/tupleAttrs", names, "vectors of attributes"));
        }
        let tuple = Some(TupleKind::Composite(parts));
        self.schema.insert(Attribute { tuple, ..old.as_ref().clone() });
        Ok(())
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Vector(items) | Value::List(items) | Value::Set(items) => items,
        _ => &[],
    }
}

fn bad(ident: &Keyword, key: &'static str, value: &Value, expected: &'static str) -> SchemaError {
    let value = match value {
        Value::Keyword(k) => k.to_string(),
        other => format!("a {}", other.type_name()),
    };
    let nearest = meant(&value, expected);
    SchemaError::BadValue { ident: ident.to_string(), key, value, expected, nearest }
}

/// What of the keywords that could be written is most like this one. Behind the first of them their
/// namespace may be left out.
fn meant(value: &str, expected: &str) -> Option<String> {
    let words = expected.split([',', ' ']).filter(|word| !word.is_empty() && *word != "and");
    let (namespace, _) = expected.strip_prefix(':')?.split_once('/')?;
    let full = |word: &str| match word.starts_with(':') {
        true => word.to_owned(),
        false => format!(":{namespace}/{word}"),
    };
    let all: Vec<String> = words.map(full).collect();
    nearest(value, all.iter().map(String::as_str)).map(str::to_owned)
}

/// What the facts of one entity say of an attribute; `None` if it has no ident. Number, entity and
/// the parts of a composite tuple are not known here.
pub(crate) fn describe(facts: &[(AttrId, Value)]) -> Result<Option<Attribute>, SchemaError> {
    let ident = facts.iter().find_map(|(a, v)| match v {
        Value::Keyword(ident) if *a == builtin::IDENT => Some(ident.clone()),
        _ => None,
    });
    let Some(ident) = ident else { return Ok(None) };
    let mut attribute = Attribute::undescribed(AttrId(0), ident);
    for (a, v) in facts {
        say(&mut attribute, *a, v)?;
    }
    Ok(Some(attribute))
}

const TYPES: &str = ":db.type/string, long, double, float, bigint, bigdec, boolean, keyword, \
                     symbol, uuid, instant, uri, bytes, ref, tuple, number, float-array, \
                     double-array, store-ref";

/// One describing fact.
fn say(to: &mut Attribute, a: AttrId, v: &Value) -> Result<(), SchemaError> {
    let name = if let Value::Keyword(k) = v { k.as_str() } else { "" };
    let is_true = matches!(v, Value::Bool(true));
    match a {
        builtin::VALUE_TYPE => to.value_type = Some(type_of(&to.ident, ":db/valueType", v)?),
        builtin::CARDINALITY => {
            to.many = match name {
                "db.cardinality/one" => false,
                "db.cardinality/many" => true,
                _ => {
                    let expected = ":db.cardinality/one and :db.cardinality/many";
                    return Err(bad(&to.ident, ":db/cardinality", v, expected));
                }
            }
        }
        builtin::UNIQUE => {
            to.unique = match name {
                "db.unique/value" => Some(Unique::Value),
                "db.unique/identity" => Some(Unique::Identity),
                _ => {
                    let expected = ":db.unique/value and :db.unique/identity";
                    return Err(bad(&to.ident, ":db/unique", v, expected));
                }
            }
        }
        builtin::INDEX => to.index = is_true,
        builtin::IS_COMPONENT => to.component = is_true,
        builtin::NO_HISTORY => to.no_history = is_true,
        builtin::DOC => to.doc = if let Value::Str(text) = v { Some(text.clone()) } else { None },
        builtin::ATTR_PREDS => to.preds.push(v.clone()),
        builtin::MAX_LENGTH => {
            let Value::Long(n @ 0..) = v else {
                return Err(bad(&to.ident, ":db/maxLength", v, "numbers of characters"));
            };
            // 0 is no limit.
            to.max_length = Some(*n as u64).filter(|n| *n > 0);
        }
        builtin::TUPLE_ATTRS => {
            to.value_type = Some(ValueType::Tuple);
            to.tuple = Some(TupleKind::Composite(Vec::new()));
        }
        builtin::TUPLE_TYPE => {
            to.value_type = Some(ValueType::Tuple);
            let each = type_of(&to.ident, ":db/tupleType", v)?;
            to.tuple = Some(TupleKind::Homogeneous(each));
        }
        builtin::TUPLE_TYPES => {
            to.value_type = Some(ValueType::Tuple);
            let each = items(v).iter().map(|v| type_of(&to.ident, ":db/tupleTypes", v));
            to.tuple = Some(TupleKind::Heterogeneous(each.collect::<Result<_, _>>()?));
        }
        _ => {}
    }
    Ok(())
}

fn type_of(ident: &Keyword, key: &'static str, v: &Value) -> Result<ValueType, SchemaError> {
    let named = match v {
        Value::Keyword(k) => k.as_str().strip_prefix("db.type/").and_then(ValueType::named),
        _ => None,
    };
    named.ok_or_else(|| bad(ident, key, v, TYPES))
}

/// What can be wrong with a description by itself.
fn consistent(new: &Attribute) -> Result<(), SchemaError> {
    let forbidden = |reason| Err(SchemaError::Forbidden { ident: new.ident.clone(), reason });
    if new.ident.name().starts_with('_') {
        return forbidden("a name that begins with _ means the reverse of an attribute");
    }
    if new.tuple.is_some() && new.value_type != Some(ValueType::Tuple) {
        return forbidden("a tuple needs {:db/valueType :db.type/tuple}");
    }
    if new.value_type == Some(ValueType::Tuple) && new.tuple.is_none() {
        return forbidden(":db.type/tuple needs :db/tupleAttrs, :db/tupleType or :db/tupleTypes");
    }
    if new.is_composite() && new.many {
        return forbidden("a composite tuple has one value");
    }
    Ok(())
}
