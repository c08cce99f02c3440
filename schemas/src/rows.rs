//! Events as Arrow batches, and the leaf of a row of one.
//!
//! The row *is* the record: [`Rows::leaf`] makes the signed bytes from the cells that a query reads, so no cell can
//! differ from what was signed. It never omits, repairs or coerces: what does not fit the profile is an error.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Int64Array, Int64Builder, ListArray,
    ListBuilder, MapArray, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{
    DataType, Field, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};

use crate::columns::{COLUMNS, REQUIRED, SEQ, Type};
use crate::error::Error;
use crate::event::{Event, Value};
use crate::leaf;
use crate::time::Timestamp;

/// The Arrow schema of the event table, `seq` first.
pub fn schema() -> SchemaRef {
    let fields = COLUMNS
        .iter()
        .map(|c| Field::new(c.name, data_type(c.ty), c.name != SEQ && !REQUIRED.contains(&c.name)));
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

/// The Arrow type of a column type.
pub fn data_type(ty: Type) -> DataType {
    match ty {
        Type::String => DataType::Utf8,
        Type::Integer => DataType::Int64,
        Type::Boolean => DataType::Boolean,
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::StringList => DataType::List(Arc::new(Field::new("element", DataType::Utf8, false))),
        Type::StringMap => DataType::Map(
            Arc::new(Field::new(
                "key_value",
                DataType::Struct(Fields::from(vec![
                    Field::new("key", DataType::Utf8, false),
                    Field::new("value", DataType::Utf8, false),
                ])),
                false,
            )),
            false,
        ),
    }
}

/// The batch of `events`, the first of which has position `start`.
///
/// # Errors
/// An event lacks a required column or has one that this version does not know.
pub fn to_batch<'a>(
    start: u64,
    events: impl IntoIterator<Item = &'a Event>,
) -> Result<RecordBatch, Error> {
    let events: Vec<&Event> = events.into_iter().collect();
    let known = |name: &str| COLUMNS.iter().any(|c| c.name == name && name != SEQ);
    if let Some(name) =
        events.iter().flat_map(|e| e.iter()).map(|(name, _)| name).find(|n| !known(n))
    {
        return Err(Error::field(name, "is not a column of this version"));
    }
    let columns = COLUMNS.iter().map(|c| match c.name {
        SEQ => Arc::new(Int64Array::from_iter_values((start.cast_signed()..).take(events.len())))
            as ArrayRef,
        name => array(c.ty, events.iter().map(|e| e.get(name))),
    });
    RecordBatch::try_new(schema(), columns.collect()).map_err(|e| Error::new(e.to_string()))
}

/// One column's array; a value of another type than `ty` cannot occur, since [`Event`] was checked against the table.
fn array<'a>(ty: Type, values: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    match ty {
        Type::String => {
            let mut b = StringBuilder::new();
            for v in values {
                b.append_option(match v {
                    Some(Value::String(t)) => Some(t),
                    _ => None,
                });
            }
            Arc::new(b.finish())
        }
        Type::Integer => {
            let mut b = Int64Builder::new();
            for v in values {
                b.append_option(match v {
                    Some(Value::Integer(n)) => Some(*n),
                    _ => None,
                });
            }
            Arc::new(b.finish())
        }
        Type::Boolean => {
            let mut b = BooleanBuilder::new();
            for v in values {
                b.append_option(match v {
                    Some(Value::Boolean(x)) => Some(*x),
                    _ => None,
                });
            }
            Arc::new(b.finish())
        }
        Type::Timestamp => {
            let mut b = TimestampMicrosecondBuilder::new().with_timezone("UTC");
            for v in values {
                b.append_option(match v {
                    Some(Value::Timestamp(t)) => Some(t.micros()),
                    _ => None,
                });
            }
            Arc::new(b.finish())
        }
        Type::StringList => {
            let mut b = ListBuilder::new(StringBuilder::new()).with_field(Field::new(
                "element",
                DataType::Utf8,
                false,
            ));
            for v in values {
                let list = match v {
                    Some(Value::StringList(l)) => Some(l),
                    _ => None,
                };
                list.into_iter().flatten().for_each(|t| b.values().append_value(t));
                b.append(list.is_some());
            }
            Arc::new(b.finish())
        }
        Type::StringMap => string_maps(values),
    }
}

fn string_maps<'a>(values: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    let names =
        MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut b = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new())
        .with_values_field(Field::new("value", DataType::Utf8, false));
    for v in values {
        let map = match v {
            Some(Value::StringMap(m)) => Some(m),
            _ => None,
        };
        for (key, text) in map.into_iter().flatten() {
            b.keys().append_value(key);
            b.values().append_value(text);
        }
        b.append(map.is_some()).expect("as many keys as values");
    }
    Arc::new(b.finish())
}

