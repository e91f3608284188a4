//! The parts of factfs that also run in a browser: values, index, query, transactions, commits.
#![forbid(unsafe_code)]

// floor 2: the storage seam
pub mod store;

// floor 0: what everything else is made of
pub mod hash;
pub mod id;
