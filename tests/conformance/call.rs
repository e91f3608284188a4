//! The call of a case.
//!
//! **Invariant:** each operation of the format is here, and what an argument is not is told: a
//! value of the recorded program only where the case says so.

use super::compare::How;
use super::databases::{Databases, Loaded};
use super::format::Case;
use super::{ask, index, parts, transaction};
use factfs_core::db::{Db, DbError};
use factfs_core::edn::Form;
use factfs_core::id::{T, TX_BASE};
use factfs_core::pull;
use factfs_core::query::{QueryError, QueryErrorKind};
use factfs_core::schema::builtin;
use factfs_core::transact::{TxError, TxErrorKind};
use factfs_core::value::Value;
use std::fmt::{self, Display};

/// Why a call has no answer.
#[derive(Clone, Debug)]
pub enum Stop {
    /// It is an error.
    Error(String),
    /// It is a part of the dialect that is not supported.
    Unsupported(String),
    /// It cannot be made from data alone.
    Host,
    /// Its database cannot be made.
    NoDatabase(String),
    /// The runner does not know how to make it.
    Runner(String),
}

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(text) | Self::Unsupported(text) => f.write_str(text),
            Self::Host => f.write_str("a value of its host"),
            Self::NoDatabase(text) => write!(f, "no database: {text}"),
            Self::Runner(text) => write!(f, "the runner: {text}"),
        }
    }
}

impl Stop {
    pub fn error(error: impl Display) -> Self {
        Self::Error(error.to_string())
    }

    pub fn runner(why: impl Display) -> Self {
        Self::Runner(why.to_string())
    }
}

impl From<QueryError> for Stop {
    fn from(error: QueryError) -> Self {
        match error.kind() {
            QueryErrorKind::Unsupported => Self::Unsupported(error.to_string()),
            QueryErrorKind::Timeout | QueryErrorKind::Cancelled => Self::runner(error),
            _ => Self::error(error),
        }
    }
}

impl From<TxError> for Stop {
    fn from(error: TxError) -> Self {
        match error.kind() {
            TxErrorKind::Unsupported => Self::Unsupported(error.to_string()),
            _ => Self::error(error),
        }
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::error(error)
    }
}

/// What a call came to.
pub enum Answer {
    Value(Value, How),
    After(Box<Loaded>, transaction::After),
}

pub fn call(case: &Case, databases: &mut Databases<'_>) -> Result<Answer, Stop> {
    let op = case.op.as_str();
    if let Some(part) = parts::part(op) {
        let form = match (&case.query, case.args.first()) {
            (Some(form), _) => form,
            (None, Some(arg)) => value(arg)?,
            (None, None) => return Err(Stop::runner("there is nothing to parse")),
        };
        return Ok(Answer::Value(parts::check(part, form)?, How::default()));
    }
    if op == "q" {
        return ask::ask(case, databases);
    }
    let [of, rest @ ..] = case.args.as_slice() else {
        return Err(Stop::runner(format!("the operation {op} needs arguments")));
    };
    let loaded = database(of, databases)?;
    let forms = rest.iter().map(value).collect::<Result<Vec<&Form>, _>>()?;
    let values: Vec<Value> = forms.iter().map(|form| form.to_value()).collect();
    let db = &loaded.db;
    let answer = match (op, forms.as_slice()) {
        ("with", [tx, meta @ ..]) => {
            let expected = case.expect.as_ref();
            let after = transaction::run(&loaded, tx, meta.first().copied(), expected)?;
            return Ok(Answer::After(Box::new(loaded), after));
        }
        ("pull" | "pull-many", [pattern, _]) => pulled(db, pattern, &values[1], op == "pull-many")?,
        ("pull", [selected]) => {
            let part =
                |key| selected.get(key).ok_or_else(|| Stop::runner("no selector, or no eid"));
            pulled(db, part("selector")?, &part("eid")?.to_value(), false)?
        }
        ("parse-pull", [pattern]) => parts::pattern(db, pattern)?,
        ("entity", [_]) => index::entity(db, &values[0])?,
        ("entid", [_]) => entid(db, &values[0])?,
        ("index-range", _) => index::range(db, &values)?,
        ("datoms" | "seek-datoms" | "rseek-datoms" | "find-datom", _) => {
            index::datoms(db, op, &values)?
        }
        _ => {
            let arguments = rest.len();
            let why = format!("the operation {op} is not known with {arguments} arguments");
            return Err(Stop::Runner(why));
        }
    };
    Ok(Answer::Value(answer, How::default()))
}

/// An argument that is data.
pub fn value(arg: &Form) -> Result<&Form, Stop> {
    match (arg.get("val"), arg.get("host")) {
        (Some(form), _) => Ok(form),
        (None, Some(_)) => Err(Stop::Host),
        (None, None) => Err(Stop::runner(format!("{arg} is no argument"))),
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
        pulled.push(match entid(db, name)? {
            Value::Ref(e) => pull::pull(db, &pattern, e).map_err(Stop::error)?,
            _ => Value::Nil,
        });
    }
    Ok(if many { Value::from(pulled) } else { pulled.pop().unwrap_or(Value::Nil) })
}

/// The entity that is named, or nil.
fn entid(db: &Db, name: &Value) -> Result<Value, Stop> {
    let reference = db.reference(name)?;
    let reference = reference.ok_or_else(|| Stop::error("this names no entity"))?;
    Ok(db.entid(&reference)?.map_or(Value::Nil, Value::Ref))
}

/// The database that an argument names, seen as it says.
pub fn database(arg: &Form, databases: &mut Databases<'_>) -> Result<Loaded, Stop> {
    if let Some(name) = arg.get("db").and_then(Form::as_str) {
        return databases.get(name);
    }
    let (Some(view), Some(of)) = (arg.get("view").and_then(Form::as_keyword), arg.get("of")) else {
        let is_host = arg.get("host").is_some();
        return Err(if is_host { Stop::Host } else { Stop::runner("no database is named") });
    };
    let of = database(of, databases)?;
    let db = match (view.as_str(), arg.get("t").map(Form::to_value)) {
        ("history", _) => of.db.history(),
        ("as-of", Some(at)) => of.db.as_of(moment(&of.db, &at)?),
        ("since", Some(at)) => of.db.since(moment(&of.db, &at)?),
        _ => return Err(Stop::runner(format!("the view {arg} is not known"))),
    };
    Ok(Loaded { db, ..of })
}

/// A transaction by its number or by a time: the last one that was made by then.
fn moment(db: &Db, at: &Value) -> Result<T, Stop> {
    match at {
        Value::Long(tx) => Ok(T((*tx as u64).saturating_sub(TX_BASE))),
        Value::Inst(ms) => {
            let whole = Db::new(db.snapshot().clone());
            let order = factfs_core::datom::Order::Aevt;
            let made = whole.datoms(order, None, Some(builtin::TX_INSTANT), None)?;
            let before = made.iter().filter(|d| d.v <= Value::Inst(*ms));
            Ok(before.map(|d| d.tx.t()).max().unwrap_or(T(0)))
        }
        _ => Err(Stop::runner(format!("{at:?} is no moment"))),
    }
}
