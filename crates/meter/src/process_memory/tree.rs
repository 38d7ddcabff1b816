//! A process and all that it started.

use std::{collections::BTreeMap, fs};

use super::status::{ProcessMemory, ProcessMemoryError, read_pid};
use crate::units::{Bytes, Count};

/// The memory of the process `id` and of all processes that it started and that are still its
/// descendants.
///
/// What several processes share counts once in [`ProcessMemory::held_min`], as far as the kernel tells,
/// and once for each of them in the other figures. One that ends meanwhile is left out.
///
/// # Errors
///
/// [`ProcessMemoryError`] where the process `id` itself cannot be read.
pub fn read_tree(id: u32) -> Result<ProcessMemory, ProcessMemoryError> {
    let own = read_pid(id)?;
    let started: Vec<(u32, ProcessMemory)> =
        descendants(id).into_iter().filter_map(|it| Some((it, read_pid(it).ok()?))).collect();
    if started.is_empty() {
        return Ok(own);
    }
    let mut sum = own;
    let mut largest = own.rss;
    for (_, it) in &started {
        sum.rss = sum.rss.saturating_add(it.rss);
        sum.rss_peak = sum.rss_peak.saturating_add(it.rss_peak);
        largest = largest.max(it.rss);
    }
    let all = std::iter::once(id).chain(started.iter().map(|(it, _)| *it));
    let shares: Option<Vec<Bytes>> = all.map(proportional).collect();
    let shares = shares.unwrap_or_default().into_iter();
    let together = shares.fold(Bytes::ZERO, Bytes::saturating_add);
    sum.held_min = together.max(largest).min(sum.rss);
    sum.processes = Count::new(started.len() as u64 + 1);
    Ok(sum)
}

/// The share of a process in all that it has in memory: what is shared by two counts half.
fn proportional(id: u32) -> Option<Bytes> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(Bytes::new(kilobytes.saturating_mul(1024)))
}

/// The living processes that a process started, and those that these started, as long as their parents
/// live. None where the system does not tell.
pub fn descendants(id: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (parent, child) in ids.filter_map(|id| Some((living_parent(id)?, id))) {
        children.entry(parent).or_default().push(child);
    }
    let (mut found, mut next) = (Vec::new(), vec![id]);
    while let Some(parent) = next.pop() {
        // Each is removed, so that a number that was given anew meanwhile makes no circle.
        let of_it = children.remove(&parent).unwrap_or_default();
        found.extend(&of_it);
        next.extend(of_it);
    }
    found
}

/// The parent of a process that lives.
fn living_parent(id: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    // The name may hold anything, also a parenthesis: what follows the last one is numbers.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = String::from_utf8_lossy(&stat[end + 1..]);
    let mut fields = rest.split_ascii_whitespace();
    let lives = fields.next().is_some_and(|state| state != "Z" && state != "X");
    fields.next().filter(|_| lives)?.parse().ok()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A shell that starts another one, which waits.
    fn family() -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'read line; true'; true"]).stdin(Stdio::piped());
        command.spawn().unwrap()
    }

    #[test]
    fn what_a_process_started_is_counted_with_it() {
        let mut parent = family();
        let id = parent.id();
        while descendants(id).is_empty() {
            std::thread::yield_now();
        }
        let (alone, all) = (read_pid(id).unwrap(), read_tree(id).unwrap());
        assert_eq!((alone.processes, all.processes), (Count::new(1), Count::new(2)));
        assert!(all.rss > alone.rss && all.rss_peak > alone.rss_peak, "{all:?}");
        assert!(all.held_min <= all.rss && all.held_min > Bytes::ZERO, "{all:?}");
        let own = std::process::id();
        assert!(descendants(own).contains(&id));
        drop(parent.stdin.take());
        parent.wait().unwrap();
        assert!(descendants(id).is_empty());
    }
}
