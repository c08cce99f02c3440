//! A session: one checkpoint, one `as_of`, one window, one set of parameters, and the tables that follow from them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::TimestampMicrosecondType;
use backtrail_schemas::{Timestamp, kinds};
use chrono_tz::Tz;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, SchemaProvider, TableProvider};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::catalog::Tables;
use crate::error::Error;
use crate::limits;
use crate::output::Rows;
use crate::parameters::{Parameters, Value};
use crate::period::{Period, Window};
use crate::runs::deployment_number;
use crate::source::{Source, log_table};
use crate::statement;
use crate::udaf;
use crate::udf;

/// What a person may choose about a session.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Hides every event recorded later; default the last row that is no seal, heartbeat or the like of the ledger's own.
    pub as_of: Option<Timestamp>,
    /// What the metrics are about; default the last month of `zone` that had ended at `as_of`.
    pub period: Option<Period>,
    /// Cuts calendar periods, and nothing else.
    pub zone: Tz,
    /// Thresholds by name, such as `cooldown` → `4h`.
    pub parameters: BTreeMap<String, String>,
    /// Where operators may spill; without it a query that needs more than the memory limit fails.
    pub spill: Option<PathBuf>,
}

/// Answers questions from one checkpoint. The same source and options give the same answers, to the byte.
pub struct Session {
    ctx: SessionContext,
    tables: Arc<Tables>,
    source: Source,
    as_of: Timestamp,
    window: Window,
    zone: Tz,
    parameters: Parameters,
}

impl Session {
    /// Opens a session. Only `as_of` and the parameters are settled here; views are computed when first asked for.
    ///
    /// # Errors
    /// An option is wrong, a segment cannot be read, or the log is empty and `as_of` was not given.
    pub async fn open(source: Source, options: Options) -> Result<Self, Error> {
        let parameters = Parameters::new(&options.parameters)?;
        let ctx = context(&source, &options)?;
        let log = log_table(&ctx, &source).map_err(|e| Error::of_ours(e, "log"))?;
        let as_of = match options.as_of {
            Some(as_of) => as_of,
            None => last_recorded(&ctx, Arc::clone(&log)).await?,
        };
        let window = match &options.period {
            Some(period) => period.window(),
            None => Period::last_complete_month(as_of, options.zone)?.window(),
        };
        let asked = parameters_batch(as_of, window, options.zone, &parameters);
        let fixed = BTreeMap::from([
            ("log", log),
            ("parameters", table(asked)?),
            ("kinds", table(kinds_batch())?),
            ("people", table(people_batch(&source))?),
            ("texts", table(texts_batch(&source))?),
        ]);
        let tables = Arc::new(Tables::new(fixed));
        connect(&ctx, &tables)?;
        Ok(Self { ctx, tables, source, as_of, window, zone: options.zone, parameters })
    }

    /// The answer to one statement that only reads: a query, `explain`, `show` or `describe`.
    ///
    /// # Errors
    /// The statement does not parse, does more than read, names what does not exist, or fails while it runs.
    pub async fn sql(&self, sql: &str) -> Result<Rows, Error> {
        let wrong = |error: DataFusionError| Error::of_query(error, &self.tables.table_names());
        statement::check_text(sql)?;
        let state = self.ctx.state();
        let dialect = state.config_options().sql_parser.dialect;
        let parsed = state.sql_to_statement(sql, &dialect).map_err(wrong)?;
        statement::check(&parsed)?;
        let plan = state.statement_to_plan(parsed).await.map_err(wrong)?;
        statement::read_only().verify_plan(&plan).map_err(wrong)?;
        let frame = self.ctx.execute_logical_plan(plan).await.map_err(wrong)?;
        let planned = Arc::clone(frame.schema().inner());
        Rows::new(&planned, frame.collect().await.map_err(wrong)?)
    }

