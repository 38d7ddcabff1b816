//! [`RouteTable`]: the figures of each route, found without a lock and without an allocation. Adding a
//! route takes both.

use std::{
    iter,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{
            AtomicUsize,
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
}

struct Route {
    name: Box<str>,
    series: [OnceLock<Box<Distribution>>; METHODS.len() * CLASSES.len()],
}

impl Route {
    fn new(name: &str) -> Box<Self> {
        Box::new(Self { name: name.into(), series: [const { OnceLock::new() }; _] })
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

    pub(super) fn name(&self, place: u32) -> &str {
        self.slots[place as usize].get().map_or(OTHER, |route| &route.name)
    }

    /// The figures of a route, method and class, which are made when the first request has ended.
    #[inline]
    pub(super) fn series(&self, place: u32, method: MethodLabel, class: Class) -> &Distribution {
        // A place was given out after its slot was filled.
        let route = self.slots[place as usize].get_or_init(|| Route::new(OTHER));
        let series = &route.series[method.index() * CLASSES.len() + class.index()];
        series.get_or_init(|| Box::new(Distribution::new(self.edges.clone())))
    }

    /// Every series there is, with its labels.
    pub(super) fn each(&self, mut visit: impl FnMut(&str, &str, &str, &Distribution)) {
        for route in self.slots.iter().filter_map(OnceLock::get) {
            for (number, series) in route.series.iter().enumerate() {
                if let Some(series) = series.get() {
                    let method = METHODS[number / CLASSES.len()];
                    visit(&route.name, method, CLASSES[number % CLASSES.len()], series);
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
        table.each(|route, _, _, series| {
            seen.push(route.to_owned());
            assert_eq!(series.snapshot().count(), 40);
        });
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 64);
    }
}
