//! What an executable loads: its code, its constants and its data, as a digest.
//!
//! Two builds of which this is equal do the same when they are asked the same, unless they read other
//! files. Debug information, names and the id of the build are not loaded, or read by nobody.
//!
//! One difference is looked through: the line and the column in the location of a panic, which is all that
//! a comment changes. A location is a text that ends with `.rs`, its length, a line and a column, in the
//! section of constants that hold addresses. Only who prints a panic reads it.
//! What is not known is no code: a script, an executable for another machine, or one that says where its
//! libraries are, as those may differ.

use std::collections::BTreeSet;

use object::{
    Endianness, File, Object, ObjectSection, RelocationFlags, RelocationTarget, SectionFlags,
    SectionKind, elf,
    read::elf::{Dyn, ElfFile64, FileHeader},
};
use perf_passport::text::hex;
use sha2::{Digest, Sha256};

/// The section that tells builds of the same code apart.
const BUILD_ID: &str = ".note.gnu.build-id";

/// The section of constants that hold addresses.
const CONSTANTS_WITH_ADDRESSES: &str = ".data.rel.ro";

/// A text's address and length, then a line and a column.
const LOCATION_SIZE: usize = 24;
const LINE_AND_COLUMN: std::ops::Range<usize> = 16..LOCATION_SIZE;

/// The longest name of a source file, in bytes.
const NAME_MAX: u64 = 4_096;

/// SHA-256 of all that an executable loads, in lowercase hexadecimal; `None` where that is not known.
pub(crate) fn loaded_sha256(executable: &[u8]) -> Option<String> {
    let file = File::parse(executable).ok()?;
    let File::Elf64(elf_file) = &file else { return None };
    if names_places_of_libraries(elf_file)? {
        return None;
    }
    let mut digest = Sha256::new();
    digest.update(file.entry().to_le_bytes());
    let mut any_code = false;
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.0 & elf::SHF_ALLOC.0 == 0 || section.name() == Ok(BUILD_ID) {
            continue;
        }
        any_code |= section.kind() == SectionKind::Text;
        let header = [section.address(), section.size(), sh_flags.0];
        for number in header {
            digest.update(number.to_le_bytes());
        }
        let mut bytes = section.data().ok()?.to_vec();
        if section.name() == Ok(CONSTANTS_WITH_ADDRESSES) {
            without_lines(&file, section.address(), &mut bytes);
        }
        digest.update(&bytes);
    }
    any_code.then(|| hex(&digest.finalize()))
}

/// Whether it says itself where some of its libraries are.
fn names_places_of_libraries(file: &ElfFile64<'_, Endianness>) -> Option<bool> {
    let endian = file.endian();
    let sections = file.elf_header().sections(endian, file.data()).ok()?;
    let Some((entries, _)) = sections.dynamic(endian, file.data()).ok()? else {
        return Some(false);
    };
    let names = |it: &elf::Dyn64<Endianness>| {
        let tag = it.d_tag(endian);
        tag == elf::DT_RPATH || tag == elf::DT_RUNPATH
    };
    Some(entries.iter().any(names))
}

