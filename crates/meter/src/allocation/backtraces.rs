//! Backtraces of allocations, as dhat takes them, brought down to places in the source.
//!
//! dhat unwinds the stack at every allocation, which makes work a hundred times slower: no time that
//! is measured meanwhile means anything. It writes what it saw to a file, with paths that are cut
//! short; the addresses in it are looked up again for whole ones.

use std::{collections::BTreeMap, fs, io, path::Path, ptr};

use serde::Deserialize;

use super::{
    AllocationSite, OracleError, Place,
    oracle::Pass,
    source_path::{Owner, owner},
    thread::uncounted,
};
use crate::units::{Bytes, Count};

/// Why nobody knows where a piece of work allocates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BacktraceError {
    /// dhat could not be asked.
    #[error(transparent)]
    Oracle(#[from] OracleError),
    /// What dhat wrote cannot be read.
    #[error("cannot read the backtraces that dhat wrote: {0}")]
    Unread(#[source] io::Error),
    /// What dhat wrote is not understood.
    #[error("the backtraces that dhat wrote are not understood: {0}")]
    NotUnderstood(#[source] serde_json::Error),
    /// Addresses have no names.
    #[error("the executable has no symbols: build it without `strip`")]
    NoSymbols,
}

/// Runs `work` under dhat and returns its result, and where it allocated, in the order of the places.
///
/// Process-wide: what other threads allocate meanwhile is among the sites.
///
/// # Errors
///
/// [`BacktraceError`]: as [`count_with_dhat`](super::count_with_dhat), and where backtraces cannot
/// be had.
///
/// # Panics
///
/// If the program itself runs a `dhat::Profiler`, and if `work` does.
pub fn sites_with_dhat<R>(
    watched: &Watched<'_>,
    work: impl FnOnce() -> R,
) -> Result<(R, Vec<AllocationSite>), BacktraceError> {
    let written = Written(watched.file);
    let pass = Pass::begin()?;
    let profiler = uncounted(|| {
        let all = Some(usize::MAX);
        dhat::Profiler::builder().file_name(watched.file).trim_backtraces(all).build()
    });
    let (mut work, mut result) = (Some(work), None);
    perf_passport_watched_work(&mut || result = work.take().map(|work| work()));
    uncounted(|| drop(profiler));
    drop(pass);
    let result = result.expect("the work was done, or it panicked");
    let bytes = fs::read(written.0).map_err(BacktraceError::Unread)?;
    let profile: Profile = serde_json::from_slice(&bytes).map_err(BacktraceError::NotUnderstood)?;
    Ok((result, sites(&profile, watched, &mut resolved)?))
}

/// What is asked of a pass with backtraces.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// Where dhat writes; it is removed again.
    pub file: &'a Path,
    /// Of the asking thread, only what is allocated below a function whose name contains this is a
    /// site.
    pub below: &'a str,
    /// The package that asks, where it measures too. This package knows that of itself.
    pub asker: Option<Measuring<'a>>,
}

/// Where a package measures. What it allocates there is not the program's own.
#[derive(Debug, Clone, Copy)]
pub struct Measuring<'a> {
    /// The name of the crate, as its functions begin with it.
    pub name: &'a str,
    /// The directory of its sources, as the compiler knew it, with a `/` at its end.
    pub sources: &'a str,
    /// The modules that measure.
    pub modules: &'a [&'a str],
}

/// This package.
const OURS: Measuring<'_> = Measuring {
    name: "perf_passport_meter",
    sources: concat!(env!("CARGO_MANIFEST_DIR"), "/src/"),
    modules: &["allocation", "instrument"],
};

impl Measuring<'_> {
    /// The module of this package that a function is in, if it is one that measures.
    fn module(&self, frame: &Frame) -> Option<String> {
        let module = match frame.path.as_deref().and_then(|path| path.strip_prefix(self.sources)) {
            Some(file) => file.replace('/', "::"),
            None => name(frame).strip_prefix(self.name)?.strip_prefix("::")?.to_owned(),
        };
        let first = module.split("::").next().unwrap_or_default();
        self.modules.contains(&first).then_some(module)
    }
}

