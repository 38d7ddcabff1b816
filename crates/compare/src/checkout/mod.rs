//! A side of a comparison from a git ref, or from the working tree as it is.
//!
//! [`checkout`] builds the harness target of a ref with the release profile, as in a clone of its own:
//! no file of the working tree, or of a directory around it, reaches the build. All refs are checked
//! out at one place and built in one target directory, one after the other: paths are a part of an
//! executable and of the hashes in its symbols, so that equal source gives equal bytes only at equal
//! places; and dependencies are built once. The place is in the user's cache (`place.rs`). A lock keeps
//! two that build apart. The executable is then copied, with the source beside it, to where the next
//! comparison of the same ref finds it. What that depends on is in the name of the copy: the source,
//! the compiler, the variables and configuration that change a build, what the source names outside of
//! the repository, and the target.
//!
//! A worker is started in the copy of its package's directory. What a service reads at a path that
//! was fixed when it was compiled, such as one made of `env!("CARGO_MANIFEST_DIR")`, is that of the
//! ref that was checked out last.
//!
//! The user's index, files and objects are read, never written: a dirty working tree becomes a commit
//! object in a clone of ours (`clone.rs`). Nothing is measured here.

mod asked;
mod build;
mod cache;
mod cargo;
mod clone;
mod command;
mod error;
mod git;
mod layout;
mod outside;
mod place;
mod project;
mod rebuild;
mod relink;
mod same_code;
mod working_tree;

pub use self::{
    build::{build_here, checkout, merge_base},
    error::CheckoutError,
    project::{Project, RefBuild, Reference},
    rebuild::{Seeds, rebuild},
    same_code::same_code,
};
