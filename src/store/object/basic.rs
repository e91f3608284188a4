//! The name and the password of an http address.
//!
//! **Invariant:** they go into a header that is never printed, and out of the address, which is:
//! errors of the client below show where it asked.

use factfs_core::edn::encode_base64;
use reqwest::header::{HeaderMap, HeaderValue};
use url::Url;

/// The address without name and password, and the header that carries them.
pub(super) fn split(url: &Url) -> (Url, HeaderMap) {
    let (mut bare, mut headers) = (url.clone(), HeaderMap::new());
    if url.username().is_empty() && url.password().is_none() {
        return (bare, headers);
    }
    // Only addresses without a host refuse this, and those were refused before.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    let mut secret = decode(url.username());
    secret.push(b':');
    secret.extend(decode(url.password().unwrap_or_default()));
    if let Ok(mut value) = HeaderValue::from_str(&format!("Basic {}", encode_base64(&secret))) {
        value.set_sensitive(true);
        headers.insert(reqwest::header::AUTHORIZATION, value);
    }
    (bare, headers)
}

/// Bytes that may be written as `%` and two hex digits.
fn decode(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_into_a_header() {
        let check = |text: &str, address: &str, header: Option<&str>| {
            let (bare, headers) = split(&Url::parse(text).unwrap());
            assert_eq!(bare.as_str(), address);
            let value = headers.get("authorization").map(|value| value.to_str().unwrap());
            assert_eq!(value, header, "{text}");
            assert!(!format!("{headers:?}").contains("Basic"), "{headers:?}");
        };
        check("https://host/x", "https://host/x", None);
        check("https://a:b@host/x", "https://host/x", Some("Basic YTpi"));
        check("https://ann:s%40cret@host/x", "https://host/x", Some("Basic YW5uOnNAY3JldA=="));
        check("https://ann@host/x", "https://host/x", Some("Basic YW5uOg=="));
    }
}
