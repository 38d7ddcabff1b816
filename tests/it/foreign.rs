//! What other tools wrote. The files of pytest-benchmark, Go, Google Benchmark and gungraun are of the tools
//! themselves; those of JMH, k6 and Bencher are made after what they document.

use perf_passport::{
    contract::{Contract, ContractOutline},
    evidence::Range,
    foreign::{
        ForeignError, Suite, read_bencher, read_go_bench, read_google_benchmark, read_gungraun,
        read_jmh, read_k6, read_pytest_benchmark,
    },
    operation::CaseEvidence,
    units::{Count, Picos},
};

type Reader = fn(&[u8]) -> Result<Suite, ForeignError>;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../fixtures/foreign/", $name)).as_slice()
    };
}

const FILES: [(Reader, &[u8], &str); 11] = [
    (read_pytest_benchmark, fixture!("pytest_benchmark.json"), "test_sums.py::test_join"),
    (read_pytest_benchmark, fixture!("pytest_benchmark_saved.json"), "test_sums.py::test_join"),
    (read_go_bench, fixture!("go_bench.txt"), "BenchmarkJoin"),
    (read_google_benchmark, fixture!("google_benchmark.json"), "BM_Sum/10"),
    (read_google_benchmark, fixture!("google_benchmark_aggregates.json"), "BM_Sum/10"),
    (read_jmh, fixture!("jmh.json"), "sums.Sums.sum/10"),
    (read_gungraun, fixture!("gungraun.ndjson"), "sums::group::sum/ten"),
    (read_gungraun, fixture!("gungraun_v6.ndjson"), "sums::group::sum/ten"),
    (read_k6, fixture!("k6_handle_summary.json"), "http_req_duration"),
    (read_k6, fixture!("k6_summary_export.json"), "http_req_duration"),
    (read_bencher, fixture!("bencher.json"), "sort"),
];

/// What a contract takes of one benchmark, or why it cannot be used.
fn taken(suite: &Suite, benchmark: &str) -> CaseEvidence {
    let text = format!(
        "schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"o\"\nbenchmark = \"{benchmark}\"\nbudgets.allocations_max = 1\n"
    );
    let taken = suite.take(&Contract::parse(&text).unwrap(), "");
    assert!(taken.missing.is_empty(), "{:?}", taken.missing);
    taken.cases[0].evidence.clone()
}

fn samples(evidence: &CaseEvidence) -> Vec<(u64, u64)> {
    evidence.samples.as_slice().iter().map(|it| (it.iterations, it.ns)).collect()
}

#[test]
fn every_tool_is_read_and_makes_a_contract() {
    for (reader, bytes, benchmark) in FILES {
        let suite = reader(bytes).unwrap();
        let evidence = taken(&suite, benchmark);
        assert_eq!(evidence.validate(), Ok(()), "{benchmark}");
        assert_eq!(evidence.failure, None, "{benchmark}");
        assert_ne!(evidence.samples.is_empty(), evidence.told.is_none(), "{benchmark}");
        let outline =
            ContractOutline { operations: suite.operations(), ..ContractOutline::default() };
        let contract = Contract::parse(&outline.to_toml()).unwrap();
        let all = suite.take(&contract, "");
        assert!(all.missing.is_empty(), "{:?}", all.missing);
        let unusable = suite.list().iter().filter(|it| it.problem.is_some()).count();
        assert_eq!(all.unnamed.len(), unusable, "{benchmark}");
        assert!(all.cases.iter().all(|it| it.evidence.failure.is_none()), "{benchmark}");
    }
}

#[test]
fn samples_are_those_of_the_tool() {
    let go = taken(&read_go_bench(fixture!("go_bench.txt")).unwrap(), "BenchmarkJoin");
    assert_eq!(samples(&go), [(1000, 111_700), (1000, 87_770), (1000, 78_480)]);
    assert_eq!((go.counted, go.allocations), (Count::new(3), Some(Range::of(1))));
    assert_eq!(go.allocated_bytes, Some(Range::of(3)));
    let pytest = read_pytest_benchmark(fixture!("pytest_benchmark.json")).unwrap();
    let join = samples(&taken(&pytest, "test_sums.py::test_join"));
    assert!(join.len() == 5 && join.iter().all(|(iterations, _)| *iterations == 200), "{join:?}");
    let google = read_google_benchmark(fixture!("google_benchmark.json")).unwrap();
    assert_eq!(taken(&google, "BM_Sum/100").samples.as_slice().len(), 3);
    assert_eq!(
        taken(&google, "BM_Broken").failure.unwrap().message,
        "it ended with an error: no file"
    );
}