/// A batch whose schema was found to be one that leaves can be made from.
pub struct Rows {
    seq: Int64Array,
    /// Columns other than `seq`, in byte order of their names.
    columns: Vec<(String, Cells)>,
    len: usize,
}

enum Cells {
    String(StringArray),
    Integer(Int64Array),
    Boolean(BooleanArray),
    Timestamp(TimestampMicrosecondArray),
    StringList(ListArray),
    StringMap(MapArray),
}

impl Rows {
    /// Reads the columns of `batch`. Unknown columns of an allowed type belong to the leaf.
    ///
    /// # Errors
    /// A column has a type that no leaf has, two names are equal up to case, or `seq` is missing or null.
    pub fn new(batch: &RecordBatch) -> Result<Self, Error> {
        let mut seq = None;
        let mut columns: Vec<(String, Cells)> = Vec::with_capacity(batch.num_columns());
        let mut lower = std::collections::BTreeSet::new();
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if !lower.insert(field.name().to_ascii_lowercase()) {
                return Err(Error::field(field.name(), "two columns have this name, up to case"));
            }
            let cells = Cells::new(array).ok_or_else(|| {
                Error::field(
                    field.name(),
                    format!("has type {}, which no leaf has", field.data_type()),
                )
            })?;
            match (field.name().as_str(), cells) {
                (SEQ, Cells::Integer(array)) if array.null_count() == 0 => seq = Some(array),
                (SEQ, _) => {
                    return Err(Error::field(SEQ, "is not a column of integers without nulls"));
                }
                (name, cells) => columns.push((name.to_owned(), cells)),
            }
        }
        columns.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let seq = seq.ok_or_else(|| Error::field(SEQ, "is missing"))?;
        Ok(Self { seq, columns, len: batch.num_rows() })
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The position that row `row` claims.
    pub fn seq(&self, row: usize) -> i64 {
        self.seq.value(row)
    }

    /// The event of row `row`.
    ///
    /// # Errors
    /// A cell breaks the profile.
    pub fn event(&self, row: usize) -> Result<Event, Error> {
        let mut event = Event::default();
        for (name, cells) in &self.columns {
            if let Some(value) = cells.value(row).map_err(|e| e.in_field(name))? {
                let known = crate::columns::column(name);
                event.insert(known.map_or_else(|| name.clone().into(), |c| c.name.into()), value);
            }
        }
        Ok(event)
    }

    /// The canonical bytes of row `row`.
    ///
    /// # Errors
    /// A cell breaks the profile, or the leaf is too long.
    pub fn leaf(&self, row: usize) -> Result<Vec<u8>, Error> {
        leaf::encode(&self.event(row)?)
    }
}

impl Cells {
    fn new(array: &ArrayRef) -> Option<Self> {
        let required_text = |f: &Field| *f.data_type() == DataType::Utf8;
        Some(match array.data_type() {
            DataType::Utf8 => Self::String(array.as_string().clone()),
            DataType::Int64 => Self::Integer(array.as_primitive().clone()),
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
                Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
            DataType::List(element) if required_text(element) => {
                Self::StringList(array.as_list().clone())
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair)
                    if pair.len() == 2 && pair.iter().all(|f| required_text(f)) =>
                {
                    Self::StringMap(array.as_map().clone())
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    fn value(&self, row: usize) -> Result<Option<Value>, Error> {
        let null = match self {
            Self::String(a) => a.is_null(row),
            Self::Integer(a) => a.is_null(row),
            Self::Boolean(a) => a.is_null(row),
            Self::Timestamp(a) => a.is_null(row),
            Self::StringList(a) => a.is_null(row),
            Self::StringMap(a) => a.is_null(row),
        };
        if null {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::String(a) => Value::String(a.value(row).to_owned()),
            Self::Integer(a) => Value::Integer(a.value(row)),
            Self::Boolean(a) => Value::Boolean(a.value(row)),
            Self::Timestamp(a) => Value::Timestamp(
                Timestamp::from_micros(a.value(row))
                    .ok_or_else(|| Error::new("a time outside 1970 to 9999"))?,
            ),
            Self::StringList(a) => Value::StringList(texts(&a.value(row))?),
            Self::StringMap(a) => {
                let entries = a.value(row);
                let (keys, values) = (texts(entries.column(0))?, texts(entries.column(1))?);
                if !keys.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()) {
                    return Err(Error::new("map keys are not strictly ascending"));
                }
                Value::StringMap(keys.into_iter().zip(values).collect())
            }
        }))
    }
}

fn texts(array: &ArrayRef) -> Result<Vec<String>, Error> {
    if array.null_count() > 0 {
        return Err(Error::new("a null element"));
    }
    Ok(array.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}
