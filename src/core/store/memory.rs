//! placeholder until the storage branch lands
/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore;
