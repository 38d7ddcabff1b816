//! What reports tell a reader, in each format alike.

use perf_passport::{
    claim::{Reason, Verdict},
    contract::ClaimKind,
    probe::Exchange,
    report::{self, Format, Report, Style},
};

use crate::{
    fake::good,
    instructions::{compared_with, contract},
};

#[test]
fn text_and_markdown_tell_the_same_faults() {
    let contract = contract("", "required = [\"status\"]");
    let passport = compared_with(&contract, None, |_, n| Ok(Exchange { status: 404, ..good(n) }));
    let result = passport.result("orders/all").unwrap();
    let behaviour = result.claims.iter().find(|it| it.kind == ClaimKind::Behaviour).unwrap();
    assert!(!behaviour.required);
    assert_eq!((behaviour.verdict, behaviour.reason), (Verdict::Fail, Reason::ChangedWork));
    let text = report::claims_at_fault(&passport, Style::Plain);
    let report = Report::of_comparison(&passport, "");
    let markdown = report::render(&report, Format::Markdown, Style::Plain).unwrap();
    let json = report::render(&report, Format::Json, Style::Plain).unwrap();
    assert_eq!(json.as_bytes(), passport.to_bytes().unwrap());
    let faults = passport.claims().filter(|(_, claim)| claim.is_at_fault()).count();
    let told = text.lines().filter(|it| it.starts_with("FAIL") || it.starts_with("ABSTAIN"));
    assert_eq!(told.count(), faults, "{text}");
    let told = ["FAIL", "ABSTAIN"].map(|it| markdown.matches(&format!("\n- **{it}**")).count());
    assert_eq!(told.iter().sum::<usize>(), faults, "{markdown}");
    for told in [
        // A difference of two statuses is no figure.
        "behaviour 200 -> 404: changed work",
        // What was not observed is not shown.
        "latency-change (limit +5.00 %): ",
    ] {
        assert!(text.contains(told), "{text}");
        assert!(markdown.contains(told), "{markdown}");
    }
}

#[test]
fn claims_are_told_with_their_subjects() {
    let passport = compared_with(&contract("", ""), None, |_, n| Ok(good(n)));
    let subjects: Vec<String> = passport.subjects().map(|it| it.id().to_string()).collect();
    assert_eq!(subjects, ["orders/all", "orders/one"]);
    let claims: usize = passport.test_results.iter().map(|it| it.claims.len()).sum();
    assert_eq!(passport.claims().count(), claims);
    assert!(passport.claims().all(|(subject, _)| subject.sort() == "check"));
}
