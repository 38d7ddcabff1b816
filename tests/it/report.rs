//! What reports tell a reader, in each format alike.

use perf_passport::{
    claim::{Reason, Verdict},
    contract::ClaimKind,
    passport::{Passport, verify},
    probe::{Exchange, ProbeError},
    report::{
        self, CommentContext, Format, Report, Scope, SourcePlace, Style, pull_request_comment,
    },
    units::Nanos,
};

use crate::{
    fake::{CONTRACT, good, measure, measure_with},
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
    // Of each check the status, which gates, and the behaviour, which does not.
    for mark in ["FAIL", "(FAIL)"] {
        let told = text.lines().filter(|it| it.split(' ').next() == Some(mark)).count();
        assert_eq!(told, 2, "{text}");
        assert_eq!(markdown.matches(&format!("\n- **{mark}** ")).count(), 2, "{markdown}");
    }
    // A difference of two statuses is no figure.
    let told = "behaviour 200 -> 404: changed work";
    assert!(text.contains(told) && markdown.contains(told), "{text}{markdown}");
}

/// The lines on the first check that begin with a verdict.
fn verdicts(passport: &Passport) -> Vec<String> {
    let text = report::claims_at_fault(passport, Style::Plain);
    let of_first = text.lines().filter(|it| it.contains(" orders/all: "));
    let told = of_first.filter(|it| !it.starts_with("DETAIL"));
    told.map(|it| it.split([':', '(']).take(2).collect::<String>()).collect()
}

