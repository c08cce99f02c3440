//! Events as Arrow batches, and the leaf of a row of one.
//!
//! The row *is* the record: [`Rows::leaf`] makes the signed bytes from the cells that a query reads, so no cell can
//! differ from what was signed. It never omits, repairs or coerces: what does not fit the profile is an error.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Int64Array, Int64Builder, ListArray,
    ListBuilder, MapArray, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::{
    DataType, Field, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};

use crate::columns::{COLUMNS, REQUIRED, SEQ, Type, column};
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
    // Most columns have no value in a batch, and need not be looked for in each event; many events have those of the one before.
    let mut present: BTreeSet<&str> = BTreeSet::new();
    let mut before = Vec::new();
    for event in &events {
        if !event.iter().map(|(name, _)| name).eq(before.iter().copied()) {
            before = event.iter().map(|(name, _)| name).collect();
            present.extend(&before);
        }
    }
    let known = |name: &str| name != SEQ && column(name).is_some();
    if let Some(name) = present.iter().find(|name| !known(name)) {
        return Err(Error::field(*name, "is not a column of this version"));
    }
    let columns = COLUMNS.iter().map(|c| match c.name {
        SEQ => Arc::new(Int64Array::from_iter_values((start.cast_signed()..).take(events.len())))
            as ArrayRef,
        name if present.contains(name) => array(c.ty, events.iter().map(|e| e.get(name))),
        _ => new_null_array(&data_type(c.ty), events.len()),
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
    /// Columns that have a value somewhere, other than `seq`, in byte order of their names.
    columns: Vec<Cells>,
    len: usize,
}

/// One column.
struct Cells {
    name: String,
    /// What precedes each of its values in a leaf: the quoted name and a colon.
    key: Vec<u8>,
    values: Values,
}

#[expect(clippy::large_enum_variant, reason = "one a column of a batch")]
enum Values {
    String(StringArray),
    Integer(Int64Array),
    Boolean(BooleanArray),
    Timestamp(TimestampMicrosecondArray),
    /// The lists and the texts in them.
    StringList(ListArray, StringArray),
    /// The maps, and the keys and the texts in them.
    StringMap(MapArray, StringArray, StringArray),
}

impl Rows {
    /// Reads the columns of `batch`. Unknown columns of an allowed type belong to the leaf.
    ///
    /// # Errors
    /// A column has a type that no leaf has, two names are equal up to case, or `seq` is missing or null.
    pub fn new(batch: &RecordBatch) -> Result<Self, Error> {
        let mut seq = None;
        let mut columns: Vec<Cells> = Vec::with_capacity(batch.num_columns());
        let mut lower = BTreeSet::new();
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let name = field.name();
            if !lower.insert(name.to_ascii_lowercase()) {
                return Err(Error::field(name, "two columns have this name, up to case"));
            }
            let values = Values::new(array).ok_or_else(|| {
                Error::field(name, format!("has type {}, which no leaf has", field.data_type()))
            })?;
            match (name.as_str(), values) {
                (SEQ, Values::Integer(array)) if array.null_count() == 0 => seq = Some(array),
                (SEQ, _) => {
                    return Err(Error::field(SEQ, "is not a column of integers without nulls"));
                }
                (name, values) => {
                    leaf::check_name(name)?;
                    if values.array().null_count() < batch.num_rows() {
                        let key = format!("\"{name}\":").into_bytes();
                        columns.push(Cells { name: name.to_owned(), key, values });
                    }
                }
            }
        }
        columns.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
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

    /// The column of texts `name`, if a row has one.
    pub fn texts(&self, name: &str) -> Option<&StringArray> {
        match &self.column(name)?.values {
            Values::String(array) => Some(array),
            _ => None,
        }
    }

    /// The column of instants `name`, in microseconds since 1970, if a row has one.
    pub fn timestamps(&self, name: &str) -> Option<&TimestampMicrosecondArray> {
        match &self.column(name)?.values {
            Values::Timestamp(array) => Some(array),
            _ => None,
        }
    }

    /// The names of the columns that a row has a value in, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The first row without a column that every row has.
    pub fn lacks(&self) -> Option<(usize, &'static str)> {
        REQUIRED.iter().find_map(|name| match self.column(name) {
            None => Some((0, *name)),
            Some(column) => {
                let nulls = column.values.array();
                let row = (0..self.len).find(|row| nulls.is_null(*row));
                row.filter(|_| nulls.null_count() > 0).map(|row| (row, *name))
            }
        })
    }

    fn column(&self, name: &str) -> Option<&Cells> {
        let at = self.columns.binary_search_by(|c| c.name.as_bytes().cmp(name.as_bytes())).ok()?;
        Some(&self.columns[at])
    }

    /// The event of row `row`.
    ///
    /// # Errors
    /// A cell breaks the profile.
    pub fn event(&self, row: usize) -> Result<Event, Error> {
        leaf::decode(&self.leaf(row)?)
    }

    /// The canonical bytes of row `row`.
    ///
    /// # Errors
    /// As [`Rows::write_leaf`].
    pub fn leaf(&self, row: usize) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(1024);
        self.write_leaf(row, &mut out)?;
        Ok(out)
    }

    /// Replaces what is in `out` by the canonical bytes of row `row`.
    ///
    /// # Errors
    /// A cell breaks the profile, or the leaf is too long.
    pub fn write_leaf(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        out.clear();
        for column in self.columns.iter().filter(|column| column.values.array().is_valid(row)) {
            out.push(if out.is_empty() { b'{' } else { b',' });
            out.extend_from_slice(&column.key);
            column.values.write(row, out).map_err(|e| e.in_field(&column.name))?;
        }
        leaf::finish(out)
    }
}