#[test]
fn an_iteration_of_jmh_has_as_many_operations_as_fit_into_its_time() {
    let suite = read_jmh(fixture!("jmh.json")).unwrap();
    let average = samples(&taken(&suite, "sums.Sums.sum/10"));
    assert_eq!((average.len(), average[0]), (6, (25_000_000, 100_000_000)));
    // Two threads do 50 operations in a microsecond: each takes 40 ns.
    let rate = samples(&taken(&suite, "thrpt:sums.Sums.copy"));
    assert_eq!(
        rate,
        [(25_000_000, 1_000_000_000), (20_000_000, 1_000_000_000), (25_000_000, 1_000_000_000)]
    );
    let sampled = samples(&taken(&suite, "sample:sums.Sums.copy"));
    assert_eq!(sampled, [(4, 8_000), (4, 8_000)]);
    let load = taken(&suite, "sums.Sums.load/kind=cold,n=10");
    assert_eq!(load.failure.unwrap().message, "sample 2 is no time");
}

#[test]
fn figures_without_samples_are_told() {
    let told = |reader: Reader, bytes, name| {
        let evidence = taken(&reader(bytes).unwrap(), name);
        assert!(evidence.samples.is_empty());
        evidence.told.unwrap()
    };
    let k6 = told(read_k6, fixture!("k6_handle_summary.json"), "http_req_duration");
    assert_eq!(
        (k6.mean_ps, k6.p95_ps),
        (Some(Picos::new(4_250_000_000)), Some(Picos::new(9_250_000_000)))
    );
    assert_eq!(k6.samples, Some(Count::new(980)));
    let counted = told(read_gungraun, fixture!("gungraun.ndjson"), "sums::group::sum/hundred");
    assert_eq!((counted.instructions, counted.mean_ps), (Some(Count::new(310)), None));
    let new = told(read_gungraun, fixture!("gungraun_v6.ndjson"), "sums::group::sum/ten");
    assert_eq!(new.instructions, Some(Count::new(157)));
    let saved = fixture!("pytest_benchmark_saved.json");
    let pytest = told(read_pytest_benchmark, saved, "test_sums.py::test_join");
    assert!(pytest.min_ps <= pytest.p50_ps && pytest.samples == Some(Count::new(5)), "{pytest:?}");
    let aggregates = fixture!("google_benchmark_aggregates.json");
    let google = told(read_google_benchmark, aggregates, "BM_Sum/10");
    assert!(google.mean_ps.is_some() && google.p50_ps.is_some(), "{google:?}");
    // A rate turns around, with its bounds.
    let bencher = told(read_bencher, fixture!("bencher.json"), "parse");
    let bounds = (bencher.mean_lower_ps, bencher.mean_ps, bencher.mean_upper_ps);
    assert_eq!(
        bounds,
        (Some(Picos::new(250_000)), Some(Picos::new(500_000)), Some(Picos::new(1_000_000)))
    );
    let suite = read_bencher(fixture!("bencher.json")).unwrap();
    let list = suite.list();
    assert_eq!((list[2].name, list[2].allocations), ("sort", Some(Count::new(3))));
    assert!(list[1].problem.unwrap().contains("but `file-size`"), "{:?}", list[1]);
    let rows = read_k6(fixture!("k6_handle_summary.json")).unwrap();
    assert!(rows.list()[1].problem.unwrap().contains("it contains `default`"));
}

/// Each file of each tool, given to every other reader, cut at many places, and hostile: one sentence of
/// ASCII, or benchmarks that can be told.
#[test]
fn what_a_tool_did_not_write_is_refused_in_a_sentence() {
    let readers: Vec<Reader> = FILES.iter().map(|(reader, ..)| *reader).collect();
    let plain = |text: &str| text.bytes().all(|it| it == b' ' || it.is_ascii_graphic());
    let held = |reader: Reader, bytes: &[u8]| match reader(bytes) {
        Err(error) => assert!(plain(&error.to_string()), "{error}"),
        Ok(suite) => {
            for it in suite.list() {
                assert!(it.problem.is_none_or(plain), "{it:?}");
                assert!(it.problem.is_some() || taken_is_sound(&suite, it.name), "{it:?}");
            }
        }
    };
    for (own, bytes, _) in FILES {
        for reader in &readers {
            held(*reader, bytes);
        }
        for cut in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            held(own, &bytes[..cut]);
        }
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        for (from, to) in [
            ("4.", "-4."),
            ("1", "1e999"),
            ("1", "NaN"),
            ("0", "99999999999999999999"),
            ("sum", "<b>&\u{202e}\\n\\u0000"),
            ("ns", "furlongs"),
        ] {
            held(own, text.replace(from, to).as_bytes());
        }
    }
    for bytes in
        [b"".as_slice(), b"null", b"{}", b"[]", b"\xff\xfe", b"{\"benchmarks\":0}", b"[[[[[["]
    {
        for reader in &readers {
            assert!(plain(&reader(bytes).unwrap_err().to_string()));
        }
    }
}

/// Whether a contract takes evidence of it that contradicts itself nowhere.
fn taken_is_sound(suite: &Suite, name: &str) -> bool {
    let outline = ContractOutline { operations: suite.operations(), ..ContractOutline::default() };
    // A name may be too long or too odd for a contract, which says so.
    let Ok(contract) = Contract::parse(&outline.to_toml()) else { return true };
    let taken = suite.take(&contract, "");
    assert!(taken.cases.len() <= suite.list().len(), "{name}");
    taken.cases.iter().all(|it| it.evidence.validate().is_ok())
}
