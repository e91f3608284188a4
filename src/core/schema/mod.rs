//! The schema: what is known of each attribute, and the names of attributes and idents.
//!
//! **Invariant:** an attribute id means one attribute for ever; an ident may move to another
//! attribute by renaming. A schema is a value: applying a transaction's schema facts gives a new
//! one.

mod apply;
pub mod builtin;
mod error;
mod from_map;
mod known;
mod stored;
mod typed;

pub(crate) use apply::describe;
pub use apply::{About, Change, Condition};
pub use error::SchemaError;
pub use known::{VALID_FROM, VALID_TO};
pub use typed::typed;

use crate::id::{ATTR_BASE, ATTR_USER, AttrId, BLOCK, EntityId, T};
use crate::nearest::nearest;
use crate::value::{Keyword, Tag, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type of an attribute's values, `:db.type/…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the :db.type of that name")]
pub enum ValueType {
    String,
    Long,
    Double,
    Float,
    BigInt,
    BigDec,
    Boolean,
    Keyword,
    Symbol,
    Uuid,
    Instant,
    Uri,
    Bytes,
    Ref,
    Tuple,
    /// Any number.
    Number,
    /// Many 32-bit floats as one value.
    FloatArray,
    /// Many doubles as one value.
    DoubleArray,
}

impl ValueType {
    /// Each type with its name after `:db.type/`. A `store-ref` is the uuid of something kept
    /// elsewhere; it comes last, so that the type is called uuid.
    pub const NAMES: [(&'static str, ValueType); 19] = [
        ("string", ValueType::String),
        ("long", ValueType::Long),
        ("double", ValueType::Double),
        ("float", ValueType::Float),
        ("bigint", ValueType::BigInt),
        ("bigdec", ValueType::BigDec),
        ("boolean", ValueType::Boolean),
        ("keyword", ValueType::Keyword),
        ("symbol", ValueType::Symbol),
        ("uuid", ValueType::Uuid),
        ("instant", ValueType::Instant),
        ("uri", ValueType::Uri),
        ("bytes", ValueType::Bytes),
        ("ref", ValueType::Ref),
        ("tuple", ValueType::Tuple),
        ("number", ValueType::Number),
        ("float-array", ValueType::FloatArray),
        ("double-array", ValueType::DoubleArray),
        ("store-ref", ValueType::Uuid),
    ];

    /// The type with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, t)| *t)
    }

    /// What its values are; `None` where they can be of several kinds.
    pub fn tag(self) -> Option<Tag> {
        Some(match self {
            ValueType::String => Tag::Str,
            ValueType::Long => Tag::Long,
            ValueType::Double => Tag::Double,
            ValueType::Float => Tag::Float,
            ValueType::BigInt => Tag::BigInt,
            ValueType::BigDec => Tag::BigDec,
            ValueType::Boolean => Tag::Bool,
            ValueType::Keyword => Tag::Keyword,
            ValueType::Symbol => Tag::Symbol,
            ValueType::Uuid => Tag::Uuid,
            ValueType::Instant => Tag::Inst,
            ValueType::Uri => Tag::Uri,
            ValueType::Bytes => Tag::Bytes,
            ValueType::Ref => Tag::Ref,
            ValueType::Tuple | ValueType::FloatArray | ValueType::DoubleArray => Tag::Vector,
            ValueType::Number => return None,
        })
    }

    /// Its name after `:db.type/`.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, t)| *t == self).map_or("any", |(n, _)| n)
    }
}

/// How an attribute's values are unique, `:db.unique/…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unique {
    /// Two entities with one value are an error.
    Value,
    /// A transaction that names the value means the entity that has it (upsert).
    Identity,
}

/// What the values of a tuple attribute are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TupleKind {
    /// `:db/tupleAttrs`: the values of these attributes of the same entity, kept by the database.
    Composite(Vec<AttrId>),
    /// `:db/tupleType`: any number of values of one type.
    Homogeneous(ValueType),
    /// `:db/tupleTypes`: one value of each type.
    Heterogeneous(Vec<ValueType>),
}

