//! What may be wrong with a machine, a mount or a place, looked at one by one.
//!
//! **Invariant:** looking changes nothing but a file that is written and deleted in the folder of
//! the cache. Each finding that is not well says what to do; one that cannot be found out is a
//! warning, not a failure.

// floor 0
mod finding;
// floor 1
mod machine;
mod mounts;
mod places;

pub use finding::{Finding, Grade};
pub use machine::machine;
pub use mounts::mount;
pub use places::{cache, config, store};
