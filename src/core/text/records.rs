//! Reads records of csv and tsv, one at a time as bytes arrive.
//!
//! **Invariant:** the same records come out however the bytes are cut; each byte is looked at a
//! bounded number of times; a cell that was quoted is text, whatever it holds. What the columns
//! mean is the caller's.

use super::Format;
use super::cell::RETRACT;

/// A cell as it is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Empty: it says nothing.
    Nothing,
    /// `\N`: what was there is to be retracted.
    Retract,
    /// A text, perhaps the empty one.
    Text(String),
}

/// A record and the line on which it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// From 1.
    pub line: u64,
    /// A blank line has one cell.
    pub cells: Vec<Cell>,
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum RecordError {
    #[error("line {line}: bytes that are not UTF-8")]
    NotUtf8 { line: u64 },
    #[error("line {line}, cell {cell}: a quote inside a cell that does not begin with one")]
    StrayQuote { line: u64, cell: usize },
    #[error("line {line}, cell {cell}: text after the closing quote")]
    AfterQuote { line: u64, cell: usize },
    #[error("line {line}: the text ends inside a quoted cell of this record")]
    OpenQuote { line: u64 },
    #[error("line {line}, cell {cell}: a backslash is followed by t, n, r, \" or a backslash")]
    Escape { line: u64, cell: usize },
}

/// A reader of records.
#[derive(Debug)]
pub struct Records {
    /// Quoted cells over several lines: csv.
    quotes: bool,
    bytes: Vec<u8>,
    /// Where the record that is not complete starts.
    at: usize,
    scanned: usize,
    in_quotes: bool,
    line: u64,
}

impl Records {
    /// Of csv, or of tsv if that is the format.
    pub fn new(format: Format) -> Self {
        let quotes = format != Format::Tsv;
        Self { quotes, bytes: Vec::new(), at: 0, scanned: 0, in_quotes: false, line: 1 }
    }

    /// Takes bytes; they may end anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        // At least half goes, so each byte moves once on average.
        if self.at > self.bytes.len() / 2 {
            self.bytes.drain(..self.at);
            self.scanned -= self.at;
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next record, or `None` until more bytes come.
    pub fn next_record(&mut self) -> Result<Option<Record>, RecordError> {
        while let Some(&byte) = self.bytes.get(self.scanned) {
            self.scanned += 1;
            match byte {
                b'"' if self.quotes => self.in_quotes = !self.in_quotes,
                b'\n' if !self.in_quotes => return self.record(self.scanned - 1).map(Some),
                _ => {}
            }
        }
        Ok(None)
    }

    /// As [`next_record`](Self::next_record), knowing that no more bytes come: the last line needs
    /// no newline.
    pub fn finish(&mut self) -> Result<Option<Record>, RecordError> {
        match self.next_record()? {
            Some(record) => Ok(Some(record)),
            None if self.at == self.bytes.len() => Ok(None),
            None if self.in_quotes => Err(RecordError::OpenQuote { line: self.line }),
            None => self.record(self.bytes.len()).map(Some),
        }
    }

    fn record(&mut self, end: usize) -> Result<Record, RecordError> {
        let line = self.line;
        let mut bytes = &self.bytes[self.at..end];
        self.line += 1 + bytes.iter().filter(|b| **b == b'\n').count() as u64;
        self.at = self.scanned;
        if line == 1 {
            bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        }
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::NotUtf8 { line })?;
        let cells = if self.quotes { csv(text, line)? } else { tsv(text, line)? };
        Ok(Record { line, cells })
    }
}

fn csv(text: &str, line: u64) -> Result<Vec<Cell>, RecordError> {
    let mut cells = Vec::new();
    let mut rest = text;
    loop {
        let number = cells.len() + 1;
        let (cell, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (text, after) = quoted_text(quoted).ok_or(RecordError::OpenQuote { line })?;
                (Cell::Text(text), after)
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (text, after) = rest.split_at(end);
                if text.contains('"') {
                    return Err(RecordError::StrayQuote { line, cell: number });
                }
                (unquoted(text), after)
            }
        };
        cells.push(cell);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(cells),
            None => return Err(RecordError::AfterQuote { line, cell: number }),
        }
    }
}

/// The text up to the closing quote, and what is after it.
fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        out.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                out.push('"');
                rest = after;
            }
            None => return Some((out, after)),
        }
    }
}

fn unquoted(text: &str) -> Cell {
    match text {
        "" => Cell::Nothing,
        RETRACT => Cell::Retract,
        text => Cell::Text(text.to_owned()),
    }
}

fn tsv(text: &str, line: u64) -> Result<Vec<Cell>, RecordError> {
    let cell = |(i, text): (usize, &str)| match text {
        "\"\"" => Ok(Cell::Text(String::new())),
        "" | RETRACT => Ok(unquoted(text)),
        text => unescape(text).map(Cell::Text).ok_or(RecordError::Escape { line, cell: i + 1 }),
    };
    text.split('\t').enumerate().map(cell).collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                c @ ('"' | '\\') => c,
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}
