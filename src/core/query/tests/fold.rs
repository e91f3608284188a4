//! Groups and aggregates as the naive evaluator makes them: all rows of a group, then a fold.

use super::naive::number;
use super::*;
use crate::query::ast::{FindKind, Term};
use std::collections::BTreeSet;

/// The rows of `:find` of distinct `envs`, given as values of all variables that the query finds
/// or has in `:with`.
pub(super) fn rows(
    query: &QueryAst,
    value: impl Fn(usize, &Symbol) -> Value,
    n: usize,
) -> Vec<Vec<Value>> {
    let vars: Vec<&Symbol> = query.find.iter().map(|e| e.var()).chain(&query.with).collect();
    let row = |env: usize| vars.iter().map(|var| value(env, var)).collect::<Vec<_>>();
    let distinct: BTreeSet<Vec<Value>> = (0..n).map(row).collect();
    let is_group = |i: &usize| matches!(query.find[*i].kind, FindKind::Var(_));
    let columns: Vec<usize> = (0..query.find.len()).filter(is_group).collect();
    let mut groups: BTreeMap<Vec<Value>, Vec<Vec<Value>>> = BTreeMap::new();
    for row in distinct {
        let key = columns.iter().map(|i| row[*i].clone()).collect();
        groups.entry(key).or_default().push(row);
    }
    let mut out = Vec::new();
    for rows in groups.into_values() {
        if columns.len() == query.find.len() {
            out.extend(rows.into_iter().map(|mut row| {
                row.truncate(columns.len());
                row
            }));
            continue;
        }
        let column = |i: usize| rows.iter().map(move |row| row[i].clone());
        let cell = |(i, element): (usize, &ast::FindElement)| match &element.kind {
            FindKind::Aggregate { name, args, .. } => {
                fold(name.as_str(), args, column(i).collect())
            }
            _ => rows[0][i].clone(),
        };
        out.push(query.find.iter().enumerate().map(cell).collect());
    }
    out.iter_mut().for_each(|row: &mut Vec<Value>| {
        row.iter_mut().for_each(|value| *value = number(value));
    });
    out.sort();
    out
}

fn fold(name: &str, args: &[Term], mut values: Vec<Value>) -> Value {
    values = values.iter().map(number).collect();
    values.sort();
    let n = match args {
        [Term::Const(Value::Long(n))] => Some(*n as usize),
        _ => None,
    };
    let mut distinct = values.clone();
    distinct.dedup();
    match (name, n) {
        ("count", _) => Value::Long(values.len() as i64),
        ("count-distinct", _) => Value::Long(distinct.len() as i64),
        ("distinct", _) => Value::set(distinct),
        ("min", None) => values[0].clone(),
        ("max", None) => values[values.len() - 1].clone(),
        ("min", Some(n)) => Value::from(values.into_iter().take(n).collect::<Vec<_>>()),
        ("max", Some(n)) => Value::from(values.split_off(values.len().saturating_sub(n))),
        ("sum", _) => sum(&values),
        ("avg", _) => Value::Double(float(&sum(&values)) / values.len() as f64),
        ("median", _) => {
            let half = values.len() / 2;
            let (low, high) = (float(&values[(values.len() - 1) / 2]), float(&values[half]));
            Value::Double((low + high) / 2.0)
        }
        other => panic!("the naive evaluator does not know {other:?}"),
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Long(n) => *n as f64,
        Value::Double(n) => *n,
        other => panic!("{other:?} is no number here"),
    }
}

fn sum(values: &[Value]) -> Value {
    let whole = values.iter().all(|value| matches!(value, Value::Long(_)));
    let total: f64 = values.iter().map(float).sum();
    if whole { Value::Long(total as i64) } else { Value::Double(total) }
}
