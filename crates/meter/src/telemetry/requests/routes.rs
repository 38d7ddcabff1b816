//! [`RouteTable`]: the figures of each route, found without a lock and without an allocation. Adding a
//! route takes both.

use std::{
    iter,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{
            AtomicU16, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use super::labels::{CLASSES, Class, METHODS, MethodLabel};
use crate::telemetry::{
    edges::BucketEdges,
    histogram::Distribution,
    names::{OTHER, kept, quick_hash},
};

/// Routes that are told apart where nothing else is said.
pub const ROUTES_MAX: usize = 500;

/// Label sets of method and status that there are for each of these routes, in the mean. So strangers who
/// ask with every method make no scrape too long.
const SETS_A_ROUTE: usize = 8;

/// The route of a request for which the service has none.
const UNMATCHED: &str = "<unmatched>";

/// Slots by hash, with linear probing; never more than half of them are taken, and none is freed. Behind
/// them stand two more: of requests without a route, and of all routes beyond the ceiling.
pub(in crate::telemetry) struct RouteTable {
    edges: BucketEdges,
    slots: Box<[OnceLock<Box<Route>>]>,
    mask: usize,
    taken: AtomicUsize,
    adding: Mutex<()>,
    max: usize,
    /// Label sets that have figures. Those beyond `SETS_A_ROUTE * max` are of all other routes.
    sets: AtomicUsize,
}

struct Route {
    name: Box<str>,
    /// A bit for each method of which a request began.
    begun: AtomicU16,
    series: [OnceLock<Box<Distribution>>; METHODS.len() * CLASSES.len()],
}

impl Route {
    fn new(name: &str) -> Box<Self> {
        let series = [const { OnceLock::new() }; _];
        Box::new(Self { name: name.into(), begun: AtomicU16::new(0), series })
    }

    #[inline]
    fn begin(&self, method: usize) {
        let bit = 1 << method;
        // Mostly set, and then nothing is written that other threads read.
        if self.begun.load(Relaxed) & bit == 0 {
            self.begun.fetch_or(bit, Relaxed);
        }
    }
}

impl RouteTable {
    pub(super) fn new(max: usize, edges: BucketEdges) -> Self {
        let max = max.clamp(1, 100_000);
        let size = (2 * max).next_power_of_two();
        let slots: Box<[_]> = iter::repeat_with(OnceLock::new).take(size + 2).collect();
        let _ = slots[size].set(Route::new(UNMATCHED));
        let _ = slots[size + 1].set(Route::new(OTHER));
        Self {
            edges,
            slots,
            mask: size - 1,
            taken: AtomicUsize::new(0),
            adding: Mutex::new(()),
            max,
            sets: AtomicUsize::new(0),
        }
    }

    /// The place of a route, which is its own unless there are too many.
    #[inline]
    pub(super) fn place(&self, template: Option<&str>) -> u32 {
        let Some(template) = template.map(kept) else {
            return index(self.mask + 1);
        };
        let mut slot = self.start(template);
        while let Some(route) = self.slots[slot].get() {
            if *route.name == *template {
                return index(slot);
            }
            slot = (slot + 1) & self.mask;
        }
        self.added(template, slot)
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
    fn start(&self, template: &str) -> usize {
        quick_hash(template.as_bytes(), 0) as usize & self.mask
    }

    /// Fills the first free slot from `slot` on, unless another thread did so for this route meanwhile. One
    /// thread at a time adds, so that the number of routes is exact; when all are taken, nobody waits.
    #[cold]
    fn added(&self, template: &str, mut slot: usize) -> u32 {
        let is_full = self.taken.load(Acquire) >= self.max;
        let _adding =
            (!is_full).then(|| self.adding.lock().unwrap_or_else(PoisonError::into_inner));
        while let Some(route) = self.slots[slot].get() {
            if *route.name == *template {
                return index(slot);
            }
            slot = (slot + 1) & self.mask;
        }
        if self.taken.load(Relaxed) >= self.max {
            return index(self.mask + 2);
        }
        let _ = self.slots[slot].set(Route::new(template));
        self.taken.fetch_add(1, Release);
        index(slot)
    }

    /// A request of a method began: what fails of these is shown from now on, so that Prometheus sees a
    /// zero before the first failure.
    #[inline]
    pub(super) fn begin(&self, place: u32, method: MethodLabel) {
        if let Some(route) = self.slots[place as usize].get() {
            route.begin(method.index());
        }
    }

    pub(super) fn name(&self, place: u32) -> &str {
        self.slots[place as usize].get().map_or(OTHER, |route| &route.name)
    }

    /// The figures of a route, method and class, which are made when the first request has ended.
    #[inline]
    pub(super) fn series(&self, place: u32, method: MethodLabel, class: Class) -> &Distribution {
        // A place was given out after its slot was filled.
        let route = self.slots[place as usize].get_or_init(|| Route::new(OTHER));
        let number = method.index() * CLASSES.len() + class.index();
        match route.series[number].get() {
            Some(series) => series,
            None => self.first(route, number),
        }
    }

    /// The figures of a label set of which no request ended so far.
    #[cold]
    fn first<'a>(&'a self, own: &'a Route, number: usize) -> &'a Distribution {
        let is_full = self.sets.load(Acquire) >= SETS_A_ROUTE * self.max;
        let others = self.slots[self.mask + 2].get().filter(|_| is_full);
        let route = others.map_or(own, |route| &**route);
        route.begin(number / CLASSES.len());
        route.series[number].get_or_init(|| {
            self.sets.fetch_add(1, Release);
            Box::new(Distribution::new(self.edges.clone()))
        })
    }

    /// Every label set there is, with its figures. Failures have none before the first of them.
    pub(super) fn each(&self, mut visit: impl FnMut(&str, &str, &str, Option<&Distribution>)) {
        for route in self.slots.iter().filter_map(OnceLock::get) {
            let begun = route.begun.load(Relaxed);
            for (number, series) in route.series.iter().enumerate() {
                let (method, class) = (number / CLASSES.len(), number % CLASSES.len());
                let fails = [Class::FAILED, Class::ABORTED].iter().any(|it| it.index() == class);
                let series = series.get().map(|series| &**series);
                if series.is_some() || (fails && begun & (1 << method) != 0) {
                    visit(&route.name, METHODS[method], CLASSES[class], series);
                }
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "there are at most 262,146 slots")]
const fn index(slot: usize) -> u32 {
    slot as u32
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn table(max: usize) -> RouteTable {
        RouteTable::new(max, BucketEdges::latency())
    }

    #[test]
    fn a_route_keeps_its_place() {
        let table = table(10);
        let place = table.place(Some("/a/{id}"));
        assert_eq!(table.place(Some("/a/{id}")), place);
        assert_ne!(table.place(Some("/b")), place);
        assert_eq!(table.name(place), "/a/{id}");
        assert_eq!(table.name(table.place(None)), UNMATCHED);
    }

    #[test]
    fn routes_beyond_the_most_are_one() {
        let table = table(3);
        let names: Vec<String> = (0..100).map(|it| format!("/{it}")).collect();
        for _ in 0..2 {
            let shown = names.iter().map(|it| table.name(table.place(Some(it))).to_owned());
            let shown: Vec<String> = shown.collect();
            assert_eq!(shown[..3], ["/0", "/1", "/2"]);
            assert!(shown[3..].iter().all(|it| it == OTHER), "{shown:?}");
        }
    }

    #[test]
    fn label_sets_beyond_the_most_are_of_other_routes() {
        let table = table(3);
        let statuses = [200, 300, 400, 500].map(|it| http::StatusCode::from_u16(it).unwrap());
        for _ in 0..2 {
            for (route, method) in (0..3).flat_map(|route| (0..9).map(move |it| (route, it))) {
                let place = table.place(Some(&format!("/{route}")));
                let method = Method::from_bytes(METHODS[method].as_bytes()).unwrap();
                for status in statuses {
                    let series = table.series(place, MethodLabel::of(&method), Class::of(status));
                    series.observe(1);
                }
            }
        }
        let (mut own, mut other, mut count) = (0, 0, 0);
        table.each(|route, _, _, series| {
            let Some(series) = series else { return };
            *(if route == OTHER { &mut other } else { &mut own }) += 1;
            count += series.snapshot().count();
        });
        assert_eq!((own, other, count), (3 * SETS_A_ROUTE, 36, 2 * 3 * 36));
    }

    #[test]
    fn failures_are_shown_before_the_first() {
        let table = table(3);
        let place = table.place(Some("/a"));
        let shown = || {
            let mut shown = Vec::new();
            table.each(|route, method, class, series| {
                shown.push(format!("{route} {method} {class} {}", series.is_some()));
            });
            shown
        };
        assert!(shown().is_empty());
        table.begin(place, MethodLabel::of(&Method::PUT));
        assert_eq!(shown(), ["/a PUT 5xx false", "/a PUT aborted false"]);
        table.series(place, MethodLabel::of(&Method::PUT), Class::FAILED).observe(1);
        assert_eq!(shown(), ["/a PUT 5xx true", "/a PUT aborted false"]);
    }

    #[test]
    fn threads_that_come_together_get_one_place() {
        let table = table(64);
        let names: Vec<String> = (0..64).map(|it| format!("/{it}")).collect();
        let get = MethodLabel::of(&Method::GET);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (table, names) = (&table, &names);
                scope.spawn(move || {
                    for number in 0..640 {
                        let name = &names[(number * (2 * thread + 1)) % 64];
                        let place = table.place(Some(name));
                        assert_eq!(table.name(place), name);
                        table.series(place, get, Class::FAILED).observe(1);
                    }
                });
            }
        });
        let mut seen = Vec::new();
        table.each(|route, _, class, series| {
            seen.push(route.to_owned());
            let count = series.map_or(0, |it| it.snapshot().count());
            assert_eq!(count, if class == "5xx" { 40 } else { 0 });
        });
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 64);
    }
}