    /// Runs SQL of our own, called `name` in errors.
    pub(crate) async fn ours(&self, name: &str, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        let failed = |error: DataFusionError| Error::of_ours(error, name);
        self.ctx.sql(sql).await.map_err(failed)?.collect().await.map_err(failed)
    }

    /// The last instant whose recordings are seen.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// What the metrics are about.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The zone that cut the window.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The thresholds in force.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The checkpoint that is read.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The names of all tables, for completion.
    pub fn tables(&self) -> Vec<String> {
        self.tables.table_names()
    }
}

/// An engine with our limits, our functions, and nothing that depends on the time or on chance.
fn context(source: &Source, options: &Options) -> Result<SessionContext, Error> {
    let partitions = match source.size {
        0..=limits::ONE_PARTITION_ROWS => 1,
        _ => {
            std::thread::available_parallelism().map_or(1, usize::from).min(limits::PARTITIONS_MAX)
        }
    };
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_target_partitions(partitions)
        .with_collect_statistics(false)
        .with_parquet_pruning(false)
        .with_parquet_page_index_pruning(false)
        .with_parquet_bloom_filter_pruning(false);
    let settings = config.options_mut();
    settings.execution.parquet.schema_force_view_types = false;
    settings.sql_parser.map_string_types_to_utf8view = false;
    settings.execution.time_zone = Some("UTC".to_owned());
    // One pass: the further ones change nothing in our views and took half of the time.
    settings.optimizer.max_passes = 1;
    // By its key, which takes the three settings below it along; the field does not.
    settings
        .set("datafusion.optimizer.enable_dynamic_filter_pushdown", "false")
        .expect("the engine has this setting");
    let ctx = SessionContext::new_with_config_rt(config, runtime(options)?);
    for name in NOT_REPEATABLE {
        ctx.deregister_udf(name);
    }
    for function in udf::all() {
        ctx.register_udf(function);
    }
    ctx.register_udaf(deployment_number());
    for function in udaf::all() {
        ctx.register_udaf(function);
    }
    Ok(ctx)
}

fn runtime(options: &Options) -> Result<Arc<RuntimeEnv>, Error> {
    let spill = match &options.spill {
        Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
        None => DiskManagerMode::Disabled,
    };
    let disk = DiskManagerBuilder::default()
        .with_mode(spill)
        .with_max_temp_directory_size(limits::SPILL_BYTES);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits::MEMORY_BYTES)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(|e| Error::of_ours(e, "runtime"))
}

/// Makes `tables` the only schema of `ctx`. The views hold no more than a weak reference to the context.
fn connect(ctx: &SessionContext, tables: &Arc<Tables>) -> Result<(), Error> {
    let catalog = MemoryCatalogProvider::new();
    let schema = Arc::clone(tables) as Arc<dyn SchemaProvider>;
    catalog.register_schema(SCHEMA, schema).map_err(|e| Error::of_ours(e, "catalog"))?;
    ctx.register_catalog(CATALOG, Arc::new(catalog));
    let weak = ctx.state_weak_ref();
    tables.connect(Box::new(move || {
        let state = weak.upgrade()?.read().clone();
        Some(SessionContext::new_with_state(state))
    }));
    Ok(())
}

