//! What the sessions of a comparison saw of one check.

use serde::{Deserialize, Serialize};

use crate::units::{Count, Nanos};

/// All sessions of one check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Paired {
    /// One entry for each session, in the order in which they took place.
    pub sessions: Vec<Session>,
    /// Sessions in which a process could not measure the check, which count for nothing.
    pub failed_sessions: u64,
    /// Why the first of them could not; printable ASCII.
    pub first_failure: Option<String>,
    /// Sessions that are left out, as the servers were not warm yet and later ones were.
    #[serde(default, skip_serializing_if = "Count::is_zero")]
    pub cold_sessions: Count,
    /// Whether all sessions asked the same processes, as those of servers that were running already:
    /// what stays with a process is then in each of them alike.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub same_processes: bool,
}

/// One session: fresh processes that took turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Seeds the order of the turns, the sizes of the environments and the layouts.
    pub seed: u64,
    /// The median latency of the baseline, to convert effects into times.
    pub baseline_ns: Nanos,
    /// Iterations of a piece of code in one sample, of which that latency is; only there of code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<Count>,
    /// The current build against the baseline.
    pub current: Pairs,
    /// A copy of the baseline against the baseline: what no change at all looks like.
    pub control: Pairs,
    /// The same copy, slowed down by a known share, against the baseline.
    pub injected: Pairs,
    /// The current build against the anchor, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Pairs>,
    /// What the times are of, where the service was asked over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<OverHttp>,
}

/// What of an exchange over HTTP is a session's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OverHttp {
    /// The time that the pairs are of.
    pub time: TimeOf,
    /// The median round trip of the baseline.
    pub round_trip_ns: Nanos,
    /// The median round trip to a server that only answers the same; `null` where none took turns.
    pub floor_ns: Option<Nanos>,
    /// How much longer than the baseline's that part of the current side's round trip was which the
    /// service does not tell, as the median of the pairs in ppm of what it tells; only there where
    /// that is the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold_ppm: Option<Effect>,
    /// The same against the anchor, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold_anchor_ppm: Option<Effect>,
    /// How the sides were warmed up before; since the second rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<WarmUp>,
}

/// How the sides of a session were warmed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// Samples of each side.
    pub samples: Count,
    /// How much longer its own time was in the window of samples before the last than in the last one, in ppm of
    /// the latter: of the side that still became faster most. 0 where that could be chance, and where earlier
    /// sessions showed how many samples are enough.
    pub falling_ppm: Effect,
}

/// Which time of an exchange over HTTP the pairs are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TimeOf {
    /// The service's own, as both services tell it.
    Service,
    /// The round trip's, beyond one to a server that only answers the same.
    AboveFloor,
    /// The round trip's.
    RoundTrip,
}

impl OverHttp {
    /// Whether so little of the round trip is the service's own time that its share is not known:
    /// less than a tenth is beyond the floor. The first rule of comparisons asks this.
    pub fn is_hidden(&self) -> bool {
        let own = |floor| self.round_trip_ns.saturating_sub(floor).saturating_mul(HIDDEN_BELOW);
        self.floor_ns.is_some_and(|floor| own(floor) < self.round_trip_ns)
    }
}

/// One part of so many of the round trip is the least that a service's own time may be.
pub const HIDDEN_BELOW: u64 = 10;

/// How much longer one side took than the other, in ppm, for each pair of turns: -20000 is 2 %
/// faster. As text with blanks between, in the order in which they were taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<i64>);

/// A difference of two latencies in ppm of the first; above 0 is slower.
pub type Effect = i64;

/// No pair is further from 0: a thousand times as long.
const EFFECT_MAX: Effect = 999_000_000;

impl Pairs {
    /// Adds a pair.
    pub fn push(&mut self, before: Nanos, after: Nanos) {
        self.0.push(effect(before, after));
    }