/// The name of [`perf_passport_watched_work`] in every mangling.
const WATCHED: &str = "perf_passport_watched_work";

/// What this thread allocates meanwhile is allocated below this function.
#[inline(never)]
fn perf_passport_watched_work(work: &mut dyn FnMut()) {
    work();
    // A call at the very end would become a jump, and leave no frame.
    std::hint::black_box(());
}

/// The file that dhat writes, until this is dropped.
struct Written<'a>(&'a Path);

impl Drop for Written<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

/// What dhat writes, as far as it is of interest ("DHAT file format", version 2).
#[derive(Deserialize)]
struct Profile {
    #[serde(rename = "pps")]
    points: Vec<Point>,
    /// `0x5581...: function (file:line:column)`.
    #[serde(rename = "ftbl")]
    frames: Vec<String>,
}

/// What was allocated with one backtrace.
#[derive(Deserialize)]
struct Point {
    #[serde(rename = "tbk")]
    blocks: u64,
    #[serde(rename = "tb")]
    bytes: u64,
    #[serde(rename = "gb")]
    peak_bytes: u64,
    /// Indices of frames, the innermost first.
    #[serde(rename = "fs")]
    frames: Vec<usize>,
}

/// A function that was on the stack; several of one address where they are inlined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Frame {
    function: Option<String>,
    path: Option<String>,
    line: Option<u32>,
}

/// The functions at an address of this process, the innermost first.
fn resolved(address: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    backtrace::resolve(ptr::with_exposed_provenance_mut(address), |symbol| {
        frames.push(Frame {
            // The alternate form is without the hash.
            function: symbol.name().map(|name| format!("{name:#}")),
            path: symbol.filename().map(|path| path.to_string_lossy().into_owned()),
            line: symbol.lineno(),
        });
    });
    frames
}

fn sites(
    profile: &Profile,
    watched: &Watched<'_>,
    resolve: &mut dyn FnMut(usize) -> Vec<Frame>,
) -> Result<Vec<AllocationSite>, BacktraceError> {
    let mut known: BTreeMap<usize, Vec<Frame>> = BTreeMap::new();
    let mut found: BTreeMap<(Place, Place), (u64, u64, u64)> = BTreeMap::new();
    let mut named = profile.points.is_empty();
    for point in &profile.points {
        let mut stack: Vec<&Frame> = Vec::new();
        let mut addresses: Vec<usize> =
            point.frames.iter().filter_map(|index| address(profile.frames.get(*index)?)).collect();
        // dhat lists inlined functions one by one, with the address that they share.
        addresses.dedup();
        for address in &addresses {
            known.entry(*address).or_insert_with(|| resolve(*address));
        }
        stack.extend(addresses.iter().flat_map(|address| &known[address]));
        named |= stack.iter().any(|frame| frame.function.is_some());
        let is_below = |name: &str| {
            let of = |frame: &&Frame| frame.function.as_ref().is_some_and(|it| it.contains(name));
            stack.iter().any(of)
        };
        if is_below(WATCHED) && !is_below(watched.below) {
            continue;
        }
        let sum = found.entry(places(&stack, watched.asker)).or_default();
        sum.0 += point.blocks;
        sum.1 += point.bytes;
        sum.2 += point.peak_bytes;
    }
    if !named {
        return Err(BacktraceError::NoSymbols);
    }
    let site = |((at, within), (blocks, bytes, peak))| AllocationSite {
        at,
        within,
        allocations: Count::new(blocks),
        allocated_bytes: Bytes::new(bytes),
        peak_bytes: Bytes::new(peak),
    };
    Ok(found.into_iter().map(site).collect())
}

/// The address that a line of dhat's table of frames begins with.
fn address(frame: &str) -> Option<usize> {
    let (address, _) = frame.strip_prefix("0x")?.split_once(':')?;
    usize::from_str_radix(address, 16).ok()
}

/// How the names of functions begin that only pass on that memory is wanted. dhat and its unwinding
/// are above them.
const ALLOCATORS: [&str; 5] =
    ["alloc::alloc::", "__rust_alloc", "__rust_realloc", "__rg_", "__rdl_"];

