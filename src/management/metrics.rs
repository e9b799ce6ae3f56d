//! The metrics in the text format of Prometheus, with names after its conventions: base units, `_total` for counters.
//! The values of labels are names of this program, of the standard or of settings, never texts of a client.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::dispatch::DispatcherStatus;
use crate::histogram::Distribution;
use crate::observe::Connections;
use crate::observe::metrics::Metrics;

pub(super) use prometheus_text::CONTENT_TYPE;

/// The nanoseconds of a second.
const SECOND: f64 = 1e9;

/// The values at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The counters of requests.
    pub metrics: Arc<Metrics>,
    /// The connections.
    pub connections: Connections,
    /// The state of the store and of the services.
    pub dispatcher: DispatcherStatus,
    /// The times since 1970, in seconds, at which certificates expire: by what they are used for, the earliest of each.
    pub expiries: Vec<(&'static str, u64)>,
    /// The time since 1970, in seconds, at which the server started.
    pub started: u64,
}

/// Returns the text of the metrics.
///
/// # Errors
/// Returns an error if the library reports one.
pub(super) fn encode(sample: Sample) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("kmip");
    registry.register_collector(Box::new(sample));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The labels of one value, with their names.
type Labels = Vec<(&'static str, &'static str)>;

/// Values of one metric, each with its labels.
type Values = Vec<(Labels, u64)>;

/// Writes metrics.
struct Output<'a>(DescriptorEncoder<'a>);

impl Output<'_> {
    fn begin<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    /// Writes a counter; its name gets the ending `_total`.
    fn counter(&mut self, name: &str, help: &str, values: Values) -> fmt::Result {
        let mut encoder = self.begin(name, help, MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)
        })
    }

    fn gauge(&mut self, name: &str, help: &str, values: Values) -> fmt::Result {
        let mut encoder = self.begin(name, help, MetricType::Gauge)?;
        values
            .into_iter()
            .try_for_each(|(labels, value)| encoder.encode_family(&labels)?.encode_gauge(&value))
    }

    /// Writes histograms whose values are multiples of `unit`.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: f64,
        values: Vec<(Labels, Distribution)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(name, help, MetricType::Histogram)?;
        values.into_iter().try_for_each(|(labels, distribution)| {
            let bounds = distribution.bounds.iter().map(|bound| real(*bound) / unit);
            let bounds = bounds.chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(distribution.counts.iter().copied()).collect();
            let (sum, total) = (real(distribution.sum) / unit, distribution.total());
            encoder.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, total, &buckets, None)
        })
    }
}

/// Converts a counter. Above 2^53, the last digits are lost.
#[expect(clippy::cast_precision_loss, reason = "values of Prometheus are floating-point numbers")]
fn real(value: u64) -> f64 {
    value as f64
}

fn single(value: u64) -> Values {
    vec![(Vec::new(), value)]
}

fn labelled(label: &'static str, values: impl IntoIterator<Item = (&'static str, u64)>) -> Values {
    values.into_iter().map(|(name, value)| (vec![(label, name)], value)).collect()
}

impl Collector for Sample {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut output = Output(encoder);
        self.requests(&mut output)?;
        self.connections(&mut output)?;
        self.store(&mut output)?;
        self.services(&mut output)
    }
}

