//! Which form of the metrics a scrape asks for, by `Accept` (RFC 9110, section 12.5.1).

use http::{HeaderMap, header::ACCEPT};

use super::exposition::ExpositionFormat;

/// Media ranges of a header that are looked at.
const RANGES_MAX: usize = 64;

/// What can be offered, the service's own JSON first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    Json,
    Format(ExpositionFormat),
}

const OFFERS: [Offer; 3] = [
    Offer::Json,
    Offer::Format(ExpositionFormat::OpenMetrics),
    Offer::Format(ExpositionFormat::Text),
];

impl ExpositionFormat {
    /// The form that `Accept` asks for. `None` where it asks for JSON, for anything, or for nothing that
    /// there is: then the service answers as it does without this, and never with 406.
    ///
    /// The highest `q` wins; of equal ones the one that is named more exactly, then the one that
    /// stands first. The answer depends on the header, so it says `Vary: Accept`.
    pub fn negotiated(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<Range<'_>> = values
            .flat_map(|value| value.split(','))
            .take(RANGES_MAX)
            .enumerate()
            .filter_map(|(place, text)| Range::parsed(text, place))
            .collect();
        let mut best: Option<(Offer, Preference)> = None;
        for offer in OFFERS {
            // What names an offer most exactly decides on it: `text/plain;q=0, */*` wants no text.
            let matching = ranges.iter().filter_map(|range| Some((range.exactness(offer)?, range)));
            let Some((exactness, range)) = matching.reduce(|a, b| if b.0 > a.0 { b } else { a })
            else {
                continue;
            };
            // Of what only a wildcard names, JSON comes first, as there is no other reason to change.
            let place = if exactness < 2 { usize::MAX } else { usize::MAX - 1 - range.place };
            let preference = (range.weight, exactness, place);
            if range.weight > 0 && best.is_none_or(|(_, so_far)| preference > so_far) {
                best = Some((offer, preference));
            }
        }
        match best {
            Some((Offer::Format(format), _)) => Some(format),
            Some((Offer::Json, _)) | None => None,
        }
    }
}

/// Weight, exactness, and what is larger the earlier it stands.
type Preference = (u16, u8, usize);

/// One media range of an `Accept`.
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    /// Thousandths.
    weight: u16,
    place: usize,
}

impl<'a> Range<'a> {
    fn parsed(text: &'a str, place: usize) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?;
        let mut range = Self { media, version: None, weight: 1000, place };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            if name.trim().eq_ignore_ascii_case("q") {
                range.weight = weight(value.trim())?;
            } else if name.trim().eq_ignore_ascii_case("version") {
                range.version = Some(value.trim().trim_matches('"'));
            }
        }
        Some(range)
    }

    /// How exactly this names the offer, if it does: 2 by type, 1 by half of it, 0 as anything.
    fn exactness(&self, offer: Offer) -> Option<u8> {
        let (media, half, versions): (_, _, &[&str]) = match offer {
            Offer::Json => ("application/json", "application/*", &[]),
            Offer::Format(ExpositionFormat::Text) => ("text/plain", "text/*", &["0.0.4"]),
            Offer::Format(ExpositionFormat::OpenMetrics) => {
                ("application/openmetrics-text", "", &["1.0.0", "0.0.1"])
            }
        };
        if self.media.eq_ignore_ascii_case(media) {
            let asked = self.version.is_none_or(|it| versions.is_empty() || versions.contains(&it));
            return asked.then_some(2);
        }
        if self.media.eq_ignore_ascii_case(half) {
            return Some(1);
        }
        // Nobody gets the exemplars of OpenMetrics without asking.
        let any = self.media == "*/*" && offer != Offer::Format(ExpositionFormat::OpenMetrics);
        any.then_some(0)
    }
}

/// A `q` in thousandths: `0`, `0.75`, `1.000`. Anything else makes its range void.
fn weight(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{rest:0<3}").parse().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(accept: &str) -> Option<ExpositionFormat> {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_bytes(accept.as_bytes()).unwrap());
        ExpositionFormat::negotiated(&headers)
    }

    const TEXT: Option<ExpositionFormat> = Some(ExpositionFormat::Text);
    const OPEN: Option<ExpositionFormat> = Some(ExpositionFormat::OpenMetrics);

    #[test]
    fn scrapers_get_what_they_ask_for() {
        // Prometheus 2.42, the same with protobuf, and Prometheus 3.
        let scraper = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(asked(scraper), OPEN);
        assert_eq!(
            asked(&format!(
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,{scraper}"
            )),
            OPEN
        );
        assert_eq!(
            asked(
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
            ),
            OPEN
        );
        assert_eq!(asked("text/plain;version=0.0.4;q=1,*/*;q=0.1"), TEXT);
    }

    #[test]
    fn who_asks_for_nothing_gets_json() {
        assert_eq!(ExpositionFormat::negotiated(&HeaderMap::new()), None);
        for accept in [
            "*/*",
            "",
            ",",
            "application/json",
            "application/*",
            "application/json, text/plain, */*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "image/png",
            "text/plain;q=0",
            "text/plain;q=0, */*;q=0",
            "application/openmetrics-text;version=2.0.0",
            "text/plain;q=2",
            "text/plain;q=0.1234",
            "text/plain;q=-1",
            "text/plain;q=NaN",
            "text/plain;q=",
            "\u{e9}/*",
        ] {
            assert_eq!(asked(accept), None, "{accept}");
        }
    }

    #[test]
    fn weight_then_exactness_then_place_decide() {
        assert_eq!(asked("text/plain"), TEXT);
        assert_eq!(asked("text/*"), TEXT);
        assert_eq!(asked("TEXT/Plain; Q=0.5"), TEXT);
        assert_eq!(asked("*/*, text/plain"), TEXT);
        assert_eq!(asked("application/json;q=0.4, text/plain;q=0.5"), TEXT);
        assert_eq!(asked("application/json;q=0.5, text/plain;q=0.4"), None);
        assert_eq!(asked("text/plain, application/json"), TEXT);
        assert_eq!(asked("text/plain, application/openmetrics-text"), TEXT);
        assert_eq!(asked("application/openmetrics-text, text/plain"), OPEN);
        assert_eq!(asked("text/plain;q=0, text/*"), None);
        assert_eq!(asked("text/plain; version=0.0.4; charset=utf-8"), TEXT);
    }

    #[test]
    fn several_headers_are_one_and_long_ones_end() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("application/json;q=0.1"));
        headers.append(ACCEPT, HeaderValue::from_static("text/plain"));
        assert_eq!(ExpositionFormat::negotiated(&headers), TEXT);
        assert_eq!(asked(&format!("{}text/plain", "a/b,".repeat(RANGES_MAX))), None);
    }
}
