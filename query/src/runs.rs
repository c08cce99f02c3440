//! `deployment_number`: counts the deployments that begin along the rows of one slot and version.
//!
//! The rule depends on what the current deployment has had so far, which no window frame can say, so it is a small state
//! machine. Used as `deployment_number(phase) over (partition by … order by ord rows between unbounded preceding and
//! current row)`.

use std::mem::size_of_val;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::DataType;
use arrow::datatypes::FieldRef;
use datafusion::common::{ScalarValue, not_impl_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

/// The function.
pub(crate) fn deployment_number() -> AggregateUDF {
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
    AggregateUDF::from(DeploymentNumber { signature })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DeploymentNumber {
    signature: Signature,
}

impl AggregateUDFImpl for DeploymentNumber {
    fn name(&self) -> &'static str {
        "deployment_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Current::default()))
    }

    fn state_fields(&self, _: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        not_impl_err!(
            "deployment_number depends on the order of rows: use it with `over (… order by ord)`"
        )
    }
}

/// The deployment that the rows are in.
#[derive(Debug, Default)]
struct Current {
    /// How many deployments have begun.
    number: i64,
    /// Which of [`BEGINNING`] the current one has had.
    seen: [bool; BEGINNING.len()],
    ended: bool,
}

impl Current {
    /// A repeated phase, or any row after an end, begins a new deployment; phases outside [`BEGINNING`] never do.
    ///
    /// Source: metrics, corner case 6.
    fn step(&mut self, phase: &str) {
        let Some(at) = BEGINNING.iter().position(|known| *known == phase) else { return };
        if self.number == 0 || self.ended || self.seen[at] {
            *self = Self { number: self.number + 1, ..Self::default() };
        }
        self.seen[at] = true;
        self.ended = at >= FIRST_END;
    }
}

impl Accumulator for Current {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        values[0].as_string::<i32>().iter().for_each(|phase| self.step(phase.unwrap_or("")));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.number)))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        not_impl_err!("deployment_number has no partial state")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        not_impl_err!("deployment_number has no partial state")
    }
}

/// The phases that can begin a deployment; from [`FIRST_END`] on they end it.
const BEGINNING: [&str; 6] = ["queued", "started", "live", "succeeded", "failed", "cancelled"];
const FIRST_END: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(phases: &str, want: &[i64]) {
        let mut current = Current::default();
        let got: Vec<i64> = phases
            .split(' ')
            .map(|phase| {
                current.step(phase);
                current.number
            })
            .collect();
        assert_eq!(got, want, "{phases}");
    }

    #[test]
    fn rows_fall_into_deployments() {
        check("queued started live succeeded", &[1, 1, 1, 1]);
        check("live live live", &[1, 2, 3]);
        check("succeeded succeeded", &[1, 2]);
        check("started failed started succeeded", &[1, 1, 2, 2]);
        check("started live superseded started", &[1, 1, 1, 2]);
        check("started succeeded removed failed", &[1, 1, 1, 2]);
        check("progressed started", &[0, 1]);
        check("started started started queued queued", &[1, 2, 3, 3, 4]);
    }
}
