//! What requests are made of: variables, and files beside the contract.

use std::{collections::BTreeMap, io::Read, path::Path};

use sha2::{Digest, Sha256};

use crate::{
    files,
    text::{hex, printable},
    units::{BYTES_PER_MB, Bytes},
};

/// The largest file that is sent.
const BODY_MAX: Bytes = Bytes::new(256 * BYTES_PER_MB);

/// Why a request cannot be made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanError {
    /// This variable is not set, or not to what can be sent.
    Variable(String),
    /// What is wrong with a file.
    Input(String),
}

/// What requests are made of.
pub(super) struct Materials<'a> {
    pub(super) directory: &'a Path,
    pub(super) lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Whether names in braces stand for values.
    pub(super) has_values: bool,
    /// Files that were read, with their SHA-256.
    pub(super) inputs: BTreeMap<String, String>,
    /// Variables that were filled in, with their values.
    pub(super) secrets: Vec<(String, String)>,
}

/// A file that is sent as it is.
pub(super) fn read_input(name: &str, from: &mut Materials<'_>) -> Result<Vec<u8>, PlanError> {
    let refused = |problem: String| {
        let name = printable(name.as_bytes(), 200);
        PlanError::Input(format!("cannot send `{name}`: {problem}"))
    };
    let path = from.directory.join(name);
    let found = std::fs::metadata(&path).map_err(|error| refused(error.to_string()))?;
    if !found.is_file() {
        return Err(refused("it is a directory, a FIFO or a device, and no file".to_owned()));
    }
    let bytes = files::read(&path, BODY_MAX).map_err(|error| refused(error.to_string()))?;
    from.inputs.insert(name.to_owned(), hex(&Sha256::digest(&bytes)));
    Ok(bytes)
}

/// The SHA-256 of a file of a contract, which is read as a stream; `None` where it cannot be read.
pub fn input_digest(directory: &Path, name: &str) -> Option<String> {
    let path = directory.join(name);
    if !std::fs::metadata(&path).ok()?.is_file() {
        return None;
    }
    let mut file = std::fs::File::open(path).ok()?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hex(&digest.finalize())),
            read => digest.update(&buffer[..read]),
        }
    }
}
