//! Detects connection poolers between this process and PostgreSQL.
//!
//! A connection keeps prepared statements and settings for its lifetime. A pooler in transaction or statement
//! mode assigns each transaction any free server connection, so that they are lost or, worse, belong to
//! another client. This is detected at startup, before anything is set. A pooler that is reconfigured later
//! is recognized by its first errors.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::config::DatabaseUrl;

/// The explanation for the operator.
const REFUSAL: &str = "a pooler in transaction mode (or statement mode) is in front of the database, and Doorward needs session \
                       mode or a direct connection: see \"Connection poolers\" in docs/NODES.md";

/// Identifies the server connection that answers: its process, and the server in case there are several.
const BACKEND: &str =
    "SELECT concat(pg_backend_pid(), ' ', extract(epoch FROM pg_postmaster_start_time())) AS server";

/// How long the second connection may take. A pooler in session mode without a spare connection lets it wait
/// for minutes, which is no problem.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// How often the log repeats the errors that such a pooler causes.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Rounds of transactions, in alternating order; see [`Probe::run`].
const ROUNDS: usize = 6;

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Text)]
    server: String,
}

impl DatabaseUrl {
    /// Refuses a pooler that assigns each transaction another server connection.
    ///
    /// # Errors
    /// A sentence. If nothing answers at all there is no error: the next connection attempt reports it.
    pub(super) fn refuse_pooler(&self) -> Result<(), String> {
        let Self::Postgres(url) = self else { return Ok(()) };
        if Self::check_encryption(url).is_err() {
            return Ok(());
        }
        let url = Self::with_defaults(url);
        // A connection may break for other reasons, but hardly twice.
        let is_shared = match Probe::of(&url) {
            Finding::NoTransactions => matches!(Probe::of(&url), Finding::NoTransactions | Finding::Shared),
            finding => finding == Finding::Shared,
        };
        if is_shared { Err(format!("cannot use the database {self}: {REFUSAL}")) } else { Ok(()) }
    }
}

/// Whether a statement's error is one that such a pooler causes: the server has another client's statements
/// under Diesel's names, or lacks them, or the pooler refuses transactions. Diesel's names appear in the
/// message whatever language the server uses.
pub(super) fn is_symptom(message: &str) -> bool {
    message.contains("__diesel_stmt_") || message.contains("pooling mode")
}

/// Logs what such an error means, at most once a minute: with such a pooler nearly all statements fail.
pub(super) fn report(message: &str) {
    static LOGGED: Mutex<Option<Instant>> = Mutex::new(None);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let now = now();
    if logged.is_none_or(|at| now.duration_since(at) >= LOG_INTERVAL) {
        *logged = Some(now);
        tracing::error!(cause = message, "the connections are shared with other clients: {REFUSAL}");
    }
}

#[expect(clippy::disallowed_methods, reason = "how often the log says it; no rule depends on it")]
fn now() -> Instant {
    Instant::now()
}

/// What two connections reveal about a pooler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// Each has its own server connection.
    Dedicated,
    Shared,
    /// Statements work, but a transaction cannot be started.
    NoTransactions,
    /// No answer in time, or an inconclusive one.
    Unknown,
}

/// Two simultaneous connections. Each keeps its own server process, unless a pooler shares processes among
/// connections.
struct Probe {
    first: PgConnection,
    second: SecondConnection,
}

impl Probe {
    fn of(url: &str) -> Finding {
        let Ok(first) = PgConnection::establish(url) else { return Finding::Unknown };
        let mut probe = Self { first, second: SecondConnection::connect(url.to_owned()) };
        match probe.run() {
            Ok(finding) | Err(finding) => finding,
        }
    }

    /// Detects both ways in which a pooler may choose among free server connections. If it picks the most
    /// recently released one, a round that starts with the first connection, which also committed first in
    /// the round before, swaps them. If it picks the one that has been idle longest, a round that starts with
    /// the second connection swaps them. Other clients of the pooler only mix them more.
    fn run(&mut self) -> Result<Finding, Finding> {
        let of_first = run_step(&mut self.first, Step::Identify)?;
        let of_second = self.second.run_step(Step::Identify)?;
        if of_first == of_second {
            return Ok(Finding::Shared);
        }
        for round in 0..ROUNDS {
            let (first, second) = if round % 2 == 0 {
                let first = run_step(&mut self.first, Step::Begin)?;
                (first, self.second.run_step(Step::Begin)?)
            } else {
                let second = self.second.run_step(Step::Begin)?;
                (run_step(&mut self.first, Step::Begin)?, second)
            };
            run_step(&mut self.first, Step::Commit)?;
            self.second.run_step(Step::Commit)?;
            if first != of_first || second != of_second {
                return Ok(Finding::Shared);
            }
        }
        Ok(Finding::Dedicated)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Outside a transaction.
    Identify,
    /// At the start of a transaction, which stays open.
    Begin,
    Commit,
}

/// Runs a step and returns which server process answers.
fn run_step(conn: &mut PgConnection, step: Step) -> Result<String, Finding> {
    let begun = match step {
        Step::Identify => Ok(()),
        Step::Begin => conn.batch_execute("BEGIN"),
        Step::Commit => {
            return conn.batch_execute("COMMIT").map(|()| String::new()).map_err(|_| Finding::Unknown);
        }
    };
    // In statement mode, PgBouncer closes a connection as soon as a transaction starts on it.
    let backend = begun.and_then(|()| diesel::sql_query(BACKEND).get_result::<Backend>(conn));
    let failed = if step == Step::Begin { Finding::NoTransactions } else { Finding::Unknown };
    backend.map(|backend| backend.server).map_err(|_| failed)
}

/// The second connection, on a thread that is abandoned if it gets no answer. It holds no resources while it
/// waits.
struct SecondConnection {
    steps: Sender<Step>,
    answers: Receiver<Result<String, Finding>>,
}

impl SecondConnection {
    fn connect(url: String) -> Self {
        let (steps, wanted) = channel();
        let (answer, answers) = channel();
        thread::spawn(move || {
            let Ok(mut conn) = PgConnection::establish(&url) else { return };
            for step in wanted {
                if answer.send(run_step(&mut conn, step)).is_err() {
                    return;
                }
            }
        });
        Self { steps, answers }
    }

    fn run_step(&self, step: Step) -> Result<String, Finding> {
        self.steps.send(step).map_err(|_| Finding::Unknown)?;
        self.answers.recv_timeout(ANSWER_TIMEOUT).map_err(|_| Finding::Unknown)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_a_pooler_causes_are_recognized_in_any_language() {
        for text in [
            "prepared statement \"__diesel_stmt_1\" already exists",
            "vorbereitete Anweisung »__diesel_stmt_1« existiert nicht",
            "bind message supplies 2 parameters, but prepared statement \"__diesel_stmt_7\" requires 1",
            "transaction blocks not allowed in statement pooling mode",
        ] {
            assert!(is_symptom(text), "{text}");
        }
        assert!(!is_symptom("duplicate key value violates unique constraint"));
    }
}
