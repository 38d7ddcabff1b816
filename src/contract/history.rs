//! `[history]`: how stored passports are looked at over commits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ContractError;

/// One false suspicion in so many commits, where the contract does not say it.
pub const COMMITS_PER_FALSE_NOMINATION: u32 = 3000;

/// The numbers that a chart has thresholds for lie between these.
const LEAST: u32 = 100;
const MOST: u32 = 30_000;

/// The longest name of a subject.
const NAME_MAX: usize = 400;

/// `[history]`: how stored passports are looked at over commits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HistoryDocument {
    /// In how many commits a series of times without a change nominates one by chance, on average; 100 to
    /// 30,000. Default 3000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 100, max = 30_000)))]
    pub commits_per_false_nomination: Option<u32>,
    /// What subjects were called before, by what they are called now: `endpoint`, `endpoint/variant` or
    /// `operation::name`. Their series are joined.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub renamed_from: BTreeMap<String, String>,
}

impl HistoryDocument {
    /// In how many commits a series without a change may nominate one.
    pub fn commits_per_false_nomination(&self) -> u32 {
        self.commits_per_false_nomination.unwrap_or(COMMITS_PER_FALSE_NOMINATION)
    }

    pub(super) fn check(&self) -> Result<(), ContractError> {
        let commits = self.commits_per_false_nomination();
        if !(LEAST..=MOST).contains(&commits) {
            let message = format!("{commits} is not a number of commits from {LEAST} to {MOST}");
            return Err(ContractError::meaning("commits_per_false_nomination", message));
        }
        for (now, before) in &self.renamed_from {
            let long = now.len().max(before.len()) > NAME_MAX;
            let message = if now.is_empty() || before.is_empty() || long {
                format!("a name of a subject has 1 to {NAME_MAX} characters")
            } else if self.is_circle(now) {
                format!("`{}` is renamed from itself", now.escape_default())
            } else {
                continue;
            };
            return Err(ContractError::meaning("renamed_from", message));
        }
        Ok(())
    }

    /// Whether what a subject was called before, and before that, leads back to its name.
    fn is_circle(&self, now: &str) -> bool {
        let mut name = now;
        for _ in 0..=self.renamed_from.len() {
            match self.renamed_from.get(name) {
                Some(before) if before == now => return true,
                Some(before) => name = before,
                None => return false,
            }
        }
        // It leads into a circle of others, which is found at one of them.
        false
    }
}
