//! What a service tells of itself, and what is known of the machine: some of it, in the wrong unit, or
//! nothing.

use perf_passport::{
    claim::{BaselineFigures, Reason, changes, claims},
    contract::{ClaimKind, Contract},
    paired::Paired,
    passport::{Gate, Passport, verify},
    probe::{Cost, Exchange},
    report::{Format, Report, Scope, Style, render},
    rules::LatencyRule,
    units::{Bytes, Count, Nanos},
};

use crate::fake::{CONTRACT, Fake, good, measure, measure_on};

fn reason(passport: &Passport, kind: ClaimKind) -> Reason {
    let claims = &passport.result("orders/all").unwrap().claims;
    claims.iter().find(|claim| claim.kind == kind).unwrap().reason
}

#[test]
fn a_tail_abstains_where_nobody_knows_how_much_others_wanted_the_processor() {
    let unknown = |fast_of_100: u64, cpu_wait: Option<Nanos>| {
        let answer = move |_: &_, n: u64| {
            let latency = if n % 100 < fast_of_100 { 50_000 } else { 20_000_000 };
            Ok(Exchange { latency: Nanos::new(latency), cpu_wait, ..good(n) })
        };
        let mut target = Fake { answer, pressed: None, memory: |_| None };
        measure_on(&mut target, CONTRACT, None, &|| false)
    };
    let of = |passport: &Passport| reason(passport, ClaimKind::Latency);
    let tail = unknown(97, None);
    assert_eq!(of(&tail), Reason::PressureUnknown);
    assert_eq!(tail.gate(), Gate::Abstain);
    verify(&tail.to_bytes().unwrap()).unwrap();
    // A service that is slow is slow, and in process the wait is left out.
    assert_eq!(of(&unknown(1, None)), Reason::OverBudget);
    assert_eq!(of(&unknown(97, Some(Nanos::ZERO))), Reason::OverBudget);
    // The first rule is as it was.
    let evidence = &tail.result("orders/all").unwrap().evidence;
    let contract = Contract::parse(CONTRACT).unwrap();
    let first = claims(&contract, &contract.checks[0], evidence, LatencyRule::One);
    let latency = first.iter().find(|it| it.kind == ClaimKind::Latency).unwrap();
    assert_eq!(latency.reason, Reason::OverBudget);
}

#[test]
fn what_is_told_of_some_responses_alone_is_not_shown_to_be_within_its_budget() {
    let told = |allocations: u64, heap: u64, heap_every: u64, every: u64| {
        let answer = move |_: &_, n: u64| {
            let answer = good(n);
            let cost = answer.cost.map(|cost| Cost {
                allocations: Count::new(allocations),
                heap_peak: n.is_multiple_of(heap_every).then_some(Bytes::new(heap)),
                ..cost
            });
            Ok(Exchange { cost: cost.filter(|_| n.is_multiple_of(every)), ..answer })
        };
        measure(answer, None)
    };
    let reasons = |passport: &Passport| {
        verify(&passport.to_bytes().unwrap()).unwrap();
        let of = |kind| reason(passport, kind);
        (of(ClaimKind::Allocations), of(ClaimKind::Heap))
    };
    let partly = Reason::NotAlwaysTold;
    let once = told(5, 4_096, 1, 50);
    assert_eq!(reasons(&once), (partly, partly));
    assert_eq!(once.gate(), Gate::Abstain);
    assert_eq!(reasons(&told(5, 4_096, 1, 1)), (Reason::WithinBudget, Reason::WithinBudget));
    // One request above the budget is one above it.
    assert_eq!(reasons(&told(5_000, 64 << 20, 1, 50)), (Reason::OverBudget, Reason::OverBudget));
    // Of the heap alone.
    assert_eq!(reasons(&told(5, 4_096, 50, 1)), (Reason::WithinBudget, partly));
    assert_eq!(reasons(&told(5, 64 << 20, 50, 1)), (Reason::WithinBudget, Reason::OverBudget));
    assert_eq!(reasons(&told(5, 0, u64::MAX, 1)), (Reason::WithinBudget, Reason::NotObserved));
    // It is no baseline either, and is not held against one.
    let whole = told(5, 4_096, 1, 1);
    let against = |now: &Passport, before: &Passport| {
        let contract = Contract::parse(CONTRACT).unwrap();
        let (check, evidence) = (&contract.checks[0], &now.result("orders/all").unwrap().evidence);
        let before = &before.result("orders/all").unwrap().evidence;
        let figures = BaselineFigures::of(check, before, true);
        let changes = changes(&contract, check, evidence, Some(&figures), None);
        let of = |kind| changes.iter().find(|it| it.kind == kind).unwrap().reason;
        (of(ClaimKind::AllocationsChange), of(ClaimKind::HeapChange))
    };
    assert_eq!(against(&once, &whole), (partly, partly));
    let missing = (Reason::NotInBaseline, Reason::NotInBaseline);
    assert_eq!(against(&whole, &once), missing);
}

#[test]
fn a_time_that_is_told_in_another_unit_is_said_and_not_used() {
    let told = |wrong: fn(u64) -> bool| {
        let answer = move |_: &_, n: u64| {
            let answer = good(n);
            let factor = if wrong(n) { 1_000 } else { 1 };
            let server_latency = Some(Nanos::new(answer.latency.get() / 2 * factor));
            Ok(Exchange { server_latency, ..answer })
        };
        measure(answer, None)
    };
    for wrong in [(|_| true) as fn(u64) -> bool, |n: u64| n.is_multiple_of(50)] {
        let passport = told(wrong);
        let evidence = &passport.result("orders/all").unwrap().evidence;
        assert_eq!(evidence.server_latency, None);
        assert!(evidence.told_above_round_trip_samples > Count::ZERO);
        verify(&passport.to_bytes().unwrap()).unwrap();
        let report = Report::of_passport(&passport, Scope::Whole);
        let text = render(&report, Format::Text, Style::Plain).unwrap();
        assert!(text.contains("the service tells more time than the round trip took"), "{text}");
    }
    let right = told(|_| false);
    assert!(right.result("orders/all").unwrap().evidence.server_latency.is_some());
}

#[test]
fn requests_that_wait_for_a_late_acknowledgement_are_named() {
    let report = |latency: u64| {
        let answer =
            move |_: &_, n: u64| Ok(Exchange { latency: Nanos::new(latency + n % 7), ..good(n) });
        let passport = measure(answer, None);
        let report = Report::of_passport(&passport, Scope::Whole);
        render(&report, Format::Text, Style::Plain).unwrap()
    };
    assert!(report(44_000_000).contains("let it set TCP_NODELAY"));
    assert!(!report(30_000_000).contains("TCP_NODELAY"));
    assert!(!report(60_000_000).contains("TCP_NODELAY"));
}

#[test]
fn sessions_of_cold_servers_are_said_to_be_left_out() {
    let report = |cold: u64| {
        let mut passport = measure(|_, n| Ok(good(n)), None);
        let paired = Paired { cold_sessions: Count::new(cold), ..Paired::default() };
        passport.test_results[0].paired = Some(paired);
        let report = Report::of_passport(&passport, Scope::Whole);
        render(&report, Format::Text, Style::Plain).unwrap()
    };
    let says = "so many sessions are left out, in which a server was not warm yet";
    assert!(report(4).contains(&format!("{says}: orders/all 4")), "{}", report(4));
    assert!(!report(0).contains(says));
}
