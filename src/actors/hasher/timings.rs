//! How long password work waits and takes.

use crate::metrics::{Counter, CounterOf, Histogram, HistogramOf, LONG, Registry};

/// Of all queues.
#[derive(Debug, Clone)]
pub(super) struct Timings {
    waits: Histogram<1>,
    work: Histogram<1>,
    refused: Counter<1>,
}

/// Of one queue.
#[derive(Debug, Clone)]
pub(super) struct QueueTimings {
    pub waits: HistogramOf,
    pub work: HistogramOf,
    pub refused: CounterOf,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            waits: Histogram::new(["queue"], LONG),
            work: Histogram::new(["queue"], LONG),
            refused: Counter::new(["queue"]),
        }
    }
}

impl Timings {
    pub fn of(&self, queue: &'static str) -> QueueTimings {
        QueueTimings {
            waits: self.waits.of([queue.into()]),
            work: self.work.of([queue.into()]),
            refused: self.refused.of([queue.into()]),
        }
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.histogram(
            "doorward_hash_wait_seconds",
            "How long password work waits for a thread.",
            &self.waits,
        );
        registry.histogram(
            "doorward_hash_work_seconds",
            "How long password work takes from then on.",
            &self.work,
        );
        registry.counter(
            "doorward_hash_refused_total",
            "Password work that was refused because the queue was full.",
            &self.refused,
        );
    }
}
