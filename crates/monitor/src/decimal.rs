//! Decimal numbers as text, from integers: the same digits on every machine.

/// `value / 10^decimals`, without needless zeros.
pub(crate) fn decimal(value: u64, decimals: usize) -> String {
    let digits = format!("{value:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// A number with four significant digits, as `%.4g` has it.
pub(crate) fn significant(value: f64) -> String {
    let scientific = format!("{value:.3e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trimmed = |text: &str| {
        let digits = if text.contains('.') { text.trim_end_matches('0') } else { text };
        digits.trim_end_matches('.').to_owned()
    };
    if (-4..4).contains(&exponent) {
        let decimals = usize::try_from(3 - exponent).unwrap_or_default();
        return trimmed(&format!("{value:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
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

    #[test]
    fn four_digits_are_those_of_printf() {
        for (value, text) in [
            (0.0, "0"),
            (0.06, "0.06"),
            (0.12 * 0.1, "0.012"),
            (1.0, "1"),
            (123.456, "123.5"),
            (0.000_012, "1.2e-05"),
            (120_000_000.0, "1.2e+08"),
            (0.017_28, "0.01728"),
        ] {
            assert_eq!(significant(value), text);
        }
    }
}
