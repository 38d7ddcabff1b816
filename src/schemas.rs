//! The JSON Schemas of the formats, as they are published in `schemas/`.
//!
//! The types that are read and written make them, with the feature `schema`: a test of the command line
//! holds both equal. As text they cost a program nothing that it does not use.

/// Of the contract.
pub const CONTRACT: &str = include_str!("../schemas/contract.schema.json");

/// Of a passport.
pub const PASSPORT: &str = include_str!("../schemas/passport.schema.json");

/// Of why checks got worse, which a comparison files beside its passport.
pub const CAUSES: &str = include_str!("../schemas/causes.schema.json");
