//! Takes the rows of a file: counts them, and hands them over one at a time.

use std::sync::mpsc::SyncSender;

use super::{Limits, Row};

/// Where the rows that are read go.
pub(super) struct Sink {
    limits: Limits,
    count: usize,
    to: Option<SyncSender<Row>>,
}

impl Sink {
    pub fn new(limits: Limits, to: Option<SyncSender<Row>>) -> Self {
        Self { limits, count: 0, to }
    }

    /// Keeps up to `most` rows, for tests.
    #[cfg(test)]
    pub fn keeping(limits: Limits, most: usize) -> (Self, std::sync::mpsc::Receiver<Row>) {
        let (to, rows) = std::sync::mpsc::sync_channel(most);
        (Self::new(limits, Some(to)), rows)
    }

    pub const fn count(&self) -> usize {
        self.count
    }

    /// Takes a row. `row` parses it, which takes longer than to find it, and is not called if it is only counted.
    pub fn push(&mut self, row: impl FnOnce() -> Row) -> Result<(), String> {
        if self.count == self.limits.rows {
            return Err(self.limits.too_many_rows());
        }
        self.count += 1;
        match &self.to {
            Some(to) => to.send(row()).map_err(|_| "is not needed any more".to_owned()),
            None => Ok(()),
        }
    }
}
