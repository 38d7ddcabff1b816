//! Contracts that cannot be used: exit code 2, the line, what is wrong and what would be right.

use crate::contracts::{LEDGER, ledger};
use perf_passport_test_support::program::{CONTRACT, Workspace, assert_says};

/// Replaces a part of the small contract, and returns what the program says of it.
#[track_caller]
fn refusal(part: &str, by: &str) -> String {
    let contract = ledger();
    assert!(contract.contains(part), "{part}");
    let line = contract.replacen(part, by, 1);
    Workspace::with_contract(crate::PASSPORT, &line).run(&["check"]).refused(2)
}

/// As [`refusal`], and the line is the one that was replaced, or so many after it.
#[track_caller]
fn refusal_at(part: &str, by: &str, further: usize) -> String {
    let contract = ledger();
    let line = contract[..contract.find(part).unwrap()].matches('\n').count() + 1 + further;
    let sentence = refusal(part, by);
    assert_says(&sentence, &format!("cannot read contract `{CONTRACT}`: line {line}: "));
    sentence
}

#[test]
fn a_typo_names_line_key_and_the_nearest_known_key() {
    let sentence = refusal_at("latency_ms_max", "latncy_ms_max", 0);
    assert_says(&sentence, "unknown field `latncy_ms_max`, did you mean `latency_ms_max`?");
}

#[test]
fn a_budget_is_a_finite_number_above_zero() {
    for value in ["nan", "-nan", "-5", "-0.0", "0", "inf", "-inf", "1e10"] {
        let sentence = refusal_at("latency_ms_max = 1000", &format!("latency_ms_max = {value}"), 0);
        assert_says(&sentence, "is not a number above 0 and at most 1e9");
    }
    let sentence = refusal_at("latency_ms_max = 1000", "latency_ms_max = 1000001", 0);
    assert_says(&sentence, "latency_ms_max is above 1000000");
    for value in ["-1", "1.5", "nan", "99999999999999999999", "1000000001"] {
        refusal_at("latency_ms_max = 1000", &format!("allocations_max = {value}"), 0);
    }
    refusal_at("latency_ms_max = 1000", "heap_mb_max = \"10\"", 0);
    refusal_at("latency_ms_max = 1000", "latency_ms_max =", 0);
}

#[test]
fn names_that_nothing_has_are_refused_with_the_nearest() {
    let kind = refusal_at("\n[target]", "required = [\"status\", \"latncy\"]\n[target]", 0);
    assert_says(&kind, "unknown variant `latncy`, did you mean `latency`?");
    let quantile = refusal_at("\"p50\"", "\"p90\"", 0);
    assert_says(&quantile, "unknown variant `p90`");
    let step = "\n[[scenario]]\nname = \"s\"\nrounds = 2\nsteps = [\n  \"health/default\",\n  \"no/such\",\n]\n";
    let sentence = refusal_at("[[endpoint]]", &format!("{step}[[endpoint]]"), 6);
    assert_says(&sentence, "scenario `s` names `no/such`, which is no check");
    let mixed = step.replace("no/such", "metrics/default");
    let sentence = refusal_at("[[endpoint]]", &format!("{mixed}[[endpoint]]"), 6);
    assert_says(&sentence, "mixes fixtures");
    let sentence = refusal("fixture = \"empty\"", "fixture = \"emptty\"");
    assert_says(&sentence, "fixture `emptty`, and service `ledger` knows empty, zeros, normal");
    assert_says(&refusal("\"ledger\"", "\"ledgr\""), "cannot build service `ledgr`");
}

#[test]
fn what_is_defined_twice_is_refused_where_it_is_repeated() {
    let sentence = refusal_at("name = \"metrics\"", "name = \"health\"", 0);
    assert_says(&sentence, "check `health/default` is defined twice");
    // A key that is repeated is TOML's own error.
    refusal_at("samples = 40", "samples = 40\nsamples = 40", 1);
}

#[test]
fn values_out_of_range_are_refused_with_their_line() {
    for (part, by, said) in [
        ("schema_version = 1", "schema_version = 2", "this version reads 1"),
        ("\"small\"", "\"Sm\\u00e5ll\\u001b[31m\"", "contract name `Sm\\u{e5}ll\\u{1b}[31m`"),
        ("samples = 40", "samples = 0", "not between 1 and 1000000"),
        ("counted = 3", "counted = 4000000000", "not between 1 and 100000"),
        ("path = \"/metrics\"", "path = \"metrics\"", "must start with `/`"),
        ("path = \"/metrics\"", "path = \"/a/../metrics\"", "has a segment `.` or `..`"),
        ("path = \"/metrics\"", "path = \"/m\\u00e9\"", "percent-encode"),
        ("\"/generated_at\"", "\"generated_at\"", "is not a JSON pointer"),
        ("fixture = \"normal\"", "status = 99", "which is not 100 to 599"),
        ("fixture = \"normal\"", "method = \"BREW\"", "is not an HTTP method"),
        ("fixture = \"normal\"", "headers = { \"a b\" = \"c\" }", "is not a header name"),
        ("fixture = \"normal\"", "headers = { Content-Length = \"3\" }", "follows from the body"),
        ("fixture = \"normal\"", "body = \"{\\\"a\\\": \\\"${A}\\\"}\"", "has `${` in its body"),
        ("service = \"ledger\"", "url = \"ftp://127.0.0.1\"", "is not `http://HOST:PORT`"),
        ("service = \"ledger\"", "url = \"http://h:1?a\"", "has a query or fragment"),
        ("service = \"ledger\"", "url = \"http://h:1/#a\"", "has a query or fragment"),
        ("seed = 7", "seed = 9007199254740993", "seed is above 2^53"),
        ("service = \"ledger\"", "url = 5", "invalid type: integer"),
    ] {
        assert_says(&refusal_at(part, by, 0), said);
    }
    let nothing = Workspace::with_contract(crate::PASSPORT, "schema_version = 1\nname = \"x\"\n");
    assert_says(&nothing.run(&["check"]).refused(2), "line 1: nothing to measure");
}

