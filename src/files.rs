//! Files, and what stands in their place: links, devices and FIFOs.
//!
//! [`read`] stops at a limit, and does not wait for a FIFO that nobody writes to. [`write()`] replaces a
//! file by renaming a complete and synced one over it, so that neither a full disk nor a kill leaves
//! half of one. [`write_together`] does so with several, and replaces none before all are complete. A link
//! stays a link: what it leads to is replaced. A device or a FIFO is written to.
//! Nothing here knows what is in a file.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::units::Bytes;

/// Links that are followed before they are taken for a circle, as Linux does.
const LINKS_MAX: usize = 40;

/// What the names of files end in that are being written: nobody else names a file so.
const UNFINISHED: &str = ".passport.tmp";

/// Files that this process is writing at the moment.
static WRITING: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Reads a whole file, whatever it says of its length.
///
/// # Errors
///
/// The system's error, [`io::ErrorKind::FileTooLarge`] beyond `limit`, or
/// [`io::ErrorKind::InvalidInput`] for a FIFO that no process writes to.
pub fn read(path: &Path, limit: Bytes) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // What a file says of its length is not to be relied on: a device says 0.
    let is_fifo = is_fifo(path);
    let file = if is_fifo { fifo::open_to_read(path)? } else { File::open(path)? };
    file.take(limit.get().saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.get() {
        let message = format!("it is larger than {limit}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    if is_fifo && bytes.is_empty() {
        let message = "it is a FIFO, and no process writes to it";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(bytes)
}

/// Where bytes go that are written to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A file that is replaced whole, or made; never a link.
    File(PathBuf),
    /// A device, a FIFO, or what is open already: it is written to.
    Stream(PathBuf),
}

impl Destination {
    /// Where bytes go that are written to this path: links are followed, also where they lead to nothing.
    ///
    /// # Errors
    ///
    /// The system's error, or that links lead in a circle.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            if is_open_already(&path) {
                return Ok(Self::Stream(path));
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    let leads_to = fs::read_link(&path)?;
                    path = parent(&path).unwrap_or(Path::new("")).join(leads_to);
                }
                // To replace a directory fails, and the system says why.
                Ok(found) if found.is_file() || found.is_dir() => return Ok(Self::File(path)),
                Ok(_) => return Ok(Self::Stream(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Self::File(path));
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "its links lead in a circle"))
    }

    /// Writes bytes there; missing directories are made.
    ///
    /// # Errors
    ///
    /// The system's error. A file is then what it was before.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(path) => replace(path, bytes),
            Self::Stream(path) => send(path, bytes),
        }
    }
}

/// Writes bytes: a file is replaced whole, and missing directories are made.
///
/// # Errors
///
/// The system's error. A file is then what it was before.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    Destination::of(path)?.write(bytes)
}

/// A file, and what is to be in it.
#[derive(Debug, Clone, Copy)]
pub struct FileContent<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// All of it.
    pub bytes: &'a [u8],
}

