//! Contracts: what is worked out of them, and that whatever is wrong is told with its line.

use perf_passport::{
    contract::{ClaimKind, Contract, ContractError, Quantile, ServiceLife},
    units::{Bytes, Count, Nanos, Ppm},
};
use proptest::prelude::*;

const WHOLE: &str = include_str!("../../passport.toml");

const LEAST: &str = r#"schema_version = 1
name = "least"
[target]
url = "http://127.0.0.1:8000"
[[endpoint]]
name = "health"
path = "/health"
"#;

fn message(text: &str) -> String {
    Contract::parse(text).unwrap_err().to_string()
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_design() {
    let contract = Contract::parse(LEAST).unwrap();
    let check = &contract.checks[0];
    assert_eq!((contract.checks.len(), check.id().as_str()), (1, "health/default"));
    assert_eq!(check.budgets.latency_ns_max, Nanos::new(10_000_000));
    assert_eq!(check.budgets.latency_quantile, Quantile::P99);
    assert_eq!(check.budgets.heap_bytes_max, Bytes::new(10 << 20));
    assert_eq!(check.budgets.allocations_max, Count::new(1000));
    assert_eq!(check.budgets.process_memory_bytes_max, None);
    assert_eq!(check.tolerance.regression_ppm, Ppm::new(50_000));
    assert_eq!(check.tolerance.allocations_ppm, Ppm::ZERO);
    assert_eq!(check.tolerance.instructions_ppm, None);
    assert_eq!(check.tolerance.of_instructions(), Ppm::new(50_000));
    assert_eq!(contract.deterministic_min, Ppm::new(950_000));
    assert_eq!((contract.sampling.samples, contract.sampling.counted), (1000, 20));
    assert_eq!(contract.budgets, check.budgets);
    let request = &check.requests[0];
    assert_eq!((request.method.as_str(), request.status), ("GET", 200));
    assert_eq!((check.fixture.as_str(), check.slow, check.rounds), ("default", false, 1));
    for kind in ClaimKind::ALL.into_iter().filter(|it| it.is_of_checks()) {
        let side_by_side = matches!(
            kind,
            ClaimKind::InstructionsChange | ClaimKind::LatencyChange | ClaimKind::LatencyDrift
        );
        assert_eq!(contract.requires(kind), !side_by_side, "{kind}");
    }
}

#[test]
fn the_nearest_table_decides_key_by_key() {
    let contract = Contract::parse(
        r#"
        schema_version = 1
        name = "levels"
        [target]
        service = "x"
        [budgets]
        latency_ms_max = 1
        heap_mb_max = 1
        allocations_max = 1
        [tolerance]
        regression_percent = 1
        allocations_percent = 1
        [[endpoint]]
        name = "e"
        path = "/e"
        status = 201
        method = "POST"
        body = "{}"
        ignore = ["/a"]
        headers = { A = "1" }
        fixture = "f"
        budgets = { latency_ms_max = 2.5, heap_mb_max = 2 }
        tolerance = { regression_percent = 2, instructions_percent = 0.05 }
          [[endpoint.variant]]
          name = "near"
          path = "/near"
          status = 202
          ignore = []
          headers = { B = "2" }
          budgets = { latency_ms_max = 3, latency_quantile = "p50" }
          tolerance = { allocations_percent = 0.5 }
          [[endpoint.variant]]
          name = "far"
        [[scenario]]
        name = "s"
        rounds = 2
        steps = ["e/near", "e/far"]
        budgets = { allocations_max = 7 }
        "#,
    )
    .unwrap();
    let near = contract.check("e/near").unwrap();
    let budgets = &near.budgets;
    assert_eq!(budgets.latency_ns_max, Nanos::new(3_000_000));
    assert_eq!(budgets.heap_bytes_max, Bytes::new(2 << 20));
    assert_eq!(budgets.allocations_max, Count::new(1));
    assert_eq!(budgets.latency_quantile, Quantile::P50);
    assert_eq!(near.tolerance.regression_ppm, Ppm::new(20_000));
    assert_eq!(near.tolerance.allocations_ppm, Ppm::new(5_000));
    assert_eq!(near.tolerance.of_instructions(), Ppm::new(500));
    let request = &near.requests[0];
    assert_eq!((request.path.as_str(), request.status), ("/near", 202));
    // A list or table that a variant gives replaces the endpoint's.
    assert_eq!((request.ignore.len(), request.headers.len()), (0, 1));
    assert_eq!(request.headers[0].0, "b");
    let body = perf_passport::contract::BodySpec::Text("{}".to_owned());
    assert_eq!((request.method.as_str(), request.body.as_ref()), ("POST", Some(&body)));

    let far = contract.check("e/far").unwrap();
    assert_eq!(far.budgets.latency_ns_max, Nanos::new(2_500_000));
    assert_eq!(far.budgets.latency_quantile, Quantile::P99);
    assert_eq!((far.requests[0].status, far.requests[0].path.as_str()), (201, "/e"));
    assert_eq!(far.fixture, "f");

    // A scenario's budgets are the contract's and its own, for each of its four requests.
    let scenario = contract.check("s/default").unwrap();
    assert_eq!(scenario.requests_per_sample(), 4);
    assert_eq!(scenario.budgets.allocations_max, Count::new(28));
    assert_eq!(scenario.budgets.latency_ns_max, Nanos::new(4_000_000));
    assert_eq!(scenario.budgets.heap_bytes_max, Bytes::new(1 << 20));
    assert_eq!(scenario.tolerance.regression_ppm, Ppm::new(10_000));
    assert_eq!(scenario.tolerance.of_instructions(), Ppm::new(10_000));
}

#[test]
fn the_line_is_that_of_the_value_at_fault_wherever_it_stands() {
    for (text, line) in [
        // The endpoint's path, which its variant inherits, not the variant.
        ("[[endpoint]]\nname = \"a\"\npath = \"x\"\n[[endpoint.variant]]\nname = \"v\"\n", 7),
        // The variant's own, though the endpoint has one too.
        (
            "[[endpoint]]\nname = \"a\"\npath = \"/\"\n[[endpoint.variant]]\nname = \"v\"\npath = \"x\"\n",
            10,
        ),
        // Of two variants with one name the second, though a later name is the same again.
        (
            "[[endpoint]]\nname = \"a\"\npath = \"/\"\n[[endpoint.variant]]\nname = \"v\"\n\
             [[endpoint.variant]]\nname = \"v\"\n[[endpoint]]\nname = \"v\"\npath = \"/\"\n",
            11,
        ),
        // A key that is left out is the fault of the table that lacks it.
        ("[[endpoint]]\nname = \"a\"\n", 6),
        ("\n\n[[endpoint]]\npath = \"/\"\n", 7),
        ("[[endpoint]]\nname = 'a'\npath = '/'\nignore = [\n  '/a',\n  'b',\n]\n", 10),
        ("[[endpoint]]\nname = 'a'\npath = '/'\ncontent_type = 'Text/HTML'\n", 8),
        ("[[endpoint]]\nname = 'a'\npath = '/'\ncontent_type = 'text/html; charset=utf-8'\n", 8),
        ("[[endpoint]]\nname = 'a'\npath = '/'\ncontent_type = 'json'\n", 8),
        (
            "[[endpoint]]\nname = 'a'\npath = '/'\n[endpoint.headers]\nX-A = 'a'\n\"\\u00e9\" = 'b'\n",
            10,
        ),
        ("endpoint = [{ name = 'a', path = '/' },\n  { name = 'A', path = '/' }]\n", 6),
        ("sampling.samples = 0\n[[endpoint]]\nname = 'a'\npath = '/'\n", 5),
        (
            "[[endpoint]]\nname = 'a'\npath = '/'\n[[scenario]]\nname = 's'\nrounds = 0\nsteps = ['a/default']\n",
            10,
        ),
    ] {
        let head = "schema_version = 1\nname = \"lines\"\ntarget.url = \"http://h\"\n\n";
        let whole = format!("{head}{text}").replacen("\n\n", "\n", 1);
        let said = message(&whole);
        assert!(said.starts_with(&format!("line {}: ", line - 1)), "{whole}\n{said}");
    }
    // With line ends of Windows as well.
    let windows = LEAST.replace("/health\"\n", "health\"\n").replace('\n', "\r\n");
    assert!(message(&windows).starts_with("line 7: "), "{}", message(&windows));
}

/// Services that live for different times, and what brings them into their state.
const LIVES: &str = r#"
        schema_version = 1
        name = "lives"
        [[fixture]]
        name = "read"
        shared = true
        [[fixture]]
        name = "written"
        [[endpoint]]
        name = "get"
        path = "/"
        fixture = "read"
        [[endpoint.variant]]
        name = "shared"
        [[endpoint.variant]]
        name = "own"
        fresh = "check"
        [[endpoint.variant]]
        name = "written"
        fixture = "written"
        [[endpoint]]
        name = "remove"
        path = "/"
        fixture = "read"
        fresh = "sample"
        setup = [{ path = "/a" }, { path = "/b", method = "PUT", body = "b", status = 201 }]
        [[scenario]]
        name = "reads"
        rounds = 1
        steps = ["get/shared"]
        [[scenario]]
        name = "removes"
        rounds = 1
        steps = ["get/shared", "remove/default"]
        [[scenario]]
        name = "removes-often"
        rounds = 1
        steps = ["get/shared", "remove/default"]
        fresh = "check"
    "#;

#[test]
fn a_service_answers_as_long_as_check_and_fixture_say() {
    let contract = Contract::parse(LIVES).unwrap();
    let lives: Vec<ServiceLife> = contract.checks.iter().map(|it| it.service_life).collect();
    let expected = [
        ServiceLife::Process,
        ServiceLife::Check,
        ServiceLife::Check,
        ServiceLife::Sample,
        ServiceLife::Process,
        ServiceLife::Sample,
        ServiceLife::Check,
    ];
    assert_eq!(lives, expected);
    let setup = &contract.checks[3].requests[0].setup;
    let sent: Vec<_> = setup.iter().map(|it| (&*it.method, &*it.path, it.status)).collect();
    assert_eq!(sent, [("GET", "/a", 200), ("PUT", "/b", 201)]);
    assert_eq!(contract.checks[5].requests[1].setup.len(), 2);
    // What is written is what a passport has, key by key.
    let again = Contract::from_document(contract.document.clone()).unwrap();
    assert_eq!(again, contract);
}

#[test]
fn how_long_a_service_answers_is_said_in_sense() {
    for (part, by, line, why) in [
        (r#"name = "written""#, r#"name = "wrtten""#, 8, "no check is on fixture `wrtten`"),
        (r#"name = "written""#, r#"name = "read""#, 8, "fixture `read` is defined twice"),
        (r#"path = "/a""#, r#"path = "a""#, 26, "path `a`"),
        ("status = 201", "status = 99", 26, "status 99, which is not 100 to 599"),
        (r#"body = "b""#, r#"body = "${B}""#, 26, "variables are filled into headers alone"),
        (r#"method = "PUT""#, r#"headers = { x-key = "k" }"#, 26, "`x-key` holds a secret"),
        (
            r#"fresh = "sample""#,
            "fresh = \"sample\"\nbudgets = { heap_growth_bytes_max = 9 }",
            26,
            "each sample has a service of its own (`fresh`), which cannot grow",
        ),
        (r#"fresh = "sample""#, r#"fresh = "request""#, 25, "unknown variant `request`"),
    ] {
        assert!(LIVES.contains(part), "{part}");
        let refused = message(&LIVES.replacen(part, by, 1));
        assert!(refused.starts_with(&format!("line {line}: ")), "{refused}");
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn a_share_is_between_0_and_100_percent() {
    let with = |percent| format!("{LEAST}\n[tolerance]\ndeterministic_percent_min = {percent}\n");
    for (percent, ppm) in [("0", 0), ("99.5", 995_000), ("100", 1_000_000)] {
        assert_eq!(Contract::parse(&with(percent)).unwrap().deterministic_min, Ppm::new(ppm));
    }
    for percent in ["100.1", "-1", "nan", "inf"] {
        let said = message(&with(percent));
        assert!(said.contains("is not a percentage from 0 to 100"), "{said}");
    }
}

#[test]
fn what_is_beyond_its_limit_is_refused_where_it_stands() {
    let check = "[[endpoint]]\nname = 'a'\npath = '/'\n";
    for (text, line, said) in [
        ("target.seed = 9007199254740993\n", 4, "seed is above 2^53"),
        ("[sampling]\ntimeout_seconds = 1000001\n", 5, "timeout_seconds is above 1e6"),
        ("[sampling]\n\nseconds_max = 1e9\n", 6, "seconds_max is above 1e6"),
        ("[budgets]\nallocations_max = 1000000001\n", 5, "allocations_max is above 1000000000"),
        ("required = ['status', 'quality']\n", 4, "`quality` is claimed of operations"),
        ("[budgets]\nallocations_max = 0\n", 5, "never be kept, as nothing is below it: write 1"),
        ("[budgets]\nlatency_ms_max = 1e-7\n", 5, "write 1e-6 or more"),
        ("[budgets]\nheap_mb_max = 1e-7\n", 5, "write 1e-6 or more"),
        (
            "[[endpoint]]\nname = 'b'\npath = '/'\nbudgets.latency_ms_max = 1e7\n",
            7,
            "is above 1000000",
        ),
        (
            "[[endpoint]]\nname = 'b'\npath = '/'\n[[endpoint.variant]]\nname = 'v'\n\
             [endpoint.variant.budgets]\nlatency_ms_max = 1e7\n",
            10,
            "latency_ms_max is above 1000000",
        ),
        (
            "[[endpoint]]\nname = 'b'\npath = '/'\n[[scenario]]\nname = 's'\nsteps = ['b/default']\n\
             rounds = 5\nbudgets.allocations_max = 9000000000\n",
            11,
            "allocations_max is above 1000000000",
        ),
        (
            "[[endpoint]]\nname = 'b'\npath = '/'\n[[scenario]]\nname = 's'\n\
             steps = ['b/default', 'b/default']\nrounds = 501\n",
            10,
            "sends 1002 requests, not 1 to 1000",
        ),
    ] {
        let head = "schema_version = 1\nname = \"lines\"\ntarget.url = \"http://h\"\n";
        let refused = message(&format!("{head}{text}{check}"));
        assert!(refused.starts_with(&format!("line {line}: ")), "{text}\n{refused}");
        assert!(refused.contains(said), "{text}\n{refused}");
    }
}

#[test]
fn an_error_without_a_text_has_no_line() {
    let contract = Contract::parse(LEAST).unwrap();
    let mut document = contract.document;
    document.name = "A B".to_owned();
    let error = Contract::from_document(document).unwrap_err();
    assert!(matches!(error, ContractError::Meaning { line: None, .. }), "{error:?}");
    assert!(error.to_string().starts_with("contract name `A B` is not"), "{error}");
}

#[test]
fn no_error_repeats_a_secret_not_even_in_its_debug_form() {
    for text in [
        LEAST.replace("http://", "http://user:hunter2@"),
        format!("{LEAST}headers = {{ Authorization = \"Bearer hunter2\" }}\n"),
    ] {
        let error = Contract::parse(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

/// Each error says where, in the text that it is about.
fn assert_located(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = Contract::parse(text) {
        let said = error.to_string();
        let line = said.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
        let line: Option<usize> = line.and_then(|(line, _)| line.parse().ok());
        let lines = text.matches('\n').count() + 1;
        prop_assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{}", said);
        prop_assert!(!said.contains('\n'), "{:?}", said);
    }
    Ok(())
}

/// Keys of a contract, and such as are nearly some.
const KEYS: &[&str] = &[
    "schema_version",
    "name",
    "baseline",
    "target",
    "service",
    "url",
    "seed",
    "samples",
    "latency_ms_max",
    "latncy",
    "allocations_max",
    "required",
    "path",
    "method",
    "headers",
    "status",
    "ignore",
    "variant",
    "steps",
    "rounds",
    "fixture",
    "budgets",
    "\"\\u00e9\"",
];

/// Values that some key may have, and such as none may.
const VALUES: &[&str] = &[
    "1",
    "-1",
    "0",
    "nan",
    "inf",
    "1e400",
    "18446744073709551616",
    "true",
    "\"/a\"",
    "\"a\"",
    "'a/default'",
    "[\"/a\", 'b']",
    "{ a = 1 }",
    "{ Authorization = \"x\" }",
    "{ allocations_max = 1 }",
    "\"\"\"a\nb\"\"\"",
    "2020-01-01",
    "[",
    "\"",
    "\"\\q\"",
    "\"http://u@h\"",
    "\"http://h\"",
    "[{ name = \"v\" }, { name = \"v\" }]",
];

/// What begins a table, and what seems to.
const TABLES: &[&str] = &[
    "[target]",
    "[sampling]",
    "[budgets]",
    "[tolerance]",
    "[[endpoint]]",
    "[endpoint]",
    "[[endpoint.variant]]",
    "[[scenario]]",
    "[endpoint.headers]",
    "[[",
    "# \u{e9}",
    "",
];

/// A line that is like those of a contract.
fn toml_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        prop::sample::select(VALUES).prop_map(str::to_owned),
        any::<i64>().prop_map(|it| it.to_string()),
        ".{0,12}",
    ];
    prop_oneof![
        4 => (prop::sample::select(KEYS), value).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => prop::sample::select(TABLES).prop_map(str::to_owned),
        1 => ".{0,20}",
    ]
}

proptest! {
    /// One rule for contracts and for what the command line is given.
    #[cfg(feature = "http")]
    #[test]
    fn a_url_of_a_contract_can_be_probed(
        url in "https?://([a-z0-9.:\\[\\]@%_/?#-]{0,12}|[0-9.]{0,9}(:[0-9]{0,6})?/?[a-z%.#?]{0,3}|\\PC{0,5})",
    ) {
        use perf_passport::probe::{HttpSettings, HttpTarget};
        let contract = LEAST.replace("\"http://127.0.0.1:8000\"", &format!("'{url}'"));
        if Contract::parse(&contract).is_ok() {
            let target = HttpTarget::new(HttpSettings {
                base_url: url.clone(),
                timeout: Nanos::new(1),
                body_max: Bytes::new(1),
                pid: None,
        ca_file: None,
            });
            prop_assert!(target.is_ok(), "{}: {:?}", url, target);
        }
    }

    #[test]
    fn text_like_a_contract_never_panics_and_errors_name_a_line(
        lines in prop::collection::vec(toml_line(), 0..25),
        after_a_good_one in any::<bool>(),
    ) {
        let head = if after_a_good_one { LEAST } else { "" };
        assert_located(&format!("{head}{}", lines.join("\n")))?;
    }

    #[test]
    fn a_changed_contract_never_panics_and_errors_name_a_line(
        at in any::<prop::sample::Index>(), length in 0_usize..40, by in ".{0,6}",
    ) {
        let boundary = |index: usize| (0..=index).rev().find(|it| WHOLE.is_char_boundary(*it));
        let start = boundary(at.index(WHOLE.len())).unwrap();
        let end = boundary((start + length).min(WHOLE.len())).unwrap().max(start);
        assert_located(&format!("{}{by}{}", &WHOLE[..start], &WHOLE[end..]))?;
    }

    #[test]
    fn any_text_never_panics(text in "\\PC*|(?s).{0,200}") {
        assert_located(&text)?;
    }

    #[test]
    fn any_number_is_accepted_as_a_budget_or_refused_with_its_line(value in any::<f64>()) {
        let text = format!("{LEAST}budgets.latency_ms_max = {value:?}\n").replace("NaN", "nan");
        // Nothing is below 0 ns.
        let too_little = (value * 1e6).round() < 1.0;
        match Contract::parse(&text) {
            Ok(contract) => {
                prop_assert!(!too_little && value <= 1e6);
                prop_assert!(contract.checks[0].budgets.latency_ns_max <= Nanos::new(1_000_000_000_000));
            }
            Err(error) => {
                prop_assert!(value.is_nan() || too_little || value > 1e6, "{}", error);
                prop_assert!(error.to_string().starts_with("line 8: "), "{}", error);
            }
        }
    }
}
