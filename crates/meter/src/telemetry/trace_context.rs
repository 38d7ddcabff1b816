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
    /// Whether this service records the span. Where it sends no spans, whether the caller says so.
    pub sampled: bool,
}

/// What a valid `traceparent` says.
#[derive(Clone, Debug)]
struct Outside {
    trace: TraceId,
    span: SpanId,
    sampled: bool,
}

impl Outside {
    /// Several `traceparent` are none.
    #[inline]
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        match (values.next(), values.next()) {
            (Some(only), None) => parsed(only.as_bytes()),
            _ => None,
        }
    }
}

impl TraceContext {
    /// A new span in the trace that `headers` name, or in a new trace where they name none.
    ///
    /// Several `traceparent` are none.
    pub fn continued(headers: &HeaderMap, sampled: bool) -> Self {
        RequestNames::next(Some(sampled)).context(Outside::of(headers).as_ref())
    }

    /// A new trace.
    pub fn new(sampled: bool) -> Self {
        RequestNames::next(Some(sampled)).context(None)
    }

    /// A span inside this one.
    #[must_use]
    pub fn child(self) -> Self {
        let span = RequestNames::next(None).span();
        Self { span, parent: Some(self.span), ..self }
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

/// What a later version adds behind is passed over.
fn parsed(value: &[u8]) -> Option<Outside> {
    let (head, rest) = value.split_at_checked(55)?;
    let version: [u8; 1] = bytes(&head[..2])?;
    let flags: [u8; 1] = bytes(&head[53..])?;
    if [head[2], head[35], head[52]] != [b'-'; 3] || version == [0xff] {
        return None;
    }
    if !(rest.is_empty() || version != [0] && rest[0] == b'-') {
        return None;
    }
    let (trace, span) = (TraceId::new(bytes(&head[3..35])?)?, SpanId::new(bytes(&head[36..52])?)?);
    Some(Outside { trace, span, sampled: flags[0] & 1 == 1 })
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

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number that is not zero: names need to differ, and are no secrets. Steele, Lea and Flood 2014,
/// "Fast splittable pseudorandom number generators" (`SplitMix64`), seeded by the standard library.
#[cfg(any(feature = "otlp", test))]
pub(super) fn random() -> u64 {
    mixed(steps(1).wrapping_add(STEP))
}

/// The state before so many steps, which are taken. Never zero.
#[inline]
fn steps(number: u64) -> u64 {
    let mut state = STATE.get();
    if state == 0 {
        state = RandomState::new().build_hasher().finish().max(1);
    }
    STATE.set(state.wrapping_add(STEP.wrapping_mul(number)));
    state
}

const fn mixed(state: u64) -> u64 {
    let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let mixed = mixed ^ (mixed >> 31);
    if mixed == 0 { 1 } else { mixed }
}

/// What a request's own trace and span are called.
///
/// PERF: as a state of the random numbers that they are made of when somebody asks, which is seldom.
#[derive(Clone, Copy, Debug)]
struct RequestNames {
    state: u64,
    /// Whether the span of the request is sent; `None` where no spans are.
    sampled: Option<bool>,
}

impl RequestNames {
    #[inline]
    fn next(sampled: Option<bool>) -> Self {
        Self { state: steps(3), sampled }
    }

    fn trace(self) -> TraceId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.number(1).to_be_bytes());
        bytes[8..].copy_from_slice(&self.number(2).to_be_bytes());
        TraceId(bytes)
    }

    fn span(self) -> SpanId {
        SpanId(self.number(3).to_be_bytes())
    }

    fn number(self, step: u64) -> u64 {
        mixed(self.state.wrapping_add(STEP.wrapping_mul(step)))
    }

    /// The place of a request that came with this. Where no spans are sent, the caller's place is passed on
    /// as it is, as no other would ever be found.
    fn context(self, outside: Option<&Outside>) -> TraceContext {
        match (outside, self.sampled) {
            (None, sampled) => TraceContext {
                trace: self.trace(),
                span: self.span(),
                parent: None,
                sampled: sampled == Some(true),
            },
            (Some(it), Some(sampled)) => {
                TraceContext { trace: it.trace, span: self.span(), parent: Some(it.span), sampled }
            }
            (Some(it), None) => {
                TraceContext { trace: it.trace, span: it.span, parent: None, sampled: it.sampled }
            }
        }
    }
}

/// A request's trace.
#[derive(Clone, Debug)]
pub(super) struct RequestTrace {
    names: RequestNames,
    /// What came with the request.
    foreign: Option<Foreign>,
}

/// A trace from outside, with what other systems added to it.
#[derive(Clone, Debug)]
struct Foreign {
    outside: Outside,
    /// In a box, as few requests have one and every request is moved with it.
    state: Option<Box<HeaderValue>>,
}

impl RequestTrace {
    /// `sampled` is whether the span of this request is sent; `None` where no spans are.
    #[inline]
    pub(super) fn of(headers: &HeaderMap, sampled: Option<bool>) -> Self {
        let foreign = Outside::of(headers)
            .map(|outside| Foreign { outside, state: state(headers).map(Box::new) });
        Self { names: RequestNames::next(sampled), foreign }
    }

