//! What is to be mounted and how: the table of options, the config file that may hold them, and
//! what `mount -t factfs` hands over.
//!
//! **Invariant:** an option is defined once, in [`options::TABLE`]: the command line, `-o`, the
//! config file, fstab and the manual all have it from there. Later sources win: the config file's
//! common options, those of its mount, the environment, the command line.

// floor 0
pub mod mounted;
mod serving;
pub mod value;
// floor 1
pub mod options;
// floor 2
pub mod config;
pub mod flags;
pub mod mount8;
// floor 3
mod wanted;

pub use config::Config;
pub use serving::{ended, stay};
pub use wanted::{Source, of_entry, of_stores};
