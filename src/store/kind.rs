//! The one table of what can go wrong, for everybody who must say so in numbers.
//!
//! **Invariant:** every error of factfs has one `Kind`; errno, exit code and HTTP status follow
//! from it here and nowhere else. The text of an error is not here: it belongs to who found it.

/// What went wrong, by what the caller can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The text or the request is wrong: syntax, schema, types. Change it.
    Invalid,
    /// There is nothing of that name.
    NotFound,
    /// A unique value is taken, or a thing of that name is there.
    Exists,
    /// Somebody else changed what the request was based on; nothing was written.
    Conflict,
    /// The head stayed contended beyond the limit; nothing was written.
    Busy,
    /// The time limit passed, or the outcome of a commit is not known: retry with its id.
    Timeout,
    /// More rows or bytes than the limit.
    TooLarge,
    /// More memory than the limit.
    Memory,
    /// The caller gave up.
    Interrupted,
    /// The storage is out of reach.
    Unavailable,
    /// The credentials do not allow it.
    Denied,
    /// Stored bytes are not what was written.
    Corrupt,
    /// The place may be read, not written.
    ReadOnly,
    /// The place is full.
    Full,
    /// What the request was about is gone.
    Stale,
    /// factfs does not do that.
    Unsupported,
    /// Not allowed on this name.
    NotPermitted,
    /// Not a folder.
    NotDirectory,
    /// A folder.
    IsDirectory,
    /// To another place, where it has to be copied.
    CrossDevice,
    /// No such handle, or not open for this.
    BadHandle,
    /// The name is too long.
    NameTooLong,
}

/// One row: the kind, the errno by name, the exit code of the command, the HTTP status, and what it
/// means.
pub type Row = (Kind, &'static str, u8, u16, &'static str);

/// The table. Exit code 0 is success and 2 is a mistake on the command line.
pub const TABLE: [Row; 22] = [
    (Kind::Invalid, "EINVAL", 3, 400, "the text, the schema or a type is wrong"),
    (Kind::NotFound, "ENOENT", 4, 404, "there is nothing of that name"),
    (Kind::Exists, "EEXIST", 5, 409, "a unique value or a name is taken"),
    (Kind::Conflict, "ECANCELED", 6, 412, "changed meanwhile; nothing was written"),
    (Kind::Busy, "EBUSY", 7, 503, "contended beyond the limit; nothing was written"),
    (Kind::Timeout, "ETIMEDOUT", 8, 504, "time limit, or a commit's outcome is unknown"),
    (Kind::TooLarge, "EFBIG", 9, 413, "more rows or bytes than the limit"),
    (Kind::Memory, "ENOMEM", 10, 507, "more memory than the limit"),
    (Kind::Interrupted, "EINTR", 11, 499, "interrupted"),
    (Kind::Unavailable, "EIO", 12, 502, "the storage is out of reach"),
    (Kind::Denied, "EACCES", 13, 403, "the credentials do not allow it"),
    (Kind::Corrupt, "EBADMSG", 14, 500, "stored bytes are damaged"),
    (Kind::ReadOnly, "EROFS", 15, 405, "the place may be read, not written"),
    (Kind::Full, "ENOSPC", 16, 507, "the place is full"),
    (Kind::Stale, "ESTALE", 17, 410, "what it was about is gone"),
    (Kind::Unsupported, "EOPNOTSUPP", 18, 501, "factfs does not do that"),
    (Kind::NotPermitted, "EPERM", 19, 403, "not allowed on this name"),
    (Kind::NotDirectory, "ENOTDIR", 20, 400, "not a folder"),
    (Kind::IsDirectory, "EISDIR", 21, 400, "a folder"),
    (Kind::CrossDevice, "EXDEV", 22, 400, "to another place, where it has to be copied"),
    (Kind::BadHandle, "EBADF", 23, 400, "no such handle, or not open for this"),
    (Kind::NameTooLong, "ENAMETOOLONG", 24, 400, "the name is too long"),
];

impl Kind {
    fn row(self) -> &'static Row {
        // The table lists the kinds in the order of their declaration; a test holds it to that.
        &TABLE[self as usize]
    }

    /// The errno, by name.
    pub fn errno(self) -> &'static str {
        self.row().1
    }

    /// The exit code of the command.
    pub fn exit_code(self) -> u8 {
        self.row().2
    }

    /// The HTTP status.
    pub fn http_status(self) -> u16 {
        self.row().3
    }

    /// What it means, in a few words.
    pub fn meaning(self) -> &'static str {
        self.row().4
    }
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn each_kind_has_its_own_row_and_exit_code() {
        for (i, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, i, "{row:?}");
            assert!(row.2 > 2, "{row:?}");
            assert!(TABLE[..i].iter().all(|other| other.2 != row.2), "{row:?}");
        }
    }
}
