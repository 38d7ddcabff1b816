//! What is claimed of instructions that two builds executed, with counts that a test decides.

use perf_passport::{
    claim::{Claim, Reason, Verdict},
    contract::{ClaimKind, Contract},
    paired::{CountedPair, InstructionCounts, Policy, WhyUncounted},
    passport::{ComparedBuild, Comparison, Gate, Passport, verify},
    pipeline,
    probe::{Exchange, PreparedRequest, ProbeError},
    report::{self, Format, Report, Style},
};

use crate::fake::{CONTRACT, Fake, circumstances_in_process, good, run};

/// Processes whose samples are all alike.
fn exact(baseline: u64, current: u64) -> CountedPair {
    CountedPair {
        baseline: [baseline; 41].into_iter().collect(),
        current: [current; 41].into_iter().collect(),
    }
}

/// Processes whose samples differ by a thousandth, and not in the same order.
fn varying() -> CountedPair {
    let of = |odd| (0..41).map(|it| if it % 2 == odd { 1_000_000 } else { 1_001_000 }).collect();
    CountedPair { baseline: of(0), current: of(1) }
}

/// The same by processes that counted nothing else.
fn alone(pair: &CountedPair) -> InstructionCounts {
    InstructionCounts { alone: vec![pair.clone(), pair.clone()], ..InstructionCounts::default() }
}

/// A comparison of two builds that answer alike, without sessions.
fn compared(contract: &str, counts: Option<&InstructionCounts>) -> Passport {
    compared_with(contract, counts, |_, n| Ok(good(n)))
}

pub(crate) fn compared_with(
    contract: &str,
    counts: Option<&InstructionCounts>,
    answer: impl FnMut(&PreparedRequest, u64) -> Result<Exchange, ProbeError>,
) -> Passport {
    let contract = Contract::parse(contract).unwrap();
    let mut before = Fake {
        answer: |_: &PreparedRequest, n| Ok(good(n)),
        pressed: Some(false),
        memory: |_| None,
    };
    let mut after = Fake { answer, pressed: Some(false), memory: |_| None };
    let before = run(&mut before, &contract, &|| false, &|_| true);
    let mut after = run(&mut after, &contract, &|| false, &|_| true);
    for measured in &mut after.measured {
        measured.instructions = counts.cloned();
    }
    let circumstances = || circumstances_in_process("orders");
    let baseline = pipeline::passport(&contract, before, circumstances(), None).unwrap();
    let build = |label: &str| ComparedBuild {
        label: label.to_owned(),
        executable_sha256: Some("0".repeat(64)),
        ..ComparedBuild::default()
    };
    let mut around = circumstances();
    around.comparison = Some(Comparison {
        policy: Policy::for_suite(2, false),
        baseline: build("before"),
        current: build("after"),
        anchor: None,
        checks_not_compared: Vec::new(),
        checks_not_in_anchor: Vec::new(),
        same_code: None,
        mapped_code: None,
    });
    let passport = pipeline::passport(&contract, after, around, Some(&baseline)).unwrap();
    verify(&passport.to_bytes().unwrap()).unwrap();
    passport
}

fn claim(passport: &Passport) -> &Claim {
    let claims = &passport.result("orders/all").unwrap().claims;
    claims.iter().find(|it| it.kind == ClaimKind::InstructionsChange).unwrap()
}

fn decided(passport: &Passport) -> (Verdict, Reason, bool) {
    let claim = claim(passport);
    (claim.verdict, claim.reason, claim.required)
}

/// The contract with another tolerance, and a list of what is required.
pub(crate) fn contract(tolerance: &str, required: &str) -> String {
    CONTRACT.replace("[target]", &format!("{required}\n[tolerance]\n{tolerance}\n[target]"))
}

fn text_of(passport: &Passport) -> String {
    report::render(&Report::of_comparison(passport, ""), Format::Text, Style::Plain).unwrap()
}

const TIGHT: &str = "instructions_percent = 0.05";

