//! Rows of text, whatever its format.
//!
//! **Invariant:** rows come in the order of the text; each knows the line it starts on. What a name
//! or a cell means is not known here.

use super::error::{ImportError, ImportProblem};
use super::scan::{self, Names};
use crate::text::{Cell, Format, Record, Records};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a row says in one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// A text, to be read by the type of the attribute.
    Text(String),
    /// A JSON value.
    Json(Json),
    /// What was there is to be retracted.
    Retract,
}

/// A row: names and what they are said to be. Columns that say nothing are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it starts, from 1.
    pub line: u64,
    /// In the order of the input.
    pub fields: Vec<(Arc<str>, Field)>,
}

/// The names of columns that the first record gives.
pub fn header(record: Record) -> Result<Vec<Arc<str>>, ImportError> {
    let name = |cell| match cell {
        Cell::Text(text) => text,
        Cell::Nothing | Cell::Retract => String::new(),
    };
    let names: Vec<Arc<str>> = record.cells.into_iter().map(|cell| name(cell).into()).collect();
    let mut seen = BTreeSet::new();
    let doubled = names.iter().position(|name| !seen.insert(name));
    match doubled {
        None => Ok(names),
        Some(i) => {
            let name = names[i].to_string();
            Err(ImportProblem::Doubled { number: i + 1, name }.into())
        }
    }
}

/// What a record says under a header; nothing if the line is blank.
pub fn row(header: &[Arc<str>], record: Record) -> Result<Option<Row>, ImportError> {
    let (line, cells) = (record.line, record.cells);
    if cells == [Cell::Nothing] && header.len() > 1 {
        return Ok(None);
    }
    if cells.len() > header.len() {
        let (cells, header) = (cells.len(), header.len());
        return Err(ImportProblem::Cells { cells, header }.on_line(line));
    }
    let field = |(name, cell): (&Arc<str>, Cell)| match cell {
        Cell::Nothing => None,
        Cell::Retract => Some((name.clone(), Field::Retract)),
        Cell::Text(text) => Some((name.clone(), Field::Text(text))),
    };
    Ok(Some(Row { line, fields: header.iter().zip(cells).filter_map(field).collect() }))
}

/// All rows of a whole text of csv or tsv.
pub fn table(bytes: &[u8], format: Format) -> Result<Vec<Row>, ImportError> {
    let mut records = Records::new(format);
    records.push(bytes);
    let Some(first) = records.finish()? else { return Err(ImportProblem::NoHeader.into()) };
    let names = header(first)?;
    let mut rows = Vec::new();
    while let Some(record) = records.finish()? {
        rows.extend(row(&names, record)?);
    }
    Ok(rows)
}

/// The row of a line that is one object of JSON.
pub fn object_line(text: &[u8], line: u64, names: &mut Names) -> Result<Row, ImportError> {
    if let Some(entries) = scan::object(text, names) {
        return Ok(said(line, entries));
    }
    let json = serde_json::from_slice(text.trim_ascii_end());
    object(json.map_err(|error| json_error(&error, line))?, line, "line")
}

/// The row that an object of JSON is: the `number`th of its kind.
pub fn object(json: Json, number: u64, unit: &'static str) -> Result<Row, ImportError> {
    let Json::Object(entries) = json else {
        return Err(ImportProblem::NoObject { unit, number }.into());
    };
    Ok(said(number, entries.into_iter().map(|(name, json)| (Arc::from(name), json))))
}

/// What a whole text of JSON holds: the items of an array, or the one thing that it is.
pub fn array(bytes: &[u8]) -> Result<Vec<Json>, ImportError> {
    match serde_json::from_slice(bytes) {
        Ok(Json::Array(items)) => Ok(items),
        Ok(other) => Ok(vec![other]),
        Err(error) => Err(json_error(&error, 1)),
    }
}

/// What is wrong with a text of JSON that begins on a line.
pub fn json_error(error: &serde_json::Error, first_line: u64) -> ImportError {
    let (line, column) = (first_line + (error.line() as u64).saturating_sub(1), error.column());
    let text = error.to_string();
    // Without its place, which counts from the beginning of the text.
    let reason =
        text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned());
    ImportProblem::Json { line, column, reason }.into()
}

fn said(line: u64, entries: impl IntoIterator<Item = (Arc<str>, Json)>) -> Row {
    let field = |json: Json| if json.is_null() { Field::Retract } else { Field::Json(json) };
    let fields = entries.into_iter().map(|(name, json)| (name, field(json)));
    Row { line, fields: fields.collect() }
}
