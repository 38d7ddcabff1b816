//! What a response is held against: its bytes, its JSON, its headers, and what the contract ignores.

use perf_passport::{
    claim::{Reason, Verdict},
    contract::{ClaimKind, Contract},
    evidence::Behaviour,
    passport::{Gate, Passport, verify},
    probe::{Exchange, PreparedRequest, ProbeError},
    report::{Style, claims_at_fault},
    units::{Bytes, Count},
};

use crate::fake::{good, measure_with};

/// A contract of one check that ignores nothing, with these keys.
fn contract(keys: &str) -> String {
    format!(
        "schema_version = 1\nname = \"a\"\n[target]\nurl = \"http://127.0.0.1:1\"\n\
         [[endpoint]]\nname = \"b\"\npath = \"/\"\n{keys}\n"
    )
}

/// Measures one check whose body depends on the number of the request.
fn of(keys: &str, body: impl Fn(u64) -> String, baseline: Option<&Passport>) -> Passport {
    answered(keys, |n| Exchange { body: body(n).into_bytes(), ..good(n) }, baseline)
}

fn answered(keys: &str, answer: impl Fn(u64) -> Exchange, baseline: Option<&Passport>) -> Passport {
    let answer = |_: &PreparedRequest, n| -> Result<Exchange, ProbeError> { Ok(answer(n)) };
    let passport = measure_with(&contract(keys), answer, baseline, &|| false);
    verify(&passport.to_bytes().unwrap()).unwrap();
    passport
}

fn claim(passport: &Passport, kind: ClaimKind) -> (Verdict, Reason) {
    let claims = &passport.test_results[0].claims;
    let claim = claims.iter().find(|claim| claim.kind == kind).unwrap();
    (claim.verdict, claim.reason)
}

fn behaviour(passport: &Passport) -> &Behaviour {
    passport.test_results[0].evidence.behaviour.as_ref().unwrap()
}

fn faults(passport: &Passport) -> String {
    claims_at_fault(passport, Style::Plain)
}

const FAILED_BYTES: (Verdict, Reason) = (Verdict::Fail, Reason::BytesDiffer);
const PASSED: (Verdict, Reason) = (Verdict::Pass, Reason::AsExpected);

#[test]
fn json_that_is_printed_otherwise_is_another_response_unless_json_is_compared() {
    let compact = |_| r#"{"a":[1,2],"b":"x"}"#.to_owned();
    let pretty = |_| "{\n  \"a\": [1, 2],\n  \"b\": \"x\"\n}".to_owned();
    let before = of("", compact, None);
    let after = of("", pretty, Some(&before));
    assert_eq!(claim(&after, ClaimKind::Behaviour), FAILED_BYTES);
    assert!(faults(&after).contains("set `compare_body = \"json\"`"), "{}", faults(&after));
    assert_eq!(behaviour(&after).response.body_bytes, Bytes::new(pretty(0).len() as u64));

    let json = "compare_body = \"json\"";
    let after = of(json, pretty, Some(&of(json, compact, None)));
    assert_eq!(claim(&after, ClaimKind::Behaviour), PASSED);
    // What crossed the wire is in the evidence all the same.
    let wire = &behaviour(&after).wire;
    assert_eq!(wire.bytes, Bytes::new(pretty(0).len() as u64));
    assert_eq!(wire.responses_equal, behaviour(&after).responses);
    assert_eq!(behaviour(&after).response.body_bytes, Bytes::new(compact(0).len() as u64));
}

