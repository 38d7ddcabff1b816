//! Which machine code a server has mapped: that of its program, its libraries, or its interpreter.
//!
//! Where both sides have mapped the same, no link placed code elsewhere on one of them, so that what the
//! layout of a link does to times cannot be what tells them apart. Two scripts of one interpreter are such
//! sides, and so are two configurations of one server. Code that a runtime makes while it runs is in no
//! file, and is placed anew in each process.
//!
//! Nothing is said of a server whose processes cannot be looked at, or that is not the one who listens: a
//! container's client has the same code whatever runs in the container.
//!
//! The same mappings tell whether a runtime can make code while it runs: it needs memory that may be executed
//! and is no file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use perf_passport::{
    files,
    passport::MappedCode,
    process_memory::descendants,
    text::hex,
    units::{BYTES_PER_MB, Bytes, Count},
};
use sha2::{Digest, Sha256};

/// The largest file of code that is read.
const FILE_MAX: Bytes = Bytes::new(1_024 * BYTES_PER_MB);

/// Mappings with a name and no file: memory that a runtime made, with its own code in it.
const MADE_IN_MEMORY: [&str; 3] = ["/memfd:", "/dev/zero", "/SYSV"];

/// Mappings that each process has.
const OF_THE_SYSTEM: [&str; 2] = ["[vdso]", "[vsyscall]"];

/// The state of a socket that listens, as `/proc/net/tcp` has it.
const LISTENS: &str = "0A";

/// The code of all processes below the one that looks after a server on this port; `None` where that is
/// not known.
pub(crate) fn mapped_code(supervisor: u32, port: u16) -> Option<MappedCode> {
    let processes = descendants(supervisor);
    if !is_theirs(&listening(port), &processes) {
        return None;
    }
    let mut mapped: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for process in processes {
        let maps = fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
        for (path, inode) in maps.lines().filter_map(executable_file) {
            // The same name for two files.
            if *mapped.entry(path).or_insert(inode) != inode {
                return None;
            }
        }
    }
    let files: Option<BTreeSet<String>> =
        mapped.iter().map(|(path, inode)| file_sha256(path, *inode)).collect();
    let files = files.filter(|it| !it.is_empty())?;
    let mut digest = Sha256::new();
    for file in &files {
        digest.update(format!("{file}\n"));
    }
    Some(MappedCode {
        mapped_sha256: hex(&digest.finalize()),
        files: Count::new(files.len() as u64),
    })
}

/// Whether a server on this port may make machine code while it runs, as a runtime that compiles does. One
/// whose processes cannot be looked at may.
pub(crate) fn may_make_code(supervisor: u32, port: u16) -> bool {
    let processes = descendants(supervisor);
    if !is_theirs(&listening(port), &processes) {
        return true;
    }
    processes.iter().any(|process| {
        let maps = fs::read_to_string(format!("/proc/{process}/maps"));
        maps.map_or(true, |maps| maps.lines().any(is_made_code))
    })
}

/// Whether a mapping may be executed and is neither of a file nor of the system.
fn is_made_code(line: &str) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let is_executable = fields.next().is_some_and(|it| it.contains('x'));
    let name = fields.nth(3).unwrap_or_default();
    is_executable && executable_file(line).is_none() && !OF_THE_SYSTEM.contains(&name)
}

/// The file of a mapping that may be executed, with its number.
fn executable_file(line: &str) -> Option<(PathBuf, u64)> {
    // Address, permissions, offset, device, number of the file, and its name with blanks in it.
    let mut fields = line.splitn(6, ' ');
    let permissions = fields.nth(1)?;
    let inode: u64 = fields.nth(2)?.parse().ok()?;
    let path = fields.next()?.trim_start();
    let made = MADE_IN_MEMORY.iter().any(|it| path.starts_with(it));
    (permissions.contains('x') && inode > 0 && !made).then(|| (PathBuf::from(path), inode))
}

fn file_sha256(path: &Path, inode: u64) -> Option<String> {
    // It may have been replaced since, or be another one for a process in a container.
    (fs::metadata(path).ok()?.ino() == inode).then_some(())?;
    Some(hex(&Sha256::digest(files::read(path, FILE_MAX).ok()?)))
}

/// The sockets that listen on a port of this machine.
fn listening(port: u16) -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let texts = tables.iter().filter_map(|table| fs::read_to_string(table).ok());
    texts.flat_map(|text| listening_in(&text, port)).collect()
}

fn listening_in(table: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&port) && fields.get(3) == Some(&LISTENS);
        listens.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
    };
    table.lines().filter_map(socket).collect()
}

/// Whether each of these sockets, of which there is one, is held by one of the processes.
fn is_theirs(sockets: &[String], processes: &[u32]) -> bool {
    let open = |process: &u32| {
        let entries = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.map(|link| link.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let held: BTreeSet<String> = processes.iter().flat_map(open).collect();
    !sockets.is_empty() && sockets.iter().all(|socket| held.contains(socket))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_files_with_code_are_seen() {
        let file = |line: &str| {
            executable_file(line).map(|(path, inode)| (path.display().to_string(), inode))
        };
        let code = "7f00-7f10 r-xp 00001000 08:01 4711                       /usr/lib/lib c.so";
        assert_eq!(file(code), Some(("/usr/lib/lib c.so".to_owned(), 4_711)));
        for other in [
            "7f00-7f10 r--p 00001000 08:01 4711                       /usr/lib/libc.so",
            "7f00-7f10 rwxp 00000000 00:00 0 ",
            "7ffd-7ffe r-xp 00000000 00:00 0                          [vdso]",
            "7f00-7f10 r-xs 00000000 00:01 99                         /memfd:doublemapper (deleted)",
            "",
            "nonsense",
        ] {
            assert_eq!(file(other), None, "{other}");
        }
    }

    #[test]
    fn code_that_is_in_no_file_was_made() {
        for made in [
            "7f00-7f10 rwxp 00000000 00:00 0 ",
            "7f00-7f10 r-xp 00000000 00:00 0                          [anon:v8]",
            "7f00-7f10 r-xs 00000000 00:01 99                         /memfd:doublemapper (deleted)",
        ] {
            assert!(is_made_code(made), "{made}");
        }
        for other in [
            "7f00-7f10 r-xp 00001000 08:01 4711                       /usr/lib/libc.so",
            "7ffd-7ffe r-xp 00000000 00:00 0                          [vdso]",
            "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]",
            "7f00-7f10 rw-p 00000000 00:00 0                          [heap]",
            "",
        ] {
            assert!(!is_made_code(other), "{other}");
        }
        // Whose processes are not known.
        assert!(may_make_code(std::process::id(), 1));
    }

    #[test]
    fn who_listens_is_found_by_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 61 1 0 100 0 0 10 0\n\
             1: 0100007F:4E20 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 62 1 0 100 0 0 10 0\n\
             2: 0100007F:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 63 1 0 100 0 0 10 0\n";
        assert_eq!(listening_in(table, 20_000), ["socket:[61]"]);
        assert!(listening_in(table, 20_002).is_empty());
    }

    #[test]
    fn a_socket_of_somebody_else_is_not_theirs() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets = listening(listener.local_addr().unwrap().port());
        let own = std::process::id();
        assert!(is_theirs(&sockets, &[own]));
        assert!(!is_theirs(&sockets, &[]) && !is_theirs(&[], &[own]));
        // This process is below nobody that it started.
        assert_eq!(mapped_code(own, listener.local_addr().unwrap().port()), None);
    }
}
