//! Who asks for something, and from where.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::actors::hasher::Requester;
use crate::models::audit_events::{Action, Actor, NewEvent};
use crate::peer::PeerSocket;
use doorward_core::domain::{Access, ApiKeyId, LoginId, UserId};

/// Made where a request comes in, passed to what it asks for, and written into the audit trail.
#[derive(Debug, Clone)]
pub struct Caller {
    pub actor: Actor,
    /// An application that embeds Doorward, which decides itself who may.
    pub is_application: bool,
    /// The name of the operator's account on the machine, if it has one.
    pub operator: Option<Arc<str>>,
    /// The API key of the request, if it has one.
    pub key: Option<ApiKeyId>,
    /// The user who is signed in, if one is.
    pub user: Option<UserId>,
    pub login: Option<LoginId>,
    pub address: Option<IpAddr>,
    /// As the log and the response name the request. A sign-in at the TCP prompts has none.
    pub request_id: Option<Uuid>,
    /// The connection that waits for the answer.
    pub socket: Option<PeerSocket>,
    /// The language of the page that the request came from, if it came from one.
    pub language: Option<Arc<str>>,
    /// Whether it may leave the installation without an administrator: an operator who insists.
    pub may_remove_last_admin: bool,
}

impl Caller {
    /// A client that has not signed in yet, at this address.
    #[must_use]
    pub const fn client(address: IpAddr, socket: Option<PeerSocket>, request_id: Option<Uuid>) -> Self {
        let address = Some(address);
        Self {
            actor: Actor::User,
            is_application: false,
            operator: None,
            key: None,
            user: None,
            login: None,
            address,
            request_id,
            socket,
            language: None,
            may_remove_last_admin: false,
        }
    }

    /// The command line, run by the account of this name.
    #[must_use]
    pub fn operator(name: Option<&str>) -> Self {
        Self {
            actor: Actor::Operator,
            is_application: false,
            operator: name.map(Arc::from),
            key: None,
            user: None,
            login: None,
            address: None,
            request_id: None,
            socket: None,
            language: None,
            may_remove_last_admin: false,
        }
    }

    /// The application that embeds Doorward, at the wish of a user if it was one's.
    #[must_use]
    pub fn application(by: Option<UserId>) -> Self {
        let actor = if by.is_some() { Actor::User } else { Actor::Server };
        Self { actor, is_application: true, user: by, ..Self::operator(None) }
    }

    /// The same, who may also take the last administrator away.
    #[must_use]
    pub fn removing_last_admin(self, may: bool) -> Self {
        Self { may_remove_last_admin: may, ..self }
    }

    /// The same client, which is signed in.
    #[must_use]
    pub fn signed_in(self, access: &Access) -> Self {
        self.with_login(access.user, access.login)
    }

    /// The same client, which uses an API key.
    #[must_use]
    pub fn with_api_key(self, key: ApiKeyId) -> Self {
        Self { actor: Actor::ApiKey, key: Some(key), ..self }
    }

    /// Who it is, in one word: `operator:NAME`, `user:ID`, `api_key:ID`, or without a name.
    pub(super) fn name(&self) -> String {
        let id = self.actor_id().map(|id| format!(":{id}")).unwrap_or_default();
        format!("{}{id}", self.actor.as_str().unwrap_or("user"))
    }

    /// The id of the user or the key, or the name of the operator's account on the machine.
    fn actor_id(&self) -> Option<String> {
        let key = self.key.map(|key| key.to_string());
        let name = || self.operator.as_deref().map(str::to_owned);
        key.or_else(|| self.user.map(|user| user.to_string())).or_else(name)
    }

    pub(super) fn with_login(self, user: UserId, login: LoginId) -> Self {
        Self { user: Some(user), login: Some(login), ..self }
    }

    /// Who waits for password work.
    pub(super) const fn requester(&self) -> Requester {
        Requester { address: self.address, socket: self.socket }
    }

    /// A row of the audit trail: this caller did `action` to the account of `subject`.
    pub(super) fn event(&self, id: Uuid, action: Action, subject: Option<UserId>) -> NewEvent<'static> {
        let (outcome, reason) = action.ending();
        NewEvent {
            id,
            actor: self.actor,
            actor_id: self.actor_id(),
            action,
            subject,
            address: self.address,
            login: self.login,
            request: self.request_id,
            detail: None,
            outcome,
            reason,
        }
    }
}
