//! The few scalar functions that the SQL needs beyond the engine's: exact ratios, intervals, and time as a number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use chrono::DateTime;
use chrono_tz::Tz;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use num_bigint::BigInt;

/// `numerator / denominator` in millionths, half to even; `None` for a zero denominator.
///
/// Source: metrics, "Ratios" and corner case 32.
pub fn ratio(numerator: i64, denominator: i64) -> Option<i128> {
    divide_half_even(i128::from(numerator) * MILLION, i128::from(denominator))
}

/// `sum / count` as a whole number, half to even; `None` for a zero count.
///
/// Source: metrics, corner case 32 (means in whole microseconds).
pub fn mean(sum: i64, count: i64) -> Option<i128> {
    divide_half_even(i128::from(sum), i128::from(count))
}

/// The ends of the Wilson score interval of `successes` in `trials`, in millionths, half to even, for a confidence of
/// 95 %; `None` unless `0 ≤ successes ≤ trials` and there are trials.
///
/// Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927), p. 209,
/// with z as in metrics, corner case 32. The square root is taken in integers, with 20 digits to spare.
pub fn wilson(successes: i64, trials: i64) -> Option<[i128; 2]> {
    if trials <= 0 || !(0..=trials).contains(&successes) {
        return None;
    }
    let (k, n, z) = (BigInt::from(successes), BigInt::from(trials), BigInt::from(Z));
    let unit = BigInt::from(Z_UNIT);
    let unit2 = &unit * &unit;
    let spare = BigInt::from(10).pow(20);
    // (2k + z² ± z·√(z² + 4k(n−k)/n)) / (2(n + z²)), everything times n·unit²·spare.
    let under: BigInt = &n * (&z * &z * &n + 4 * &k * (&n - &k) * &unit2);
    let root: BigInt = (under * &spare * &spare).sqrt();
    let swing = &z * root;
    let centre = &n * (2 * &k * &unit2 + &z * &z) * &spare;
    let whole = 2 * &n * (&n * &unit2 + &z * &z) * &spare;
    let end = |top: BigInt| {
        let top = top * MILLION;
        let (floor, rest) = (&top / &whole, (&top % &whole) * 2);
        let up = rest > whole || (rest == whole && &floor % 2 != BigInt::ZERO);
        i128::try_from(floor).map(|floor| floor + i128::from(up)).ok()
    };
    Some([end(&centre - &swing)?, end(centre + swing)?])
}

fn divide_half_even(top: i128, bottom: i128) -> Option<i128> {
    if bottom == 0 {
        return None;
    }
    let (floor, rest) = (top.div_euclid(bottom), top.rem_euclid(bottom));
    // With a negative divisor `div_euclid` rounds up, so that the neighbour lies below.
    let twice = rest * 2;
    let away = twice > bottom.abs() || (twice == bottom.abs() && floor % 2 != 0);
    Some(floor + i128::from(away) * bottom.signum())
}

/// z of a 95 % interval, 1.959963984540054, times [`Z_UNIT`].
const Z: i64 = 1_959_963_984_540_054;
const Z_UNIT: i64 = 1_000_000_000_000_000;
const MILLION: i128 = 1_000_000;

/// A column of millionths as `Decimal(18,6)`.
pub(crate) fn decimals(millionths: Vec<Option<i128>>) -> Decimal128Array {
    Decimal128Array::from(millionths)
        .with_precision_and_scale(18, 6)
        .expect("18 and 6 are a precision and a scale")
}

/// All scalar functions.
pub(crate) fn all() -> Vec<ScalarUDF> {
    let two = || Signature::exact(vec![DataType::Int64, DataType::Int64], Volatility::Immutable);
    let one = Signature::exact(vec![instant()], Volatility::Immutable);
    [
        ("epoch_us", Op::EpochUs, one),
        (
            "to_timestamp_us",
            Op::ToTimestamp,
            Signature::exact(vec![DataType::Int64], Volatility::Immutable),
        ),
        (
            "local_month",
            Op::LocalMonth,
            Signature::exact(vec![instant(), DataType::Utf8], Volatility::Immutable),
        ),
        ("ratio", Op::Ratio, two()),
        ("mean_us", Op::Mean, two()),
        ("wilson_low", Op::WilsonLow, two()),
        ("wilson_high", Op::WilsonHigh, two()),
    ]
    .map(|(name, op, signature)| ScalarUDF::from(Function { name, op, signature }))
    .to_vec()
}

