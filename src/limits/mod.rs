//! Limits by client address: how often one network may request what costs the server something before the
//! client has authenticated. GCRA, by `governor`; [`domain::network`] defines what one network is. In a
//! cluster, each node counts for itself.

mod mistake_log;
mod networks;
mod refusals;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use self::networks::Networks;
use self::refusals::Refusals;
use crate::clock::Clock;
use crate::config::{self, Rate};
use crate::metrics::{Counter, Registry};
use doorward_core::domain;

pub use mistake_log::{Mistake, MistakeLog};
pub use refusals::Refused;

/// Networks that one limit tracks separately. So many take about 4 MB.
const MAX_NETWORKS: usize = 100_000;

/// How often networks with a full budget are dropped.
const SWEEP_PACE: Duration = Duration::from_secs(10);

/// The same while the table is full; a sweep walks the whole table.
const FULL_SWEEP_PACE: Duration = Duration::from_secs(1);

/// How many refused handshakes of a network are completed per minute to explain the refusal with a close
/// code, which costs an upgrade.
const EXPLANATIONS: u32 = 60;

/// What is counted. Routes that do the same share a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Password checks: sign-ins by HTTP, page and TCP, and changes that require the current password.
    SignIn,
    Register,
    ForgotPassword,
    /// Links in emails, shown and used.
    Link,
    /// Refresh tokens and cookies that are exchanged for access tokens.
    Refresh,
    PasswordStrength,
    /// Copies of all that is stored about a user.
    Export,
    /// New live connections, with or without a token.
    Handshake,
    /// Requests of Socket.IO sessions that use long polling.
    Poll,
    /// Refused access tokens, refresh tokens and cookies.
    BadToken,
}

impl Limit {
    pub const ALL: [Self; 10] = [
        Self::SignIn,
        Self::Register,
        Self::ForgotPassword,
        Self::Link,
        Self::Refresh,
        Self::PasswordStrength,
        Self::Export,
        Self::Handshake,
        Self::Poll,
        Self::BadToken,
    ];

    /// The policy's name in `RateLimit` and `RateLimit-Policy`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Register => "register",
            Self::ForgotPassword => "forgot-password",
            Self::Link => "links",
            Self::Refresh => "refresh",
            Self::PasswordStrength => "password-strength",
            Self::Export => "export",
            Self::Handshake => "handshakes",
            Self::Poll => "polls",
            Self::BadToken => "bad-tokens",
        }
    }

    /// The plural noun for error messages.
    const fn noun(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in attempts",
            Self::Register => "registrations",
            Self::ForgotPassword => "requests for a reset link",
            Self::Link => "requests with a link",
            Self::Refresh => "requests for a new token",
            Self::PasswordStrength => "passwords to rate",
            Self::Export => "copies of an account's data",
            Self::Handshake => "new connections",
            Self::Poll => "requests",
            Self::BadToken => "requests with an invalid token",
        }
    }

    fn rate(self, rates: &config::Limits) -> Option<Rate> {
        match self {
            Self::SignIn => rates.sign_in,
            Self::Register => rates.register,
            Self::ForgotPassword => rates.forgot_password,
            Self::Link => rates.links,
            Self::Refresh => rates.refresh,
            Self::PasswordStrength => rates.password_strength,
            Self::Export => rates.export,
            Self::Handshake => rates.handshakes,
            Self::Poll => rates.polls,
            Self::BadToken => rates.bad_tokens,
        }
    }
}

/// The state of a network's budget for one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub limit: Limit,
    pub rate: Rate,
    /// Further requests that would be admitted now.
    pub remaining: u32,
    /// When there will be more of them, at the latest.
    pub reset: Duration,
}

/// A request over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    pub allowance: Allowance,
}

impl Exceeded {
    /// When the next request would be admitted.
    #[must_use]
    pub const fn wait(&self) -> Duration {
        self.allowance.reset
    }

    /// A sentence for people, with the time to wait.
    #[must_use]
    pub fn sentence(&self) -> String {
        let wait = in_words(self.wait());
        format!("Too many {} from your network. Try again in {wait}.", self.allowance.limit.noun())
    }
}

