//! Domain values that are parsed at the border: behind it nothing is checked twice.

mod access;
mod characters;
mod claims;
mod confusable;
mod display_name;
mod email;
mod ids;
mod key_scope;
mod login_kind;
mod mail_kind;
mod network;
mod origin;
mod password;
mod reserved_names;
mod return_address;
mod revoke_reason;
mod rights;
mod roles;
mod shared_text;
mod user_agent;
mod username;

pub use access::Access;
pub use characters::{escape_display_controls, is_display_control, without_bom};
pub use claims::{Claims, ClaimsChange, ClaimsPatch};
pub use display_name::DisplayName;
pub use email::Email;
pub use ids::{ApiKeyId, LoginId, SessionId, UserId};
pub use key_scope::{KeyScope, KeyScopes};
pub use login_kind::LoginKind;
pub use mail_kind::MailKind;
pub use network::network;
pub use origin::{AllowedOrigin, HostOrigin, WebOrigin};
pub use password::{Password, Rating, WeakPassword};
pub use reserved_names::ReservedNames;
pub use return_address::{AppAddress, RefusedReturn, ReturnAddress};
pub use revoke_reason::RevokeReason;
pub use rights::{Rights, serialize_rights};
pub use roles::{ADMIN, RoleName, Roles, RolesChange};
pub use shared_text::SharedText;
pub use user_agent::describe_user_agent;
pub use username::Username;

/// Why a value was refused: the field that it is for, and a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    pub field: &'static str,
    pub detail: String,
}

impl Invalid {
    #[must_use]
    pub fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Self { field, detail: detail.into() }
    }
}
