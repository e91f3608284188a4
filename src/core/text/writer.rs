//! Writes a result row by row.
//!
//! **Invariant:** one `start`, the rows, one `finish` give a complete text; also when there are no
//! rows. Each call appends to a string that the caller may pass on and clear, so a large result is
//! not held; `txt` holds it unless all rows were measured before, as who passes a large one does.

use super::json::{write_json, write_object};
use super::names::unique_names;
use super::table::Table;
use super::{Format, cell};
use crate::edn::{print, print_pretty};
use crate::value::{Symbol, Value};

/// The shape of a result, by the find spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Rows: `[:find ?a ?b]`.
    Relation,
    /// A value a row: `[:find [?a ...]]`.
    Collection,
    /// One row or none: `[:find [?a ?b]]`.
    Tuple,
    /// One value or none: `[:find ?a .]`.
    Scalar,
}

/// What the keys of rows are in EDN, where a query asked for maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKeys {
    /// `:keys`
    Keywords,
    /// `:strs`
    Strings,
    /// `:syms`
    Symbols,
}

/// What is known of a result before its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The shape.
    pub shape: Shape,
    /// The names of the columns; doubled ones are told apart by the writer.
    pub columns: Vec<String>,
    /// In EDN, rows are maps with such keys rather than vectors.
    pub keys: Option<RowKeys>,
}

impl Layout {
    /// Rows with these columns.
    pub fn relation<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        Self { shape: Shape::Relation, columns, keys: None }
    }
}

/// Writes the rows of one result in one format.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    shape: Shape,
    names: Vec<String>,
    keys: Option<Vec<Value>>,
    rows: u64,
    table: Table,
}

/// How wide a single value is printed in EDN.
const WIDTH: usize = 100;

impl Writer {
    /// A writer for a result that looks like this.
    pub fn new(format: Format, layout: Layout) -> Self {
        let names = unique_names(layout.columns);
        let key = |keys: RowKeys, name: &String| match keys {
            RowKeys::Keywords => Value::keyword(name),
            RowKeys::Strings => Value::str(name),
            RowKeys::Symbols => Value::Symbol(Symbol::new(name)),
        };
        let keys = layout.keys.map(|keys| names.iter().map(|name| key(keys, name)).collect());
        let table = if format == Format::Txt { Table::new(&names) } else { Table::default() };
        Self { format, shape: layout.shape, names, keys, rows: 0, table }
    }

    /// Whether columns are aligned: who passes many rows passes all of them to
    /// [`measure`](Self::measure) first.
    pub fn is_aligned(&self) -> bool {
        self.format == Format::Txt
    }

    /// Before [`start`](Self::start): makes room for a row that will come.
    pub fn measure(&mut self, row: &[Value]) {
        self.table.measure(row);
    }

    /// What stands before the rows.
    pub fn start(&self, out: &mut String) {
        let many = matches!(self.shape, Shape::Relation | Shape::Collection);
        let names: Vec<Value> = self.names.iter().map(|name| Value::str(name)).collect();
        match self.format {
            Format::Csv => self.cells(&names, ",", cell::csv, out),
            Format::Tsv => self.cells(&names, "\t", cell::tsv, out),
            Format::Md => {
                self.md_row(&names, out);
                out.push('|');
                out.push_str(&" --- |".repeat(self.names.len()));
                out.push('\n');
            }
            Format::Json | Format::Edn if many => out.push('['),
            Format::Txt => self.table.start(out),
            _ => {}
        }
    }

    /// A row; values that are missing at its end are nil.
    pub fn row(&mut self, row: &[Value], out: &mut String) {
        let first = self.rows == 0;
        self.rows += 1;
        match self.format {
            Format::Csv => self.cells(row, ",", cell::csv, out),
            Format::Tsv => self.cells(row, "\t", cell::tsv, out),
            Format::Md => self.md_row(row, out),
            Format::Txt => self.table.row(row, out),
            Format::Json => {
                out.push_str(if first { "" } else { ",\n " });
                self.json_row(row, out);
            }
            Format::Jsonl => {
                self.json_row(row, out);
                out.push('\n');
            }
            Format::Edn => {
                out.push_str(if first { "" } else { "\n " });
                self.edn_row(row, out);
            }
        }
    }

    /// What stands after the rows.
    pub fn finish(&mut self, out: &mut String) {
        let many = matches!(self.shape, Shape::Relation | Shape::Collection);
        match self.format {
            Format::Json | Format::Edn if many => out.push_str("]\n"),
            Format::Json if self.rows == 0 => out.push_str("null\n"),
            Format::Edn if self.rows == 0 => out.push_str("nil\n"),
            Format::Json | Format::Edn => out.push('\n'),
            Format::Txt => std::mem::take(&mut self.table).finish(out),
            Format::Csv | Format::Tsv | Format::Md | Format::Jsonl => {}
        }
    }

    fn cells(
        &self,
        row: &[Value],
        separator: &str,
        write: fn(&Value, &mut String),
        out: &mut String,
    ) {
        let padded = row.iter().chain(std::iter::repeat(&Value::Nil)).take(self.names.len());
        for (i, value) in padded.enumerate() {
            out.push_str(if i == 0 { "" } else { separator });
            write(value, out);
        }
        out.push('\n');
    }

    fn md_row(&self, row: &[Value], out: &mut String) {
        out.push_str("| ");
        self.cells(row, " | ", cell::md, out);
        out.pop();
        out.push_str(" |\n");
    }

    fn json_row(&self, row: &[Value], out: &mut String) {
        match self.shape {
            Shape::Relation | Shape::Tuple => {
                let padded = row.iter().chain(std::iter::repeat(&Value::Nil));
                write_object(self.names.iter().zip(padded), out);
            }
            Shape::Collection | Shape::Scalar => {
                write_json(row.first().unwrap_or(&Value::Nil), out);
            }
        }
    }

    fn edn_row(&self, row: &[Value], out: &mut String) {
        // Writing to a string does not fail.
        let _ = match (self.shape, &self.keys) {
            (Shape::Scalar, _) => print_pretty(row.first().unwrap_or(&Value::Nil), WIDTH, out),
            (Shape::Collection, _) => print(row.first().unwrap_or(&Value::Nil), out),
            (_, None) => print(&Value::Vector(row.into()), out),
            (_, Some(keys)) => {
                print(&Value::map(keys.iter().cloned().zip(row.iter().cloned()).collect()), out)
            }
        };
    }
}

/// The text of a whole result.
pub fn write_all<'a>(
    format: Format,
    layout: Layout,
    rows: impl IntoIterator<Item = &'a [Value]>,
) -> String {
    let mut out = String::new();
    let mut writer = Writer::new(format, layout);
    writer.start(&mut out);
    for row in rows {
        writer.row(row, &mut out);
    }
    writer.finish(&mut out);
    out
}
