//! The identity of a statement or block: a SHA-256 digest as 64 lowercase hexadecimal digits.
//!
//! [`struct@Hash`] is parsed strictly, so that one digest has one spelling, and lives on the stack.

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha256};

use super::merkle::Digest32;

/// A digest as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash([u8; 64]);

/// The text is not 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("a hash is 64 lowercase hexadecimal digits")]
pub struct ParseHashError;

impl Hash {
    /// The hash before the first: 64 zeros.
    pub const ZERO: Self = Self([b'0'; 64]);

    /// The SHA-256 of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_digest(&Sha256::digest(bytes).into())
    }

    /// The spelling of a digest.
    pub fn of_digest(digest: &Digest32) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        Self(text)
    }

    /// The 64 digits.
    ///
    /// # Panics
    ///
    /// Never: only ASCII digits are ever stored.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("a hash holds ASCII digits only")
    }
}

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let digits: [u8; 64] = text.as_bytes().try_into().map_err(|_| ParseHashError)?;
        if digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(digits))
        } else {
            Err(ParseHashError)
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of(b"abc").as_str(), text);
        assert_eq!(text.parse(), Ok(Hash::of(b"abc")));
        let upper = text.to_uppercase();
        let long = format!("{text}0");
        let wide = format!("{}\u{e9}", &text[..62]);
        for wrong in ["", "abc", &text[..63], &long, &upper, &text.replace('b', "g"), &wide] {
            assert_eq!(wrong.parse::<Hash>(), Err(ParseHashError), "{wrong:?}");
        }
    }
}
