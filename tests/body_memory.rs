//! What comparing a large body takes: the counting allocator is the whole process's.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use perf_passport::{
    allocation::{CountingAllocator, measure, set_counting},
    probe::Normalised,
};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const SIZE: usize = 4_000_000;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    set_counting(true);
    let tests = vec![
        test("objects_one_after_the_other", || repeated("[", "{\"\":1}", "]", 1)),
        test("many_members", || repeated("{", "\"\":1", "}", 4)),
        test("members_out_of_order", || repeated("{\"z\":1,", "\"\":1", "}", 4)),
        test("arrays_in_an_object", || repeated("{\"b\":[", "{\"a\":[],\"\":1}", "],\"a\":1}", 4)),
        test("deep_arrays", || nested("[", "]")),
        test("deep_objects", || nested("{\"\":", "}")),
        test("deep_objects_out_of_order", || nested("{\"b\":1,\"a\":", "}")),
        test("one_text", || within(&format!("\"{}\"", "\\u0061".repeat(SIZE / 6)), 4)),
    ];
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn test(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        run();
        Ok::<(), Failed>(())
    })
}

fn repeated(start: &str, item: &str, end: &str, times: u64) {
    let items = vec![item; SIZE / (item.len() + 1)].join(",");
    within(&format!("{start}{items}{end}"), times);
}

fn nested(open: &str, close: &str) {
    let depth = SIZE / (open.len() + close.len());
    within(&format!("{}1{}", open.repeat(depth), close.repeat(depth)), 4);
}

/// Holds the body and what comparing takes against so many times the body, and a sixteenth of it.
fn within(body: &str, times: u64) {
    let ignore = ["/a/*/b".to_owned()];
    let (normalised, cost) = measure(|| Normalised::of(body.as_bytes(), &ignore));
    assert!(normalised.json);
    let size = body.len() as u64;
    let all = size + cost.heap_peak.get();
    assert!(all <= times * size + size / 16, "{all} bytes for a body of {size}");
}