#[test]
fn a_thousandth_more_fails_where_half_is_accepted_and_gates() {
    let of = |after| compared(&contract(TIGHT, ""), Some(&alone(&exact(1_000_000, after))));
    assert_eq!(decided(&of(1_000_000)), (Verdict::Pass, Reason::WithinTolerance, true));
    assert_eq!(decided(&of(1_000_500)), (Verdict::Pass, Reason::WithinTolerance, true));
    assert_eq!(decided(&of(900_000)), (Verdict::Pass, Reason::WithinTolerance, true));
    let more = of(1_001_000);
    assert_eq!(decided(&more), (Verdict::Fail, Reason::BeyondTolerance, true));
    assert_eq!((claim(&more).observed, claim(&more).limit), (Some(1_001_000), Some(1_000_500)));
    assert_eq!(more.gate(), Gate::Fail);
    assert_eq!(more.summary.performance_regressions, 2);
    let text = text_of(&more);
    assert!(text.contains("  +0.10 %"), "{text}");
    let faults = report::claims_at_fault(&more, Style::Plain);
    assert!(faults.contains("instructions-change +0.10 % (at most +0.05 %)"), "{faults}");
    // What is covered by the hash is equal on every run of the same code.
    assert_eq!(more.passport_hash, of(1_000_000).passport_hash);
}

#[test]
fn as_much_is_accepted_as_of_latency_where_the_contract_says_nothing() {
    let of =
        |contract: &str, after| decided(&compared(contract, Some(&alone(&exact(1_000, after)))));
    assert_eq!(of(CONTRACT, 1_050).0, Verdict::Pass);
    assert_eq!(of(CONTRACT, 1_051).0, Verdict::Fail);
    let wider = contract("regression_percent = 10", "");
    assert_eq!(of(&wider, 1_100).0, Verdict::Pass);
    assert_eq!(of(&wider, 1_101).0, Verdict::Fail);
}

#[test]
fn counts_that_vary_by_more_than_the_tolerance_decide_nothing() {
    let passport = compared(&contract(TIGHT, ""), Some(&alone(&varying())));
    assert_eq!(decided(&passport), (Verdict::Abstain, Reason::CountsVary, false));
    let text = text_of(&passport);
    let expected = "instructions of orders/all: between -0.10 % and +0.10 %, as those of one build \
                    vary; +0.25 % would be found";
    assert!(text.contains(expected), "{text}");
    // With more room there is something to say.
    let passport = compared(CONTRACT, Some(&alone(&varying())));
    assert_eq!(decided(&passport), (Verdict::Pass, Reason::WithinTolerance, true));
    assert!(!text_of(&passport).contains("vary"));
}

#[test]
fn what_nobody_counted_abstains_and_gates_only_where_it_is_required() {
    let required = contract("", "required = [\"status\", \"instructions-change\"]");
    for (why, reason) in [
        (Some(WhyUncounted::ValgrindMissing), Reason::ValgrindMissing),
        (Some(WhyUncounted::Failed), Reason::NotCounted),
        (Some(WhyUncounted::LeftOut), Reason::NotCounted),
        (None, Reason::NotCounted),
    ] {
        let counts = why.map(|why| InstructionCounts::uncounted(why, "nobody was there"));
        let passport = compared(CONTRACT, counts.as_ref());
        assert_eq!(decided(&passport), (Verdict::Abstain, reason, false));
        let told = text_of(&passport).contains("\nnobody was there\n");
        assert_eq!(told, why.is_some());
        let passport = compared(&required, counts.as_ref());
        assert_eq!(decided(&passport), (Verdict::Abstain, reason, true));
        assert_eq!(passport.gate(), Gate::Abstain);
    }
}

#[test]
fn another_response_executes_neither_more_nor_less() {
    let other = |_: &_, n| Ok(Exchange { body: b"{}".to_vec(), ..good(n) });
    let passport = compared_with(CONTRACT, Some(&alone(&exact(1_000, 2_000))), other);
    assert_eq!(decided(&passport), (Verdict::Abstain, Reason::ChangedWork, false));
}

#[test]
fn counts_that_cannot_have_been_made_are_refused() {
    let passport = compared(CONTRACT, Some(&alone(&exact(1_000, 1_000))));
    let text = String::from_utf8(passport.to_bytes().unwrap()).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        verify(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string()
    };
    let whole = ["1000"; 41].join(" ");
    let says = refused(&whole, &["1000"; 40].join(" "));
    assert!(says.contains("orders/all: instructions"), "{says}");
    assert!(refused(&whole, &["0"; 41].join(" ")).contains("no count of a sample"));
    // Every count is evidence: another one is another document.
    assert!(refused(&whole, &["1001"; 41].join(" ")).contains("edited"));
    let says = refused(
        "\"instructions\": {\n        \"warmup_samples\": 0",
        "\"instructions\": {\n        \"warmup_samples\": 5",
    );
    assert!(says.contains("evidence_hash"), "{says}");
}
