//! The output of `go test -bench`: a line for each benchmark, and each time that it was run.
//!
//! A line is a sample: its iterations, and their mean time. `-count 10` makes ten. Go rounds allocations
//! and bytes of an iteration down, so a part of one is not seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    BENCHMARKS_MAX, Benchmarks, ForeignError, Suite, seconds::samples_of_means, shown, whole,
};
use crate::{evidence::Range, operation::CaseEvidence, units::Count};

/// What the name of a benchmark begins with.
const PREFIX: &str = "Benchmark";

/// What lines of one benchmark say.
#[derive(Default)]
struct GoBenchmark {
    /// Iterations, and nanoseconds of one.
    times: Vec<(u64, Option<f64>)>,
    allocations: Option<Range>,
    allocated_bytes: Option<Range>,
    /// What is wrong with a line.
    problem: Option<String>,
}

/// Reads all lines of benchmarks; other lines are passed over.
///
/// Names are as Go has them, without the number of processors at their end where all have the same. Where
/// the output is of several packages, each name begins with that of its package.
///
/// # Errors
///
/// [`ForeignError`] when no line is of a benchmark, a test failed, or the last line is cut short.
pub fn read_go_bench(bytes: &[u8]) -> Result<Suite, ForeignError> {
    let text = str::from_utf8(bytes).map_err(|_| {
        ForeignError::Foreign("no output of `go test -bench`: it is not UTF-8".to_owned())
    })?;
    if !text.is_empty() && !text.ends_with('\n') {
        let message = "its last line has no end: was it cut short?";
        return Err(ForeignError::Foreign(message.to_owned()));
    }
    let mut found: BTreeMap<(String, String), GoBenchmark> = BTreeMap::new();
    let mut package = "";
    for line in text.lines() {
        let line = line.trim_end();
        if let Some(name) = line.strip_prefix("pkg: ") {
            package = name;
        }
        if let Some(failed) = line.trim_start().strip_prefix("--- FAIL: ") {
            let message = format!("Go says that `{}` failed", shown(failed));
            return Err(ForeignError::Foreign(message));
        }
        let Some((name, rest)) = benchmark_line(line) else { continue };
        if found.len() > BENCHMARKS_MAX {
            let message = format!("more than {BENCHMARKS_MAX} benchmarks");
            return Err(ForeignError::TooLarge(message));
        }
        found.entry((package.to_owned(), name.to_owned())).or_default().add(rest);
    }
    let packages: BTreeSet<&str> = found.keys().map(|(package, _)| package.as_str()).collect();
    let has_packages = packages.len() > 1;
    let processors = processors(found.keys().map(|(_, name)| name.as_str()));
    let mut benchmarks = Benchmarks::default();
    for ((package, name), benchmark) in &found {
        let name = name.strip_suffix(processors.as_str()).unwrap_or(name);
        let name = if has_packages { format!("{package}.{name}") } else { name.to_owned() };
        benchmarks.add(name, benchmark.observed())?;
    }
    benchmarks
        .suite("there is no line of a benchmark: give the output of `go test -bench . -count 10`")
}

/// The name of the benchmark and the figures of a line; `None` of any other line.
fn benchmark_line(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(|it: char| it.is_ascii_whitespace())?;
    let after = name.strip_prefix(PREFIX)?;
    // As Go has it: what follows `Benchmark` begins with no lower-case letter.
    let is_name = !after.starts_with(char::is_lowercase);
    let has_count = rest.trim_start().starts_with(|it: char| it.is_ascii_digit());
    (is_name && has_count).then_some((name, rest))
}

/// `-8`, where all names end in it.
fn processors<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let suffix = |name: &str| {
        let (_, number) = name.rsplit_once('-')?;
        let is_number = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| format!("-{number}"))
    };
    let first = names.next().and_then(suffix);
    let is_shared = names.all(|it| suffix(it) == first);
    first.filter(|_| is_shared).unwrap_or_default()
}

impl GoBenchmark {
    /// Takes the figures of a line: `1000  12.5 ns/op  3 B/op  1 allocs/op`. Other units are passed over.
    fn add(&mut self, figures: &str) {
        let mut words = figures.split_ascii_whitespace();
        let iterations = words.next().and_then(|it| it.parse().ok());
        let mut time = None;
        while let (Some(value), Some(unit)) = (words.next(), words.next()) {
            let Ok(value) = value.parse::<f64>() else {
                self.problem = Some(format!("`{}` is no number", shown(value)));
                return;
            };
            match unit {
                "ns/op" => time = Some(value),
                "B/op" => widen(&mut self.allocated_bytes, value, &mut self.problem),
                "allocs/op" => widen(&mut self.allocations, value, &mut self.problem),
                _ => {}
            }
        }
        match (iterations, time) {
            (Some(iterations), Some(time)) => self.times.push((iterations, Some(time))),
            _ => self.problem = Some("a line of it has no `ns/op`".to_owned()),
        }
    }

    fn observed(&self) -> Result<CaseEvidence, String> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let evidence = samples_of_means(self.times.iter().copied())?;
        let is_counted = self.allocations.or(self.allocated_bytes).is_some();
        let counted = if is_counted { Count::new(self.times.len() as u64) } else { Count::ZERO };
        let (allocations, allocated_bytes) = (self.allocations, self.allocated_bytes);
        Ok(CaseEvidence { counted, allocations, allocated_bytes, ..evidence })
    }
}

fn widen(range: &mut Option<Range>, value: f64, problem: &mut Option<String>) {
    match whole(Some(value)) {
        Some(value) => {
            let before = range.unwrap_or(Range::of(value));
            *range = Some(Range { min: before.min.min(value), max: before.max.max(value) });
        }
        None => *problem = Some(format!("{value} is no count")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        read_go_bench(text.as_bytes()).unwrap().names().map(str::to_owned).collect()
    }

    #[test]
    fn names_lose_the_number_of_processors_where_all_have_it() {
        let line = |name: &str| format!("{name} 10 5 ns/op\n");
        assert_eq!(
            names(&(line("BenchmarkA-8") + &line("BenchmarkB/10-8"))),
            ["BenchmarkA", "BenchmarkB/10"]
        );
        assert_eq!(
            names(&(line("BenchmarkA-2") + &line("BenchmarkA-4"))),
            ["BenchmarkA-2", "BenchmarkA-4"]
        );
        assert_eq!(
            names(&(line("BenchmarkA") + &line("BenchmarkB-4"))),
            ["BenchmarkA", "BenchmarkB-4"]
        );
        let packages = format!("pkg: a\n{}pkg: b\n{}", line("BenchmarkA"), line("BenchmarkA"));
        assert_eq!(names(&packages), ["a.BenchmarkA", "b.BenchmarkA"]);
        assert_eq!(
            names(&(line("BenchmarkA") + "Benchmarking 3 things\nBenchmarkA 3\n"))[0],
            "BenchmarkA"
        );
    }

    #[test]
    fn what_is_no_benchmark_is_refused() {
        for (text, said) in [
            ("", "there is no line of a benchmark"),
            ("PASS\n", "there is no line of a benchmark"),
            ("BenchmarkA 10 5 ns/op", "its last line has no end"),
            ("--- FAIL: BenchmarkA\n", "Go says that `BenchmarkA` failed"),
        ] {
            let error = read_go_bench(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(read_go_bench(b"\xff\n").unwrap_err().to_string().contains("UTF-8"));
    }
}
