//! EDN that is read form by form: from an argument, a file, or standard input as it arrives.
//!
//! **Invariant:** a form is handed out as soon as its last byte is there, whatever comes after it
//! or does not come yet. Errors name the source, line and column.

use super::exit::Problem;
use anyhow::Context;
use factfs_core::edn::{Form, Reader};
use std::fs::File;
use std::io::{self, Read};

/// Where a text comes from.
pub enum Source {
    /// The argument itself.
    Text(String),
    /// Standard input.
    Stdin,
    /// A file of this name.
    File(String),
}

impl Source {
    /// `-` is standard input; what begins like EDN is the text itself; all else names a file.
    pub fn of(argument: &str) -> Self {
        let text = argument.trim_start();
        if argument == "-" {
            Self::Stdin
        } else if text.starts_with(['[', '{', '(', '"', ';']) || text.starts_with("#_") {
            Self::Text(argument.to_owned())
        } else {
            Self::File(argument.to_owned())
        }
    }

    /// How errors name it.
    pub fn name(&self) -> String {
        match self {
            Self::Text(_) => "argument".into(),
            Self::Stdin => "standard input".into(),
            Self::File(name) => name.clone(),
        }
    }

    /// Its bytes.
    pub fn open(self) -> anyhow::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Text(text) => Box::new(io::Cursor::new(text.into_bytes())),
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File(name) => Box::new(File::open(&name).with_context(|| no_file(&name))?),
        })
    }

    /// All of its text.
    pub fn read(self) -> anyhow::Result<String> {
        let name = self.name();
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes).with_context(|| name.clone())?;
        String::from_utf8(bytes)
            .map_err(|_| Problem::invalid(format!("{name}: bytes that are not UTF-8")).into())
    }
}

fn no_file(name: &str) -> String {
    format!("{name}: cannot be read")
}

/// The forms of a source, as they arrive.
pub struct Forms {
    name: String,
    input: Box<dyn Read>,
    reader: Reader,
    buffer: Vec<u8>,
    ended: bool,
}

impl Forms {
    /// Of this source.
    pub fn open(source: Source) -> anyhow::Result<Self> {
        let name = source.name();
        let input = source.open()?;
        Ok(Self { name, input, reader: Reader::new(), buffer: vec![0; 64 * 1024], ended: false })
    }

    /// How many bytes of the source belong to forms that were handed out.
    pub fn consumed(&self) -> u64 {
        self.reader.consumed() as u64
    }

    /// The next form; waits for it.
    pub fn next_form(&mut self) -> anyhow::Result<Option<Form>> {
        loop {
            let found = if self.ended { self.reader.finish() } else { self.reader.next_form() };
            match found.with_context(|| self.name.clone())? {
                None if !self.ended => self.fill()?,
                found => return Ok(found),
            }
        }
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        match self.input.read(&mut self.buffer) {
            Ok(0) => self.ended = true,
            Ok(length) => self.reader.push(&self.buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).with_context(|| self.name.clone()),
        }
        Ok(())
    }
}