/// Which of several files could not be written, and why.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}", path.display())]
pub struct WriteTogetherError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// Writes files that belong together: all are complete and synced beside their places before the first is
/// put there.
///
/// So a disk that is full, and a place where no file can be, leave each file as it was. Only who is killed
/// while the files are renamed, one after the other, leaves some of before and some of now, each whole. To
/// write them once more mends that.
///
/// # Errors
///
/// [`WriteTogetherError`]. Unless a renaming failed, every file is then what it was before.
pub fn write_together(files: &[FileContent<'_>]) -> Result<(), WriteTogetherError> {
    let mut complete = Vec::new();
    let mut streams = Vec::new();
    for file in files {
        let failed = |source| WriteTogetherError { path: file.path.to_owned(), source };
        match Destination::of(file.path).map_err(failed)? {
            Destination::File(path) if path.is_dir() => {
                return Err(failed(io::Error::new(
                    io::ErrorKind::IsADirectory,
                    "it is a directory",
                )));
            }
            Destination::File(path) => {
                complete.push((completed(&path, file.bytes).map_err(failed)?, path));
            }
            Destination::Stream(path) => streams.push((path, file.bytes)),
        }
    }
    for (path, bytes) in streams {
        send(&path, bytes).map_err(|source| WriteTogetherError { path, source })?;
    }
    for (unfinished, path) in complete {
        put(&unfinished, &path).map_err(|source| WriteTogetherError { path, source })?;
    }
    Ok(())
}

/// Makes a link to a file beside it, in one step: there is no moment without one.
#[cfg(unix)]
pub(crate) fn link_beside(link: &Path, name: &str) -> io::Result<()> {
    let unfinished = Unfinished::beside(link, |path| std::os::unix::fs::symlink(name, path))?;
    fs::rename(&unfinished.path, link)
}

/// Where links need privileges, the file is copied.
#[cfg(not(unix))]
pub(crate) fn link_beside(link: &Path, name: &str) -> io::Result<()> {
    replace(link, &fs::read(link.with_file_name(name))?)
}

/// Whether a path names what a process has open, as `/dev/stdout` does by a link.
fn is_open_already(path: &Path) -> bool {
    let below = ["/proc", "/dev/fd"].iter().any(|it| path.starts_with(it));
    below && fs::metadata(path).is_ok_and(|it| !it.is_dir())
}

fn send(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut stream = if is_fifo(path) {
        fifo::open_to_write(path)?
    } else {
        // What is open already may be a file that others have written to.
        OpenOptions::new().append(true).open(path)?
    };
    stream.write_all(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(error.kind(), "no process reads it"),
        _ => error,
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    put(&completed(path, bytes)?, path)
}

/// A complete and synced file beside the one that it is to replace.
fn completed(path: &Path, bytes: &[u8]) -> io::Result<Unfinished> {
    if let Some(parent) = parent(path) {
        fs::create_dir_all(parent)?;
        sweep(parent);
    } else {
        sweep(Path::new("."));
    }
    let mut created = None;
    let unfinished = Unfinished::beside(path, |at| {
        created = Some(OpenOptions::new().write(true).create_new(true).open(at)?);
        Ok(())
    })?;
    if let Some(mut file) = created {
        // Who may read what is replaced may read what replaces it, and nobody else.
        if let Ok(replaced) = fs::metadata(path) {
            file.set_permissions(replaced.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    Ok(unfinished)
}

/// Puts a complete file in its place.
fn put(complete: &Unfinished, path: &Path) -> io::Result<()> {
    fs::rename(&complete.path, path)?;
    // The new file is in its place, whole and synced. That its name survives a crash of the machine
    // is all that is still missing, and not every file system lets a directory be synced: it would
    // be untrue to say that nothing was written.
    let _ = sync_directory(path);
    Ok(())
}

/// A file that is being written, in the directory where it is to be, so that renaming it is atomic. It
/// is removed when it is dropped, unless it was renamed.
#[derive(Debug)]
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// Makes one that did not exist.
    fn beside(path: &Path, mut make: impl FnMut(&Path) -> io::Result<()>) -> io::Result<Self> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
        for attempt in 0..100 {
            let mut unfinished = OsString::from(".");
            unfinished.push(name);
            unfinished.push(format!(".{}.{attempt}{UNFINISHED}", std::process::id()));
            let unfinished = path.with_file_name(unfinished);
            let mut writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
            match make(&unfinished) {
                Ok(()) => {
                    writing.insert(unfinished.clone());
                    return Ok(Self { path: unfinished });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let message = "a hundred temporary files are in the way";
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        writing.remove(&self.path);
        // The error of the write says more than one of the clean-up.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what a process that was killed left half written. What cannot be removed stays.
fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(process) = writer(&entry.file_name().to_string_lossy()) else { continue };
        let writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        // A process of before may have had the number of this one.
        let ours = process == std::process::id();
        let left = if ours { !writing.contains(&path) } else { has_ended(process) };
        if left {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The process that writes a file of this name, when it is one that is being written.
fn writer(name: &str) -> Option<u32> {
    let name = name.strip_prefix('.')?.strip_suffix(UNFINISHED)?;
    let mut parts = name.rsplit('.');
    let (attempt, process) = (parts.next()?, parts.next()?);
    attempt.parse::<u32>().ok()?;
    process.parse().ok()
}

/// Whether no such process is there. Where that cannot be known, it may be.
fn has_ended(process: u32) -> bool {
    let processes = Path::new("/proc");
    processes.join("self").exists() && !processes.join(process.to_string()).exists()
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

/// Makes the rename itself survive a crash, where that can be had.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(parent(path).unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of the other systems")]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|it| it.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_fifo(_: &Path) -> bool {
    false
}

/// To open one end of a FIFO waits until somebody has the other. To open both does not: while this
/// process has both, one end is opened without waiting, and then the other is given up again.
mod fifo {
    use std::{
        fs::{File, OpenOptions},
        io,
        path::Path,
    };

    fn both(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    /// Reading it is at its end at once where nobody writes.
    pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
        let both = both(path)?;
        let end = File::open(path);
        drop(both);
        end
    }

    /// Writing to it fails with a broken pipe where nobody reads.
    pub(super) fn open_to_write(path: &Path) -> io::Result<File> {
        let both = both(path)?;
        let end = OpenOptions::new().write(true).open(path);
        drop(both);
        end
    }
}
