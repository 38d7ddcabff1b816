//! What the process uses: time of processors, memory, files, input and output, network, heap.
//!
//! Linux tells most in `/proc`. What it does not tell, or not to this process, is absent; on another
//! system all of it is. Nothing is read between scrapes.

use std::{fs::File, io::Read, path::Path};

use super::exposition::Exposition;
use crate::{allocation, process_memory};

/// Bytes of a file in `/proc` that are read. A network namespace with thousands of interfaces is longer,
/// and what does not fit is left out.
const LENGTH_MAX: u64 = 1024 * 1024;

/// Adds all that the system tells of this process.
pub(super) fn expose(exposition: &mut Exposition) {
    let proc = Path::new("/proc");
    let boot = read(&proc.join("stat")).as_deref().and_then(boot_time);
    let ticks = read_bytes(&proc.join("self/auxv")).as_deref().and_then(ticks_per_second);
    if let Some(stat) = read(&proc.join("self/stat")).as_deref().and_then(Stat::parsed) {
        let gauges = [
            ("process_virtual_memory_bytes", "Virtual memory.", stat.virtual_bytes),
            ("process_threads", "Threads.", stat.threads),
        ];
        for (name, help, figure) in gauges {
            exposition.gauge(name, help, &[], float(figure));
        }
        if let Some(ticks) = ticks {
            let seconds = float(stat.cpu_ticks) / float(ticks);
            let help = "Time on processors, of the program and of the system for it.";
            exposition.counter("process_cpu_seconds_total", help, &[], seconds);
            if let Some(boot) = boot {
                let start = float(boot) + float(stat.start_ticks) / float(ticks);
                let help = "When the process started, in seconds since 1970.";
                exposition.gauge("process_start_time_seconds", help, &[], start);
            }
        }
    }
    if let Ok(memory) = process_memory::read_self() {
        let help = "Resident memory.";
        exposition.gauge("process_resident_memory_bytes", help, &[], float(memory.rss.get()));
    }
    if let Some(open) = open_files(&proc.join("self/fd")) {
        exposition.gauge("process_open_fds", "Open file descriptors.", &[], float(open));
    }
    if let Some(most) = read(&proc.join("self/limits")).as_deref().and_then(file_limit) {
        exposition.gauge("process_max_fds", "File descriptors at most.", &[], float(most));
    }
    if let Some(io) = read(&proc.join("self/io")) {
        for (line, name, help) in [
            ("read_bytes", "process_io_read_bytes_total", "Bytes read from storage."),
            ("write_bytes", "process_io_written_bytes_total", "Bytes written to storage."),
        ] {
            if let Some(bytes) = line_value(&io, line) {
                exposition.count(name, help, &[], bytes);
            }
        }
    }
    if let Some((received, sent)) = read(&proc.join("self/net/dev")).as_deref().and_then(network) {
        let help = "Bytes received in the network namespace, without loopback.";
        exposition.count("process_network_receive_bytes_total", help, &[], received);
        let help = "Bytes sent in the network namespace, without loopback.";
        exposition.count("process_network_transmit_bytes_total", help, &[], sent);
    }
}

