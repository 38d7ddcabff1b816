//! Rules that are to be checked.

use crate::{error::MonitorError, named_file::NamedFile, rule::RuleFile};

/// A file of rules.
#[derive(Debug, Clone)]
pub(super) struct NamedRules {
    pub(super) name: String,
    pub(super) rules: RuleFile,
}

/// The rules of files.
///
/// # Errors
///
/// [`MonitorError::Unreadable`] where one is no YAML, or has no rules.
pub(super) fn rules(files: &[NamedFile]) -> Result<Vec<NamedRules>, MonitorError> {
    let one = |file: &NamedFile| match serde_norway::from_str(&file.text) {
        Ok(rules) => Ok(NamedRules { name: file.name.clone(), rules }),
        Err(error) => {
            Err(MonitorError::Unreadable { path: file.path.clone(), message: error.to_string() })
        }
    };
    files.iter().map(one).collect()
}
