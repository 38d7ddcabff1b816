//! The gate in both directions: what must fail fails, what must pass passes, and what shows nothing
//! abstains.

use perf_passport::{
    claim::{Reason, Verdict},
    contract::{ClaimKind, Contract},
    passport::{Gate, Passport, diff, verify},
    pipeline,
    probe::{Exchange, PreparedRequest, ProbeError},
    process_memory::ProcessMemory,
    report::{self, Format, Report, Scope, Style},
    units::{Bytes, Count, Nanos},
};

use crate::fake::{
    CONTRACT, Fake, circumstances, circumstances_in_process, good, measure, measure_on,
    measure_some, measure_with, run,
};

fn reason(passport: &Passport, test: &str, kind: ClaimKind) -> (Verdict, Reason) {
    let claims = &passport.result(test).unwrap().claims;
    let claim = claims.iter().find(|claim| claim.kind == kind).unwrap();
    (claim.verdict, claim.reason)
}

fn more_allocations(number: u64, more: u64) -> Exchange {
    let mut exchange = good(number);
    let cost = exchange.cost.as_mut().unwrap();
    cost.allocations = cost.allocations.saturating_add(Count::new(more));
    exchange
}

#[test]
fn good_answers_pass_with_and_without_a_baseline() {
    let first = measure(|_, n| Ok(good(n)), None);
    assert_eq!(first.gate(), Gate::Pass);
    let second = measure(|_, n| Ok(good(n + 3)), Some(&first));
    assert_eq!(second.gate(), Gate::Pass);
    let change = reason(&second, "orders/all", ClaimKind::LatencyChange);
    assert_eq!(change, (Verdict::Abstain, Reason::StoredLatency));
    assert!(second.summary.deterministic_score > 99.9);
}

#[test]
fn fifty_milliseconds_where_ten_are_allowed_fail_and_count() {
    let slow = |_: &_, n| Ok(Exchange { latency: Nanos::new(50_000_000), ..good(n) });
    let passport = measure(slow, None);
    assert_eq!(passport.gate(), Gate::Fail);
    let latency = reason(&passport, "orders/all", ClaimKind::Latency);
    assert_eq!(latency, (Verdict::Fail, Reason::OverBudget));
    assert_eq!(passport.summary.performance_regressions, 2);
    assert!(passport.test_results.iter().all(|result| result.regression));
}

#[test]
fn a_tail_above_the_budget_fails_though_the_median_is_fast() {
    // 3 of 100 take 20 ms: the p99 is 20 ms.
    let tail = |_: &_, n: u64| {
        let latency = if n % 100 < 3 { 20_000_000 } else { 50_000 };
        Ok(Exchange { latency: Nanos::new(latency), ..good(n) })
    };
    let passport = measure(tail, None);
    assert_eq!(reason(&passport, "orders/all", ClaimKind::Latency).1, Reason::OverBudget);
}

#[test]
fn a_latency_is_unknown_below_the_samples_that_its_quantile_takes() {
    let contract = format!("{CONTRACT}\n[sampling]\nsamples = 50\nseconds_max = 0.0001\n");
    let passport = measure_with(&contract, |_, n| Ok(good(n)), None, &|| false);
    let result = passport.result("orders/all").unwrap();
    assert_eq!((result.latency_ms, passport.summary.max_latency_ms), (None, None));
    // The largest of so few is shown with the claim that it leaves undecided.
    let claim = result.claims.iter().find(|it| it.kind == ClaimKind::Latency).unwrap();
    assert!(claim.observed.is_some() && claim.verdict == Verdict::Abstain);
}

#[test]
fn what_the_service_says_of_its_time_is_evidence_where_it_says_so_of_each_request() {
    let contract = format!(
        "{CONTRACT}\n[[scenario]]\nname = \"both\"\nrounds = 1\nsteps = [\"orders/all\", \"orders/one\"]\n"
    );
    let told = |request: &PreparedRequest, n: u64| {
        let server_latency = (request.path == "/orders").then_some(Nanos::new(700 + n % 2));
        Ok(Exchange { server_latency, ..good(n) })
    };
    let passport = measure_with(&contract, told, None, &|| false);
    let of = |test| passport.result(test).unwrap().evidence.clone();
    let all = of("orders/all");
    let histogram = all.server_latency.unwrap();
    assert_eq!(histogram.samples(), all.latency.samples());
    assert_eq!((histogram.min(), histogram.max()), (Nanos::new(700), Nanos::new(701)));
    assert_eq!((of("orders/one").server_latency, of("both/default").server_latency), (None, None));
    verify(&passport.to_bytes().unwrap()).unwrap();
}

