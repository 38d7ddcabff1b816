//! Whatever is measured, interrupted, compared or imported: the document verifies, and says again
//! what it said.

use std::cell::Cell;

use perf_passport::{
    contract::{Check, Contract},
    passport::{Passport, import, verify},
    pipeline,
    probe::{Exchange, ProbeError},
    units::{Bytes, Count, Nanos},
};
use proptest::prelude::*;

use crate::fake::{CONTRACT, Fake, circumstances, circumstances_in_process, good, run};

/// The contract with few samples and a scenario, and a budget that some answers miss.
fn contract() -> Contract {
    let text = format!(
        "{CONTRACT}\n[[scenario]]\nname = \"both\"\nrounds = 2\nsteps = [\"orders/all\", \"orders/one\"]\n\
         [sampling]\nsamples = 25\nwarmup_max = 3\n\
         [budgets]\nlatency_ms_max = 0.05\nlatency_quantile = \"p50\"\nallocations_max = 50\n"
    );
    Contract::parse(&text).unwrap()
}

/// One answer of a service that does anything: fails, differs, tells its cost or not.
fn answer() -> impl Strategy<Value = Option<Exchange>> {
    let status = prop_oneof![8 => Just(200_u16), 1 => Just(404), 1 => 100_u16..=999];
    let media = prop_oneof![
        8 => Just(Some(b"application/json; charset=utf-8".to_vec())),
        1 => Just(None),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Some),
    ];
    let body = prop_oneof![
        8 => Just(br#"{"orders":[1,2,3]}"#.to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    let cost = (any::<u8>(), prop::option::weighted(0.9, (0_u64..100, 0_u64..10_000)));
    let exchange = (status, media, body, cost, 0_u64..200_000, prop::option::of(0_u64..1_000));
    let exchange = exchange.prop_map(|(status, content_type, body, cost, latency, told)| {
        let mut exchange = good(0);
        exchange.cost = cost.1.zip(exchange.cost).map(|((allocations, bytes), mut it)| {
            it.allocations = Count::new(allocations);
            it.allocated_bytes = (cost.0 > 20).then_some(Bytes::new(bytes));
            it.heap_peak = (cost.0 > 40).then_some(Bytes::new(bytes / 2));
            it
        });
        let (latency, server_latency) = (Nanos::new(latency), told.map(Nanos::new));
        Exchange { status, content_type, body, latency, server_latency, ..exchange }
    });
    prop::option::weighted(0.97, exchange)
}

/// What happens in a run.
#[derive(Debug)]
struct Script {
    /// The answers, again and again; `None` is a response that breaks off.
    answers: Vec<Option<Exchange>>,
    /// Requests after which it is interrupted; 0 for never.
    last: u64,
    /// The checks that are selected, one bit each.
    selected: u8,
    in_process: bool,
}

fn script() -> impl Strategy<Value = Script> {
    let facts = (prop::collection::vec(answer(), 1..40), 0_u64..400, 1_u8..8, any::<bool>());
    facts.prop_map(|(answers, last, selected, in_process)| Script {
        answers,
        last,
        selected,
        in_process,
    })
}

fn play(script: &Script, baseline: Option<&Passport>) -> Passport {
    let contract = contract();
    let sent = Cell::new(0);
    let answer = |_: &_, _| {
        let number = sent.replace(sent.get() + 1);
        let place = usize::try_from(number).unwrap() % script.answers.len();
        script.answers[place].clone().ok_or(ProbeError::Broken("cut".to_owned()))
    };
    let place = |check: &Check| contract.checks.iter().position(|it| it == check).unwrap();
    let run = run(
        &mut Fake { answer, pressed: Some(false), memory: |_| None },
        &contract,
        &|| script.last > 0 && sent.get() > script.last,
        &|check| script.selected & (1 << place(check)) != 0,
    );
    let around = if script.in_process { circumstances_in_process("a") } else { circumstances() };
    pipeline::passport(&contract, run, around, baseline).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_passport_that_is_assembled_verifies(
        before in prop::option::of(script()),
        now in script(),
    ) {
        let baseline = before.map(|before| play(&before, None));
        let passport = play(&now, baseline.as_ref());
        let bytes = passport.to_bytes().unwrap();
        prop_assert_eq!(verify(&bytes).map_err(|error| error.to_string()), Ok(passport));
    }

    #[test]
    fn every_original_that_is_imported_verifies(
        texts in prop::array::uniform4(prop::option::of(any::<String>())),
        results in prop::collection::vec(
            (any::<String>(), prop::option::of(any::<String>()), prop::option::of(any::<f64>())),
            0..6,
        ),
        thresholds in prop::option::of((any::<f64>(), any::<u32>())),
        gigabytes in any::<f64>(),
    ) {
        let results: Vec<_> = results
            .into_iter()
            .map(|(name, endpoint, latency)| serde_json::json!({
                "test_name": name, "endpoint": endpoint, "latency_ms": latency, "status": texts[3],
            }))
            .collect();
        let mut original = serde_json::json!({
            "run_id": texts[0], "timestamp": texts[1], "test_results": results,
            "anime_energy": { "key": texts[2] },
            "system_info": { "platform": texts[2], "memory_total_gb": gigabytes },
        });
        if let Some((latency, objects)) = thresholds {
            original["thresholds"] = serde_json::json!({
                "max_latency_threshold_ms": latency, "max_objects_threshold": objects,
            });
        }
        let imported = import(original.to_string().as_bytes()).unwrap();
        let bytes = imported.to_bytes().unwrap();
        prop_assert_eq!(verify(&bytes).map_err(|error| error.to_string()), Ok(imported));
    }
}
