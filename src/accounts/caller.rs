//! Who asks for something, and from where.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::actors::hasher::Requester;
use crate::models::audit_events::{Action, Actor, NewEvent};
use crate::peer::PeerSocket;
use doorward_core::domain::{Access, LoginId, UserId};

/// Made where a request comes in, passed to what it asks for, and written into the audit trail.
#[derive(Debug, Clone)]
pub struct Caller {
    pub actor: Actor,
    /// The name of the operator's account on the machine, if it has one.
    pub operator: Option<Arc<str>>,
    /// The user who is signed in, if one is.
    pub user: Option<UserId>,
    pub login: Option<LoginId>,
    pub address: Option<IpAddr>,
    /// As the log and the response name the request. A sign-in at the TCP prompts has none.
    pub request_id: Option<Uuid>,
    /// The connection that waits for the answer.
    pub socket: Option<PeerSocket>,
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
            operator: None,
            user: None,
            login: None,
            address,
            request_id,
            socket,
            may_remove_last_admin: false,
        }
    }

    /// The command line, run by the account of this name.
    #[must_use]
    pub fn operator(name: Option<&str>) -> Self {
        Self {
            actor: Actor::Operator,
            operator: name.map(Arc::from),
            user: None,
            login: None,
            address: None,
            request_id: None,
            socket: None,
            may_remove_last_admin: false,
        }
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

    pub(super) fn with_login(self, user: UserId, login: LoginId) -> Self {
        Self { user: Some(user), login: Some(login), ..self }
    }

    /// Who waits for password work.
    pub(super) const fn requester(&self) -> Requester {
        Requester { address: self.address, socket: self.socket }
    }

    /// A row of the audit trail: this caller did `action` to the account of `subject`.
    pub(super) fn event(&self, id: Uuid, action: Action, subject: Option<UserId>) -> NewEvent<'static> {
        let name = || self.operator.as_deref().map(str::to_owned);
        NewEvent {
            id,
            actor: self.actor,
            actor_id: self.user.map(|user| user.to_string()).or_else(name),
            action,
            subject,
            address: self.address,
            login: self.login,
            request: self.request_id,
            detail: None,
        }
    }
}
