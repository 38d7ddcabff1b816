//! Real code under contract: optics and causal environments.
//!
//! `cargo bench --bench workloads`, with a filter after `--` such as `causal`. What each operation may
//! cost stands in `benches/workloads/passport.toml`; the passport is written to
//! `target/workloads_performance_passport.json`. The tests of this code are in
//! `tests/workloads`.

mod causal;
mod optics;

use std::{hint::black_box, path::Path, process::ExitCode};

use perf_passport::{
    allocation::CountingAllocator,
    harness::{Code, Harness},
    passport::Passport,
    store,
};

use causal::{Environment, accuracy, calibration};
use optics::{Lens, PHONE, Traversal, company, phones, zip};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

const CONTRACT: &str = "benches/workloads/passport.toml";
const PASSPORT: &str = "target/workloads_performance_passport.json";
/// Rows that beliefs are made of.
const ROWS: usize = 1000;
const SEED: u64 = 7;
/// What the first node is held at.
const HELD: f64 = 20.0;

fn main() -> ExitCode {
    let harness = causality(optics(Harness::operations(CONTRACT)));
    harness.inspect("passport", file).run()
}

fn optics(harness: Harness) -> Harness {
    harness
        .operation("lens-get", |_| {
            let company = company(10);
            move || *zip().get(black_box(&company))
        })
        .operation("lens-set", |_| {
            let company = company(10);
            move || zip().set(company.clone(), black_box(54_321))
        })
        .operation("lens-over", |_| {
            let company = company(10);
            move || Lens::over(&zip(), company.clone(), |it| *it += black_box(1))
        })
        .operation("prism-preview", |_| {
            let company = company(10);
            move || {
                let contacts = company.staff.iter().map(|person| &person.contact);
                contacts.filter(|contact| (PHONE.preview)(black_box(*contact)).is_some()).count()
            }
        })
        .operation("prism-build", |_| || (PHONE.build)(black_box(7)))
        .operation("traversal", |size| {
            let company = company(size);
            move || phones().collect(black_box(&company))
        })
        .operation("composition", |_| {
            let company = company(10);
            move || phones().over(company.clone(), |it| *it = it.wrapping_add(1))
        })
}

fn causality(harness: Harness) -> Harness {
    let belief = Code::new("causal-belief", |nodes| {
        let held = Environment::random(nodes, SEED).intervene(0, HELD);
        let (rows, means) = (held.sample(ROWS, SEED), held.means());
        move || {
            let beliefs = rows.beliefs();
            (accuracy(&beliefs, &means), calibration(&beliefs, &rows))
        }
    });
    let sample = Code::new("causal-sample", |rows| {
        let held = Environment::random(50, SEED).intervene(0, HELD);
        let (rows, means) = (usize::try_from(rows).expect("few rows"), held.means());
        move || (held.sample(rows, SEED), means.clone())
    });
    let intervene = Code::new("causal-intervene", |nodes| {
        let environment = Environment::random(nodes, SEED);
        move || {
            let held = environment.intervene(0, black_box(HELD));
            let means = held.means();
            (held, means)
        }
    });
    harness
        .operation("causal-create", |nodes| move || Environment::random(nodes, SEED))
        // What is told is held against samples of the very model, so a wrong one is found.
        .code(intervene.quality("accuracy", |(held, means)| {
            accuracy(&held.sample(ROWS, SEED).beliefs(), means)
        }))
        .code(
            belief
                .quality("accuracy", |(accuracy, _)| *accuracy)
                .quality("calibration", |(_, calibration)| *calibration),
        )
        .operation("causal-environments", |_| {
            || {
                let environment = |seed| {
                    let environment = Environment::random(500, seed);
                    let rows = environment.sample(ROWS, seed);
                    (environment, rows)
                };
                (0..10).map(environment).collect::<Vec<_>>()
            }
        })
        .code(sample.quality("accuracy", |(rows, means)| accuracy(&rows.beliefs(), means)))
}

/// Writes the passport.
fn file(passport: &Passport) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PASSPORT);
    store::write(&path, passport).expect("written");
}
