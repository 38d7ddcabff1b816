//! What metrics and labels may be called, and why one was refused.

/// Characters of a name at most; those of Prometheus' own exporters stay far below.
const NAME_LENGTH_MAX: usize = 200;
/// Bytes of a label's value that are kept.
const VALUE_LENGTH_MAX: usize = 256;

/// The value that stands for all label sets beyond a ceiling.
pub(super) const OTHER: &str = "<other>";

/// Why a metric was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The name of a metric or of a label is none that Prometheus reads.
    #[error("`{}` is no name of a {of}: {rule}", crate::text::escaped(name))]
    Name {
        /// The name that was given.
        name: String,
        /// `metric` or `label`.
        of: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The name is taken by a metric of another kind, or with other labels.
    #[error("metric `{name}` is already registered with another kind, other labels or other edges")]
    Taken {
        /// The name that was given.
        name: String,
    },
}

/// What a family is, as the line `# TYPE` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Whether a metric of this kind may be called so.
pub(super) fn check_metric(name: &str, kind: Kind) -> Result<(), MetricError> {
    let refused = |rule| Err(MetricError::Name { name: name.to_owned(), of: "metric", rule });
    if !is_name(name, |byte| byte == b'_' || byte == b':') {
        return refused("letters, digits, `_` and `:`, at most 200, and no digit first");
    }
    if (kind == Kind::Counter) != name.ends_with("_total") {
        return refused("a counter's name ends in `_total`, and no other name does");
    }
    if ["_bucket", "_count", "_sum", "_created"].iter().any(|it| name.ends_with(it)) {
        return refused("`_bucket`, `_count`, `_sum` and `_created` are endings of samples");
    }
    Ok(())
}

/// Whether the labels of a metric of this kind may be called so.
pub(super) fn check_labels(labels: &[&str], kind: Kind) -> Result<(), MetricError> {
    for (index, label) in labels.iter().enumerate() {
        let refused =
            |rule| Err(MetricError::Name { name: (*label).to_owned(), of: "label", rule });
        if !is_name(label, |byte| byte == b'_') || label.starts_with("__") {
            return refused("letters, digits and `_`, at most 200, no digit and no `__` first");
        }
        if kind == Kind::Histogram && *label == "le" {
            return refused("`le` is the label of a histogram's edges");
        }
        if labels[..index].contains(label) {
            return refused("each label is named once");
        }
    }
    Ok(())
}

fn is_name(name: &str, also: impl Fn(u8) -> bool) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || also(byte));
    first
        && name.len() <= NAME_LENGTH_MAX
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || also(byte))
}

/// The part of a label's value that is kept.
pub(super) fn kept(value: &str) -> &str {
    let mut end = value.len().min(VALUE_LENGTH_MAX);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

/// A hash of text that is quick, and holds no promise against chosen collisions: what is looked up
/// by it is bounded.
#[inline]
pub(super) fn quick_hash(text: &[u8], before: u64) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let mut chunks = text.chunks_exact(8);
    let mut hash = mix(before, text.len() as u64);
    for chunk in &mut chunks {
        hash = mix(hash, u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
    }
    let mut last = [0; 8];
    let rest = chunks.remainder();
    last[..rest.len()].copy_from_slice(rest);
    hash = mix(hash, u64::from_le_bytes(last));
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_prometheus_reads() {
        for name in ["a", "_a", "a:b", "queue_length", &"a".repeat(200)] {
            assert_eq!(check_metric(name, Kind::Gauge), Ok(()), "{name}");
        }
        for name in ["", "1a", "a-b", "a b", "a\n", "\u{e9}", "a{", &"a".repeat(201)] {
            assert!(check_metric(name, Kind::Gauge).is_err(), "{name}");
        }
        assert!(check_metric("a", Kind::Counter).is_err());
        assert!(check_metric("a_total", Kind::Gauge).is_err());
        assert!(check_metric("a_count", Kind::Gauge).is_err());
        assert_eq!(check_metric("a_total", Kind::Counter), Ok(()));
    }

    #[test]
    fn labels_are_those_that_prometheus_reads() {
        assert_eq!(check_labels(&["route", "_x1"], Kind::Histogram), Ok(()));
        for labels in [["a:b", "b"], ["__name__", "b"], ["le", "b"], ["a", "a"], ["", "b"]] {
            assert!(check_labels(&labels, Kind::Histogram).is_err(), "{labels:?}");
        }
        assert_eq!(check_labels(&["le"], Kind::Gauge), Ok(()));
    }

    #[test]
    fn a_refused_name_is_shown_as_ascii() {
        let error = check_metric("a\u{1b}[31m", Kind::Gauge).unwrap_err();
        assert!(error.to_string().starts_with("`a\\u{1b}[31m` is no name of a metric: "));
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        assert_eq!(kept("short"), "short");
        assert_eq!(kept(&"\u{e9}".repeat(200)).len(), 256);
        assert_eq!(kept(&format!("a{}", "\u{e9}".repeat(200))).len(), 255);
    }

    #[test]
    fn the_hash_sees_every_byte() {
        let hashes = ["", "\0", "a", "ab", "abcdefgh", "abcdefgi", "abcdefgh\0"];
        let mut hashes = hashes.map(|text| quick_hash(text.as_bytes(), 0)).to_vec();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 7);
    }
}
