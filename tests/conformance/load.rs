//! A database from recorded datoms, as they are.
//!
//! **Invariant:** entities and transactions keep their numbers. Attributes that no schema describes
//! are numbered by name, so that indexes sort as in the recorded engines.

use super::schema;
use factfs_core::datom::Datom;
use factfs_core::db::{Db, NoNodes, Snapshot};
use factfs_core::edn::Form;
use factfs_core::id::{EntityId, T, TX_BASE, Tx};
use factfs_core::schema::{Attribute, Flexibility, Schema, TupleKind, ValueType};
use factfs_core::value::{Keyword, Uuid, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The idents that numbers stand for where attributes are recorded as entities.
pub type Names = BTreeMap<i64, Keyword>;

/// A row `[e a v tx added]`.
#[derive(Clone, Debug)]
pub struct Row {
    pub e: u64,
    pub a: Keyword,
    pub v: Value,
    pub tx: u64,
    pub added: bool,
}

/// What is recorded of a database.
pub struct Recorded {
    pub schema: Schema,
    pub rows: Vec<Row>,
    pub names: Names,
    /// Whether the rows tell the past, too.
    pub keeps_history: bool,
    /// Whether it is itself a view of the past.
    pub shows_ended: bool,
}

impl Recorded {
    /// Reads either style: a schema alone, or beside a configuration.
    pub fn read(form: &Form, others: &[&Form]) -> Result<Self, String> {
        let nil = Form::from(Value::Nil);
        let described = form.get("schema").unwrap_or(&nil);
        let is_unknown = described.is_keyword("host");
        let described = if is_unknown { schema::of_whole(form, others) } else { described };
        let config = described.get("config");
        let schema = if config.is_some() { described.get("schema") } else { Some(described) };
        let is = |key: &str| {
            let said = config.and_then(|config| config.get(key));
            said.is_some_and(|value| value.as_value() == Some(&Value::Bool(true)))
        };
        let flexibility = config.and_then(|config| config.get("schema-flexibility"));
        let datoms = form.get("datoms").and_then(Form::as_seq).ok_or("there are no datoms")?;
        let names = if is("attribute-refs?") { names(datoms) } else { Names::new() };
        let rows = datoms.iter().map(|d| row(d, &names)).collect::<Result<Vec<_>, _>>()?;
        let map = schema.unwrap_or(&nil).to_value();
        let used = rows.iter().map(|row| row.a.clone()).collect();
        let mut schema = schema::numbered(&map, used).map_err(|e| format!("schema: {e}"))?;
        if flexibility.is_some_and(|f| f.is_keyword("write")) {
            schema.flexibility = Flexibility::Write;
        }
        let shows_ended = is_unknown && rows.iter().any(|row| !row.added);
        Ok(Self { schema, rows, names, keeps_history: is("keep-history?"), shows_ended })
    }

    /// The schema before anything was said, the attributes that came without datoms.
    pub fn first_schema(&self) -> Schema {
        let named: BTreeSet<_> = self.idents().map(|(_, ident)| ident).collect();
        let given = self.schema.attributes().filter(|a| !named.contains(&a.ident));
        let given = given.map(|a| a.as_ref().clone());
        Schema::new(given, [], self.schema.flexibility)
    }

    /// The recorded instants of transactions.
    pub fn instants(&self) -> BTreeMap<u64, i64> {
        let own = self.rows.iter().filter(|r| r.a.as_str() == "db/txInstant" && r.e == r.tx);
        own.filter_map(|r| if let Value::Inst(ms) = r.v { Some((r.tx, ms)) } else { None })
            .collect()
    }

    fn idents(&self) -> impl Iterator<Item = (u64, Keyword)> {
        let named = self.rows.iter().filter(|row| row.added && row.a.as_str() == "db/ident");
        named.filter_map(|row| match &row.v {
            Value::Keyword(ident) => Some((row.e, ident.clone())),
            _ => None,
        })
    }

    /// The database of the rows.
    pub fn db(&self) -> Result<Db, String> {
        let mut schema = self.schema.clone();
        for (e, ident) in self.idents() {
            let known = schema.attr(ident.as_str()).filter(|a| a.ident == ident).cloned();
            if let Some(known) = known.filter(|a| a.id.0 >= factfs_core::id::ATTR_USER) {
                schema.insert(Attribute { entity: Some(EntityId(e)), ..known.as_ref().clone() });
            }
        }
        let empty = Snapshot::empty(Uuid::from_u128(1), Arc::new(NoNodes), schema);
        let all: Vec<&Row> = self.rows.iter().collect();
        let db = Db::new(add(empty, &all)?);
        Ok(if self.shows_ended { db.history() } else { db })
    }
}

/// The database with more rows.
pub fn add(mut snapshot: Snapshot, rows: &[&Row]) -> Result<Snapshot, String> {
    let mut schema = snapshot.schema.clone();
    let used: BTreeSet<&Keyword> = rows.iter().map(|row| &row.a).collect();
    for ident in used {
        schema.ensure(0, ident).map_err(|e| e.to_string())?;
    }
    let mut by_tx: BTreeMap<u64, Vec<Datom>> = BTreeMap::new();
    let mut next = snapshot.next_entity;
    for row in in_order(rows) {
        let attribute = schema.attr(row.a.as_str()).ok_or("no such attribute")?;
        let v = stored(&schema, &row.v, attribute);
        for e in [Some(EntityId(row.e)), if let Value::Ref(e) = v { Some(e) } else { None }] {
            if let Some(e) = e.filter(|e| e.0 < TX_BASE) {
                next = next.max(EntityId(e.0 + 1));
            }
        }
        let (e, tx) = (EntityId(row.e), Tx(row.tx));
        by_tx.entry(row.tx).or_default().push(Datom {
            e,
            a: attribute.id,
            v,
            tx,
            added: row.added,
        });
    }
    let mut instant = 0;
    for (tx, datoms) in by_tx {
        instant = instant_of(&datoms).unwrap_or(instant + 1);
        let (tx, schema) = (Tx(tx), schema.clone());
        if tx.t() == T(0) && snapshot.basis != Tx(0) {
            return Err(format!("transaction {tx} after another"));
        }
        snapshot = snapshot.with(tx, instant, &datoms, schema, next);
    }
    snapshot.schema = schema;
    Ok(snapshot)
}

fn instant_of(datoms: &[Datom]) -> Option<i64> {
    datoms.iter().filter(|d| d.e == d.tx.entity()).find_map(|d| match d.v {
        Value::Inst(ms) => Some(ms),
        _ => None,
    })
}

/// The rows in the order in which they were said. A fact that one transaction both added and
/// retracted holds after it if it held before.
pub fn in_order<'r>(rows: &[&'r Row]) -> Vec<&'r Row> {
    let mut by_tx: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| by_tx.entry(row.tx).or_default().push(row));
    let fact = |row: &'r Row| (row.e, row.a.clone(), row.v.clone());
    let (mut held, mut ordered) = (BTreeSet::new(), Vec::with_capacity(rows.len()));
    for mut said in by_tx.into_values() {
        said.sort_by_key(|row| {
            let key = fact(row);
            let first = row.added != held.contains(&key);
            (key, !first)
        });
        for row in &said {
            if row.added {
                held.insert(fact(row))
            } else {
                held.remove(&fact(row))
            };
        }
        ordered.extend(said);
    }
    ordered
}

