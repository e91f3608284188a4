//! The mount: the tree of a set of databases, its rendering, and the FUSE adapter.