#[test]
fn a_tail_at_the_quantile_takes_more_samples_and_then_abstains() {
    // Exactly 1 of 100: the p99 is neither shown to be below nor above.
    let edge = |_: &_, n: u64| {
        let latency = if n.is_multiple_of(100) { 20_000_000 } else { 50_000 };
        Ok(Exchange { latency: Nanos::new(latency), ..good(n) })
    };
    let passport = measure(edge, None);
    assert_eq!(passport.gate(), Gate::Abstain);
    let result = passport.result("orders/all").unwrap();
    assert_eq!(result.evidence.latency.samples(), Count::new(16_000));
    assert_eq!(reason(&passport, "orders/all", ClaimKind::Latency).1, Reason::Undecided);
}

#[test]
fn on_a_busy_machine_a_slow_tail_abstains_and_a_slow_service_fails() {
    let on_busy = |fast_of_100: u64| {
        let answer = move |_: &_, n: u64| {
            let latency = if n % 100 < fast_of_100 { 50_000 } else { 20_000_000 };
            Ok(Exchange { latency: Nanos::new(latency), ..good(n) })
        };
        let mut target = Fake { answer, pressed: Some(true), memory: |_| None };
        let passport = measure_on(&mut target, CONTRACT, None, &|| false);
        reason(&passport, "orders/all", ClaimKind::Latency).1
    };
    assert_eq!(on_busy(97), Reason::BusyMachine);
    // One fast request among many slow ones does not make the service a fast one.
    assert_eq!(on_busy(45), Reason::OverBudget);
    assert_eq!(on_busy(1), Reason::OverBudget);
    assert_eq!(on_busy(0), Reason::OverBudget);
}

#[test]
fn a_wrong_status_fails_and_its_speed_does_not_count() {
    let passport = measure(|_, n| Ok(Exchange { status: 500, ..good(n) }), None);
    assert_eq!(passport.gate(), Gate::Fail);
    assert_eq!(reason(&passport, "orders/one", ClaimKind::Status).1, Reason::UnexpectedStatus);
    assert_eq!(reason(&passport, "orders/one", ClaimKind::Latency).1, Reason::NoSample);
    // A service that fails is not asked until the time is over.
    let behaviour = passport.result("orders/one").unwrap().evidence.behaviour.as_ref().unwrap();
    assert_eq!(behaviour.responses, Count::new(20));
}

#[test]
fn html_where_json_is_due_fails() {
    let html = |_: &_, n| {
        Ok(Exchange {
            content_type: Some(b"text/html".to_vec()),
            body: b"<html>".to_vec(),
            ..good(n)
        })
    };
    let passport = measure(html, None);
    assert_eq!(passport.gate(), Gate::Fail);
    let claim = reason(&passport, "orders/all", ClaimKind::ContentType);
    assert_eq!(claim.1, Reason::UnexpectedContentType);
}

