//! Telling a user of a sign-in on a device that is not known, and the link with which the user says "this was not me".

use std::net::IpAddr;

use chrono::TimeDelta;
use diesel::QueryResult;

use super::{Accounts, Caller, Device, Error};
use crate::auth::secret::{hash_token, random_token, trim_token};
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::mail::RESET_TTL;
use crate::models::audit_events::{self, Action};
use crate::models::logins::Scope;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::sign_in_places::{self, Place};
use crate::models::users::{self, User};
use doorward_core::domain::{DeviceName, LoginId, LoginKind, RevokeReason, network};

/// For so long after a password was chosen, a sign-in from the same network is that of the person who chose it.
const JUST_CHOSEN: TimeDelta = TimeDelta::hours(1);

/// How a password is chosen.
const CHOICES: [Action; 3] = [Action::Registered, Action::PasswordReset, Action::PasswordChanged];

/// A login that has just begun, and what is known of its device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun<'a> {
    pub login: LoginId,
    device: &'a Device,
    /// The client presented the token of a device on which the user has signed in with this password.
    is_known: bool,
    /// The login of the browser that led to this one.
    led_by: Option<LoginId>,
}

impl<'a> Begun<'a> {
    pub const fn new(login: LoginId, device: &'a Device) -> Self {
        Self { login, device, is_known: false, led_by: None }
    }

    /// Whether the client presented the token of a known device.
    pub const fn known(self, is_known: bool) -> Self {
        Self { is_known, ..self }
    }

    /// A code of this login led to it.
    pub const fn led_by(self, login: LoginId) -> Self {
        Self { led_by: Some(login), ..self }
    }
}

/// What a link "this was not me" is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisownedLogin {
    pub username: String,
    pub user_agent: Option<String>,
    /// From where the user was signed in.
    pub address: Option<String>,
    /// None if nothing is stored of the login any more.
    pub at: Option<Timestamp>,
}

impl Accounts {
    /// Tells the verified address of a user of a login on a device that is not known. In the transaction of the login, whose
    /// user is locked. Returns whether an email was added; after the commit, wake the mailer.
    pub(super) fn tell_of_new_device(
        &self,
        conn: &mut Conn,
        user: &User,
        begun: Begun<'_>,
        caller: &Caller,
        now: Timestamp,
    ) -> QueryResult<bool> {
        let Some(address) = user.verified_email().filter(|_| self.0.new_device_email) else {
            return Ok(false);
        };
        if begun.is_known
            || has_just_chosen_password(conn, user, caller, now)?
            || self.is_known_place(conn, user, begun, caller, now)?
        {
            return Ok(false);
        }
        self.post_new_device(conn, (user.id, begun.login), address, now)
    }

    /// A browser is known by its cookie alone. Other clients may keep no device token, so they are known by their name and
    /// their network, if they have signed in with the present password.
    fn is_known_place(
        &self,
        conn: &mut Conn,
        user: &User,
        begun: Begun<'_>,
        caller: &Caller,
        now: Timestamp,
    ) -> QueryResult<bool> {
        if begun.device.kind == LoginKind::Browser {
            return Ok(false);
        }
        let ip = caller.address.map(|address| address.to_string());
        let here = Place { user_agent: begun.device.user_agent.clone(), ip };
        if let Some(browser) = begun.led_by
            && sign_in_places::of_login(conn, browser)?.is_some_and(|(place, _)| is_same(&place, &here))
        {
            return Ok(true);
        }
        let since = now - self.0.refresh_ttl;
        let of_user = (user.id, begun.login);
        let places = sign_in_places::without_browser(conn, of_user, since, user.password_changed_at)?;
        Ok(places.iter().any(|place| is_same(place, &here)))
    }

    /// The login that a link "this was not me" is about. The link stays valid.
    ///
    /// # Errors
    /// [`Error::InvalidLink`] if it was used or has expired.
    pub async fn check_not_me_link(&self, token: &str) -> Result<DisownedLogin, Error> {
        let (hash, clock) = (hash_token(trim_token(token)), self.0.clock.clone());
        self.0
            .db
            .run(move |conn| {
                let (user, login, _) =
                    one_time_tokens::peek_not_me(conn, &hash, clock.now())?.ok_or(Error::InvalidLink)?;
                let user = users::find_active(conn, user)?.ok_or(Error::InvalidLink)?;
                let (place, at) = sign_in_places::of_login(conn, login)?.unzip();
                let (user_agent, address) =
                    place.map(|place| (place.user_agent, place.ip)).unwrap_or_default();
                Ok(DisownedLogin { username: user.username, user_agent, address, at })
            })
            .await
    }