    pub(super) fn context(&self) -> TraceContext {
        self.names.context(self.foreign.as_ref().map(|it| &it.outside))
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
    // PERF: without a destructor, so that setting it is a plain store.
    static CURRENT: Cell<Option<RequestNames>> = const { Cell::new(None) };
    static CURRENT_FOREIGN: Cell<Option<Foreign>> = const { Cell::new(None) };
}

/// The trace of the request whose handler runs here; `None` outside of a request. A task that it
/// starts has none: it takes what this returns with it.
pub fn current_trace() -> Option<TraceContext> {
    let names = CURRENT.get()?;
    Some(with_foreign(|foreign| names.context(foreign.map(|it| &it.outside))))
}

/// Writes `traceparent` and `tracestate` of the request whose handler runs here into the headers of
/// another one. Returns whether there is one: a service that sends no spans only passes on what its
/// caller sent.
pub fn inject_trace(headers: &mut HeaderMap) -> bool {
    let Some(names) = CURRENT.get() else {
        return false;
    };
    with_foreign(|foreign| {
        // Nobody would record what begins here.
        if foreign.is_none() && names.sampled.is_none() {
            return false;
        }
        let context = names.context(foreign.map(|it| &it.outside));
        headers.insert(&TRACEPARENT, context.to_header());
        if let Some(state) = foreign.and_then(|it| it.state.as_deref()) {
            headers.insert(&TRACESTATE, state.clone());
        }
        true
    })
}

fn with_foreign<T>(read: impl FnOnce(Option<&Foreign>) -> T) -> T {
    CURRENT_FOREIGN.with(|current| {
        let foreign = current.take();
        let value = read(foreign.as_ref());
        current.set(foreign);
        value
    })
}

/// What was current before, which is current again when this is dropped.
struct Restored<'a> {
    before: Option<RequestNames>,
    /// What was current waits where this was, and both change places again.
    foreign: Option<&'a mut Option<Foreign>>,
}

impl Drop for Restored<'_> {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.before);
        if let Some(foreign) = &mut self.foreign {
            **foreign = CURRENT_FOREIGN.replace(foreign.take());
        }
    }
}

/// Runs `work` with `trace` as the current one.
#[inline]
pub(super) fn in_trace<T>(trace: &mut Option<RequestTrace>, work: impl FnOnce() -> T) -> T {
    let Some(RequestTrace { names, foreign }) = trace else {
        return work();
    };
    let before = CURRENT.replace(Some(*names));
    // Inside of a request that came with a trace, one that did not hides that too.
    let changes = foreign.is_some() || before.is_some();
    let _restored = Restored {
        before,
        foreign: changes.then(|| {
            *foreign = CURRENT_FOREIGN.replace(foreign.take());
            foreign
        }),
    };
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
        let Outside { trace, span, sampled } = parsed(header.as_bytes()).unwrap();
        assert_eq!((trace, span, sampled), (context.trace, context.span, false));
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
            assert!(parsed(value.as_bytes()).is_none(), "{value}");
        }
        // A later version may add what this one does not know.
        assert!(parsed(format!("cc{}", &VALID[2..]).as_bytes()).is_some());
        assert!(parsed(format!("cc{}-more", &VALID[2..]).as_bytes()).is_some());
        let several = TraceContext::continued(&headers(&[VALID, VALID]), false);
        assert_eq!(several.parent, None);
    }

    #[test]
    fn states_are_joined_and_long_ones_are_left_out() {
        let state_of =
            |all: &HeaderMap| RequestTrace::of(all, None).foreign.and_then(|it| it.state);
        let mut all = headers(&[VALID]);
        all.append(&TRACESTATE, HeaderValue::from_static("a=1"));
        all.append(&TRACESTATE, HeaderValue::from_static("b=2"));
        all.append(&TRACESTATE, HeaderValue::from_static("c=3"));
        assert_eq!(*state_of(&all).unwrap(), "a=1,b=2,c=3");
        all.append(&TRACESTATE, HeaderValue::try_from("d".repeat(512)).unwrap());
        assert_eq!(state_of(&all), None);
        all.remove(&TRACEPARENT);
        assert_eq!(state_of(&all), None, "a state without its trace");
    }

    #[test]
    fn the_trace_is_current_inside_and_not_outside() {
        let traced = |sampled| RequestTrace::of(&HeaderMap::new(), Some(sampled));
        let (mut outer, mut inner) = (Some(traced(true)), Some(traced(false)));
        let [of_outer, of_inner] = [&outer, &inner].map(|it| it.as_ref().unwrap().context());
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
        assert_eq!(outer.unwrap().context(), of_outer);
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
