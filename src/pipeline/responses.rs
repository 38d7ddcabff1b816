//! The responses of one check: held against what the contract expects and against the first one.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::{
    contract::{Check, CompareBody, RequestSpec},
    evidence::{Behaviour, Bodies, Response, ResponseDifference, WireBody},
    probe::{Exchange, Normalised, header_digests, wire_digest},
    text::{hex, printable},
    units::{Bytes, Count},
};

/// What the responses of a check were like so far.
pub(super) struct Responses<'a> {
    check: &'a Check,
    /// The first response to each request, and the latest body with its digest.
    first: Vec<Option<FirstResponse>>,
    latest: Vec<Option<ObservedBody>>,
    /// Of each request, whether each ignored pointer met a value in a response as expected; `None`
    /// before there was one.
    met: Vec<Option<Vec<bool>>>,
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

impl<'a> Responses<'a> {
    pub(super) fn new(check: &'a Check) -> Self {
        let requests = check.requests.len();
        Self {
            check,
            first: vec![None; requests],
            latest: vec![None; requests],
            met: vec![None; requests],
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
    pub(super) fn judge(&mut self, request: usize, exchange: &Exchange, body: Vec<u8>) -> bool {
        let spec = &self.check.requests[request];
        let known = self.latest[request].take();
        let observed = match known {
            // PERF: equal bytes have an equal digest; for 250 KB of JSON this is 100 times cheaper.
            Some(known) if known.body == body => known,
            // One body at a time: it may be large.
            other => {
                drop(other);
                ObservedBody {
                    wire_sha256: wire_digest(&body),
                    normalised: Normalised::of(&body, &spec.ignore),
                    body,
                }
            }
        };
        let response = observed.response(spec, exchange);
        let judged = &mut self.judged;
        judged.responses += 1;
        let status_fits = response.status == spec.status;
        if !status_fits {
            judged.status_mismatches += 1;
            judged.status_unexpected.get_or_insert(response.status);
        }
        let type_fits = spec.content_type.is_none() || spec.content_type == response.content_type;
        if !type_fits {
            judged.content_type_mismatches += 1;
        }
        let body_fits = observed.normalised.json || !type_fits || !spec.expects_json();
        if !body_fits {
            judged.not_json += 1;
        }
        let expected = status_fits && type_fits && body_fits;
        if expected {
            let met = &observed.normalised.met;
            let before = self.met[request].get_or_insert_with(|| met.clone());
            before.iter_mut().zip(met).for_each(|(before, met)| *before |= met);
        }
        if !expected {
            self.bodies.keep_unexpected(&observed.body);
        }
        let first = self.first[request].get_or_insert_with(|| {
            self.bodies.keep_first(&observed.body, &spec.ignore);
            FirstResponse {
                response: response.clone(),
                wire_sha256: observed.wire_sha256.clone(),
                wire_bytes: Bytes::new(observed.body.len() as u64),
            }
        });
        judged.compare(first, &response, &observed.wire_sha256);
        self.latest[request] = Some(observed);
        expected
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
        let responses: Vec<&FirstResponse> = self.first.iter().flatten().collect();
        let first = *responses.first()?;
        let wire = |sha256, bytes| WireBody {
            sha256,
            bytes,
            responses_equal: Count::new(self.judged.wire_equal),
        };
        if self.first.len() == 1 {
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
    /// The response as far as the contract compares it.
    fn response(&self, spec: &RequestSpec, exchange: &Exchange) -> Response {
        let form = self.normalised.json.then(|| self.normalised.sha256.clone());
        let (body_sha256, body_bytes) = match spec.compare_body {
            CompareBody::Bytes => (self.wire_sha256.clone(), Bytes::new(self.body.len() as u64)),
            CompareBody::Json => (self.normalised.sha256.clone(), self.normalised.bytes),
        };
        Response {
            status: exchange.status,
            content_type: exchange.content_type.as_deref().map(media_type),
            body_sha256,
            body_bytes,
            json_sha256: form,
            headers: header_digests(&exchange.headers),
        }
    }
}

impl Judged {
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

/// The media type without its parameters, in lowercase.
fn media_type(header: &[u8]) -> String {
    let end = header.iter().position(|byte| *byte == b';').unwrap_or(header.len());
    printable(header[..end].trim_ascii(), 80).to_ascii_lowercase()
}
