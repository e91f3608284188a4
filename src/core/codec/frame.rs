//! Frames: bytes compressed, with their length.
//!
//! Layout: `method` (1 byte: 0 as they are, 1 zstd), `raw length` (varint, at most 64 MiB), and the
//! bytes or one zstd frame to the end. What zstd would not make smaller is kept as it is.
//!
//! **Invariant:** decompressing allocates no more than the raw length, and fails unless exactly
//! that comes out.

use super::{CodecError, MAX_RAW, Reader, Writer};

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// A frame of these bytes; an error if there are more than [`MAX_RAW`].
pub fn compress(raw: &[u8]) -> Result<Vec<u8>, CodecError> {
    compress_at(raw, Effort::Kept)
}

/// How much time goes into making a frame small. Both are read the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// For what stays.
    Kept,
    /// For what is soon replaced.
    Passing,
}

/// The same, with more or less effort.
pub fn compress_at(raw: &[u8], effort: Effort) -> Result<Vec<u8>, CodecError> {
    if raw.len() > MAX_RAW {
        return Err(CodecError { what: "more than 64 MiB for one frame", at: MAX_RAW });
    }
    let mut out = Writer::new();
    let packed = zstd_compress(raw, effort).filter(|packed| packed.len() < raw.len());
    out.u8(if packed.is_some() { ZSTD } else { PLAIN });
    out.varint(raw.len() as u64);
    out.fixed(packed.as_deref().unwrap_or(raw));
    Ok(out.finish())
}

/// The bytes of a frame.
pub fn decompress(frame: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut r = Reader::new(frame);
    let (method, len) = (r.u8()?, r.varint()? as usize);
    r.check(len <= MAX_RAW, "a frame of more than 64 MiB")?;
    let raw = match method {
        PLAIN => r.rest().to_vec(),
        ZSTD => {
            zstd_decompress(r.rest(), len).ok_or_else(|| r.error("bytes that are no zstd frame"))?
        }
        _ => return Err(r.error("an unknown compression")),
    };
    r.check(raw.len() == len, "a frame of another length than it says")?;
    Ok(raw)
}

/// The raw length that a frame says it has.
pub fn raw_len(frame: &[u8]) -> Result<usize, CodecError> {
    let mut r = Reader::new(frame);
    r.u8()?;
    Ok(r.varint()? as usize)
}

#[cfg(not(target_family = "wasm"))]
mod zstd_native {
    use super::Effort;
    use std::cell::RefCell;
    use zstd::bulk::{Compressor, Decompressor};

    // Making a context costs as much as using it once.
    thread_local! {
        static COMPRESSORS: RefCell<[Option<Compressor<'static>>; 2]> =
            RefCell::new([3, 1].map(|level| Compressor::new(level).ok()));
        static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> =
            RefCell::new(Decompressor::new().ok());
    }

    pub fn compress(raw: &[u8], effort: Effort) -> Option<Vec<u8>> {
        COMPRESSORS.with_borrow_mut(|c| c[effort as usize].as_mut()?.compress(raw).ok())
    }

    pub fn decompress(packed: &[u8], len: usize) -> Option<Vec<u8>> {
        DECOMPRESSOR.with_borrow_mut(|d| d.as_mut()?.decompress(packed, len).ok())
    }
}
#[cfg(not(target_family = "wasm"))]
use zstd_native::{compress as zstd_compress, decompress as zstd_decompress};

/// The same in Rust alone, for browsers.
#[cfg(any(target_family = "wasm", test))]
mod zstd_pure {
    use super::Effort;
    use ruzstd::decoding::StreamingDecoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Read;

    pub fn compress(raw: &[u8], _: Effort) -> Option<Vec<u8>> {
        Some(compress_to_vec(raw, CompressionLevel::Fastest))
    }

    pub fn decompress(packed: &[u8], len: usize) -> Option<Vec<u8>> {
        let decoder = StreamingDecoder::new(packed).ok()?;
        let mut raw = Vec::with_capacity(len);
        // One byte more than it may be, to see that it is not longer.
        decoder.take(len as u64 + 1).read_to_end(&mut raw).ok()?;
        Some(raw)
    }
}
#[cfg(target_family = "wasm")]
use zstd_pure::{compress as zstd_compress, decompress as zstd_decompress};

#[cfg(test)]
mod tests {
    use super::{Effort, zstd_native, zstd_pure};

    #[test]
    fn browsers_and_machines_read_each_other() {
        for len in [0usize, 1, 100, 10_000, 300_000] {
            let raw: Vec<u8> = (0..len).map(|i| (i * i / 7 % 251) as u8).collect();
            let native = |effort| zstd_native::compress(&raw, effort).unwrap();
            let pure = zstd_pure::compress(&raw, Effort::Kept).unwrap();
            for packed in [native(Effort::Kept), native(Effort::Passing), pure] {
                assert_eq!(zstd_native::decompress(&packed, len).as_ref(), Some(&raw));
                assert_eq!(zstd_pure::decompress(&packed, len).as_ref(), Some(&raw));
            }
        }
    }
}