#[test]
fn a_random_order_of_keys_is_told_by_the_key_that_allows_it() {
    let random = |n: u64| {
        if n.is_multiple_of(3) { r#"{"b":1,"a":2}"# } else { r#"{"a":2,"b":1}"# }.to_owned()
    };
    let passport = of("", random, None);
    assert_eq!(claim(&passport, ClaimKind::Deterministic), FAILED_BYTES);
    assert!(faults(&passport).contains("`compare_body"), "{}", faults(&passport));
    let passport = of("compare_body = \"json\"", random, None);
    assert_eq!(claim(&passport, ClaimKind::Deterministic), PASSED);
    assert!(behaviour(&passport).wire.responses_equal < behaviour(&passport).responses);
    // What differs otherwise as well is not told so.
    let both = |n: u64| if n.is_multiple_of(2) { random(n) } else { r#"{"a":7}"#.to_owned() };
    assert_eq!(claim(&of("", both, None), ClaimKind::Deterministic).1, Reason::ResponsesDiffer);
}

#[test]
fn doubled_keys_and_numbers_beyond_floats_are_seen_in_json() {
    for (one, other) in [
        (r#"{"balance":1,"balance":2}"#, r#"{"balance":3,"balance":2}"#),
        ("0.1", "0.1000000000000000055511151231257827"),
        ("36893488147419103233", "36893488147419103232"),
        ("[1e999]", "[1e998]"),
    ] {
        let differs = |n: u64| if n == 7 { other } else { one }.to_owned();
        let passport = of("compare_body = \"json\"", differs, None);
        let found = claim(&passport, ClaimKind::Deterministic);
        assert_eq!(found, (Verdict::Fail, Reason::ResponsesDiffer), "{one}");
    }
}

#[test]
fn deep_json_and_large_numbers_are_json() {
    for body in ["[".repeat(5000) + &"]".repeat(5000), "1e999".to_owned()] {
        let passport = of("content_type = \"application/json\"", |_| body.clone(), None);
        assert_eq!(claim(&passport, ClaimKind::ContentType), PASSED);
    }
}

#[test]
fn chosen_headers_are_a_part_of_the_behaviour() {
    let with = |keys: &str, headers: &[(&str, &str)], baseline: Option<&Passport>| {
        let headers: Vec<(String, Vec<u8>)> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect();
        let answer = |_| Exchange { headers: headers.clone(), body: Vec::new(), ..good(0) };
        answered(keys, answer, baseline)
    };
    let home = [("location", "https://here.example/"), ("set-cookie", "id=SECRET1; Path=/")];
    let before = with("", &home, None);
    let text = String::from_utf8(before.to_bytes().unwrap()).unwrap();
    assert!(!text.contains("SECRET1") && !text.contains("here.example"));
    for (other, name) in [
        (vec![("location", "https://there.example/"), home[1]], "location"),
        (vec![home[0], home[1], ("set-cookie", "tracker=1")], "set-cookie"),
        (vec![home[0], home[1], ("cache-control", "no-store")], "cache-control"),
        (vec![home[0]], "set-cookie"),
    ] {
        let after = with("", &other, Some(&before));
        let found = claim(&after, ClaimKind::Behaviour);
        assert_eq!(found, (Verdict::Fail, Reason::HeadersDiffer), "{other:?}");
        assert_eq!(after.gate(), Gate::Fail);
        let line = format!("DETAIL   b/default: the header `{name}` differs\n");
        assert!(faults(&after).contains(&line), "{}", faults(&after));
    }
    // Another value of the same cookie is none.
    let after = with("", &[home[0], ("set-cookie", "id=SECRET2; Path=/")], Some(&before));
    assert_eq!(claim(&after, ClaimKind::Behaviour), PASSED);
}

#[test]
fn headers_that_differ_among_responses_are_told_apart_from_bodies() {
    let answer = |n: u64| Exchange {
        headers: vec![("location".to_owned(), format!("/{}", n % 2).into_bytes())],
        body: Vec::new(),
        ..good(0)
    };
    let passport = answered("", answer, None);
    let found = claim(&passport, ClaimKind::Deterministic);
    assert_eq!(found, (Verdict::Fail, Reason::HeadersDiffer));
    assert!(faults(&passport).contains("DETAIL   b/default: the header `location` differs\n"));
}

#[test]
fn an_entry_of_ignore_that_meets_nothing_fails_and_is_named() {
    let body = |n: u64| format!(r#"{{"id":{n},"items":[{{"id":{n}}},{{"id":1}}]}}"#);
    let passport = of("ignore = [\"/id\", \"/items/*/id\"]", body, None);
    assert_eq!(claim(&passport, ClaimKind::Deterministic), PASSED);
    assert_eq!(passport.gate(), Gate::Pass);

    let passport = of("ignore = [\"/id\", \"/items/*/id\", \"/nothere\"]", body, None);
    let found = claim(&passport, ClaimKind::Deterministic);
    assert_eq!(found, (Verdict::Fail, Reason::IgnoresNothing));
    // Also where the share of deterministic checks would excuse a check that differs.
    assert_eq!(passport.gate(), Gate::Fail);
    let said = faults(&passport);
    assert!(
        said.contains("DETAIL   b/default: `/nothere` meets nothing in any response\n"),
        "{said}"
    );
    assert!(!said.contains("`/id`"), "{said}");

    // What some response has is not nothing.
    let sometimes = |n: u64| if n == 9 { r#"{"now":1}"# } else { "{}" }.to_owned();
    let passport = of("ignore = [\"/now\"]", sometimes, None);
    assert_eq!(claim(&passport, ClaimKind::Deterministic).1, Reason::ResponsesDiffer);
    // Where no response is as expected, that is the cause.
    let wrong = answered("ignore = [\"/now\"]", |_| Exchange { status: 500, ..good(0) }, None);
    assert_eq!(claim(&wrong, ClaimKind::Deterministic), PASSED);
}

#[test]
fn a_changed_body_is_shown_by_pointer_where_both_are_at_hand_and_in_no_file() {
    let before = of("", |_| r#"{"total":1,"key":"SECRET"}"#.to_owned(), None);
    let after = of("", |_| r#"{"sum":1,"key":"SECRET"}"#.to_owned(), Some(&before));
    assert_eq!(claim(&after, ClaimKind::Behaviour), (Verdict::Fail, Reason::ChangedWork));
    let said = faults(&after);
    assert!(said.contains("DETAIL   b/default: `/total` is gone\n"), "{said}");
    assert!(said.contains("DETAIL   b/default: `/sum` is new\n"), "{said}");
    let bytes = after.to_bytes().unwrap();
    assert!(!String::from_utf8(bytes.clone()).unwrap().contains("SECRET"));
    assert!(!faults(&verify(&bytes).unwrap()).contains("DETAIL"));
}

#[test]
fn an_unexpected_body_is_shown_by_its_beginning_once() {
    let page = |_| Exchange {
        status: 500,
        body: ["<h1>\u{1b}[31mno", &"x".repeat(600)].concat().into_bytes(),
        ..good(0)
    };
    let passport = answered("", page, None);
    let said = faults(&passport);
    assert_eq!(
        said.matches("DETAIL   b/default: the body begins: <h1>\\x1b[31mnoxxx").count(),
        1,
        "{said}"
    );
    assert!(said.contains("xx...\n") && !said.contains(&"x".repeat(500)), "{said}");
    // JSON is due, and HTML comes.
    let html = of("content_type = \"application/json\"", |_| "<html>".to_owned(), None);
    assert!(
        faults(&html).contains("DETAIL   b/default: the body begins: <html>\n"),
        "{}",
        faults(&html)
    );
    let text = String::from_utf8(html.to_bytes().unwrap()).unwrap();
    assert!(!text.contains("<html>"));
}

#[test]
fn a_scenario_holds_bytes_headers_and_pointers_of_its_steps() {
    let scenario = "\n  [[endpoint.variant]]\n  name = \"one\"\n  ignore = [\"/n\"]\n  [[endpoint.variant]]\n  \
                    name = \"two\"\n  path = \"/2\"\n[[scenario]]\nname = \"both\"\nrounds = 2\n\
                    steps = [\"b/one\", \"b/two\"]";
    let answer = |request: &PreparedRequest, n: u64| {
        let body = if request.path == "/2" { "{ }".to_owned() } else { format!("{{\"n\":{n}}}") };
        Ok(Exchange { body: body.into_bytes(), ..good(0) })
    };
    let passport = measure_with(&contract(scenario), answer, None, &|| false);
    verify(&passport.to_bytes().unwrap()).unwrap();
    let both = passport.result("both/default").unwrap().evidence.behaviour.clone().unwrap();
    assert!(both.is_deterministic() && both.ignored_nothing.is_empty());
    assert!(both.wire.responses_equal < both.responses);
    assert!(both.responses > Count::new(40));
}

#[test]
fn keys_that_contradict_each_other_or_name_no_header_are_refused() {
    for (keys, said) in [
        ("ignore = [\"/a\"]\ncompare_body = \"bytes\"", "`bytes` leaves nothing out"),
        ("compare_body = \"text\"", "unknown variant"),
        ("compare_headers = [\"a b\"]", "`a b` is not a header name"),
        ("compare_headers = [\"\"]", "is not a header name"),
    ] {
        let error = Contract::parse(&contract(keys)).unwrap_err().to_string();
        assert!(error.contains(said), "{keys}: {error}");
    }
    let parsed = Contract::parse(&contract("compare_headers = [\"ETag\"]")).unwrap();
    assert_eq!(parsed.checks[0].requests[0].compare_headers, ["etag"]);
}