#[test]
fn a_cause_is_told_once_and_what_follows_from_it_is_not() {
    let before = measure(|_, n| Ok(good(n)), None);
    let broken = |_: &_, _| Err(ProbeError::Broken("cut".to_owned()));
    let without_cost = |n| Exchange { cost: None, ..good(n) };
    let not_found = |_: &_, n| Ok(Exchange { status: 404, ..without_cost(n) });
    let html =
        |_: &_, n| Ok(Exchange { content_type: Some(b"text/html".to_vec()), ..without_cost(n) });
    let random =
        |_: &_, n| Ok(Exchange { body: format!("{{\"now\":1,\"id\":{n}}}").into(), ..good(n) });
    let changed = |_: &_, n| Ok(Exchange { body: br#"{"now":1,"orders":2}"#.to_vec(), ..good(n) });
    for (passport, expected) in [
        (measure(not_found, None), "FAIL     orders/all status 404 "),
        (measure(html, None), "FAIL     orders/all content-type wrong in 20 of 20 responses"),
        (
            measure(random, Some(&before)),
            "FAIL     orders/all deterministic in 1 of 1009 responses",
        ),
        (measure(changed, Some(&before)), "FAIL     orders/all behaviour"),
        (
            measure(broken, Some(&before)),
            "BROKEN   orders/all 3 of its samples could not be measured",
        ),
    ] {
        assert_eq!(verdicts(&passport), [expected]);
    }
    // A service that answers well and tells nothing is another cause.
    let asked = format!("{CONTRACT}\n[budgets]\nallocations_max = 1000\nheap_mb_max = 10\n");
    let silent = measure_with(&asked, |_, n| Ok(without_cost(n)), None, &|| false);
    let expected = ["ABSTAIN  orders/all allocations ", "ABSTAIN  orders/all heap "];
    assert_eq!(verdicts(&silent), expected);
}

#[test]
fn a_body_that_was_not_expected_is_shown_by_its_first_500_bytes() {
    let page = |_: &_, n| Ok(Exchange { status: 500, body: vec![7; 501], ..good(n) });
    let text = report::claims_at_fault(&measure(page, None), Style::Plain);
    let expected = format!("DETAIL   orders/all: the body begins: {}...\n", "\\x07".repeat(500));
    assert!(text.contains(&expected), "{text}");
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

#[test]
fn a_change_is_told_with_the_interval_that_decided_on_it() {
    let passport = verify(include_bytes!("../fixtures/schema_v1/compared_fail.json")).unwrap();
    let report = Report::of_comparison(&passport, "");
    let Some(between) = report.tables[0].columns.iter().position(|it| it.heading == "between")
    else {
        panic!("no column");
    };
    let (lower, upper) = report.tables[0].rows[0].cells[between].split_once(" .. ").unwrap();
    let text = report::claims_at_fault(&passport, Style::Plain);
    assert!(text.contains(&format!(" (between {lower} and {upper}; at most +")), "{text}");
}

#[test]
fn a_stored_time_is_shown_beside_that_of_now() {
    let slow = |_: &_, n| Ok(Exchange { latency: Nanos::new(210_000), ..good(n) });
    let before = measure(slow, None);
    let after = measure(|_, n| Ok(good(n)), Some(&before));
    let text =
        report::render(&Report::of_passport(&after, Scope::Measured), Format::Text, Style::Plain)
            .unwrap();
    assert!(text.contains("  stored -> now\n") && text.contains("  210 us -> 5"), "{text}");
    assert!(
        text.contains("\nstored -> now: the time in the baseline and now: stored times"),
        "{text}"
    );
    let alone = Report::of_passport(&before, Scope::Measured);
    assert!(!alone.tables[0].columns.iter().any(|it| it.heading == "stored -> now"));
}

#[test]
fn an_imported_passport_shows_its_figures_as_imported() {
    let passport = verify(include_bytes!("../fixtures/schema_v1/imported.json")).unwrap();
    let text = report::render(
        &Report::of_passport(&passport, Scope::Measured),
        Format::Text,
        Style::Plain,
    )
    .unwrap();
    assert!(text.contains("imported figures\n") && text.contains("  0.05 ms  "), "{text}");
    assert!(
        text.ends_with("\nIMPORTED: figures without evidence, which prove nothing\n"),
        "{text}"
    );
}

#[test]
fn one_session_has_an_effect_and_no_bounds() {
    let mut passport = verify(include_bytes!("../fixtures/schema_v1/compared_pass.json")).unwrap();
    let line = |passport: &Passport| {
        let report = Report::of_comparison(passport, "");
        let text = report::render(&report, Format::Text, Style::Plain).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    };
    assert!(line(&passport).contains(" % .. "), "{}", line(&passport));
    passport.test_results[0].paired.as_mut().unwrap().sessions.truncate(1);
    let one = line(&passport);
    assert!(!one.contains(" .. ") && one.matches(" %").count() >= 2, "{one}");
}

/// What a comparison found of a pull request, with a place that a stranger named.
#[test]
fn a_comment_names_commit_figure_function_and_line_and_no_markup() {
    let mut passport = verify(include_bytes!("../fixtures/schema_v1/compared_fail.json")).unwrap();
    let hostile = "](http://evil) <img src=x> @everyone #1 `x` | \u{202e}\n# heading";
    let (function, file) = (format!("work::slow{hostile}"), format!("src/work.rs{hostile}"));
    let place = SourcePlace::of("work/default", function, Some(file), Some(88));
    assert_eq!(SourcePlace::of("operation::sum/10", String::new(), None, None).subject, "sum/10");
    let context = CommentContext { places: &[place], run_url: None };
    let text = pull_request_comment(&passport, context);
    assert!(text.is_ascii(), "{text}");
    assert!(text.starts_with("**FAIL**: 1 check, `current` against `baseline`.\n"), "{text}");
    assert!(text.contains("- **FAIL** `work/default` latency-change +196.07 % (between"), "{text}");
    assert!(text.contains("; in `work::slow"), "{text}");
    // Outside of code there is nothing that a stranger wrote: code ends where it is to end.
    let outside: String = text.split('`').step_by(2).collect();
    for markup in ["evil", "<img", "@everyone", "heading", "slow"] {
        assert!(!outside.contains(markup), "{markup}: {outside}");
    }
    assert!(!text.contains("\n# heading") && text.contains(":88`"), "{text}");

    // However much there is to say, GitHub takes it.
    let result = passport.test_results[0].clone();
    for number in 0..5_000 {
        let mut more = result.clone();
        more.test_name = format!("{}{number}", "<".repeat(100));
        passport.test_results.push(more);
    }
    let text = pull_request_comment(&passport, context);
    assert!(text.len() < 65_000 && text.contains("\n- and "), "{}", text.len());
}
