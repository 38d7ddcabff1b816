//! The series that a test of a rule has, made so that conditions have given values.
//!
//! Samples are a minute apart, and rates constant, so that `rate` and `increase` are exact.

/// The minutes of samples that tests have.
pub(crate) const MINUTES: u32 = 120;
/// Those of a test that looks at yesterday.
const MINUTES_OF_YESTERDAY: u32 = 1560;
/// Of these, the last ones are of today.
const MINUTES_OF_TODAY: u32 = 40;

/// How values of conditions are brought about. All series have their labels.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// Each value is that of a gauge; a value that is not a number leaves the series out.
    Gauges(Vec<String>),
    /// The value is what a counter rises by in a second.
    PerSecond(String),
    /// The value is what a gauge rises by in five minutes.
    InFiveMinutes(String),
    /// A share of a counter, and the requests of both in five minutes.
    Share { good: String, bad: String },
    /// A 95 % quantile, and the events in five minutes.
    Quantile { bucket: String, count: String, threshold: f64 },
    /// The mean of a histogram, and the events in half an hour.
    Mean { sum: String, count: String },
    /// The mean of today in that of yesterday, the events in five minutes, and those in an hour of yesterday.
    Yesterday { sum: String, count: String },
}

/// A series with its samples, as promtool reads them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct InputSeries {
    pub(crate) series: String,
    pub(crate) values: String,
}

/// From zero, so much more each minute.
fn rising(series: &str, per_minute: f64) -> InputSeries {
    InputSeries { series: series.to_owned(), values: format!("0+{per_minute}x{MINUTES}") }
}

/// From zero, so much more each time and so often, and then so much.
pub(crate) fn rising_twice(first: (f64, u32), second: (f64, u32)) -> String {
    let begin = first.0 * f64::from(first.1) + second.0;
    let left = second.1.saturating_sub(1);
    format!("0+{}x{} {begin}+{}x{left}", first.0, first.1, second.0)
}

pub(crate) fn constant(series: &str, value: f64) -> InputSeries {
    InputSeries { series: series.to_owned(), values: format!("{value}+0x{MINUTES}") }
}

impl Input {
    /// Minutes between two evaluations: a day of them takes its time.
    pub(crate) const fn evaluated_every(&self) -> &'static str {
        match self {
            Self::Yesterday { .. } => "10m",
            _ => "1m",
        }
    }

    /// The minute at which an alert that holds for so long is looked at.
    pub(crate) fn looked_at(&self, minutes: u32) -> u32 {
        match self {
            Self::Yesterday { .. } => MINUTES_OF_YESTERDAY - 10,
            Self::Gauges(_) => 2 + minutes,
            // And that of half an hour.
            Self::Mean { .. } => 33 + minutes,
            // Once the windows of five minutes are full.
            _ => 8 + minutes,
        }
    }

    /// Series that give the conditions these values.
    pub(crate) fn series(&self, values: &[f64]) -> Vec<InputSeries> {
        match self {
            Self::Gauges(gauges) => {
                let given = gauges.iter().zip(values).filter(|(_, value)| !value.is_nan());
                given.map(|(series, value)| constant(series, *value)).collect()
            }
            Self::PerSecond(counter) => vec![rising(counter, values[0] * 60.0)],
            Self::InFiveMinutes(gauge) => vec![rising(gauge, values[0] / 5.0)],
            Self::Share { good, bad } => {
                let per_minute = values[1] / 5.0;
                vec![
                    rising(good, per_minute * (1.0 - values[0])),
                    rising(bad, per_minute * values[0]),
                ]
            }
            Self::Quantile { bucket, count, threshold } => {
                let mut series = quantile(bucket, *threshold, values);
                series.push(rising(count, values[1] / 5.0));
                series
            }
            Self::Mean { sum, count } => {
                let per_minute = values[1] / 30.0;
                vec![rising(sum, values[0] * per_minute), rising(count, per_minute)]
            }
            Self::Yesterday { sum, count } => yesterday(sum, count, values),
        }
    }
}

impl Input {
    /// A counter that rises by so much each minute of yesterday, and by another number today.
    pub(crate) fn until_today(series: String, yesterday: f64, today: f64) -> InputSeries {
        let before = MINUTES_OF_YESTERDAY - MINUTES_OF_TODAY;
        let values = rising_twice((yesterday, before), (today, MINUTES_OF_TODAY));
        InputSeries { series, values }
    }
}

/// Buckets at half the threshold, at it and at twice, so that interpolation gives the quantile.
fn quantile(bucket: &str, threshold: f64, values: &[f64]) -> Vec<InputSeries> {
    let (value, per_minute) = (values[0], values[1] / 5.0);
    let edges = [threshold / 2.0, threshold, threshold * 2.0];
    let above = usize::from(value > threshold);
    let place = (value - edges[above]) / (edges[above + 1] - edges[above]);
    let below = ((0.95 - place) / (1.0 - place)).max(0.0);
    let share = |index: usize| match index.cmp(&above) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => below,
        std::cmp::Ordering::Greater => 1.0,
    };
    let edge = |index: usize| edges.get(index).map_or("+Inf".to_owned(), ToString::to_string);
    let one = |index: usize| {
        let bucket = bucket.trim_end_matches('}');
        rising(&format!("{bucket},le=\"{}\"}}", edge(index)), per_minute * share(index))
    };
    (0..4).map(one).collect()
}

fn yesterday(sum: &str, count: &str, values: &[f64]) -> Vec<InputSeries> {
    let (ratio, today, yesterday) = (values[0], values[1] / 5.0, values[2] / 60.0);
    let of = |series: &str, today| Input::until_today(series.to_owned(), yesterday, today);
    // Each took a second yesterday.
    vec![of(sum, today * ratio), of(count, today)]
}
