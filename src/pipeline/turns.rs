//! One side of a paired measurement: samples of one check in small batches, when it is its turn.
//!
//! Unlike an observation, which gathers everything there is to know of a check, a turn takes
//! latencies and as much of each response as costs nothing to look at.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{
    captured::{ComparedResponse, Reference, compared, left_out},
    sampler::without_wait,
    work::{AddedWork, Work, settled},
};
use crate::{
    clock::Clock,
    contract::{Check, CompareBody},
    probe::{
        Continue, Normalised, Pass, Probe, ProbeError, SamplePlan, Values, end_sample,
        header_digests, wire_digest,
    },
    text::hex,
    units::{Nanos, Ppm},
};

/// Rows whose responses are held against what the same row was answered before.
const ROWS_KNOWN_MAX: usize = 1000;

/// Samples that tell how long one takes.
pub const WARMUP_MIN: u32 = 12;

/// What a sample was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseFingerprint {
    /// The statuses of its requests.
    pub statuses: Vec<u16>,
    /// SHA-256 of its bodies and headers, as far as the contract compares them.
    pub body_sha256: String,
}

/// The latencies of a batch, and what its last sample was like; `None` when their statuses differ,
/// and when there was no sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// In their order.
    pub latencies: Vec<Nanos>,
    /// How long the service says that it took for each; `None` where it does not say so of every
    /// request, or says more than the whole exchange took.
    pub told: Option<Vec<Nanos>>,
    /// Only the last sample is looked at closely: hashing is work that the next sample would feel.
    pub seen: Option<ResponseFingerprint>,
}

/// One sample.
struct TurnSample {
    latency: Nanos,
    told: Option<Nanos>,
    statuses: Vec<u16>,
    bodies: Vec<Vec<u8>>,
    headers: Vec<Vec<(String, Vec<u8>)>>,
    /// Of its run, where its requests have any.
    values: Values,
    /// The place of its row.
    row: u64,
}

/// A check that is sampled in turns.
pub struct Turns<'a> {
    check: Check,
    plan: SamplePlan,
    /// The first responses of each row, where requests have values.
    references: BTreeMap<u64, Vec<Reference>>,
    clock: &'a dyn Clock,
    /// What is added to samples that are to take longer.
    added: AddedWork<'a>,
    /// How long one sample takes; known once warm.
    latency: Nanos,
    /// The sample that was looked at last, with what was seen.
    known: Option<(TurnSample, ResponseFingerprint)>,
}

impl std::fmt::Debug for Turns<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turns").field("check", &self.check.id()).finish_non_exhaustive()
    }
}

impl<'a> Turns<'a> {
    /// A check to be sampled by this plan, always through the same probe.
    pub fn new(check: Check, plan: SamplePlan, clock: &'a dyn Clock) -> Self {
        let added = AddedWork::new(Work::default(), clock);
        let references = BTreeMap::new();
        Self { check, plan, references, clock, added, latency: Nanos::ZERO, known: None }
    }

    /// The same, with this work added to samples that are to take longer.
    #[must_use]
    pub fn with_work(self, work: Work) -> Self {
        Self { added: AddedWork::new(work, self.clock), ..self }
    }

    /// Gives the work back.
    pub fn into_work(self) -> Work {
        self.added.into_work()
    }

    /// The check.
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// Begins from the beginning, as another process that is asked the same does: teardown is sent where it
    /// is due, and the rows begin again.
    ///
    /// # Errors
    ///
    /// What the probe says of the teardown.
    pub fn end(&mut self, probe: &mut dyn Probe) -> Result<(), ProbeError> {
        self.plan.restart();
        self.plan.end(probe, Pass::Timed)
    }

    /// Sends one sample, of which nothing is told.
    ///
    /// # Errors
    ///
    /// What the probe says.
    pub fn send_one(&mut self, probe: &mut dyn Probe) -> Result<(), ProbeError> {
        self.sample(probe, Pass::Timed).map(drop)
    }

    /// Sends samples until the service is warm; the median latency of their second half, and what
    /// the last was like. After `time` no more than [`WARMUP_MIN`].
    ///
    /// # Errors
    ///
    /// What the probe says.
    pub fn warm_up(
        &mut self,
        probe: &mut dyn Probe,
        samples: u32,
        time: Nanos,
    ) -> Result<(Nanos, Option<ResponseFingerprint>), ProbeError> {
        let (mut latencies, mut last) = (Vec::new(), None);
        let started = self.clock.elapsed();
        self.plan.restart();
        for number in 0..samples {
            if number >= WARMUP_MIN && self.clock.elapsed().saturating_sub(started) >= time {
                break;
            }
            let sample = self.sample(probe, Pass::Timed)?;
            latencies.push(sample.latency);
            last = Some(self.meet(sample));
            self.added.try_out();
        }
        self.latency = settled(&mut latencies);
        self.added.learn();
        // All sides begin their turns with the same row.
        self.plan.restart();
        Ok((self.latency, last.map(|sample| self.seen(sample))))
    }

    /// Takes samples, each with more work that takes about this share of its time.
    ///
    /// # Errors
    ///
    /// What the probe says.
    pub fn batch(
        &mut self,
        probe: &mut dyn Probe,
        samples: u32,
        slower: Ppm,
    ) -> Result<Batch, ProbeError> {
        let rounds = self.added.rounds_in(self.latency.share(slower));
        let mut latencies = Vec::with_capacity(samples as usize);
        let mut told = Some(Vec::new());
        let (mut last, mut alike): (Option<TurnSample>, bool) = (None, true);
        for _ in 0..samples {
            let sample = self.sample(probe, Pass::Timed)?;
            let extra = self.added.add(rounds);
            latencies.push(sample.latency.saturating_add(extra));
            match (&mut told, sample.told) {
                (Some(told), Some(time)) => told.push(time),
                _ => told = None,
            }
            alike &= last.as_ref().is_none_or(|last| last.statuses == sample.statuses);
            last = Some(self.meet(sample));
        }
        let seen = last.filter(|_| alike).map(|sample| self.seen(sample));
        Ok(Batch { latencies, told, seen })
    }

