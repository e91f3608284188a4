//! Forms of a transaction to a flat list of operations: names of attributes are resolved, entities
//! are terms.
//!
//! **Invariant:** every operation's values fit their attributes, but for entities that are not
//! known yet. Nothing of the database is read but its schema.

use super::composite::{identities, unique_parts};
use super::error::{TxError, TxProblem, shown};
use super::maps;
use super::purge::is_purge;
use crate::edn::{Form, FormKind, Span};
use crate::id::{ATTR_BASE, AttrId, BLOCK, EntityId, Tx};
use crate::schema::{Attribute, Flexibility, Schema, TupleKind};
use crate::value::{Keyword, Value};
use hashbrown::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// An entity that the transaction names or makes: a tempid, or a map without an id.
pub(super) type Slot = u32;

/// A way to say which entity.
#[derive(Clone, Debug)]
pub(super) enum Term {
    Id(EntityId),
    Slot(Slot),
    Tx,
    Ident(Keyword),
    Lookup(AttrId, Box<Operand>),
}

/// What stands for a value.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Value(Value),
    Entity(Term),
    /// A composite tuple of what stands for its parts.
    Tuple(Vec<Operand>),
}

/// One step of the transaction.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) e: Term,
    pub(super) kind: OpKind,
    pub(super) span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum OpKind {
    /// A map begins: it is this entity, and these of [`Parsed::identities`] may say who it is.
    Entity(Option<Term>, Range<usize>),
    Add(AttrId, Operand),
    Retract(AttrId, Option<Operand>),
    /// All values of an attribute, and what is part of the entity by it.
    RetractAttribute(AttrId),
    RetractEntity,
    Cas(AttrId, Option<Operand>, Operand),
    Ensure(Term),
    /// What was said of an entity must not give it another one's tuple of unique values, even if
    /// what is said next takes it away again.
    Settle,
}

#[derive(Clone, Debug)]
pub(super) struct SlotInfo {
    /// The tempid; none of a map without one.
    pub(super) name: Option<Value>,
    pub(super) span: Span,
    /// Whether anything is said of it.
    pub(super) told: bool,
}

/// A whole transaction.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) ops: Vec<Op>,
    pub(super) identities: Vec<(AttrId, Operand)>,
    pub(super) slots: Vec<SlotInfo>,
    /// The block that new ids are of.
    pub(super) block: u64,
    /// Whether ids of other blocks are taken as they are.
    pub(super) any_ids: bool,
    /// With the attributes that the transaction brings.
    pub(super) schema: Schema,
    /// Those attributes, by the numbers they got.
    pub(super) brought: Vec<(Keyword, AttrId)>,
}

impl Parsed {
    /// Where the last of these operations stands.
    pub(super) fn last(&self, is: impl FnMut(&&Op) -> bool) -> Option<Span> {
        self.ops.iter().rev().find(is).map(|op| op.span)
    }
}

/// The forms of a transaction, and facts about the transaction given beside them. A map is a
/// transaction of that one form, unless it is a map of `:tx-data` and `:tx-meta`.
pub(super) fn forms(tx: &Form) -> Result<(&[Form], Option<&Form>), TxError> {
    const EXPECTED: &str = "a transaction is a vector of forms, or one map";
    let tx = tx.unquoted();
    if let Some(inner) = tx.get("tx-data") {
        let forms = inner.unquoted().as_seq();
        let forms = forms.ok_or_else(|| TxProblem::Syntax { expected: EXPECTED }.at(inner))?;
        return Ok((forms, tx.get("tx-meta").filter(|meta| !meta.is_nil())));
    }
    if tx.as_map().is_some() {
        return Ok((std::slice::from_ref(tx), None));
    }
    let forms = tx.as_seq().ok_or_else(|| TxProblem::Syntax { expected: EXPECTED }.at(tx))?;
    Ok((forms, None))
}

