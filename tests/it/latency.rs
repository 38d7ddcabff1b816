//! How long a latency is looked at, and what of it passes, by a clock that goes on with the requests.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use perf_passport::{
    claim::{Reason, Verdict, latency_samples_enough},
    clock::Clock,
    contract::{ClaimKind, Contract},
    passport::{Gate, Passport, verify},
    pipeline::{self, RunContext},
    probe::{Exchange, PreparedRequest},
    report::{self, Style},
    units::{Count, Nanos},
};

use crate::fake::{Fake, circumstances, good};

#[test]
fn the_highest_quantile_says_how_many_samples_are_enough() {
    let enough = |budgets: &str| {
        let text = format!(
            "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"a\"\npath = \"/\"\n\
             budgets = {{ {budgets} }}\n"
        );
        let contract = Contract::parse(&text).unwrap();
        latency_samples_enough(&contract.checks[0]).map(Count::get)
    };
    // As many as `statistics::beyond` has for a half, a twentieth and a hundredth.
    assert_eq!(enough("latency_quantile = \"p50\""), Some(7));
    assert_eq!(enough("latency_quantile = \"p95\", latency_p50_ms_max = 1"), Some(94));
    assert_eq!(enough("latency_quantile = \"p50\", latency_p99_ms_max = 20"), Some(477));
}

/// Goes on by what requests take.
#[derive(Default)]
struct WorkClock(AtomicU64);

impl Clock for WorkClock {
    fn elapsed(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000)
    }
}

/// One check with these keys, asked for requests that take so many milliseconds; and the seconds it took.
fn measured(keys: &str, ms: impl Fn(u64) -> f64) -> (Passport, u64) {
    let text = format!(
        "schema_version = 1\nname = \"a\"\n{keys}\n[[endpoint]]\nname = \"a\"\npath = \"/\"\n"
    );
    let (contract, clock) = (Contract::parse(&text).unwrap(), WorkClock::default());
    let answer = |_: &PreparedRequest, number| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds")]
        let latency = (ms(number) * 1e6) as u64;
        clock.0.fetch_add(latency, Ordering::Relaxed);
        let body = b"{}".to_vec();
        Ok(Exchange { latency: Nanos::new(latency), body, ..good(number) })
    };
    let target = &mut Fake { answer, pressed: Some(false), memory: |_| None };
    let context = &mut RunContext {
        target,
        clock: &clock,
        environment: &|_| None,
        stop: &|| false,
        progress: &mut |_| {},
    };
    let run = pipeline::measure(&contract, context, &|_| true).unwrap();
    let passport = pipeline::passport(&contract, run, circumstances(), None).unwrap();
    verify(&passport.to_bytes().unwrap()).unwrap();
    (passport, clock.elapsed().get() / 1_000_000_000)
}

fn samples(passport: &Passport) -> u64 {
    passport.test_results[0].evidence.latency.samples().get()
}

fn budget(ms: f64) -> String {
    format!("[budgets]\nlatency_ms_max = {ms}")
}

#[test]
fn what_lies_far_below_its_budget_passes_by_default() {
    for (ms, seconds_max) in [(0.05, 0), (1.0, 1), (3.0, 2), (10.0, 6), (30.0, 16)] {
        let (passport, seconds) = measured(&budget(10.0 * ms), |_| ms);
        assert_eq!(passport.gate(), Gate::Pass, "{ms} ms");
        assert!(seconds <= seconds_max, "{ms} ms: {seconds} s");
        // Nobody waits for more samples than are asked for once it is decided.
        assert!(samples(&passport) <= 1_000, "{ms} ms: {}", samples(&passport));
    }
    // One slow request in two hundred is no reason to abstain.
    let (passport, _) = measured(&budget(30.0), |n| if n.is_multiple_of(200) { 90.0 } else { 3.0 });
    assert_eq!(passport.gate(), Gate::Pass);
}

#[test]
fn what_is_above_its_budget_fails_and_soon() {
    for ms in [1.0, 3.0, 10.0, 30.0] {
        let (passport, seconds) = measured(&budget(0.7 * ms), |_| ms);
        assert_eq!(passport.gate(), Gate::Fail, "{ms} ms");
        assert!(seconds <= 3, "{ms} ms: {seconds} s");
    }
}

