//! [`TraceContext`]: which trace a request belongs to, as W3C Trace Context has it.
//!
//! A `traceparent` from outside is read strictly: whatever is malformed counts as absent. Its flag
//! `sampled` is not trusted, since whoever sends it would decide what this service records.

use std::{
    cell::Cell,
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that names trace and parent.
pub static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header with what other tracing systems add.
pub static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of a `tracestate` that is passed on; the specification asks for 512 at least.
const TRACESTATE_LENGTH_MAX: usize = 512;

/// The 16 bytes that name a trace; never all zero. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

/// The 8 bytes that name a span; never all zero. Shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId([u8; 8]);

macro_rules! id {
    ($name:ident, $length:literal) => {
        impl $name {
            /// The name with these bytes; `None` where all are zero.
            pub fn new(bytes: [u8; $length]) -> Option<Self> {
                (bytes != [0; $length]).then_some(Self(bytes))
            }

            /// Its bytes.
            pub const fn bytes(self) -> [u8; $length] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(TraceId, 16);
id!(SpanId, 8);

/// The place of a request in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span of this request here.
    pub span: SpanId,
    /// The span that asked for it; `None` where the trace begins here.
    pub parent: Option<SpanId>,
    /// Whether this service records the span.
    pub sampled: bool,
}

impl TraceContext {
    /// A new span in the trace that `headers` name, or in a new trace where they name none.
    ///
    /// Several `traceparent` are none.
    pub fn continued(headers: &HeaderMap, sampled: bool) -> Self {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let outside = match (values.next(), values.next()) {
            (Some(only), None) => parsed(only.as_bytes()),
            _ => None,
        };
        let (trace, parent) = match outside {
            Some((trace, parent)) => (trace, Some(parent)),
            None => (new_trace(), None),
        };
        Self { trace, span: new_span(), parent, sampled }
    }

    /// A new trace.
    pub fn new(sampled: bool) -> Self {
        Self { trace: new_trace(), span: new_span(), parent: None, sampled }
    }

    /// A span inside this one.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span: new_span(), parent: Some(self.span), ..self }
    }

    /// The value of `traceparent` in a request that this span makes.
    ///
    /// # Panics
    ///
    /// Never: hexadecimal digits are a header value.
    pub fn to_header(self) -> HeaderValue {
        let text = format!("00-{}-{}-0{}", self.trace, self.span, u8::from(self.sampled));
        HeaderValue::try_from(text).expect("hexadecimal digits are a header value")
    }
}

/// Trace and span of a `traceparent`. What a later version adds behind is passed over.
fn parsed(value: &[u8]) -> Option<(TraceId, SpanId)> {
    let (head, rest) = value.split_at_checked(55)?;
    let version: [u8; 1] = bytes(&head[..2])?;
    let _flags: [u8; 1] = bytes(&head[53..])?;
    if [head[2], head[35], head[52]] != [b'-'; 3] || version == [0xff] {
        return None;
    }
    if !(rest.is_empty() || version != [0] && rest[0] == b'-') {
        return None;
    }
    Some((TraceId::new(bytes(&head[3..35])?)?, SpanId::new(bytes(&head[36..52])?)?))
}

/// Bytes of lowercase hexadecimal digits.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn new_trace() -> TraceId {
    let (high, low) = (random(), random());
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    TraceId(bytes)
}

fn new_span() -> SpanId {
    SpanId(random().to_be_bytes())
}

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A number that is not zero: names need to differ, and are no secrets. Steele, Lea and Flood 2014,
/// "Fast splittable pseudorandom number generators" (`SplitMix64`), seeded by the standard library.
pub(super) fn random() -> u64 {
    let mut state = STATE.get();
    if state == 0 {
        state = RandomState::new().build_hasher().finish();
    }
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).max(1)
}

/// A request's trace, with what other systems added to it.
#[derive(Clone, Debug)]
pub(super) struct RequestTrace {
    pub(super) context: TraceContext,
    pub(super) state: Option<HeaderValue>,
}

impl RequestTrace {
    pub(super) fn of(headers: &HeaderMap, sampled: bool) -> Self {
        let context = TraceContext::continued(headers, sampled);
        let state = context.parent.and_then(|_| state(headers));
        Self { context, state }
    }
}

/// The `tracestate` of a request, several of them joined; none where it is longer than is passed on.
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut values = headers.get_all(&TRACESTATE).iter();
    let first = values.next()?;
    let joined = match values.next() {
        None => first.clone(),
        Some(second) => {
            let mut all = [first.as_bytes(), b",", second.as_bytes()].concat();
            for value in values.take(TRACESTATE_LENGTH_MAX) {
                all.push(b',');
                all.extend(value.as_bytes());
            }
            HeaderValue::from_bytes(&all).ok()?
        }
    };
    (joined.len() <= TRACESTATE_LENGTH_MAX).then_some(joined)
}

thread_local! {
    static CURRENT: Cell<Option<RequestTrace>> = const { Cell::new(None) };
}

/// The trace of the request whose handler runs here; `None` outside of a request. A task that it
/// starts has none: it takes what this returns with it.
pub fn current_trace() -> Option<TraceContext> {
    with_current(|trace| trace.as_ref().map(|it| it.context))
}