/// Reads all forms. `tx` is the transaction that this will be.
pub(super) fn parse(schema: &Schema, block: u64, tx: Tx, form: &Form) -> Result<Parsed, TxError> {
    let (forms, meta) = forms(form)?;
    let room = forms.iter().map(|form| form.as_map().map_or(1, |entries| entries.len() + 1));
    let mut parser = Parser::new(schema, block, tx, forms, room.sum());
    if let Some(meta) = meta {
        parser.map_of(meta, Some(Term::Tx))?;
    }
    for form in forms {
        parser.form(form)?;
    }
    parser.finish()
}

pub(super) struct Parser<'a> {
    pub(super) parsed: Parsed,
    pub(super) forms: &'a [Form],
    tx: Tx,
    names: HashMap<Value, Slot>,
    pub(super) known: HashMap<Keyword, Arc<Attribute>>,
    /// Maps of the transaction that give a name, once one is looked for.
    pub(super) definitions: Option<HashMap<Keyword, &'a Form>>,
    /// Composite tuples that identify, with their parts.
    pub(super) tuples: Vec<(AttrId, Vec<AttrId>)>,
    /// Attributes that are part of a composite tuple that is unique.
    pub(super) unique_parts: Vec<AttrId>,
}

pub(super) fn syntax(expected: &'static str, form: &Form) -> TxError {
    TxProblem::Syntax { expected }.at(form)
}

impl<'a> Parser<'a> {
    /// With room for so many operations.
    pub(super) fn new(schema: &Schema, block: u64, tx: Tx, forms: &'a [Form], room: usize) -> Self {
        let parsed = Parsed {
            ops: Vec::with_capacity(room),
            identities: Vec::new(),
            slots: Vec::new(),
            block,
            any_ids: false,
            schema: schema.clone(),
            brought: Vec::new(),
        };
        let (names, known) = (HashMap::new(), HashMap::new());
        let (tuples, unique_parts) = (identities(schema), unique_parts(schema));
        Self { parsed, forms, tx, names, known, definitions: None, tuples, unique_parts }
    }

    /// What was read.
    pub(super) fn finish(mut self) -> Result<Parsed, TxError> {
        self.bring_tuples()?;
        let silent = self.parsed.slots.iter().find(|slot| !slot.told && slot.name.is_some());
        if let Some(SlotInfo { name: Some(name), span, .. }) = silent {
            return Err(TxProblem::OnlyValue { tempid: shown(name) }.at_span(*span));
        }
        Ok(self.parsed)
    }
}

