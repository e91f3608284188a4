//! Documents: one atomic transaction each, in any format that is read back.
//!
//! **Invariant:** all of a document is a transaction, or none of it. An entity as the tree shows it
//! means what was changed of it since its `:db/basis`; all else means what `transact` and `import`
//! make of it.

use super::entity::{BASIS, Edited};
use crate::error::{Failure, Kind, Result};
use crate::source::Make;
use factfs_core::db::Db;
use factfs_core::edn::{self, Form, FormKind, Span};
use factfs_core::import::{self, Builder, Entity, Naming, Row, json_error, transaction};
use factfs_core::text::Format;
use serde_json::Value as Json;
use std::sync::Arc;

/// What a document holds.
enum Piece {
    /// A transaction that is the whole document.
    Whole(Form),
    Form(Form),
    Rows(Vec<Row>),
    Json(Json),
    Edited(Edited),
}

/// The format of a document, by its name.
pub fn format_of(name: &str) -> Option<Format> {
    let (stem, extension) = name.rsplit_once('.')?;
    let format = Format::from_extension(extension)?;
    let is_read = !matches!(format, Format::Txt | Format::Md);
    // Editors and programs that copy begin the names of what is not ready so.
    (is_read && !stem.is_empty() && !stem.starts_with(['.', '#', '~'])).then_some(format)
}

/// What makes a transaction of a document.
pub fn document(format: Format, bytes: &[u8]) -> Result<Make> {
    let pieces = match format {
        Format::Edn => of_edn(text(bytes)?)?,
        Format::Json => of_json(read(bytes, 1)?)?,
        Format::Jsonl => of_json(Json::Array(lines(bytes)?))?,
        Format::Csv | Format::Tsv => vec![Piece::Rows(import::table(bytes, format)?)],
        Format::Txt | Format::Md => {
            let message = format!("`{}` can be written, not read", format.extension());
            return Err(Failure::new(Kind::Unsupported, message));
        }
    };
    Ok(Arc::new(move |db: &Db| make(&pieces, db)))
}

/// The same, of nothing at all where the transaction of this id is there already.
pub fn once(tx_id: &str, make: Make) -> Make {
    let tx_id = tx_id.to_owned();
    Arc::new(move |db: &Db| match db.tx_with_id(&tx_id)? {
        Some(_) => Ok(Form { kind: FormKind::Vector(Vec::new()), span: Span::default() }),
        None => make(db),
    })
}

/// What makes a transaction of one that is written in JSON.
pub fn json(json: Json) -> Make {
    Arc::new(move |db: &Db| Ok(json_form(&json, db)?))
}

fn json_form(json: &Json, db: &Db) -> std::result::Result<Form, import::ImportError> {
    let builder = Builder::new(db.schema().clone(), Naming::default(), false);
    builder.tempids().json_transaction(db, json)
}

fn make(pieces: &[Piece], db: &Db) -> Result<Form> {
    let mut forms = Vec::new();
    for piece in pieces {
        let form = match piece {
            Piece::Whole(form) => return Ok(form.clone()),
            Piece::Form(form) => {
                forms.push(form.clone());
                continue;
            }
            Piece::Edited(edited) => {
                forms.extend(edited.forms(db)?);
                continue;
            }
            Piece::Rows(rows) => of_rows(rows, db)?,
            Piece::Json(json) => json_form(json, db)?,
        };
        match form.kind {
            FormKind::Vector(items) => forms.extend(items),
            // With facts about the transaction beside it: it is alone.
            _ => return Ok(form),
        }
    }
    Ok(Form { kind: FormKind::Vector(forms), span: Span::default() })
}

fn of_rows(rows: &[Row], db: &Db) -> Result<Form> {
    let mut builder = Builder::new(db.schema().clone(), Naming::default(), false);
    let said = rows.iter().map(|row| builder.entity_in(row, Some(db)));
    let said = said.collect::<std::result::Result<Vec<Entity>, _>>()?;
    Ok(transaction(db, &builder.columns(), said)?.into_form())
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let message = format!("the byte at offset {} is no UTF-8", error.valid_up_to());
        Failure::new(Kind::Invalid, message).hint("EDN is text in UTF-8: iconv -t UTF-8")
    })
}

/// A vector is many forms of the transaction, a map is one; several of them are together.
fn of_edn(text: &str) -> Result<Vec<Piece>> {
    let mut all = edn::read_all(text)?;
    let is_edited = |form: &Form| form.get(BASIS).is_some();
    let has_edited = |form: &Form| {
        is_edited(form) || form.as_vector().is_some_and(|items| items.iter().any(is_edited))
    };
    if all.len() == 1 && !has_edited(&all[0]) {
        check(&all[0])?;
        return Ok(all.drain(..).map(Piece::Whole).collect());
    }
    let mut pieces = Vec::new();
    let piece = |form: Form| match is_edited(&form) {
        true => Edited::of_edn(&form).map(Piece::Edited),
        false => Ok(Piece::Form(form)),
    };
    for form in all {
        check(&form)?;
        if form.get("tx-data").is_some() {
            let message = format!("{}: a map with :tx-data is a whole document", form.span);
            return Err(Failure::new(Kind::Invalid, message));
        }
        match form.kind {
            FormKind::Vector(items) => {
                pieces.extend(items.into_iter().map(piece).collect::<Result<Vec<_>>>()?);
            }
            _ => pieces.push(piece(form)?),
        }
    }
    Ok(pieces)
}

fn check(form: &Form) -> Result<()> {
    if form.as_vector().is_some() || form.as_map().is_some() {
        return Ok(());
    }
    let message = format!("{}: a transaction is a vector of forms or a map", form.span);
    Err(Failure::new(Kind::Invalid, message))
}

fn of_json(json: Json) -> Result<Vec<Piece>> {
    let is_edited = |json: &Json| json.get(BASIS).is_some();
    let items = match json {
        json if is_edited(&json) => vec![json],
        Json::Array(items) if items.iter().any(is_edited) => items,
        json => return Ok(vec![Piece::Json(json)]),
    };
    let (edited, others): (Vec<Json>, Vec<Json>) = items.into_iter().partition(is_edited);
    let mut pieces = match others.is_empty() {
        true => Vec::new(),
        false => vec![Piece::Json(Json::Array(others))],
    };
    for json in edited {
        pieces.push(Piece::Edited(Edited::of_json(&json)?));
    }
    Ok(pieces)
}

fn read(bytes: &[u8], line: u64) -> Result<Json> {
    Ok(serde_json::from_slice(bytes).map_err(|error| json_error(&error, line))?)
}

fn lines(bytes: &[u8]) -> Result<Vec<Json>> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let said = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    said.map(|(number, line)| read(line.trim_ascii_end(), number)).collect()
}
