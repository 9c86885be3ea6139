//! `core.sum`.

use plugin_api::prelude::*;
use serde_json::Number;

/// Every integer up to here is a double of its own: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sum {
    /// The first number.
    a: Number,
    /// The second number.
    b: Number,
}

pub(crate) fn sum(_call: &Call, Sum { a, b }: Sum) -> Result<String, CallError> {
    if let (Some(a), Some(b)) = (integer(&a), integer(&b)) {
        // Two 65-bit integers cannot overflow 128 bits.
        return match i64::try_from(a + b) {
            Ok(sum) => Ok(sum.to_string()),
            Err(_) => Err(CallError::failed(format!("the sum of {a} and {b} overflows 64-bit integers"))),
        };
    }
    match (a.as_f64(), b.as_f64()) {
        // `Display` writes the shortest decimal that reads back the same, and
        // never an exponent.
        (Some(a), Some(b)) if (a + b).is_finite() => Ok((a + b).to_string()),
        _ => Err(CallError::failed(format!("the sum of {a} and {b} is beyond the range of numbers"))),
    }
}

/// The number as an integer, if it is one without doubt: `2.0` counts, a double
/// beyond 2^53 might stand for its neighbours.
fn integer(number: &Number) -> Option<i128> {
    number.as_i128().or_else(|| {
        let number = number.as_f64()?;
        // No cast loses anything of a whole number this small.
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i128)
    })
}

#[cfg(test)]
mod tests {
    use plugin_api::{ErrorCode, OpError, testing::Harness};

    use crate::plugin;

    fn sum(arguments: &str) -> Result<String, OpError> {
        let arguments = serde_json::from_str(arguments).unwrap();
        let result = Harness::new(plugin()).call_tool("core.sum", arguments)?;
        let [plugin_api::Content::Text { text, .. }] = result.content.as_slice() else {
            panic!("one block of text, not {result:?}");
        };
        Ok(text.clone())
    }

    #[test]
    fn a_sum_is_decimal_text() {
        for (arguments, text) in [
            (r#"{"a": 2, "b": 3}"#, "5"),
            (r#"{"a": 2.0, "b": 3.0}"#, "5"),
            (r#"{"a": 2, "b": 3.0}"#, "5"),
            (r#"{"a": 2e0, "b": 3}"#, "5"),
            (r#"{"a": 2.5, "b": 2.5}"#, "5"),
            (r#"{"a": -2, "b": 2}"#, "0"),
            (r#"{"a": -0.0, "b": -0.0}"#, "0"),
            (r#"{"a": -7, "b": 3}"#, "-4"),
            (r#"{"a": 0.1, "b": 0.2}"#, "0.30000000000000004"),
            (r#"{"a": 0.5, "b": 0.25}"#, "0.75"),
            (r#"{"a": 51.24817837550540, "b": 0}"#, "51.2481783755054"),
        ] {
            assert_eq!(sum(arguments), Ok(text.to_owned()), "{arguments}");
        }
    }

    #[test]
    fn integers_stay_exact_beyond_doubles() {
        for (arguments, text) in [
            (r#"{"a": 9007199254740993, "b": 0}"#, "9007199254740993"),
            (r#"{"a": 9007199254740993, "b": 2.0}"#, "9007199254740995"),
            (r#"{"a": 9223372036854775806, "b": 1}"#, "9223372036854775807"),
            (r#"{"a": -9223372036854775807, "b": -1}"#, "-9223372036854775808"),
            (r#"{"a": 18446744073709551615, "b": -9223372036854775808}"#, "9223372036854775807"),
        ] {
            assert_eq!(sum(arguments), Ok(text.to_owned()), "{arguments}");
        }
    }

    #[test]
    fn no_sum_has_an_exponent() {
        let large = format!("2{}", "0".repeat(300));
        for (arguments, text) in [
            (r#"{"a": 1e21, "b": 1e21}"#, "2000000000000000000000"),
            (r#"{"a": 1e23, "b": 0}"#, "100000000000000000000000"),
            (r#"{"a": 1e300, "b": 1e300}"#, large.as_str()),
            (r#"{"a": 1e-10, "b": 0}"#, "0.0000000001"),
        ] {
            assert_eq!(sum(arguments), Ok(text.to_owned()), "{arguments}");
        }
    }

    #[test]
    fn a_sum_beyond_the_range_is_an_error() {
        for (arguments, message) in [
            (
                r#"{"a": 9223372036854775807, "b": 1}"#,
                "the sum of 9223372036854775807 and 1 overflows 64-bit integers",
            ),
            (
                r#"{"a": -9223372036854775808, "b": -1}"#,
                "the sum of -9223372036854775808 and -1 overflows 64-bit integers",
            ),
            (r#"{"a": 1e308, "b": 1e308}"#, "the sum of 1e+308 and 1e+308 is beyond the range of numbers"),
            (
                r#"{"a": -1.5e308, "b": -1e308}"#,
                "the sum of -1.5e+308 and -1e+308 is beyond the range of numbers",
            ),
        ] {
            assert_eq!(sum(arguments), Err(OpError::new(ErrorCode::Failed, message)));
        }
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        for (arguments, message) in [
            (r#"{"a": "2", "b": 3}"#, "invalid type: string \"2\", expected a JSON number"),
            (r#"{"a": 2, "b": null}"#, "invalid type: null, expected a JSON number"),
            (r#"{"a": 2, "b": [3]}"#, "invalid type: sequence, expected a JSON number"),
            (r#"{"a": true, "b": 3}"#, "invalid type: boolean `true`, expected a JSON number"),
        ] {
            assert_eq!(sum(arguments), Err(OpError::new(ErrorCode::InvalidInput, message)));
        }
    }
}
