//! The text of a value over several lines, for files that people read and edit.
//!
//! **Invariant:** reading it gives what reading the one-line text gives. What fits in the width
//! stays on a line.

use super::print::{print, tag_marks};
use crate::value::Value;
use std::fmt::{self, Write};

/// Appends the text of a value in lines of `width` characters, where its parts allow. No newline at
/// the end.
pub fn print_pretty(value: &Value, width: usize, out: &mut dyn Write) -> fmt::Result {
    Pretty { width, column: 0, out }.value(value, 0)
}

struct Pretty<'a> {
    width: usize,
    column: usize,
    out: &'a mut dyn Write,
}

impl Pretty<'_> {
    /// `after` is what must follow on the same line: the closing brackets.
    fn value(&mut self, value: &Value, after: usize) -> fmt::Result {
        let (open, close, items) = match value {
            Value::Vector(x) => ("[", "]", x),
            Value::List(x) => ("(", ")", x),
            Value::Set(x) => ("#{", "}", x),
            Value::Map(x) if !self.fits(value, after) => return self.map(x, after),
            Value::Tagged(x) if !self.fits(value, after) => {
                let (before, close) = tag_marks(x.0.as_str());
                self.write(before)?;
                print(&Value::Symbol(x.0.clone()), self)?;
                self.write(" ")?;
                self.value(&x.1, after + close.len())?;
                return self.write(close);
            }
            _ => return print(value, self),
        };
        if items.is_empty() || self.fits(value, after) {
            return print(value, self);
        }
        self.write(open)?;
        let indent = self.column;
        for (i, item) in items.iter().enumerate() {
            self.separate(i, indent)?;
            let last = i + 1 == items.len();
            self.value(item, if last { after + 1 } else { 0 })?;
        }
        self.write(close)
    }

    fn map(&mut self, entries: &[(Value, Value)], after: usize) -> fmt::Result {
        self.write("{")?;
        let indent = self.column;
        for (i, (key, value)) in entries.iter().enumerate() {
            self.separate(i, indent)?;
            self.value(key, 0)?;
            self.write(" ")?;
            self.value(value, if i + 1 == entries.len() { after + 1 } else { 0 })?;
        }
        self.write("}")
    }

    fn separate(&mut self, i: usize, indent: usize) -> fmt::Result {
        if i == 0 { Ok(()) } else { write!(self, "\n{:indent$}", "") }
    }

    fn write(&mut self, text: &str) -> fmt::Result {
        self.write_str(text)
    }

    fn fits(&self, value: &Value, after: usize) -> bool {
        let mut room = Room(self.width.saturating_sub(self.column + after));
        print(value, &mut room).is_ok()
    }
}

impl Write for Pretty<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let last = text.rsplit('\n').next().unwrap_or(text);
        let before = if last.len() == text.len() { self.column } else { 0 };
        self.column = before + last.chars().count();
        self.out.write_str(text)
    }
}

/// Room for so many characters; refuses more, so that measuring a long value stops where the line
/// ends.
struct Room(usize);

impl Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.chars().count()).ok_or(fmt::Error)?;
        Ok(())
    }
}
