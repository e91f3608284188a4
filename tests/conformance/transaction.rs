//! Cases of `:with`: a transaction that is only supposed.
//!
//! **Invariant:** what holds after it is compared on `[e a v]`, what it said on `[e a v added]`,
//! the tempids by who is the same. The values of `:db/txInstant` are another clock's: they are
//! compared for being there. What was given beside a transaction is not always recorded: it is
//! taken from what is recorded of it afterwards, but only where the call itself does not name the
//! transaction.

use super::call::Stop;
use super::compare::plain;
use super::databases::Loaded;
use super::load;
use super::steps::ident;
use factfs_core::datom::{Datom, Order};
use factfs_core::edn::{Form, FormKind, to_string};
use factfs_core::transact::{TxOptions, with};
use factfs_core::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A fact that holds.
type Fact = (u64, String, Value);

/// What a transaction came to.
pub struct After {
    facts: BTreeSet<Fact>,
    said: BTreeSet<(Fact, bool)>,
    tempids: BTreeMap<Value, u64>,
    tx: u64,
    /// Whether facts about the transaction were given beside it that the call has not.
    pub is_told: bool,
}

/// Later than every recorded instant: the end of the year 2099.
const NOW_MS: i64 = 4_102_444_799_999;

/// The transaction on the database; the second form is about the transaction itself. Where it is
/// not recorded it is taken from what the transaction came to.
pub fn run(
    loaded: &Loaded,
    tx: &Form,
    meta: Option<&Form>,
    expected: Option<&Form>,
) -> Result<After, Stop> {
    let after = transact(loaded, tx, meta)?;
    if meta.is_some() || names_transaction(tx, after.tx) {
        return Ok(after);
    }
    match expected.and_then(|expected| beside(expected, &loaded.names, &after)) {
        Some(told) => Ok(After { is_told: true, ..transact(loaded, tx, Some(&told))? }),
        None => Ok(after),
    }
}

fn transact(loaded: &Loaded, tx: &Form, meta: Option<&Form>) -> Result<After, Stop> {
    let db = &loaded.db;
    let now_ms = db.snapshot().instant_ms.unwrap_or(0).max(NOW_MS) + 1;
    let form = match meta.filter(|meta| !meta.is_nil()) {
        None => tx.clone(),
        Some(meta) => map(&[("tx-data", tx), ("tx-meta", meta)]),
    };
    let options = TxOptions { now_ms, ..TxOptions::default() };
    let report = with(db, &form, &options)?;
    let after = &report.db_after;
    let datoms = after.datoms(Order::Eavt, None, None, None)?;
    let fact = |d: Datom| {
        let a = ident(after, d.a);
        let v = masked(&a, number(&d.v));
        (d.e.0, a, v)
    };
    let said = report.datoms.into_iter().map(|d| (d.added, d));
    let said = said.map(|(added, d)| (fact(d), added)).collect();
    let facts = datoms.into_iter().map(fact).collect();
    let tempids = report.tempids.into_iter().map(|(name, e)| (name, e.0)).collect();
    Ok(After { facts, said, tempids, tx: report.tx.0, is_told: false })
}

fn map(entries: &[(&str, &Form)]) -> Form {
    let entry = |(key, form): &(&str, &Form)| (Form::from(Value::keyword(key)), (*form).clone());
    let kind = FormKind::Map(entries.iter().map(entry).collect());
    Form { kind, span: Default::default() }
}

/// The value, but of an instant of a transaction only that there is one.
pub fn masked(attribute: &str, value: Value) -> Value {
    if attribute == "db/txInstant" { Value::Nil } else { value }
}

/// The value of a fact, with one way to write each number.
fn number(value: &Value) -> Value {
    match plain(value) {
        // A bigint is recorded as the engines' host prints it.
        Value::BigInt(x) => i64::try_from(x.as_ref()).map_or(Value::BigInt(x), Value::Long),
        value => value,
    }
}

/// Names of the transaction that is being made.
const OWN: [&str; 4] = [":db/current-tx", "datomic.tx", "datascript.tx", "datahike.tx"];

/// Whether a form, or one within it, is the transaction that is being made.
fn names_transaction(form: &Form, tx: u64) -> bool {
    let is_named = |form: &Form| names_transaction(form, tx);
    let all = form.as_seq().or_else(|| form.as_set()).unwrap_or_default();
    let entries = form.as_map().unwrap_or_default();
    let text = form.as_str().map_or_else(|| form.to_string(), str::to_owned);
    OWN.contains(&text.as_str())
        || form.as_long() == Some(tx as i64)
        || all.iter().any(is_named)
        || entries.iter().any(|(key, value)| is_named(key) || is_named(value))
}

