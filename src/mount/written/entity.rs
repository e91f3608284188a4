//! An entity as somebody edited it: what that changes.
//!
//! **Invariant:** what is changed is the difference to the facts as of the text's `:db/basis`. An
//! attribute that is edited and that has other values now is a conflict, unless they are those of
//! the text; attributes that are not edited are left as they are, whoever changed them.

use super::said::{self, Said, import_error, unmatched};
use crate::error::{Failure, Kind, Result};
use factfs_core::datom::{KeyRange, Order};
use factfs_core::db::Db;
use factfs_core::edn::{self, Form, FormKind};
use factfs_core::id::{EntityId, T};
use factfs_core::import::{Converter, Naming, json_error};
use factfs_core::text::Format;
use factfs_core::value::{Keyword, Value};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The value that a text was made of.
pub(super) const BASIS: &str = "db/basis";

/// The text of an entity, edited.
pub struct Edited {
    e: EntityId,
    basis: T,
    said: BTreeMap<Keyword, Said>,
}

type Facts = BTreeMap<Keyword, Vec<Value>>;

impl Edited {
    /// The text of a file: `expected` is whom the file is of.
    pub fn read(format: Format, bytes: &[u8], expected: EntityId) -> Result<Self> {
        let edited = match format {
            Format::Json => {
                let json = serde_json::from_slice(bytes);
                Self::of_json(&json.map_err(|error| json_error(&error, 1))?)?
            }
            _ => {
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| Failure::new(Kind::Invalid, "bytes that are not UTF-8"))?;
                Self::of_edn(&edn::read_one(text)?)?
            }
        };
        if edited.e != expected {
            let message = format!("this is entity {}, in the file of {expected}", edited.e);
            return Err(Failure::new(Kind::Invalid, message));
        }
        Ok(edited)
    }

    /// The entity that a map of EDN is.
    pub fn of_edn(form: &Form) -> Result<Self> {
        let entries = form.as_map().ok_or_else(|| no_map(&form.span.to_string()))?;
        let number = |name: &str| form.get(name).and_then(Form::as_long);
        let mut said = BTreeMap::new();
        for (key, value) in entries {
            let Some(ident) = key.as_keyword() else {
                let message = format!("{}: the keys of an entity are keywords", key.span);
                return Err(Failure::new(Kind::Invalid, message));
            };
            said.insert(ident.clone(), Said::Edn(value.clone()));
        }
        Self::new(number("db/id"), number(BASIS), said)
    }

    /// The entity that an object of JSON is.
    pub fn of_json(json: &Json) -> Result<Self> {
        let entries = json.as_object().ok_or_else(|| no_map("line 1, column 1"))?;
        let number = |name: &str| entries.get(name).and_then(Json::as_i64);
        let name = |name: &String| Keyword::new(name.strip_prefix(':').unwrap_or(name));
        let said = entries.iter().map(|(key, json)| (name(key), Said::Json(json.clone())));
        Self::new(number("db/id"), number(BASIS), said.collect())
    }

    fn new(e: Option<i64>, basis: Option<i64>, mut said: BTreeMap<Keyword, Said>) -> Result<Self> {
        said.retain(|ident, _| ident.as_str() != "db/id" && ident.as_str() != BASIS);
        let missing = |name: &str| {
            let message = format!("the text of the entity has no :{name}, which is a number");
            let hint = "write what reading the entity gives, changed; its :db/basis says which \
                        value was changed";
            Failure::new(Kind::Invalid, message).hint(hint)
        };
        let natural = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let basis = natural(basis).ok_or_else(|| missing(BASIS))?;
        let e = natural(e).ok_or_else(|| missing("db/id"))?;
        Ok(Self { e: EntityId(e), basis: T(basis), said })
    }

    /// The forms of a transaction that change it so.
    pub fn forms(&self, db: &Db) -> Result<Vec<Form>> {
        if self.basis > db.basis_t() {
            let message = format!(":db/basis {} is not yet: {} is now", self.basis, db.basis_t());
            return Err(Failure::new(Kind::Invalid, message));
        }
        let (then, now) = (facts(&db.as_of(self.basis), self.e)?, facts(db, self.e)?);
        if then.is_empty() {
            let message = format!("entity {} had no facts at {}", self.e, self.basis);
            return Err(Failure::not_found(message).hint("new entities are written to transact"));
        }
        let (mut forms, mut conflicts) = (Vec::new(), Vec::new());
        let said = said::values(&self.said, db, &self.converter(db))?;
        let idents: BTreeSet<&Keyword> = then.keys().chain(said.keys()).collect();
        for ident in idents {
            let of = |facts: &Facts| facts.get(ident).cloned().unwrap_or_default();
            let (then, now) = (of(&then), of(&now));
            let said = said.get(ident).map(Vec::as_slice).unwrap_or_default();
            match self.difference(db, ident, said, (&then, &now))? {
                Difference::None => {}
                Difference::Forms(difference) => forms.extend(difference),
                Difference::Conflict(shown) => conflicts.push(shown),
            }
        }
        if conflicts.is_empty() {
            return Ok(forms);
        }
        let message = format!(
            "entity {} was changed since {}, which the text was made of (now it is {}):\n{}",
            self.e,
            self.basis,
            db.basis_t(),
            conflicts.join("\n")
        );
        let hint = "nothing was written: read it again, and change that";
        Err(Failure::new(Kind::Conflict, message).hint(hint))
    }

    fn difference(
        &self,
        db: &Db,
        ident: &Keyword,
        said: &[Said],
        (then, now): (&[Value], &[Value]),
    ) -> Result<Difference> {
        let converter = self.converter(db);
        let attribute = converter.attribute(ident.as_str()).map_err(import_error)?;
        let (new, gone) = unmatched(db, said, then)?;
        // A composite tuple that was left as it was, or out, says nothing: the database keeps it.
        if new.is_empty() && (gone.is_empty() || attribute.is_composite()) {
            return Ok(Difference::None);
        }
        if attribute.is_composite() {
            let message = format!("{ident} is kept by the database: change what it is made of");
            return Err(Failure::new(Kind::Invalid, message));
        }
        if then != now {
            let (other, left) = unmatched(db, said, now)?;
            if other.is_empty() && left.is_empty() {
                return Ok(Difference::None);
            }
            let all = |values: &[Value]| {
                let texts: Vec<String> = values.iter().map(edn::to_string).collect();
                if texts.is_empty() { "nothing".to_owned() } else { texts.join(" ") }
            };
            let here: Vec<String> = said.iter().map(Said::text).collect();
            let here = if here.is_empty() { "nothing".to_owned() } else { here.join(" ") };
            let shown = format!("  {ident} was {}, is {}, here {here}", all(then), all(now));
            return Ok(Difference::Conflict(shown));
        }
        let form = |operation: &str, value: Form| {
            let e = converter.value(&Value::Ref(self.e));
            let items = [converter.keyword(operation), e, converter.keyword(ident.as_str()), value];
            converter.form(FormKind::Vector(items.to_vec()))
        };
        let mut forms = Vec::new();
        if attribute.many || new.is_empty() {
            let retract = |value: &&Value| form("db/retract", converter.value(value));
            forms.extend(gone.iter().map(retract));
        }
        for said in new {
            forms.push(form("db/add", said.form(&converter, attribute)?));
        }
        Ok(Difference::Forms(forms))
    }

    fn converter<'a>(&self, db: &'a Db) -> Converter<'a> {
        const NAMING: &Naming = &Naming::plain();
        let (schema, present) = (db.schema(), Some((db, self.e)));
        let (create_refs, tempids) = (false, false);
        Converter { schema, naming: NAMING, create_refs, tempids, present, line: 1 }
    }
}

/// What a text changes of one attribute.
enum Difference {
    None,
    Forms(Vec<Form>),
    Conflict(String),
}

/// An entity's facts, by name.
fn facts(db: &Db, e: EntityId) -> Result<Facts> {
    let found = db.scan(Order::Eavt, &[KeyRange::prefix(Some(e), None, None)])?;
    let mut facts = Facts::new();
    for datom in found.iter().flatten().flat_map(|slice| slice.datoms()) {
        if let Some(attribute) = db.schema().get(datom.a) {
            facts.entry(attribute.ident.clone()).or_default().push(datom.v);
        }
    }
    Ok(facts)
}

fn no_map(place: &str) -> Failure {
    Failure::new(Kind::Invalid, format!("{place}: an entity is one map"))
}
