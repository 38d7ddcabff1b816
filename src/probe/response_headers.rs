//! The headers of a response that a request asks for.

#[cfg(feature = "instrument")]
use http::HeaderMap;
#[cfg(not(feature = "instrument"))]
use reqwest::header::HeaderMap;

/// The headers of these names, in the order of the names.
pub(super) fn named_headers(headers: &HeaderMap, names: &[String]) -> Vec<(String, Vec<u8>)> {
    let values = |name: &String| {
        let values = headers.get_all(name.as_str()).iter();
        values.map(|value| (name.clone(), value.as_bytes().to_vec())).collect::<Vec<_>>()
    };
    names.iter().flat_map(values).collect()
}