/// A value as the attribute stores it.
fn stored(schema: &Schema, value: &Value, attribute: &Attribute) -> Value {
    let float = |(value, of): (&Value, Option<ValueType>)| match (value, of) {
        (Value::Double(x), Some(ValueType::Float)) => Value::Float(*x as f32),
        (value, _) => value.clone(),
    };
    match (schema.typed(attribute, value.clone()), &attribute.tuple) {
        (Value::Vector(items) | Value::List(items), Some(kind)) => {
            let of = |at: usize| match kind {
                TupleKind::Homogeneous(of) => Some(*of),
                TupleKind::Heterogeneous(all) => all.get(at).copied(),
                TupleKind::Composite(parts) => schema.get(*parts.get(at)?)?.value_type,
            };
            let items = items.iter().enumerate().map(|(at, item)| float((item, of(at))));
            Value::from(items.collect::<Vec<_>>())
        }
        (Value::List(items), None) => Value::Vector(items),
        (value, _) => float((&value, attribute.value_type)),
    }
}

/// `[e :db/ident name]` where attributes are entities: one of them is called `:db/ident` itself.
fn names(datoms: &[Form]) -> Names {
    let parts = |d: &Form| {
        let [e, a, v, ..] = d.as_seq()? else { return None };
        Some((e.as_long()?, a.as_long()?, v.as_keyword()?.clone()))
    };
    let own = datoms.iter().filter_map(parts).find(|(e, a, v)| e == a && v.as_str() == "db/ident");
    let Some((ident, ..)) = own else { return Names::new() };
    let named = datoms.iter().filter_map(parts).filter(|(_, a, _)| *a == ident);
    named.map(|(e, _, v)| (e, v)).collect()
}

/// Schema attributes whose values are entities with names, where attributes are entities.
const NAMED: [&str; 3] = ["db/valueType", "db/cardinality", "db/unique"];

/// A recorded datom.
pub fn row(form: &Form, names: &Names) -> Result<Row, String> {
    let wrong = || format!("{form} is no datom");
    let [e, a, v, tx, added] = form.as_seq().ok_or_else(wrong)? else { return Err(wrong()) };
    let id = |form: &Form| form.as_long().and_then(|n| u64::try_from(n).ok()).ok_or_else(wrong);
    let a = match a.as_long() {
        Some(number) => names.get(&number).cloned(),
        None => a.as_keyword().cloned(),
    };
    let a = a.ok_or_else(wrong)?;
    let v = match (v.to_value(), NAMED.contains(&a.as_str())) {
        (Value::Long(number), true) => {
            names.get(&number).map_or(Value::Long(number), |name| Value::Keyword(name.clone()))
        }
        (value, _) => value,
    };
    let added = added.as_value() == Some(&Value::Bool(true));
    Ok(Row { e: id(e)?, a, v, tx: id(tx)?, added })
}
