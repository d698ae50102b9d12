//! Asks at the prompts of the TCP listener, and waits for answers: of a person who types, of a program that sends a
//! line, and of one that sends no newline.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::Connection;
use crate::clock::Clock;
use doorward_core::protocol::CloseReason;
use doorward_core::protocol::first_bytes::{Spoken, recognize};
use doorward_core::protocol::prompt::{Answers, Pace, Progress};

/// An answer that came in one piece without a newline ends when nothing more came for so long, which is longer than
/// people take for the next key.
const WHOLE: Duration = Duration::from_millis(1500);

/// The same for one that is typed key by key: no person who has found Enter gets here.
const TYPED: Duration = Duration::from_secs(5);

/// For a whole sign-in, once something was typed.
const TYPING: Duration = Duration::from_mins(1);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client has gone, or wants to.
    Left,
    Refused(CloseReason),
    /// Another protocol than that of the prompts.
    Foreign(Spoken),
}

pub(super) struct Prompts<'a, S> {
    pub connection: &'a mut Connection<S>,
    clock: &'a Clock,
    answers: Answers,
    start: Instant,
    /// Nothing has come yet.
    fresh: bool,
    /// Soon while nothing was typed.
    deadline: Instant,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Prompts<'a, S> {
    pub fn new(connection: &'a mut Connection<S>, clock: &'a Clock, silence: Duration) -> Self {
        let start = clock.instant();
        Self { connection, clock, answers: Answers::default(), start, fresh: true, deadline: start + silence }
    }

    /// Asks, and waits for the answer. Silence ends it, at the start soon, later when a slow typist would be done.
    pub async fn ask(&mut self, prompt: &str) -> Result<String, End> {
        tokio::select! {
            said = async {
                self.connection.stream.write_all(prompt.as_bytes()).await?;
                self.connection.stream.flush().await
            } => said.map_err(|_| End::Left)?,
            () = self.clock.sleep_until(self.deadline) => return Err(TIMEOUT),
        }
        loop {
            let pause = match self.answers.take(&mut self.connection.unused) {
                Progress::Answered(answer) => {
                    self.typed();
                    self.connection.after_cr = self.answers.ended_at_cr();
                    return Ok(answer);
                }
                Progress::Left => return Err(End::Left),
                Progress::TooLong => return Err(End::Refused(CloseReason::TooBig)),
                Progress::Empty => None,
                Progress::Begun(pace) => {
                    self.typed();
                    match pace {
                        Pace::Whole => Some(WHOLE),
                        Pace::Typed => Some(TYPED),
                        Pace::Lines => None,
                    }
                }
            };
            let now = self.clock.instant();
            let ends_at = pause.map(|pause| now + pause).filter(|at| *at < self.deadline);
            let read = tokio::select! {
                read = self.connection.read_more() => read.map_err(|_| End::Left)?,
                () = self.clock.sleep_until(ends_at.unwrap_or(self.deadline)) => {
                    return match ends_at {
                        Some(_) => Ok(self.answers.end_without_newline()),
                        None => Err(TIMEOUT),
                    };
                }
            };
            if read == 0 {
                // It may have closed its side after the answer.
                return if self.answers.has_begun() {
                    Ok(self.answers.end_without_newline())
                } else {
                    Err(End::Left)
                };
            }
            if std::mem::take(&mut self.fresh)
                && let Some(spoken) = recognize(&self.connection.unused)
            {
                return Err(End::Foreign(spoken));
            }
        }
    }

    /// A client that has begun to type is given the time to end.
    fn typed(&mut self) {
        self.deadline = self.deadline.max(self.start + TYPING);
    }
}

const TIMEOUT: End = End::Refused(CloseReason::SignInTimeout);
