//! The arithmetic: integers throughout, one rounding at the end.

use super::Error;

/// What to do with the spans of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// How many items.
    Count,
    /// Hits by items.
    Ratio,
    /// Hits by a hundred items.
    PerHundred,
    /// Items by the days of the window.
    PerDay(u64),
    /// The sum of the spans, µs.
    Sum,
    /// Their mean, whole µs, half to even.
    Mean,
    /// The longest, µs.
    Max,
    /// The value of rank ⌈p·n/100⌉, p in percent.
    Percentile(u64),
    /// The smallest time at which at most 1 − p of all, censored ones too, still last: Kaplan and Meier's estimate.
    KaplanMeier(u64),
}

impl Formula {
    /// Reads `count`, `ratio`, `per_100`, `per_day 92`, `sum`, `mean`, `max`, `percentile 50`, `km 90`.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let unknown = || Error(format!("`{text}` is no formula"));
        let (word, number) = text.split_once(' ').unwrap_or((text, "0"));
        let number: u64 = number.parse().map_err(|_| unknown())?;
        Ok(match word {
            "count" => Self::Count,
            "ratio" => Self::Ratio,
            "per_100" => Self::PerHundred,
            "per_day" => Self::PerDay(number),
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            "max" => Self::Max,
            "percentile" => Self::Percentile(number),
            "km" => Self::KaplanMeier(number),
            _ => return Err(unknown()),
        })
    }

    /// The answer as it is printed: an integer, or six decimals.
    ///
    /// # Errors
    /// There is nothing to compute from, or the quantile is not reached.
    pub fn apply(self, spans: &[i64], censored: &[i64], hits: usize) -> Result<String, Error> {
        let mut sorted = spans.to_vec();
        sorted.sort_unstable();
        let empty = || Error("nothing to compute from".to_owned());
        let n = i128::try_from(sorted.len()).expect("answers are short");
        if n == 0 && self != Self::Count {
            return Err(empty());
        }
        let total: i128 = sorted.iter().map(|span| i128::from(*span)).sum();
        Ok(match self {
            Self::Count => n.to_string(),
            Self::Ratio => decimal(i128::try_from(hits).expect("answers are short"), n),
            Self::PerHundred => decimal(i128::try_from(hits).expect("answers are short") * 100, n),
            Self::PerDay(0) => return Err(empty()),
            Self::PerDay(days) => decimal(n, i128::from(days)),
            Self::Sum => total.to_string(),
            Self::Mean => rounded(total, n).to_string(),
            Self::Max => sorted.last().ok_or_else(empty)?.to_string(),
            Self::Percentile(p) => {
                let rank = (sorted.len() * p as usize).div_ceil(100).max(1);
                sorted.get(rank - 1).ok_or_else(empty)?.to_string()
            }
            Self::KaplanMeier(p) => kaplan_meier(&sorted, censored, i128::from(p))?.to_string(),
        })
    }
}

/// `over / under` with six decimals, half to even.
fn decimal(over: i128, under: i128) -> String {
    let millionths = rounded(over * 1_000_000, under);
    format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}

/// `over / under` as a whole number, half to even, for values that are not negative.
fn rounded(over: i128, under: i128) -> i128 {
    let (whole, rest) = (over.div_euclid(under), over.rem_euclid(under));
    match (2 * rest).cmp(&under) {
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole.rem_euclid(2),
        std::cmp::Ordering::Less => whole,
    }
}

/// The survival is kept as a fraction of integers, so that `S(t) ≤ 1 − p` is exact.
fn kaplan_meier(ends: &[i64], censored: &[i64], p: i128) -> Result<i64, Error> {
    let (mut over, mut under) = (1_i128, 1_i128);
    let mut times = ends.to_vec();
    times.dedup();
    for time in times {
        let ended = ends.iter().filter(|t| **t == time).count();
        let at_risk = ends.iter().chain(censored).filter(|t| **t >= time).count();
        over *= i128::try_from(at_risk - ended).expect("answers are short");
        under *= i128::try_from(at_risk).expect("answers are short");
        let shared = gcd(over, under);
        (over, under) = (over / shared, under / shared);
        if over * 100 <= under * (100 - p) {
            return Ok(time);
        }
    }
    Err(Error("the quantile is not reached".to_owned()))
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_is_the_definitions() {
        let ten: Vec<i64> = (1..=10).collect();
        for (formula, spans, censored, hits, want) in [
            ("count", &ten[..], &[][..], 0, "10"),
            ("ratio", &ten[..3], &[], 2, "0.666667"),
            ("ratio", &ten[..8], &[], 1, "0.125000"),
            ("per_100", &ten[..3], &[], 1, "33.333333"),
            ("per_day 4", &ten, &[], 0, "2.500000"),
            ("mean", &ten[..2], &[], 0, "2"),
            ("mean", &ten[1..3], &[], 0, "2"),
            ("max", &ten, &[], 0, "10"),
            ("percentile 50", &ten, &[], 0, "5"),
            ("percentile 90", &ten, &[], 0, "9"),
            ("km 50", &ten, &[], 0, "5"),
            ("km 90", &ten, &[], 0, "9"),
            ("km 50", &ten, &[2, 20], 0, "6"),
            ("km 50", &[5, 5, 7, 9], &[5], 0, "7"),
        ] {
            let got = Formula::parse(formula).unwrap().apply(spans, censored, hits);
            assert_eq!(got.unwrap(), want, "{formula} of {spans:?} and {censored:?}");
        }
        assert!(Formula::KaplanMeier(50).apply(&[1], &[2, 3], 0).is_err());
        assert!(Formula::parse("median").is_err());
    }
}