    /// Sends samples to warm up, and then ones whose instructions are counted from outside; what
    /// they were like, or `None` when they were not all alike.
    ///
    /// Whoever counts is told where the warm-up ends and where each sample does, so it counts one
    /// part more than there are samples. The first one holds the warm-up, and what was left over of a
    /// check before that could not be brought to its end.
    ///
    /// # Errors
    ///
    /// What the probe says.
    pub fn instructions(
        &mut self,
        probe: &mut dyn Probe,
        warmup: u32,
        samples: u32,
    ) -> Result<Option<ResponseFingerprint>, ProbeError> {
        let (mut first, mut alike) = (None, true);
        self.plan.restart();
        for number in 1..=warmup.saturating_add(samples) {
            let sample = self.sample(probe, Pass::Instructions)?;
            if number >= warmup.max(1) {
                end_sample();
            }
            let places = self.places();
            let seen = self.seen(sample);
            // What was learned of captured values changes what is told of the first one.
            if self.places() != places {
                first = None;
            }
            alike &= *first.get_or_insert_with(|| seen.clone()) == seen;
        }
        Ok(first.filter(|_| alike))
    }

    fn seen(&mut self, sample: TurnSample) -> ResponseFingerprint {
        // PERF: equal bytes have an equal digest, and most services answer with equal bytes.
        if let Some((known, seen)) = &self.known
            && known.bodies == sample.bodies
            && known.headers == sample.headers
            && known.statuses == sample.statuses
            && (known.row, &known.values) == (sample.row, &sample.values)
        {
            return seen.clone();
        }
        let responses = self.as_compared(&sample);
        let mut digest = Sha256::new();
        for (index, ComparedResponse { body, headers }) in responses.iter().enumerate() {
            let request = &self.check.requests[index % self.check.requests.len()];
            digest.update(match request.compare_body {
                CompareBody::Bytes => wire_digest(body),
                CompareBody::Json => Normalised::of(body, &request.ignore).sha256,
            });
            for (name, header) in header_digests(headers) {
                digest.update(format!(" {name} {header}"));
            }
        }
        let seen = ResponseFingerprint {
            statuses: sample.statuses.clone(),
            body_sha256: hex(&digest.finalize()),
        };
        self.known = Some((sample, seen.clone()));
        seen
    }

    /// Looks at the first sample of all, where later ones are held against it.
    fn meet(&mut self, sample: TurnSample) -> TurnSample {
        if self.check.has_values() && self.references.is_empty() {
            self.as_compared(&sample);
        }
        sample
    }

    /// How many places of captured values are known.
    fn places(&self) -> usize {
        self.references.values().flatten().map(Reference::known_places).sum()
    }

    /// The responses without captured values. Of a check with rows, those of the first row, as long as
    /// this one is answered as it was before.
    fn as_compared(&mut self, sample: &TurnSample) -> Vec<ComparedResponse> {
        let requests = &self.check.requests;
        let pairs = sample.bodies.iter().zip(&sample.headers);
        let plain = pairs.map(|(body, headers)| ComparedResponse {
            body: body.clone(),
            headers: headers.clone(),
        });
        if !self.check.has_values() {
            return plain.collect();
        }
        let responses = plain.enumerate().map(|(index, ComparedResponse { body, headers })| {
            compared(&left_out(&requests[index % requests.len()]), body, headers)
        });
        let responses: Vec<ComparedResponse> = responses.collect();
        let is_known = self.references.contains_key(&sample.row);
        if !is_known && self.references.len() < ROWS_KNOWN_MAX {
            let new = responses.iter().map(|it| Reference::new(it.clone(), &sample.values));
            self.references.insert(sample.row, new.collect());
        }
        let mut others = Vec::new();
        if let Some(known) = self.references.get_mut(&sample.row) {
            for (index, (reference, response)) in known.iter_mut().zip(responses).enumerate() {
                let spec = &requests[index % requests.len()];
                let (seen, _) = reference.look(spec, response, &sample.values);
                if !reference.is(&seen) {
                    others.push(seen);
                }
            }
        }
        let first = self.references.values().next().into_iter().flatten();
        first.map(Reference::masked).chain(others).collect()
    }

    fn sample(&mut self, probe: &mut dyn Probe, pass: Pass) -> Result<TurnSample, ProbeError> {
        let mut sample = TurnSample {
            latency: Nanos::ZERO,
            told: Some(Nanos::ZERO),
            statuses: Vec::new(),
            bodies: Vec::new(),
            headers: Vec::new(),
            values: Values::default(),
            row: 0,
        };
        self.plan.run(probe, pass, &mut |answered| {
            let exchange = answered.exchange;
            sample.latency = sample.latency.saturating_add(without_wait(&exchange).0);
            // A part is no longer than the whole.
            let told = exchange.server_latency.filter(|it| *it <= exchange.latency);
            sample.told = sample.told.zip(told).map(|(sum, it)| sum.saturating_add(it));
            sample.statuses.push(exchange.status);
            sample.bodies.push(exchange.body);
            sample.headers.push(exchange.headers);
            sample.values.clone_from(answered.values);
            sample.row = answered.row;
            Continue::Yes
        })?;
        Ok(sample)
    }
}
