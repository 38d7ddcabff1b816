//! What another tool told of a case without its samples: figures that are shown and prove nothing.
//!
//! A mean without samples has no confidence interval that could be derived again. So claims on time
//! abstain, and show the figure.

use serde::{Deserialize, Serialize};

use crate::units::{Count, Picos};

/// No figure is above what a hash covers exactly.
const FIGURE_MAX: u64 = 1 << 53;

/// Figures as the tool told them; `None` is what it did not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToldFigures {
    /// The mean time of an iteration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_ps: Option<Picos>,
    /// The lower end of what the tool says of that mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_lower_ps: Option<Picos>,
    /// Its upper end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_upper_ps: Option<Picos>,
    /// The least time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ps: Option<Picos>,
    /// The median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ps: Option<Picos>,
    /// The quantile of 95 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_ps: Option<Picos>,
    /// The largest time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ps: Option<Picos>,
    /// How many samples the figures are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Count>,
    /// Instructions of one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Count>,
}

impl ToldFigures {
    /// Whether something is told, no figure is above 2^53, and none contradicts another.
    pub fn is_possible(self) -> bool {
        let Self { mean_ps, mean_lower_ps, mean_upper_ps, min_ps, p50_ps, p95_ps, max_ps, .. } =
            self;
        let times = [mean_ps, mean_lower_ps, mean_upper_ps, min_ps, p50_ps, p95_ps, max_ps];
        let counts = [self.samples, self.instructions];
        let told: Vec<u64> = times
            .iter()
            .flatten()
            .map(|it| it.get())
            .chain(counts.iter().flatten().map(|it| it.get()))
            .collect();
        let is_ordered = |order: &[Option<Picos>]| {
            let known: Vec<Picos> = order.iter().copied().flatten().collect();
            known.is_sorted()
        };
        !told.is_empty()
            && told.iter().all(|it| *it <= FIGURE_MAX)
            && is_ordered(&[mean_lower_ps, mean_ps, mean_upper_ps])
            && is_ordered(&[min_ps, p50_ps, p95_ps, max_ps])
            && is_ordered(&[min_ps, mean_ps, max_ps])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_not_possible() {
        let of = |mean: u64, min: u64, max: u64| ToldFigures {
            mean_ps: Some(Picos::new(mean)),
            min_ps: Some(Picos::new(min)),
            max_ps: Some(Picos::new(max)),
            ..ToldFigures::default()
        };
        assert!(of(5, 5, 5).is_possible());
        assert!(!ToldFigures::default().is_possible());
        assert!(!of(4, 5, 6).is_possible() && !of(7, 5, 6).is_possible());
        assert!(!of(5, 1, FIGURE_MAX + 1).is_possible());
        let interval = ToldFigures { mean_lower_ps: Some(Picos::new(6)), ..of(5, 1, 9) };
        assert!(!interval.is_possible());
        let counted = ToldFigures { instructions: Some(Count::new(7)), ..ToldFigures::default() };
        assert!(counted.is_possible());
    }
}