    /// Adds a pair as the difference of its two, in ppm of a third time.
    pub fn push_difference(&mut self, of: Nanos, before: Nanos, after: Nanos) {
        let longer = i128::from(after.get()) - i128::from(before.get());
        let effect = longer * 1_000_000 / i128::from(of.get().max(1));
        let bounded = effect.clamp(-1_000_000, i128::from(EFFECT_MAX));
        self.0.push(i64::try_from(bounded).unwrap_or(EFFECT_MAX));
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The standard error of the median, in ppm: 1.25/1.35 of the distance of the quartiles by the root of
    /// how many there are. From `McGill`, Tukey and Larsen, Variations of Box Plots, The American Statistician
    /// 32(1), 1978. `None` below four pairs.
    pub fn standard_error(&self) -> Option<Effect> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let quarter = sorted.len() / 4;
        let range = sorted.iter().rev().nth(quarter)? - sorted.get(quarter)?;
        let root = i64::try_from((sorted.len() * 10_000).isqrt()).unwrap_or(i64::MAX);
        (quarter > 0).then(|| range * 125 / 135 * 100 / root.max(1))
    }

    /// The median; of an even number the middle of the two in the middle, as either alone would
    /// favour one side. As the median of ratios and that of their logarithms are the same pairs, it
    /// does not matter that these are ratios. `None` when there is no pair.
    pub fn median(&self) -> Option<Effect> {
        let mut sorted = self.0.clone();
        let middle = sorted.len() / 2;
        sorted.sort_unstable();
        let upper = *sorted.get(middle)?;
        let lower = if sorted.len().is_multiple_of(2) { sorted[middle - 1] } else { upper };
        Some(i64::midpoint(lower, upper))
    }
}

fn effect(before: Nanos, after: Nanos) -> Effect {
    let ratio = u128::from(after.get()) * 1_000_000 / u128::from(before.get().max(1));
    i64::try_from(ratio).map_or(EFFECT_MAX, |ratio| (ratio - 1_000_000).min(EFFECT_MAX))
}

impl Serialize for Pairs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(self.0.len() * 7);
        for effect in &self.0 {
            let blank = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{blank}{effect}");
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let effects = text.split(' ').filter(|_| !text.is_empty()).map(|word| {
            let effect: Effect =
                word.parse().map_err(|_| D::Error::custom("pairs are integers"))?;
            // The same bytes must come out again, and no arithmetic may overflow.
            if effect.to_string() != word || !(-1_000_000..=EFFECT_MAX).contains(&effect) {
                return Err(D::Error::custom("a pair is no effect in ppm"));
            }
            Ok(effect)
        });
        effects.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Pairs {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pairs".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Effects in ppm with blanks between, one for each pair.",
            "pattern": "^(-?[0-9]+( -?[0-9]+)*)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_of_a_median_goes_with_the_quartiles_and_the_root_of_the_number() {
        let of = |effects: &[Effect]| Pairs(effects.to_vec()).standard_error();
        assert_eq!((of(&[]), of(&[1, 2, 3]), of(&[7; 4])), (None, None, Some(0)));
        // By hand: quartiles of -20000 and 20000, 37037 by the root of 16.
        let sixteen = [-90_000, -20_000, 20_000, 80_000].map(|it| [it; 4]).concat();
        assert_eq!(of(&sixteen), Some(9_259));
    }

    #[test]
    fn pairs_are_effects_in_ppm_and_come_back_from_text() {
        let mut pairs = Pairs::default();
        for (before, after) in [(100, 105), (200, 100), (0, 3), (1, u64::MAX)] {
            pairs.push(Nanos::new(before), Nanos::new(after));
        }
        // Of -500000, 50000, 2000000 and 999000000.
        assert_eq!(pairs.median(), Some(1_025_000));
        for (before, after) in [(1_000, 1_003), (1_003, 1_000), (1_000, 0), (0, u64::MAX)] {
            pairs.push_difference(Nanos::new(60), Nanos::new(before), Nanos::new(after));
        }
        let text = serde_json::to_string(&pairs).unwrap();
        let ratios = "50000 -500000 2000000 999000000";
        assert_eq!(text, format!("\"{ratios} 50000 -50000 -1000000 999000000\""));
        assert_eq!(serde_json::from_str::<Pairs>(&text).unwrap(), pairs);
        assert_eq!(pairs.median(), Some(50_000));
        assert_eq!(serde_json::from_str::<Pairs>("\"\"").unwrap(), Pairs::default());
        for bad in
            ["\"+1\"", "\"1  2\"", "\"-1000001\"", "\"01\"", "\"1 \"", "\"x\"", "\"999000001\""]
        {
            assert!(serde_json::from_str::<Pairs>(bad).is_err(), "{bad}");
        }
    }
}
