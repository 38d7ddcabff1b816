//! A panel of Grafana as a row of data.

use serde_json::{Value, json};

/// What a panel draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drawing {
    /// Lines over time.
    Lines,
    /// One number.
    Number,
    /// The buckets of a histogram over time.
    HeatMap,
    /// Labels of the newest samples.
    Table,
}

/// A panel: what it asks, and how it shows that.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) drawing: Drawing,
    /// A unit of Grafana, such as `s` or `percentunit`.
    pub(crate) unit: &'static str,
    /// Expressions, each with what its series are called.
    pub(crate) queries: Vec<(String, String)>,
}

/// Columns of a dashboard.
const COLUMNS: u32 = 24;

impl Drawing {
    const fn kind(self) -> &'static str {
        match self {
            Self::Lines => "timeseries",
            Self::Number => "stat",
            Self::HeatMap => "heatmap",
            Self::Table => "table",
        }
    }

    /// Columns and rows.
    const fn size(self) -> (u32, u32) {
        match self {
            Self::Number => (6, 4),
            Self::Lines | Self::HeatMap => (12, 8),
            Self::Table => (12, 6),
        }
    }
}

impl Panel {
    pub(crate) fn of(
        drawing: Drawing,
        title: impl Into<String>,
        unit: &'static str,
        queries: &[(&str, &str)],
    ) -> Self {
        let owned = |(query, legend): &(&str, &str)| ((*query).to_owned(), (*legend).to_owned());
        Self { title: title.into(), drawing, unit, queries: queries.iter().map(owned).collect() }
    }

    fn to_json(&self, id: usize, place: [u32; 4]) -> Value {
        let [x, y, w, h] = place;
        let is_now = self.drawing == Drawing::Table;
        let target = |(index, (query, legend)): (usize, &(String, String))| {
            json!({
                "datasource": datasource(),
                "expr": query,
                "format": match self.drawing {
                    Drawing::HeatMap => "heatmap",
                    Drawing::Table => "table",
                    Drawing::Lines | Drawing::Number => "time_series",
                },
                "instant": is_now,
                "legendFormat": legend,
                "refId": char::from(b'A' + u8::try_from(index).unwrap_or_default()).to_string(),
            })
        };
        let options = match self.drawing {
            Drawing::HeatMap => json!({
                "calculate": false,
                "color": { "mode": "scheme", "scheme": "Oranges" },
                "yAxis": { "unit": self.unit },
            }),
            Drawing::Number => json!({ "reduceOptions": { "calcs": ["lastNotNull"] } }),
            Drawing::Lines | Drawing::Table => json!({}),
        };
        json!({
            "id": id,
            "title": self.title,
            "type": self.drawing.kind(),
            "datasource": datasource(),
            "fieldConfig": { "defaults": { "unit": self.unit }, "overrides": [] },
            "gridPos": { "h": h, "w": w, "x": x, "y": y },
            "options": options,
            "targets": self.queries.iter().enumerate().map(target).collect::<Vec<_>>(),
        })
    }
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Panels beside each other, and below where a row is full.
pub(crate) fn laid_out(panels: &[Panel]) -> Vec<Value> {
    let (mut x, mut y, mut row) = (0, 0, 0);
    let mut laid = Vec::new();
    for (index, panel) in panels.iter().enumerate() {
        let (width, height) = panel.drawing.size();
        if x + width > COLUMNS || (row != 0 && row != height) {
            (x, y) = (0, y + row);
        }
        laid.push(panel.to_json(index + 1, [x, y, width, height]));
        (x, row) = (x + width, height);
    }
    laid
}
