//! Resident memory of a process and of those that it started, as the kernel accounts it.
//!
//! [`read_self`] and [`read_pid`] read one process, and [`read_tree`] one with its [`descendants`]. All
//! return a [`ProcessMemory`]. Figures move in pages and lag behind by what the kernel batches per
//! thread; they cannot see one request. Only Linux is supported.

mod status;
mod tree;

pub use status::{Process, ProcessMemory, ProcessMemoryError, read_pid, read_self};
pub use tree::{descendants, read_tree};
