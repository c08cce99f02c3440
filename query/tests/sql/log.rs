//! The log from files: sealed segments and a tail are one table, and every form of output holds the same cells.

use std::fs::File;

use arrow::array::RecordBatch;
use backtrail_query::{Format, Options, Period, Session, Source};
use backtrail_schemas::{Event, rows};
use parquet::arrow::ArrowWriter;

use crate::case::time;

fn event(number: i64) -> Event {
    let mut event = Event::new("deployment", "live");
    event
        .put("event_id", format!("e{number}"))
        .put("source", "test")
        .put("time_basis", "source_event");
    event
        .put("service", "shop")
        .put("environment", "production")
        .put("version", format!("v{number}"));
    let at = time("01T00:00").plus_seconds(number * 3600).unwrap();
    event.put("occurred_at", at).put("recorded_at", at);
    event
}

fn batch(from: i64, to: i64) -> RecordBatch {
    let events: Vec<Event> = (from..to).map(event).collect();
    rows::to_batch(u64::try_from(from).unwrap(), &events).unwrap()
}

/// Two segments with names that a pattern would misread, beside a file that is no segment, and a tail.
#[tokio::test]
async fn exactly_the_given_files_and_rows_are_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, from, to) in
        [("a*[1] %41?.parquet", 0, 3), ("b.parquet", 3, 5), ("aX[1] %41?.parquet", 90, 99)]
    {
        let mut writer =
            ArrowWriter::try_new(File::create(path(name)).unwrap(), rows::schema(), None).unwrap();
        writer.write(&batch(from, to)).unwrap();
        writer.close().unwrap();
    }
    for (tail, want) in [(vec![batch(5, 7)], 7), (vec![], 5)] {
        let source = Source {
            size: want,
            segments: vec![path("a*[1] %41?.parquet"), path("b.parquet")],
            tail,
            ..Source::default()
        };
        let period = Period::parse("2026-10", Options::default().zone).ok();
        let session =
            Session::open(source, Options { period, ..Options::default() }).await.unwrap();
        let counted =
            session.sql("select count(*), count(distinct seq), max(seq) from log").await.unwrap();
        let all = want.to_string();
        assert_eq!(counted.texts().unwrap()[0][..2], [Some(all.clone()), Some(all)]);
        assert_eq!(session.as_of(), event(want as i64 - 1).timestamp("recorded_at").unwrap());
        assert_eq!(session.sql("select * from deployments").await.unwrap().len() as u64, want);
    }
}

#[tokio::test]
async fn every_form_holds_the_same_cells() {
    let source = Source { size: 1, tail: vec![batch(0, 1)], ..Source::default() };
    let period = Period::parse("2026-10", Options::default().zone).ok();
    let session = Session::open(source, Options { period, ..Options::default() }).await.unwrap();
    let sql = "select occurred_at, version, ratio(1, 3) as third, 2 as two, region, ['a', 'b'] as list from facts";
    let rows = session.sql(sql).await.unwrap();
    for (format, want) in [
        (
            Format::Csv,
            "occurred_at,version,third,two,region,list\r\n2026-10-01T00:00:00.000000Z,v0,0.333333,2,,\"[\"\"a\"\", \"\"b\"\"]\"\r\n",
        ),
        (
            Format::Ndjson,
            "{\"occurred_at\": \"2026-10-01T00:00:00.000000Z\", \"version\": \"v0\", \"third\": 0.333333, \"two\": 2, \"region\": null, \"list\": [\"a\", \"b\"]}\n",
        ),
        (
            Format::Markdown,
            "| occurred_at | version | third | two | region | list |\n| --- | --- | ---: | ---: | --- | --- |\n| 2026-10-01T00:00:00.000000Z | v0 | 0.333333 | 2 |  | [\"a\", \"b\"] |\n",
        ),
        (
            Format::Table,
            "occurred_at                  version     third  two  region  list\n---------------------------  -------  --------  ---  ------  ----------\n2026-10-01T00:00:00.000000Z  v0       0.333333    2          [\"a\", \"b\"]\n",
        ),
    ] {
        let mut out = Vec::new();
        rows.write(format, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), want, "{format:?}");
    }
    let (mut json, mut parquet) = (Vec::new(), Vec::new());
    rows.write(Format::Json, &mut json).unwrap();
    assert!(json.starts_with(b"[\n{") && json.ends_with(b"}\n]\n"));
    rows.write(Format::Parquet, &mut parquet).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
}

/// A filter that is made while a query runs would let statistics of segments decide what is read.
#[tokio::test]
async fn no_plan_filters_by_what_it_finds_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let mut writer =
        ArrowWriter::try_new(File::create(&path).unwrap(), rows::schema(), None).unwrap();
    writer.write(&batch(0, 3)).unwrap();
    writer.close().unwrap();
    let source = Source { size: 3, segments: vec![path], ..Source::default() };
    let period = Period::parse("2026-10", Options::default().zone).ok();
    let session = Session::open(source, Options { period, ..Options::default() }).await.unwrap();
    for sql in [
        "select * from log order by seq desc limit 1",
        "select max(seq) from log",
        "select count(*) from log a join log b on a.event_id = b.event_id where b.seq = 2",
    ] {
        let plan = session.sql(&format!("explain {sql}")).await.unwrap().texts().unwrap();
        let plan = format!("{plan:?}");
        assert!(plan.contains("DataSourceExec"), "{plan}");
        assert!(!plan.contains("DynamicFilter"), "{sql}: {plan}");
    }
}
