//! The pages of alerts, where they are files: whether each is there.

use std::path::Path;

use perf_passport::text::escaped;

use super::{CheckReport, read::NamedRules};

pub(super) fn check(directory: &Path, rules: &[NamedRules], report: &mut CheckReport) {
    let mut missing = false;
    for rule in rules.iter().flat_map(|it| &it.rules.groups).flat_map(|it| &it.rules) {
        let (Some(alert), Some(annotations)) = (&rule.alert, &rule.annotations) else { continue };
        let page = annotations.runbook_url.as_str();
        if page.contains("://") || directory.join(page).is_file() {
            continue;
        }
        missing = true;
        report.failed.push(format!(
            "the page `{}` of {} is not there: `passport monitor runbooks` writes it",
            escaped(page),
            escaped(alert)
        ));
    }
    if !missing {
        report.held.push("each alert has a page, or an address of one".to_owned());
    }
}
