//! How often `passport observe` is wrong about services that are simulated.
//! docs/explanation/production.md has the figures.
//!
//! `cargo run --release -p perf-passport-monitor --example observed -- 1000`

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    reason = "a simulation, whose numbers are small and whose output is a table"
)]

mod simulation;

use simulation::{Bursts, Fault, Tally, simulate};

/// What an hour shows too little of.
const OUTAGES: Bursts = Bursts { services: 1.0, an_hour: (0.5, 1.5), times: (40.0, 60.0) };

fn main() {
    let services = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(1000);
    println!("{services} services of each row, an hour in 60 windows; shares in percent");
    println!(
        "{:<34} {:>8} {:>6} {:>6} {:>8} {:>10} {:>10} {:>10}",
        "services", "covered", "PASS", "FAIL", "ABSTAIN", "false FAIL", "false PASS", "PASS below"
    );
    for (name, seed, bursts, at_the_limit) in [
        ("up to 3 x what is allowed", 1, Bursts::of(20.0, 60.0), false),
        ("just what is allowed", 2, Bursts::of(20.0, 60.0), true),
        ("6 to 20 bursts an hour", 3, Bursts::of(6.0, 20.0), false),
        ("1 to 6 bursts an hour", 4, Bursts::of(1.0, 6.0), false),
        ("all: one outage an hour, 50 times", 5, OUTAGES, false),
    ] {
        print(name, &simulate(services, seed, bursts, at_the_limit, Fault::None));
    }
    println!("counted or read wrongly, up to 3 x what is allowed");
    for (name, seed, fault) in [
        ("two processes behind one name", 6, Fault::TwoProcesses),
        ("counters that fall a little", 7, Fault::Dips),
        ("labels that change", 8, Fault::Labels),
        ("a histogram of some requests", 9, Fault::Partial),
    ] {
        print(name, &simulate(services, seed, Bursts::of(20.0, 60.0), false, fault));
    }
}

fn print(name: &str, tally: &Tally) {
    let percent = |part: u32, of: u32| f64::from(part) * 100.0 / f64::from(of.max(1));
    println!(
        "{name:<34} {:>8.1} {:>6} {:>6} {:>8} {:>10.2} {:>10.2} {:>10}",
        percent(tally.covered, tally.services),
        tally.passed,
        tally.failed,
        tally.abstained,
        percent(tally.false_fail, tally.good),
        percent(tally.false_pass, tally.bad),
        tally.passed_below
    );
    println!(
        "{:<34} {} resets of counters, {} false PASS, {} false FAIL",
        "", tally.resets, tally.false_pass, tally.false_fail
    );
}
