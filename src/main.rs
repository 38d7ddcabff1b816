//! The `passport` command.

fn main() {}
