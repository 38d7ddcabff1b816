//! An alert as data: conditions with thresholds, and how a test brings each about.

use std::collections::BTreeMap;

use crate::{
    input::{Input, InputSeries},
    rule::{Annotations, Rule},
};

/// An alert of a service.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) name: String,
    /// The page that tells what to do, without its ending.
    pub(crate) page: &'static str,
    pub(crate) severity: Severity,
    /// How long the conditions hold before it fires.
    pub(crate) minutes: u32,
    /// The service.
    pub(crate) job: String,
    /// The objective that it is of.
    pub(crate) slo: Option<String>,
    /// Objectives whose alert of this name fires on the same series, this one's among them.
    pub(crate) fire_together: Vec<String>,
    /// All must hold. The value of the first is that of the alert.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) summary: String,
    pub(crate) description: String,
    /// Labels beside these of the rule and `job` that its series have.
    pub(crate) series_labels: Vec<(String, String)>,
    pub(crate) input: Input,
    /// Series that are there in each of its tests.
    pub(crate) besides: Vec<InputSeries>,
    /// Further tests in which it is quiet, each with what it is of.
    pub(crate) quiet_at: Vec<(&'static str, Vec<InputSeries>)>,
}

/// Who is told, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Somebody is woken up.
    Critical,
    /// Somebody looks at it in the daytime.
    Warning,
}

impl Severity {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// An expression, and what must hold of it.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) holds: Holds,
    /// What joins it with the one before.
    pub(crate) join: &'static str,
}

/// What must hold of an expression.
#[derive(Debug, Clone)]
pub(crate) enum Holds {
    /// It compares so with a threshold.
    Compared(Threshold),
    /// It has a value.
    Present,
    /// It has a value where a series has none.
    Absent,
}

#[derive(Debug, Clone)]
pub(crate) struct Threshold {
    /// `>`, `>=`, `<` or `==`.
    pub(crate) operator: &'static str,
    /// A decimal number.
    pub(crate) value: String,
    pub(crate) kind: ThresholdKind,
}

/// What a threshold is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ThresholdKind {
    /// Any number.
    Any,
    /// A share of requests, which is 1 at most.
    Share,
    /// The least traffic that the alert wants.
    Floor,
}

impl Condition {
    pub(crate) fn of(expression: impl Into<String>, operator: &'static str, value: &str) -> Self {
        Self::compared(expression.into(), operator, value, ThresholdKind::Any)
    }

    /// That a share of requests is above this.
    pub(crate) fn share(expression: impl Into<String>, value: &str) -> Self {
        Self::compared(expression.into(), ">", value, ThresholdKind::Share)
    }

    /// That there is at least so much traffic.
    pub(crate) fn floor(expression: impl Into<String>, value: &str) -> Self {
        Self::compared(expression.into(), ">=", value, ThresholdKind::Floor)
    }

    fn compared(
        expression: String,
        operator: &'static str,
        value: &str,
        kind: ThresholdKind,
    ) -> Self {
        let threshold = Threshold { operator, value: value.to_owned(), kind };
        Self { expression, holds: Holds::Compared(threshold), join: "and" }
    }

    /// That there is a series.
    pub(crate) fn present(series: impl Into<String>) -> Self {
        Self { expression: series.into(), holds: Holds::Present, join: "and" }
    }

    /// That there is none of these series, by an expression which has a value then.
    pub(crate) fn absent(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), holds: Holds::Absent, join: "and" }
    }

    /// That the series of the condition before have none with the same labels here.
    pub(crate) fn unless(series: impl Into<String>) -> Self {
        Self { join: "unless", ..Self::absent(series) }
    }

    /// The same, whatever labels the one before has.
    pub(crate) fn whatever_labels(self) -> Self {
        Self { join: "and on ()", ..self }
    }
}

impl Condition {
    /// A value at which it holds or not; `share` of the threshold away from it. That of a series which is
    /// not there is not a number.
    pub(crate) fn value(&self, holds: bool, share: f64) -> f64 {
        match &self.holds {
            Holds::Compared(threshold) => threshold.beside(holds, share),
            Holds::Present if holds => 1.0,
            Holds::Absent if !holds => 1.0,
            Holds::Present | Holds::Absent => f64::NAN,
        }
    }

    /// The least traffic, where the condition is of that.
    pub(crate) fn floor_value(&self) -> Option<f64> {
        match &self.holds {
            Holds::Compared(it) if it.kind == ThresholdKind::Floor => Some(it.number()),
            _ => None,
        }
    }
}

impl Threshold {
    fn number(&self) -> f64 {
        self.value.parse().expect("thresholds are decimal numbers")
    }

    fn beside(&self, holds: bool, share: f64) -> f64 {
        let number = self.number();
        match (self.operator, holds) {
            ("==", true) => number,
            ("==", false) => number + 1.0,
            ("<", true) | (">" | ">=", false) => number * (1.0 - share),
            // No more than all requests are bad.
            _ if self.kind == ThresholdKind::Share => (number * (1.0 + share)).min(1.0),
            _ => number * (1.0 + share),
        }
    }
}

impl Alert {
    /// The expression of the rule.
    pub(crate) fn expression(&self) -> String {
        let mut text = String::new();
        for condition in &self.conditions {
            if !text.is_empty() {
                text += &format!("\n{}\n", condition.join);
            }
            text += &condition.expression;
            if let Holds::Compared(Threshold { operator, value, .. }) = &condition.holds {
                text += &format!(" {operator} {value}");
            }
        }
        text
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([("severity".to_owned(), self.severity.name().to_owned())]);
        if self.conditions.iter().any(|it| matches!(it.holds, Holds::Absent)) {
            // What is not there has no labels.
            labels.insert("job".to_owned(), self.job.clone());
        }
        labels.extend(self.slo.iter().map(|slo| ("slo".to_owned(), slo.clone())));
        labels
    }

    pub(crate) fn rule(&self, runbooks: &str) -> Rule {
        Rule {
            alert: Some(self.name.clone()),
            expr: self.expression(),
            hold: Some(format!("{}m", self.minutes)),
            labels: self.labels(),
            annotations: Some(Annotations {
                description: self.description.clone(),
                runbook_url: format!("{runbooks}{}.md", self.page),
                summary: self.summary.clone(),
            }),
            ..Rule::default()
        }
    }
}
