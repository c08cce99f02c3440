//! The two aggregates that the SQL needs beyond the engine's: exact quantiles, without and with open samples.
//!
//! `quantile_disc(x, p)` and `km_quantile(x, ended, p)`. `p` is a literal: a whole number of percent (`90`), or a fraction
//! with at most six decimals (`0.9`, `0.999`), which is how other engines spell it. No decision is made in floating
//! point: S(t) ≤ 1 − p has ties that floats miss (metrics, corner case 24).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, ListArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;
use num_bigint::BigUint;

/// The value of rank ⌈p·n⌉ in `values`, in ascending order; `None` without values. Reorders `values`.
///
/// `p_ppm` is p in parts per million, 1 to 1 000 000. Type 1 of Hyndman and Fan, "Sample Quantiles in Statistical
/// Packages", The American Statistician 50 (1996), p. 361: always an observed value.
pub fn quantile_disc(values: &mut [i64], p_ppm: u32) -> Option<i64> {
    let rank = (values.len() as u128 * u128::from(p_ppm)).div_ceil(u128::from(PPM));
    let index = usize::try_from(rank).ok()?.checked_sub(1)?;
    Some(*values.select_nth_unstable(index).1)
}

/// The Kaplan–Meier quantile: the smallest t with S(t) ≤ 1 − p. `None` when S does not fall so far ("not reached"), and
/// without samples. Sorts both slices.
///
/// `ended` are the durations of what is over, `open` those of what had lasted so long when we looked. At equal times ends
/// come before censorings. Source: Kaplan and Meier, "Nonparametric Estimation from Incomplete Observations", JASA 53
/// (1958), p. 463.
///
/// S is a product of fractions (r − d)/r. It is followed in floating point, and multiplied out in integers where it comes
/// closer to 1 − p than the rounding can reach.
pub fn km_quantile(ended: &mut [i64], open: &mut [i64], p_ppm: u32) -> Option<i64> {
    ended.sort_unstable();
    open.sort_unstable();
    let target = f64::from(PPM - p_ppm) / f64::from(PPM);
    let mut survival = Survival::default();
    let (mut over, mut gone) = (0, 0);
    while over < ended.len() {
        let t = ended[over];
        gone += open[gone..].iter().take_while(|open| **open < t).count();
        let at_risk = ended.len() - over + open.len() - gone;
        let ends = ended[over..].iter().take_while(|end| **end == t).count();
        survival.fall(at_risk as u64, ends as u64);
        over += ends;
        let reached = match survival.rounded - target {
            far if far.abs() > ROUNDING_MAX => far < 0.0,
            _ => survival.is_at_most(PPM - p_ppm),
        };
        if reached {
            return Some(t);
        }
    }
    None
}

/// S, as the fractions that it is the product of.
struct Survival {
    /// (above, below), neighbours cancelled: without censorings there is one fraction.
    factors: Vec<(u64, u64)>,
    /// The product, with a relative error below 2⁻⁵² times twice the number of falls.
    rounded: f64,
}

impl Default for Survival {
    fn default() -> Self {
        Self { factors: Vec::new(), rounded: 1.0 }
    }
}

impl Survival {
    #[expect(clippy::cast_precision_loss, reason = "samples in memory are far fewer than 2^52")]
    fn fall(&mut self, at_risk: u64, ends: u64) {
        let left = at_risk - ends;
        self.rounded *= left as f64 / at_risk as f64;
        match self.factors.last_mut() {
            Some((above, _)) if *above == at_risk => *above = left,
            _ => self.factors.push((left, at_risk)),
        }
    }

    /// Whether S ≤ `ppm` / 10⁶, exactly.
    fn is_at_most(&self, ppm: u32) -> bool {
        let product = |side: fn(&(u64, u64)) -> u64| product(self.factors.iter().map(side));
        product(|f| f.0) * PPM <= product(|f| f.1) * ppm
    }
}

/// By halves, so that the long multiplications are few.
fn product(numbers: impl Iterator<Item = u64>) -> BigUint {
    let mut level: Vec<BigUint> = numbers.map(BigUint::from).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| pair.iter().product()).collect();
    }
    level.pop().unwrap_or_else(|| BigUint::from(1_u8))
}

/// One, in parts per million.
const PPM: u32 = 1_000_000;

/// The decimals of a millionth.
const PPM_DIGITS: usize = 6;

/// Far above the rounding of 2³² falls, far below the distance of most steps from 1 − p.
const ROUNDING_MAX: f64 = 1e-6;

