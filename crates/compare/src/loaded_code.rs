//! What an executable loads: its code, its constants and its data, as a digest.
//!
//! Two builds of which this is equal do the same when they are asked the same, unless they read other
//! files. Debug information and names are not loaded; whoever prints a backtrace reads them from the file.
//!
//! One difference may be looked through: the line in the location of a panic, which is all that a comment
//! above it changes. A location is the address and the length of a source's name, a line and a column, in
//! the section of constants that hold addresses. Whoever asks says of which sources. What is not known is
//! no code: a script, an executable of another kind of machine, or one that says where its libraries are,
//! as those may differ.

use std::{collections::BTreeSet, ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use object::{
    Architecture, Endianness, Object, ObjectSection, RelocationFlags, RelocationTarget,
    SectionFlags, SectionKind, elf,
    read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader},
};
use perf_passport::text::hex;
use sha2::{Digest, Sha256};

/// The section that tells builds of the same code apart.
const BUILD_ID: &str = ".note.gnu.build-id";

/// The section of constants that hold addresses.
const CONSTANTS_WITH_ADDRESSES: &str = ".data.rel.ro";

/// A name's address and length, then a line and a column.
const LOCATION_SIZE: usize = 24;

/// No source has so many lines.
const LINES_MAX: u64 = 1 << 20;

/// The longest name of a source, in bytes.
const NAME_MAX: u64 = 4_096;

/// SHA-256 of all that an executable loads, in lowercase hexadecimal, but for the lines of locations in
/// sources of which `is_changed` says so; `None` where that is not known.
pub(crate) fn loaded_sha256(
    executable: &[u8],
    is_changed: &dyn Fn(&Path) -> bool,
) -> Option<String> {
    let file = read(executable)?;
    let mut digest = Sha256::new();
    digest.update(file.entry().to_le_bytes());
    let segments = file.elf_program_headers();
    for segment in segments {
        let endian = file.endian();
        let shape = [segment.p_type(endian).0, segment.p_flags(endian).0];
        for number in shape {
            digest.update(number.to_le_bytes());
        }
        digest.update(segment.p_align(endian).to_le_bytes());
    }
    let mut any_code = false;
    for section in loaded_sections(&file) {
        any_code |= section.kind() == SectionKind::Text;
        for number in [section.address(), section.size()] {
            digest.update(number.to_le_bytes());
        }
        let mut bytes = section.data().ok()?.to_vec();
        if section.name() == Ok(CONSTANTS_WITH_ADDRESSES) {
            without_lines(&file, section.address(), &mut bytes, is_changed);
        }
        digest.update(&bytes);
    }
    any_code.then(|| hex(&digest.finalize()))
}

/// All that an executable loads, one section after the other; `None` as [`loaded_sha256`] has it.
pub(crate) fn loaded_bytes(executable: &[u8]) -> Option<Vec<u8>> {
    let file = read(executable)?;
    let sections: Option<Vec<&[u8]>> =
        loaded_sections(&file).map(|section| section.data().ok()).collect();
    Some(sections?.concat())
}

/// Whether something is behind all that the headers of an executable name. A program may read that of
/// itself, and whoever rewrites the executable leaves it out. True also of what is no executable.
pub(crate) fn has_more_than_its_parts(executable: &[u8]) -> bool {
    let end = || -> Option<u64> {
        let file: ElfFile64<'_, Endianness> = ElfFile64::parse(executable).ok()?;
        let (header, endian) = (file.elf_header(), file.endian());
        let table = u64::from(header.e_shnum(endian)) * u64::from(header.e_shentsize(endian));
        let sections = file.sections().filter_map(|it| it.file_range());
        let ends = sections.map(|(begin, size)| begin.saturating_add(size));
        ends.chain([header.e_shoff(endian).saturating_add(table)]).max()
    };
    end().is_none_or(|end| end < executable.len() as u64)
}

fn read(executable: &[u8]) -> Option<ElfFile64<'_, Endianness>> {
    if has_more_than_its_parts(executable) {
        return None;
    }
    let file: ElfFile64<'_, Endianness> = ElfFile64::parse(executable).ok()?;
    let ours = match std::env::consts::ARCH {
        "x86_64" => Architecture::X86_64,
        "aarch64" => Architecture::Aarch64,
        _ => return None,
    };
    let is_ours = file.architecture() == ours && file.is_little_endian();
    (is_ours && !names_places_of_libraries(&file)?).then_some(file)
}

fn loaded_sections<'f, 'd>(
    file: &'f ElfFile64<'d, Endianness>,
) -> impl Iterator<Item = impl ObjectSection<'d> + use<'f, 'd>> {
    file.sections().filter(|section| {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return false };
        sh_flags.0 & elf::SHF_ALLOC.0 != 0 && section.name() != Ok(BUILD_ID)
    })
}

