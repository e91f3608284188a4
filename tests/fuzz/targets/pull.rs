//! Any text is a pull pattern with a result, or an error.
//!
//! **Invariant:** what a pattern gives prints to what reads the same.

#![no_main]

mod common;

use factfs_core::edn::{read_one, to_string};
use factfs_core::id::EntityId;
use factfs_core::pull::{parse, pull};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(form) = common::form(text) else { return };
    let Ok(pattern) = parse(&form.to_value()) else { return };
    for entity in [21, 22, 23, 1, 99] {
        let Ok(found) = pull(common::database(), &pattern, EntityId(entity)) else { continue };
        let text = to_string(&found);
        let again = read_one(&text).expect("what was printed");
        assert_eq!(to_string(&again.to_value()), text);
    }
});
