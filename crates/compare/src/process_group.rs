//! The group of processes that a child leads.

use std::process::Child;

use rustix::process::Pid;

/// The number of this child, and of the group that it leads.
pub(crate) fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}