#[test]
fn missing_samples_are_told_with_the_key_that_gives_them() {
    let contract = format!("{}\n[sampling]\nseconds_max = 1", budget(300.0));
    let (passport, _) = measured(&contract, |_| 30.0);
    assert_eq!(passport.gate(), Gate::Abstain);
    let taken = samples(&passport);
    let told = report::claims_at_fault(&passport, Style::Plain);
    let expected = format!(
        "ABSTAIN  a/default: latency 30.0 ms (budget 300 ms): p99 needs at least 477 samples, and there are \
         {taken}; {} more are missing: raise `seconds_max` in [sampling] to 18, it is 1\n",
        477 - taken
    );
    assert_eq!(told, expected);
    // What was told is enough.
    let contract = contract.replace("seconds_max = 1", "seconds_max = 18");
    assert_eq!(measured(&contract, |_| 30.0).0.gate(), Gate::Pass);
    let contract = format!("{}\n[sampling]\nsamples = 10", budget(300.0));
    let (passport, _) = measured(&contract, |_| 3.0);
    let told = report::claims_at_fault(&passport, Style::Plain);
    assert!(told.contains("; 317 more are missing: raise `samples` in [sampling]"), "{told}");
    // Where as many are too slow as may be, more samples may show anything.
    let (passport, _) = measured(&budget(10.0), |n| if n.is_multiple_of(90) { 20.0 } else { 3.0 });
    let told = report::claims_at_fault(&passport, Style::Plain);
    assert!(told.contains("lies on both sides of the limit: take more samples"), "{told}");
}

#[test]
fn several_quantiles_have_budgets_at_once() {
    let keys = "[budgets]\nlatency_ms_max = 50\nlatency_p50_ms_max = 1\nlatency_p95_ms_max = 10";
    // 40 of 100 take 2 ms, and 2 of 100 take 20 ms.
    let ms = |n: u64| match n % 100 {
        0..2 => 20.0,
        2..42 => 2.0,
        _ => 0.5,
    };
    let (passport, _) = measured(keys, ms);
    let claims = |passport: &Passport| -> Vec<(Option<String>, Verdict, Reason)> {
        let all = passport.test_results[0].claims.iter();
        let latencies = all.filter(|it| it.kind == ClaimKind::Latency);
        latencies.map(|it| (it.metric.clone(), it.verdict, it.reason)).collect()
    };
    let within =
        |metric: Option<&str>| (metric.map(str::to_owned), Verdict::Pass, Reason::WithinBudget);
    assert_eq!(claims(&passport), [within(None), within(Some("p50")), within(Some("p95"))]);
    assert_eq!(passport.gate(), Gate::Pass);
    // The p99 is 20 ms, and the p50 0.5 ms.
    let keys = keys.replace("latency_ms_max = 50", "latency_ms_max = 15");
    let (passport, _) = measured(&keys.replace("p50_ms_max = 1", "p50_ms_max = 0.4"), ms);
    let verdicts: Vec<Verdict> = claims(&passport).into_iter().map(|(_, it, _)| it).collect();
    assert_eq!(verdicts, [Verdict::Fail, Verdict::Fail, Verdict::Pass]);
    let told = report::claims_at_fault(&passport, Style::Plain);
    assert!(told.contains("FAIL     a/default: latency p50 502 us (budget 400 us): "), "{told}");
    // The key of the quantile itself takes the place of the other.
    let of_p99 = "[budgets]\nlatency_p99_ms_max = 50";
    let (passport, _) = measured(of_p99, ms);
    assert_eq!(claims(&passport), [within(None)]);
    assert_eq!(passport.test_results[0].budgets.as_ref().unwrap().latency_ns_max.get(), 50_000_000);
}

#[test]
fn samples_that_decide_nothing_are_not_waited_for() {
    // 160 samples at most, which show no p99: no more than two seconds of them are taken.
    let (passport, seconds) =
        measured(&format!("{}\n[sampling]\nsamples = 10", budget(1000.0)), |_| 100.0);
    assert_eq!(passport.gate(), Gate::Abstain);
    assert!(seconds <= 6 && samples(&passport) < 40, "{seconds} s, {}", samples(&passport));
    assert!(passport.test_results[0].evidence.warmup_samples > Count::ZERO);
}
