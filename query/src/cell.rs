//! One cell as text or JSON.

use arrow::array::{Array, ArrayRef, AsArray, MapArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use backtrail_schemas::Timestamp;

use crate::error::Error;

/// The cell as text, `None` for NULL.
pub(crate) fn text(array: &ArrayRef, at: usize) -> Result<Option<String>, Error> {
    if array.is_null(at) {
        return Ok(None);
    }
    Ok(Some(match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(at);
            // Only arithmetic in a query leaves the range of the events.
            Timestamp::from_micros(us).map_or_else(|| plain(array, at), |t| Ok(t.to_string()))?
        }
        ty if ty.is_nested() => json(array, at)?,
        _ => plain(array, at)?,
    }))
}

/// The cell as a JSON value; numbers and decimals digit by digit.
pub(crate) fn json(array: &ArrayRef, at: usize) -> Result<String, Error> {
    if array.is_null(at) || *array.data_type() == DataType::Null {
        return Ok("null".to_owned());
    }
    let list = |items: &ArrayRef| {
        let cells = (0..items.len()).map(|i| json(items, i)).collect::<Result<Vec<_>, _>>();
        cells.map(|cells| format!("[{}]", cells.join(", ")))
    };
    match array.data_type() {
        DataType::List(_) => list(&array.as_list::<i32>().value(at)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(at)),
        DataType::Map(_, _) => map(array.as_map(), at),
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter();
            let pairs = fields
                .iter()
                .zip(columns)
                .map(|(f, c)| json(c, at).map(|v| format!("{}: {v}", quoted(f.name()))));
            Ok(format!("{{{}}}", pairs.collect::<Result<Vec<_>, _>>()?.join(", ")))
        }
        DataType::Boolean => plain(array, at),
        ty if ty.is_numeric() => {
            let number = plain(array, at)?;
            // JSON has neither NaN nor infinity.
            let finite = number.bytes().any(|b| b.is_ascii_digit());
            Ok(if finite { number } else { quoted(&number) })
        }
        _ => Ok(quoted(&text(array, at)?.unwrap_or_default())),
    }
}

fn map(array: &MapArray, at: usize) -> Result<String, Error> {
    let entries = array.value(at);
    let (keys, values) = (entries.column(0), entries.column(1));
    let pairs = (0..entries.len()).map(|i| {
        let key = text(keys, i)?.unwrap_or_default();
        json(values, i).map(|value| format!("{}: {value}", quoted(&key)))
    });
    Ok(format!("{{{}}}", pairs.collect::<Result<Vec<_>, Error>>()?.join(", ")))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn plain(array: &ArrayRef, at: usize) -> Result<String, Error> {
    let no_form = |e: &arrow::error::ArrowError| {
        Error::query(format!("a column of type {} cannot be printed", array.data_type()))
            .with_hint(e.to_string())
    };
    let formatter =
        ArrayFormatter::try_new(array, &FormatOptions::default()).map_err(|e| no_form(&e))?;
    formatter.value(at).try_to_string().map_err(|e| no_form(&e))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };
    use backtrail_schemas::{Event, rows};

    use super::*;

    fn check(array: impl Array + 'static, want_text: &str, want_json: &str) {
        let array: ArrayRef = Arc::new(array);
        assert_eq!(text(&array, 0).unwrap().as_deref(), Some(want_text));
        assert_eq!(json(&array, 0).unwrap(), want_json);
    }

    #[test]
    fn cells_have_one_form() {
        let decimal = Decimal128Array::from(vec![333_333]).with_precision_and_scale(18, 6).unwrap();
        check(decimal, "0.333333", "0.333333");
        check(Int64Array::from(vec![i64::MAX]), "9223372036854775807", "9223372036854775807");
        check(StringArray::from(vec!["a\"b"]), "a\"b", "\"a\\\"b\"");
        check(Float64Array::from(vec![f64::NAN]), "NaN", "\"NaN\"");
        let time = TimestampMicrosecondArray::from(vec![1_000_000]).with_timezone("UTC");
        check(time, "1970-01-01T00:00:01.000000Z", "\"1970-01-01T00:00:01.000000Z\"");
    }

    #[test]
    fn lists_and_maps_are_json() {
        let mut event = Event::new("service", "declared");
        for name in ["event_id", "source", "time_basis"] {
            event.put(name, name);
        }
        event.put("occurred_at", Timestamp::from_micros(0).unwrap());
        event.put("recorded_at", Timestamp::from_micros(0).unwrap());
        event.put("tags", vec!["b".to_owned(), "a".to_owned()]);
        event.put_attribute("k", "v\n").unwrap();
        let batch = rows::to_batch(0, [&event]).unwrap();
        let cell = |name: &str| text(batch.column_by_name(name).unwrap(), 0).unwrap();
        assert_eq!(cell("tags").as_deref(), Some(r#"["a", "b"]"#));
        assert_eq!(cell("attributes").as_deref(), Some(r#"{"k": "v\n"}"#));
        assert_eq!(cell("region"), None);
    }
}
