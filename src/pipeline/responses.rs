//! The responses of one check: held against what the contract expects and against the first one.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::captured::{ComparedResponse, Reference, compared, left_out};
use crate::{
    contract::{Check, CompareBody, RequestSpec},
    evidence::{Behaviour, Bodies, Response, ResponseDifference, WireBody},
    probe::{Exchange, IgnoredPointers, Normalised, Values, header_digests, is_json, wire_digest},
    text::{hex, printable},
    units::{Bytes, Count},
};

/// What the responses of a check were like so far.
pub(super) struct Responses<'a> {
    check: &'a Check,
    /// The first response to each request, and the latest body with its digest; request by request of the
    /// first row, and then of the next one.
    first: Vec<Option<FirstResponse>>,
    /// Where captured values stand in the first responses, and those responses without them.
    references: Vec<Option<Reference>>,
    masked: Vec<Option<FirstResponse>>,
    /// What is left out of the responses to each request of the check.
    left_out: Vec<IgnoredPointers>,
    latest: Vec<Option<ObservedBody>>,
    /// Of each request, whether each ignored pointer met a value in a response as expected; `None`
    /// before there was one.
    met: Vec<Option<Vec<bool>>>,
    /// The slots of later rows whose first response was not held against another one so far.
    waiting: BTreeSet<usize>,
    judged: Judged,
    bodies: Bodies,
}

/// The first response to a request, and the digest and size of its body.
#[derive(Clone)]
struct FirstResponse {
    response: Response,
    wire_sha256: String,
    wire_bytes: Bytes,
}

/// A body and what is known of it.
#[derive(Clone)]
struct ObservedBody {
    body: Vec<u8>,
    wire_sha256: String,
    normalised: Normalised,
}

/// What was found wrong or equal in the responses so far.
#[derive(Default)]
struct Judged {
    responses: u64,
    equal: u64,
    status_mismatches: u64,
    status_unexpected: Option<u16>,
    content_type_mismatches: u64,
    not_json: u64,
    wire_equal: u64,
    unequal_in_bytes_alone: u64,
    unequal_in_headers_alone: u64,
    headers_unequal: BTreeSet<String>,
}

/// A request that was answered.
#[derive(Clone, Copy)]
pub(super) struct Asked<'v> {
    /// Its number in the check.
    pub(super) request: usize,
    /// The place of its row.
    pub(super) row: u64,
    /// The values of its run.
    pub(super) values: &'v Values,
}

impl<'a> Responses<'a> {
    /// Those of so many rows are compared; of a check without rows, all.
    pub(super) fn new(check: &'a Check, rows: u64) -> Self {
        let rows = usize::try_from(rows).unwrap_or_default().max(1);
        let slots = check.requests.len() * rows;
        Self {
            check,
            first: vec![None; slots],
            references: vec![None; slots],
            masked: vec![None; slots],
            left_out: check.requests.iter().map(left_out).collect(),
            latest: vec![None; slots],
            met: vec![None; check.requests.len()],
            waiting: BTreeSet::new(),
            judged: Judged::default(),
            bodies: Bodies::default(),
        }
    }