/// The files that such functions are in: with little debug information, the names of inlined ones are
/// without their modules.
const ALLOCATOR_FILES: [&str; 2] = ["library/alloc/src/alloc.rs", "library/std/src/alloc.rs"];

/// Where a stack, the innermost frame first, allocates: in the program's own code, and at all.
fn places(stack: &[&Frame], asker: Option<Measuring<'_>>) -> (Place, Place) {
    let measures = |frame: &Frame| {
        OURS.module(frame).is_some() || asker.is_some_and(|it| it.module(frame).is_some())
    };
    let first = stack.iter().rposition(|it| is_allocator(it)).map_or(0, |last| last + 1);
    let stack = stack.get(first..).unwrap_or_default();
    let vectors = stack.iter().take_while(|it| is_raw_vector(it)).count();
    let stack = stack.get(vectors..).unwrap_or_default();
    let of = |wanted: Owner| stack.iter().position(|it| owner_of(it) == wanted && !measures(it));
    let at = of(Owner::Program).or_else(|| of(Owner::Package)).unwrap_or(0);
    (place(stack, at), place(stack, 0))
}

/// The name of a function, `Vec<T> as Trait>::method` of `<Vec<T> as Trait>::method`.
fn name(frame: &Frame) -> &str {
    let name = frame.function.as_deref().unwrap_or_default();
    name.strip_prefix('<').unwrap_or(name)
}

fn is_allocator(frame: &Frame) -> bool {
    let file = frame.path.as_deref().map(|path| owner(path).1);
    let name = name(frame);
    let name = name.strip_prefix("__rustc::").unwrap_or(name);
    ALLOCATORS.iter().any(|it| name.starts_with(it))
        || file.is_some_and(|file| ALLOCATOR_FILES.contains(&file.as_str()))
        || OURS.module(frame).is_some_and(|it| {
            it.starts_with("allocation::allocator") || it.starts_with("allocation::oracle")
        })
}

fn is_raw_vector(frame: &Frame) -> bool {
    let is_file = |path: &str| owner(path).1.starts_with("library/alloc/src/raw_vec");
    name(frame).starts_with("alloc::raw_vec::") || frame.path.as_deref().is_some_and(is_file)
}

/// Whose a function is. Where its file is not known, only what is of the standard library or of no
/// package can be told from the rest.
fn owner_of(frame: &Frame) -> Owner {
    if let Some(path) = &frame.path {
        return owner(path).0;
    }
    let name = name(frame);
    let standard = ["alloc::", "core::", "std::"].iter().any(|it| name.starts_with(it));
    if standard || !name.contains("::") { Owner::Standard } else { Owner::Program }
}

fn place(stack: &[&Frame], index: usize) -> Place {
    let unknown = Frame::default();
    let frame = stack.get(index).copied().unwrap_or(&unknown);
    let named = |frame: &Frame| frame.function.as_deref().map(|it| function_name(it).to_owned());
    let is_closure = |name: &Option<String>| name.as_ref().is_some_and(|it| it.starts_with('{'));
    let mut function = named(frame);
    if is_closure(&function) {
        // An inlined closure without its module: the function around it is further out.
        let outer = stack.iter().skip(index + 1).filter(|it| it.path == frame.path);
        function = outer.map(|it| named(it)).find(|it| !is_closure(it)).unwrap_or(function);
    }
    let file = frame.path.as_deref().map(|path| owner(path).1);
    let line = frame.line.filter(|line| *line > 0 && file.is_some());
    Place { function: function.unwrap_or_else(|| "???".to_owned()), file, line }
}

