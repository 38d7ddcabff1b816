//! What docs/how-to/flows.md says, done: its contract is measured with the service of examples/orders.

#[path = "../../examples/orders/service.rs"]
mod service;

use std::{fs, path::Path};

use perf_passport::{
    clock::SystemClock,
    contract::Contract,
    passport::Gate,
    pipeline::{self, RunContext},
    probe::InProcessTarget,
    report,
};

use crate::fake::circumstances_in_process;

const PASSWORD: &str = "a password of this test";

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("docs/how-to/flows.md")).unwrap()
}

/// The blocks of code in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opens = format!("```{language}\n");
    let rest = page.split(&opens).skip(1);
    rest.map(|it| it.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn an_order_lives_from_post_to_delete_as_the_page_says() {
    let page = page();
    let contract = Contract::parse(&blocks(&page, "toml")[0]).unwrap();
    let mut target = InProcessTarget::new(contract.sampling, |_| async {
        service::router(PASSWORD).map_err(|error| error.to_string())
    });
    let mut context = RunContext {
        target: &mut target,
        clock: &SystemClock::start(),
        environment: &|name| (name == "PASSWORD").then(|| PASSWORD.to_owned()),
        stop: &|| false,
        progress: &mut |_| {},
    };
    let run = pipeline::measure(&contract, &mut context, &|_| true).unwrap();
    let around = circumstances_in_process("orders");
    let passport = pipeline::passport(&contract, run, around, None).unwrap();
    assert_ne!(passport.gate(), Gate::NotMeasured);
    assert!(passport.test_results.iter().all(|it| it.deterministic));
    let figures = report::figures(&passport);
    let mut shown = 0;
    for line in blocks(&page, "text").iter().flat_map(|it| it.lines()) {
        // A debug build may be too slow for a budget of time, whose verdict is no part of this.
        let line = line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
        assert!(figures.contains(&line), "`{line}` is not in:\n{figures}");
        shown += 1;
    }
    assert_eq!(shown, 5);
    let bytes = passport.to_bytes().unwrap();
    assert!(!String::from_utf8(bytes).unwrap().contains(PASSWORD));
}

#[test]
fn every_contract_of_the_page_can_be_read_and_is_that_of_the_example() {
    let page = page();
    let blocks = blocks(&page, "toml");
    let head = "schema_version = 1\nname = \"a\"\n";
    for block in &blocks[1..] {
        Contract::parse(&format!("{head}{block}"))
            .unwrap_or_else(|error| panic!("{error}: {block}"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = fs::read_to_string(root.join("examples/orders/passport.toml")).unwrap();
    let example = Contract::parse(&example).unwrap();
    let shown = Contract::parse(&blocks[0]).unwrap();
    for check in shown.checks.iter().filter(|it| it.variant != "all") {
        let own = &check.requests[0];
        let theirs = &example.check(&check.id()).unwrap().requests[0];
        let parts = |it: &perf_passport::contract::RequestSpec| {
            (it.path.clone(), it.headers.clone(), it.body.clone(), it.captures.clone())
        };
        assert_eq!(parts(own), parts(theirs));
    }
}