    /// What people are shown of them.
    pub(super) fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// Compares a response with what the contract expects and with the first one; whether it is as
    /// expected.
    pub(super) fn judge(&mut self, asked: Asked<'_>, exchange: &Exchange, body: Vec<u8>) -> bool {
        let request = asked.request;
        let spec = &self.check.requests[request];
        let row = usize::try_from(asked.row).unwrap_or(usize::MAX);
        let slot = row.saturating_mul(self.check.requests.len()).saturating_add(request);
        if slot >= self.first.len() {
            return self.judge_uncompared(spec, exchange, asked.values, &body);
        }
        let own_met = self.met_of_own(spec, request, &body);
        let told = told_by(exchange);
        let shown = self.shown(slot, (spec, &told), asked.values, &body);
        let (compared, has_learned) = self.as_compared(slot, asked, exchange, body);
        let ComparedResponse { body: response, headers } = compared;
        let known = self.latest[slot].take();
        let observed = match known {
            // PERF: equal bytes have an equal digest; for 250 KB of JSON this is 100 times cheaper.
            Some(known) if known.body == response => known,
            // One body at a time: it may be large.
            other => {
                drop(other);
                ObservedBody::of(response, spec)
            }
        };
        let response = observed.fill_in(spec, told, &headers);
        let expected = self.judged.expect(spec, &response, observed.normalised.json);
        if expected {
            let met = own_met.as_ref().unwrap_or(&observed.normalised.met);
            let before = self.met[request].get_or_insert_with(|| met.clone());
            before.iter_mut().zip(met).for_each(|(before, met)| *before |= met);
        } else {
            self.bodies.keep_unexpected(shown.as_deref().unwrap_or(&observed.body));
        }
        let requests = self.check.requests.len();
        let is_first = self.first[slot].is_none();
        let first = self.first[slot].get_or_insert_with(|| {
            if slot < requests {
                self.bodies.keep_first(shown.as_deref().unwrap_or(&observed.body), &spec.ignore);
            }
            FirstResponse {
                response: response.clone(),
                wire_sha256: observed.wire_sha256.clone(),
                wire_bytes: Bytes::new(observed.body.len() as u64),
            }
        });
        // The first response to a later row is equal to none but itself: it counts with the second one.
        let waits = is_first && slot >= requests && expected;
        if waits {
            self.waiting.insert(slot);
        } else {
            if self.waiting.remove(&slot) {
                self.judged.count_equal();
            }
            self.judged.responses += 1;
            self.judged.compare(first, &response, &observed.wire_sha256);
        }
        self.latest[slot] = Some(observed);
        if has_learned {
            self.mask(slot, spec);
        }
        expected
    }

    /// Of a row beyond those that are compared it is known whether it is as expected. As nobody compares
    /// it, it counts only where it is not.
    fn judge_uncompared(
        &mut self,
        spec: &RequestSpec,
        exchange: &Exchange,
        values: &Values,
        body: &[u8],
    ) -> bool {
        let json = !spec.expects_json() || is_json(body);
        let expected = self.judged.expect(spec, &told_by(exchange), json);
        if !expected {
            self.judged.responses += 1;
            if self.bodies.unexpected.is_none() {
                let shown = hidden(values, body);
                self.bodies.keep_unexpected(&shown);
            }
        }
        expected
    }

    /// What people are shown of a body, where they are shown it: no captured value.
    fn shown(
        &self,
        slot: usize,
        (spec, told): (&RequestSpec, &Response),
        values: &Values,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        if !self.check.has_values() {
            return None;
        }
        let is_expected = || {
            told.status == spec.status
                && (spec.content_type.is_none() || spec.content_type == told.content_type)
                && (!spec.expects_json() || is_json(body))
        };
        let is_shown =
            self.first[slot].is_none() || (self.bodies.unexpected.is_none() && !is_expected());
        is_shown.then(|| hidden(values, body))
    }

    /// Whether pointers meet anything in the body as it came, where it is compared as something else.
    fn met_of_own(&self, spec: &RequestSpec, request: usize, body: &[u8]) -> Option<Vec<bool>> {
        let known = self.met[request].as_ref().is_some_and(|met| met.iter().all(|it| *it));
        if !self.check.has_values() || spec.ignore.is_empty() {
            return None;
        }
        Some(if known {
            vec![true; spec.ignore.len()]
        } else {
            Normalised::of(body, &spec.ignore).met
        })
    }

    /// Body and headers as they are compared: without captured values. Whether more is known of those by
    /// now.
    fn as_compared(
        &mut self,
        slot: usize,
        Asked { request, values, .. }: Asked<'_>,
        exchange: &Exchange,
        body: Vec<u8>,
    ) -> (ComparedResponse, bool) {
        if !self.check.has_values() {
            return (ComparedResponse { body, headers: exchange.headers.clone() }, false);
        }
        let spec = &self.check.requests[request];
        let response = compared(&self.left_out[request], body, exchange.headers.clone());
        let Some(reference) = &mut self.references[slot] else {
            self.references[slot] = Some(Reference::new(response.clone(), values));
            return (response, true);
        };
        reference.look(spec, response, values)
    }

