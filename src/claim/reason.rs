//! Why claims have their verdicts.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;

/// Why a claim has its verdict, for programs; [`Reason::explain`] says it to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// PASS: every response was as expected.
    AsExpected,
    /// PASS: the cost is below the budget, or the figure reaches its floor.
    WithinBudget,
    /// PASS: no worse than the baseline, up to the tolerance.
    WithinTolerance,
    /// PASS: both builds load the same code and constants, and did the same when they were asked.
    SameCode,
    /// FAIL: a response had another status.
    UnexpectedStatus,
    /// FAIL: a response had another media type.
    UnexpectedContentType,
    /// FAIL: a response says that it is JSON, and its body is not.
    NotJson,
    /// FAIL: responses to the same request differ.
    ResponsesDiffer,
    /// FAIL: responses, or response and baseline, differ in the bytes of their JSON alone.
    BytesDiffer,
    /// FAIL: responses, or response and baseline, differ in compared headers alone.
    HeadersDiffer,
    /// FAIL: the contract ignores what no response has.
    IgnoresNothing,
    /// FAIL: the cost is not below the budget.
    OverBudget,
    /// FAIL: the figure is below the floor that the contract sets.
    BelowFloor,
    /// FAIL: the operation said a quality that is no finite number.
    NotANumber,
    /// FAIL: the time grows faster with the size than the contract allows.
    GrowsFaster,
    /// FAIL: the operation panicked.
    Panicked,
    /// FAIL: the operation was not done by its deadline.
    DeadlineExceeded,
    /// FAIL: dhat and the counting allocator disagree.
    OracleDisagrees,
    /// FAIL of the behaviour, ABSTAIN of every cost: the response is not the baseline's.
    ChangedWork,
    /// FAIL: worse than the baseline, and not within the tolerance.
    BeyondTolerance,
    /// ABSTAIN: there is no sample that counts.
    NoSample,
    /// ABSTAIN: one response shows no determinism, one sample has no confidence interval, and two
    /// sizes show no growth.
    TooFewSamples,
    /// ABSTAIN: the time was over before each row was timed that was to be.
    RowsNotCovered,
    /// ABSTAIN: what another tool wrote of the operation cannot be used.
    Unusable,
    /// ABSTAIN: another tool told a figure, and keeps no samples of it.
    NoSamplesKept,
    /// ABSTAIN: the confidence interval lies on both sides of the limit.
    Undecided,
    /// ABSTAIN: the slower requests were too slow, and other processes wanted the processor meanwhile.
    BusyMachine,
    /// ABSTAIN: the slower requests were too slow, and nobody knows whether other processes wanted the
    /// processor meanwhile.
    PressureUnknown,
    /// ABSTAIN: several processes hold less than the budget if they share what they may share, and else
    /// more.
    MemoryShared,
    /// ABSTAIN: the cost is known of some samples alone.
    NotAlwaysTold,
    /// ABSTAIN: nobody counted, or what is measured does not tell.
    NotObserved,
    /// ABSTAIN: tasks ran on other threads at the same time, and what they cost is nobody's.
    OtherThreads,
    /// ABSTAIN: the baseline does not have the subject, or not this figure of it.
    NotInBaseline,
    /// ABSTAIN: the responses differ among themselves, so they cannot be compared.
    NotDeterministic,
    /// ABSTAIN: toolchain, profile, target, database or source of the counts differ from the
    /// baseline's.
    IncomparableBuild,
    /// ABSTAIN: times of another session prove nothing about this one.
    StoredLatency,
    /// ABSTAIN: the sessions show the effect neither within the tolerance nor real and beyond it.
    UndecidedChange,
    /// ABSTAIN: the same sessions call a copy of the baseline slower, or miss an injected slowdown.
    NotCalibrated,
    /// ABSTAIN: the counts of one and the same build differ by too much.
    CountsVary,
    /// ABSTAIN: valgrind is not installed, so nobody counts instructions.
    ValgrindMissing,
    /// ABSTAIN: instructions were not counted.
    NotCounted,
    /// ABSTAIN: fewer sessions than the first look needs.
    TooFewSessions,
    /// ABSTAIN: the servers were running already, so all sessions asked the same processes.
    SameProcesses,
    /// ABSTAIN: the service's own time still fell when its warm-up was over.
    NotWarm,
    /// ABSTAIN: the round trip hides the time of a service that does not tell it.
    HiddenByTransport,
    /// ABSTAIN: what the service tells is within the tolerance, and the rest of the round trip got
    /// longer.
    NotAllTold,
    /// ABSTAIN: the code does not tell that part of its time.
    NotTold,
    /// ABSTAIN: the code tells that part of its time in steps that may hide a change.
    ToldCoarsely,
    /// ABSTAIN: the figure was taken over from a document that shows no evidence for it.
    Imported,
    /// ABSTAIN: the requests of production show neither that enough of them are good nor the contrary.
    TooLittleTraffic,
    /// ABSTAIN: fewer windows had a request than the spread between them needs.
    TooFewWindows,
    /// ABSTAIN: instances with different budgets were live.
    SeveralBudgets,
    /// ABSTAIN: the edges of the histogram leave open how many requests were over the budget.
    EdgeMissing,
    /// ABSTAIN: the counters were not read for more than a tenth of the time.
    CountersMissing,
    /// ABSTAIN: several processes count under one name.
    SeveralProcesses,
    /// ABSTAIN: a counter fell, and its process did not begin anew.
    CountersFell,
    /// ABSTAIN: the histogram contradicts itself.
    HistogramBroken,
    /// ABSTAIN: the counter of requests and the histogram have different numbers of them.
    CountsDisagree,
    /// ABSTAIN: requests that may be from before this time decide it.
    UnsureCounts,
    /// ABSTAIN: requests that had not ended decide it.
    Unfinished,
    /// ABSTAIN: a route fell silent when another one began, so that it may have another name.
    RoutesChanged,
}

