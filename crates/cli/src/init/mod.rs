//! `passport init`: the first contract, and what runs it.
//!
//! [`command`] looks at what there is, and asks nothing. What is found becomes a [`draft`], which is written
//! whole or not at all and replaces nothing.

mod draft;
mod rust_source;
mod cargo_project;
mod criterion_suite;
mod openapi;
mod running_service;
mod workflow;
mod command;

pub(super) use command::{InitArguments, run};
