//! placeholder until the storage branch lands
