//! The values that are read from a row, and the names that other systems give them.

use std::fmt;

/// A value that is read from a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Username,
    Hash,
    Email,
    EmailVerified,
    DisplayName,
    Language,
    Roles,
    Claims,
    Disabled,
    /// The opposite, which other systems have.
    Enabled,
    Created,
    /// Of an account of Doorward.
    Id,
}

impl Field {
    pub const COUNT: usize = 12;
    pub const ALL: [Self; Self::COUNT] = [
        Self::Username,
        Self::Hash,
        Self::Email,
        Self::EmailVerified,
        Self::DisplayName,
        Self::Language,
        Self::Roles,
        Self::Claims,
        Self::Disabled,
        Self::Enabled,
        Self::Created,
        Self::Id,
    ];

    /// The name in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Hash => "hash",
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
            Self::DisplayName => "display_name",
            Self::Language => "language",
            Self::Roles => "roles",
            Self::Claims => "claims",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Created => "created",
            Self::Id => "id",
        }
    }

    /// Whether its value is true or false.
    pub(super) const fn is_flag(self) -> bool {
        matches!(self, Self::EmailVerified | Self::Disabled | Self::Enabled)
    }

    /// The code of a row that has a value of this field that is not allowed.
    pub(super) const fn invalid_code(self) -> &'static str {
        match self {
            Self::Username => "invalid_username",
            Self::Hash => "unknown_hash",
            Self::Email => "invalid_email",
            Self::EmailVerified => "invalid_email_verified",
            Self::DisplayName => "invalid_display_name",
            Self::Language => "invalid_language",
            Self::Roles => "invalid_roles",
            Self::Claims => "invalid_claims",
            Self::Disabled => "invalid_disabled",
            Self::Enabled => "invalid_enabled",
            Self::Created => "invalid_created",
            Self::Id => "invalid_id",
        }
    }

    /// Names that mean this field and nothing else, as lower-case letters and digits, the best first.
    pub(super) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Username => &["username"],
            Self::Hash => &["hash", "passwordhash"],
            Self::Email => &["email", "emailaddress", "mail", "mailaddress", "useremail"],
            Self::EmailVerified => {
                &["emailverified", "emailverifiedat", "emailconfirmed", "emailconfirmedat", "isemailverified"]
            }
            Self::DisplayName => &["displayname"],
            Self::Language => &["language", "locale", "preferredlanguage"],
            Self::Roles => &["roles"],
            Self::Claims => &["claims"],
            Self::Disabled => &["disabled", "isdisabled", "disabledat"],
            Self::Enabled => &["enabled", "isenabled", "isactive"],
            Self::Created => &["created", "createdat", "createdtimestamp", "datejoined"],
            // Every table has one, of its own.
            Self::Id => &[],
        }
    }

    /// Names that mean this field if no better one is there.
    pub(super) const fn likely_names(self) -> &'static [&'static str] {
        match self {
            Self::Username => &["user", "login", "userlogin", "loginname", "account", "accountname"],
            Self::Hash => &[
                "password",
                "pass",
                "passwd",
                "pwd",
                "userpass",
                "hashedpassword",
                "encryptedpassword",
                "passworddigest",
                "pwhash",
                "bcrypt",
                "credentials",
            ],
            _ => &[],
        }
    }

    /// Names that may mean something else: the operator has to confirm them.
    pub(super) const fn possible_names(self) -> &'static [&'static str] {
        match self {
            Self::Username => &["name", "nick", "nickname", "handle", "userid", "displayname", "uid"],
            Self::Hash => &["secret", "credential", "digest"],
            Self::Email => &["contact", "address"],
            Self::EmailVerified => {
                &["verified", "isverified", "verifiedat", "confirmed", "isconfirmed", "confirmedat"]
            }
            Self::DisplayName => &["fullname"],
            Self::Language => &["lang"],
            Self::Roles => &["role", "groups"],
            Self::Claims => &["metadata", "attributes"],
            Self::Disabled => &["banned", "isbanned", "blocked", "locked", "suspended"],
            Self::Enabled => &["active"],
            Self::Created => &["registered", "registeredat", "joined", "joinedat"],
            Self::Id => &[],
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