/// The type of every instant.
fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Which function it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    /// `epoch_us(timestamp)`: microseconds since 1970, as in DuckDB.
    EpochUs,
    /// `to_timestamp_us(microseconds)`: the instant that many microseconds after 1970, the other way round.
    ToTimestamp,
    /// `local_month(timestamp, zone)`: the month, as `2026-10`, that the instant lies in where the IANA zone holds.
    LocalMonth,
    /// `ratio(numerator, denominator)`: see [`ratio`].
    Ratio,
    /// `mean_us(sum, count)`: see [`mean`].
    Mean,
    /// `wilson_low(successes, trials)`: see [`wilson`].
    WilsonLow,
    /// `wilson_high(successes, trials)`: see [`wilson`].
    WilsonHigh,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    name: &'static str,
    op: Op,
    signature: Signature,
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.op {
            Op::EpochUs | Op::Mean => DataType::Int64,
            Op::ToTimestamp => instant(),
            Op::LocalMonth => DataType::Utf8,
            Op::Ratio | Op::WilsonLow | Op::WilsonHigh => DataType::Decimal128(18, 6),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let array: ArrayRef = match self.op {
            Op::EpochUs => {
                let times = columns[0].as_primitive::<TimestampMicrosecondType>();
                Arc::new(times.reinterpret_cast::<Int64Type>())
            }
            Op::ToTimestamp => {
                let numbers = columns[0].as_primitive::<Int64Type>();
                let times = numbers.reinterpret_cast::<TimestampMicrosecondType>();
                Arc::new(times.with_timezone("UTC"))
            }
            Op::LocalMonth => Arc::new(months(&columns)?),
            Op::Mean => {
                let cells = self.cells(&columns)?.into_iter();
                let narrow = cells.map(|cell| cell.map(i64::try_from).transpose());
                Arc::new(narrow.collect::<Result<Int64Array, _>>().map_err(|_| self.overflow())?)
            }
            Op::Ratio | Op::WilsonLow | Op::WilsonHigh => Arc::new(decimals(self.cells(&columns)?)),
        };
        Ok(ColumnarValue::Array(array))
    }
}

impl Function {
    fn cells(&self, columns: &[ArrayRef]) -> Result<Vec<Option<i128>>> {
        let (left, right) =
            (columns[0].as_primitive::<Int64Type>(), columns[1].as_primitive::<Int64Type>());
        let cell = |at: usize| {
            if left.is_null(at) || right.is_null(at) {
                return Ok(None);
            }
            let value = self.cell(left.value(at), right.value(at));
            if value.is_some_and(|v| v.abs() >= DECIMAL_END) {
                Err(self.overflow())
            } else {
                Ok(value)
            }
        };
        (0..left.len()).map(cell).collect()
    }

    fn cell(&self, left: i64, right: i64) -> Option<i128> {
        match self.op {
            Op::EpochUs | Op::ToTimestamp | Op::LocalMonth => None,
            Op::Ratio => ratio(left, right),
            Op::Mean => mean(left, right),
            Op::WilsonLow => wilson(left, right).map(|[low, _]| low),
            Op::WilsonHigh => wilson(left, right).map(|[_, high]| high),
        }
    }

    fn overflow(&self) -> DataFusionError {
        DataFusionError::Execution(format!("{}: the result has more than 18 digits", self.name))
    }
}

/// The months of a column of instants in a column of zones.
fn months(columns: &[ArrayRef]) -> Result<StringArray> {
    let times = columns[0].as_primitive::<TimestampMicrosecondType>().iter();
    let month = |(at, zone): (Option<i64>, Option<&str>)| {
        let Some((at, zone)) = at.and_then(DateTime::from_timestamp_micros).zip(zone) else {
            return Ok(None);
        };
        let zone: Tz = zone.parse().map_err(|e| DataFusionError::Execution(format!("{e}")))?;
        Ok(Some(at.with_timezone(&zone).format("%Y-%m").to_string()))
    };
    times.zip(columns[1].as_string::<i32>()).map(month).collect()
}

/// The first magnitude that `Decimal(18,6)` does not hold.
const DECIMAL_END: i128 = 1_000_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_half_to_even() {
        for (top, bottom, want) in [
            (1, 3, Some(333_333)),
            (2, 3, Some(666_667)),
            (1, 2_000_000, Some(0)),
            (3, 2_000_000, Some(2)),
            (5, 2_000_000, Some(2)),
            (-1, 3, Some(-333_333)),
            (-3, 2_000_000, Some(-2)),
            (3, -2_000_000, Some(-2)),
            (1, -2_000_000, Some(0)),
            (7, 7, Some(1_000_000)),
            (0, 5, Some(0)),
            (5, 0, None),
        ] {
            assert_eq!(ratio(top, bottom), want, "{top}/{bottom}");
        }
        assert_eq!((mean(5, 2), mean(7, 2), mean(1, 0)), (Some(2), Some(4), None));
    }

    /// Against the formula in floating point, for all proportions of up to sixty trials.
    #[test]
    #[expect(clippy::cast_precision_loss, reason = "sixty trials are exact in a double")]
    fn wilson_is_the_formula() {
        let z = 1.959_963_984_540_054_f64;
        for n in 1..=60_i64 {
            for k in 0..=n {
                let (kf, nf) = (k as f64, n as f64);
                let swing = z * (kf * (nf - kf) / nf + z * z / 4.0).sqrt();
                let ends = [-swing, swing].map(|s| (kf + z * z / 2.0 + s) / (nf + z * z));
                let got = wilson(k, n).unwrap();
                for (got, want) in got.into_iter().zip(ends) {
                    assert!(
                        (got as f64 / 1e6 - want).abs() < 0.500_001e-6,
                        "{k}/{n}: {got} {want}"
                    );
                }
            }
            assert_eq!(wilson(0, n).unwrap()[0], 0);
            assert_eq!(wilson(n, n).unwrap()[1], 1_000_000);
        }
        assert_eq!((wilson(1, 0), wilson(3, 2), wilson(-1, 2)), (None, None, None));
    }

    /// R: `binom::binom.wilson(8, 10)`.
    #[test]
    fn wilson_of_a_known_case() {
        assert_eq!(wilson(8, 10), Some([490_162, 943_318]));
    }
}
