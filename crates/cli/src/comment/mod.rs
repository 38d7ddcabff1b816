//! `passport comment`: what a run measured, as one comment on its pull request.
//!
//! [`artifact`] reads what the run left, which a stranger may have written. [`github`] asks GitHub which pull
//! request it is, and posts. [`command`] holds both together. What is posted is rendered of figures that
//! were verified here.

mod artifact;
mod github;
mod command;

pub(super) use command::{CommentArguments, run};
