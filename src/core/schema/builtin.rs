//! The attributes that every database has.
//!
//! **Invariant:** their numbers are part of the format and never change; they have no entities.

use super::{Attribute, Unique, ValueType};
use crate::id::{ATTR_BASE, AttrId, T};
use crate::value::Keyword;

macro_rules! builtins {
    ($(
        $n:literal $constant:ident $ident:literal $type:ident $many:literal $unique:expr,
        $doc:literal;
    )*) => {
        $(#[doc = concat!("`:", $ident, "`: ", $doc)]
        pub const $constant: AttrId = AttrId(ATTR_BASE + $n);)*

        /// All built-in attributes, by number.
        pub fn attributes() -> Vec<Attribute> {
            vec![$(Attribute {
                id: $constant,
                ident: Keyword::new($ident),
                entity: None,
                value_type: Some(ValueType::$type),
                many: $many,
                unique: $unique,
                index: $constant == TX_INSTANT,
                component: false,
                no_history: false,
                forgotten: T(0),
                tuple: None,
                doc: Some($doc.into()),
                preds: Vec::new(),
                max_length: None,
            }),*]
        }
    };
}

builtins! {
    1 IDENT "db/ident" Keyword false Some(Unique::Identity), "the name of an entity";
    2 VALUE_TYPE "db/valueType" Keyword false None, "the type of an attribute's values";
    3 CARDINALITY "db/cardinality" Keyword false None, "whether an entity has one value or many";
    4 UNIQUE "db/unique" Keyword false None, "whether a value belongs to one entity";
    5 INDEX "db/index" Boolean false None, "whether values can be looked up";
    6 IS_COMPONENT "db/isComponent" Boolean false None, "whether values are parts of the entity";
    7 DOC "db/doc" String false None, "what it is for";
    8 NO_HISTORY "db/noHistory" Boolean false None, "whether ended facts are forgotten";
    9 TUPLE_ATTRS "db/tupleAttrs" Tuple false None, "the attributes a composite tuple is made of";
    10 TUPLE_TYPE "db/tupleType" Keyword false None, "the type of all parts of a tuple";
    11 TUPLE_TYPES "db/tupleTypes" Tuple false None, "the type of each part of a tuple";
    12 ATTR_PREDS "db.attr/preds" Symbol true None, "predicates that each value satisfies";
    13 MAX_LENGTH "db/maxLength" Long false None, "the most characters of a string";
    14 ENSURE "db/ensure" Keyword true None, "the specification an entity satisfies";
    15 ENTITY_ATTRS "db.entity/attrs" Keyword true None, "attributes that a specification requires";
    16 ENTITY_PREDS "db.entity/preds" Symbol true None, "predicates that a specification requires";
    17 TX_INSTANT "db/txInstant" Instant false None, "when a transaction was made";
    18 TX_ID "db.tx/id" String false Some(Unique::Value), "the client's id of a transaction";
    19 FULLTEXT "db/fulltext" Boolean false None, "accepted and kept; no full-text index is made";
}
