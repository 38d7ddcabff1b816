//! Paired latency: whether one build is slower than another, decided on interleaved samples.
//!
//! A **session** is a fresh pair of processes that answered the same requests in turns on the same
//! processor. Its **effect** is the median, over its pairs, of how much longer the one took than the
//! other. Whatever slows the machine for longer than two requests slows both sides of a pair alike
//! and cancels; what stays with a process for its whole life (its place in memory, the placement of
//! its file) does not, and is averaged out by more sessions, never by longer ones. So the unit of
//! evidence is the session, and a bound holds for the median over sessions.
//!
//! [`Policy`] names the rule and has its thresholds. The rules, `rule_1` for workers and `rule_2` for servers, say where
//! they come from, and stay when there is a better one: a passport is decided on by the rule that it names.
//! [`decide`] is pure and comes to the same on every machine, so that [`crate::passport::verify`] reaches
//! the same verdict from the pairs, to the last bit. Nothing here starts a process or reads a clock.
//!
//! [`InstructionCounts`] hardly vary, and not with what else the machine does, so a few processes are
//! enough; [`decide_instructions`] is as pure. [`grown`] names the functions that [`Instructions`] grew in.

mod certificate;
mod decide;
mod decide_instructions;
mod decision;
mod evidence;
mod instruction_counts;
mod instructions;
mod instructions_rule_1;
mod policy;
mod rule_1;
mod rule_2;
mod thresholds;

pub use certificate::Certificate;
pub use decide::{decide, decide_anchor, is_decided};
pub use decide_instructions::decide_instructions;
pub use decision::{Decision, Outcome, Spread};
pub use evidence::{Effect, HIDDEN_BELOW, OverHttp, Paired, Pairs, Session, TimeOf, WarmUp};
pub use instruction_counts::{
    CountedPair, InstructionCounts, InstructionDecision, SampleCounts, Uncounted, WhyUncounted,
};
pub use instructions::{FunctionCost, FunctionGrowth, Instructions, change_ppm, grown};
// As many as the latest rule asks for.
pub use instructions_rule_1::{PAIRS_ALONE_MAX, SAMPLES_ALONE, SAMPLES_AMONG_OTHERS};
pub use policy::{Bound, ComparedBuilds, LAYOUTS_MIN, LINKS, Policy};
pub use rule_2::{FALLING_MAX, is_cold};