impl Sample {
    fn requests(&self, output: &mut Output<'_>) -> fmt::Result {
        let (mut results, mut durations) = (Vec::new(), Vec::new());
        for counts in self.metrics.operations() {
            let operation = ("operation", counts.operation.name());
            let succeeded = (counts.succeeded > 0).then_some(("Success", counts.succeeded));
            let failed = counts.failed.iter().map(|(reason, count)| (reason.name(), *count));
            results.extend(
                succeeded.into_iter().chain(failed).map(|(name, n)| (vec![operation, ("reason", name)], n)),
            );
            durations.push((vec![operation], counts.durations));
        }
        output.counter(
            "operations",
            "Batch items, by operation and Result Reason; Success for those without one.",
            results,
        )?;
        output.histogram(
            "operation_duration_seconds",
            "Time to execute a batch item, without the commit that the items of a batch share.",
            SECOND,
            durations,
        )?;
        output.histogram(
            "request_duration_seconds",
            "Time from the last byte of a request message until its response was sent.",
            SECOND,
            vec![(Vec::new(), self.metrics.exchanges())],
        )?;
        let refused = self.metrics.refusals().into_iter().map(|(reason, count)| (reason.name(), count));
        output.counter(
            "requests_refused",
            "Request messages that were refused before any item, by Result Reason.",
            labelled("reason", refused),
        )?;
        output.counter(
            "panics",
            "Request messages whose execution panicked, which is a bug.",
            single(self.metrics.panics()),
        )?;
        let (received, sent) = self.metrics.bytes();
        output.counter("received_bytes", "Bytes of request messages, as TTLV.", single(received))?;
        output.counter("sent_bytes", "Bytes of response messages, as TTLV.", single(sent))
    }

    fn connections(&self, output: &mut Output<'_>) -> fmt::Result {
        let Connections { sessions, handshakes, accepted, turned_away, displaced } = self.connections;
        output.gauge(
            "connections",
            "Open connections, by state: in the TLS handshake, or a session.",
            labelled("state", [("handshake", handshakes), ("session", sessions)]),
        )?;
        output.counter("connections_accepted", "Accepted connections.", single(accepted))?;
        output.counter(
            "connections_refused",
            "Connections that were refused after the handshake, because max_connections or max_connections_per_user was \
             reached.",
            single(turned_away),
        )?;
        output.counter(
            "connections_displaced",
            "Idle connections that ended in favour of another user.",
            single(displaced),
        )?;
        output.counter(
            "handshake_failures",
            "Failed TLS handshakes, by the code that run_server --explain explains.",
            labelled("cause", self.metrics.handshakes()),
        )
    }

    fn store(&self, output: &mut Output<'_>) -> fmt::Result {
        let store = &self.dispatcher.store;
        output.gauge(
            "store_size_bytes",
            "Size of the files of an SQLite database; 0 for other stores.",
            single(store.bytes),
        )?;
        let in_use = store.readers_open.saturating_sub(store.readers_idle);
        output.gauge(
            "store_readers",
            "Open read connections of the store, by state.",
            labelled("state", [("idle", store.readers_idle.into()), ("in_use", in_use.into())]),
        )?;
        output.histogram(
            "store_commit_transactions",
            "Transactions per commit; the count is the number of commits.",
            1.0,
            vec![(Vec::new(), store.commits.clone())],
        )?;
        output.counter("store_commit_failures", "Commits that failed.", single(store.failed_commits))
    }

    fn services(&self, output: &mut Output<'_>) -> fmt::Result {
        let DispatcherStatus { jobs, policies, endpoints, .. } = &self.dispatcher;
        let count = |count: usize| count as u64;
        output.gauge(
            "jobs",
            "Asynchronous batches at this server, by state: waiting for a thread, or running.",
            labelled("state", [("waiting", count(jobs.waiting)), ("running", count(jobs.running))]),
        )?;
        output.gauge("policies", "Operation policies in force.", single(count(*policies)))?;
        let waiting = endpoints.iter().map(|queue| count(queue.waiting)).sum();
        output.gauge("notifications", "Notifications that wait for listeners.", single(waiting))?;
        let results = [
            ("delivered", endpoints.iter().map(|queue| queue.delivered).sum()),
            ("dropped", endpoints.iter().map(|queue| queue.dropped).sum()),
        ];
        output.counter(
            "notifications_sent",
            "Notifications for listeners, by result.",
            labelled("result", results),
        )?;
        output.gauge(
            "certificate_expiry_timestamp_seconds",
            "Time at which a certificate expires, in seconds since 1970, by setting; the earliest certificate of each.",
            labelled("setting", self.expiries.iter().copied()),
        )?;
        output.gauge(
            "start_timestamp_seconds",
            "Time at which the server started, in seconds since 1970.",
            single(self.started),
        )?;
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        output.gauge("build_info", "Version of the server; the value is 1.", vec![(version, 1)])
    }
}
