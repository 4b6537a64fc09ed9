//! What the stand-in API was asked and what it answered, for tests to compare with what a
//! generator reports.
//!
//! Every request counts once, under the template of its path, also one that a fault reset or
//! held back; `/_stats` itself does not count. `requests` = the sum over `by_status` + `resets`.

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::demo::{reply, route::Route};

/// The counters of one server.
#[derive(Debug)]
pub(super) struct Stats {
    all: Counts,
    /// By discriminant of the route.
    by_route: Vec<Counts>,
    faults: FaultCounts,
    body_bytes: BodyBytes,
    connections: ConnectionCounts,
}

/// What one request came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) route: Route,
    /// `None`: reset instead of an answer.
    pub(super) status: Option<u16>,
    pub(super) bytes_received: usize,
    pub(super) bytes_sent: usize,
    pub(super) faults: FaultCounts,
}

/// Faults injected.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct FaultCounts {
    pub(super) status: u64,
    pub(super) reset: u64,
    pub(super) slow: u64,
    pub(super) badjson: u64,
}

/// What a server sees of its connections, which `handle` cannot.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct ConnectionCounts {
    pub(super) opened: u64,
    pub(super) open: u64,
    /// Connections that ended because what arrived was not HTTP.
    pub(super) malformed: u64,
    /// Bytes on the wire, heads and those of `/_stats` included.
    pub(super) bytes_received: u64,
    pub(super) bytes_sent: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Counts {
    requests: u64,
    resets: u64,
    /// An endpoint answers with a handful of statuses: a list beats a map.
    #[serde(serialize_with = "statuses")]
    by_status: Vec<(u16, u64)>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct BodyBytes {
    received: u64,
    sent: u64,
}

impl Stats {
    pub(super) fn new() -> Self {
        Self {
            all: Counts::default(),
            by_route: vec![Counts::default(); Route::ALL.len()],
            faults: FaultCounts::default(),
            body_bytes: BodyBytes::default(),
            connections: ConnectionCounts::default(),
        }
    }

    pub(super) fn count(&mut self, counted: &Counted) {
        self.all.count(counted.status);
        self.by_route[counted.route as usize].count(counted.status);
        self.body_bytes.received += counted.bytes_received as u64;
        self.body_bytes.sent += counted.bytes_sent as u64;
        self.faults.status += counted.faults.status;
        self.faults.reset += counted.faults.reset;
        self.faults.slow += counted.faults.slow;
        self.faults.badjson += counted.faults.badjson;
    }

    pub(super) fn set_connections(&mut self, connections: ConnectionCounts) {
        self.connections = connections;
    }

    /// The document of `/_stats`.
    pub(super) fn document(&self, audit: Result<(), String>) -> Bytes {
        #[derive(Serialize)]
        struct Document<'a> {
            #[serde(flatten)]
            all: &'a Counts,
            /// What is wrong inside, which is nothing.
            audit_error: Option<String>,
            faults: FaultCounts,
            body_bytes: BodyBytes,
            connections: ConnectionCounts,
            #[serde(serialize_with = "routes")]
            routes: &'a [Counts],
        }
        reply::document(&Document {
            all: &self.all,
            audit_error: audit.err(),
            faults: self.faults,
            body_bytes: self.body_bytes,
            connections: self.connections,
            routes: &self.by_route,
        })
    }
}

impl Counts {
    fn count(&mut self, status: Option<u16>) {
        self.requests += 1;
        let Some(status) = status else {
            self.resets += 1;
            return;
        };
        match self.by_status.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => self.by_status.push((status, 1)),
        }
    }
}

fn statuses<S: Serializer>(counts: &[(u16, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    serializer.collect_map(sorted)
}

/// Only the endpoints that were asked, as `"GET /health": {…}`.
fn routes<S: Serializer>(by_route: &[Counts], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (route, counts) in Route::ALL.iter().zip(by_route) {
        if counts.requests > 0 {
            let (method, template) = route.template();
            map.serialize_entry(&format!("{} {template}", method.as_str()), counts)?;
        }
    }
    map.end()
}
