//! Which labels the series have, so that a wrong name in a contract is told from a service without requests.

use std::collections::BTreeSet;

use perf_passport::contract::{ObservedRoute, WatchedService};

use super::{
    Measured, ObserveError, SeriesKey,
    error::{list, said},
};

/// Names and routes that are kept.
const KEPT_MAX: usize = 100;

/// The labels of what was read.
#[derive(Debug, Default)]
pub(super) struct SeenLabels {
    requests: OfMetric,
    buckets: OfMetric,
    routes: BTreeSet<ObservedRoute>,
}

/// Those of one metric.
#[derive(Debug, Default)]
struct OfMetric {
    is_there: bool,
    has_route: bool,
    has_method: bool,
    /// Labels that the contract gives no meaning.
    others: BTreeSet<String>,
}

impl SeenLabels {
    pub(super) fn see(&mut self, key: &SeriesKey) {
        let of_metric = match key.measured {
            Measured::Requests => &mut self.requests,
            Measured::Within(None) => &mut self.buckets,
            Measured::Within(Some(_)) | Measured::Count => return,
        };
        of_metric.is_there = true;
        of_metric.has_route |= !key.route.route.is_empty();
        of_metric.has_method |= !key.route.method.is_empty();
        for (label, _) in &key.others {
            if of_metric.others.len() < KEPT_MAX && !of_metric.others.contains(label) {
                of_metric.others.insert(label.clone());
            }
        }
        if key.measured == Measured::Requests
            && self.routes.len() < KEPT_MAX
            && !self.routes.contains(&key.route)
        {
            self.routes.insert(key.route.clone());
        }
    }

    /// Whether there is a counter of requests.
    pub(super) const fn has_requests(&self) -> bool {
        self.requests.is_there
    }

    /// Whether there is a histogram of durations.
    pub(super) const fn has_buckets(&self) -> bool {
        self.buckets.is_there
    }

    /// The routes that are there, as they are told.
    pub(super) fn routes(&self) -> String {
        let shown = |it: &ObservedRoute| said(&format!("{} {}", it.method, it.route));
        list(&self.routes.iter().map(shown).collect::<Vec<_>>())
    }

    /// Refuses series of which none has the label of routes, or that of methods.
    ///
    /// # Errors
    ///
    /// [`ObserveError::NoLabel`].
    pub(super) fn must_be_those_of(&self, service: &WatchedService) -> Result<(), ObserveError> {
        let buckets = format!("{}_bucket", service.metric);
        for (seen, metric) in [(&self.requests, &service.requests), (&self.buckets, &buckets)] {
            for (has, label, key) in [
                (seen.has_route, &service.route_label, "route_label"),
                (seen.has_method, &service.method_label, "method_label"),
            ] {
                if !seen.is_there || has {
                    continue;
                }
                let known = [
                    (seen.has_route, &service.route_label),
                    (seen.has_method, &service.method_label),
                ];
                let known = known.into_iter().filter(|it| it.0).map(|it| it.1);
                let there = known.chain(&seen.others).map(|it| format!("`{}`", said(it)));
                return Err(ObserveError::NoLabel {
                    metric: metric.clone(),
                    label: label.clone(),
                    key,
                    there: list(&there.collect::<Vec<_>>()),
                });
            }
        }
        Ok(())
    }
}
