//! A file of rows as a relation: a source of a query that is matched by position.
//!
//! **Invariant:** rows come in the order of the text and all have as many values as there are
//! columns. A cell is read by the type that its column is given, exactly or as an error that names
//! the line and the column. Without one a column of csv or tsv is of the narrowest type that all of
//! its cells are written as; JSON and EDN have types of their own. What a row does not say is nil.

use super::error::{ImportError, ImportProblem};
use super::rows::{array, header, json_error};
use crate::edn::{self, EdnError, Form, FormKind};
use crate::text::{
    Cell, Format, Record, RecordError, Records, from_json, from_json_as, parse_cell, type_of_both,
    type_of_text,
};
use crate::value::{Tag, Value};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The formats that rows are read from.
pub const READ: [Format; 5] = [Format::Csv, Format::Tsv, Format::Json, Format::Jsonl, Format::Edn];

/// How much is looked at together.
const PIECE: usize = 1 << 16;

/// Passes each row on, and gives the names of the columns; those that have none are numbers from 1.
/// `types` are those of the first columns, and there must be as many columns as types.
pub fn relation<E: From<ImportError> + From<EdnError>>(
    bytes: &[u8],
    format: Format,
    types: &[Option<Tag>],
    row: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<Vec<Arc<str>>, E> {
    match format {
        Format::Csv | Format::Tsv => table(bytes, format, types, row),
        Format::Json => {
            let items = array(bytes)?.into_iter().enumerate();
            let items = items.map(|(i, json)| (i as u64 + 1, json)).collect();
            objects(items, "item", types, row)
        }
        Format::Jsonl => objects(lines(bytes)?, "line", types, row),
        Format::Edn => forms(bytes, types, row),
        Format::Txt | Format::Md => {
            Err(ImportError::from(ImportProblem::NoRows { format: format.extension() }).into())
        }
    }
}

/// What was seen in a column.
#[derive(Clone, Copy, Default)]
struct Seen {
    of: Option<Tag>,
    /// Whether an integer in it is no double.
    is_long: bool,
}

impl Seen {
    fn see(&mut self, text: &str) {
        if self.of == Some(Tag::Str) {
            return;
        }
        let of = type_of_text(text);
        self.is_long |= of == Tag::Long && parse_cell(text, Tag::Double).is_err();
        self.of = Some(self.of.map_or(of, |before| type_of_both(before, of)));
    }

    fn tag(self) -> Tag {
        match self.of {
            Some(Tag::Double) if self.is_long => Tag::BigDec,
            of => of.unwrap_or(Tag::Str),
        }
    }
}

fn table<E: From<ImportError>>(
    bytes: &[u8],
    format: Format,
    types: &[Option<Tag>],
    row: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<Vec<Arc<str>>, E> {
    let mut names = Vec::new();
    let mut seen: Vec<Seen> = Vec::new();
    let given = |at: usize| types.get(at).copied().flatten();
    each_record::<E>(bytes, format, &mut |record| {
        if names.is_empty() {
            names = header(record)?;
            seen = vec![Seen::default(); names.len()];
            return Ok(enough(&names, types)?);
        }
        let cells = cells(record, &names)?;
        for (at, (cell, seen)) in cells.1.iter().zip(&mut seen).enumerate() {
            if let (Cell::Text(text), None) = (cell, given(at)) {
                seen.see(text);
            }
        }
        Ok(())
    })?;
    if names.is_empty() {
        return Err(ImportError::from(ImportProblem::NoHeader).into());
    }
    let tags = seen.iter().enumerate().map(|(at, seen)| given(at).unwrap_or_else(|| seen.tag()));
    let tags: Vec<Tag> = tags.collect();
    let mut is_header = true;
    each_record::<E>(bytes, format, &mut |record| {
        if std::mem::take(&mut is_header) {
            return Ok(());
        }
        let (line, cells) = cells(record, &names)?;
        if cells.is_empty() {
            return Ok(());
        }
        let value = |(at, cell): (usize, Cell)| match cell {
            Cell::Nothing | Cell::Retract => Ok(Value::Nil),
            Cell::Text(text) => parse_cell(&text, tags[at])
                .map_err(|error| ImportProblem::from(error).in_column(line, &names[at])),
        };
        let values: Result<Vec<Value>, ImportError> =
            cells.into_iter().enumerate().map(value).collect();
        row(values?)
    })?;
    Ok(names)
}

/// The line and the cells of a record, as many as there are columns; none of a blank line.
fn cells(record: Record, names: &[Arc<str>]) -> Result<(u64, Vec<Cell>), ImportError> {
    let Record { line, cells } = record;
    if cells == [Cell::Nothing] {
        return Ok((line, Vec::new()));
    }
    if cells.len() != names.len() {
        let (cells, header) = (cells.len(), names.len());
        return Err(ImportProblem::Cells { cells, header }.on_line(line));
    }
    Ok((line, cells))
}

fn each_record<E: From<ImportError>>(
    bytes: &[u8],
    format: Format,
    take: &mut dyn FnMut(Record) -> Result<(), E>,
) -> Result<(), E> {
    let mut records = Records::new(format);
    for piece in bytes.chunks(PIECE) {
        records.push(piece);
        while let Some(record) = records.next_record().map_err(ImportError::from)? {
            take(record)?;
        }
    }
    match records.finish().map_err(ImportError::from)? {
        Some(record) => take(record),
        None => Ok(()),
    }
}

/// Whether there is a column for each that is asked for.
fn enough(names: &[Arc<str>], types: &[Option<Tag>]) -> Result<(), ImportError> {
    if names.len() >= types.len() {
        return Ok(());
    }
    let columns = names.join(", ");
    Err(ImportProblem::Columns { wanted: types.len(), found: names.len(), columns }.into())
}

fn lines(bytes: &[u8]) -> Result<Vec<(u64, Json)>, ImportError> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    let lines = lines.filter(|(line, _)| !line.trim_ascii().is_empty());
    let read = |(text, line): (&[u8], u64)| {
        let json = serde_json::from_slice(text.trim_ascii_end());
        Ok((line, json.map_err(|error| json_error(&error, line))?))
    };
    lines.map(read).collect()
}

/// Objects have columns by name, in the order in which names first come; arrays by position; all
/// else is the value of one column.
fn objects<E: From<ImportError>>(
    items: Vec<(u64, Json)>,
    unit: &'static str,
    types: &[Option<Tag>],
    row: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<Vec<Arc<str>>, E> {
    let mut columns = Columns::default();
    for (number, item) in &items {
        match item {
            Json::Object(entries) => entries.keys().for_each(|name| columns.name(name)),
            Json::Array(cells) => columns.count(cells.len()),
            _ => columns.count(1),
        }
        columns.one_kind(matches!(item, Json::Object(_)), unit, *number)?;
    }
    let names = columns.all();
    if !items.is_empty() {
        enough(&names, types)?;
    }
    for (number, item) in items {
        let cells: Vec<Json> = match item {
            Json::Object(mut entries) => {
                names.iter().map(|name| entries.remove(&**name).unwrap_or(Json::Null)).collect()
            }
            Json::Array(cells) => cells,
            other => vec![other],
        };
        let value = |(at, json): (usize, &Json)| {
            let read = match types.get(at).copied().flatten() {
                Some(tag) => from_json_as(json, tag),
                None => from_json(json),
            };
            read.map_err(|error| ImportProblem::from(error).in_column(number, &names[at]))
        };
        let values: Result<Vec<Value>, ImportError> = cells.iter().enumerate().map(value).collect();
        row(filled(values?, names.len()))?;
    }
    Ok(names)
}

fn filled(mut values: Vec<Value>, width: usize) -> Vec<Value> {
    values.resize(width, Value::Nil);
    values
}

/// The columns of rows that have names each, or none.
#[derive(Default)]
struct Columns {
    /// In the order in which they first came.
    names: Vec<Arc<str>>,
    known: BTreeSet<Arc<str>>,
    count: usize,
    are_named: Option<bool>,
}

impl Columns {
    fn name(&mut self, name: &str) {
        if !self.known.contains(name) {
            let name: Arc<str> = name.into();
            self.names.push(name.clone());
            self.known.insert(name);
        }
    }

    fn count(&mut self, cells: usize) {
        self.count = self.count.max(cells);
    }

    /// Rows with names and rows without have no columns together.
    fn one_kind(
        &mut self,
        is_named: bool,
        unit: &'static str,
        number: u64,
    ) -> Result<(), ImportError> {
        match *self.are_named.get_or_insert(is_named) == is_named {
            true => Ok(()),
            false => Err(ImportProblem::MixedRows { unit, number }.into()),
        }
    }

    fn all(self) -> Vec<Arc<str>> {
        match self.are_named {
            Some(true) => self.names,
            _ => (1..=self.count).map(|number| number.to_string().into()).collect(),
        }
    }
}

/// A collection of rows: vectors and lists by position, maps by the names of their keys; a map of
/// all is rows of key and value.
fn forms<E: From<ImportError> + From<EdnError>>(
    bytes: &[u8],
    types: &[Option<Tag>],
    row: &mut dyn FnMut(Vec<Value>) -> Result<(), E>,
) -> Result<Vec<Arc<str>>, E> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() as u64;
        ImportError::from(RecordError::NotUtf8 { line })
    })?;
    let form = edn::read_one(text)?;
    let pairs: Vec<Vec<Value>>;
    let (items, lines) = match &form.kind {
        FormKind::Map(entries) => {
            pairs = entries.iter().map(|(k, v)| vec![k.to_value(), v.to_value()]).collect();
            (Vec::new(), pairs)
        }
        _ => {
            let items = form.as_seq().or_else(|| form.as_set());
            let shown = || form.kind_name().to_owned();
            let none = || ImportError::from(ImportProblem::NoRelation { shown: shown() });
            (items.ok_or_else(none)?.iter().collect::<Vec<_>>(), Vec::new())
        }
    };
    let mut columns = Columns::default();
    columns.count(if lines.is_empty() { 0 } else { 2 });
    for item in &items {
        match (item.as_map(), item.as_seq()) {
            (Some(entries), _) => entries.iter().for_each(|(key, _)| columns.name(&name_of(key))),
            (None, cells) => columns.count(cells.map_or(1, <[Form]>::len)),
        }
        columns.one_kind(item.as_map().is_some(), "line", u64::from(item.span.line))?;
    }
    let names = columns.all();
    if !(items.is_empty() && lines.is_empty()) {
        enough(&names, types)?;
    }
    lines.into_iter().try_for_each(&mut *row)?;
    for item in items {
        let values = match (item.as_map(), item.as_seq()) {
            (Some(entries), _) => {
                let of = |name: &Arc<str>| {
                    let found = entries.iter().find(|(key, _)| *name_of(key) == **name);
                    found.map_or(Value::Nil, |(_, value)| value.to_value())
                };
                names.iter().map(of).collect()
            }
            (None, Some(cells)) => cells.iter().map(Form::to_value).collect(),
            (None, None) => vec![item.to_value()],
        };
        row(filled(values, names.len()))?;
    }
    Ok(names)
}

