//! Domain values that are parsed at the border: behind it nothing is checked twice.

mod access;
mod characters;
mod claims;
mod confusable;
mod display_name;
mod email;
mod ids;
mod initials;
mod key_scope;
mod language_tag;
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
mod weak_password;

pub use access::Access;
pub use characters::{escape_display_controls, is_display_control, without_bom};
pub use claims::{Claims, ClaimsChange, ClaimsPatch};
pub use display_name::DisplayName;
pub use email::Email;
pub use ids::{ApiKeyId, LoginId, SessionId, UserId};
pub use initials::initials;
pub use key_scope::{KeyScope, KeyScopes};
pub use language_tag::{LanguageChoice, LanguageTag};
pub use login_kind::LoginKind;
pub use mail_kind::MailKind;
pub use network::network;
pub use origin::{AllowedOrigin, HostOrigin, WebOrigin};
pub use password::{Password, Rating};
pub use reserved_names::ReservedNames;
pub use return_address::{AppAddress, RefusedReturn, ReturnAddress};
pub use revoke_reason::RevokeReason;
pub use rights::{Rights, serialize_rights};
pub use roles::{ADMIN, RoleName, Roles, RolesChange};
pub use shared_text::SharedText;
pub use user_agent::{DeviceKind, DeviceName, describe_user_agent};
pub use username::Username;
pub use weak_password::WeakPassword;

/// Why a value was refused: the field that it is for, and a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    pub field: &'static str,
    pub detail: String,
    /// The cause as a stable word, if the field has several: for programs, and for pages in other languages.
    pub reason: Option<&'static str>,
    /// What the detail names: bounds, domains.
    pub values: Vec<(&'static str, String)>,
}

impl Invalid {
    #[must_use]
    pub fn new(field: &'static str, detail: impl Into<String>) -> Self {
        Self { field, detail: detail.into(), reason: None, values: Vec::new() }
    }

    /// The same with its cause as a word.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// The same with a value that its detail names.
    #[must_use]
    pub fn naming(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.values.push((name, value.to_string()));
        self
    }
}
