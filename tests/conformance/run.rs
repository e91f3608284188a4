//! A case: what it calls, on what, and whether the answer is the recorded one.

use super::compare::{How, same};
use super::databases::{Databases, Loaded};
use super::format::{Case, File};
use super::report::{Outcome, Report};
use super::{find, index, parts, skip, transaction};
use factfs_core::datom::Order;
use factfs_core::db::Db;
use factfs_core::edn::{Form, FormKind, to_string};
use factfs_core::id::{T, TX_BASE};
use factfs_core::pull;
use factfs_core::query::{self, CancelToken, Input, Limits, Query, Shape};
use factfs_core::schema::builtin;
use factfs_core::value::Value;
use std::fmt::Display;

/// Why a call has no answer.
pub enum Stop {
    /// It is an error.
    Error(String),
    /// It cannot be made from data alone.
    Host,
    /// Its database cannot be made.
    NoDatabase(String),
}

impl Stop {
    pub fn error(error: impl Display) -> Self {
        Self::Error(error.to_string())
    }
}

/// What a call came to.
enum Answer {
    Value(Value, How),
    After(Box<Loaded>, transaction::After),
}

/// Runs all cases of a file.
pub fn file(file: &File, report: &mut Report) {
    let mut databases = Databases::new(file);
    for case in &file.cases {
        let outcome = match skip::reason(&file.suite, case) {
            Some(reason) => Outcome::Skipped(reason),
            None => outcome(case, &mut databases),
        };
        report.add(&file.suite, &case.id, &shown(case), outcome);
    }
    let folder = file.cases.first().and_then(|case| case.id.split('/').next());
    for (name, origin) in databases.origins() {
        report.database(&file.suite, folder.unwrap_or_default(), name, origin);
    }
}

fn shown(case: &Case) -> String {
    let query = case.query.iter().chain(&case.args).chain(&case.opts);
    format!("{} {}", case.op, query.map(Form::to_string).collect::<Vec<_>>().join(" "))
}

fn outcome(case: &Case, databases: &mut Databases<'_>) -> Outcome {
    let expected = &case.expect;
    let failed = |got: String| Outcome::Failed { expected: expected.to_string(), got };
    if expected.get("host").is_some() {
        return Outcome::Skipped(skip::HOST.to_owned());
    }
    match (call(case, databases), expected.get("value")) {
        (Err(Stop::Host), _) => Outcome::Skipped(skip::HOST.to_owned()),
        (Err(Stop::NoDatabase(error)), _) => failed(format!("no database: {error}")),
        (Err(Stop::Error(_)), None) => Outcome::Passed,
        (Err(Stop::Error(error)), Some(_)) => match skip::host_predicate(&error) {
            Some(reason) => Outcome::Skipped(reason),
            None => failed(format!("error: {error}")),
        },
        (Ok(Answer::Value(got, _)), None) => failed(to_string(&got)),
        (Ok(Answer::After(..)), None) => failed("no error".to_owned()),
        (Ok(Answer::Value(got, how)), Some(value)) => {
            let value = index::recorded(&case.op, value);
            let got = match case.op.contains("datoms") {
                true => index::without_instants(&value, got),
                false => got,
            };
            match same(how, &value, &got) || is_another_choice(case, databases, &value) {
                true => Outcome::Passed,
                false => failed(to_string(&got)),
            }
        }
        (Ok(Answer::After(loaded, after)), Some(value)) => {
            match transaction::difference(&loaded, value, &after) {
                Ok(()) => Outcome::Passed,
                Err(difference) => failed(difference),
            }
        }
    }
}

const EXACT: How = How { as_bag: false, as_numbers: false };
const BAG: How = How { as_bag: true, as_numbers: false };

fn call(case: &Case, databases: &mut Databases<'_>) -> Result<Answer, Stop> {
    let value = |value: Value| Ok(Answer::Value(value, EXACT));
    let op = case.op.as_str();
    if let Some(part) = parts::part(op) {
        let form = match case.query.as_ref().or_else(|| case.args.first()?.get("val")) {
            Some(form) => form,
            None => return Err(Stop::Host),
        };
        return value(parts::check(part, form)?);
    }
    if op == "q" {
        return ask(case, databases);
    }
    let [of, rest @ ..] = case.args.as_slice() else { return Err(Stop::Host) };
    let loaded = database(of, databases)?;
    let rest = rest.iter().map(|arg| arg.get("val").ok_or(Stop::Host));
    let forms = rest.collect::<Result<Vec<&Form>, _>>()?;
    let values: Vec<Value> = forms.iter().map(|form| form.to_value()).collect();
    match (op, forms.as_slice()) {
        ("with", [tx, meta @ ..]) => {
            let after = transaction::run(&loaded, tx, meta.first().copied(), &case.expect)?;
            Ok(Answer::After(Box::new(loaded), after))
        }
        ("pull" | "pull-many", [pattern, _]) => {
            value(pulled(&loaded.db, pattern, &values[1], op == "pull-many")?)
        }
        ("pull", [selected]) => {
            let [pattern, e] = ["selector", "eid"].map(|key| selected.get(key).ok_or(Stop::Host));
            value(pulled(&loaded.db, pattern?, &e?.to_value(), false)?)
        }
        ("parse-pull", [pattern]) => value(parts::pattern(&loaded.db, pattern)?),
        ("entity", [_]) => value(index::entity(&loaded.db, &values[0])?),
        ("index-range", _) => value(index::range(&loaded.db, &values)?),
        ("datoms" | "seek-datoms" | "rseek-datoms" | "find-datom", _) => {
            let avet = Value::keyword("avet");
            // Of several attributes, the order is that in which they were made.
            let is_sorted = op == "find-datom" || (values[0] == avet && values.len() > 1);
            let how = if is_sorted { EXACT } else { BAG };
            Ok(Answer::Value(index::datoms(&loaded.db, op, &values)?, how))
        }
        _ => Err(Stop::Error(format!("the operation {op} is not known with these arguments"))),
    }
}

