//! Transactions of rows: many entities said in columns whose attributes are looked up once and
//! whose values are read already.
//!
//! **Invariant:** rows mean exactly what the forms of [`Rows::to_form`] mean. Where the schema has
//! become another one meanwhile, and where something is wrong, it is the forms that are prepared.

use super::apply;
use super::check::coerce;
use super::error::TxError;
use super::parse::{Op, OpKind, Operand, Parsed, Parser, Term};
use super::{TxOptions, prepare};
use crate::db::{Db, Prepared};
use crate::edn::{Form, FormKind, Span};
use crate::id::{EntityId, Tx};
use crate::schema::{Attribute, Schema, Unique};
use crate::value::{Keyword, Value};
use std::sync::Arc;

/// What the facts of rows are about.
#[derive(Clone, Debug)]
pub struct RowColumn {
    /// As the attribute was written.
    pub ident: Keyword,
    /// As it is in the schema that the values were read by; no composite tuple.
    pub attribute: Arc<Attribute>,
}

/// What is said of one entity.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which; a new one, or one that an identity among the facts finds, if that is not said.
    pub e: Option<EntityId>,
    /// The line of the text that it stands on, from 1.
    pub line: u32,
    /// Which column, and a value of its type; a ref as an entity id. At least one.
    pub facts: Vec<(u32, Value)>,
}

/// A part of a transaction of rows.
#[derive(Clone, Debug)]
pub enum Statement {
    /// What is a row.
    Row(Row),
    /// What is none.
    Form(Form),
}

/// A transaction of rows.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The columns.
    pub columns: Vec<RowColumn>,
    /// What is said, in order.
    pub statements: Vec<Statement>,
}

impl Rows {
    /// The same as a vector of forms.
    pub fn to_form(&self) -> Form {
        let forms = self.statements.iter().map(|statement| match statement {
            Statement::Row(row) => self.map(row),
            Statement::Form(form) => form.clone(),
        });
        Form { kind: FormKind::Vector(forms.collect()), span: Span::default() }
    }

    fn map(&self, row: &Row) -> Form {
        let form = |kind| Form { kind, span: span(row) };
        let value = |value: Value| form(FormKind::Value(value));
        let number = |e: EntityId| value(Value::Long(i64::try_from(e.0).unwrap_or(i64::MAX)));
        let id = row.e.map(|e| (value(Value::keyword("db/id")), number(e)));
        let mut pairs: Vec<(Form, Form)> = id.into_iter().collect();
        // Many values of one column follow each other.
        for said in row.facts.chunk_by(|x, y| x.0 == y.0) {
            let RowColumn { ident, attribute } = &self.columns[said[0].0 as usize];
            let mut values: Vec<Form> = said
                .iter()
                .map(|(_, v)| match v {
                    Value::Ref(e) => number(*e),
                    v => form(Form::from(v.clone()).kind),
                })
                .collect();
            let values = match values.pop() {
                Some(only) if !attribute.many => only,
                last => form(FormKind::Vector(values.into_iter().chain(last).collect())),
            };
            pairs.push((value(Value::Keyword(ident.clone())), values));
        }
        form(FormKind::Map(pairs))
    }

    /// Whether the columns mean in this schema what they meant when the values were read.
    fn fit(&self, schema: &Schema) -> bool {
        let fits = |column: &RowColumn| {
            let now = schema.attr(column.ident.as_str());
            now.is_some_and(|now| Arc::ptr_eq(now, &column.attribute) || *now == column.attribute)
        };
        self.columns.iter().all(fits)
    }
}

/// Reads, checks and resolves a transaction of rows.
pub fn prepare_rows(db: &Db, rows: &Rows, options: &TxOptions) -> Result<Prepared, TxError> {
    let snapshot = db.snapshot();
    match parse(db.schema(), snapshot.block, snapshot.next_tx(), rows) {
        Some(parsed) => apply::prepare_parsed(db, parsed, options),
        None => prepare(db, &rows.to_form(), options),
    }
}

/// `None` if it is for the forms to say what is wrong.
fn parse(schema: &Schema, block: u64, tx: Tx, rows: &Rows) -> Option<Parsed> {
    let mut parser = Parser::new(schema, block, tx, &[], rows.statements.len() * 8);
    if !parser.tuples.is_empty() || !rows.fit(schema) {
        return None;
    }
    for statement in &rows.statements {
        match statement {
            Statement::Row(row) => parser.row(&rows.columns, row)?,
            Statement::Form(form) => parser.form(form).ok()?,
        }
    }
    parser.finish().ok()
}

impl Parser<'_> {
    fn row(&mut self, columns: &[RowColumn], row: &Row) -> Option<()> {
        let span = span(row);
        let e = match row.e {
            Some(e) => Term::Id(Some(e).filter(|e| self.is_id(*e))?),
            None => Term::Slot(self.new_slot(None, span)),
        };
        self.tell(&e);
        let (entity_op, start) = (self.parsed.ops.len(), self.parsed.identities.len());
        self.parsed.ops.push(Op { e: e.clone(), kind: OpKind::Entity(None, 0..0), span });
        for (column, value) in &row.facts {
            let attribute = &columns.get(*column as usize)?.attribute;
            let operand = match value {
                Value::Ref(target) if attribute.is_ref() => {
                    Operand::Entity(Term::Id(Some(*target).filter(|e| self.is_id(*e))?))
                }
                value => Operand::Value(coerce(attribute, value.clone()).ok()?),
            };
            if attribute.unique == Some(Unique::Identity) {
                self.parsed.identities.push((attribute.id, operand.clone()));
            }
            let kind = OpKind::Add(attribute.id, operand);
            self.parsed.ops.push(Op { e: e.clone(), kind, span });
        }
        let identities = start..self.parsed.identities.len();
        self.parsed.ops[entity_op].kind = OpKind::Entity(None, identities);
        Some(())
    }
}

fn span(row: &Row) -> Span {
    Span { line: row.line, ..Span::default() }
}