/// What is known of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its number in the indexes.
    pub id: AttrId,
    /// Its name now.
    pub ident: Keyword,
    /// The entity that describes it; none for built-in attributes and for those that were used
    /// without a schema.
    pub entity: Option<EntityId>,
    /// The type of its values; `None`: any (an attribute used without a schema).
    pub value_type: Option<ValueType>,
    /// Many values, or one.
    pub many: bool,
    /// Whether and how values are unique.
    pub unique: Option<Unique>,
    /// Whether it was asked to be in AVET (`:db/index`); see [`Attribute::in_avet`].
    pub index: bool,
    /// Whether its values are parts of the entity.
    pub component: bool,
    /// Whether ended facts are forgotten.
    pub no_history: bool,
    /// Facts that ended up to this transaction are forgotten: it is the one that took `no_history`
    /// away.
    pub forgotten: T,
    /// What a tuple is made of.
    pub tuple: Option<TupleKind>,
    /// What it is for, in words.
    pub doc: Option<Arc<str>>,
    /// Names of predicates each value must satisfy.
    pub preds: Vec<Value>,
    /// The most characters of a string.
    pub max_length: Option<u64>,
}

impl Attribute {
    /// An attribute that was never described: one value of any type.
    pub fn undescribed(id: AttrId, ident: Keyword) -> Self {
        Self {
            id,
            ident,
            entity: None,
            value_type: None,
            many: false,
            unique: None,
            index: false,
            component: false,
            no_history: false,
            forgotten: T(0),
            tuple: None,
            doc: None,
            preds: Vec::new(),
            max_length: None,
        }
    }

    /// Whether its facts are in AVET: indexed, unique and ref attributes.
    pub fn in_avet(&self) -> bool {
        self.index || self.unique.is_some() || self.is_ref()
    }

    /// Up to which transaction facts that ended are forgotten; 0 where all are kept.
    pub fn forgotten_to(&self) -> T {
        if self.no_history { T(u64::MAX) } else { self.forgotten }
    }

    /// Whether nothing is known of it but its name.
    pub fn is_undescribed(&self) -> bool {
        let known = self.entity.is_some() || self.value_type.is_some() || self.doc.is_some();
        !known && self.id >= AttrId(ATTR_USER)
    }

    /// Whether it is a tuple that the database keeps.
    pub fn is_composite(&self) -> bool {
        matches!(self.tuple, Some(TupleKind::Composite(_)))
    }

    /// Whether its values are entities.
    pub fn is_ref(&self) -> bool {
        self.value_type == Some(ValueType::Ref)
    }
}

/// Whether unknown attributes may be used, `:schema-flexibility`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Flexibility {
    /// An unknown attribute in a transaction is an error.
    #[default]
    Write,
    /// An unknown attribute is made at first use: one value of any type.
    Read,
}

/// All attributes of a database value. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    by_id: Arc<BTreeMap<AttrId, Arc<Attribute>>>,
    by_ident: Arc<BTreeMap<Keyword, AttrId>>,
    /// Whether unknown attributes may be used.
    pub flexibility: Flexibility,
}

impl Schema {
    /// These attributes beside the built-in ones, and former idents that still resolve.
    pub fn new(
        attributes: impl IntoIterator<Item = Attribute>,
        former: impl IntoIterator<Item = (Keyword, AttrId)>,
        flexibility: Flexibility,
    ) -> Self {
        let mut schema = Self { flexibility, ..Self::default() };
        let by_ident = Arc::make_mut(&mut schema.by_ident);
        by_ident.extend(former);
        for attribute in attributes {
            by_ident.insert(attribute.ident.clone(), attribute.id);
            Arc::make_mut(&mut schema.by_id).insert(attribute.id, Arc::new(attribute));
        }
        schema
    }