#[test]
fn responses_that_differ_fail_unless_the_contract_ignores_the_difference() {
    // `now` differs in every good answer, and is ignored.
    assert_eq!(measure(|_, n| Ok(good(n)), None).gate(), Gate::Pass);
    let differ = |_: &_, n: u64| {
        Ok(Exchange { body: format!(r#"{{"orders":{n},"now":1}}"#).into_bytes(), ..good(n) })
    };
    let passport = measure(differ, None);
    assert_eq!(
        reason(&passport, "orders/all", ClaimKind::Deterministic).1,
        Reason::ResponsesDiffer
    );
    assert_eq!(passport.gate(), Gate::Fail);
    assert_eq!(passport.summary.deterministic_status, Verdict::Fail);
}

#[test]
fn a_service_that_does_not_tell_its_cost_abstains_where_somebody_asks_for_it() {
    let untold = |_: &_, n| Ok(Exchange { cost: None, ..good(n) });
    let asked = format!("{CONTRACT}\n[budgets]\nallocations_max = 1000\n");
    let passport = measure_with(&asked, untold, None, &|| false);
    assert_eq!(passport.gate(), Gate::Abstain);
    assert_eq!(reason(&passport, "orders/all", ClaimKind::Allocations).1, Reason::NotObserved);
    let shown = report::claims_at_fault(&passport, Style::Plain);
    assert!(shown.contains("orders/all: allocations (limit 1000): nobody tells"));
    // By default nobody asks for what is not seen, and that is said.
    let passport = measure(untold, None);
    assert_eq!(passport.gate(), Gate::Pass);
    let again = measure(untold, Some(&passport));
    assert_eq!(again.gate(), Gate::Pass);
    for format in [Format::Text, Format::Markdown] {
        let report = Report::of_passport(&passport, Scope::Whole);
        let shown = report::render(&report, format, Style::Plain).unwrap();
        let said =
            "not seen over HTTP, so not required: allocations of 2 checks, peak heap of 2 checks";
        assert!(shown.contains(said), "{shown}");
    }
    // What it told before, it must tell now.
    let told = measure(|_, n| Ok(good(n)), None);
    let silent = measure(untold, Some(&told));
    assert_eq!(silent.gate(), Gate::Abstain);
    let change = reason(&silent, "orders/all", ClaimKind::AllocationsChange);
    assert_eq!(change, (Verdict::Abstain, Reason::NotObserved));
    // In process the harness can count, so nothing is excused.
    let contract = Contract::parse(CONTRACT).unwrap();
    let target = &mut Fake { answer: untold, pressed: Some(false), memory: |_| None };
    let run = run(target, &contract, &|| false, &|_| true);
    let within = circumstances_in_process("orders");
    let passport = pipeline::passport(&contract, run, within, None).unwrap();
    assert_eq!(passport.gate(), Gate::Abstain);
}

#[test]
fn a_target_that_cannot_be_measured_is_neither_pass_nor_fail() {
    let dead = |_: &_, _| {
        Err(ProbeError::Unreachable {
            target: "http://127.0.0.1:1".to_owned(),
            message: "connection refused".to_owned(),
        })
    };
    let passport = measure(dead, None);
    assert_eq!(passport.gate(), Gate::NotMeasured);
    assert_eq!(passport.summary.passed_tests, 0);
    let shown = report::claims_at_fault(&passport, Style::Plain);
    assert!(shown.contains("cannot reach http://127.0.0.1:1: connection refused"), "{shown}");
}

#[test]
fn a_request_that_was_given_up_counts_as_slow_as_it_was_waited_for() {
    let after = Nanos::new(10_000_000_000);
    let hang = |_: &_, n| {
        if n < 100 { Ok(good(n)) } else { Err(ProbeError::Timeout { after, phase: "headers" }) }
    };
    let passport = measure(hang, None);
    assert_eq!(passport.gate(), Gate::NotMeasured);
    assert_eq!(passport.result("orders/all").unwrap().evidence.latency.max(), after);
}

#[test]
fn one_allocation_more_fails_and_is_named() {
    let before = measure(|_, n| Ok(good(n)), None);
    let after = measure(
        |request, n| Ok(if request.path == "/orders/1" { more_allocations(n, 1) } else { good(n) }),
        Some(&before),
    );
    assert_eq!(after.gate(), Gate::Fail);
    let shown = report::claims_at_fault(&after, Style::Plain);
    assert_eq!(
        shown,
        "FAIL     orders/one: allocations-change 42 -> 43 (+1): worse than the baseline, and not \
         within the tolerance\n"
    );
    assert_ne!(before.passport_hash, after.passport_hash);
    let found = diff(&before, &after);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].test_name.as_str(), found[0].subject.as_str()),
        ("orders/one", "allocations")
    );
}

