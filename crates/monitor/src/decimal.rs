//! Decimal numbers as text, from integers: the same digits on every machine.

/// `value / 10^decimals`, without needless zeros.
pub(crate) fn decimal(value: u64, decimals: usize) -> String {
    let digits = format!("{value:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        for (value, decimals, text) in [
            (0, 9, "0"),
            (5_000_000, 9, "0.005"),
            (1_000_000_000, 9, "1"),
            (1_250_000_000, 9, "1.25"),
            (1, 9, "0.000000001"),
            (10, 0, "10"),
        ] {
            assert_eq!(decimal(value, decimals), text);
        }
    }
}