    /// The first response as it is hashed, by what is known now of captured values.
    fn mask(&mut self, slot: usize, spec: &RequestSpec) {
        let Some((first, reference)) =
            self.first[slot].as_ref().zip(self.references[slot].as_ref())
        else {
            return;
        };
        let masked = reference.masked();
        if self.masked[slot].is_none() && reference.is(&masked) {
            return;
        }
        let observed = ObservedBody::of(masked.body, spec);
        let bytes = Bytes::new(observed.body.len() as u64);
        self.masked[slot] = Some(FirstResponse {
            response: observed.fill_in(spec, first.response.clone(), &masked.headers),
            wire_sha256: observed.wire_sha256,
            wire_bytes: bytes,
        });
    }

    /// What the evidence says of them; `None` while there is none.
    pub(super) fn behaviour(&self) -> Option<Behaviour> {
        let judged = &self.judged;
        let (response, wire) = self.response()?;
        Some(Behaviour {
            response,
            responses: Count::new(judged.responses),
            responses_equal: Count::new(judged.equal),
            status_mismatches: Count::new(judged.status_mismatches),
            status_unexpected: judged.status_unexpected,
            content_type_mismatches: Count::new(judged.content_type_mismatches),
            not_json: Count::new(judged.not_json),
            wire,
            unequal_in_bytes_alone: Count::new(judged.unequal_in_bytes_alone),
            unequal_in_headers_alone: Count::new(judged.unequal_in_headers_alone),
            headers_unequal: judged.headers_unequal.clone(),
            ignored_nothing: self.ignored_nothing(),
        })
    }

    /// The entries of `ignore` that met nothing.
    fn ignored_nothing(&self) -> BTreeSet<String> {
        let requests = self.check.requests.iter().zip(&self.met);
        let unmet = requests.flat_map(|(spec, met)| {
            let met = met.iter().flatten();
            spec.ignore.iter().zip(met).filter(|(_, met)| !**met).map(|(it, _)| it.clone())
        });
        unmet.collect()
    }

    /// The response of the check, and its body: of several requests, their digests hashed in order.
    fn response(&self) -> Option<(Response, WireBody)> {
        let known =
            self.masked.iter().zip(&self.first).map(|(masked, it)| masked.as_ref().or(it.as_ref()));
        let responses: Vec<&FirstResponse> = known.flatten().collect();
        let first = *responses.first()?;
        let wire = |sha256, bytes| WireBody {
            sha256,
            bytes,
            responses_equal: Count::new(self.judged.wire_equal),
        };
        if !self.check.has_several_responses() {
            let body = wire(first.wire_sha256.clone(), first.wire_bytes);
            return Some((first.response.clone(), body));
        }
        let (mut all, mut wires, mut forms) = (Sha256::new(), Sha256::new(), Sha256::new());
        let mut headers: BTreeMap<String, Sha256> = BTreeMap::new();
        let (mut bytes, mut wire_bytes) = (Bytes::ZERO, Bytes::ZERO);
        for (step, FirstResponse { response, wire_sha256, wire_bytes: size }) in
            responses.iter().enumerate()
        {
            let media = response.content_type.as_deref().unwrap_or("-");
            let line = format!("{} {media} {}\n", response.status, response.body_sha256);
            all.update(line.as_bytes());
            bytes = bytes.saturating_add(response.body_bytes);
            wires.update(format!("{wire_sha256}\n").as_bytes());
            wire_bytes = wire_bytes.saturating_add(*size);
            let form = response.json_sha256.as_deref().unwrap_or(wire_sha256);
            forms.update(format!("{} {media} {form}\n", response.status).as_bytes());
            for (name, digest) in &response.headers {
                let line = format!("{step} {digest}\n");
                headers.entry(name.clone()).or_default().update(line.as_bytes());
            }
        }
        let finished = |digest: Sha256| hex(&digest.finalize());
        let response = Response {
            body_sha256: finished(all),
            body_bytes: bytes,
            json_sha256: Some(finished(forms)),
            headers: headers.into_iter().map(|(name, it)| (name, finished(it))).collect(),
            ..first.response.clone()
        };
        Some((response, wire(finished(wires), wire_bytes)))
    }
}

