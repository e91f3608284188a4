//! What is in `pins/`.

use super::Name;
use crate::tree::pins::is_pin_id;

/// What is in `pins/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PinNode {
    /// `pins/`
    Pins,
    /// `pins/NAME`, a link to an id.
    Named(Name),
    /// `pins/ID/`
    Pin(Name),
    /// `pins/ID/pin.edn`
    Text(Name),
    /// `pins/ID/STORE`, a link.
    Store(Name, Name),
}

impl PinNode {
    /// What a name in `pins/` is.
    pub fn named(name: &str) -> Self {
        match is_pin_id(name) {
            true => Self::Pin(name.into()),
            false => Self::Named(name.into()),
        }
    }

    pub(super) fn path(&self) -> String {
        match self {
            Self::Pins => "/pins".into(),
            Self::Named(name) => format!("/pins/{name}"),
            Self::Pin(id) => format!("/pins/{id}"),
            Self::Text(id) => format!("/pins/{id}/pin.edn"),
            Self::Store(id, store) => format!("/pins/{id}/{store}"),
        }
    }
}