/// Clears lines and columns of locations in a section that begins at this address.
fn without_lines(file: &File<'_>, begin: u64, bytes: &mut [u8]) {
    let Some(relocations) = file.dynamic_relocations() else { return };
    let addresses: Vec<(u64, u64)> = relocations
        .filter(|(_, it)| {
            let is_relative = matches!(
                it.flags(),
                RelocationFlags::Elf { r_type: elf::R_X86_64_RELATIVE | elf::R_AARCH64_RELATIVE }
            );
            is_relative && it.target() == RelocationTarget::Absolute
        })
        .filter_map(|(at, it)| Some((at, u64::try_from(it.addend()).ok()?)))
        .collect();
    let texts: Vec<_> = file
        .sections()
        .filter(|it| matches!(it.kind(), SectionKind::ReadOnlyData | SectionKind::ReadOnlyString))
        .filter_map(|it| Some((it.address(), it.data().ok()?)))
        .collect();
    let hold_addresses: BTreeSet<u64> = addresses.iter().map(|(at, _)| *at).collect();
    for (at, text) in addresses {
        let Some(offset) = at.checked_sub(begin).and_then(|it| usize::try_from(it).ok()) else {
            continue;
        };
        let end = offset.saturating_add(LOCATION_SIZE);
        let Some(location) = bytes.get_mut(offset..end) else { continue };
        let is_name =
            u64_at(location, 8).is_some_and(|length| is_source_name(&texts, text, length));
        let line_and_column = &mut location[LINE_AND_COLUMN];
        let are_numbers = line_and_column.chunks(4).all(|it| it.iter().any(|byte| *byte != 0));
        if is_name && are_numbers && !hold_addresses.contains(&(at + 16)) {
            line_and_column.fill(0);
        }
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Whether a text of this length is at this address and is the name of a Rust source.
fn is_source_name(texts: &[(u64, &[u8])], address: u64, length: u64) -> bool {
    if length > NAME_MAX {
        return false;
    }
    let text = texts.iter().find_map(|(begin, bytes)| {
        let offset = usize::try_from(address.checked_sub(*begin)?).ok()?;
        bytes.get(offset..offset.checked_add(usize::try_from(length).ok()?)?)
    });
    text.is_some_and(|it| it.ends_with(b".rs") && it.iter().all(|byte| *byte >= b' '))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, process::Command};

    use super::*;

    const PROGRAM: &str = "fn main() {
        let lengths: Vec<usize> = std::env::args().map(|it| it.len()).collect();
        println!(\"{} {}\", lengths[1], \"text\".repeat(lengths[0]));
    }\n";

    /// What the compiler makes of a program in this directory.
    fn built(directory: &Path, program: &str, options: &[&str]) -> Vec<u8> {
        fs::write(directory.join("program.rs"), program).unwrap();
        let mut command = Command::new("rustc");
        command.args(["--edition", "2024", "-O", "-g", "-o", "program", "program.rs"]);
        let output = command.args(options).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::read(directory.join("program")).unwrap()
    }

    #[test]
    fn comments_move_panics_and_change_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let digest = |program: &str| loaded_sha256(&built(directory.path(), program, &[])).unwrap();
        let plain = digest(PROGRAM);
        let commented = format!("// What it does.\n\n{PROGRAM}");
        assert_ne!(built(directory.path(), &commented, &[]), built(directory.path(), PROGRAM, &[]));
        assert_eq!(digest(&commented), plain);
        for other in [
            PROGRAM.replace("text", "test"),
            PROGRAM.replace("lengths[1]", "lengths[2]"),
            PROGRAM.replace("it.len()", "it.len() + 1"),
        ] {
            assert_ne!(digest(&other), plain, "{other}");
        }
        // A line that the program itself asks for is code.
        let asking = PROGRAM.replace("lengths[1]", "lengths[1] + line!() as usize");
        assert_ne!(digest(&format!("\n{asking}")), digest(&asking));
    }

    #[test]
    fn what_is_not_known_is_no_code() {
        let directory = tempfile::tempdir().unwrap();
        let program = built(directory.path(), PROGRAM, &[]);
        assert!(loaded_sha256(&program).is_some());
        assert_eq!(loaded_sha256(b"#!/bin/sh\nexec other\n"), None);
        assert_eq!(loaded_sha256(b""), None);
        // Wherever it ends, it is refused or read, and never worse.
        for length in (0..program.len()).step_by(program.len() / 97) {
            let _ = loaded_sha256(&program[..length]);
        }
        for at in (0..program.len().min(4_096)).step_by(7) {
            let mut broken = program.clone();
            broken[at] ^= 0xff;
            let _ = loaded_sha256(&broken);
        }
        let places = built(directory.path(), PROGRAM, &["-Clink-arg=-Wl,-rpath,/somewhere"]);
        assert_eq!(loaded_sha256(&places), None);
    }
}
