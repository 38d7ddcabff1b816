//! Where an executable has its code. What is not known is no layout.

use std::{fs, path::Path};

use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use sha2::{Digest, Sha256};

/// A digest of the addresses of all functions; where their names were removed, of the code itself and
/// of its addresses.
///
/// Code has the distances to data in it, so it differs also where only data is somewhere else. So its
/// bytes count only where nothing better is known.
pub(super) fn layout(executable: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(executable).ok()?;
    let file = object::File::parse(bytes.as_slice()).ok()?;
    let mut digest = Sha256::new();
    let mut functions: Vec<(u64, &[u8])> = file
        .symbols()
        .filter(|it| it.kind() == SymbolKind::Text && it.size() > 0)
        .filter_map(|it| Some((it.address(), it.name_bytes().ok()?)))
        .collect();
    functions.sort_unstable();
    for (address, name) in &functions {
        digest.update(address.to_le_bytes());
        digest.update(name);
    }
    if functions.is_empty() {
        let mut any = false;
        for section in file.sections() {
            if section.kind() == SectionKind::Text {
                digest.update(section.address().to_le_bytes());
                digest.update(section.data().ok()?);
                any = true;
            }
        }
        any.then_some(())?;
    }
    Some(digest.finalize().to_vec())
}