impl Reason {
    /// What is so, as a fragment of a sentence.
    #[expect(clippy::too_many_lines, reason = "a table, with a line for each reason")]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::AsExpected => "as expected",
            Self::WithinBudget => "within the budget",
            Self::WithinTolerance => "within the tolerance of the baseline",
            Self::SameCode => "the same code: all that both builds load is equal",
            Self::UnexpectedStatus => "a response had another status",
            Self::UnexpectedContentType => "a response had another media type",
            Self::NotJson => "a response says that it is JSON, and its body is not",
            Self::BytesDiffer => "the same JSON in other bytes",
            Self::HeadersDiffer => "response headers differ",
            Self::IgnoresNothing => "an entry of `ignore` meets nothing in any response",
            Self::ResponsesDiffer => "responses differ",
            Self::OverBudget => "not below the budget",
            Self::BelowFloor => "below its floor",
            Self::NotANumber => "the operation told a value that is no finite number",
            Self::GrowsFaster => "the time grows faster with the size than that",
            Self::Panicked => "it panicked",
            Self::DeadlineExceeded => "it was not done by its deadline",
            Self::OracleDisagrees => "dhat and the counting allocator disagree",
            Self::ChangedWork => {
                "changed work: the response is not the baseline's, so it is neither faster nor slower"
            }
            Self::BeyondTolerance => "worse than the baseline, and not within the tolerance",
            Self::NoSample => "no sample that counts",
            Self::TooFewSamples => "too few samples",
            Self::RowsNotCovered => "the time was over before each row was timed",
            Self::Unusable => "what was written of it cannot be used",
            Self::NoSamplesKept => "the tool keeps no samples, and a figure alone proves nothing",
            Self::Undecided => "the confidence interval lies on both sides of the limit",
            Self::BusyMachine => {
                "some requests were slow while other processes wanted the processor"
            }
            Self::PressureUnknown => {
                "some requests were slow, and nobody knows whether other processes wanted the processor"
            }
            Self::MemoryShared => "its processes share memory, and nobody knows how much",
            Self::NotAlwaysTold => "the service tells it of some responses alone",
            Self::NotObserved => "nobody tells",
            Self::OtherThreads => "tasks on other threads had a part in it that cannot be told",
            Self::NotInBaseline => "not in the baseline",
            Self::NotDeterministic => "the responses differ among themselves",
            Self::IncomparableBuild => "built or counted otherwise than the baseline",
            Self::StoredLatency => "stored times of another session prove nothing",
            Self::UndecidedChange => "neither shown to be within the tolerance nor to be real",
            Self::NotCalibrated => {
                "the same sessions would misjudge an unchanged copy or miss an injected slowdown"
            }
            Self::CountsVary => "the counts of one build differ too much among themselves",
            Self::ValgrindMissing => "valgrind is not installed, so nobody counts instructions",
            Self::NotCounted => "instructions were not counted",
            Self::TooFewSessions => "too few sessions",
            Self::SameProcesses => "what stays with a process is not averaged out",
            Self::NotWarm => "the service's own time still fell when its warm-up was over",
            Self::HiddenByTransport => "the round trip hides the service's own time",
            Self::NotAllTold => "the round trip got longer by more than the service tells",
            Self::NotTold => "the code does not tell that part of its time",
            Self::ToldCoarsely => "the code tells it in steps that may hide a change",
            Self::Imported => "imported: the document shows no evidence for it",
            Self::TooLittleTraffic => "so many requests show neither one nor the other",
            Self::TooFewWindows => "fewer than 20 windows have a request",
            Self::SeveralBudgets => "instances with different budgets were live",
            Self::EdgeMissing => "no bucket of the histogram has its edge at the budget",
            Self::CountersMissing => "the counters were not read for more than a tenth of the time",
            Self::SeveralProcesses => "several processes count under one set of labels",
            Self::CountersFell => "a counter fell, and its process did not begin anew",
            Self::HistogramBroken => {
                "the histogram has more requests within a time than within a longer one, or than in all"
            }
            Self::CountsDisagree => {
                "the counter of requests and the histogram do not have the same requests"
            }
            Self::UnsureCounts => "requests that may be from before this time decide it",
            Self::Unfinished => "requests that had begun and not ended decide it",
            Self::RoutesChanged => "a route fell silent when one began that is not under contract",
        }
    }

    /// What to do about it, where it is known.
    pub const fn remedy(self) -> Option<&'static str> {
        Some(match self {
            Self::BytesDiffer => {
                "fix the order of keys and the white space, or set `compare_body = \"json\"`"
            }
            Self::HeadersDiffer => "fix the handler, or leave them out of `compare_headers`",
            Self::IgnoresNothing => "correct the pointer, or take it out",
            Self::ResponsesDiffer => "fix the handler, or list what may differ under `ignore`",
            Self::TooFewSamples | Self::Undecided => "take more samples",
            Self::RowsNotCovered => {
                "raise `seconds_max` in [sampling], or ask for fewer `samples`: rows then are a random part"
            }
            Self::BusyMachine => "measure on an idle machine",
            Self::PressureUnknown => {
                "measure where `/proc/pressure/cpu` can be read, or hold a lower quantile"
            }
            Self::NotAlwaysTold => "let it tell that with each response",
            Self::NotObserved => {
                "add the instrument layer to a service, the counting allocator to a harness, or do not claim it"
            }
            Self::OtherThreads => {
                "start tasks with `instrument::spawn`, or leave `multi_thread` out of the harness"
            }
            Self::NotInBaseline => "accept it with `passport baseline`",
            Self::IncomparableBuild => "renew it with `passport baseline`",
            Self::StoredLatency => "measure two builds side by side",
            Self::UndecidedChange | Self::TooFewSessions => "give it more time",
            Self::CountsVary => "raise `instructions_percent` for this check",
            Self::SameProcesses => "let --baseline-cmd and --current-cmd start the servers",
            Self::NotWarm => "give it more time, or raise `warm_seconds_max`",
            Self::HiddenByTransport => "let it tell that with `Server-Timing`",
            Self::NotAllTold => "let it tell all that it does, or nothing",
            Self::NotTold => "let it tell that with `Code::part`, or take out the tolerance",
            Self::ToldCoarsely => "let it tell that in nanoseconds",
            Self::TooLittleTraffic => "observe for longer",
            Self::TooFewWindows => "observe for longer, or scrape more often",
            Self::SeveralBudgets => "observe once one build is live",
            Self::EdgeMissing => "add the edge",
            Self::CountersMissing => "look for why the service was not scraped",
            Self::SeveralProcesses => "scrape each process at an address of its own",
            Self::CountersFell => "look for who sets it back, or joins counters of several sources",
            Self::HistogramBroken => "look for how its buckets are made",
            Self::CountsDisagree => "count and time each request",
            Self::UnsureCounts => {
                "observe a time in which no labels change, or expose `process_start_time_seconds`"
            }
            Self::Unfinished => "look for requests that hang, or observe for longer",
            Self::RoutesChanged => "look whether a route was renamed: see the mix",
            _ => return None,
        })
    }

    /// Both, as a fragment of a sentence.
    pub fn sentence(self) -> String {
        let explained = self.explain();
        self.remedy()
            .map_or_else(|| explained.to_owned(), |remedy| format!("{explained}: {remedy}"))
    }

    /// The verdict that a claim has for this reason.
    ///
    /// [`Self::ChangedWork`] is a FAIL of the behaviour alone.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::AsExpected | Self::WithinBudget | Self::WithinTolerance | Self::SameCode => {
                Verdict::Pass
            }
            Self::UnexpectedStatus
            | Self::UnexpectedContentType
            | Self::NotJson
            | Self::ResponsesDiffer
            | Self::BytesDiffer
            | Self::HeadersDiffer
            | Self::IgnoresNothing
            | Self::OverBudget
            | Self::BelowFloor
            | Self::NotANumber
            | Self::GrowsFaster
            | Self::Panicked
            | Self::DeadlineExceeded
            | Self::OracleDisagrees
            | Self::BeyondTolerance => Verdict::Fail,
            _ => Verdict::Abstain,
        }
    }
}

impl fmt::Display for Reason {
    /// The name as the passport has it: `over-budget`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
