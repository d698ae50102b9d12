//! Requests as metrics: how many there were of each, and how long they took.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::metrics::{Counter, CounterOf, Histogram, HistogramOf, LONG, Registry};

/// Of all workers. Clones count together.
#[derive(Debug, Clone)]
pub struct RequestMetrics {
    requests: Counter<3>,
    times: Histogram<2>,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            requests: Counter::new(["method", "route", "status"]),
            times: Histogram::new(["method", "route"], LONG),
        }
    }
}

impl RequestMetrics {
    /// For the data of one worker's application.
    #[must_use]
    pub fn of_worker(&self) -> Rc<WorkerRequests> {
        Rc::new(WorkerRequests { all: self.clone(), known: RefCell::default() })
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.counter(
            "doorward_http_requests_total",
            "HTTP requests. The route is the pattern of the path, or unmatched; a handshake of a WebSocket has the \
             status 101.",
            &self.requests,
        );
        registry.histogram(
            "doorward_http_request_seconds",
            "How long HTTP requests took, until the response began.",
            &self.times,
        );
    }
}

/// Method, route and status.
type Kind = (&'static str, Rc<str>, u16);

/// The metrics that a worker has used, so that it need not look for them among those of all.
#[derive(Debug)]
pub struct WorkerRequests {
    all: RequestMetrics,
    known: RefCell<HashMap<Kind, (CounterOf, HistogramOf)>>,
}

impl WorkerRequests {
    /// Counts a request. Method and route are names that the program knows, so there is a bounded number of them.
    pub(super) fn answered(&self, method: &'static str, route: Rc<str>, status: u16, took: Duration) {
        let mut known = self.known.borrow_mut();
        let (count, times) =
            known.entry((method, route, status)).or_insert_with_key(|(method, route, status)| {
                let route = || route.to_string().into();
                let count = self.all.requests.of([(*method).into(), route(), status.to_string().into()]);
                (count, self.all.times.of([(*method).into(), route()]))
            });
        count.increment();
        times.observe(took);
    }
}
