//! The catalogue of errors: one row for each kind of error of the reader, queries, pull,
//! transactions and schemas, with its name, what it means and what to do.
//!
//! **Invariant:** each error has a row: `code()` of its type is an exhaustive match into [`Code`],
//! and the rows and `Code` are written down together. Names are never given a new meaning. The
//! manual's table in `factfs-query(7)` has the same rows; a test compares them. What an error says
//! of its place and of the form at fault is not here, but in its own words.

use std::fmt;

/// A row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which kind of error.
    pub code: Code,
    /// Its name, which is also printed: `query/unknown-variable`.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

macro_rules! catalogue {
    ($($code:ident $name:literal: $meaning:literal; $advice:literal.)*) => {
        /// A kind of error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $code,)*
        }

        /// The table, in the order of the kinds.
        pub const TABLE: &[Row] = &[
            $(Row { code: Code::$code, name: $name, meaning: $meaning, advice: $advice },)*
        ];
    };
}

catalogue! {
    EdnNotUtf8 "edn/not-utf8":
        "bytes that are not UTF-8"; "save the text as UTF-8".
    EdnBlank "edn/blank":
        "there is no form in the text"; "write one".
    EdnSecondForm "edn/second-form":
        "a second form where one was expected"; "remove it, or put both into a vector".
    EdnIncomplete "edn/incomplete":
        "the text ends inside a form or a string"; "close what was opened at the place shown".
    EdnBracket "edn/bracket":
        "a bracket that closes nothing, or something else"; "balance the brackets".
    EdnTooDeep "edn/too-deep":
        "forms are nested deeper than 512"; "write it flatter".
    EdnNoValue "edn/no-value":
        "a key of a map without a value"; "give each key a value".
    EdnDuplicate "edn/duplicate":
        "a key of a map or an element of a set comes twice"; "remove one of them".
    EdnNumber "edn/number":
        "a number that is none, or is out of range";
        "write N or M after numbers that are large or exact".
    EdnName "edn/name":
        "no keyword and no symbol"; "mend the name; text stands in quotes".
    EdnCharacter "edn/character":
        "no character, or no escape in a string"; "use one of those that the message names".
    EdnUnsupported "edn/unsupported":
        "syntax of a programming language that is not EDN"; "write it as data".
    EdnTag "edn/tag":
        "a tag with something that it does not take"; "write what the message says is needed".

    AttributeUnknown "attribute/unknown":
        "no attribute has this name"; "mend the name; in transactions, define the attribute first".
    AttributeNone "attribute/none":
        "something that names no attribute"; "write a keyword".
    AttributeNotIndexed "attribute/not-indexed":
        "values are asked for in order, and no index has them";
        "add :db/index true to the attribute".
    AttributeNotUnique "attribute/not-unique":
        "a lookup ref by an attribute whose values name nobody";
        "use an attribute that has :db/unique".
    EntityUnknown "entity/unknown":
        "no entity has this ident, lookup ref or id";
        "mend it, or say something of the entity first".
    DatabaseUnreadable "database/unreadable":
        "the database could not be read"; "see what the message says of the storage".

    QuerySyntax "query/syntax":
        "a form that stands where the grammar wants another"; "write what the message expects".
    QueryUnknownVariable "query/unknown-variable":
        "a variable that no input and no clause binds"; "mend the name, or bind it".
    QueryUnknownSource "query/unknown-source":
        "a database that :in does not name"; "mend the name, or add it to :in".
    QueryUnknownName "query/unknown-name":
        "no function, predicate, aggregate, rule or pattern has this name";
        "mend the name; FUNCTIONS lists all".
    QueryArity "query/arity":
        "too few or too many arguments"; "give as many as the message says".
    QueryUnbound "query/unbound":
        "a clause needs variables that nothing binds";
        "bind them by a pattern, a function or an input".
    QueryOptional "query/optional":
        "a clause needs what only an optional clause binds";
        "move the clause into the optional one".
    QueryNegativeRecursion "query/negative-recursion":
        "a rule depends on its own absence"; "take the call of the rule out of not or optional".
    QueryTooFewInputs "query/too-few-inputs":
        "fewer inputs than :in names"; "give the others".
    QueryExtraInputs "query/extra-inputs":
        "more inputs than :in names"; "leave them out, or name them in :in".
    QueryInput "query/input":
        "an input that does not have the shape of its binding"; "give a value of that shape".
    QueryFunction "query/function":
        "a function met a value that it does not take, or has no result";
        "exclude the value by a clause, such as a predicate on its type".
    QueryLimit "query/limit":
        "the query is larger than queries may be, or takes more rows or memory";
        "narrow it, or raise the limit that is named".
    QueryTimeout "query/timeout":
        "the time was up"; "narrow the query, or give it more time".
    QueryCancelled "query/cancelled":
        "the answer was no longer wanted"; "ask again".
    QueryUnsupported "query/unsupported":
        "a part of other systems' dialects that is not here";
        "say it by what FUNCTIONS and CLAUSES list".

    PullSyntax "pull/syntax":
        "a form that is no part of a pull pattern"; "write what the message expects".
    PullAttribute "pull/attribute":
        "an attribute used for what it is not (backwards, with a pattern, a limit, an order)";
        "change the attribute or the pattern".
    PullUnknownFunction "pull/unknown-function":
        ":xform names no function of its list"; "use one of those that the message names".
    PullFunction "pull/function":
        ":xform got a value that it does not take"; "use another function".
    PullTooDeep "pull/too-deep":
        "recursion went too deep"; "give it a depth, as in {:a/b 3}".
    PullTooLarge "pull/too-large":
        "recursion made too many maps"; "give it a depth, or a :limit".

    TxSyntax "tx/syntax":
        "a form that is no part of a transaction"; "write what the message expects".
    TxUnknownOperation "tx/unknown-operation":
        "a list that begins with no operation"; "mend its name".
    TxUnsupported "tx/unsupported":
        "transaction functions and other operations that are not here";
        "compute first, then say what becomes true; :db/cas guards it".
    TxType "tx/type":
        "a value of another type than the attribute's"; "write a value of that type".
    TxNil "tx/nil":
        "nil as a value"; "retract the value instead".
    TxTooLong "tx/too-long":
        "a value longer than the :db/maxLength of its attribute"; "shorten it, or raise the length".
    TxPredicate "tx/predicate":
        "a value that a predicate of its attribute refuses"; "write a value that satisfies it".
    TxUnknownPredicate "tx/unknown-predicate":
        "a predicate of an attribute or specification that cannot be called";
        "name a built-in function that fits, in the schema".
    TxEntityPredicate "tx/entity-predicate":
        "an entity that a predicate of its specification refuses";
        "change the entity in the same transaction".
    TxRequired "tx/required":
        "an attribute is missing that a specification requires"; "add it in the same transaction".
    TxWindow "tx/window":
        "a transaction that is valid until before it is valid from";
        "exchange :db.valid/from and :db.valid/to".
    TxUnique "tx/unique":
        "another entity has this unique value"; "use that entity, or another value".
    TxUpsert "tx/upsert":
        "unique identities that mean different entities"; "say which one is meant".
    TxCas "tx/cas":
        "the value is no longer the old one of :db/cas"; "read it again, then try again".
    TxOnlyValue "tx/only-value":
        "a tempid of which nothing is said"; "say something of it, or write the id of an entity".
    TxTempid "tx/tempid":
        "a tempid where an entity has to be there already"; "write its id, ident or lookup ref".
    TxComposite "tx/composite":
        "a composite tuple is written"; "write its parts".
    TxReserved "tx/reserved":
        "an attribute that belongs to the transaction itself"; "say it of :db/current-tx".
    TxInstant "tx/instant":
        "a :db/txInstant before the last one, or after the clock";
        "leave it out, or give a later or earlier one".
    TxBadId "tx/bad-id":
        "a number that is no entity id here"; "use a tempid for something new".
    TxAmbiguous "tx/ambiguous":
        "a name that several entities have had"; "name one by its id".
    TxErase "tx/erase":
        "something is to be erased that cannot be";
        "erase in a transaction of its own, and no definitions".
    TxPast "tx/past":
        "a transaction on a view of the past"; "use the head of a branch".
    TxFull "tx/full":
        "no ids are left in this branch's block"; "make a branch, and go on there".

    SchemaBuiltIn "schema/built-in":
        "a built-in attribute is described anew"; "choose another name".
    SchemaIncomplete "schema/incomplete":
        "a description lacks what every attribute needs"; "add what the message names".
    SchemaValue "schema/value":
        "a value that means nothing in a description"; "use one of those that the message names".
    SchemaForbidden "schema/forbidden":
        "a change that facts, or the rest of the description, forbid";
        "define a new attribute, and move the facts".
    SchemaNameTaken "schema/name-taken":
        "another attribute has this name"; "choose another name".
    SchemaTuplePart "schema/tuple-part":
        "an attribute that cannot be part of a composite tuple";
        "use attributes that have one value and are no tuples".
}

