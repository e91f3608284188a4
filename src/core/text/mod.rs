//! Results as text: csv, tsv, json, jsonl, edn, aligned tables, markdown; and the way back for what
//! people edit.
//!
//! **Invariant:** rows are written in the order they come, each format says nil, the empty string
//! and every value apart, and a cell that [`parse_cell`] takes back by its type is the value that
//! was written. Columns have different names. Nothing is cut. Which order rows have, and what a
//! query's columns are, is decided before.
//!
//! | value | csv, tsv, txt, md | json, jsonl |
//! |---|---|---|
//! | nil | empty | `null` |
//! | string | text; the empty one is `""` | string |
//! | keyword | `:a/b` | `":a/b"` |
//! | long, bigint, bigdec, double, ref | digits | number, all digits |
//! | ratio, NaN, infinities | `1/2`, `NaN`, `-Infinity` | the same as a string |
//! | instant | RFC 3339, UTC | string |
//! | uuid, uri, symbol, char | text | string |
//! | bytes | base64 | string |
//! | vector, list, set | JSON text | array |
//! | map | JSON text | object; the key `:a/b` is `"a/b"` |

mod cell;
mod json;
mod kind;
mod names;
mod parse;
mod records;
mod table;
mod writer;

pub use cell::write_cell;
pub use json::{from_json, from_json_as, write_json};
pub use kind::{type_of_both, type_of_text};
pub use names::{column_name, unique_names};
pub use parse::{CellError, parse_cell};
pub use records::{Cell, Record, RecordError, Records};
pub use writer::{Layout, RowKeys, Shape, Writer, write_all};

/// A format of results, chosen by the extension of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Comma-separated values: RFC 4180 with newlines alone at line ends.
    Csv,
    /// Tab-separated values; tab, newline, return and backslash are `\t \n \r \\`.
    Tsv,
    /// JSON: one value.
    Json,
    /// JSON lines: a value a row.
    Jsonl,
    /// EDN: one value, a row a line.
    Edn,
    /// A table with aligned columns, to be looked at.
    Txt,
    /// A table of markdown.
    Md,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Csv, Self::Tsv, Self::Json, Self::Jsonl, Self::Edn, Self::Txt, Self::Md];

    /// The format with this extension (without the dot).
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// Its extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Edn => "edn",
            Self::Txt => "txt",
            Self::Md => "md",
        }
    }
}

#[cfg(test)]
mod tests;