#[test]
fn a_secret_is_not_written_in_a_contract_and_not_repeated() {
    for header in
        ["Authorization", "authorization", "X-API-Key", "Cookie", "X-My-Secret", "password"]
    {
        for value in ["hunter2", "${X}hunter2", "hunter2 ${X}", "Bearer hunter2"] {
            let headers = format!("headers = {{ {header} = \"{value}\" }}");
            let sentence = refusal_at("fixture = \"empty\"", &headers, 0);
            assert_says(&sentence, "holds a secret: write `${NAME}` and set that variable instead");
            assert!(!sentence.contains("hunter2"), "{sentence}");
        }
    }
    let url = "url = \"http://user:hunter2@127.0.0.1:1\"";
    let sentence = refusal_at("service = \"ledger\"", url, 0);
    assert_says(&sentence, "url holds a password");
    assert!(!sentence.contains("hunter2"), "{sentence}");
}

#[test]
fn a_variable_that_is_not_set_or_cannot_be_sent_is_named_and_its_value_is_not() {
    let headers = "headers = { Authorization = \"Bearer ${PASSPORT_TEST_TOKEN}\" }";
    let fixture = "fixture = \"normal\"";
    let contract = ledger().replace(fixture, &format!("{fixture}\n{headers}"));
    let workspace = Workspace::with_contract(crate::PASSPORT, &contract);
    let sentence = workspace.run(&["check"]).refused(2);
    assert_says(&sentence, "needs the environment variable PASSPORT_TEST_TOKEN: set it");

    let mut command = workspace.command(&["check"]);
    let broken = perf_passport_test_support::program::finish(
        command.env("PASSPORT_TEST_TOKEN", "hunter2\nX-Evil: 1"),
    );
    broken.keeps_to_itself("hunter2");
    assert_says(&broken.refused(2), "PASSPORT_TEST_TOKEN");

    let mut command = workspace.command(&["check", "-v"]);
    let set =
        perf_passport_test_support::program::finish(command.env("PASSPORT_TEST_TOKEN", "hunter2"))
            .exits(0);
    set.keeps_to_itself("hunter2");
    let files = workspace.files();
    assert!(files.len() >= 3, "{files:?}");
    for (path, text) in files {
        assert!(!text.contains("hunter2"), "{}", path.display());
    }
    assert_says(
        &workspace.read(perf_passport_test_support::program::LATEST),
        "Bearer ${PASSPORT_TEST_TOKEN}",
    );
}

#[test]
fn a_variable_name_that_no_shell_can_set_is_refused() {
    for wrong in ["${}", "${A B}", "${1X}", "${A=B}"] {
        let headers = format!("headers = {{ X-Tenant = \"{wrong}\" }}");
        assert_says(
            &refusal_at("fixture = \"empty\"", &headers, 0),
            "is not a variable of letters",
        );
    }
}

#[test]
fn a_file_that_is_no_contract_is_said_to_be_none() {
    let workspace = Workspace::new(crate::PASSPORT);
    for command in ["check", "generate", "baseline", "validate"] {
        let sentence = workspace.run(&[command]).refused(2);
        assert_eq!(
            sentence,
            "cannot read contract `passport.toml`: there is none; write one with `passport init`, name it \
             with --contract FILE, or give --api-url URL and --endpoint /PATH, which need none"
        );
    }
    workspace.write("latin1.toml", b"name = \"caf\xe9\"");
    let sentence = workspace.run(&["check", "--contract", "latin1.toml"]).refused(2);
    assert_says(&sentence, "invalid utf-8");
    assert_says(
        &workspace.run(&["check", "--contract", "."]).refused(2),
        "cannot read contract `.`",
    );
    workspace.write("h\u{e9}\n.toml", "x");
    let sentence = workspace.run(&["check", "--contract", "h\u{e9}\n.toml"]).refused(2);
    assert_says(&sentence, "contract `h\\u{e9}\\n.toml`: line 1:");
    #[cfg(target_os = "linux")]
    {
        let sentence = workspace.run(&["check", "--contract", "/dev/zero"]).refused(2);
        assert_says(&sentence, "it is larger than 16.0 MiB");
    }
}

#[test]
fn a_contract_elsewhere_finds_its_baseline_beside_it() {
    let workspace = Workspace::new(crate::PASSPORT);
    std::fs::create_dir(workspace.path("below")).unwrap();
    workspace.write("below/other.toml", LEDGER);
    workspace.run(&["baseline", "--contract", "below/other.toml"]).exits(0);
    assert!(workspace.path("below/baseline.json").exists());
    workspace.run(&["check", "--contract", "below/other.toml"]).exits(0);
    assert!(workspace.path(perf_passport_test_support::program::LATEST).exists());
}
