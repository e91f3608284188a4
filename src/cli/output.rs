//! What goes to standard output: rows of a result, one value, or a line for each thing as it
//! happens.
//!
//! **Invariant:** without `--format` a result is an aligned table (`txt`) on a terminal and `csv`
//! elsewhere; reports and single values are EDN. The bytes depend on the format and the rows alone.

use factfs_core::edn;
use factfs_core::text::{Format, Layout, Shape, Writer};
use factfs_core::value::Value;
use std::io::{self, BufWriter, IsTerminal, Write};

/// How much text is gathered before it is written.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where results go and how they look.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    format: Option<Format>,
    terminal: bool,
}

impl Output {
    /// Standard output in this format, or in the one that suits it.
    pub fn new(format: Option<Format>) -> Self {
        Self { format, terminal: io::stdout().is_terminal() }
    }

    /// The format of rows.
    fn of_rows(self, shape: Shape) -> Format {
        let usual = match (shape, self.terminal) {
            (Shape::Scalar, _) => Format::Edn,
            (_, true) => Format::Txt,
            (_, false) => Format::Csv,
        };
        self.format.unwrap_or(usual)
    }

    /// Writes rows as they are made, and says how many. Where making them fails the text has no
    /// end.
    pub fn made_rows<R>(
        self,
        layout: Layout,
        rows: impl IntoIterator<Item = anyhow::Result<R>>,
    ) -> anyhow::Result<u64>
    where
        R: AsRef<[Value]>,
    {
        let mut out = BufWriter::new(io::stdout().lock());
        let mut writer = Writer::new(self.of_rows(layout.shape), layout);
        let (mut text, mut count) = (String::new(), 0);
        writer.start(&mut text);
        for row in rows {
            writer.row(row?.as_ref(), &mut text);
            count += 1;
            if text.len() >= CHUNK_BYTES {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        writer.finish(&mut text);
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(count)
    }

    /// Writes a whole result.
    pub fn rows<R>(self, layout: Layout, rows: impl IntoIterator<Item = R>) -> io::Result<()>
    where
        R: AsRef<[Value]>,
    {
        let mut out = BufWriter::new(io::stdout().lock());
        let mut writer = Writer::new(self.of_rows(layout.shape), layout);
        let mut text = String::new();
        writer.start(&mut text);
        for row in rows {
            writer.row(row.as_ref(), &mut text);
            if text.len() >= CHUNK_BYTES {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        writer.finish(&mut text);
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes one value: EDN unless told otherwise.
    pub fn value(self, value: &Value) -> io::Result<()> {
        let format = self.format.unwrap_or(Format::Edn);
        let output = Self { format: Some(format), ..self };
        let layout = Layout { shape: Shape::Scalar, columns: vec!["value".into()], keys: None };
        output.rows(layout, [[value.clone()]])
    }

    /// Writes named properties of one thing: an object where the format has them, else a row each.
    pub fn properties(self, properties: Vec<(&str, Value)>) -> io::Result<()> {
        let format = self.of_rows(Shape::Tuple);
        if matches!(format, Format::Json | Format::Jsonl | Format::Edn) {
            let key = |(name, value): (&str, Value)| (Value::keyword(name), value);
            return self.value(&Value::map(properties.into_iter().map(key).collect()));
        }
        let rows = properties.into_iter().map(|(name, value)| [Value::str(name), value]);
        self.rows(Layout::relation(["property", "value"]), rows)
    }

    /// Lines that are written, each at once, as things happen.
    pub fn lines(self) -> Lines {
        Lines { format: self.format.unwrap_or(Format::Edn), writer: None }
    }
}

/// One line for each thing that happens, out at once.
pub struct Lines {
    format: Format,
    writer: Option<Writer>,
}

impl Lines {
    /// Writes a line. Each has the same names.
    pub fn line(&mut self, fields: Vec<(&str, Value)>) -> io::Result<()> {
        let mut text = String::new();
        if self.format == Format::Edn {
            let key = |(name, value): (&str, Value)| (Value::keyword(name), value);
            let present = fields.into_iter().filter(|(_, value)| !matches!(value, Value::Nil));
            text = edn::to_string(&Value::map(present.map(key).collect()));
            text.push('\n');
        } else {
            let (names, row): (Vec<&str>, Vec<Value>) = fields.into_iter().unzip();
            let format = match self.format {
                Format::Json => Format::Jsonl,
                // A table is aligned when all rows are known; these come one at a time.
                Format::Txt => Format::Tsv,
                format => format,
            };
            let first = self.writer.is_none();
            let writer =
                self.writer.get_or_insert_with(|| Writer::new(format, Layout::relation(names)));
            if first {
                writer.start(&mut text);
            }
            writer.row(&row, &mut text);
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Writes a text to standard output.
pub fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
