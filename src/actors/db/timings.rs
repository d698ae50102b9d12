//! How long database work waits and takes.

use crate::metrics::{Counter, Histogram, HistogramOf, Registry, SHORT, Stopwatch};

/// What a piece of work does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    /// Polls for revocations, on threads of their own.
    Poll,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Poll];

    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Poll => "poll",
        }
    }
}

/// Clones measure together.
#[derive(Debug, Clone)]
pub(super) struct Timings {
    waits: Histogram<1>,
    work: Histogram<1>,
    pub refused: Counter<0>,
    /// Of each kind, the wait and the work.
    kinds: [(HistogramOf, HistogramOf); Kind::ALL.len()],
}

impl Default for Timings {
    fn default() -> Self {
        let (waits, work) = (Histogram::new(["kind"], SHORT), Histogram::new(["kind"], SHORT));
        let kinds = Kind::ALL.map(|kind| (waits.of([kind.name().into()]), work.of([kind.name().into()])));
        Self { waits, work, refused: Counter::new([]).starting([[]]), kinds }
    }
}

impl Timings {
    /// Runs work that has waited since `queued`.
    pub fn run(&self, kind: Kind, mut queued: Stopwatch, work: impl FnOnce()) {
        let (waits, takes) = &self.kinds[kind as usize];
        waits.observe(queued.lap());
        work();
        takes.observe(queued.elapsed());
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.histogram(
            "doorward_db_wait_seconds",
            "How long database work waits for its turn and a thread.",
            &self.waits,
        );
        registry.histogram("doorward_db_work_seconds", "How long database work takes.", &self.work);
        registry.counter(
            "doorward_db_refused_total",
            "Database work that was refused because the queue was full.",
            &self.refused,
        );
    }
}