    /// Idents that attributes had once and that still resolve to them, sorted.
    pub fn former(&self) -> impl Iterator<Item = (&Keyword, AttrId)> {
        let renamed = |(ident, id): &(&Keyword, &AttrId)| {
            self.by_id.get(*id).is_some_and(|attribute| attribute.ident != **ident)
        };
        self.by_ident.iter().filter(renamed).map(|(ident, id)| (ident, *id))
    }

    /// Adds or replaces an attribute; the ident it had before still resolves to it.
    pub fn insert(&mut self, attribute: Attribute) {
        Arc::make_mut(&mut self.by_ident).insert(attribute.ident.clone(), attribute.id);
        Arc::make_mut(&mut self.by_id).insert(attribute.id, Arc::new(attribute));
    }

    /// The number that the next attribute of a block gets; `None` when the block has no more.
    pub fn next_attr(&self, block: u64) -> Option<AttrId> {
        let first = if block == 0 { ATTR_USER } else { block * BLOCK + ATTR_BASE };
        let last = (block + 1) * BLOCK;
        let known = self.by_id.range(AttrId(first)..AttrId(last)).next_back();
        let next = known.map_or(first, |(id, _)| id.0 + 1);
        (next < last).then_some(AttrId(next))
    }

    /// The attribute with this ident (also a former ident that was not taken since).
    pub fn attr(&self, ident: &str) -> Option<&Arc<Attribute>> {
        self.by_ident.get(ident).and_then(|id| self.by_id.get(id))
    }

    /// The attribute with this number.
    pub fn get(&self, id: AttrId) -> Option<&Arc<Attribute>> {
        self.by_id.get(&id)
    }

    /// The attribute that an entity describes.
    pub fn described_by(&self, entity: EntityId) -> Option<&Arc<Attribute>> {
        self.by_id.values().find(|a| a.entity == Some(entity))
    }

    /// Attributes whose ended facts are forgotten, each with up to which transaction.
    pub fn forgetful(&self) -> Vec<(AttrId, T)> {
        let to = self.attributes().map(|a| (a.id, a.forgotten_to()));
        to.filter(|(_, t)| *t > T(0)).collect()
    }

    /// Notes in which transaction attributes began to keep what ends: `before` kept nothing.
    pub fn keep_from(&mut self, before: &Schema, t: T) {
        let was = |a: &Arc<Attribute>| before.get(a.id).is_some_and(|old| old.no_history);
        let turned = self.attributes().filter(|a| !a.no_history && was(a));
        let turned: Vec<Attribute> = turned.map(|a| a.as_ref().clone()).collect();
        turned.into_iter().for_each(|a| self.insert(Attribute { forgotten: t, ..a }));
    }

    /// All attributes, by number.
    pub fn attributes(&self) -> impl Iterator<Item = &Arc<Attribute>> {
        self.by_id.values()
    }
}

impl Default for Schema {
    /// The built-in attributes alone.
    fn default() -> Self {
        let all: Vec<_> = builtin::attributes().into_iter().map(Arc::new).collect();
        let by_ident = all.iter().map(|a| (a.ident.clone(), a.id)).collect();
        let by_id = all.into_iter().map(|a| (a.id, a)).collect();
        Self {
            by_id: Arc::new(by_id),
            by_ident: Arc::new(by_ident),
            flexibility: Flexibility::Write,
        }
    }
}

impl Schema {
    /// The ident most like this one, if one is alike: for messages. It is backwards (`ns/_name`) if
    /// this one is.
    pub fn nearest(&self, ident: &str) -> Option<String> {
        let known = |ident: &str| {
            nearest(ident, self.by_ident.keys().map(Keyword::as_str)).map(str::to_owned)
        };
        let reverse = |forward: Keyword| {
            let found = known(forward.as_str())?;
            let at = found.rfind('/').map_or(0, |slash| slash + 1);
            Some(format!("{}_{}", &found[..at], &found[at..]))
        };
        Keyword::new(ident).forward().map_or_else(|| known(ident), reverse)
    }
}