/// Facts about the transaction that are recorded of it, and that the call does not say: they were
/// given beside it.
fn beside(expected: &Form, names: &load::Names, after: &After) -> Option<Form> {
    let datoms = expected.get("value")?.get("tx-data")?.as_seq()?;
    let own = datoms.iter().filter_map(|datom| {
        let row =
            load::row(datom, names).ok().filter(|row| row.e == row.tx && row.e == after.tx)?;
        let told = |(of, name, _): &Fact| *of == after.tx && name == row.a.as_str();
        let known = row.a.as_str() == "db/txInstant" || after.facts.iter().any(told);
        (!known).then(|| (Form::from(Value::Keyword(row.a)), Form::from(row.v)))
    });
    let own: Vec<_> = own.collect();
    let span = Default::default();
    (!own.is_empty()).then_some(Form { kind: FormKind::Map(own), span })
}

/// How the recorded report differs, if it does.
pub fn difference(loaded: &Loaded, expected: &Form, after: &After) -> Result<(), String> {
    let datoms = expected.get("datoms-after").and_then(Form::as_seq);
    same_facts(loaded, datoms.ok_or("no :datoms-after is recorded")?, after)?;
    if let Some(datoms) = expected.get("tx-data").and_then(Form::as_seq) {
        same_said(loaded, datoms, after)?;
    }
    let Some(recorded) = expected.get("tempids").and_then(Form::as_map) else { return Ok(()) };
    let recorded = recorded.iter().filter_map(|(k, v)| Some((k.to_value(), v.as_long()? as u64)));
    // Names of the transaction itself are in no report of ours.
    let recorded: BTreeMap<_, _> = recorded.filter(|(_, e)| *e != after.tx).collect();
    let ours = after.tempids.iter().filter(|(_, e)| **e != after.tx);
    let ours: BTreeMap<_, _> = ours.map(|(k, e)| (k.clone(), *e)).collect();
    if recorded.keys().ne(ours.keys()) || shape(&recorded) != shape(&ours) {
        return Err(format!("tempids {} but got {}", shown(&recorded), shown(&ours)));
    }
    Ok(())
}

fn shown(tempids: &BTreeMap<Value, u64>) -> String {
    tempids.iter().map(|(name, e)| format!("{} {e}", to_string(name))).collect::<Vec<_>>().join(" ")
}

/// For each name the first one that means the same entity.
fn shape(tempids: &BTreeMap<Value, u64>) -> Vec<&Value> {
    let first = |e: &u64| tempids.iter().find(|(_, other)| *other == e).map(|(name, _)| name);
    tempids.values().filter_map(first).collect()
}

/// What a transaction said. A composite tuple that it made and that did not last is no fact here:
/// of each such tuple the engines tell all states between.
fn same_said(loaded: &Loaded, datoms: &[Form], after: &After) -> Result<(), String> {
    let mut wanted = BTreeSet::new();
    for datom in datoms {
        let row = load::row(datom, &loaded.names)?;
        let v = masked(row.a.as_str(), number(&row.v));
        wanted.insert(((row.e, row.a.as_str().to_owned(), v), row.added));
    }
    let between = |fact: &Fact| {
        let both = [true, false].map(|added| wanted.contains(&(fact.clone(), added)));
        matches!(fact.2, Value::Vector(_)) && both == [true, true]
    };
    let instants = wanted.iter().any(|(fact, _)| fact.1 == "db/txInstant");
    let got: BTreeSet<_> = { after.said.iter() }
        .filter(|(fact, _)| instants || fact.1 != "db/txInstant")
        .cloned()
        .collect();
    let missing = wanted.difference(&got).find(|(fact, _)| !between(fact));
    match missing.or(got.difference(&wanted).next()) {
        None => Ok(()),
        Some(((e, a, v), added)) => {
            Err(format!("only one transaction says [{e} :{a} {} {added}]", to_string(v)))
        }
    }
}

fn same_facts(loaded: &Loaded, datoms: &[Form], after: &After) -> Result<(), String> {
    // Of what is recorded over time, what holds in the end.
    let rows = datoms.iter().map(|datom| load::row(datom, &loaded.names));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let mut wanted: BTreeSet<Fact> = BTreeSet::new();
    for row in load::in_order(&rows.iter().collect::<Vec<_>>()) {
        let v = masked(row.a.as_str(), number(&row.v));
        let fact = (row.e, row.a.as_str().to_owned(), v);
        if row.added {
            wanted.insert(fact)
        } else {
            wanted.remove(&fact)
        };
    }
    let instants = wanted.iter().any(|(_, a, _)| a == "db/txInstant");
    let got: BTreeSet<Fact> =
        after.facts.iter().filter(|(_, a, _)| instants || a != "db/txInstant").cloned().collect();
    let list = |facts: Vec<&Fact>| {
        let fact = |(e, a, v): &&Fact| format!("[{e} :{a} {}]", to_string(v));
        facts.iter().map(fact).collect::<Vec<_>>().join(" ")
    };
    let missing: Vec<_> = wanted.difference(&got).collect();
    let added: Vec<_> = got.difference(&wanted).collect();
    if missing.is_empty() && added.is_empty() {
        return Ok(());
    }
    Err(format!("missing {}\n      in addition {}", list(missing), list(added)))
}
