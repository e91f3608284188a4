//! EDN, the text of everything people write and most of what they read: forms read with their
//! places, values printed.
//!
//! **Invariant:** `read(print(v)) == v` for every value (a ref prints as its number, a 32-bit float
//! as digits); equal values print the same bytes. Any bytes give forms or an [`EdnError`] with line
//! and column, in linear time, in bounded stack, never a panic.
//!
//! A [`Form`] is what was typed: order and places kept, duplicates refused. A
//! [`Value`](crate::value::Value) is what it means. A [`Reader`] takes bytes as they arrive;
//! [`read_one`] and [`read_all`] take whole texts. What the language of queries or transactions
//! makes of a form is not known here.

mod atom;
mod base64;
mod collection;
mod error;
mod form;
mod lexer;
mod number;
mod pretty;
mod print;
mod reader;
mod scalar;
mod tagged;

pub use base64::{decode as decode_base64, encode as encode_base64};
pub use error::{EdnError, ErrorKind, Excerpt};
pub use form::{Form, FormKind, Span};
pub use number::{MAX_DIGITS, parse_number};
pub use pretty::print_pretty;
pub use print::{is_unsafe, print, print_double, print_float, to_string};
pub use reader::{MAX_DEPTH, Reader, read_all, read_one};

#[cfg(test)]
mod tests;