/// The function that a closure or an `async` body is in: `list` of `list::{{closure}}` and of
/// `list::{closure#0}`.
fn function_name(name: &str) -> &str {
    let mut name = name;
    while let Some((outer, last)) = name.rsplit_once("::")
        && last.starts_with('{')
        && last.ends_with('}')
    {
        name = outer;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Functions at the addresses 1, 2, ..., by name and path; each at the line of its address.
    const FUNCTIONS: [(&str, &str); 10] = [
        (
            "<dhat::Alloc as core::alloc::global::GlobalAlloc>::alloc",
            "/r/registry/src/i/dhat-0.3.3/src/lib.rs",
        ),
        ("alloc::alloc::alloc", "/rustc/0f/library/alloc/src/alloc.rs"),
        (
            "alloc::raw_vec::RawVec<T,A>::with_capacity_in",
            "/rustc/0f/library/alloc/src/raw_vec/mod.rs",
        ),
        (
            "<alloc::string::String as core::convert::From<&str>>::from",
            "/rustc/0f/library/alloc/src/string.rs",
        ),
        ("shop::orders::list::{{closure}}::{{closure}}", "/home/me/shop/src/orders.rs"),
        ("axum::handler::call", "/r/registry/src/i/axum-0.8.9/src/handler.rs"),
        (
            "perf_passport::probe::in_process::send",
            "/home/me/perf-passport/src/probe/in_process.rs",
        ),
        (
            "perf_passport::probe::collected::below_here",
            "/home/me/perf-passport/src/probe/collected.rs",
        ),
        ("perf_passport_meter::allocation::backtraces::perf_passport_watched_work", "/x/src/a.rs"),
        ("std::sys::thread::start", "/rustc/0f/library/std/src/sys/thread.rs"),
    ];

    /// The package of the probes.
    const ASKER: Measuring<'_> = Measuring {
        name: "perf_passport",
        sources: "/home/me/perf-passport/src/",
        modules: &["probe", "worker"],
    };

    fn below(below: &str) -> Watched<'_> {
        Watched { file: Path::new("dhat.json"), below, asker: Some(ASKER) }
    }

    fn named(address: usize) -> Vec<Frame> {
        let Some((function, path)) = FUNCTIONS.get(address - 1) else {
            return vec![Frame::default()];
        };
        vec![Frame {
            function: Some((*function).to_owned()),
            path: Some((*path).to_owned()),
            line: u32::try_from(address).ok(),
        }]
    }

    /// A profile with these stacks, as dhat writes it.
    fn profile(stacks: &[(&[usize], u64)]) -> Profile {
        let frame = |address: usize| format!("0x{address:x}: name (a/b/c.rs:1:1)");
        let point = |(frames, blocks): &(&[usize], u64)| serde_json::json!({ "tb": blocks * 10, "tbk": blocks, "gb": blocks * 3, "fs": frames });
        let mut table = vec!["[root]".to_owned()];
        table.extend((1..=11).map(frame));
        let json = serde_json::json!({
            "dhatFileVersion": 2,
            "pps": stacks.iter().map(point).collect::<Vec<_>>(),
            "ftbl": table,
        });
        serde_json::from_value(json).unwrap()
    }

    fn place(function: &str, file: &str, line: u32) -> Place {
        Place { function: function.to_owned(), file: Some(file.to_owned()), line: Some(line) }
    }

    #[test]
    fn a_stack_is_the_innermost_own_place_and_the_innermost_at_all() {
        let own = place("shop::orders::list", "src/orders.rs", 5);
        let string = "<alloc::string::String as core::convert::From<&str>>::from";
        let stacks: [(&[usize], u64); 6] = [
            (&[1, 2, 3, 4, 5, 6, 8, 7, 9], 2),
            // The same place by another way.
            (&[1, 2, 3, 4, 5, 6, 6, 8, 7, 9], 3),
            // By itself.
            (&[2, 5, 6, 8, 9], 1),
            // No code of the program's own.
            (&[2, 4, 6, 8, 7, 9], 1),
            // Beside the work: the probe's.
            (&[2, 4, 7, 9], 50),
            // Another thread's.
            (&[2, 10], 4),
        ];
        let found = sites(&profile(&stacks), &below("below_here"), &mut named).unwrap();
        let found: Vec<_> =
            found.into_iter().map(|it| (it.at, it.within, it.allocations.get())).collect();
        let within = place(string, "library/alloc/src/string.rs", 4);
        let axum = place("axum::handler::call", "axum-0.8.9/src/handler.rs", 6);
        let thread = place("std::sys::thread::start", "library/std/src/sys/thread.rs", 10);
        let expected = [
            (axum, within.clone(), 1),
            (own.clone(), within, 5),
            (own.clone(), own, 1),
            (thread.clone(), thread, 4),
        ];
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn bytes_add_up_and_nothing_is_no_error() {
        let found =
            sites(&profile(&[(&[2, 5, 8], 2), (&[2, 5, 8, 9], 3)]), &below("below"), &mut named);
        let found = found.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].allocated_bytes, Bytes::new(50));
        assert_eq!(found[0].peak_bytes, Bytes::new(15));
        assert!(sites(&profile(&[]), &below("below"), &mut named).unwrap().is_empty());
    }

    #[test]
    fn addresses_without_names_are_no_places() {
        let found = sites(&profile(&[(&[11], 2)]), &below("below"), &mut named);
        assert!(matches!(found, Err(BacktraceError::NoSymbols)));
    }

    #[test]
    fn what_catches_panics_is_no_allocator() {
        let names = ["__rustc::__rust_alloc", "shop::list", "__rust_try", "shop::serve"];
        let frame = |name: &&str| Frame { function: Some((*name).to_owned()), ..Frame::default() };
        let frames: Vec<Frame> = names.iter().map(frame).collect();
        let (at, within) = places(&frames.iter().collect::<Vec<_>>(), None);
        assert_eq!((at.function.as_str(), within.function.as_str()), ("shop::list", "shop::list"));
    }

    #[test]
    fn without_lines_there_are_names() {
        let names = ["__rustc::__rust_alloc", "core::fmt::write", "shop::list", "main"];
        let frame = |name: &&str| Frame { function: Some((*name).to_owned()), ..Frame::default() };
        let frames: Vec<Frame> = names.iter().map(frame).collect();
        let (at, within) = places(&frames.iter().collect::<Vec<_>>(), None);
        assert_eq!((at.function.as_str(), at.file, at.line), ("shop::list", None, None));
        assert_eq!(within.function, "core::fmt::write");
    }

    #[test]
    fn short_names_are_told_by_their_files() {
        let frame = |name: &str, path: &str, line: u32| Frame {
            function: Some(name.to_owned()),
            path: Some(path.to_owned()),
            line: Some(line),
        };
        let ours = |module: &str| format!("{}{module}.rs", OURS.sources);
        let frames = [
            frame("alloc", &ours("allocation/allocator"), 1),
            frame("alloc", "/rustc/0f/library/alloc/src/alloc.rs", 2),
            frame("with_capacity_in", "/rustc/0f/library/alloc/src/raw_vec/mod.rs", 3),
            frame("with_capacity", "/rustc/0f/library/alloc/src/vec/mod.rs", 4),
            frame("{closure#0}", "/home/me/shop/src/orders.rs", 5),
            frame("for_each", "/rustc/0f/library/core/src/iter/range.rs", 6),
            frame("list", "/home/me/shop/src/orders.rs", 7),
            frame("{closure#0}", "/home/me/perf-passport/src/probe/in_process.rs", 8),
        ];
        let all: Vec<&Frame> = frames.iter().collect();
        let (at, within) = places(&all, Some(ASKER));
        assert_eq!(at, place("list", "src/orders.rs", 5));
        assert_eq!(within, place("with_capacity", "library/alloc/src/vec/mod.rs", 4));
        // Without code of the program's own, ours that measures is not taken for it.
        let (at, _) = places(&[all[3], all[7]], Some(ASKER));
        assert_eq!(at, place("with_capacity", "library/alloc/src/vec/mod.rs", 4));
    }

    #[test]
    fn closures_are_their_functions() {
        assert_eq!(function_name("a::list::{{closure}}::{{closure}}"), "a::list");
        assert_eq!(function_name("a::list::{closure#0}"), "a::list");
        assert_eq!(function_name("a::<impl b::C for D>::list"), "a::<impl b::C for D>::list");
        assert_eq!(function_name("{{closure}}"), "{{closure}}");
    }
}