    /// Revokes the login that a link is about, whether or not it is active, and all of the user's that began later: who has
    /// begun one without being the user knows the password, and a second one from the same place was not told. Returns
    /// the token of a link for a new password; none if the account has another address by now, whose owner the reader of
    /// this link may not be. Of two requests that race with one link, one succeeds.
    ///
    /// # Errors
    /// [`Error::InvalidLink`] if it was used or has expired.
    pub async fn disown_login(&self, token: &str, caller: &Caller) -> Result<Option<String>, Error> {
        let hash = hash_token(trim_token(token));
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::NotMe, move |conn| {
                let now = this.0.clock.now();
                let (user, login, email) =
                    one_time_tokens::peek_not_me(conn, &hash, now)?.ok_or(Error::InvalidLink)?;
                let user = users::lock_active(conn, user)?.ok_or(Error::InvalidLink)?;
                if !one_time_tokens::redeem(conn, &hash, Purpose::NotMe, now)? {
                    return Err(Error::InvalidLink);
                }
                let since = sign_in_places::of_login(conn, login)?.map(|(_, at)| at);
                if let Some(since) = since {
                    sign_in_places::distrust(conn, user.id, since)?;
                }
                let caller = Caller { login: Some(login), ..caller };
                this.record(conn, &caller, Action::LoginDisowned, Some(user.id), now)?;
                let reset = (user.verified_email() == Some(email.as_str())).then(random_token);
                if let Some(token) = &reset {
                    let (hash, purpose) = (hash_token(token), Purpose::ResetPassword);
                    one_time_tokens::insert(conn, &hash, purpose, user.id, &email, now + RESET_TTL)?;
                }
                let scope = since.map_or(Scope::Login(login), |since| Scope::UserSince(user.id, since));
                Ok((reset, Some(scope)))
            })
            .await
    }
}

/// Whether the password was set a moment ago from the network of the caller: by registering, by a link, or with the
/// password before.
fn has_just_chosen_password(
    conn: &mut Conn,
    user: &User,
    caller: &Caller,
    now: Timestamp,
) -> QueryResult<bool> {
    let since = now - JUST_CHOSEN;
    let (Some(address), true) = (caller.address, user.password_changed_at.is_some_and(|at| at > since))
    else {
        return Ok(false);
    };
    let choices = audit_events::addresses_of(conn, user.id, &CHOICES, since)?;
    Ok(choices.into_iter().any(|from| network(from) == network(address)))
}

/// Whether two places have the same client, by its name without its version, and the same network.
fn is_same(a: &Place, b: &Place) -> bool {
    let client = |place: &Place| DeviceName::of(place.user_agent.as_deref());
    let network = |place: &Place| place.ip.as_deref()?.parse::<IpAddr>().ok().map(network);
    let known = network(a);
    known.is_some() && known == network(b) && client(a) == client(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(agent: &str, ip: &str) -> Place {
        Place { user_agent: Some(agent.to_owned()), ip: Some(ip.to_owned()) }
    }

    #[test]
    fn a_place_is_a_client_in_a_network() {
        let home = place("okhttp/4.9 (Linux)", "2001:db8:1:2::9");
        assert!(is_same(&home, &place("okhttp/5.0 (Linux)", "2001:db8:1:2:ffff::")));
        for other in [
            place("okhttp/4.9 (Linux)", "2001:db8:1:3::9"),
            place("curl/8", "2001:db8:1:2::9"),
            Place { ip: None, ..home.clone() },
            Place { user_agent: None, ..home.clone() },
        ] {
            assert!(!is_same(&home, &other), "{other:?}");
        }
        let unknown = Place { user_agent: None, ip: None };
        assert!(!is_same(&unknown, &unknown));
    }
}
