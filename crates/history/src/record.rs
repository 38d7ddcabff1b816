//! What people decided, as append-only records beside the passports.
//!
//! A [`Record`] is one small JSON file, named after the SHA-256 of its bytes. It is never changed: who
//! decides otherwise adds another one.

use perf_passport::text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The format of records that this version writes.
const SCHEMA_VERSION: u32 = 1;

/// The longest reason that is kept, in bytes.
pub const WHY_MAX: usize = 2000;

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Record {
    /// A change is what was wanted.
    Acceptance(Acceptance),
    /// A passport was measured of this commit, as somebody says.
    Placement(SaidPlacement),
}

/// That a change of a series is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The format.
    pub schema_version: u32,
    /// The event, as it was called then.
    pub event: String,
    /// The contract of the series.
    pub contract: String,
    /// Its subject.
    pub subject: String,
    /// Its kind.
    pub kind: String,
    /// The tree before the change.
    pub from_tree: String,
    /// The tree by which it was there.
    pub to_tree: String,
    /// The figure before, as it was shown.
    pub before: String,
    /// The figure after, as it was shown.
    pub after: String,
    /// Why.
    pub why: String,
    /// When, RFC 3339 in UTC.
    pub timestamp: String,
}

/// That a passport is of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidPlacement {
    /// The format.
    pub schema_version: u32,
    /// The hash of the passport.
    pub passport: String,
    /// What was given, such as a branch.
    pub reference: String,
    /// The commit that it named.
    pub commit: String,
    /// Its tree.
    pub tree: String,
}

impl Acceptance {
    /// The format that this version writes.
    pub const SCHEMA_VERSION: u32 = SCHEMA_VERSION;
}

impl SaidPlacement {
    /// The format that this version writes.
    pub const SCHEMA_VERSION: u32 = SCHEMA_VERSION;
}

impl Record {
    /// The hash that names the record, and its bytes.
    pub fn to_bytes(&self) -> (String, Vec<u8>) {
        // Text and numbers alone: there is nothing in a record that JSON cannot hold.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        (hex(&Sha256::digest(&bytes)), bytes)
    }

    const fn schema_version(&self) -> u32 {
        match self {
            Self::Acceptance(it) => it.schema_version,
            Self::Placement(it) => it.schema_version,
        }
    }
}

/// Reads a record, and holds it against the hash that names it.
///
/// # Errors
///
/// What is wrong with it, in a clause.
pub fn parse(bytes: &[u8], hash: &str) -> Result<Record, String> {
    if hex(&Sha256::digest(bytes)) != hash {
        return Err("edited: its name is not the hash of what is in it".to_owned());
    }
    let record: Record = serde_json::from_slice(bytes)
        .map_err(|error| format!("not a record of this version, at line {}", error.line()))?;
    if record.schema_version() != SCHEMA_VERSION {
        let found = record.schema_version();
        return Err(format!(
            "made by another version: schema {found}, this one reads {SCHEMA_VERSION}"
        ));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement() -> Record {
        Record::Placement(SaidPlacement {
            schema_version: 1,
            passport: "p".into(),
            reference: "HEAD".into(),
            commit: "c".into(),
            tree: "t".into(),
        })
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let (hash, bytes) = placement().to_bytes();
        assert_eq!(parse(&bytes, &hash).unwrap(), placement());
        assert_eq!(placement().to_bytes().0, hash);
    }

    #[test]
    fn edited_foreign_and_newer_records_are_told() {
        let (hash, bytes) = placement().to_bytes();
        assert!(parse(&[&bytes[..], b" "].concat(), &hash).unwrap_err().contains("edited"));
        let of = |text: &str| parse(text.as_bytes(), &hex(&Sha256::digest(text.as_bytes())));
        assert!(of("{}").unwrap_err().contains("not a record"));
        let text = String::from_utf8(bytes).unwrap();
        let newer = text.replace("\"schema_version\": 1", "\"schema_version\": 2");
        assert!(of(&newer).unwrap_err().contains("another version"));
    }
}