/// All aggregate functions.
pub(crate) fn all() -> Vec<AggregateUDF> {
    [Quantile::new(Op::Disc), Quantile::new(Op::KaplanMeier)].map(AggregateUDF::from).to_vec()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Op {
    /// `quantile_disc(x, p)`.
    Disc,
    /// `km_quantile(x, ended, p)`.
    KaplanMeier,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Quantile {
    op: Op,
    signature: Signature,
}

impl Quantile {
    fn new(op: Op) -> Self {
        let before_p: &[DataType] = match op {
            Op::Disc => &[DataType::Int64],
            Op::KaplanMeier => &[DataType::Int64, DataType::Boolean],
        };
        let with = |p: DataType| TypeSignature::Exact([before_p, &[p]].concat());
        let types = vec![with(DataType::Int64), with(DataType::Float64)];
        Self { op, signature: Signature::one_of(types, Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Quantile {
    fn name(&self) -> &'static str {
        match self.op {
            Op::Disc => "quantile_disc",
            Op::KaplanMeier => "km_quantile",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = DataType::new_list(DataType::Int64, true);
        let field = |state: &str| Field::new(format!("{}[{state}]", args.name), list.clone(), true);
        Ok(vec![Arc::new(field("ended")), Arc::new(field("open"))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Err(plan_error(self.name(), "has no `distinct`"));
        }
        let p = args.exprs.last().and_then(|p| p.as_ref().downcast_ref::<Literal>());
        let p_ppm = p.and_then(|p| ppm(p.value())).ok_or_else(|| {
            let want =
                "wants a literal p: 1 to 100 percent, or a fraction up to 1.0 of six decimals";
            plan_error(self.name(), want)
        })?;
        Ok(Box::new(Samples { ended: Vec::new(), open: Vec::new(), p_ppm }))
    }
}

fn plan_error(name: &str, why: &str) -> DataFusionError {
    DataFusionError::Plan(format!("{name} {why}"))
}

/// The parts per million of a literal p, if it is one that we decide exactly.
fn ppm(p: &ScalarValue) -> Option<u32> {
    let millionths = match p {
        ScalarValue::Int64(Some(percent)) => {
            u32::try_from(*percent).ok()?.checked_mul(PPM / 100)?
        }
        ScalarValue::Float64(Some(fraction)) => {
            // The shortest text that reads back as this float is the one that was written.
            let text = fraction.to_string();
            let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
            let few = decimals.len() <= PPM_DIGITS;
            few.then(|| format!("{whole}{decimals:0<PPM_DIGITS$}").parse().ok()).flatten()?
        }
        _ => return None,
    };
    (1..=PPM).contains(&millionths).then_some(millionths)
}

/// The samples of one group. What is NULL, or whose end is unknown, is no sample.
#[derive(Debug)]
struct Samples {
    ended: Vec<i64>,
    open: Vec<i64>,
    p_ppm: u32,
}

impl Accumulator for Samples {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let durations = columns[0].as_primitive::<Int64Type>();
        if columns.len() == 2 {
            self.ended.extend(durations.iter().flatten());
            return Ok(());
        }
        for (duration, ended) in durations.iter().zip(columns[1].as_boolean().iter()) {
            match (duration, ended) {
                (Some(duration), Some(true)) => self.ended.push(duration),
                (Some(duration), Some(false)) => self.open.push(duration),
                (None, _) | (_, None) => {}
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (list, into) in states.iter().zip([&mut self.ended, &mut self.open]) {
            for part in list.as_list::<i32>().iter().flatten() {
                into.extend(part.as_primitive::<Int64Type>().iter().flatten());
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |values: &[i64]| {
            let row = values.iter().copied().map(Some);
            let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(row)]);
            ScalarValue::List(Arc::new(list))
        };
        Ok(vec![list(&self.ended), list(&self.open)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let found = if self.open.is_empty() {
            // Then the two are the same number.
            quantile_disc(&mut self.ended, self.p_ppm)
        } else {
            km_quantile(&mut self.ended, &mut self.open, self.p_ppm)
        };
        Ok(ScalarValue::Int64(found))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + size_of::<i64>() * (self.ended.capacity() + self.open.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn km(samples: &[(i64, bool)], p_ppm: u32) -> Option<i64> {
        let side = |ended| samples.iter().filter(|s| s.1 == ended).map(|s| s.0).collect::<Vec<_>>();
        km_quantile(&mut side(true), &mut side(false), p_ppm)
    }

    /// From the definition: every observed time, the product over all earlier ones, in exact fractions.
    fn naive_km(samples: &[(i64, bool)], p_ppm: u32) -> Option<i64> {
        let mut times: Vec<i64> = samples.iter().filter(|s| s.1).map(|s| s.0).collect();
        times.sort_unstable();
        times.dedup();
        times.iter().copied().find(|t| {
            let (mut above, mut below) = (BigInt::from(1), BigInt::from(1));
            for u in times.iter().filter(|u| *u <= t) {
                let at_risk = samples.iter().filter(|s| s.0 >= *u).count();
                let ends = samples.iter().filter(|s| s.0 == *u && s.1).count();
                above *= at_risk - ends;
                below *= at_risk;
            }
            above * 1_000_000 <= below * (1_000_000 - p_ppm)
        })
    }

    /// From the definition: the smallest observed value with F(x) ≥ p.
    fn naive_disc(values: &[i64], p_ppm: u32) -> Option<i64> {
        let below = |x: i64| values.iter().filter(|v| **v <= x).count() as u128;
        let enough = |x: i64| below(x) * 1_000_000 >= u128::from(p_ppm) * values.len() as u128;
        values.iter().copied().filter(|x| enough(*x)).min()
    }

    #[test]
    fn ranks_by_hand() {
        let ten: Vec<i64> = (1..=10).map(|i| i * 10).collect();
        for (n, p_ppm, want) in [
            (10, 500_000, Some(50)),
            (10, 900_000, Some(90)),
            (10, 900_001, Some(100)),
            (10, 1_000_000, Some(100)),
            (10, 1, Some(10)),
            (3, 500_000, Some(20)),
            (1, 990_000, Some(10)),
            (0, 500_000, None),
        ] {
            assert_eq!(quantile_disc(&mut ten[..n].to_vec(), p_ppm), want, "{n} {p_ppm}");
        }
    }

    #[test]
    fn kaplan_meier_by_hand() {
        let samples = [
            (6, true),
            (6, true),
            (6, true),
            (6, false),
            (7, true),
            (9, false),
            (9, false),
            (7, false),
        ];
        // At 6: 8 at risk, 3 end: 5/8. At 7: 4 at risk, 1 ends: 5/8·3/4 = 15/32.
        for (p_ppm, want) in [
            (375_000, Some(6)),
            (375_001, Some(7)),
            (531_250, Some(7)),
            (531_251, None),
            (900_000, None),
        ] {
            assert_eq!(km(&samples, p_ppm), want, "{p_ppm}");
        }
        assert_eq!(
            km(&[(5, true), (5, false)], 500_000),
            Some(5),
            "an end comes before a censoring"
        );
        assert_eq!(km(&[(5, false), (7, true)], 500_000), Some(7));
        assert_eq!(km(&[(5, false)], 500_000), None, "not reached");
        assert_eq!(km(&[], 500_000), None, "no samples");
    }

    /// 9/10 · 8/9 · … · 1/10: the product of the rounded quotients is not 0.1.
    #[test]
    fn a_tie_that_floats_miss_is_a_tie() {
        let mut samples: Vec<(i64, bool)> = (1..=10).map(|t| (t, true)).collect();
        assert_eq!(km(&samples, 900_000), Some(9));
        // 4/5 · 3/4 at 1 and 2, a censoring, then 1/2: 3/10 exactly.
        samples = vec![(1, true), (2, true), (2, false), (3, true), (4, false)];
        assert_eq!(km(&samples, 700_000), Some(3));
        assert_eq!(km(&samples, 700_001), None);
    }

    #[test]
    fn p_is_a_literal_that_can_be_decided() {
        for (p, want) in [
            (ScalarValue::Int64(Some(90)), Some(900_000)),
            (ScalarValue::Int64(Some(100)), Some(1_000_000)),
            (ScalarValue::Int64(Some(0)), None),
            (ScalarValue::Int64(Some(101)), None),
            (ScalarValue::Int64(Some(-1)), None),
            (ScalarValue::Float64(Some(0.9)), Some(900_000)),
            (ScalarValue::Float64(Some(0.999_999)), Some(999_999)),
            (ScalarValue::Float64(Some(0.999_999_9)), None),
            (ScalarValue::Float64(Some(1.0 / 3.0)), None),
            (ScalarValue::Float64(Some(f64::NAN)), None),
            (ScalarValue::Float64(Some(0.0)), None),
            (ScalarValue::Utf8(Some("0.9".to_owned())), None),
        ] {
            assert_eq!(ppm(&p), want, "{p}");
        }
    }

    fn percentages() -> impl Strategy<Value = u32> {
        prop_oneof![Just(500_000), Just(900_000), (1..=20_u32).prop_map(|n| n * 50_000), 1..=PPM]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn kaplan_meier_is_the_definition(
            samples in prop::collection::vec((0..12_i64, any::<bool>()), 0..24), p in percentages(),
        ) {
            prop_assert_eq!(km(&samples, p), naive_km(&samples, p));
        }

        #[test]
        fn quantiles_are_the_definition_and_agree_when_nothing_is_open(
            values in prop::collection::vec(0..30_i64, 0..40), p in percentages(),
        ) {
            let want = naive_disc(&values, p);
            prop_assert_eq!(quantile_disc(&mut values.clone(), p), want);
            prop_assert_eq!(km_quantile(&mut values.clone(), &mut [], p), want);
        }

        #[test]
        fn parts_merge_to_the_whole(
            samples in prop::collection::vec((0..12_i64, any::<bool>()), 0..24), cut in 0..24_usize, p in percentages(),
        ) {
            let part = |samples: &[(i64, bool)]| {
                let side = |ended| samples.iter().filter(|s| s.1 == ended).map(|s| s.0).collect::<Vec<_>>();
                Samples { ended: side(true), open: side(false), p_ppm: p }
            };
            let mut whole = part(&[]);
            let (left, right) = samples.split_at(cut.min(samples.len()));
            for half in [left, right] {
                let state = part(half).state().unwrap();
                let arrays: Vec<ArrayRef> = state.iter().map(|s| s.to_array().unwrap()).collect();
                whole.merge_batch(&arrays).unwrap();
            }
            prop_assert_eq!(whole.evaluate().unwrap(), ScalarValue::Int64(naive_km(&samples, p)));
        }
    }
}