/// Adds what the counting allocator saw since `watch` began. Nothing where nobody counts: a zero would
/// be no measurement.
pub(super) fn expose_heap(exposition: &mut Exposition, watch: &allocation::ProcessWatch) {
    if !allocation::is_installed() || !allocation::is_counting() {
        return;
    }
    let cost = watch.so_far();
    let help = "Bytes allocated since the watch began.";
    exposition.count("process_heap_allocated_bytes_total", help, &[], cost.bytes.get());
    let help = "Allocations since the watch began.";
    exposition.count("process_heap_allocations_total", help, &[], cost.allocations.get());
    if let Some(live) = watch.live() {
        let help = "Bytes allocated since the watch began and not freed.";
        exposition.gauge("process_heap_live_bytes", help, &[], float(live.get()));
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53: 9 PB")]
const fn float(figure: u64) -> f64 {
    figure as f64
}

fn read(path: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

fn read_bytes(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LENGTH_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// The entries of a directory of descriptors, without the one by which it is read.
fn open_files(path: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(path).ok()?.flatten().count();
    u64::try_from(entries).ok()?.checked_sub(1)
}

/// What `/proc/PID/stat` says (`man 5 proc_pid_stat`).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
}

impl Stat {
    fn parsed(text: &str) -> Option<Self> {
        // The name may hold anything, also a parenthesis: what follows the last one is numbers.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The manual counts from 1, and the first field here is its third.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
        })
    }
}

/// When the machine started, in seconds since 1970.
fn boot_time(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// The unit of the times in `stat`, from the auxiliary vector: `AT_CLKTCK` is 17 (`man 3 getauxval`).
fn ticks_per_second(auxv: &[u8]) -> Option<u64> {
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| Some(usize::from_ne_bytes(bytes.try_into().ok()?));
    auxv.chunks_exact(2 * WORD)
        .find(|pair| word(&pair[..WORD]) == Some(17))
        .and_then(|pair| u64::try_from(word(&pair[WORD..])?).ok())
        .filter(|ticks| *ticks > 0)
}

/// The soft limit of open files; none where there is no limit.
fn file_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The number of a line `NAME: 123`.
fn line_value(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

/// Bytes received and sent, over all interfaces but loopback.
fn network(dev: &str) -> Option<(u64, u64)> {
    let mut sums: Option<(u64, u64)> = None;
    for line in dev.lines().skip(2) {
        // A name may hold colons; numbers do not.
        let Some((name, figures)) = line.rsplit_once(':') else { continue };
        let figures: Vec<&str> = figures.split_ascii_whitespace().collect();
        let figure = |index: usize| figures.get(index)?.parse::<u64>().ok();
        let (Some(received), Some(sent)) = (figure(0), figure(8)) else { continue };
        let so_far = sums.unwrap_or_default();
        let is_loopback = name.trim() == "lo";
        let [received, sent] = [received, sent].map(|it| if is_loopback { 0 } else { it });
        sums = Some((so_far.0.saturating_add(received), so_far.1.saturating_add(sent)));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_hides_no_figure() {
        let text = "7 (a) R 1 (b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 12 0 4242 4096 100 rest";
        let expected = Stat { cpu_ticks: 300, threads: 12, start_ticks: 4242, virtual_bytes: 4096 };
        assert_eq!(Stat::parsed(text), Some(expected));
        for text in
            ["", "7 (a", "7 (a) S 1 2", "7 (a) S 1 2 3 4 5 6 7 8 9 10 -1 50 0 0 20 0 1 0 4 4"]
        {
            assert_eq!(Stat::parsed(text), None, "{text}");
        }
    }

    #[test]
    fn figures_of_other_files_are_found_or_absent() {
        assert_eq!(boot_time("cpu 1\nbtime 1700000000\n"), Some(1_700_000_000));
        assert_eq!(boot_time("btime x\n"), None);
        let limits = "Limit  Soft Limit\nMax open files            1024      524288     files\n";
        assert_eq!(file_limit(limits), Some(1024));
        assert_eq!(file_limit("Max open files            unlimited unlimited files\n"), None);
        let io = "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 5\n";
        assert_eq!(line_value(io, "read_bytes"), Some(4096));
        assert_eq!(line_value(io, "write_bytes"), Some(8192));
        assert_eq!(line_value(io, "bytes"), None);
    }

    #[test]
    fn loopback_is_no_network() {
        let dev = "Inter-|\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0: 100 1 0 0 0 0 0 0 7 1\n a:b: 1 0 0 0 0 0 0 0 2 0\n broken: x\n";
        assert_eq!(network(dev), Some((101, 9)));
        assert_eq!(network("a\nb\n lo: 5 0 0 0 0 0 0 0 5\n"), Some((0, 0)));
        assert_eq!(network("Inter-|\n face |bytes\n"), None);
    }

    #[test]
    fn the_auxiliary_vector_may_be_short() {
        let pair = |key: usize, value: usize| [key.to_ne_bytes(), value.to_ne_bytes()].concat();
        let vector = [pair(6, 4096), pair(17, 100), pair(0, 0)].concat();
        assert_eq!(ticks_per_second(&vector), Some(100));
        assert_eq!(ticks_per_second(&vector[..20]), None);
        assert_eq!(ticks_per_second(&pair(17, 0)), None);
        assert_eq!(ticks_per_second(&[]), None);
    }
}
