//! A schema for the attributes that an input names and a database does not know yet.
//!
//! **Invariant:** the types proposed hold every value that was looked at, exactly; a text is a
//! number only if it is written as one (`007` is text). Attributes that are known stay as they are.

use crate::cli::exit::Problem;
use factfs_core::import::{Field, Naming, Row, Target};
use factfs_core::schema::Schema;
use factfs_core::text;
use factfs_core::value::{Tag, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What was seen of an attribute.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The narrowest type of all values so far; `None`: no value yet.
    of: Option<&'static str>,
    many: bool,
}

/// Proposes the transaction that states the missing attributes; `None` if none are missing.
pub fn infer(
    rows: &[Row],
    naming: &Naming,
    schema: &Schema,
    identities: &[String],
) -> Result<Option<Value>, Problem> {
    let mut seen = BTreeMap::new();
    for row in rows {
        for (name, field) in &row.fields {
            let place =
                |problem: Problem| problem.at(&format!("line {}, column `{name}`", row.line));
            look(name, field, naming, &mut seen).map_err(place)?;
        }
    }
    for identity in identities {
        seen.entry(identity.clone()).or_default().of.get_or_insert("string");
    }
    let missing = seen.iter().filter(|(ident, _)| schema.attr(ident).is_none());
    let forms: Vec<Value> =
        missing.map(|(ident, seen)| attribute(ident, seen, identities.contains(ident))).collect();
    Ok((!forms.is_empty()).then(|| Value::Vector(forms.into())))
}

fn attribute(ident: &str, seen: &Seen, is_identity: bool) -> Value {
    let of = seen.of.unwrap_or("string");
    let cardinality = if seen.many { "many" } else { "one" };
    let keyword = |namespace: &str, name: &str| Value::keyword(&format!("{namespace}/{name}"));
    let mut entries = vec![
        (Value::keyword("db/ident"), Value::keyword(ident)),
        (Value::keyword("db/valueType"), keyword("db.type", of)),
        (Value::keyword("db/cardinality"), keyword("db.cardinality", cardinality)),
    ];
    if is_identity {
        entries.push((Value::keyword("db/unique"), Value::keyword("db.unique/identity")));
    }
    Value::map(entries)
}

fn look(
    name: &str,
    field: &Field,
    naming: &Naming,
    seen: &mut BTreeMap<String, Seen>,
) -> Result<(), Problem> {
    let Target::Attribute { ident, via } = naming.target(name)? else { return Ok(()) };
    let mut found = Vec::new();
    let mut many = false;
    match field {
        Field::Retract => {}
        Field::Text(text) => found.push(type_of_text(text)),
        Field::Json(Json::Array(items)) => {
            many = true;
            items.iter().try_for_each(|item| look_at_json(item, naming, seen, &mut found))?;
        }
        Field::Json(json) => look_at_json(json, naming, seen, &mut found)?,
    }
    if let Some(via) = via {
        for of in found.drain(..) {
            merge(seen.entry(via.clone()).or_default(), &via, of)?;
        }
        found.push("ref");
    }
    let entry = seen.entry(ident.clone()).or_default();
    entry.many |= many;
    found.into_iter().try_for_each(|of| merge(entry, &ident, of))
}

fn look_at_json(
    json: &Json,
    naming: &Naming,
    seen: &mut BTreeMap<String, Seen>,
    found: &mut Vec<&'static str>,
) -> Result<(), Problem> {
    found.push(match json {
        Json::Null => return Ok(()),
        Json::Bool(_) => "boolean",
        Json::Number(number) => match type_of_text(&number.to_string()) {
            "string" => "double",
            of => of,
        },
        Json::String(text) => match type_of_text(text) {
            of @ ("instant" | "uuid") => of,
            _ => "string",
        },
        Json::Array(_) => {
            let text = "an array within an array: its type is not obvious";
            return Err(Problem::invalid(text).hint("state the attribute with --schema FILE"));
        }
        Json::Object(entries) => {
            for (name, json) in entries {
                look(name, &Field::Json(json.clone()), naming, seen)?;
            }
            "ref"
        }
    });
    Ok(())
}

/// What the type of a text is called in a schema.
fn type_of_text(text: &str) -> &'static str {
    match text::type_of_text(text) {
        Tag::Bool => "boolean",
        Tag::Long => "long",
        Tag::Double => "double",
        Tag::Inst => "instant",
        Tag::Uuid => "uuid",
        _ => "string",
    }
}

fn merge(seen: &mut Seen, ident: &str, of: &'static str) -> Result<(), Problem> {
    seen.of = Some(match (seen.of, of) {
        (None, of) => of,
        (Some(before), of) if before == of => of,
        (Some("long" | "double"), "long" | "double") => "double",
        (Some(before), of) if before == "ref" || of == "ref" => {
            let text = format!(":{ident} is a {before} in one place and a {of} in another");
            return Err(Problem::invalid(text).hint("state the attribute with --schema FILE"));
        }
        _ => "string",
    });
    Ok(())
}