/// When the last row was recorded that is not the ledger's own, identities apart; a log of nothing else answers with its
/// last row.
async fn last_recorded(
    ctx: &SessionContext,
    log: Arc<dyn TableProvider>,
) -> Result<Timestamp, Error> {
    let failed = |error: DataFusionError| Error::of_ours(error, "log");
    ctx.register_catalog(CATALOG, Arc::new(MemoryCatalogProvider::new()));
    let query = async {
        let frame = ctx.read_table(log)?.select_columns(&["kind", "phase", "recorded_at"])?;
        frame.collect().await
    };
    let (mut ours, mut others) = (None, None);
    for batch in query.await.map_err(failed)? {
        let (kinds, phases) =
            (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let times = batch.column(2).as_primitive::<TimestampMicrosecondType>();
        for ((kind, phase), at) in kinds.iter().zip(phases.iter()).zip(times.iter()) {
            // Whose account is whose is news; seals and heartbeats are not.
            let own = kind == Some(kinds::LEDGER) && phase != Some("identity");
            let last = if own { &mut ours } else { &mut others };
            *last = (*last).max(at);
        }
    }
    others.or(ours).and_then(Timestamp::from_micros).ok_or_else(|| {
        Error::input("the log has no rows")
            .with_hint("ingest something first, or give an as-of time")
    })
}

fn table(batch: RecordBatch) -> Result<Arc<dyn TableProvider>, Error> {
    let made = MemTable::try_new(batch.schema(), vec![vec![batch]]);
    Ok(Arc::new(made.map_err(|e| Error::of_ours(e, "tables"))?))
}

/// The one row of `parameters`: `as_of`, `window_start`, `window_end`, `zone`, every duration as `<name>_us`, and
/// `burn_threshold`.
fn parameters_batch(
    as_of: Timestamp,
    window: Window,
    zone: Tz,
    parameters: &Parameters,
) -> RecordBatch {
    let instant = |at: Timestamp| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(vec![at.micros()]).with_timezone("UTC"))
    };
    let times = [("as_of", as_of), ("window_start", window.from), ("window_end", window.to)];
    let times = times.map(|(name, at)| (name.to_owned(), instant(at)));
    let values = parameters.iter().map(|(name, value)| match value {
        Value::Duration(us) => {
            (format!("{name}_us"), Arc::new(Int64Array::from(vec![us])) as ArrayRef)
        }
        Value::Number(n) => {
            (name.to_owned(), Arc::new(udf::decimals(vec![Some(n.into())])) as ArrayRef)
        }
    });
    let zone = Arc::new(StringArray::from(vec![zone.name()])) as ArrayRef;
    batch(times.into_iter().chain([("zone".to_owned(), zone)]).chain(values))
}

/// `kinds(kind, phase, rank)`: the canonical order of rows of equal time.
fn kinds_batch() -> RecordBatch {
    let pairs = kinds::KINDS
        .iter()
        .flat_map(|(kind, phases)| phases.iter().map(move |phase| (*kind, *phase)));
    let (kinds, phases): (Vec<&str>, Vec<&str>) = pairs.unzip();
    let ranks = (0..).take(kinds.len());
    batch([
        ("kind".to_owned(), Arc::new(StringArray::from(kinds)) as ArrayRef),
        ("phase".to_owned(), Arc::new(StringArray::from(phases))),
        ("rank".to_owned(), Arc::new(Int64Array::from_iter_values(ranks))),
    ])
}

fn people_batch(source: &Source) -> RecordBatch {
    texts([
        ("pseudonym", source.people.iter().map(|p| p.0.as_str()).collect()),
        ("name", source.people.iter().map(|p| p.1.as_str()).collect()),
    ])
}

fn texts_batch(source: &Source) -> RecordBatch {
    texts([
        ("event_id", source.texts.iter().map(|t| t.0.as_str()).collect()),
        ("field", source.texts.iter().map(|t| t.1.as_str()).collect()),
        ("text", source.texts.iter().map(|t| t.2.as_str()).collect()),
    ])
}

fn texts<const N: usize>(columns: [(&str, Vec<&str>); N]) -> RecordBatch {
    batch(
        columns
            .map(|(name, cells)| (name.to_owned(), Arc::new(StringArray::from(cells)) as ArrayRef)),
    )
}

fn batch(columns: impl IntoIterator<Item = (String, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

const CATALOG: &str = "backtrail";
const SCHEMA: &str = "public";

/// Functions whose value is not decided by the checkpoint and the options (invariant Q2).
const NOT_REPEATABLE: &[&str] = &[
    "now",
    "current_timestamp",
    "current_date",
    "today",
    "current_time",
    "random",
    "uuid",
    "version",
];