/// What a key of a map is called.
fn name_of(key: &Form) -> String {
    match (key.as_keyword(), key.as_str()) {
        (Some(name), _) => name.as_str().to_owned(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => key.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edn::to_string;

    #[derive(Debug)]
    struct Said(String);

    impl From<ImportError> for Said {
        fn from(error: ImportError) -> Self {
            Self(error.to_string())
        }
    }

    impl From<EdnError> for Said {
        fn from(error: EdnError) -> Self {
            Self(error.to_string())
        }
    }

    fn read(text: &str, format: Format, types: &[Option<Tag>]) -> Result<String, String> {
        let mut rows = Vec::new();
        let names = relation::<Said>(text.as_bytes(), format, types, &mut |row| {
            rows.push(to_string(&Value::from(row)));
            Ok(())
        });
        let names = names.map_err(|said| said.0)?;
        Ok(format!("{}: {}", names.join(" "), rows.join(" ")))
    }

    #[track_caller]
    fn check(text: &str, format: Format, expected: &str) {
        assert_eq!(read(text, format, &[]).as_deref(), Ok(expected), "{text}");
    }

    #[track_caller]
    fn refused(text: &str, format: Format, types: &[Option<Tag>], expected: &str) {
        assert_eq!(read(text, format, types).unwrap_err(), expected, "{text}");
    }

    #[test]
    fn a_column_of_csv_is_of_the_narrowest_type_of_its_cells() {
        let text = "a,b,c,d,e\n1,1,007,true,x\n2,1.5,12,false,\n\n3,,1,,\"1,2\"\n";
        let rows = r#"[1 1.0 "007" true "x"] [2 1.5 "12" false nil] [3 nil "1" nil "1,2"]"#;
        check(text, Format::Csv, &format!("a b c d e: {rows}"));
        check("a\tb\n1\tx\\ty", Format::Tsv, "a b: [1 \"x\\ty\"]");
        check("a\n9007199254740993\n0.5\n", Format::Csv, "a: [9007199254740993M] [0.5M]");
        check("a,b\r\n1,x\r\n", Format::Csv, "a b: [1 \"x\"]");
        check("a,b\n", Format::Csv, "a b: ");
    }

    #[test]
    fn a_given_type_is_kept_exactly_or_refused() {
        let types = [Some(Tag::Str), Some(Tag::Long)];
        let said = read("a,b\n1,2\n", Format::Csv, &types);
        assert_eq!(said.unwrap(), "a b: [\"1\" 2]");
        let inexact = "line 3, column `b`: `2.5` is not exact as a long";
        refused("a,b\n1,2\n1,2.5\n", Format::Csv, &types, inexact);
        let few = "3 columns are asked for, and there are 2: a, b";
        refused("a,b\n", Format::Csv, &[None, None, None], few);
        refused(
            "[[1, 2]]",
            Format::Json,
            &[None, None, None],
            few.replace("a, b", "1, 2").as_str(),
        );
        assert_eq!(read("[]", Format::Json, &types).unwrap(), ": ");
    }

    #[test]
    fn what_is_malformed_is_told_with_its_line() {
        refused("a,b\n1,2\n1\n", Format::Csv, &[], "line 3: 1 cells under a header of 2");
        refused(
            "a,b\n\"1,2\n",
            Format::Csv,
            &[],
            "line 2: the text ends inside a quoted cell of this record",
        );
        refused("", Format::Csv, &[], "the header is missing: the file is empty");
        refused("{\"a\": 1}\n{\"a\" 1}\n", Format::Jsonl, &[], "line 2, column 6: expected `:`");
        let open = "line 1, column 1: the text ends inside a vector that starts here\n  [[1]\n  ^";
        refused("[[1]\n 2", Format::Edn, &[], open);
        refused("12", Format::Edn, &[], "a collection of rows is expected, not a number");
        refused("[[1], {\"a\": 1}]", Format::Json, &[], "item 2: rows with names and rows without");
    }

    #[test]
    fn objects_have_columns_by_name_and_arrays_by_position() {
        let text = "[{\"b\": 1, \"a\": \"x\"}, {\"a\": \"7\", \"c\": null, \"d\": 2.5}]";
        check(text, Format::Json, "b a c d: [1 \"x\" nil nil] [nil \"7\" nil 2.5]");
        check("[[1, \"x\"], [2]]", Format::Json, "1 2: [1 \"x\"] [2 nil]");
        check("\"x\"\n\n\"y\"\n", Format::Jsonl, "1: [\"x\"] [\"y\"]");
        check("#{[1 :a]}", Format::Edn, "1 2: [1 :a]");
        check("({:a 1 :b/c 2} {:b/c 3})", Format::Edn, "a b/c: [1 2] [nil 3]");
        check("{\"A\" 1}", Format::Edn, "1 2: [\"A\" 1]");
    }
}
