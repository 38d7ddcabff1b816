//! The statistic of the chart: the largest of all two-sample rank statistics of a window.

/// So many points are looked at, at most: the latest.
pub const WINDOW: usize = 100;

/// The latest points of a series with their ranks, kept as points come.
///
/// A point costs time in proportion to the window, and nothing is sorted. Ties have the mean of their
/// ranks, which makes the statistic smaller and a nomination rarer.
#[derive(Debug, Clone, Default)]
pub struct RankWindow {
    values: Vec<i64>,
    /// Twice the rank of each, from 2: with ties, ranks have halves.
    ranks: Vec<i32>,
}

/// Where a window is split best, and how well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// How many points lie before it; at least 1 of at least 2.
    pub before: usize,
    /// The standardised statistic of Mann and Whitney, without its sign.
    pub statistic: f64,
    /// Whether the points after it are the larger ones.
    pub rises: bool,
}

impl RankWindow {
    /// How many points there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Adds the next point; the oldest goes where the window is full. Whether one went.
    pub fn push(&mut self, value: i64) -> bool {
        let full = self.values.len() == WINDOW;
        if full {
            let gone = self.values.remove(0);
            self.ranks.remove(0);
            for (rank, other) in self.ranks.iter_mut().zip(&self.values) {
                *rank -= 2 * i32::from(*other > gone) + i32::from(*other == gone);
            }
        }
        let mut own = 2;
        for (rank, other) in self.ranks.iter_mut().zip(&self.values) {
            let (above, equal) = (i32::from(*other > value), i32::from(*other == value));
            *rank += 2 * above + equal;
            own += 2 * (1 - above) - equal;
        }
        self.values.push(value);
        self.ranks.push(own);
        full
    }

    /// The best split: the largest standardised statistic over all of them. `None` below two points.
    ///
    /// Hawkins and Deng 2010, equations 2 to 4: for `k` points before and `n - k` after, the sum of the
    /// ranks before has the mean `k (n + 1) / 2` and the variance `k (n - k) (n + 1) / 12` where all
    /// orders are equally likely.
    #[expect(clippy::cast_precision_loss, reason = "windows are short")]
    pub fn best_split(&self) -> Option<Split> {
        let count = self.len();
        let (mut best, mut before, mut rises, mut sum) = (-1.0, 0, false, 0);
        let double_mean = i32::try_from(count + 1).unwrap_or(i32::MAX);
        for (place, rank) in self.ranks[..count.saturating_sub(1)].iter().enumerate() {
            sum += rank - double_mean;
            let sizes = ((place + 1) * (count - place - 1)) as f64;
            let squared = f64::from(sum) * f64::from(sum) / sizes;
            if squared > best {
                (best, before, rises) = (squared, place + 1, sum < 0);
            }
        }
        // `sum` is of doubled ranks, so its variance is four times as large.
        let statistic = (best.max(0.0) * 3.0 / (count + 1) as f64).sqrt();
        (count >= 2).then_some(Split { before, statistic, rises })
    }
}
