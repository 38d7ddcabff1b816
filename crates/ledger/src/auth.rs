//! The key that callers show in `X-API-Key`.
//!
//! [`ApiKey`] keeps only a SHA-256 digest of the key and compares digests in constant time, so that
//! neither its memory, its `Debug` form nor its timing tells the key. It is one shared secret: it
//! says nothing about who calls.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{merkle::Digest32, settings_error::SettingsError};

/// The header that carries the key.
pub const API_KEY_HEADER: &str = "x-api-key";

/// A key that requests must carry.
#[derive(Clone)]
pub struct ApiKey {
    digest: Digest32,
}

impl ApiKey {
    /// A key, without white space around it.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] where it is empty or holds what a header cannot carry.
    pub fn new(key: &str) -> Result<Self, SettingsError> {
        Self::parse(key, "the settings")
    }

    pub(super) fn parse(key: &str, place: &str) -> Result<Self, SettingsError> {
        let key = key.trim();
        if key.is_empty() {
            return Err(SettingsError::EmptyKey { place: place.to_owned() });
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::UnprintableKey { place: place.to_owned() });
        }
        Ok(Self { digest: Sha256::digest(key).into() })
    }

    /// Whether `candidate` is the key.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let candidate: Digest32 = Sha256::digest(candidate).into();
        self.digest.ct_eq(&candidate).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_matches() {
        let key = ApiKey::new("k3y").unwrap();
        assert!(key.matches(b"k3y"));
        for wrong in [&b""[..], b"k3", b"k3y ", b"K3y", b"k3y\0"] {
            assert!(!key.matches(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_is_not_shown_and_not_empty() {
        assert_eq!(format!("{:?}", ApiKey::new("k3y").unwrap()), "ApiKey { .. }");
        assert!(matches!(ApiKey::new(" \t"), Err(SettingsError::EmptyKey { .. })));
        assert!(matches!(ApiKey::new("a b"), Err(SettingsError::UnprintableKey { .. })));
        assert!(matches!(ApiKey::new("caf\u{e9}"), Err(SettingsError::UnprintableKey { .. })));
    }
}
