//! Byte primitives: fixed little-endian numbers, varints, sized bytes.
//!
//! A *varint* is LEB128: 7 bits a byte, lowest first, the high bit set on all but the last byte, at
//! most 10 bytes. A *zigzag* is a varint of `(x << 1) ^ (x >> 63)`. *Sized* bytes are a varint of
//! their number, then they themselves.
//!
//! **Invariant:** every read checks what is left before it reads or allocates.

use super::CodecError;

/// Appends to a buffer.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn u8(&mut self, x: u8) {
        self.0.push(x);
    }

    /// 4 bytes, little endian.
    pub fn u32(&mut self, x: u32) {
        self.0.extend(x.to_le_bytes());
    }

    /// 8 bytes, little endian.
    pub fn u64(&mut self, x: u64) {
        self.0.extend(x.to_le_bytes());
    }

    /// 16 bytes, little endian.
    pub fn u128(&mut self, x: u128) {
        self.0.extend(x.to_le_bytes());
    }

    /// A varint.
    pub fn varint(&mut self, mut x: u64) {
        while x >= 0x80 {
            self.0.push(x as u8 | 0x80);
            x >>= 7;
        }
        self.0.push(x as u8);
    }

    /// A signed varint.
    pub fn zigzag(&mut self, x: i64) {
        self.varint(zigzag(x));
    }

    /// Bytes whose number the reader knows.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Bytes, one by one, whose number the reader knows.
    pub fn each(&mut self, bytes: impl ExactSizeIterator<Item = u8>) {
        self.0.extend(bytes);
    }

    /// Bytes after their number.
    pub fn sized(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.fixed(bytes);
    }
}

pub(super) fn zigzag(x: i64) -> u64 {
    ((x << 1) ^ (x >> 63)) as u64
}

pub(super) fn unzigzag(x: u64) -> i64 {
    (x >> 1) as i64 ^ -((x & 1) as i64)
}

/// Reads from a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the start of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next read begins.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error at this place.
    pub fn error(&self, what: &'static str) -> CodecError {
        CodecError { what, at: self.at }
    }

    /// An error unless `holds`.
    pub fn check(&self, holds: bool, what: &'static str) -> Result<(), CodecError> {
        if holds { Ok(()) } else { Err(self.error(what)) }
    }

    /// That all was read.
    pub fn finish(self) -> Result<(), CodecError> {
        self.check(self.left() == 0, "more bytes than expected")
    }

    /// So many bytes, borrowed.
    pub fn fixed(&mut self, len: usize) -> Result<&'a [u8], CodecError> {
        let rest = &self.bytes[self.at..];
        let Some(bytes) = rest.get(..len) else { return Err(self.error("fewer bytes than said")) };
        self.at += len;
        Ok(bytes)
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    /// So many bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let at = self.at;
        let bytes = self.fixed(N)?;
        bytes.try_into().map_err(|_| CodecError { what: "fewer bytes than said", at })
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(|[x]| x)
    }

    /// 4 bytes, little endian.
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_le_bytes)
    }

    /// 8 bytes, little endian.
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        self.array().map(u64::from_le_bytes)
    }

    /// 16 bytes, little endian.
    pub fn u128(&mut self) -> Result<u128, CodecError> {
        self.array().map(u128::from_le_bytes)
    }

    /// A varint.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, CodecError> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    /// A varint that is counted on from: what nobody ever counts up to is refused.
    pub fn counter(&mut self) -> Result<u64, CodecError> {
        let count = self.varint()?;
        self.check(count <= u64::MAX >> 1, "a number that nobody counts up to")?;
        Ok(count)
    }

    fn long_varint(&mut self) -> Result<u64, CodecError> {
        let mut x = 0;
        for (i, &byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if i == 9 && bits > 1 {
                break;
            }
            x |= bits << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(x);
            }
        }
        Err(self.error("a number that does not end"))
    }

    /// A signed varint.
    #[inline]
    pub fn zigzag(&mut self) -> Result<i64, CodecError> {
        self.varint().map(unzigzag)
    }

    /// Bytes after their number.
    pub fn sized(&mut self) -> Result<&'a [u8], CodecError> {
        let len = self.varint()?;
        self.fixed(usize::try_from(len).map_err(|_| self.error("fewer bytes than said"))?)
    }

    /// A varint that counts things of at least `each` bytes (at least 1) that follow: never more
    /// than could be there.
    pub fn count(&mut self, each: usize) -> Result<usize, CodecError> {
        let count = self.varint()?;
        let most = (self.left() / each.max(1)) as u64;
        self.check(count <= most, "a count of more than there are bytes for")?;
        Ok(count as usize)
    }
}
