//! Any bytes are forms or an error; what is read prints to what reads the same.
//!
//! **Invariant:** where the bytes are cut makes no difference. The first byte says where.

#![no_main]

use factfs_core::edn::{Form, Reader, read_one, to_string};
use libfuzzer_sys::fuzz_target;

fn forms(bytes: &[u8], piece: usize) -> (Vec<Form>, Option<String>) {
    let (mut reader, mut forms) = (Reader::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        reader.push(piece);
        loop {
            match reader.next_form() {
                Ok(Some(form)) => forms.push(form),
                Ok(None) => break,
                Err(error) => return (forms, Some(error.kind.to_string())),
            }
        }
    }
    loop {
        match reader.finish() {
            Ok(Some(form)) => forms.push(form),
            Ok(None) => return (forms, None),
            Err(error) => return (forms, Some(error.kind.to_string())),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let whole = forms(bytes, usize::MAX);
    assert_eq!(whole, forms(bytes, usize::from(first) + 1));
    for form in whole.0 {
        let value = form.to_value();
        let text = to_string(&value);
        assert_eq!(read_one(&text).map(|form| form.to_value()), Ok(value), "{text}");
    }
});
