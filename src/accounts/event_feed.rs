//! The feed of changes that backends follow: a long poll over the rows of `events`.

use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};

use super::{Accounts, AdminError, Error};
use crate::db::Conn;
use crate::directory::freshness::boot_millis;
use crate::models::events::{self, Event};

/// Requests that may wait at a time, on each node.
const MAX_WAITING: usize = 64;

/// How often the rows are looked at while requests wait, in real time. All of them share one query.
const PACE: Duration = Duration::from_millis(250);

/// What the waiting requests of this node share.
pub(super) struct EventFeed {
    waiting: Semaphore,
    newest: Mutex<Newest>,
}

/// The greatest number, and when it was read, in milliseconds of real time.
#[derive(Default)]
struct Newest {
    seq: i64,
    read_at: Option<u64>,
}

impl Default for EventFeed {
    fn default() -> Self {
        Self { waiting: Semaphore::new(MAX_WAITING), newest: Mutex::default() }
    }
}

/// A part of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// What the next request asks for what comes after.
    pub next: i64,
}

impl Accounts {
    /// Up to `limit` events past the number `after`; none of them if there is nothing new. Without `after`, only the
    /// number that the next event follows.
    ///
    /// # Errors
    /// [`AdminError::EventsGone`] if events past `after` are not kept any more, or never were given that number.
    pub async fn events_after(&self, after: Option<i64>, limit: i64) -> Result<EventPage, Error> {
        let newest = self.newest_event(after.unwrap_or_default()).await?;
        let Some(after) = after else { return Ok(EventPage { events: Vec::new(), next: newest }) };
        if after > newest {
            return Err(AdminError::EventsGone.into());
        }
        let list = move |conn: &mut Conn| {
            let events = events::list(conn, after, limit)?;
            // There is one: the newest row is never deleted. Numbers have no gap but where rows were deleted.
            let is_whole =
                !events.is_empty() && (after + 1..).zip(&events).all(|(seq, event)| event.seq == seq);
            if is_whole { Ok(events) } else { Err(Error::from(AdminError::EventsGone)) }
        };
        let events = if after == newest { Vec::new() } else { self.0.db.run(list).await? };
        Ok(EventPage { next: events.last().map_or(after, |event| event.seq), events })
    }

    /// Waits a moment for new events.
    pub async fn wait_for_events(&self) {
        #[expect(clippy::disallowed_methods, reason = "a database's real pace; no rule depends on it")]
        tokio::time::sleep(PACE).await;
    }

    /// A place among the requests that wait; none if there are too many.
    #[must_use]
    pub fn event_place(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.0.event_feed.waiting.try_acquire().ok()
    }

    /// The greatest number, after rows without one were given theirs. Requests that ask at the same time share a query,
    /// unless another node knows of a greater number.
    async fn newest_event(&self, known: i64) -> Result<i64, Error> {
        let mut newest = self.0.event_feed.newest.lock().await;
        let now = boot_millis();
        let pace = u64::try_from(PACE.as_millis()).unwrap_or(u64::MAX) / 2;
        if known <= newest.seq && newest.read_at.is_some_and(|read_at| now.saturating_sub(read_at) < pace) {
            return Ok(newest.seq);
        }
        self.number_events().await?;
        newest.seq = self.0.db.run(|conn| Ok::<_, Error>(events::newest(conn)?)).await?;
        newest.read_at = Some(now);
        Ok(newest.seq)
    }

    /// Gives numbers to all rows that have none.
    pub(super) async fn number_events(&self) -> Result<(), Error> {
        while self.0.db.run(|conn| Ok::<_, Error>(events::has_unnumbered(conn)?)).await? {
            self.0.db.transaction(|conn| Ok::<_, Error>(events::number(conn)?)).await?;
        }
        Ok(())
    }
}
