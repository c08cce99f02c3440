//! Query results as plain values: what a report may print of an Arrow batch.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use backtrail_schemas::Timestamp;
use serde_json::Value;

use crate::error::Error;

/// One row of a result: its columns by name. Times are canonical texts, decimals are texts, nulls are kept.
pub type Row = BTreeMap<String, Value>;

/// The rows of `batches`, in order.
///
/// # Errors
/// A column has a type that cannot be printed exactly, such as a float.
pub fn rows(batches: &[RecordBatch]) -> Result<Vec<Row>, Error> {
    let mut out = Vec::new();
    for batch in batches {
        let start = out.len();
        out.resize(start + batch.num_rows(), Row::new());
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let values = values(array)
                .map_err(|e| Error::reject(format!("column `{}`: {e}", field.name())))?;
            for (row, value) in out[start..].iter_mut().zip(values) {
                row.insert(field.name().clone(), value);
            }
        }
    }
    Ok(out)
}

/// The text of a column, or `None` where it is null or absent.
pub fn text<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.get(name).and_then(Value::as_str)
}

/// The number of a column, or `None` where it is null or absent.
pub fn integer(row: &Row, name: &str) -> Option<i64> {
    row.get(name).and_then(Value::as_i64)
}

/// The list of numbers of a column; empty where it is null or absent.
pub fn integers(row: &Row, name: &str) -> Vec<i64> {
    let list = row.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_i64).collect()
}

/// The instant of a column, or `None` where it is null or absent.
pub fn time(row: &Row, name: &str) -> Option<Timestamp> {
    text(row, name).and_then(|text| text.parse().ok())
}

fn values(array: &ArrayRef) -> Result<Vec<Value>, Error> {
    use DataType as T;
    let as_type = |ty: &T| cast(array, ty).map_err(|e| Error::reject(e.to_string()));
    match array.data_type() {
        T::Null => Ok(vec![Value::Null; array.len()]),
        T::Boolean => Ok(array.as_boolean().iter().map(Value::from).collect()),
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => {
            let whole = as_type(&T::Int64)?;
            Ok(whole.as_primitive::<Int64Type>().iter().map(Value::from).collect())
        }
        T::Timestamp(..) => {
            let micros = as_type(&T::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
            micros.as_primitive::<TimestampMicrosecondType>().iter().map(instant).collect()
        }
        T::List(_) | T::LargeList(_) | T::FixedSizeList(..) => lists(array),
        T::Map(..) => maps(array),
        T::Float16 | T::Float32 | T::Float64 => {
            Err(Error::reject("is a float, not an exact number"))
        }
        _ => {
            let texts = as_type(&T::Utf8)?;
            Ok(texts.as_string::<i32>().iter().map(Value::from).collect())
        }
    }
}

fn instant(us: Option<i64>) -> Result<Value, Error> {
    match us.map(Timestamp::from_micros) {
        None => Ok(Value::Null),
        Some(Some(at)) => Ok(at.to_string().into()),
        Some(None) => Err(Error::reject("has a time outside 1970 to 9999")),
    }
}

fn lists(array: &ArrayRef) -> Result<Vec<Value>, Error> {
    let (DataType::List(element)
    | DataType::LargeList(element)
    | DataType::FixedSizeList(element, _)) = array.data_type()
    else {
        return Err(Error::reject("is not a list"));
    };
    let plain =
        cast(array, &DataType::List(element.clone())).map_err(|e| Error::reject(e.to_string()))?;
    plain
        .as_list::<i32>()
        .iter()
        .map(|item| item.map_or(Ok(Value::Null), |a| Ok(values(&a)?.into())))
        .collect()
}

fn maps(array: &ArrayRef) -> Result<Vec<Value>, Error> {
    let pairs = |entries: arrow::array::StructArray| {
        let (keys, texts) = (values(entries.column(0))?, values(entries.column(1))?);
        let keyed = keys.into_iter().zip(texts);
        Ok(keyed.map(|(k, v)| (k.as_str().unwrap_or_default().to_owned(), v)).collect())
    };
    array.as_map().iter().map(|item| item.map_or(Ok(Value::Null), pairs)).collect()
}
