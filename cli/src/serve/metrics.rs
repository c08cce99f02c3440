//! What the server counts, for Prometheus.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Source and outcome.
type Labels = [(&'static str, &'static str); 2];
/// Why a connection was closed.
type Reason = [(&'static str, &'static str); 1];
/// Source alone.
type Source = [(&'static str, &'static str); 1];

/// Upper bounds of latencies, in seconds: a wait for the disk takes a millisecond, a sender waits ten seconds.
const LATENCY_S: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Upper bounds of lags, in seconds: at once, late, and a backfill.
const LAG_S: [f64; 9] = [1.0, 5.0, 15.0, 60.0, 300.0, 3_600.0, 86_400.0, 604_800.0, 2_592_000.0];

/// Everything that is counted.
pub(super) struct Metrics {
    registry: Registry,
    deliveries: Family<Labels, Counter>,
    events: Family<Labels, Counter>,
    closed: Family<Reason, Counter>,
    latency: Family<Source, Histogram, fn() -> Histogram>,
    lag: Family<Source, Histogram, fn() -> Histogram>,
    silent: Family<Source, Gauge<u64, AtomicU64>>,
    /// Rows in the log.
    pub(super) rows: Gauge<u64, AtomicU64>,
    /// Rows that the newest checkpoint covers.
    pub(super) published: Gauge<u64, AtomicU64>,
    /// Seconds since the log grew and was published, or since the start.
    pub(super) checkpoint_age: Gauge<i64, AtomicI64>,
    /// 1 while the writer can write.
    pub(super) healthy: Gauge<u64, AtomicU64>,
    /// Deliveries that lie in quarantine.
    pub(super) quarantine: Gauge<u64, AtomicU64>,
    /// Connections that are open.
    pub(super) connections: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("backtrail");
        let deliveries = Family::default();
        let events = Family::default();
        let silent = Family::default();
        let latency: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(LATENCY_S));
        let lag: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(LAG_S));
        let closed = Family::default();
        let [rows, published, healthy, quarantine, connections] =
            [(); 5].map(|()| Gauge::default());
        let checkpoint_age = Gauge::default();
        let r = &mut registry;
        r.register("deliveries", "Deliveries, by source and outcome", deliveries.clone());
        r.register(
            "events",
            "Events of deliveries, by source and what became of them",
            events.clone(),
        );
        let text = "From the headers of an authenticated delivery to its answer";
        r.register_with_unit("delivery_duration", text, Unit::Seconds, latency.clone());
        let text = "From when an accepted event occurred to when it was received";
        r.register_with_unit("event_lag", text, Unit::Seconds, lag.clone());
        let text = "1 while a source with a limit has pushed nothing for longer";
        r.register("source_silent", text, silent.clone());
        r.register("log_rows", "Rows in the log", rows.clone());
        r.register("checkpoint_rows", "Rows that the newest checkpoint covers", published.clone());
        let text = "Since the newest checkpoint, or the start of the server";
        r.register_with_unit("checkpoint_age", text, Unit::Seconds, checkpoint_age.clone());
        r.register("writer_healthy", "1 while the writer can write", healthy.clone());
        let text = "Deliveries that lie in quarantine";
        r.register("quarantine_deliveries", text, quarantine.clone());
        let text = "Connections that the server closed to make room, or because nothing came";
        r.register("connections_closed", text, closed.clone());
        r.register("connections", "Connections that are open", connections.clone());
        Self {
            registry,
            deliveries,
            events,
            closed,
            latency,
            lag,
            silent,
            rows,
            published,
            checkpoint_age,
            healthy,
            quarantine,
            connections,
        }
    }

    /// One delivery more.
    pub(super) fn delivery(&self, source: &'static str, outcome: &'static str) {
        self.deliveries.get_or_create(&[("source", source), ("outcome", outcome)]).inc();
    }

    /// One connection that the server closed.
    pub(super) fn closed(&self, reason: &'static str) {
        self.closed.get_or_create(&[("reason", reason)]).inc();
    }

    /// Events of a delivery that was kept.
    pub(super) fn events(&self, source: &'static str, outcome: &'static str, count: u64) {
        if count > 0 {
            self.events.get_or_create(&[("source", source), ("outcome", outcome)]).inc_by(count);
        }
    }

    /// How long a delivery took, in seconds.
    pub(super) fn latency(&self, source: &'static str, seconds: f64) {
        self.latency.get_or_create(&[("source", source)]).observe(seconds);
    }

    /// How long after it occurred an event was received, in seconds.
    pub(super) fn lag(&self, source: &'static str, seconds: f64) {
        self.lag.get_or_create(&[("source", source)]).observe(seconds);
    }

    /// Whether a source has been silent for longer than its limit.
    pub(super) fn silent(&self, source: &'static str, silent: bool) {
        self.silent.get_or_create(&[("source", source)]).set(u64::from(silent));
    }

    /// The text of `/metrics`. *Source*: `OpenMetrics` 1.0.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }
}
