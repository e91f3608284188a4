//! `:find`, `:keys` and `:order-by`.
//!
//! **Invariant:** an aggregate that comes out exists and takes that many arguments.

use super::later::Later;
use super::section::Sections;
use super::{constant, is_plain, is_source, is_var};
use crate::edn::Form;
use crate::nearest::hint;
use crate::query::ast::{FindElement, FindKind, KeyKind, PatternTerm, Shape, SortKey, Term};
use crate::query::error::{Place, QueryError, nearest};
use crate::query::functions::aggregate;
use crate::value::Symbol;

/// Shape and elements of `:find`.
pub fn parse_find(
    sections: &Sections<'_>,
    later: &mut Later,
) -> Result<(Shape, Vec<FindElement>), QueryError> {
    let items = sections.get("find");
    let (shape, elements) = match items {
        [] => return Err(QueryError::syntax("a query needs :find", sections.whole)),
        [element, dot] if dot.is_symbol(".") => (Shape::Scalar, std::slice::from_ref(element)),
        [only] => match only.as_vector() {
            Some([element, dots]) if dots.is_symbol("...") => {
                (Shape::Collection, std::slice::from_ref(element))
            }
            Some([]) => return Err(QueryError::syntax("a find tuple cannot be empty", only)),
            Some(elements) => (Shape::Tuple, elements),
            None => (Shape::Relation, items),
        },
        items => (Shape::Relation, items),
    };
    let elements = elements.iter().map(|form| element(form, later));
    Ok((shape, elements.collect::<Result<_, _>>()?))
}

fn element(form: &Form, later: &mut Later) -> Result<FindElement, QueryError> {
    let place = Place::of(form);
    if let Some(symbol) = form.as_symbol().filter(|s| is_var(s.as_str())) {
        return Ok(FindElement { kind: FindKind::Var(symbol.clone()), place });
    }
    let wrong = || QueryError::syntax("`:find` takes ?x, (pull ?x [...]) or (aggregate ?x)", form);
    let items = form.as_list().ok_or_else(wrong)?;
    let (head, args) = items.split_first().ok_or_else(wrong)?;
    let name = head.as_symbol().filter(|s| is_plain(s.as_str())).ok_or_else(wrong)?;
    let kind = match name.as_str() {
        "pull" => pull(form, args)?,
        _ if args.is_empty() || args.iter().any(is_name) => return Err(wrong()),
        _ => {
            later.or(check_call(form, name, args), ());
            call(name, args)
        }
    };
    Ok(FindElement { kind, place })
}

fn pull(form: &Form, args: &[Form]) -> Result<FindKind, QueryError> {
    let (source, args) = match args.split_first() {
        Some((first, rest)) if first.as_symbol().is_some_and(|s| is_source(s.as_str())) => {
            (first.as_symbol().cloned(), rest)
        }
        _ => (None, args),
    };
    let wrong = || QueryError::syntax("pull is (pull ?x [...]) or (pull $source ?x [...])", form);
    let [var, pattern] = args else { return Err(wrong()) };
    let var = var.as_symbol().filter(|s| is_var(s.as_str())).ok_or_else(wrong)?.clone();
    let pattern = match pattern.as_symbol() {
        Some(name) if is_plain(name.as_str()) || is_var(name.as_str()) => {
            PatternTerm::Named(name.clone())
        }
        Some(_) => return Err(wrong()),
        None => PatternTerm::Literal(pattern.unquoted().clone()),
    };
    Ok(FindKind::Pull { source, var, pattern })
}

/// An aggregate, whether there is one of this name or not. Without a variable at its end it is none
/// of ours, and has the last of its variables.
fn call(name: &Symbol, args: &[Form]) -> FindKind {
    let arg = |form: &Form| match form.as_symbol() {
        Some(name) if is_var(name.as_str()) => Term::Var(name.clone()),
        _ => Term::Const(constant(form)),
    };
    let mut args: Vec<_> = args.iter().map(arg).collect();
    let last = args.iter().rposition(|arg| matches!(arg, Term::Var(_)));
    match last.map(|at| args.remove(at)) {
        Some(Term::Var(var)) => FindKind::Aggregate { name: name.clone(), args, var },
        _ => FindKind::Aggregate { name: name.clone(), args, var: Symbol::new("_") },
    }
}

