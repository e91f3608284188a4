//! Functions that read a database: `get-else`, `get-some`, `missing?`, `q`, `tx-ids`, `tx-data`.
//!
//! **Invariant:** the entities of a batch are looked up together, in one scan; a nested query runs
//! once for each distinct set of arguments that it gets in a batch.

use super::Run;
use super::apply::{Got, failed};
use super::batch::{Batch, RowTable};
use super::cell::Cell;
use crate::datom::{KeyRange, Order};
use crate::db::Db;
use crate::id::{AttrId, EntityId, T};
use crate::query::bind::{Input, Source};
use crate::query::error::QueryError;
use crate::query::functions::{FnError, Kind, measure};
use crate::query::limits::{MAX_NESTED, Watch, at_most};
use crate::query::plan::{Apply, Arg, Step};
use crate::schema::{Schema, builtin};
use crate::value::{Keyword, ValRef, Value};

/// The result of a call for each row.
pub fn evaluate(
    run: &mut Run<'_>,
    step: &Step,
    apply: &Apply,
    batch: &Batch,
) -> Result<Vec<Got>, QueryError> {
    let call = Call { step, apply, batch };
    match apply.function.kind {
        Kind::GetElse => call.get_else(run),
        Kind::GetSome => call.get_some(run),
        Kind::Missing => call.missing(run),
        Kind::Query => call.query(run),
        Kind::TxIds => call.tx_ids(run),
        Kind::TxData => call.tx_data(run),
        _ => Err(QueryError::Unsupported {
            what: format!("`{}`", apply.function.name),
            at: step.place.as_ref().clone(),
        }),
    }
}

/// An entity, an attribute, and whether what refers to the entity by it is meant.
type Key = (EntityId, (AttrId, bool));

/// The attribute that a name `:ns/_name` means the other way round.
fn reversed(schema: &Schema, ident: &Keyword) -> Option<AttrId> {
    let attribute = schema.attr(ident.forward()?.as_str());
    attribute.filter(|attribute| attribute.is_ref()).map(|attribute| attribute.id)
}

struct Call<'a> {
    step: &'a Step,
    apply: &'a Apply,
    batch: &'a Batch,
}

