//! What is compared of two builds: a check of a service, an operation at one of its sizes, or a part of that.
//!
//! Sessions, policy and decisions do not care which; what differs is asked of here.

use perf_passport::{
    contract::{Check, Contract, Operation, SubjectId, TimePart},
    passport::Comparison,
    units::{Nanos, Ppm},
};

use crate::deadlines::FIXTURE_TIME;

/// Time beyond what its work may take that an answer may take.
const GRACE: Nanos = Nanos::new(10_000_000_000);

/// One thing that is compared.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A check.
    Check(&'a Check),
    /// An operation at one size, where it has any.
    Case(&'a Operation, Option<u64>),
    /// A part of the time of an operation at one size, as it tells it.
    Part(&'a Operation, Option<u64>, TimePart),
}

impl<'a> From<&'a Check> for Item<'a> {
    fn from(check: &'a Check) -> Self {
        Self::Check(check)
    }
}

impl<'a> Item<'a> {
    /// An operation at each of its sizes.
    pub fn cases(operation: &'a Operation) -> impl Iterator<Item = Self> {
        operation.cases().into_iter().map(move |size| Self::Case(operation, size))
    }

    /// An operation at one size, and the parts of its time that are compared.
    pub(super) fn case_and_parts(
        operation: &'a Operation,
        size: Option<u64>,
    ) -> impl Iterator<Item = Self> {
        let parts = operation.tolerance.parts();
        let parts = parts.map(move |(part, _)| Self::Part(operation, size, part));
        std::iter::once(Self::Case(operation, size)).chain(parts)
    }

    /// Its name among all that is compared: that of a check, or `operation::name/size`, which no
    /// check has; of a part with its name after that and a colon, which no operation has.
    pub fn id(&self) -> String {
        match self {
            Self::Check(check) => check.id(),
            Self::Case(operation, size) => {
                SubjectId::Operation(&operation.case_name(*size)).to_string()
            }
            Self::Part(_, _, part) => format!("{}:{}", self.subject_id(), part.name()),
        }
    }

    /// The name of what a passport has a record of: that of the operation, for a part of its time.
    pub(super) fn subject_id(&self) -> String {
        match self {
            Self::Part(operation, size, _) => Self::Case(operation, *size).id(),
            Self::Check(_) | Self::Case(..) => self.id(),
        }
    }

    /// The check that it is.
    pub fn check(&self) -> Option<&'a Check> {
        match self {
            Self::Check(check) => Some(check),
            Self::Case(..) | Self::Part(..) => None,
        }
    }

    /// How much slower than the baseline it may be.
    pub fn tolerance(&self) -> Ppm {
        match self {
            Self::Check(check) => check.tolerance.regression_ppm,
            Self::Case(operation, _) => operation.tolerance.latency_ppm,
            Self::Part(operation, _, part) => {
                operation.tolerance.of_part(*part).unwrap_or_default()
            }
        }
    }

    /// Whether the anchor takes turns of it, unless its name is one of those that the anchor lacks. What is claimed
    /// against the anchor is the whole time.
    pub(super) fn is_anchored(&self, lacking: &[String]) -> bool {
        !matches!(self, Self::Part(..)) && !lacking.contains(&self.id())
    }

    /// Whether the anchor takes turns of it in this comparison.
    pub(super) fn is_anchored_in(&self, comparison: &Comparison) -> bool {
        comparison.anchor.is_some() && self.is_anchored(&comparison.checks_not_in_anchor)
    }

    /// The state of the service that it needs.
    pub(super) fn fixture(&self) -> Option<&'a str> {
        self.check().map(|check| check.fixture.as_str())
    }

    /// The time within which it must be ready to take turns.
    pub(super) fn ready_time(&self) -> Nanos {
        match self {
            Self::Check(_) => FIXTURE_TIME,
            Self::Case(operation, _) | Self::Part(operation, ..) => {
                GRACE.saturating_add(operation.deadline)
            }
        }
    }

    /// The time within which a turn must be over.
    pub(super) fn turn_time(&self, contract: &Contract, samples: u32) -> Nanos {
        let time = match self {
            Self::Check(check) => {
                let requests = check.sent_per_sample().saturating_mul(u64::from(samples));
                contract.sampling.timeout.saturating_mul(requests)
            }
            Self::Case(operation, _) | Self::Part(operation, ..) => operation.deadline,
        };
        GRACE.saturating_add(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_and_an_operation_have_names_and_tolerances_of_their_own() {
        let text = "schema_version = 1\nname = \"a\"\n[[endpoint]]\nname = \"sort\"\npath = \"/\"\n\
                    [[endpoint.variant]]\nname = \"10\"\n[[operation]]\nname = \"sort\"\n\
                    sizes = [10, 20]\ntolerance = { latency_percent = 10 }\n[[operation]]\nname = \"one\"\n\
                    budgets = { allocations_max = 1 }\ntolerance = { render_percent = 15 }\n";
        let contract = Contract::parse(text).unwrap();
        let mut items: Vec<Item<'_>> = contract.checks.iter().map(Item::from).collect();
        items.extend(contract.operations.iter().flat_map(Item::cases));
        let ids: Vec<String> = items.iter().map(Item::id).collect();
        let expected = ["sort/10", "operation::sort/10", "operation::sort/20", "operation::one"];
        assert_eq!(ids, expected);
        let one: Vec<Item<'_>> = Item::case_and_parts(&contract.operations[1], None).collect();
        let of_one: Vec<_> =
            one.iter().map(|it| (it.id(), it.subject_id(), it.tolerance().get())).collect();
        let id = "operation::one".to_owned();
        let part = ("operation::one:render".to_owned(), id.clone(), 150_000);
        assert_eq!(of_one, [(id.clone(), id, 50_000), part]);
        let tolerances: Vec<u64> = items.iter().map(|it| it.tolerance().get()).collect();
        assert_eq!(tolerances, [50_000, 100_000, 100_000, 50_000]);
    }
}