impl Code {
    /// Its row of the catalogue.
    pub fn row(self) -> &'static Row {
        // The table lists the kinds in the order of their declaration.
        &TABLE[self as usize]
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where errors say their code.
    const SOURCES: [&str; 6] = [
        include_str!("db/error.rs"),
        include_str!("edn/error.rs"),
        include_str!("pull/error.rs"),
        include_str!("query/error.rs"),
        include_str!("schema/error.rs"),
        include_str!("transact/error.rs"),
    ];

    #[test]
    fn each_row_is_the_code_of_an_error() {
        for row in TABLE {
            let code = format!("{:?}", row.code);
            let is_code =
                |line: &&str| line.split(|c: char| !c.is_alphanumeric()).any(|w| w == code);
            let found = SOURCES.iter().flat_map(|text| text.lines()).find(is_code);
            assert!(found.is_some(), "no error has the code {code}");
        }
    }

    #[test]
    fn each_code_finds_its_own_row_and_name() {
        for (i, row) in TABLE.iter().enumerate() {
            assert_eq!(row.code as usize, i, "{row:?}");
            assert_eq!(row.code.row().name, row.name);
            assert!(TABLE[..i].iter().all(|other| other.name != row.name), "{row:?}");
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let (area, kind) = row.name.split_once('/').unwrap();
            assert!(!area.is_empty() && !kind.is_empty() && kind.chars().all(is_word), "{row:?}");
        }
    }
}