#[test]
fn fewer_allocations_pass_and_a_tolerance_is_kept_to_the_unit() {
    let before = measure(|_, n| Ok(more_allocations(n, 58)), None);
    assert_eq!(measure(|_, n| Ok(good(n)), Some(&before)).gate(), Gate::Pass);
    // 100 allocations and 5 %: 105 are within, 106 are not.
    let contract = format!("{CONTRACT}\n[tolerance]\nallocations_percent = 5\n");
    let with = |more| {
        let answer = move |_: &_, n| Ok(more_allocations(n, more));
        measure_with(&contract, answer, Some(&before), &|| false).gate()
    };
    assert_eq!((with(63), with(64)), (Gate::Pass, Gate::Fail));
}

#[test]
fn a_changed_response_is_changed_work_and_no_speed() {
    let before = measure(|_, n| Ok(good(n)), None);
    let changed = |_: &_, n| {
        Ok(Exchange { body: br#"{"orders":[],"now":1}"#.to_vec(), ..more_allocations(n, 500) })
    };
    let after = measure(changed, Some(&before));
    let behaviour = reason(&after, "orders/all", ClaimKind::Behaviour);
    assert_eq!(behaviour, (Verdict::Fail, Reason::ChangedWork));
    let allocations = reason(&after, "orders/all", ClaimKind::AllocationsChange);
    assert_eq!(allocations, (Verdict::Abstain, Reason::ChangedWork));
}

#[test]
fn counts_of_another_build_or_database_are_not_compared() {
    let contract = Contract::parse(CONTRACT).unwrap();
    let passport = |circumstances, more, baseline: Option<&Passport>| {
        let answer = move |_: &_, n| Ok(more_allocations(n, more));
        let run = run(
            &mut Fake { answer, pressed: Some(false), memory: |_| None },
            &contract,
            &|| false,
            &|_| true,
        );
        pipeline::passport(&contract, run, circumstances, baseline).unwrap()
    };
    let mut before = passport(circumstances_in_process("a (sqlite)"), 0, None);
    let after = |target: &str, before: &Passport| {
        let after = passport(circumstances_in_process(target), 1, Some(before));
        reason(&after, "orders/all", ClaimKind::AllocationsChange).1
    };
    assert_eq!(after("a (sqlite)", &before), Reason::BeyondTolerance);
    assert_eq!(after("a (postgresql)", &before), Reason::IncomparableBuild);
    before.provenance.build.as_mut().unwrap().rustc = "rustc 1.0.0".to_owned();
    assert_eq!(after("a (sqlite)", &before), Reason::IncomparableBuild);
    // Over HTTP neither the address nor the build of this program says anything of the service.
    let mut elsewhere = circumstances();
    elsewhere.provenance.target = "http://other:1".to_owned();
    let over_http = passport(elsewhere, 0, None);
    let after_http = passport(circumstances(), 1, Some(&over_http));
    let change = reason(&after_http, "orders/all", ClaimKind::AllocationsChange);
    assert_eq!(change.1, Reason::BeyondTolerance);
    assert_eq!(after("a (sqlite)", &over_http), Reason::IncomparableBuild);
}

#[test]
fn one_sample_that_failed_is_never_a_pass() {
    let broken = |request: &PreparedRequest, n| match request.path.as_str() {
        "/orders" if n == 30 => Err(ProbeError::Broken("cut".to_owned())),
        _ => Ok(good(n)),
    };
    let passport = measure(broken, None);
    let result = passport.result("orders/all").unwrap();
    assert_eq!(result.evidence.failed_samples, Count::new(1));
    assert!(result.claims.iter().all(|claim| claim.verdict == Verdict::Pass));
    assert_eq!((result.status, passport.summary.abstained_tests), (Verdict::Abstain, 1));
    assert_eq!(passport.summary.overall_status, Verdict::Abstain);
    assert_eq!(passport.gate(), Gate::NotMeasured);
}

#[test]
fn the_share_of_deterministic_checks_gates_and_all_of_them_where_it_is_100_percent() {
    // Of two checks one differs: 50 %.
    let half = |request: &PreparedRequest, n: u64| {
        let differs = if request.path == "/orders/1" { n } else { 0 };
        Ok(Exchange { body: format!(r#"{{"orders":{differs},"now":1}}"#).into_bytes(), ..good(n) })
    };
    for (percent, status, required) in [
        ("0", Verdict::Pass, false),
        ("50", Verdict::Pass, false),
        ("50.1", Verdict::Fail, true),
        ("95", Verdict::Fail, true),
        ("100", Verdict::Fail, true),
    ] {
        let contract = format!("{CONTRACT}\n[tolerance]\ndeterministic_percent_min = {percent}\n");
        let passport = measure_with(&contract, half, None, &|| false);
        assert_eq!(passport.summary.overall_status, status, "{percent} %");
        let result = passport.result("orders/one").unwrap();
        let mut claims = result.claims.iter();
        let claim = claims.find(|it| it.kind == ClaimKind::Deterministic).unwrap();
        assert_eq!((claim.verdict, claim.required), (Verdict::Fail, required), "{percent} %");
        assert_eq!(result.status == Verdict::Fail, required, "{percent} %");
        // Row, count, line and gate say the same.
        let summary = &passport.summary;
        let failed = u64::from(required);
        assert_eq!((summary.passed_tests, summary.failed_tests), (2 - failed, failed));
        assert_eq!(passport.gate() == Gate::Fail, required, "{percent} %");
        let text = report::claims_at_fault(&passport, Style::Plain);
        assert_eq!(text.starts_with("FAIL     orders/one: deterministic "), required, "{text}");
        let excused = format!(
            "; not required, as 50.0 % of the checks are deterministic and the contract asks for \
             {percent}.0 %\n"
        );
        assert_eq!(text.starts_with("(FAIL)   ") && text.ends_with(&excused), !required, "{text}");
        let all = measure_with(&contract, |_, n| Ok(good(n)), None, &|| false);
        assert_eq!(all.gate(), Gate::Pass, "{percent} %");
    }
    // Not required at all, it gates nothing.
    let contract = CONTRACT.replace(
        "name = \"orders\"\n[target",
        "name = \"orders\"\nrequired = [\"status\"]\n[target",
    );
    assert_eq!(measure_with(&contract, half, None, &|| false).gate(), Gate::Pass);
}

#[test]
fn a_check_that_is_new_or_gone_is_never_a_silent_pass() {
    let before = measure(|_, n| Ok(good(n)), None);
    let renamed = CONTRACT.replace("name = \"one\"", "name = \"first\"");
    let after = measure_with(&renamed, |_, n| Ok(good(n)), Some(&before), &|| false);
    assert_eq!(after.gate(), Gate::Abstain);
    assert_eq!(reason(&after, "orders/first", ClaimKind::Behaviour).1, Reason::NotInBaseline);
    assert_eq!(after.baseline.as_ref().unwrap().checks_gone, ["orders/one"]);
}

#[test]
fn a_part_of_the_contract_passes_for_itself_and_never_for_the_whole() {
    let whole = measure(|_, n| Ok(good(n)), None);
    assert_eq!(whole.checks_left_out, Vec::<String>::new());
    let part = measure_some(CONTRACT, Some(&whole), &|check| check.variant == "one");
    assert_eq!(part.checks_left_out, ["orders/all"]);
    assert_eq!((part.summary.total_tests, part.summary.passed_tests), (1, 1));
    assert_eq!(part.summary.measured_status, Verdict::Pass);
    assert_eq!(part.summary.overall_status, Verdict::Abstain);
    assert_eq!((part.gate_of_measured(), part.gate()), (Gate::Pass, Gate::Abstain));
    let titles = [Scope::Measured, Scope::Whole].map(|it| Report::of_passport(&part, it).title);
    assert_eq!(titles, ["PASS: orders", "ABSTAIN: orders"]);
    let shown =
        report::render(&Report::of_passport(&part, Scope::Measured), Format::Text, Style::Plain)
            .unwrap();
    assert!(shown.ends_with("\nPASS (1 check left out, of which nothing is said)\n"), "{shown}");
}

#[test]
fn results_are_in_the_order_of_the_contract_and_each_once() {
    let contract = Contract::parse(CONTRACT).unwrap();
    let mut target =
        Fake { answer: |_: &_, n| Ok(good(n)), pressed: Some(false), memory: |_| None };
    let mut run = run(&mut target, &contract, &|| false, &|_| true);
    run.measured.reverse();
    run.measured.push(run.measured[0].clone());
    let passport = pipeline::passport(&contract, run, circumstances(), None).unwrap();
    let names: Vec<&str> = passport.test_results.iter().map(|it| it.test_name.as_str()).collect();
    assert_eq!(names, ["orders/all", "orders/one"]);
    verify(&passport.to_bytes().unwrap()).unwrap();
}

#[test]
fn an_interrupted_run_keeps_what_it_has_and_never_passes() {
    let sent = std::cell::Cell::new(0);
    let answer = |_: &_, n| {
        sent.set(sent.get() + 1);
        Ok(good(n))
    };
    let passport = measure_with(CONTRACT, answer, None, &|| sent.get() > 1_500);
    assert!(!passport.complete);
    assert_eq!(passport.test_results.len(), 2);
    assert_eq!(passport.gate(), Gate::NotMeasured);
    assert_ne!(passport.summary.overall_status, Verdict::Pass);
}

#[test]
fn the_hash_covers_what_must_be_equal_and_nothing_else() {
    let first = measure(|_, n| Ok(good(n)), None);
    let later = |_: &_, n| Ok(Exchange { latency: Nanos::new(900_000), ..good(n + 500) });
    let second = measure(later, Some(&first));
    assert_eq!(first.passport_hash, second.passport_hash);
    assert_ne!(first.evidence_hash, second.evidence_hash);
    assert_ne!(first.run_id, second.run_id);
}

#[test]
fn process_memory_without_a_process_abstains() {
    let contract = format!("{CONTRACT}\n[budgets]\nprocess_memory_mb_max = 50\n");
    let passport = measure_with(&contract, |_, n| Ok(good(n)), None, &|| false);
    let claim = reason(&passport, "orders/all", ClaimKind::ProcessMemory);
    assert_eq!(claim, (Verdict::Abstain, Reason::NotObserved));
    assert_eq!(passport.gate(), Gate::Abstain, "a budget that was given is not left out");
    // Without a budget there is no such claim.
    let claims = &measure(|_, n| Ok(good(n)), None).test_results[0].claims;
    assert!(claims.iter().all(|claim| claim.kind != ClaimKind::ProcessMemory));
}

const fn mb(rss: u64, rss_peak: u64) -> ProcessMemory {
    ProcessMemory {
        rss: Bytes::new(rss << 20),
        rss_peak: Bytes::new(rss_peak << 20),
        held_min: Bytes::new(rss << 20),
        processes: Count::new(1),
    }
}

/// Two processes that hold at least so much, and more if what they share is not the same.
const fn two(held_min: u64, rss: u64) -> ProcessMemory {
    ProcessMemory { held_min: Bytes::new(held_min << 20), processes: Count::new(2), ..mb(rss, rss) }
}

#[test]
fn a_budget_of_process_memory_gates_on_what_the_check_itself_held() {
    let gate = |memory: fn(u64) -> Option<ProcessMemory>| {
        let contract = format!("{CONTRACT}\n[budgets]\nprocess_memory_mb_max = 50\n");
        let answer = |_: &_, n| Ok(good(n));
        let mut target = Fake { answer, pressed: Some(false), memory };
        let passport = measure_on(&mut target, &contract, None, &|| false);
        (passport.gate(), reason(&passport, "orders/all", ClaimKind::ProcessMemory).1)
    };
    let (pass, fail) = ((Gate::Pass, Reason::WithinBudget), (Gate::Fail, Reason::OverBudget));
    assert_eq!(gate(|_| Some(mb(40, 45))), pass);
    assert_eq!(gate(|sent| Some(if sent == 0 { mb(20, 20) } else { mb(60, 60) })), fail);
    // What was held and given back while the process started is not the check's.
    assert_eq!(gate(|_| Some(mb(40, 400))), pass);
    // What several processes hold together is known within bounds.
    let shared = (Gate::Abstain, Reason::MemoryShared);
    assert_eq!(gate(|_| Some(two(30, 45))), pass);
    assert_eq!(gate(|_| Some(two(30, 60))), shared);
    assert_eq!(gate(|_| Some(two(51, 60))), fail);
    assert_eq!(gate(|sent| Some(if sent == 0 { mb(20, 20) } else { two(51, 60) })), fail);
    // What was held and given back during the check is.
    assert_eq!(gate(|sent| Some(if sent == 0 { mb(40, 40) } else { mb(40, 51) })), fail);
}

#[test]
fn html_that_says_it_is_json_fails() {
    let html = |_: &_, n| Ok(Exchange { body: b"<html></html>".to_vec(), ..good(n) });
    let passport = measure(html, None);
    assert_eq!(passport.gate(), Gate::Fail);
    let claim = reason(&passport, "orders/all", ClaimKind::ContentType);
    assert_eq!(claim, (Verdict::Fail, Reason::NotJson));
    assert_eq!(reason(&passport, "orders/all", ClaimKind::Latency).1, Reason::NoSample);
    // A HEAD has the media type of a body that it does not have; and any text is plain text.
    let empty = |_: &_, n| Ok(Exchange { body: Vec::new(), ..good(n) });
    let plain_contract = CONTRACT.replace("ignore = [\"/now\"]\n", "");
    let head =
        plain_contract.replace("path = \"/orders\"", "path = \"/orders\"\nmethod = \"HEAD\"");
    assert_eq!(measure_with(&head, empty, None, &|| false).gate(), Gate::Pass);
    let plain = |_: &_, n| {
        Ok(Exchange { content_type: Some(b"text/plain".to_vec()), body: b"<".to_vec(), ..good(n) })
    };
    let contract = plain_contract.replace("application/json", "text/plain");
    assert_eq!(measure_with(&contract, plain, None, &|| false).gate(), Gate::Pass);
}

#[test]
fn a_wait_is_left_out_of_the_latency_that_it_is_a_part_of() {
    let evidence = |wait: u64| {
        let answer = move |_: &_, n| {
            let (latency, cpu_wait) = (Nanos::new(60_000), Some(Nanos::new(wait)));
            Ok(Exchange { latency, cpu_wait, ..good(n) })
        };
        measure(answer, None).test_results[0].evidence.clone()
    };
    let part = evidence(20_000);
    assert_eq!((part.latency.min(), part.latency.max()), (Nanos::new(40_000), Nanos::new(40_000)));
    assert_eq!(part.cpu_wait_ns, Some(Nanos::new(20_000 * part.latency.samples().get())));
    assert_eq!(part.cpu_wait_kept_samples, Count::ZERO);
    // A wait that is as long as the request or longer lay beside it, no one knows how far.
    for wait in [60_000, 5_000_000] {
        let beside = evidence(wait);
        assert_eq!(beside.latency.min(), Nanos::new(60_000));
        assert_eq!(beside.cpu_wait_ns, Some(Nanos::ZERO));
        assert_eq!(beside.cpu_wait_kept_samples, beside.latency.samples());
    }
}

#[test]
fn a_scenario_is_held_to_the_budgets_of_its_requests() {
    let contract = format!(
        "{CONTRACT}\n[[scenario]]\nname = \"stress\"\nrounds = 5\nsteps = [\"orders/all\", \"orders/one\"]\n"
    );
    let passport = measure_with(&contract, |_, n| Ok(good(n)), None, &|| false);
    let stress = passport.result("stress/default").unwrap();
    // What consumers know these fields for is one request, whatever a sample is.
    assert_eq!(stress.objects, Some(42));
    assert!((0.05..0.057).contains(&stress.latency_ms.unwrap()), "{:?}", stress.latency_ms);
    assert_eq!(passport.summary.max_objects, Some(42));
    assert_eq!(stress.budgets.as_ref().unwrap().allocations_max, Count::new(10_000));
    assert_eq!(stress.budgets.as_ref().unwrap().latency_ns_max, Nanos::new(100_000_000));
    assert_eq!(stress.memory_mb, Some(0.003_906));
    assert_eq!(stress.status, Verdict::Pass);
}
