//! [`SlowLog`]: a line for each request and each database operation that took long.

use std::{
    fmt::{self, Write as _},
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use super::trace_context::TraceId;
use crate::units::Nanos;

/// From when on a request is slow, where nothing else is said: 100 ms.
pub const SLOW: Nanos = Nanos::new(100_000_000);

/// Writes a line of JSON for each request and each database operation that took long.
///
/// A line names the route's template, and never the URL, a header, a body, a query or a parameter:
///
/// ```text
/// {"event":"slow_request","time":"2026-11-29T20:15:00.250Z","route":"/users/{id}","method":"GET","status":"2xx","code":200,"duration_seconds":0.153201,"trace_id":"0af7651916cd43dd8448eb211c80319c"}
/// {"event":"slow_query","time":"2026-11-29T20:15:00.250Z","operation":"select","table":"users","outcome":"ok","duration_seconds":0.153201}
/// ```
///
/// Lines are ASCII. They are written where the request ends, so the sink must not wait long. A sink that
/// panics loses its line and nothing else. Clones are the same log.
#[derive(Clone)]
pub struct SlowLog {
    threshold: Nanos,
    sink: Arc<dyn Fn(&str) + Send + Sync>,
}

impl SlowLog {
    /// Gives each line, without its end, to `sink`.
    pub fn new(sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { threshold: SLOW, sink: Arc::new(sink) }
    }

    /// Writes each line to `writer`, with its end, in one call. What cannot be written is lost.
    pub fn to_writer(writer: impl Write + Send + 'static) -> Self {
        let writer = Mutex::new(writer);
        Self::new(move |line| {
            if let Ok(mut writer) = writer.lock() {
                let _ = writer.write_all(format!("{line}\n").as_bytes());
                let _ = writer.flush();
            }
        })
    }

    /// Takes what lasts as long as this, or longer.
    #[must_use]
    pub fn threshold(self, threshold: Nanos) -> Self {
        Self { threshold, ..self }
    }

    #[inline]
    pub(super) fn is_slow(&self, elapsed: Nanos) -> bool {
        elapsed >= self.threshold
    }

    pub(super) fn request(&self, slow: &SlowRequest<'_>) {
        let mut line = Line::new("slow_request", slow.at);
        line.text("route", slow.route);
        line.text("method", slow.method);
        line.text("status", slow.class);
        if let Some(status) = slow.status {
            let _ = write!(line.0, ",\"code\":{status}");
        }
        line.duration(slow.elapsed);
        if let Some(trace) = slow.trace {
            let _ = write!(line.0, ",\"trace_id\":\"{trace}\"");
        }
        self.write(line);
    }

    pub(super) fn query(&self, slow: &SlowQuery<'_>) {
        let mut line = Line::new("slow_query", slow.at);
        line.text("operation", slow.operation);
        line.text("table", slow.table);
        line.text("outcome", slow.outcome);
        line.duration(slow.elapsed);
        if let Some(trace) = slow.trace {
            let _ = write!(line.0, ",\"trace_id\":\"{trace}\"");
        }
        self.write(line);
    }

    /// A request may end while its task unwinds, where another panic would end the process.
    fn write(&self, line: Line) {
        let _ = catch_unwind(AssertUnwindSafe(|| (self.sink)(&(line.0 + "}"))));
    }
}

impl fmt::Debug for SlowLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowLog").field("threshold", &self.threshold).finish_non_exhaustive()
    }
}

pub(super) struct SlowRequest<'a> {
    pub(super) at: SystemTime,
    pub(super) route: &'a str,
    pub(super) method: &'a str,
    pub(super) class: &'a str,
    pub(super) status: Option<u16>,
    pub(super) elapsed: Nanos,
    pub(super) trace: Option<TraceId>,
}

pub(super) struct SlowQuery<'a> {
    pub(super) at: SystemTime,
    pub(super) operation: &'a str,
    pub(super) table: &'a str,
    pub(super) outcome: &'a str,
    pub(super) elapsed: Nanos,
    pub(super) trace: Option<TraceId>,
}

/// An object of JSON that is not closed yet.
struct Line(String);

impl Line {
    fn new(event: &str, at: SystemTime) -> Self {
        Self(format!("{{\"event\":\"{event}\",\"time\":\"{}\"", rfc_3339(at)))
    }

    /// A field whose text may hold anything. All but printable ASCII is escaped.
    fn text(&mut self, field: &str, text: &str) {
        let _ = write!(self.0, ",\"{field}\":\"");
        let mut units = [0; 2];
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                ' '..='~' => self.0.push(c),
                _ => {
                    for unit in c.encode_utf16(&mut units) {
                        let _ = write!(self.0, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.0.push('"');
    }

    fn duration(&mut self, elapsed: Nanos) {
        let micros = elapsed.get() / 1000;
        let _ = write!(
            self.0,
            ",\"duration_seconds\":{}.{:06}",
            micros / 1_000_000,
            micros % 1_000_000
        );
    }
}

/// Time in UTC to the millisecond; 1970 for what is earlier. Days become a date as in Hinnant 2013,
/// "chrono-compatible low-level date algorithms", `civil_from_days`.
fn rfc_3339(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let day = day - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lines() -> (SlowLog, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        (SlowLog::new(move |line| sink.lock().unwrap().push(line.to_owned())), lines)
    }

    fn slow(route: &str) -> SlowRequest<'_> {
        SlowRequest {
            at: UNIX_EPOCH + Duration::from_millis(1_795_982_400_250),
            route,
            method: "GET",
            class: "2xx",
            status: Some(200),
            elapsed: Nanos::new(1_053_201_999),
            trace: TraceId::new([0xab; 16]),
        }
    }

    #[test]
    fn a_line_has_what_is_known_and_is_ascii() {
        let (log, lines) = lines();
        log.request(&slow("/a\"\\\n\0\u{1f600}\u{7f}"));
        log.request(&SlowRequest { status: None, trace: None, class: "aborted", ..slow("/") });
        let at = UNIX_EPOCH;
        log.query(&SlowQuery {
            at,
            operation: "select",
            table: "users",
            outcome: "ok",
            elapsed: SLOW,
            trace: None,
        });
        let lines = lines.lock().unwrap();
        let expected = r#"{"event":"slow_request","time":"2026-11-29T20:00:00.250Z","route":"/a\"\\\u000a\u0000\ud83d\ude00\u007f","method":"GET","status":"2xx","code":200,"duration_seconds":1.053201,"trace_id":"abababababababababababababababab"}"#;
        assert_eq!(lines[0], expected);
        let value: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(value["route"], "/a\"\\\n\0\u{1f600}\u{7f}");
        assert!(lines[1].ends_with(r#""status":"aborted","duration_seconds":1.053201}"#));
        assert_eq!(
            lines[2],
            r#"{"event":"slow_query","time":"1970-01-01T00:00:00.000Z","operation":"select","table":"users","outcome":"ok","duration_seconds":0.100000}"#
        );
    }

    /// No space is left.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_fails_loses_its_line_only() {
        let log = SlowLog::new(|_| panic!("on purpose"));
        log.request(&slow("/"));
        SlowLog::to_writer(Full).request(&slow("/"));
    }

    #[test]
    fn the_threshold_is_slow() {
        let log = lines().0;
        assert!(!log.is_slow(Nanos::new(99_999_999)) && log.is_slow(SLOW));
        assert!(log.threshold(Nanos::new(5)).is_slow(Nanos::new(5)));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc_3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
        assert_eq!(rfc_3339(UNIX_EPOCH - Duration::from_secs(5)), "1970-01-01T00:00:00.000Z");
    }
}
