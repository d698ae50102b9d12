//! Requests for a link for a new password, which are answered apart from the HTTP request that makes them.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use tokio::sync::Notify;

use super::email_requests::{Asker, Asking, period};
use super::login_name::LoginName;
use super::{Accounts, Caller, Error};
use crate::actors::db::DbError;
use crate::auth::device::PresentedDevices;
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::request_counts;
use crate::models::users::{self, User};
use doorward_core::domain::MailKind;
use doorward_core::domain::{Email, network};

/// How often requests are worked off, in real time. What happens then does not tell whose request it was for.
const PACE: Duration = Duration::from_millis(250);

/// The pause after the database failed, and how old a request may become meanwhile.
const RETRY: Duration = Duration::from_secs(1);
const OLDEST: Duration = Duration::from_mins(2);

/// The name under which requests are counted.
const ACTION: &str = "reset_requested";

/// Requests that may be queued.
const MAX_QUEUED: usize = 10_000;

/// Requests that are still to be answered.
#[derive(Default)]
pub(super) struct Requests {
    queue: Mutex<VecDeque<Arc<Request>>>,
    /// There is one.
    queued: Notify,
    /// Held by the one that works them off.
    working: tokio::sync::Mutex<()>,
}

struct Request {
    asked: Instant,
    name: Option<LoginName>,
    presented: PresentedDevices,
    address: Option<IpAddr>,
    /// Of the page.
    language: Option<Arc<str>>,
}

impl Request {
    fn asking(&self, asker: Asker) -> Asking<'_> {
        Asking { asker, language: self.language.as_deref() }
    }
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Request>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// Asks for a link for a new password, sent to the address of an account. The request is worked off a moment later and
    /// apart from the client's, so that neither the response nor its time tells whether there is such an account.
    ///
    /// # Errors
    /// [`Error::Db`] with [`DbError::Full`] if too many are queued.
    pub fn request_reset(
        &self,
        login: &str,
        presented: PresentedDevices,
        caller: &Caller,
    ) -> Result<(), Error> {
        let mut queue = self.0.resets.lock();
        if queue.len() >= MAX_QUEUED {
            return Err(Error::Db(DbError::Full));
        }
        let asked = self.0.clock.instant();
        let (name, address) = (LoginName::parse(login), caller.address);
        let language = caller.language.clone();
        queue.push_back(Arc::new(Request { asked, name, presented, address, language }));
        self.0.resets.queued.notify_one();
        Ok(())
    }

    /// Works off queued requests for links, for ever.
    pub async fn answer_reset_requests(self) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if self.0.resets.lock().is_empty() {
                self.0.resets.queued.notified().await;
                // Not at once, beside the response: see `PACE`.
                pace.reset();
            }
            pace.tick().await;
            if let Err(error) = self.answer_queued_resets().await {
                tracing::warn!(%error, "could not process requests for links; will try again");
                self.0.clock.sleep(RETRY).await;
            }
        }
    }

    /// Works off the requests that are queued now. Also before the process ends: a request that was answered with "on its
    /// way" is not lost.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`]; then the rest stays queued, except for requests that are too old.
    pub async fn answer_queued_resets(&self) -> Result<(), Error> {
        let _alone = self.0.resets.working.lock().await;
        // Requests that arrive meanwhile are for the next time.
        let queued = self.0.resets.lock().len();
        for _ in 0..queued {
            // It leaves the queue once it is answered: this function may be stopped in between.
            let Some(request) = self.0.resets.lock().front().cloned() else { break };
            let this = self.clone();
            let work = Arc::clone(&request);
            // A transaction each: it locks a mailbox, and two that lock several might wait for each other.
            let answered = self.0.db.transaction(move |conn| this.answer_reset(conn, &work)).await;
            let age = self.0.clock.instant().saturating_duration_since(request.asked);
            if answered.is_ok() || age > OLDEST {
                self.0.resets.lock().pop_front();
            }
            answered?;
        }
        if queued > 0 {
            // Also if there is nothing to send.
            self.0.mail.wake();
        }
        Ok(())
    }

    fn answer_reset(&self, conn: &mut Conn, request: &Request) -> Result<(), Error> {
        let now = self.0.clock.now();
        let address = request.address.map_or_else(|| "unknown".to_owned(), |ip| network(ip).to_string());
        request_counts::add(conn, ACTION, &address, 1, now)?;
        // Before the account is looked up: what is left of the limit must not tell whether there is one.
        if self.too_many_resets(conn, &address, now)? {
            return Ok(());
        }
        match &request.name {
            Some(LoginName::Username(name)) => {
                let user = users::find_by_username(conn, name)?;
                self.send_reset(conn, user, request, now)?;
            }
            Some(LoginName::Email(email)) => {
                let holder = users::find_holder(conn, email)?;
                if holder.is_none() && !users::find_claimants(conn, email, 1)?.is_empty() {
                    self.send_to_claimed(conn, email, request, now)?;
                }
                self.send_reset(conn, holder, request, now)?;
            }
            None => {}
        }
        Ok(())
    }

    fn send_reset(
        &self,
        conn: &mut Conn,
        user: Option<User>,
        request: &Request,
        now: Timestamp,
    ) -> QueryResult<()> {
        let Some(user) = user else { return Ok(()) };
        // Of two transactions at the same time the second sees what the first has done.
        let Some(user) = users::lock_active(conn, user.id)? else { return Ok(()) };
        let Some(email) = user.verified_email() else {
            let claimed = user.email.as_deref().and_then(|email| Email::parse(email).ok());
            return claimed.map_or(Ok(()), |email| self.send_to_claimed(conn, &email, request, now));
        };
        // Only where the mailbox is known to be the user's: a thief can sign in to an account that claims another
        // user's address.
        let known = self.0.device_key.recognize((user.id, &user.password_hash), &request.presented);
        let asker = known.map_or(Asker::Client(request.address), Asker::Device);
        let kind = (MailKind::ResetPassword, Some(user.id));
        self.post_link(conn, kind, email, request.asking(asker), now).map(drop)
    }

    /// Sends a link to an address that is only claimed. It is for the mailbox: whichever account was named, the owner of
    /// the mailbox can choose any that claims the address. An address that an account has verified gets no such link.
    fn send_to_claimed(
        &self,
        conn: &mut Conn,
        email: &Email,
        request: &Request,
        now: Timestamp,
    ) -> QueryResult<()> {
        if users::find_holder(conn, email)?.is_some() {
            return Ok(());
        }
        let kind = (MailKind::ResetByAddress, None);
        let asking = request.asking(Asker::Client(request.address));
        self.post_link(conn, kind, email.as_str(), asking, now).map(drop)
    }

    /// Whether a client has asked for too many links. All its requests count, whether there was an account or not.
    fn too_many_resets(&self, conn: &mut Conn, address: &str, now: Timestamp) -> QueryResult<bool> {
        for rate in &self.0.mail_limits.client {
            let requests = request_counts::since(conn, ACTION, address, now - period(*rate))?;
            if requests > i64::from(rate.count.get()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
