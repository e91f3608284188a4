//! What a pattern costs and gives, from counts alone: no leaf is read to plan.
//!
//! **Invariant:** an estimate decides about speed only, never about the answer.

use crate::datom::{KeyRange, Order};
use crate::db::{Db, DbError};
use crate::id::EntityId;
use crate::query::align::range;
use crate::query::bind::Source;
use crate::query::functions::Comparison;
use crate::query::logical::{AttrOperand, Logical, Operand, Pattern, VarId};
use crate::schema::{Attribute, ValueType};
use crate::value::{Uuid, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What is known when a pattern is costed.
pub struct Statistics<'a> {
    pub logical: &'a Logical,
    /// The entities of [`Logical::refs`].
    pub entities: &'a [Option<EntityId>],
    /// Variables with one known value.
    pub known: BTreeMap<VarId, Value>,
}

/// Rows out for each row in, and what reading costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub fanout: f64,
    /// Whether an index answers it: the cost grows with the input; else `scan` rows are read once.
    pub seek: bool,
    pub scan: f64,
}

/// What one seek costs, in rows of a scan.
const SEEK: f64 = 4.0;

impl Cost {
    /// The cost for a number of input rows.
    pub fn total(self, rows: f64) -> f64 {
        let read = if self.seek { (rows * SEEK).min(rows + self.scan) } else { self.scan };
        read + rows * self.fanout
    }
}

impl Statistics<'_> {
    /// Rows of the largest source, as they are counted: nothing is read.
    pub fn largest(&self) -> f64 {
        let rows = |source: &Source| match source {
            Source::Db(db) => db.snapshot().counts.values().sum(),
            Source::Rows(rows) => rows.len() as u64,
        };
        self.logical.sources.iter().map(rows).max().unwrap_or_default() as f64
    }

    /// What a pattern costs when these variables are bound.
    pub fn pattern(
        &self,
        pattern: &Pattern,
        bound: &BTreeSet<VarId>,
        bounds: &[(Comparison, Value)],
    ) -> Result<Cost, DbError> {
        let Source::Db(db) = &self.logical.sources[pattern.source] else {
            return Ok(Cost { fanout: 1.0, seek: false, scan: 1.0 });
        };
        let is_bound = |operand: &Operand| match operand {
            Operand::Var(var) => bound.contains(var),
            Operand::Ignore => false,
            _ => true,
        };
        let (e, v) = (is_bound(&pattern.e), is_bound(&pattern.v));
        let attr = match &pattern.a {
            AttrOperand::Unknown => return Ok(Cost { fanout: 0.0, seek: true, scan: 0.0 }),
            AttrOperand::Known(id) => db.schema().get(*id),
            _ => None,
        };
        match attr {
            Some(attr) => self.of_attribute(db, attr, pattern, (e, v), bounds),
            None => self.of_any(db, pattern, bound, (e, v)),
        }
    }

    fn of_attribute(
        &self,
        db: &Db,
        attr: &Attribute,
        pattern: &Pattern,
        (e, v): (bool, bool),
        bounds: &[(Comparison, Value)],
    ) -> Result<Cost, DbError> {
        let count = |order, e, v| {
            db.estimate(order, &KeyRange::prefix(e, Some(attr.id), v)).map(|n| n as f64)
        };
        let all = count(Order::Aevt, None, None)?;
        if e {
            let each = if attr.many { 3.0 } else { 1.0 };
            let each = match self.entity(&pattern.e) {
                Some(e) => count(Order::Eavt, Some(e), None)?,
                None => each,
            };
            let fanout = if v { each * 0.2 } else { each };
            return Ok(Cost { fanout: fanout.min(all), seek: true, scan: all });
        }
        if v {
            let fanout = match (self.constant(&pattern.v), attr.in_avet()) {
                (Some(value), true) => {
                    count(Order::Avet, None, Some(db.schema().typed(attr, value)))?
                }
                _ if attr.unique.is_some() => 1.0,
                _ => all.sqrt().min(100.0),
            };
            return Ok(Cost { fanout: fanout.min(all), seek: attr.in_avet(), scan: all });
        }
        let (scan, fanout) = match range(attr, bounds) {
            Some(range) => {
                let rows = db.estimate(Order::Avet, &range)? as f64;
                (rows, rows)
            }
            None if bounds.is_empty() => (all, all),
            None => (all, all / 3.0),
        };
        Ok(Cost { fanout, seek: false, scan })
    }

    fn of_any(
        &self,
        db: &Db,
        pattern: &Pattern,
        bound: &BTreeSet<VarId>,
        (e, v): (bool, bool),
    ) -> Result<Cost, DbError> {
        let all = db.estimate(Order::Eavt, &KeyRange::all())? as f64;
        let a = matches!(pattern.a, AttrOperand::Var(var) if bound.contains(&var));
        let attributes = db.schema().attributes().count().max(1) as f64;
        let fanout = if e { 8.0_f64.min(all) } else { all };
        let fanout = if a { fanout / attributes } else { fanout };
        let fanout = if v { (fanout * 0.05).min(100.0) } else { fanout };
        Ok(Cost { fanout, seek: e || a, scan: all })
    }

    /// The database of a pattern, and whether its values are certainly no entities.
    pub fn value_kind(&self, pattern: &Pattern) -> Option<(Uuid, bool)> {
        let Source::Db(db) = &self.logical.sources[pattern.source] else { return None };
        let attr = match &pattern.a {
            AttrOperand::Known(id) => db.schema().get(*id),
            _ => None,
        };
        let typed = attr.and_then(|attr| attr.value_type);
        Some((db.database(), typed.is_some_and(|t| t != ValueType::Ref)))
    }

    /// The entity that stands in a position, if it is one that is known.
    pub fn entity(&self, operand: &Operand) -> Option<EntityId> {
        match operand {
            Operand::Entity(index) => self.entities.get(*index).copied().flatten(),
            Operand::Var(var) => match self.known.get(var)? {
                Value::Long(e) => Some(EntityId(*e as u64)),
                Value::Ref(e) => Some(*e),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value that stands in a position, if it is known.
    pub fn constant(&self, operand: &Operand) -> Option<Value> {
        match operand {
            Operand::Const(value) => Some(value.clone()),
            Operand::Entity(index) => self.entities.get(*index)?.map(Value::Ref),
            Operand::Var(var) => self.known.get(var).cloned(),
            _ => None,
        }
    }
}