fn pulled(db: &Db, pattern: &Form, of: &Value, many: bool) -> Result<Value, Stop> {
    let pattern = pull::parse(&pattern.to_value()).map_err(Stop::error)?;
    let named = match of {
        Value::Vector(all) | Value::List(all) | Value::Set(all) if many => all.to_vec(),
        one => vec![one.clone()],
    };
    let mut pulled = Vec::new();
    for name in &named {
        let reference = db.reference(name).map_err(Stop::error)?;
        let reference = reference.ok_or_else(|| Stop::error("this names no entity"))?;
        let value = match db.entid(&reference).map_err(Stop::error)? {
            None => Value::Nil,
            Some(e) => pull::pull(db, &pattern, e).map_err(Stop::error)?,
        };
        pulled.push(value);
    }
    Ok(if many { Value::from(pulled) } else { pulled.pop().unwrap_or(Value::Nil) })
}

/// A query with what is passed beside it.
fn ask(case: &Case, databases: &mut Databases<'_>) -> Result<Answer, Stop> {
    let form = case.query.as_ref().ok_or(Stop::Host)?;
    ask_form(with_options(form, case.opts.as_ref()), case, databases)
}

/// Whether the recorded answer takes other rows than ours, where the engines may take any.
fn is_another_choice(case: &Case, databases: &mut Databases<'_>, expected: &Value) -> bool {
    let Some(form) = case.query.as_ref().filter(|_| case.op == "q") else { return false };
    let form = with_options(form, case.opts.as_ref());
    let Some(all) = find::all_rows(&form) else { return false };
    let answers = [form, all.query].map(|form| ask_form(form, case, databases));
    let [Ok(Answer::Value(ours, _)), Ok(Answer::Value(rows, how))] = answers else { return false };
    let how = How { as_bag: false, ..how };
    let rows = items(&rows);
    let first = |row: &Value| items(row).first().cloned();
    let is_row = |value: &Value| match all.of {
        find::Part::Value => rows.iter().filter_map(first).any(|row| same(how, value, &row)),
        _ => rows.iter().any(|row| same(how, value, row)),
    };
    match all.of {
        find::Part::Rows => {
            items(expected).len() == items(&ours).len() && items(expected).iter().all(is_row)
        }
        _ => is_row(expected),
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Set(items) | Value::Vector(items) | Value::List(items) => items,
        _ => &[],
    }
}

fn ask_form(form: Form, case: &Case, databases: &mut Databases<'_>) -> Result<Answer, Stop> {
    let mut inputs = Vec::new();
    for arg in &case.args {
        inputs.push(match arg.get("val") {
            Some(form) => Input::Value(form.to_value()),
            None => Input::Db(database(arg, databases)?.db),
        });
    }
    let query = Query::from_form(&form).map_err(Stop::error)?;
    let answer = query::run(&query, &inputs, &Limits::default(), &CancelToken::default());
    let text = query.text();
    let how = How {
        as_bag: matches!(query.shape(), Shape::Relation | Shape::Collection)
            && !text.contains(":order-by"),
        as_numbers: ["(avg ", "(median ", "(variance ", "(stddev "]
            .iter()
            .any(|f| text.contains(f)),
    };
    Ok(Answer::Value(answer.map_err(Stop::error)?.to_value(), how))
}

/// The query with its options beside it.
fn with_options(query: &Form, options: Option<&Form>) -> Form {
    let Some(options) = options.and_then(Form::as_map).filter(|all| !all.is_empty()) else {
        return query.clone();
    };
    let key = Form::from(Value::keyword("query"));
    let entries = std::iter::once((key, query.clone())).chain(options.iter().cloned());
    Form { kind: FormKind::Map(entries.collect()), span: query.span }
}

/// The database that an argument names, seen as it says.
fn database(arg: &Form, databases: &mut Databases<'_>) -> Result<Loaded, Stop> {
    if let Some(name) = arg.get("db").and_then(Form::as_str) {
        return databases.get(name).map_err(|error| match error.as_str() {
            "host: no datoms" => Stop::Host,
            _ => Stop::NoDatabase(error),
        });
    }
    let (Some(view), Some(of)) = (arg.get("view").and_then(Form::as_keyword), arg.get("of")) else {
        return Err(Stop::Host);
    };
    let of = database(of, databases)?;
    let db = match (view.as_str(), arg.get("t").map(Form::to_value)) {
        ("history", _) => of.db.history(),
        ("as-of", Some(at)) => of.db.as_of(moment(&of.db, &at)?),
        ("since", Some(at)) => of.db.since(moment(&of.db, &at)?),
        _ => return Err(Stop::Error(format!("the view {arg} is not known"))),
    };
    Ok(Loaded { db, ..of })
}

/// A transaction by its number or by a time: the last one that was made by then.
fn moment(db: &Db, at: &Value) -> Result<T, Stop> {
    match at {
        Value::Long(tx) => Ok(T((*tx as u64).saturating_sub(TX_BASE))),
        Value::Inst(ms) => {
            let whole = db.snapshot();
            let whole = Db::new(whole.clone());
            let made = whole.datoms(Order::Aevt, None, Some(builtin::TX_INSTANT), None);
            let made = made.map_err(Stop::error)?;
            let before = made.iter().filter(|d| d.v <= Value::Inst(*ms));
            Ok(before.map(|d| d.tx.t()).max().unwrap_or(T(0)))
        }
        _ => Err(Stop::error("this is no moment")),
    }
}
