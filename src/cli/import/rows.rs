//! Reads the rows of an input, whatever its format.
//!
//! **Invariant:** rows come in the order of the input and one at a time (an array of JSON is read
//! whole); each knows the line it starts on. What a name or a cell means is not known here.

use crate::cli::exit::Problem;
use crate::cli::forms::{Forms, Source};
use anyhow::Context;
use factfs_core::edn::{Form, FormKind};
use factfs_core::import::{ImportProblem, Names, Row, header, object, object_line, row};
use factfs_core::text::{Format, Record, Records};
use factfs_store::Kind;
use serde_json::Value as Json;
use std::cell::Cell as Counter;
use std::io::{BufRead, BufReader, Read};
use std::rc::Rc;
use std::sync::Arc;

/// What an input holds.
#[derive(Clone, Debug)]
pub enum Item {
    /// An entity in columns.
    Row(Row),
    /// An entity as a map of EDN.
    Entity(Form),
    /// A transaction of its own, as a vector of EDN.
    Transaction(Form),
}

/// The rows of an input.
pub struct Rows {
    name: String,
    input: Input,
    consumed: Rc<Counter<u64>>,
}

enum Input {
    Table { bytes: BufReader<Counted>, records: Records, header: Vec<Arc<str>>, ended: bool },
    Lines { bytes: BufReader<Counted>, line: u64, text: Vec<u8>, names: Names },
    Array(std::iter::Enumerate<std::vec::IntoIter<Json>>),
    Forms(Forms),
}

/// Counts what is read, for those who want to see how far it is.
struct Counted {
    input: Box<dyn Read>,
    bytes: Rc<Counter<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.bytes.set(self.bytes.get() + length as u64);
        Ok(length)
    }
}

impl Rows {
    /// Opens an input and reads its header, if its format has one.
    pub fn open(source: Source, format: Format) -> anyhow::Result<Self> {
        let name = source.name();
        let consumed = Rc::new(Counter::new(0));
        let bytes = |source: Source| -> anyhow::Result<_> {
            let input = source.open()?;
            Ok(BufReader::new(Counted { input, bytes: consumed.clone() }))
        };
        let input = match format {
            Format::Csv | Format::Tsv => {
                let records = Records::new(format);
                Input::Table { bytes: bytes(source)?, records, header: vec![], ended: false }
            }
            Format::Jsonl => {
                let (bytes, names) = (bytes(source)?, Names::default());
                Input::Lines { bytes, line: 0, text: Vec::new(), names }
            }
            Format::Json => {
                let rows: Vec<Json> = serde_json::from_reader(bytes(source)?)
                    .with_context(|| format!("{name}: not an array of objects"))?;
                Input::Array(rows.into_iter().enumerate())
            }
            Format::Edn => Input::Forms(Forms::open(source)?),
            Format::Txt | Format::Md => {
                let text = format!("{name}: `{}` can be written, not read", format.extension());
                return Err(Problem::new(Kind::Unsupported, text).into());
            }
        };
        let mut rows = Self { name, input, consumed };
        rows.read_header()?;
        Ok(rows)
    }

    /// How errors name the input.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes were read.
    pub fn consumed(&self) -> u64 {
        match &self.input {
            Input::Forms(forms) => forms.consumed(),
            _ => self.consumed.get(),
        }
    }

    /// The next row.
    pub fn next_item(&mut self) -> anyhow::Result<Option<Item>> {
        let item = self.read_item();
        item.with_context(|| self.name.clone())
    }

    fn read_item(&mut self) -> anyhow::Result<Option<Item>> {
        match &mut self.input {
            Input::Forms(forms) => Ok(match forms.next_form()? {
                Some(form) if matches!(form.kind, FormKind::Map(_)) => Some(Item::Entity(form)),
                Some(form) if matches!(form.kind, FormKind::Vector(_)) => {
                    Some(Item::Transaction(form))
                }
                Some(form) => {
                    let text = format!("{}: a map or a vector is expected", form.span);
                    return Err(Problem::invalid(text).into());
                }
                None => None,
            }),
            Input::Array(items) => Ok(items
                .next()
                .map(|(i, json)| object(json, i as u64 + 1, "item").map(Item::Row))
                .transpose()
                .map_err(Problem::from)?),
            Input::Lines { bytes, line, text, names } => {
                Ok(json_line(bytes, line, text, names)?.map(Item::Row))
            }
            Input::Table { .. } => loop {
                let Some(record) = self.record()? else { return Ok(None) };
                let Input::Table { header, .. } = &self.input else { return Ok(None) };
                if let Some(row) = row(header, record).map_err(Problem::from)? {
                    return Ok(Some(Item::Row(row)));
                }
            },
        }
    }

    fn read_header(&mut self) -> anyhow::Result<()> {
        if !matches!(self.input, Input::Table { .. }) {
            return Ok(());
        }
        let record = self.record().with_context(|| self.name.clone())?;
        let read = record.ok_or_else(|| ImportProblem::NoHeader.into()).and_then(header);
        let names = read.map_err(|error| Problem::from(error).at(&self.name))?;
        if let Input::Table { header, .. } = &mut self.input {
            *header = names;
        }
        Ok(())
    }

    fn record(&mut self) -> anyhow::Result<Option<Record>> {
        let Input::Table { bytes, records, ended, .. } = &mut self.input else { return Ok(None) };
        loop {
            if *ended {
                return Ok(records.finish()?);
            }
            if let Some(record) = records.next_record()? {
                return Ok(Some(record));
            }
            let chunk = bytes.fill_buf()?;
            let length = chunk.len();
            records.push(chunk);
            bytes.consume(length);
            *ended = length == 0;
        }
    }
}

fn json_line(
    bytes: &mut impl BufRead,
    line: &mut u64,
    text: &mut Vec<u8>,
    names: &mut Names,
) -> anyhow::Result<Option<Row>> {
    loop {
        text.clear();
        if bytes.read_until(b'\n', text)? == 0 {
            return Ok(None);
        }
        *line += 1;
        if !text.trim_ascii().is_empty() {
            break;
        }
    }
    Ok(Some(object_line(text, *line, names).map_err(Problem::from)?))
}
