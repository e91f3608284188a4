//! `by/NS/ATTR/VALUE`: entities found by a value of an indexed attribute.
//!
//! **Invariant:** every value of a unique or indexed attribute has one path, and that path leads
//! back to it, also where a name had to be escaped or shortened.

use super::node::{ByKey, Name};
use crate::error::{Failure, Result};
use crate::name::{self, Unescaped};
use crate::render;
use factfs_core::datom::{KeyRange, Order};
use factfs_core::db::Db;
use factfs_core::id::EntityId;
use factfs_core::schema::{Attribute, ValueType};
use factfs_core::text::{parse_cell, write_json};
use factfs_core::value::{Tag, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A name in a folder of `by/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ByName {
    /// A folder: a namespace, an attribute, the namespace of a keyword, a value that many entities
    /// may have.
    Folder(String),
    /// The file of the one entity with this value, without extension.
    File(String),
}

/// The attribute that components name.
pub fn attribute<'a>(db: &'a Db, components: &[Name]) -> Result<&'a Arc<Attribute>> {
    let [ns, attr, ..] = components else {
        return Err(Failure::not_found("by/NAMESPACE/ATTRIBUTE/VALUE"));
    };
    let known = match (whole(ns), whole(attr)) {
        (Some(ns), Some(attr)) => db
            .attribute(&format!("{ns}/{attr}"))
            .map_err(|error| Failure::not_found(error.to_string()))?,
        _ => shortened(db, ns, attr)
            .ok_or_else(|| Failure::not_found(format!("no attribute is called {ns}/{attr}")))?,
    };
    let ident = known.ident.as_str();
    if !known.in_avet() {
        let message = format!(":{ident} is not indexed");
        return Err(
            Failure::not_found(message).hint("by/ has attributes with :db/unique or :db/index")
        );
    }
    Ok(known)
}

/// The text that a name spells out, if it does.
fn whole(name: &Name) -> Option<String> {
    match name::unescape(name)? {
        Unescaped::Whole(bytes) => String::from_utf8(bytes).ok(),
        Unescaped::Shortened { .. } => None,
    }
}

/// The attribute whose namespace or name is too long to be spelled out.
fn shortened<'a>(db: &'a Db, ns: &Name, attr: &Name) -> Option<&'a Arc<Attribute>> {
    let is_called = |a: &&Arc<Attribute>| {
        let its_ns = a.ident.namespace().unwrap_or_default();
        name_of(its_ns) == **ns && name_of(a.ident.name()) == **attr
    };
    db.schema().attributes().find(is_called)
}

/// The name of a namespace or of an attribute in it.
pub fn name_of(text: &str) -> String {
    name::escape(text.as_bytes())
}

/// The namespace that has this name.
pub fn namespace(db: &Db, name: &str) -> Result<String> {
    let mut known = render::namespaces(db, true).into_iter();
    known.find(|ns| name_of(ns) == name).ok_or_else(|| {
        let known: Vec<String> =
            render::namespaces(db, false).iter().map(|ns| name_of(ns)).collect();
        let failure = Failure::not_found(format!("no attribute is in `{name}`"));
        failure.hint(format!("there are: {}", known.join(" ")))
    })
}

/// The entities that have a value.
pub fn entities(db: &Db, key: &ByKey) -> Result<(bool, Vec<EntityId>)> {
    let attribute = attribute(db, &key.components)?;
    let value = match value(db, attribute, &key.components[2..])? {
        Some(value) => value,
        None => return Ok((attribute.unique.is_some(), Vec::new())),
    };
    let range = KeyRange::prefix(None, Some(attribute.id), Some(value));
    let slices = db.scan_references(Order::Avet, &[range])?;
    let ids =
        slices.iter().flatten().flat_map(|slice| slice.rows.clone().map(|row| slice.facts.e(row)));
    Ok((attribute.unique.is_some(), ids.collect()))
}

fn value(db: &Db, attribute: &Attribute, components: &[Name]) -> Result<Option<Value>> {
    let Some(tag) = attribute.value_type.and_then(ValueType::tag) else {
        return search(db, attribute, components);
    };
    let mut text = Vec::new();
    for (i, component) in components.iter().enumerate() {
        if i > 0 {
            text.push(b'/');
        }
        match name::unescape(component) {
            Some(Unescaped::Whole(bytes)) => text.extend(bytes),
            Some(Unescaped::Shortened { .. }) => return search(db, attribute, components),
            None => return Ok(None),
        }
    }
    let Ok(text) = String::from_utf8(text) else { return Ok(None) };
    let value = parse_cell(&text, tag).ok();
    // One path for a value: `01` is not the path of 1.
    Ok(value.filter(|value| path_of(value) == components_of(components)))
}

/// A value whose name cannot be read back: the one of the attribute's values that has this name.
fn search(db: &Db, attribute: &Attribute, components: &[Name]) -> Result<Option<Value>> {
    let wanted = components_of(components);
    for slice in db.chunks(Order::Avet, KeyRange::prefix(None, Some(attribute.id), None)) {
        if let Some(datom) = slice?.datoms().find(|datom| path_of(&datom.v) == wanted) {
            return Ok(Some(datom.v));
        }
    }
    Ok(None)
}

fn components_of(names: &[Name]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// The components of a value's path: two for a keyword with a namespace.
fn path_of(value: &Value) -> Vec<String> {
    match value {
        Value::Keyword(keyword) => match keyword.namespace() {
            Some(ns) => {
                vec![
                    name::escape(format!(":{ns}").as_bytes()),
                    name::escape(keyword.name().as_bytes()),
                ]
            }
            None => vec![name::escape(keyword.to_string().as_bytes())],
        },
        value => vec![name::escape(text_of(value).as_bytes())],
    }
}

/// A value as its cell in a table, without quotes.
fn text_of(value: &Value) -> String {
    if let Value::Str(text) = value {
        return text.to_string();
    }
    let mut out = String::new();
    write_json(value, &mut out);
    serde_json::from_str::<String>(&out).unwrap_or(out)
}

/// The names in a folder of `by/`.
pub fn names(db: &Db, components: &[Name]) -> Result<Vec<ByName>> {
    let indexed = || db.schema().attributes().filter(|a| a.in_avet());
    let found: BTreeSet<ByName> = match components {
        [] => {
            let names = indexed().filter_map(|a| a.ident.namespace());
            names.map(|ns| ByName::Folder(name_of(ns))).collect()
        }
        [ns] => {
            let is_inside = |known: &str| name_of(known) == **ns;
            let inside = indexed().filter(|a| a.ident.namespace().is_some_and(is_inside));
            inside.map(|a| ByName::Folder(name_of(a.ident.name()))).collect()
        }
        [_, _, rest @ ..] => return values(db, components, rest),
    };
    Ok(found.into_iter().collect())
}

fn values(db: &Db, components: &[Name], rest: &[Name]) -> Result<Vec<ByName>> {
    let attribute = attribute(db, components)?;
    let prefix = components_of(rest);
    let mut found = BTreeSet::new();
    for slice in db.chunks(Order::Avet, KeyRange::prefix(None, Some(attribute.id), None)) {
        for datom in slice?.datoms() {
            let path = path_of(&datom.v);
            let Some(next) = path.get(prefix.len()).filter(|_| path.starts_with(&prefix)) else {
                continue;
            };
            let is_last = path.len() == prefix.len() + 1;
            found.insert(match is_last && attribute.unique.is_some() {
                true => ByName::File(next.clone()),
                false => ByName::Folder(next.clone()),
            });
        }
    }
    Ok(found.into_iter().collect())
}

/// Whether a keyword value has this namespace folder: `:a` in `by/NS/ATTR/:a/b.edn`.
pub fn is_keyword_folder(db: &Db, key: &ByKey) -> Result<bool> {
    let attribute = attribute(db, &key.components)?;
    let keyword = attribute.value_type.and_then(ValueType::tag) == Some(Tag::Keyword);
    Ok(keyword
        && key.is_namespace()
        && !values(db, &key.components, &key.components[2..])?.is_empty())
}
