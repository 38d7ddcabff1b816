//! A target whose answers and times a test decides, and a clock that ticks when read.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use perf_passport::{
    clock::Clock,
    contract::{Check, Contract},
    environment::{Build, Source, SystemInfo},
    evidence::CountSource,
    passport::{Passport, ProbeKind, Provenance},
    pipeline::{self, Circumstances, Run, RunContext},
    probe::{Cost, Exchange, Pass, PreparedRequest, Probe, ProbeError, Target},
    process_memory::ProcessMemory,
    units::{Bytes, Count, Nanos},
};

/// A contract of one endpoint that is asked in two ways.
pub(crate) const CONTRACT: &str = r#"
schema_version = 1
name = "orders"
[target]
url = "http://127.0.0.1:1"
[[endpoint]]
name = "orders"
path = "/orders"
content_type = "application/json"
ignore = ["/now"]
  [[endpoint.variant]]
  name = "all"
  [[endpoint.variant]]
  name = "one"
  path = "/orders/1"
"#;

/// Answers each request by a function of the request and the number of requests before it.
pub(crate) struct Fake<Answer> {
    pub(crate) answer: Answer,
    /// Whether other processes want the processor all the time, if that is known.
    pub(crate) pressed: Option<bool>,
    /// Memory of the process after this many requests.
    pub(crate) memory: fn(u64) -> Option<ProcessMemory>,
}

struct FakeProbe<'a, Answer> {
    answer: &'a mut Answer,
    sent: u64,
    pressed: Option<bool>,
    memory: fn(u64) -> Option<ProcessMemory>,
}

impl<Answer> Target for Fake<Answer>
where
    Answer: FnMut(&PreparedRequest, u64) -> Result<Exchange, ProbeError>,
{
    fn probe(&mut self, _: &Check) -> Result<Box<dyn Probe + '_>, ProbeError> {
        let Self { answer, pressed, memory } = self;
        Ok(Box::new(FakeProbe { answer, sent: 0, pressed: *pressed, memory: *memory }))
    }
}

impl<Answer> Probe for FakeProbe<'_, Answer>
where
    Answer: FnMut(&PreparedRequest, u64) -> Result<Exchange, ProbeError>,
{
    fn send(&mut self, request: &PreparedRequest, _: Pass) -> Result<Exchange, ProbeError> {
        self.sent += 1;
        (self.answer)(request, self.sent)
    }

    fn process_memory(&mut self) -> Option<ProcessMemory> {
        (self.memory)(self.sent)
    }

    fn cpu_pressure(&mut self) -> Option<Nanos> {
        // A clock of its own, so that the share of waiting is far above any limit, or nothing.
        Some(Nanos::new(if self.pressed? { self.sent * 1_000_000_000 } else { 0 }))
    }

    fn counts_apart(&self) -> bool {
        false
    }
}

/// Goes on by a microsecond each time it is read.
#[derive(Default)]
struct TickingClock(AtomicU64);

impl Clock for TickingClock {
    fn elapsed(&self) -> Nanos {
        Nanos::new(self.0.fetch_add(1_000, Ordering::Relaxed))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000)
    }
}

/// A good answer: 200, JSON, 42 allocations, 4 KiB, and a latency of about 50 us.
pub(crate) fn good(number: u64) -> Exchange {
    Exchange {
        status: 200,
        content_type: Some(b"application/json; charset=utf-8".to_vec()),
        headers: Vec::new(),
        body: format!(r#"{{"orders":[1,2,3],"now":{number}}}"#).into_bytes(),
        latency: Nanos::new(50_000 + number % 7_000),
        cpu_wait: None,
        server_latency: None,
        cost: Some(Cost {
            source: CountSource::ServerTiming,
            allocations: Count::new(42),
            allocated_bytes: Some(Bytes::new(8_192)),
            heap_peak: Some(Bytes::new(4_096)),
            process_allocations: None,
            several_threads: false,
        }),
        oracle: None,
    }
}

/// Measures `contract` with these answers and compares with `baseline`.
pub(crate) fn measure_with(
    contract: &str,
    answer: impl FnMut(&PreparedRequest, u64) -> Result<Exchange, ProbeError>,
    baseline: Option<&Passport>,
    stop: &dyn Fn() -> bool,
) -> Passport {
    measure_on(
        &mut Fake { answer, pressed: Some(false), memory: |_| None },
        contract,
        baseline,
        stop,
    )
}

/// Measures `contract` with this target.
pub(crate) fn measure_on(
    target: &mut dyn Target,
    contract: &str,
    baseline: Option<&Passport>,
    stop: &dyn Fn() -> bool,
) -> Passport {
    let contract = Contract::parse(contract).unwrap();
    let run = run(target, &contract, stop, &|_| true);
    pipeline::passport(&contract, run, circumstances(), baseline).unwrap()
}

/// Measures the checks of `contract` that `select` picks, with good answers.
pub(crate) fn measure_some(
    contract: &str,
    baseline: Option<&Passport>,
    select: &dyn Fn(&Check) -> bool,
) -> Passport {
    let contract = Contract::parse(contract).unwrap();
    let mut target = Fake {
        answer: |_: &PreparedRequest, n| Ok(good(n)),
        pressed: Some(false),
        memory: |_| None,
    };
    let run = run(&mut target, &contract, &|| false, select);
    pipeline::passport(&contract, run, circumstances(), baseline).unwrap()
}

/// Runs the checks that `select` picks.
pub(crate) fn run(
    target: &mut dyn Target,
    contract: &Contract,
    stop: &dyn Fn() -> bool,
    select: &dyn Fn(&Check) -> bool,
) -> Run {
    let context = &mut RunContext {
        target,
        clock: &TickingClock::default(),
        environment: &|_| None,
        stop,
        progress: &mut |_| {},
    };
    pipeline::measure(contract, context, select).unwrap()
}

/// Measures [`CONTRACT`] with these answers.
pub(crate) fn measure(
    answer: impl FnMut(&PreparedRequest, u64) -> Result<Exchange, ProbeError>,
    baseline: Option<&Passport>,
) -> Passport {
    measure_with(CONTRACT, answer, baseline, &|| false)
}

/// Those of a service of this name in process.
pub(crate) fn circumstances_in_process(target: &str) -> Circumstances {
    let mut circumstances = circumstances();
    let provenance = &mut circumstances.provenance;
    provenance.probe = ProbeKind::InProcess;
    target.clone_into(&mut provenance.target);
    provenance.build = Some(Build::current());
    circumstances
}

pub(crate) fn circumstances() -> Circumstances {
    Circumstances {
        provenance: Provenance {
            probe: ProbeKind::Http,
            target: "http://127.0.0.1:1".to_owned(),
            build: None,
            source: Source::default(),
            said_commit: None,
        },
        system_info: SystemInfo::read(),
        session_id: "session".to_owned(),
        comparison: None,
    }
}