impl Call<'_> {
    fn fail(&self, run: &Run<'_>, expected: &'static str, got: String) -> QueryError {
        failed(run, self.step, self.apply, &FnError::Expected { expected, got })
    }

    fn db<'q>(&self, run: &Run<'q>) -> Result<(&'q Db, u16), QueryError> {
        let sources = run.sources;
        match self.apply.args.first() {
            Some(Arg::Source(source)) => match &sources[*source] {
                Source::Db(db) => Ok((db, run.databases[*source])),
                Source::Rows(_) => Err(self.fail(run, "a database", "rows".to_owned())),
            },
            _ => Err(self.fail(run, "a database such as $", "a value".to_owned())),
        }
    }

    fn cell(&self, run: &mut Run<'_>, arg: usize, row: usize) -> Cell {
        match &self.apply.args[arg] {
            Arg::Col(column) => self.batch.cols[*column][row],
            Arg::Const(value) => run.pool.free(value),
            Arg::Source(_) => Cell::NIL,
        }
    }

    /// The entity that the second argument names in each row.
    fn entities(&self, run: &mut Run<'_>) -> Result<Vec<Option<EntityId>>, QueryError> {
        let (db, database) = self.db(run)?;
        let (mut refs, mut rows) = (Vec::new(), Vec::new());
        let mut entities = vec![None; self.batch.rows];
        for (row, entity) in entities.iter_mut().enumerate() {
            let cell = self.cell(run, 1, row);
            match cell.as_entity() {
                Some((e, of)) => *entity = (of == database).then_some(e),
                None => {
                    let named = db.reference(&run.pool.value(cell)).map_err(|source| {
                        QueryError::Resolve { source, at: self.step.place.as_ref().clone() }
                    })?;
                    if let Some(reference) = named {
                        refs.push(reference);
                        rows.push(row);
                    }
                }
            }
        }
        for (row, entity) in rows.into_iter().zip(db.entids(&refs)?) {
            entities[row] = entity;
        }
        Ok(entities)
    }

    /// The attribute that an argument names, and whether it is meant the other way round; `None`:
    /// there is none of that name.
    fn attr(
        &self,
        run: &mut Run<'_>,
        arg: usize,
        row: usize,
    ) -> Result<Option<(AttrId, bool)>, QueryError> {
        let (db, _) = self.db(run)?;
        let cell = self.cell(run, arg, row);
        match run.pool.value(cell) {
            Value::Keyword(ident) => {
                let forward = db.schema().attr(ident.as_str()).map(|attr| (attr.id, false));
                let reverse = || reversed(db.schema(), &ident).map(|attr| (attr, true));
                Ok(forward.or_else(reverse))
            }
            other => Err(self.fail(run, "an attribute", crate::edn::to_string(&other))),
        }
    }

    /// The first value of an attribute for each row.
    fn first_values(&self, run: &mut Run<'_>, arg: usize) -> Result<Vec<Option<Cell>>, QueryError> {
        self.first_facts(run, arg, true)
    }

    /// What `first_values` gives, or, where only that there is one is asked, any cell: one scan
    /// over the sorted distinct entities.
    fn first_facts(
        &self,
        run: &mut Run<'_>,
        arg: usize,
        values: bool,
    ) -> Result<Vec<Option<Cell>>, QueryError> {
        let (db, database) = self.db(run)?;
        let entities = self.entities(run)?;
        let mut wanted = Vec::with_capacity(entities.len());
        for (row, entity) in entities.iter().enumerate() {
            wanted.push(entity.zip(self.attr(run, arg, row)?));
        }
        let mut keys: Vec<_> = wanted.iter().flatten().copied().collect();
        keys.sort_unstable_by_key(|(e, (a, reverse))| (*reverse, *e, *a));
        keys.dedup();
        let forward = keys.partition_point(|(_, (_, reverse))| !reverse);
        let own = |(e, (a, _)): &Key| KeyRange::prefix(Some(*e), Some(*a), None);
        let to = |(e, (a, _)): &Key| KeyRange::prefix(None, Some(*a), Some(Value::Ref(*e)));
        let ranges = |keys: &[Key], range: &dyn Fn(&Key) -> KeyRange| -> Vec<KeyRange> {
            keys.iter().map(range).collect()
        };
        let mut found = db.scan_references(Order::Eavt, &ranges(&keys[..forward], &own))?;
        found.extend(db.scan_references(Order::Avet, &ranges(&keys[forward..], &to))?);
        found.iter_mut().for_each(|slices| slices.truncate(1));
        found.iter_mut().flatten().for_each(|slice| slice.rows.end = slice.rows.start + 1);
        let mut cells = Vec::with_capacity(keys.len());
        if !values {
            cells.extend(found.iter().map(|slices| slices.first().map(|_| Cell::NIL)));
        } else {
            for part in db.whole_parts(found) {
                run.check(&self.step.place)?;
                for slices in part? {
                    let is_reverse = cells.len() >= forward;
                    let first = slices.first().map(|slice| match is_reverse {
                        true => ValRef::Ref(slice.facts.e(slice.rows.start)),
                        false => slice.facts.v(slice.rows.start),
                    });
                    cells.push(first.map(|value| run.pool.cell(value, database)));
                }
            }
        }
        let order = |(e, (a, reverse)): &Key| (*reverse, *e, *a);
        let value =
            |key: Option<Key>| cells[keys.binary_search_by_key(&order(&key?), order).ok()?];
        Ok(wanted.into_iter().map(value).collect())
    }

    fn get_else(&self, run: &mut Run<'_>) -> Result<Vec<Got>, QueryError> {
        let values = self.first_values(run, 2)?;
        let mut out = Vec::with_capacity(values.len());
        for (row, value) in values.into_iter().enumerate() {
            let default = self.cell(run, 3, row);
            if default.is_nil() {
                return Err(self.fail(run, "a default that is not nil", "nil".to_owned()));
            }
            out.push(Got::Cell(value.unwrap_or(default)));
        }
        Ok(out)
    }

    fn missing(&self, run: &mut Run<'_>) -> Result<Vec<Got>, QueryError> {
        let values = self.first_facts(run, 2, false)?;
        Ok(values.into_iter().map(|value| Got::Cell(Cell::bool(value.is_none()))).collect())
    }

    fn get_some(&self, run: &mut Run<'_>) -> Result<Vec<Got>, QueryError> {
        let mut out: Vec<Option<Value>> = vec![None; self.batch.rows];
        for arg in 2..self.apply.args.len() {
            let values = self.first_values(run, arg)?;
            for (row, value) in values.into_iter().enumerate() {
                if let (None, Some(value)) = (&out[row], value) {
                    let attribute = self.cell(run, arg, row);
                    let pair = run.values([attribute, value].into_iter());
                    out[row] = Some(Value::from(pair));
                }
            }
        }
        Ok(out.into_iter().map(|pair| Got::Value(pair.unwrap_or(Value::Nil))).collect())
    }

    /// A query inside a query.
    fn query(&self, run: &mut Run<'_>) -> Result<Vec<Got>, QueryError> {
        let mut seen = RowTable::new(self.apply.args.len());
        let (mut answers, mut held): (Vec<Value>, usize) = (Vec::new(), 0);
        let mut out = Vec::with_capacity(self.batch.rows);
        for row in 0..self.batch.rows {
            let mut key = Vec::new();
            for arg in 0..self.apply.args.len() {
                key.push(self.cell(run, arg, row));
            }
            let (number, is_new) = seen.insert(&key);
            if is_new {
                let answer = self.nested(run, &key)?;
                let size = measure(&answer).map_err(|e| failed(run, self.step, self.apply, &e))?;
                held += size * size_of::<Value>();
                run.check_with(held, &self.step.place)?;
                answers.push(answer);
            }
            out.push(Got::Value(answers[number].clone()));
        }
        Ok(out)
    }

    fn nested(&self, run: &mut Run<'_>, cells: &[Cell]) -> Result<Value, QueryError> {
        let nested = run.watch.nested + 1;
        at_most(nested as u64, MAX_NESTED as u64, "nesting", &self.step.place)?;
        let at = self.step.place.as_ref();
        let query = crate::query::Query::from_value(&run.pool.value(cells[0]));
        let query = query.map_err(|error| error.within(at))?;
        let input = |(arg, cell): (&Arg, &Cell)| match arg {
            Arg::Source(source) => match &run.sources[*source] {
                Source::Db(db) => Input::Db(db.as_ref().clone()),
                Source::Rows(rows) => {
                    let rows = rows.iter().map(|row| Value::from(row.clone()));
                    Input::Value(Value::from(rows.collect::<Vec<_>>()))
                }
            },
            _ => Input::Value(run.pool.value(*cell)),
        };
        let inputs: Vec<Input> = self.apply.args.iter().zip(cells).skip(1).map(input).collect();
        let mut limits = run.watch.limits.clone();
        limits.memory_bytes = limits.memory_bytes.saturating_sub(run.used_bytes() as u64);
        let watch = Watch::new(limits, run.watch.cancel.clone(), nested);
        let answer = crate::query::run_within(&query, &inputs, watch);
        let answer = answer.map_err(|error| error.within(at))?;
        for warning in &answer.stats.warnings {
            run.warn(format!("{warning}, in {at}"));
        }
        Ok(answer.to_value())
    }

    /// A time as a place on the branch: a t, a transaction, or an instant (its first transaction
    /// not before it).
    fn time(&self, run: &Run<'_>, db: &Db, value: &Value) -> Result<Option<T>, QueryError> {
        match value {
            Value::Nil => Ok(None),
            Value::Long(n) => {
                let n = u64::try_from(*n).unwrap_or(0);
                Ok(Some(EntityId(n).as_tx().map_or(T(n), |tx| tx.t())))
            }
            Value::Ref(e) => Ok(e.as_tx().map(|tx| tx.t())),
            Value::Inst(ms) => {
                let after = self.transactions(run, db)?.into_iter().find(|(_, at)| at >= ms);
                Ok(Some(after.map_or(T(db.basis_t().0 + 1), |(t, _)| t)))
            }
            other => {
                Err(self.fail(run, "a transaction or an instant", crate::edn::to_string(other)))
            }
        }
    }

    /// All transactions with their instants.
    fn transactions(&self, run: &Run<'_>, db: &Db) -> Result<Vec<(T, i64)>, QueryError> {
        let range = KeyRange::prefix(None, Some(builtin::TX_INSTANT), None);
        let mut all = Vec::new();
        for slice in db.chunks(Order::Aevt, range) {
            run.check(&self.step.place)?;
            let slice = slice?;
            for row in slice.rows.clone() {
                if let (Some(tx), ValRef::Inst(ms)) =
                    (slice.facts.e(row).as_tx(), slice.facts.v(row))
                {
                    all.push((tx.t(), ms));
                }
            }
        }
        Ok(all)
    }

    fn tx_ids(&self, run: &mut Run<'_>) -> Result<Vec<Got>, QueryError> {
        let (db, _) = self.db(run)?;
        let mut out = Vec::with_capacity(self.batch.rows);
        for row in 0..self.batch.rows {
            let (from, to) = (self.cell(run, 1, row), self.cell(run, 2, row));
            let from = self.time(run, db, &run.pool.value(from))?.unwrap_or(T(0));
            let to = self.time(run, db, &run.pool.value(to))?.unwrap_or(T(u64::MAX));
            let block = db.snapshot().block;
            let within =
                self.transactions(run, db)?.into_iter().filter(|(t, _)| (from..to).contains(t));
            let id = |(t, _)| Value::Long(crate::id::Tx::new(block, t).0 as i64);
            out.push(Got::Value(Value::from(within.map(id).collect::<Vec<_>>())));
        }
        Ok(out)
    }

    /// Cost: a pass over the history; there is no index by transaction.
    fn tx_data(&self, run: &mut Run<'_>) -> Result<Vec<Got>, QueryError> {
        let (db, _) = self.db(run)?;
        let mut out = Vec::with_capacity(self.batch.rows);
        for row in 0..self.batch.rows {
            let cell = self.cell(run, 1, row);
            let wanted = self.time(run, db, &run.pool.value(cell))?;
            let mut data = Vec::new();
            for slice in db.history().chunks(Order::Eavt, KeyRange::all()) {
                run.check(&self.step.place)?;
                let datoms = slice?;
                let of = datoms.datoms().filter(|datom| Some(datom.tx.t()) == wanted);
                data.extend(of.map(|d| {
                    let attr = db.schema().get(d.a).map(|attr| Value::Keyword(attr.ident.clone()));
                    let tx = Value::Ref(d.tx.entity());
                    let attr = attr.unwrap_or(Value::Nil);
                    Value::from(vec![Value::Ref(d.e), attr, d.v, tx, Value::Bool(d.added)])
                }));
            }
            out.push(Got::Value(Value::from(data)));
        }
        Ok(out)
    }
}
