//! Keys of contracts that had other names before 0.1.0: refused with the new name and value.

use serde_json::{Map, Value};

use super::ContractError;

/// Ratios to the baseline, and the percentages that they are now.
const TOLERANCES: [(&str, &str); 5] = [
    ("time", "latency_percent"),
    ("memory", "heap_percent"),
    ("allocations", "allocations_percent"),
    ("render", "render_percent"),
    ("interaction", "interaction_percent"),
];

/// The first key of a contract's text that has another name now.
pub(super) fn in_text(text: &str) -> Option<ContractError> {
    in_document(&toml::from_str(text).ok()?)
}

/// The same of a contract that is part of a passport.
pub(crate) fn in_document(contract: &Value) -> Option<ContractError> {
    let operations = contract.get("operation")?.as_array()?;
    operations.iter().enumerate().find_map(|(place, operation)| {
        let problem = old_regression(operation).or_else(|| old_budget(operation));
        Some(problem?.within("operation", place))
    })
}

fn old_regression(operation: &Value) -> Option<ContractError> {
    let percentages = operation.get("regression")?.as_object().map(percentages)?;
    let message = format!(
        "`regression` is `tolerance`, in percent, since 0.1.0: write `tolerance = {{ {percentages} }}`"
    );
    Some(ContractError::meaning("regression", message))
}

fn percentages(ratios: &Map<String, Value>) -> String {
    let named = TOLERANCES.iter().filter_map(|(old, new)| {
        let ratio = ratios.get(*old)?.as_f64()?;
        // Six decimals: 1.1 is 10 % more, and not 10.000000000000009.
        let percent = ((ratio - 1.0) * 1e8).round() / 1e6;
        Some(format!("{new} = {percent}"))
    });
    named.collect::<Vec<_>>().join(", ")
}

fn old_budget(operation: &Value) -> Option<ContractError> {
    let budget = operation.get("budgets")?.get("memory_bytes_max")?;
    let value = budget.as_u64().map(|it| format!(" = {}", it.saturating_add(1)));
    let message = format!(
        "`memory_bytes_max` is `heap_bytes_max` since 0.1.0, and a cost must be below it: write \
         `heap_bytes_max{}`",
        value.unwrap_or_default()
    );
    Some(ContractError::meaning("memory_bytes_max", message).inside("budgets"))
}

#[cfg(test)]
mod tests {
    use crate::contract::Contract;

    #[test]
    fn an_old_key_is_refused_with_its_new_name_and_value() {
        let refused = |rest: &str| {
            let text =
                format!("schema_version = 1\nname = \"a\"\n[[operation]]\nname = \"o\"\n{rest}\n");
            Contract::parse(&text).unwrap_err().to_string()
        };
        assert_eq!(
            refused("regression = { time = 1.1, memory = 1.05, allocations = 1 }"),
            "line 5: `regression` is `tolerance`, in percent, since 0.1.0: write `tolerance = \
             { latency_percent = 10, heap_percent = 5, allocations_percent = 0 }`"
        );
        assert_eq!(
            refused("budgets.memory_bytes_max = 100"),
            "line 5: `memory_bytes_max` is `heap_bytes_max` since 0.1.0, and a cost must be below \
             it: write `heap_bytes_max = 101`"
        );
        // What never was a key is told as before.
        assert!(refused("budgets.memory = 1").contains("unknown field `memory`"));
    }
}