/// Whether it says itself where some of its libraries are.
fn names_places_of_libraries(file: &ElfFile64<'_, Endianness>) -> Option<bool> {
    let endian = file.endian();
    let sections = file.elf_header().sections(endian, file.data()).ok()?;
    let Some((entries, strings)) = sections.dynamic(endian, file.data()).ok()? else {
        return Some(false);
    };
    let strings = sections.strings(endian, file.data(), strings).ok()?;
    for entry in entries {
        let tag = entry.d_tag(endian);
        if tag == elf::DT_RPATH || tag == elf::DT_RUNPATH {
            return Some(true);
        }
        let names_a_library = [elf::DT_NEEDED, elf::DT_AUXILIARY, elf::DT_FILTER].contains(&tag);
        if names_a_library {
            let at = u32::try_from(entry.d_val(endian)).ok()?;
            if strings.get(at).ok()?.contains(&b'/') {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// Clears lines of locations in a section that begins at this address.
fn without_lines(
    file: &ElfFile64<'_, Endianness>,
    begin: u64,
    bytes: &mut [u8],
    is_changed: &dyn Fn(&Path) -> bool,
) {
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
    let texts: Vec<(u64, &[u8])> = file
        .sections()
        .filter(|it| matches!(it.kind(), SectionKind::ReadOnlyData | SectionKind::ReadOnlyString))
        .filter_map(|it| Some((it.address(), it.data().ok()?)))
        .collect();
    let hold_addresses: BTreeSet<u64> = addresses.iter().map(|(at, _)| *at).collect();
    for (at, name) in addresses {
        let offset = at.checked_sub(begin).and_then(|it| usize::try_from(it).ok());
        let place = offset.and_then(|it| Some(it..it.checked_add(LOCATION_SIZE)?));
        let Some(location) = place.and_then(|it| bytes.get_mut(it)) else { continue };
        let (Some(length), Some(line), Some(column)) =
            (number(&location[8..16]), number(&location[16..20]), number(&location[20..24]))
        else {
            continue;
        };
        let are_of_a_source = (1..LINES_MAX).contains(&line) && (1..LINES_MAX).contains(&column);
        if are_of_a_source
            && !hold_addresses.contains(&(at + 16))
            && source_name(&texts, name, length).is_some_and(is_changed)
        {
            location[16..20].fill(0);
        }
    }
}

/// A number of at most eight bytes, the least first.
fn number(bytes: &[u8]) -> Option<u64> {
    let mut all = [0; 8];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(u64::from_le_bytes(all))
}

/// The name of a Rust source that is at this address.
fn source_name<'t>(texts: &[(u64, &'t [u8])], address: u64, length: u64) -> Option<&'t Path> {
    let length = usize::try_from(length).ok().filter(|_| length <= NAME_MAX)?;
    let text = texts.iter().find_map(|(begin, bytes)| {
        let offset = usize::try_from(address.checked_sub(*begin)?).ok()?;
        bytes.get(offset..offset.checked_add(length)?)
    })?;
    let is_name = text.ends_with(b".rs") && text.iter().all(|byte| *byte >= b' ');
    is_name.then(|| Path::new(OsStr::from_bytes(text)))
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
        let program = Path::new("program.rs");
        let digest = |text: &str| {
            loaded_sha256(&built(directory.path(), text, &[]), &|it| it == program).unwrap()
        };
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
        // Of another source it is not looked through.
        let of_other = |text: &str| loaded_sha256(&built(directory.path(), text, &[]), &|_| false);
        assert_ne!(of_other(&commented), of_other(PROGRAM));
        // What has the form of a location, in a table of the program's own, is none.
        let table = |numbers: &str| {
            format!(
                "static ROUNDS: &[(&str, u32, u32)] = &[(\"lexer.rs\", {numbers})];
                fn main() {{ println!(\"{{:?}}\", std::hint::black_box(ROUNDS)); }}\n"
            )
        };
        assert_ne!(digest(&table("10, 1")), digest(&table("10000, 1")));
        // A line that the program itself asks for is code.
        let asking = PROGRAM.replace("lengths[1]", "lengths[1] + line!() as usize");
        assert_ne!(digest(&format!("\n{asking}")), digest(&asking));
    }

    #[test]
    fn what_is_behind_a_program_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let mut program = built(directory.path(), PROGRAM, &[]);
        assert!(!has_more_than_its_parts(&program));
        program.extend_from_slice(b"SLOW");
        assert!(has_more_than_its_parts(&program));
        assert_eq!(loaded_sha256(&program, &|_| true), None);
    }

    #[test]
    fn what_is_not_known_is_no_code() {
        let directory = tempfile::tempdir().unwrap();
        let program = built(directory.path(), PROGRAM, &[]);
        assert!(loaded_sha256(&program, &|_| true).is_some());
        assert_eq!(loaded_sha256(b"#!/bin/sh\nexec other\n", &|_| true), None);
        assert_eq!(loaded_sha256(b"", &|_| true), None);
        // Wherever it ends, it is refused or read, and never worse.
        for length in (0..program.len()).step_by(program.len() / 97) {
            let _ = loaded_sha256(&program[..length], &|_| true);
        }
        for at in (0..program.len().min(4_096)).step_by(7) {
            let mut broken = program.clone();
            broken[at] ^= 0xff;
            let _ = loaded_sha256(&broken, &|_| true);
        }
        let places = built(directory.path(), PROGRAM, &["-Clink-arg=-Wl,-rpath,/somewhere"]);
        assert_eq!(loaded_sha256(&places, &|_| true), None);
    }
}