impl Values {
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
                let lists = array.as_list::<i32>().clone();
                let texts = lists.values().as_string().clone();
                Self::StringList(lists, texts)
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair)
                    if pair.len() == 2 && pair.iter().all(|f| required_text(f)) =>
                {
                    let maps = array.as_map().clone();
                    let keys = maps.keys().as_string().clone();
                    let texts = maps.values().as_string().clone();
                    Self::StringMap(maps, keys, texts)
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::String(array) => array,
            Self::Integer(array) => array,
            Self::Boolean(array) => array,
            Self::Timestamp(array) => array,
            Self::StringList(array, _) => array,
            Self::StringMap(array, ..) => array,
        }
    }

    /// Writes the value of row `row`, which is not null.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::String(texts) => leaf::write_text(out, texts.value(row))?,
            Self::Integer(numbers) => leaf::write_integer(out, numbers.value(row))?,
            Self::Boolean(array) => leaf::write_boolean(out, array.value(row)),
            Self::Timestamp(array) => {
                let at = Timestamp::from_micros(array.value(row));
                let at = at.ok_or_else(|| Error::new("a time outside 1970 to 9999"))?;
                leaf::write_timestamp(out, at);
            }
            Self::StringList(lists, texts) => {
                let within = within(lists.value_offsets(), row, &[texts])?;
                leaf::write_list(out, within.map(|at| texts.value(at)))?;
            }
            Self::StringMap(maps, keys, texts) => {
                let within = within(maps.value_offsets(), row, &[keys, texts])?;
                leaf::write_map(out, within.map(|at| (keys.value(at), texts.value(at))))?;
            }
        }
        Ok(())
    }
}

/// Where the elements of row `row` lie; none of them is null.
fn within(
    offsets: &[i32],
    row: usize,
    elements: &[&StringArray],
) -> Result<std::ops::Range<usize>, Error> {
    let [from, to] = [offsets[row], offsets[row + 1]].map(|at| at.cast_unsigned() as usize);
    let within = from..to;
    let null =
        |array: &&StringArray| array.null_count() > 0 && within.clone().any(|at| array.is_null(at));
    if elements.iter().any(null) {
        return Err(Error::new("a null element"));
    }
    Ok(within)
}
