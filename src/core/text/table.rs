//! A table with aligned columns, for eyes.
//!
//! **Invariant:** columns are as wide as their widest cell on a terminal; numbers stand at the
//! right. The text of all cells is held until the end, unless their widths were measured before.

use super::cell;
use crate::value::Value;
use unicode_width::UnicodeWidthStr;

/// Between columns.
const GAP: &str = "  ";

#[derive(Debug, Default)]
pub(super) struct Table {
    text: String,
    /// Where each cell ends in the text, row by row, the header first.
    ends: Vec<usize>,
    columns: Vec<ColumnWidth>,
    is_measured: bool,
}

#[derive(Debug)]
struct ColumnWidth {
    width: usize,
    numbers: bool,
    values: bool,
}

impl Table {
    pub(super) fn new(names: &[String]) -> Self {
        let mut table = Self::default();
        for name in names {
            let start = table.text.len();
            cell::txt(&Value::str(name), &mut table.text);
            let width = table.text[start..].width();
            table.columns.push(ColumnWidth { width, numbers: true, values: false });
            table.ends.push(table.text.len());
        }
        table
    }

    /// Makes the columns wide enough for a row that will come.
    pub(super) fn measure(&mut self, row: &[Value]) {
        let (text, ends) = (self.text.len(), self.ends.len());
        self.hold(row);
        self.text.truncate(text);
        self.ends.truncate(ends);
        self.is_measured = true;
    }

    /// Writes the header, if all rows were measured.
    pub(super) fn start(&self, out: &mut String) {
        if self.is_measured {
            self.lines(out);
        }
    }

    pub(super) fn row(&mut self, row: &[Value], out: &mut String) {
        if !self.is_measured {
            return self.hold(row);
        }
        let (text, ends) = (self.text.len(), self.ends.len());
        self.hold(row);
        let mut start = text;
        let cells = self.ends[ends..].iter().map(|end| {
            let cell = &self.text[start..*end];
            start = *end;
            cell
        });
        line(cells.zip(&self.columns), out);
        self.text.truncate(text);
        self.ends.truncate(ends);
    }

    fn hold(&mut self, row: &[Value]) {
        for (i, column) in self.columns.iter_mut().enumerate() {
            let value = row.get(i).unwrap_or(&Value::Nil);
            let start = self.text.len();
            cell::txt(value, &mut self.text);
            column.width = column.width.max(self.text[start..].width());
            column.numbers &= value.is_number() || *value == Value::Nil;
            column.values |= *value != Value::Nil;
            self.ends.push(self.text.len());
        }
    }

    pub(super) fn finish(self, out: &mut String) {
        if !self.is_measured {
            self.lines(out);
        }
    }

    /// All that is held, the header first.
    fn lines(&self, out: &mut String) {
        let mut start = 0;
        for (row, ends) in self.ends.chunks(self.columns.len().max(1)).enumerate() {
            let cells = ends.iter().map(|end| {
                let cell = &self.text[start..*end];
                start = *end;
                cell
            });
            line(cells.zip(&self.columns), out);
            if row == 0 {
                let rules = self.columns.iter().map(|column| "-".repeat(column.width));
                out.push_str(&rules.collect::<Vec<_>>().join(GAP));
                out.push('\n');
            }
        }
    }
}

/// No blanks at the end of the line.
fn line<'a>(cells: impl Iterator<Item = (&'a str, &'a ColumnWidth)>, out: &mut String) {
    let mut pending = 0;
    for (i, (cell, column)) in cells.enumerate() {
        pending += if i == 0 { 0 } else { GAP.len() };
        let padding = column.width.saturating_sub(cell.width());
        let right = column.numbers && column.values;
        let (before, after) = if right { (padding, 0) } else { (0, padding) };
        pending += before;
        if !cell.is_empty() {
            out.extend(std::iter::repeat_n(' ', pending));
            out.push_str(cell);
            pending = 0;
        }
        pending += after;
    }
    out.push('\n');
}