impl ObservedBody {
    fn of(body: Vec<u8>, spec: &RequestSpec) -> Self {
        let normalised = Normalised::of(&body, &spec.ignore);
        Self { wire_sha256: wire_digest(&body), normalised, body }
    }

    /// A response with this body and these headers, as far as the contract compares them.
    fn fill_in(
        &self,
        spec: &RequestSpec,
        response: Response,
        headers: &[(String, Vec<u8>)],
    ) -> Response {
        let form = self.normalised.json.then(|| self.normalised.sha256.clone());
        let (body_sha256, body_bytes) = match spec.compare_body {
            CompareBody::Bytes => (self.wire_sha256.clone(), Bytes::new(self.body.len() as u64)),
            CompareBody::Json => (self.normalised.sha256.clone(), self.normalised.bytes),
        };
        Response {
            body_sha256,
            body_bytes,
            json_sha256: form,
            headers: header_digests(headers),
            ..response
        }
    }
}

impl Judged {
    /// Counts in which way a response is not what the contract expects; whether it is.
    fn expect(&mut self, spec: &RequestSpec, response: &Response, json: bool) -> bool {
        let status_fits = response.status == spec.status;
        if !status_fits {
            self.status_mismatches += 1;
            self.status_unexpected.get_or_insert(response.status);
        }
        let type_fits = spec.content_type.is_none() || spec.content_type == response.content_type;
        if !type_fits {
            self.content_type_mismatches += 1;
        }
        let body_fits = json || !type_fits || !spec.expects_json();
        if !body_fits {
            self.not_json += 1;
        }
        status_fits && type_fits && body_fits
    }

    /// Counts a response that is its own first one.
    fn count_equal(&mut self) {
        self.responses += 1;
        self.equal += 1;
        self.wire_equal += 1;
    }

    /// Counts in which way a response differs from the first.
    fn compare(&mut self, first: &FirstResponse, response: &Response, wire_sha256: &str) {
        self.wire_equal += u64::from(first.wire_sha256 == wire_sha256);
        match first.response.difference(response) {
            None => self.equal += 1,
            Some(ResponseDifference::BytesAlone) => self.unequal_in_bytes_alone += 1,
            Some(ResponseDifference::HeadersAlone) => self.unequal_in_headers_alone += 1,
            Some(ResponseDifference::Work) => {}
        }
        let names = first.response.headers.keys().chain(response.headers.keys());
        let differ =
            |name: &&String| first.response.headers.get(*name) != response.headers.get(*name);
        self.headers_unequal.extend(names.filter(differ).cloned());
    }
}

/// What people are shown of a body: no captured value, also where it is no text.
fn hidden(values: &Values, body: &[u8]) -> Vec<u8> {
    values.hide(&String::from_utf8_lossy(body)).into_bytes()
}

/// What of a response is known without its body and headers.
fn told_by(exchange: &Exchange) -> Response {
    Response {
        status: exchange.status,
        content_type: exchange.content_type.as_deref().map(media_type),
        body_sha256: String::new(),
        body_bytes: Bytes::ZERO,
        json_sha256: None,
        headers: BTreeMap::new(),
    }
}

/// The media type without its parameters, in lowercase.
fn media_type(header: &[u8]) -> String {
    let end = header.iter().position(|byte| *byte == b';').unwrap_or(header.len());
    printable(header[..end].trim_ascii(), 80).to_ascii_lowercase()
}
