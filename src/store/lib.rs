//! The storage behind factfs: stores, caches and the decorators around them.
