//! A page for each alert: what it means, how to see why, and what to do.
//!
//! Sources end in `.page`. What people read are the copies below `monitoring/runbooks`.

/// The directory of the pages, below that of all files.
const DIRECTORY: &str = "runbooks";

macro_rules! page {
    ($name:literal) => {
        ($name, include_str!(concat!("runbooks/", $name, ".page")))
    };
}

const PAGES: [(&str, &str); 15] = [
    page!("accuracy-degradation"),
    page!("budgets-differ"),
    page!("error-budget-burn"),
    page!("high-computation-time"),
    page!("high-cpu-usage"),
    page!("high-database-latency"),
    page!("high-error-rate"),
    page!("high-latency"),
    page!("latency-absent"),
    page!("latency-budget-burn"),
    page!("memory-leak"),
    page!("performance-regression"),
    page!("requests-absent"),
    page!("service-absent"),
    page!("service-down"),
];

/// The path and the text of each.
pub(crate) fn pages() -> impl Iterator<Item = (String, String)> {
    PAGES.iter().map(|(name, text)| (format!("{DIRECTORY}/{name}.md"), (*text).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page is read where it was written to, and there is no other document.
    #[test]
    fn links_lead_to_other_pages() {
        for (name, text) in PAGES {
            for link in text.split("](").skip(1) {
                let to = link.split(')').next().unwrap_or_default();
                let is_page = PAGES.iter().any(|(name, _)| to == format!("{name}.md"));
                assert!(is_page, "{name}: {to}");
            }
            assert!(text.starts_with("# ") && text.contains("\nAlert: `"), "{name}");
        }
    }
}
