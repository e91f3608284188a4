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

    /// The same, of rows that are not needed any more.
    pub fn into_form(self) -> Form {
        if self.statements.iter().any(|said| matches!(said, Statement::Row(_))) {
            return self.to_form();
        }
        let forms = self.statements.into_iter().filter_map(|statement| match statement {
            Statement::Form(form) => Some(form),
            Statement::Row(_) => None,
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

    /// Whether the transaction may define attributes: those that it uses, or tuples of them.
    fn define(&self) -> bool {
        let has_ident = |said: &Statement| match said {
            Statement::Form(form) => form.get("db/ident").is_some(),
            Statement::Row(_) => false,
        };
        self.columns.iter().any(|column| column.ident.as_str() == "db/ident")
            || self.statements.iter().any(has_ident)
    }

    /// Whether the columns mean in this schema what they meant when the values were read, and mean
    /// it after the transaction, too.
    fn fit(&self, schema: &Schema) -> bool {
        let fits = |column: &RowColumn| {
            let now = schema.attr(column.ident.as_str());
            now.is_some_and(|now| Arc::ptr_eq(now, &column.attribute) || *now == column.attribute)
        };
        self.columns.iter().all(fits) && !self.define()
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
    let room = rows.statements.iter().map(|statement| match statement {
        Statement::Row(row) => row.facts.len() + 1,
        Statement::Form(_) => 2,
    });
    let mut parser = Parser::new(schema, block, tx, &[], room.sum());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{NoNodes, Snapshot};
    use crate::edn::read_one;
    use crate::transact::with;
    use crate::value::Uuid;

    const SCHEMA: &str = "[
      {:db/ident :p/sku :db/valueType :db.type/string :db/cardinality :db.cardinality/one
       :db/unique :db.unique/identity}
      {:db/ident :p/price :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
      {:db/ident :p/tag :db/valueType :db.type/string :db/cardinality :db.cardinality/many}
      {:db/ident :p/part :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}]";

    fn database() -> Db {
        let nodes = Arc::new(NoNodes);
        let empty = Db::new(Snapshot::empty(Uuid::nil(), nodes, Schema::default()));
        let after = |db: &Db, text| {
            with(db, &read_one(text).unwrap(), &TxOptions::default()).unwrap().db_after
        };
        after(&after(&empty, SCHEMA), r#"[{:p/sku "A" :p/price 1.5} {:p/sku "B" :p/tag ["x"]}]"#)
    }

    fn rows(db: &Db, said: &[(Option<u64>, &[(u32, Value)])]) -> Rows {
        let column = |ident| RowColumn {
            ident: Keyword::new(ident),
            attribute: db.schema().attr(ident).unwrap().clone(),
        };
        let row = |(e, facts): &(Option<u64>, &[(u32, Value)])| {
            Statement::Row(Row { e: e.map(EntityId), line: 7, facts: facts.to_vec() })
        };
        let columns = ["p/sku", "p/price", "p/tag", "p/part"].map(column).into();
        Rows { columns, statements: said.iter().map(row).collect() }
    }

    /// What both ways make of rows.
    fn prepared(db: &Db, rows: &Rows) -> [Result<Vec<crate::datom::Datom>, String>; 2] {
        let options = TxOptions { now_ms: 99, ..TxOptions::default() };
        let both = [prepare_rows(db, rows, &options), prepare(db, &rows.to_form(), &options)];
        both.map(|p| p.map(|p| p.datoms).map_err(|e| e.to_string()))
    }

    #[test]
    fn rows_mean_what_their_forms_mean() {
        let (db, text) = (database(), Value::str);
        let new = db.snapshot().next_entity.0;
        let (old, tagged) = ((0, text("A")), [(0, text("B")), (2, text("x")), (2, text("y"))]);
        let refer = |e: u64| (3, Value::Ref(EntityId(e)));
        let all: [&[(Option<u64>, &[(u32, Value)])]; 9] = [
            &[],
            &[(None, &[(0, text("C")), (1, Value::Double(2.5))])],
            &[(None, &[old.clone(), (1, Value::Double(2.5))]), (None, &[(2, text("z"))])],
            &[(None, &tagged), (Some(new + 4), &[(0, text("D")), refer(new + 4)])],
            &[(Some(new), &[(0, text("E"))]), (None, &[(0, text("E")), (2, text("x"))])],
            &[(Some(new), &[(0, text("A"))])],
            &[(Some(1), &[refer(0)])],
            &[(Some(1 << 60), &[(2, text("x"))])],
            &[(None, &[(1, text("no number"))])],
        ];
        for said in all {
            let [typed, forms] = prepared(&db, &rows(&db, said));
            assert_eq!(typed, forms, "{said:?}");
        }
    }

    /// The tuple was kept for what forms say alone.
    #[test]
    fn rows_beside_forms_mean_what_their_forms_mean() {
        let db = database();
        let fresh: [(u32, Value); 2] = [(0, Value::str("C")), (1, Value::Double(2.5))];
        for form in [
            "{:p/sku \"D\"}",
            "{:db/ident :p/both :db/valueType :db.type/tuple
              :db/cardinality :db.cardinality/one :db/tupleAttrs [:p/sku :p/price]}",
        ] {
            let mut rows = rows(&db, &[(None, &fresh)]);
            rows.statements.insert(0, Statement::Form(read_one(form).unwrap()));
            let [typed, forms] = prepared(&db, &rows);
            assert!(forms.is_ok(), "{forms:?}");
            assert_eq!(typed, forms, "{form}");
        }
    }

    #[test]
    fn rows_go_by_the_schema_that_is_there_now() {
        let db = database();
        let mut rows = rows(&db, &[(None, &[(1, Value::Double(2.0))])]);
        let other = Attribute { many: true, ..rows.columns[1].attribute.as_ref().clone() };
        rows.columns[1].attribute = Arc::new(other);
        assert!(!rows.fit(db.schema()));
        let [typed, forms] = prepared(&db, &rows);
        assert_eq!(typed, forms);
    }
}
