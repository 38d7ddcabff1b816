//! Processes that a test looks after.

use std::{fs, path::Path, thread, time::Duration};

/// Lines of a file; none where there is no file.
pub fn lines(file: &Path) -> usize {
    fs::read_to_string(file).map_or(0, |text| text.lines().count())
}

/// Whether a process runs.
pub fn is_alive(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().split_whitespace().next();
    !matches!(state, None | Some("Z" | "X"))
}

/// Waits until something holds, far beyond any time that it takes.
#[track_caller]
pub fn eventually(complaint: &str, holds: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{complaint}");
}
