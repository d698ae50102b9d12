//! An account as administrators see it, and the state in which they expect to find it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{AdminError, Error};
use crate::auth::secret::hash_token;
use crate::clock::{Timestamp, rfc3339, serialize_rfc3339, serialize_rfc3339_or_null};
use crate::models::users::User;
use doorward_core::domain::{Claims, Roles, UserId};

/// An account as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AdminUser {
    #[schema(value_type = uuid::Uuid)]
    pub id: UserId,
    #[schema(example = "alice")]
    pub username: String,
    #[schema(example = "Alice")]
    pub display_name: String,
    /// For pages and emails; null leaves the choice to the browser.
    #[schema(example = "de")]
    pub language: Option<String>,
    #[schema(example = "alice@example.org")]
    pub email: Option<String>,
    pub email_verified: bool,
    /// When it was disabled, if it is.
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub disabled_at: Option<String>,
    #[schema(value_type = Vec<String>, example = json!(["editor"]))]
    pub roles: Roles,
    #[schema(value_type = Object, example = json!({"plan": "pro"}))]
    pub claims: Claims,
    /// When a password was last set here; null if it was imported, is not set yet, or was set before this field existed.
    #[serde(serialize_with = "serialize_rfc3339_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub password_changed_at: Option<Timestamp>,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub updated_at: Timestamp,
}

impl From<&User> for AdminUser {
    fn from(user: &User) -> Self {
        let rights = user.rights();
        Self {
            roles: rights.roles,
            claims: rights.claims,
            id: user.id,
            username: user.username.clone(),
            display_name: user.display_name.clone(),
            language: user.language.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified_at.is_some(),
            disabled_at: user.disabled_at.map(rfc3339),
            password_changed_at: user.password_changed_at,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

impl AdminUser {
    /// Another one for each state of the account (RFC 9110 section 8.8.3).
    #[must_use]
    pub fn tag(&self) -> String {
        // Strings, numbers and booleans: this always is JSON.
        let state = serde_json::to_string(self).unwrap_or_default();
        hash_token(&state).chars().take(22).collect()
    }
}

/// The states in which a change may find an account (RFC 9110 section 13.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    Any,
    /// One of these, by their tags.
    Tags(Vec<String>),
}

impl Expected {
    /// # Errors
    /// [`AdminError::Stale`] if the account is in another state.
    pub(super) fn check(&self, user: &User) -> Result<(), Error> {
        match self {
            Self::Tags(tags) if !tags.contains(&AdminUser::from(user).tag()) => Err(AdminError::Stale.into()),
            Self::Any | Self::Tags(_) => Ok(()),
        }
    }
}