/// A wait for people, rounded up.
#[must_use]
pub fn in_words(wait: Duration) -> String {
    match whole_seconds(wait) {
        1 => "a second".to_owned(),
        seconds @ 2..120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// Rounded up and at least 1: the wait is over after this many seconds, not earlier.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Every limit of this process. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct RateLimits(Arc<Inner>);

struct Inner {
    limiters: [Option<Limiter>; Limit::ALL.len()],
    explanations: Limiter,
    mistakes: MistakeLog,
    refusals: Refusals,
    refused: Counter<1>,
}

impl RateLimits {
    #[must_use]
    pub fn new(rates: &config::Limits, clock: &Clock) -> Self {
        Self::with_places(rates, clock, MAX_NETWORKS)
    }

    fn with_places(rates: &config::Limits, clock: &Clock, max: usize) -> Self {
        let limiters = Limit::ALL.map(|limit| {
            let rate = limit.rate(rates)?;
            Some(Limiter::new(limit, rate, clock, max))
        });
        let count = NonZeroU32::new(EXPLANATIONS).unwrap_or(NonZeroU32::MIN);
        let rate = Rate { count, per: Duration::from_mins(1) };
        let explanations = Limiter::new(Limit::Handshake, rate, clock, max);
        let (mistakes, refusals) = (MistakeLog::new(clock), Refusals::default());
        let refused = Counter::new(["limit"]).starting(Limit::ALL.map(|limit| [limit.name()]));
        Self(Arc::new(Inner { limiters, explanations, mistakes, refusals, refused }))
    }

    /// Counts a request from this address. None if the limit is off.
    ///
    /// # Errors
    /// [`Exceeded`] if the limit is used up: the request was not counted and must not be served.
    pub fn check(&self, limit: Limit, address: IpAddr) -> Result<Option<Allowance>, Exceeded> {
        self.limiter(limit).map(|limiter| limiter.check(address)).transpose()
    }

    /// Checks whether [`RateLimits::check`] would refuse this address now, without counting. For limits that
    /// only count refusals.
    ///
    /// # Errors
    /// [`Exceeded`] if it would.
    pub fn peek(&self, limit: Limit, address: IpAddr) -> Result<(), Exceeded> {
        self.limiter(limit).map_or(Ok(()), |limiter| limiter.peek(address))
    }

    /// Notes, for the audit trail and in the metrics, that a request was refused because of a limit.
    pub fn note_refused(&self, limit: Limit, address: IpAddr) {
        self.0.refusals.add(limit, address);
        self.0.refused.add([limit.name()], 1);
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.counter(
            "doorward_limit_refusals_total",
            "Requests that were refused because a network had used up a limit.",
            &self.0.refused,
        );
    }

    /// What was noted since the last call.
    #[must_use]
    pub fn take_refused(&self) -> Vec<Refused> {
        self.0.refusals.take()
    }

    /// The log of client mistakes.
    #[must_use]
    pub fn mistakes(&self) -> &MistakeLog {
        &self.0.mistakes
    }

    /// Whether to complete a handshake only to explain its refusal with a close code: to a browser that is
    /// over its limit of handshakes or whose page's origin is not allowed, or to a client whose token is in
    /// the wrong place. Allowed a few times a minute; beyond that, a refused handshake costs no upgrade.
    #[must_use]
    pub fn may_explain(&self, address: IpAddr) -> bool {
        self.0.explanations.check(address).is_ok()
    }

    /// Drops networks whose budget is full again.
    pub fn sweep(&self) {
        for limiter in self.limiters() {
            limiter.sweep();
        }
    }

    /// Networks that are tracked now, in all limits together.
    #[cfg(test)]
    pub fn networks(&self) -> usize {
        self.limiters().map(|limiter| limiter.gcra.len()).sum()
    }

    /// Sweeps for as long as the process runs.
    pub async fn sweep_for_ever(self, clock: Clock) {
        loop {
            clock.sleep(SWEEP_PACE).await;
            self.sweep();
        }
    }

    fn limiters(&self) -> impl Iterator<Item = &Limiter> {
        self.0.limiters.iter().flatten().chain([&self.0.explanations])
    }

    fn limiter(&self, limit: Limit) -> Option<&Limiter> {
        self.0.limiters[limit as usize].as_ref()
    }
}

/// Adapts [`Clock`] to `governor`, so that a test's clock drives it.
#[derive(Clone)]
struct Ticks(Clock);

impl governor::clock::Clock for Ticks {
    type Instant = Instant;

    fn now(&self) -> Instant {
        self.0.instant()
    }
}

struct Limiter {
    limit: Limit,
    rate: Rate,
    gcra: RateLimiter<IpAddr, Networks, Ticks, StateInformationMiddleware>,
    networks: Networks,
    clock: Clock,
    start: Instant,
    /// The time between two requests of a network that has used up its budget.
    interval: Duration,
    /// When the table was last swept for being full, in milliseconds since the start.
    swept: AtomicU64,
}

impl Limiter {
    fn new(limit: Limit, rate: Rate, clock: &Clock, max: usize) -> Self {
        // A count is at most a million, a duration at least a second.
        let interval = (rate.per / rate.count.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(interval)
            .map_or_else(|| Quota::per_second(rate.count), |quota| quota.allow_burst(rate.count));
        let networks = Networks::new(max);
        let start = clock.instant();
        Self {
            limit,
            rate,
            gcra: RateLimiter::new(quota, networks.clone(), Ticks(clock.clone())),
            networks,
            clock: clock.clone(),
            start,
            interval,
            swept: AtomicU64::new(0),
        }
    }

    fn check(&self, address: IpAddr) -> Result<Allowance, Exceeded> {
        if self.networks.is_full() {
            self.sweep_full();
        }
        let outcome = self.gcra.check_key(&domain::network(address));
        outcome
            .map(|state| self.allowance(state.remaining_burst_capacity(), self.interval))
            .map_err(|until| self.exceeded(until.wait_time_from(self.clock.instant())))
    }

    fn peek(&self, address: IpAddr) -> Result<(), Exceeded> {
        let Some(arrival) = self.networks.get(domain::network(address)) else { return Ok(()) };
        let now = self.clock.instant().saturating_duration_since(self.start);
        let burst = self.interval * (self.rate.count.get() - 1);
        match Duration::from(arrival).saturating_sub(burst).checked_sub(now) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(self.exceeded(wait)),
        }
    }

    const fn allowance(&self, remaining: u32, reset: Duration) -> Allowance {
        Allowance { limit: self.limit, rate: self.rate, remaining, reset }
    }

    const fn exceeded(&self, wait: Duration) -> Exceeded {
        Exceeded { allowance: self.allowance(0, wait) }
    }

    fn sweep(&self) {
        self.gcra.retain_recent();
        self.gcra.shrink_to_fit();
    }

    /// Makes room, at most once a second.
    fn sweep_full(&self) {
        let now = self.clock.instant().saturating_duration_since(self.start);
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let pace = u64::try_from(FULL_SWEEP_PACE.as_millis()).unwrap_or(u64::MAX);
        let due = |swept: u64| (now >= swept.saturating_add(pace)).then_some(now);
        if self.swept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            self.sweep();
            if !self.networks.has_room() {
                tracing::warn!(
                    limit = self.limit.name(),
                    "too many networks to track each: further ones share budgets with their neighbours"
                );
            }
        }
    }
}
