//! Composite tuples where a transaction is read: which identify, what a written one is made of, and
//! those that the transaction itself defines.
//!
//! **Invariant:** a tuple is kept from the transaction on that defines it; what is older gets it
//! then (`older.rs`).

use super::error::TxError;
use super::maps::defined;
use super::parse::{Operand, Parser};
use crate::edn::Form;
use crate::id::AttrId;
use crate::schema::{Attribute, Schema, TupleKind, Unique};
use crate::value::{Keyword, Value};
use std::sync::Arc;

/// Composite tuples that identify, with their parts.
pub(super) fn identities(schema: &Schema) -> Vec<(AttrId, Vec<AttrId>)> {
    let identities = schema.attributes().filter(|a| a.unique == Some(Unique::Identity));
    let parts = |a: &Arc<Attribute>| match &a.tuple {
        Some(TupleKind::Composite(parts)) => Some((a.id, parts.clone())),
        _ => None,
    };
    identities.filter_map(parts).collect()
}

/// Attributes that are part of a composite tuple that is unique.
pub(super) fn unique_parts(schema: &Schema) -> Vec<AttrId> {
    let unique = schema.attributes().filter(|a| a.unique.is_some());
    let parts = unique.filter_map(|a| match &a.tuple {
        Some(TupleKind::Composite(parts)) => Some(parts.clone()),
        _ => None,
    });
    parts.flatten().collect()
}

impl Parser<'_> {
    /// A composite tuple: each part is a value of its own attribute.
    pub(super) fn composite(
        &mut self,
        attribute: &Attribute,
        parts: &[AttrId],
        items: &[Form],
        form: &Form,
    ) -> Result<Operand, TxError> {
        if parts.len() != items.len() {
            return Err(super::check::wrong(attribute, &form.to_value()).at(form));
        }
        let mut operands = Vec::with_capacity(items.len());
        for (part, item) in parts.iter().zip(items) {
            let part = self.parsed.schema.get(*part).cloned();
            operands.push(match part.filter(|_| !item.is_nil()) {
                Some(part) => self.operand(&part, item)?,
                None => Operand::Value(item.to_value()),
            });
        }
        Ok(Operand::Tuple(operands))
    }

    /// Tuples that the transaction defines are kept for what it says, too.
    pub(super) fn bring_tuples(&mut self) -> Result<(), TxError> {
        if !self.known.contains_key("db/tupleAttrs") {
            return Ok(());
        }
        let forms = self.forms.iter().filter(|form| form.get("db/tupleAttrs").is_some());
        for form in forms {
            let Some(ident) = form.get("db/ident").and_then(Form::as_keyword) else { continue };
            let schema = &self.parsed.schema;
            if schema.attr(ident.as_str()).is_none_or(|a| a.is_undescribed()) {
                self.named(ident, form)?;
            }
        }
        Ok(())
    }

    /// A tuple of these parts; one that nothing is known of can be described later.
    pub(super) fn tuple_of(
        &mut self,
        tuple: Attribute,
        names: &Value,
        form: &Form,
    ) -> Result<Arc<Attribute>, TxError> {
        let names = match names {
            Value::Vector(names) | Value::List(names) => names.clone(),
            _ => Arc::default(),
        };
        // It is there before its parts are looked at: one of them may be made of it.
        self.bring(tuple.clone(), form)?;
        let mut parts = Vec::with_capacity(names.len());
        for name in names.iter() {
            let Value::Keyword(name) = name else { continue };
            parts.push(self.part(name, form)?);
        }
        let tuple = Attribute { tuple: Some(TupleKind::Composite(parts)), ..tuple };
        let brought = self.bring(tuple, form)?;
        self.tuples = identities(&self.parsed.schema);
        self.unique_parts = unique_parts(&self.parsed.schema);
        Ok(brought)
    }

    fn part(&mut self, name: &Keyword, form: &Form) -> Result<AttrId, TxError> {
        if let Some(known) = self.parsed.schema.attr(name.as_str()) {
            return Ok(known.id);
        }
        if let Some(defined) = defined(self, name)? {
            return Ok(defined.id);
        }
        Ok(self.bring(Attribute::at_first_use(AttrId(0), name.clone()), form)?.id)
    }
}
