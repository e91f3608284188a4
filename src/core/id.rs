//! The ids: entities, attributes, transactions, commits, and the blocks they are cut from.
//!
//! **Invariant:** every id is below 2^53 (JSON keeps it exactly) and `id = block * 2^32 + n`; a
//! block belongs to one branch for ever, so an id means one thing in the whole database. In a
//! block, n = 1 to 2^29-1 are entities in the order of their making, n = 2^29 + t is the
//! transaction entity of `t`, n >= 2^31 are attribute ids. The default branch has block 0.

use std::fmt;
use std::str::FromStr;

/// First `n` of the transaction entities of a block.
pub const TX_BASE: u64 = 1 << 29;
/// First `n` of the attribute ids of a block.
pub const ATTR_BASE: u64 = 1 << 31;
/// Attribute ids of block 0 that are built in; users' attributes follow.
pub const ATTR_USER: u64 = ATTR_BASE + 256;
/// Ids of one block.
pub const BLOCK: u64 = 1 << 32;

/// An entity of one database (transaction entities included).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntityId(pub u64);

/// The internal number of an attribute: one for each ident ever used, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AttrId(pub u64);

/// A point on a branch: 1, 2, 3... along it; 0 is the empty database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct T(pub u64);

/// A transaction, as the id of its entity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tx(pub u64);

impl Tx {
    /// The transaction entity of `t` in `block`.
    pub fn new(block: u64, t: T) -> Self {
        Self(block * BLOCK + TX_BASE + t.0)
    }

    /// Where on its branch the transaction is.
    pub fn t(self) -> T {
        T((self.0 % BLOCK).saturating_sub(TX_BASE))
    }

    /// The transaction as an entity.
    pub fn entity(self) -> EntityId {
        EntityId(self.0)
    }
}

impl EntityId {
    /// The transaction that this entity is, if it is one.
    pub fn as_tx(self) -> Option<Tx> {
        let n = self.0 % BLOCK;
        (TX_BASE..ATTR_BASE).contains(&n).then_some(Tx(self.0))
    }

    /// The block the id was cut from.
    pub fn block(self) -> u64 {
        self.0 / BLOCK
    }
}

macro_rules! plain_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    )*};
}
plain_number!(EntityId, AttrId, T, Tx);

/// A commit: its place and the first 48 bits are printed as `1042-9f3c2a71b0de`, so that names sort
/// by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId {
    /// Where on its branch.
    pub t: T,
    /// blake3 over parents, t, instant, transaction metadata and datoms.
    pub hash: [u8; 32],
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.t)?;
        self.hash[..6].iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitId({self})")
    }
}

/// What a user writes to name a commit: `T-HASH12`, or a prefix of the hash with or without the
/// `T-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPrefix {
    /// The `t`, if it was written.
    pub t: Option<T>,
    /// Lower-case hex digits, at least one.
    pub hex: String,
}

impl FromStr for CommitPrefix {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (t, hex) = match text.split_once('-') {
            Some((t, hex)) => (Some(T(t.parse().map_err(|_| ())?)), hex),
            None => (None, text),
        };
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if hex.is_empty() || hex.len() > 64 || !hex.bytes().all(hexadecimal) {
            return Err(());
        }
        Ok(Self { t, hex: hex.to_owned() })
    }
}

impl CommitPrefix {
    /// Whether `id` begins like this.
    pub fn matches(&self, id: &CommitId) -> bool {
        let hex: String = id.hash.iter().map(|b| format!("{b:02x}")).collect();
        self.t.is_none_or(|t| t == id.t) && hex.starts_with(&self.hex)
    }
}