/// Whether a form is a symbol that names neither a variable nor a source.
fn is_name(form: &Form) -> bool {
    form.as_symbol().is_some_and(|s| !is_var(s.as_str()) && !is_source(s.as_str()))
}

fn check_call(form: &Form, name: &Symbol, args: &[Form]) -> Result<(), QueryError> {
    let at = || Place::of(form);
    if name.as_str() == "aggregate" {
        let what = "an aggregate from :in".to_owned();
        return Err(QueryError::Unsupported { what, at: at() });
    }
    let last = args.last().and_then(Form::as_symbol).filter(|s| is_var(s.as_str()));
    if last.is_none() {
        return Err(QueryError::syntax("an aggregate is (name ?x) or (name n ?x)", form));
    }
    let Some(known) = aggregate::find(name.as_str()) else {
        let nearest = nearest(name.as_str(), aggregate::names());
        let name = name.to_string();
        return Err(QueryError::UnknownName { what: "aggregate", name, nearest, at: at() });
    };
    match call(name, args) {
        FindKind::Aggregate { args: given, .. } if !known.takes(&given) => {
            let expected = known.usage().to_owned();
            let (name, got) = (name.to_string(), args.len());
            Err(QueryError::Arity { what: "aggregate", name, expected, got, at: at() })
        }
        _ => Ok(()),
    }
}

/// `:keys`, `:strs` or `:syms`.
pub fn parse_keys(s: &Sections<'_>) -> Result<Option<(KeyKind, Vec<Symbol>)>, QueryError> {
    let all = [("keys", KeyKind::Keyword), ("strs", KeyKind::Str), ("syms", KeyKind::Symbol)];
    let mut present = all.into_iter().filter(|(name, _)| s.has(name));
    let Some((name, kind)) = present.next() else { return Ok(None) };
    if present.next().is_some() {
        return Err(QueryError::syntax("one of :keys, :strs and :syms may stand", s.whole));
    }
    let symbol = |form: &Form| {
        let keyword = || form.as_keyword().map(|name| Symbol::new(name.as_str()));
        let wrong = || QueryError::syntax(format!("`:{name}` takes symbols"), form);
        form.as_symbol().cloned().or_else(keyword).ok_or_else(wrong)
    };
    Ok(Some((kind, s.get(name).iter().map(symbol).collect::<Result<_, _>>()?)))
}

/// `:order-by ?x`, `0`, `[?x :desc 1]`, `[[?x :desc] 1]`.
pub fn parse_order(items: &[Form], find: &[FindElement]) -> Result<Vec<SortKey>, QueryError> {
    let mut keys: Vec<SortKey> = Vec::new();
    for item in items {
        match item.as_keyword().map(|k| k.as_str()) {
            Some(direction @ ("asc" | "desc")) => match keys.last_mut() {
                Some(key) => key.descending = direction == "desc",
                None => return Err(QueryError::syntax("a direction follows a column", item)),
            },
            Some(_) => return Err(QueryError::syntax("a direction is :asc or :desc", item)),
            None => match item.as_vector() {
                Some(inner) => keys.extend(parse_order(inner, find)?),
                None => keys.push(SortKey { column: column(item, find)?, descending: false }),
            },
        }
    }
    Ok(keys)
}

fn column(form: &Form, find: &[FindElement]) -> Result<usize, QueryError> {
    let by_index = form.as_long().and_then(|n| usize::try_from(n).ok());
    let text = form.to_string();
    let by_name = || find.iter().position(|e| e.place.form == text);
    by_index.filter(|i| *i < find.len()).or_else(by_name).ok_or_else(|| {
        let meant = nearest(&text, find.iter().map(|element| element.place.form.as_str()));
        let expected = "`:order-by` takes an element of :find or its position from 0";
        QueryError::syntax(format!("{expected}{}", hint(&meant)), form)
    })
}
