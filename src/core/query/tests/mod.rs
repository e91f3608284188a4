//! What queries answer, as statements: a query, its inputs, the expected EDN.
//!
//! **Invariant:** every statement is checked a second time with its clauses reversed: order never
//! matters.

mod aside;
mod bounds;
mod dialect;
mod errors;
mod fold;
mod generate;
mod lives;
mod meant;
mod naive;
mod numbers;
mod optional;
mod parity;
mod property;
mod reads;
mod recursion;

use super::*;
use crate::datom::Datom;
use crate::db::{Db, NoNodes, Snapshot};
use crate::edn::{read_one, to_string};
use crate::id::{EntityId, T, Tx};
use crate::schema::{Schema, builtin};
use crate::value::Uuid;
use std::sync::Arc;

/// A database of `[[e :attribute v] ...]`, a transaction for each vector of them; numbers in ref
/// attributes are entities.
pub(super) fn db_of(uuid: u128, schema: &str, txs: &[&str]) -> Db {
    let mut schema = Schema::from_map(&read_one(schema).unwrap().to_value()).unwrap();
    let empty = Snapshot::empty(Uuid::from_u128(uuid), Arc::new(NoNodes), schema.clone());
    let mut snapshot = empty;
    for (index, facts) in txs.iter().enumerate() {
        let tx = Tx::new(0, T(index as u64 + 1));
        let at = Value::Inst(1_000 * (index as i64 + 1));
        let mut datoms =
            vec![Datom { e: tx.entity(), a: builtin::TX_INSTANT, v: at, tx, added: true }];
        for fact in read_one(facts).unwrap().as_vector().unwrap() {
            let [e, a, v, rest @ ..] = fact.as_vector().unwrap() else { panic!("{fact}") };
            let ident = a.as_keyword().unwrap();
            let a = schema.ensure(0, ident).unwrap();
            let v = schema.typed(schema.get(a).unwrap(), v.to_value());
            let e = EntityId(e.as_long().unwrap() as u64);
            datoms.push(Datom { e, a, v, tx, added: rest.is_empty() });
        }
        snapshot = snapshot.with(tx, 0, &datoms, schema.clone(), EntityId(1000));
    }
    Db::new(snapshot)
}

/// People and what they like: the database of most statements.
pub(super) fn people() -> Db {
    db_of(
        1,
        "{:name {:db/unique :db.unique/identity :db/valueType :db.type/string}
          :age {:db/index true :db/valueType :db.type/long}
          :height {:db/valueType :db.type/double}
          :aka {:db/cardinality :db.cardinality/many :db/valueType :db.type/string}
          :email {:db/index true}
          :friend {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
          :boss {:db/valueType :db.type/ref}}",
        &[r#"[[1 :name "Ivan"] [1 :age 15] [1 :aka "ivolga"] [1 :aka "pi"] [1 :friend 2]
              [2 :name "Petr"] [2 :age 37] [2 :aka "porosenok"] [2 :aka "pi"] [2 :friend 3]
              [3 :name "Oleg"] [3 :age 37] [3 :boss 1] [3 :email "oleg@example.org"]
              [4 :name "Nobody in particular"] [4 :height 1.5] [4 :boss 1] [4 :friend 4]
              [5 :db/ident :place/home] [5 :boss 4]]"#],
    )
}

pub(super) fn ask(query: &str, inputs: &[Input]) -> Result<Answer, QueryError> {
    run(&Query::parse(query)?, inputs, &Limits::default(), &CancelToken::default())
}

pub(super) fn edn(text: &str) -> Input {
    Input::Value(read_one(text).unwrap().to_value())
}

/// The query with the clauses of `:where` in the opposite order.
fn reversed(query: &str) -> Query {
    let mut query = Query::parse(query).unwrap();
    query.ast.clauses.reverse();
    query
}

/// Checks an answer, printed.
pub(super) fn check_with(query: &str, inputs: &[Input], expected: &str) {
    let expected = to_string(&read_one(expected).unwrap().to_value());
    let answer = ask(query, inputs).unwrap_or_else(|e| panic!("{query}\n{e}"));
    assert_eq!(to_string(&answer.to_value()), expected, "{query}\n{}", answer.explain);
    let (limits, cancel) = (Limits::default(), CancelToken::default());
    let again = run(&reversed(query), inputs, &limits, &cancel).unwrap();
    assert_eq!(to_string(&again.to_value()), expected, "reversed: {query}\n{}", again.explain);
}

/// Checks an answer over [`people`].
pub(super) fn check(query: &str, expected: &str) {
    check_with(query, &[Input::Db(people())], expected);
}

/// Checks the message of an error over [`people`].
pub(super) fn check_error(query: &str, kind: QueryErrorKind, message: &str) {
    let error = ask(query, &[Input::Db(people())]).unwrap_err();
    assert_eq!(error.to_string(), message, "{query}");
    assert_eq!(error.kind(), kind, "{query}");
}