impl Parser<'_> {
    pub(super) fn form(&mut self, form: &Form) -> Result<(), TxError> {
        match &form.kind {
            FormKind::Map(_) => self.map_of(form, None).map(drop),
            FormKind::Vector(items) | FormKind::List(items) => self.list(form, items),
            FormKind::Value(Value::Nil) => Ok(()),
            FormKind::Tagged(tag, inner) if tag.name() == "Datom" => match inner.as_seq() {
                Some(items) => self.datom(form, items),
                None => Err(syntax("a datom is [e a v t added]", form)),
            },
            _ => Err(syntax("a form of a transaction is a map or a vector", form)),
        }
    }

    fn list(&mut self, form: &Form, items: &[Form]) -> Result<(), TxError> {
        let Some(head) = items.first() else {
            return Err(syntax("an empty vector says nothing", form));
        };
        if matches!(head.as_value(), Some(Value::Long(_) | Value::Ref(_))) {
            return self.datom(form, items);
        }
        let Some(operation) = head.as_keyword() else {
            return Err(TxProblem::operation(head).at(form));
        };
        match (operation.as_str(), &items[1..]) {
            // A fifth item is the transaction, as it stands in a datom.
            ("db/add", [e, a, v] | [e, a, v, _]) => self.add(form, e, a, v),
            ("db/retract", [e, a]) => self.retract(form, ":db/retract", e, a, None),
            ("db/retract", [e, a, v] | [e, a, v, _]) => {
                self.retract(form, ":db/retract", e, a, Some(v))
            }
            ("db.fn/retractAttribute" | "db/retractAttribute", [e, a]) => {
                self.retract_attribute(form, e, a)
            }
            ("db/retractEntity" | "db.fn/retractEntity", [e]) => {
                let e = self.known_entity(e, ":db/retractEntity")?;
                self.push(form, e, OpKind::RetractEntity);
                Ok(())
            }
            ("db/cas" | "db.fn/cas", [e, a, old, new]) => self.cas(form, [e, a, old, new]),
            (name, _) if is_purge(name) => {
                Err(TxProblem::PurgeAlone { operation: operation.clone() }.at(form))
            }
            ("db/add", _) => Err(syntax(":db/add takes an entity, an attribute and a value", form)),
            ("db/retract", _) => {
                Err(syntax(":db/retract takes an entity, an attribute and perhaps a value", form))
            }
            ("db.fn/retractAttribute" | "db/retractAttribute", _) => {
                Err(syntax(":db.fn/retractAttribute takes an entity and an attribute", form))
            }
            ("db/retractEntity" | "db.fn/retractEntity", _) => {
                Err(syntax(":db/retractEntity takes an entity", form))
            }
            ("db/cas" | "db.fn/cas", _) => Err(syntax(
                ":db/cas takes an entity, an attribute, the old value and the new one",
                form,
            )),
            _ => Err(TxProblem::operation(head).at(form)),
        }
    }

    fn add(&mut self, form: &Form, e: &Form, a: &Form, v: &Form) -> Result<(), TxError> {
        let attribute = self.attribute(a)?;
        let e = self.entity(e)?;
        self.tell(&e);
        let v = self.operand(&attribute, v)?;
        self.push(form, e.clone(), OpKind::Add(attribute.id, v));
        if self.unique_parts.contains(&attribute.id) {
            self.push(form, e, OpKind::Settle);
        }
        Ok(())
    }

    fn retract(
        &mut self,
        form: &Form,
        operation: &'static str,
        e: &Form,
        a: &Form,
        v: Option<&Form>,
    ) -> Result<(), TxError> {
        let attribute = self.attribute(a)?;
        let e = self.known_entity(e, operation)?;
        let v = v.filter(|v| !v.is_nil()).map(|v| self.operand(&attribute, v)).transpose()?;
        if attribute.is_composite() {
            return Err(TxProblem::Composite { attribute: attribute.ident.clone() }.at(form));
        }
        self.push(form, e, OpKind::Retract(attribute.id, v));
        Ok(())
    }

    fn retract_attribute(&mut self, form: &Form, e: &Form, a: &Form) -> Result<(), TxError> {
        let attribute = self.attribute(a)?;
        let e = self.known_entity(e, ":db.fn/retractAttribute")?;
        if attribute.is_composite() {
            return Err(TxProblem::Composite { attribute: attribute.ident.clone() }.at(form));
        }
        self.push(form, e, OpKind::RetractAttribute(attribute.id));
        Ok(())
    }

    fn cas(&mut self, form: &Form, [e, a, old, new]: [&Form; 4]) -> Result<(), TxError> {
        let attribute = self.attribute(a)?;
        if attribute.is_composite() {
            return Err(TxProblem::Composite { attribute: attribute.ident.clone() }.at(form));
        }
        let e = self.known_entity(e, ":db/cas")?;
        let old = (!old.is_nil()).then(|| self.operand(&attribute, old)).transpose()?;
        let new = self.operand(&attribute, new)?;
        self.push(form, e, OpKind::Cas(attribute.id, old, new));
        Ok(())
    }

    /// `[e a v t added]`: the transaction that imports it is the one that says so, whatever `t` is.
    fn datom(&mut self, form: &Form, items: &[Form]) -> Result<(), TxError> {
        let (e, a, v, added) = match items {
            [e, a, v] | [e, a, v, _] => (e, a, v, true),
            [e, a, v, _, added] => match added.as_value() {
                Some(Value::Bool(added)) => (e, a, v, *added),
                _ => return Err(syntax("a datom ends with true or false", form)),
            },
            _ => return Err(syntax("a datom is [e a v t added]", form)),
        };
        // What follows from other datoms is not imported.
        if self.attribute(a)?.is_composite() {
            return Ok(());
        }
        if added { self.add(form, e, a, v) } else { self.retract(form, "a datom", e, a, Some(v)) }
    }

    pub(super) fn push(&mut self, form: &Form, e: Term, kind: OpKind) {
        self.parsed.ops.push(Op { e, kind, span: form.span });
    }

    /// Something is said of the entity.
    pub(super) fn tell(&mut self, e: &Term) {
        if let Term::Slot(slot) = e {
            self.parsed.slots[*slot as usize].told = true;
        }
    }

    pub(super) fn attribute(&mut self, form: &Form) -> Result<Arc<Attribute>, TxError> {
        let ident = match form.as_value() {
            Some(Value::Keyword(ident)) => ident,
            Some(Value::Long(e @ 1..)) => {
                let described = self.parsed.schema.described_by(EntityId(*e as u64)).cloned();
                return described.ok_or_else(|| syntax("no attribute has this entity id", form));
            }
            _ => return Err(syntax("an attribute is a keyword", form)),
        };
        self.named(ident, form)
    }

    pub(super) fn named(
        &mut self,
        ident: &Keyword,
        form: &Form,
    ) -> Result<Arc<Attribute>, TxError> {
        if let Some(known) = self.known.get(ident) {
            return Ok(known.clone());
        }
        let strict = self.parsed.schema.flexibility == Flexibility::Write;
        let found = self.parsed.schema.attr(ident.as_str()).cloned();
        let attribute = match found.filter(|a| !(strict && a.is_undescribed())) {
            Some(attribute) => attribute,
            None => match maps::defined(self, ident)? {
                Some(attribute) => attribute,
                None if !strict || Attribute::is_known(ident) => {
                    self.bring(Attribute::at_first_use(AttrId(0), ident.clone()), form)?
                }
                None => return Err(TxProblem::unknown(ident, &self.parsed.schema).at(form)),
            },
        };
        self.known.insert(ident.clone(), attribute.clone());
        Ok(attribute)
    }

    /// An attribute that is not in the database yet.
    pub(super) fn bring(
        &mut self,
        mut attribute: Attribute,
        form: &Form,
    ) -> Result<Arc<Attribute>, TxError> {
        let reversed = attribute.ident.name().starts_with('_');
        if reversed {
            return Err(syntax("a name that begins with _ is the reverse of an attribute", form));
        }
        if let Some(known) = self.parsed.schema.attr(attribute.ident.as_str()) {
            attribute.id = known.id;
        } else {
            let id = self.parsed.schema.next_attr(self.parsed.block);
            attribute.id = id.ok_or_else(|| TxProblem::Full.at(form))?;
            self.parsed.brought.push((attribute.ident.clone(), attribute.id));
        }
        self.parsed.schema.insert(attribute.clone());
        Ok(Arc::new(attribute))
    }

    pub(super) fn new_slot(&mut self, name: Option<Value>, span: Span) -> Slot {
        let slot = self.parsed.slots.len() as Slot;
        self.parsed.slots.push(SlotInfo { name, span, told: false });
        slot
    }

    fn tempid(&mut self, name: &Value, span: Span) -> Term {
        if let Some(slot) = self.names.get(name) {
            return Term::Slot(*slot);
        }
        let slot = self.new_slot(Some(name.clone()), span);
        self.names.insert(name.clone(), slot);
        Term::Slot(slot)
    }

    /// An entity that has to exist before the operation.
    pub(super) fn known_entity(
        &mut self,
        form: &Form,
        operation: &'static str,
    ) -> Result<Term, TxError> {
        match self.entity(form)? {
            Term::Slot(_) => Err(TxProblem::TempidIn { operation }.at(form)),
            term => Ok(term),
        }
    }

    pub(super) fn entity(&mut self, form: &Form) -> Result<Term, TxError> {
        const EXPECTED: &str = "an entity is a number, a tempid, an ident or a lookup ref";
        match &form.kind {
            FormKind::Value(Value::Long(e @ ..=-1)) => Ok(self.tempid(&Value::Long(*e), form.span)),
            FormKind::Value(Value::Long(e)) => self.entity_id(*e as u64, form),
            FormKind::Value(Value::Ref(e)) => self.entity_id(e.0, form),
            FormKind::Value(Value::Str(text)) => match text.as_ref() {
                "datomic.tx" | "datahike.tx" | "datascript.tx" => Ok(Term::Tx),
                _ => Ok(self.tempid(&Value::Str(text.clone()), form.span)),
            },
            FormKind::Value(Value::Keyword(ident)) => Ok(match ident.as_str() {
                "db/current-tx" => Term::Tx,
                _ => Term::Ident(ident.clone()),
            }),
            FormKind::Vector(items) | FormKind::List(items) => match items.as_slice() {
                [a, v] => self.lookup(a, v),
                _ => Err(syntax("a lookup ref is an attribute and a value", form)),
            },
            FormKind::Tagged(tag, inner) if tag.as_str() == "db/id" => {
                match inner.as_seq().unwrap_or_default() {
                    [part] if part.is_keyword("db.part/tx") => Ok(Term::Tx),
                    [_] => Ok(Term::Slot(self.new_slot(None, form.span))),
                    [_, number] => self.entity(number),
                    _ => Err(syntax(EXPECTED, form)),
                }
            }
            _ => Err(syntax(EXPECTED, form)),
        }
    }

    fn lookup(&mut self, a: &Form, v: &Form) -> Result<Term, TxError> {
        let attribute = self.attribute(a)?;
        if attribute.unique.is_none() {
            return Err(TxProblem::NotUnique { attribute: attribute.ident.clone() }.at(a));
        }
        let v = self.operand(&attribute, v)?;
        Ok(Term::Lookup(attribute.id, Box::new(v)))
    }

    fn entity_id(&self, e: u64, form: &Form) -> Result<Term, TxError> {
        match EntityId(e) {
            id if self.is_id(id) => Ok(Term::Id(id)),
            _ => Err(TxProblem::BadId { id: e.to_string() }.at(form)),
        }
    }

    /// Whether an entity may have this id.
    pub(super) fn is_id(&self, id: EntityId) -> bool {
        let (e, here) = (id.0, id.block() == self.parsed.block);
        match id.as_tx() {
            Some(tx) => !here || tx <= self.tx,
            None => !e.is_multiple_of(BLOCK) && e % BLOCK < ATTR_BASE && e < 1 << 53,
        }
    }

    /// A value of an attribute, where one is expected.
    pub(super) fn operand(
        &mut self,
        attribute: &Attribute,
        form: &Form,
    ) -> Result<Operand, TxError> {
        if attribute.is_ref() {
            return Ok(Operand::Entity(match &form.kind {
                FormKind::Map(_) => self.map_of(form, None)?,
                FormKind::Value(Value::Nil) => {
                    let attribute = attribute.ident.clone();
                    return Err(TxProblem::NilValue { attribute }.at(form));
                }
                FormKind::Value(
                    Value::Long(_) | Value::Ref(_) | Value::Str(_) | Value::Keyword(_),
                )
                | FormKind::Vector(_)
                | FormKind::List(_)
                | FormKind::Tagged(..) => self.entity(form)?,
                _ => return Err(super::check::wrong(attribute, &form.to_value()).at(form)),
            }));
        }
        if let (Some(TupleKind::Composite(parts)), Some(items)) = (&attribute.tuple, form.as_seq())
        {
            return self.composite(attribute, parts, items, form);
        }
        let value = super::check::coerce(attribute, form.to_value());
        value.map(Operand::Value).map_err(|problem| problem.at(form))
    }
}