/// Writes `traceparent` and `tracestate` of the request whose handler runs here into the headers of
/// another one. Returns whether there is one.
pub fn inject_trace(headers: &mut HeaderMap) -> bool {
    let Some(trace) = with_current(Clone::clone) else {
        return false;
    };
    headers.insert(&TRACEPARENT, trace.context.to_header());
    if let Some(state) = trace.state {
        headers.insert(&TRACESTATE, state);
    }
    true
}

fn with_current<T>(read: impl FnOnce(&Option<RequestTrace>) -> T) -> T {
    CURRENT.with(|current| {
        let trace = current.take();
        let value = read(&trace);
        current.set(trace);
        value
    })
}

/// What was current before, when this is dropped.
struct Restored<'a>(&'a mut Option<RequestTrace>);

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        *self.0 = CURRENT.replace(self.0.take());
    }
}

/// Runs `work` with `trace` as the current one.
#[inline]
pub(super) fn in_trace<T>(trace: &mut Option<RequestTrace>, work: impl FnOnce() -> T) -> T {
    if trace.is_none() {
        return work();
    }
    // What was current waits where the trace was, and both change places again.
    let before = CURRENT.replace(trace.take());
    *trace = before;
    let _restored = Restored(trace);
    work()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&TRACEPARENT, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_trace_from_outside_is_continued_and_its_flag_is_not_trusted() {
        let context = TraceContext::continued(&headers(&[VALID]), false);
        assert_eq!(context.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.parent.unwrap().to_string(), "b7ad6b7169203331");
        assert_ne!(Some(context.span), context.parent);
        assert!(!context.sampled);
        let header = context.to_header();
        let (trace, span) = parsed(header.as_bytes()).unwrap();
        assert_eq!((trace, span), (context.trace, context.span));
        assert!(header.to_str().unwrap().ends_with("-00"));
        assert_eq!(context.child().parent, Some(context.span));
    }

    #[test]
    fn malformed_contexts_are_none() {
        let zero_trace = VALID.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        let zero_span = VALID.replace("b7ad6b7169203331", &"0".repeat(16));
        for value in [
            "",
            "00",
            &VALID[..54],
            &format!("{VALID}-"),
            &format!("{VALID}x"),
            &format!(" {VALID}"),
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &VALID.replacen("00", "0g", 1),
            &VALID.replace("-01", "-0x"),
            &VALID.replace('-', "_"),
            &zero_trace,
            &zero_span,
            &"\u{e9}".repeat(28),
            &format!("cc{}.more", &VALID[2..]),
        ] {
            assert_eq!(parsed(value.as_bytes()), None, "{value}");
        }
        // A later version may add what this one does not know.
        assert!(parsed(format!("cc{}", &VALID[2..]).as_bytes()).is_some());
        assert!(parsed(format!("cc{}-more", &VALID[2..]).as_bytes()).is_some());
        let several = TraceContext::continued(&headers(&[VALID, VALID]), false);
        assert_eq!(several.parent, None);
    }

    #[test]
    fn states_are_joined_and_long_ones_are_left_out() {
        let mut all = headers(&[VALID]);
        all.append(&TRACESTATE, HeaderValue::from_static("a=1"));
        all.append(&TRACESTATE, HeaderValue::from_static("b=2"));
        all.append(&TRACESTATE, HeaderValue::from_static("c=3"));
        assert_eq!(RequestTrace::of(&all, false).state.unwrap(), "a=1,b=2,c=3");
        all.append(&TRACESTATE, HeaderValue::try_from("d".repeat(512)).unwrap());
        assert_eq!(RequestTrace::of(&all, false).state, None);
        all.remove(&TRACEPARENT);
        assert_eq!(RequestTrace::of(&all, false).state, None, "a state without its trace");
    }

    #[test]
    fn the_trace_is_current_inside_and_not_outside() {
        let mut outer = Some(RequestTrace { context: TraceContext::new(true), state: None });
        let mut inner = Some(RequestTrace { context: TraceContext::new(false), state: None });
        let [of_outer, of_inner] = [&outer, &inner].map(|it| it.as_ref().unwrap().context);
        in_trace(&mut outer, || {
            assert_eq!(current_trace(), Some(of_outer));
            in_trace(&mut inner, || {
                assert_eq!(current_trace(), Some(of_inner));
                let mut headers = HeaderMap::new();
                assert!(inject_trace(&mut headers));
                assert_eq!(headers[&TRACEPARENT], of_inner.to_header());
            });
            assert_eq!(current_trace(), Some(of_outer));
        });
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            in_trace(&mut outer, || panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        assert_eq!(outer.unwrap().context, of_outer);
        assert_eq!(current_trace(), None);
        assert!(!inject_trace(&mut HeaderMap::new()));
    }

    #[test]
    fn names_differ_between_threads() {
        let mut names: Vec<u64> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1000).map(|_| random()).collect::<Vec<_>>()))
            .flat_map(|it| it.join().unwrap())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 4000);
    }

    proptest! {
        #[test]
        fn no_header_panics(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            parsed(&value);
        }
    }
}
