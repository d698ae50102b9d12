//! Parses the values of one row into an account that could be created.

use std::path::Path;

use serde_json::Value;

use super::columns::Mapping;
use super::field::Field;
use super::values::{flag, moment};
use super::{ImportedAccount, MAX_FIELD, Place, Reason, Row};
use crate::auth::legacy_hashes::ImportedHash;
use crate::auth::secret::hash_token;
use doorward_core::domain::{Claims, DisplayName, Email, LanguageTag, Roles, UserId, Username};

/// What all rows of a file have in common.
#[derive(Clone, Copy)]
pub(super) struct RowSource<'a> {
    /// The table or the format.
    pub kind: &'a str,
    /// Absolute; `-` for standard input.
    pub path: &'a Path,
    /// Of standard input, which has the same name for all systems: a digest of what it holds.
    pub digest: Option<&'a str>,
}

impl RowSource<'_> {
    /// Hashes the name, because the mark outlives a deleted account. `id` distinguishes rows of the same name
    /// where the other system does.
    pub fn mark(self, id: Option<i64>, name: &str) -> String {
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        let row = match self.digest {
            Some(digest) => format!("{digest}:{id}:{name}"),
            None => format!("{id}:{name}"),
        };
        format!("{} {} {}", self.kind, self.path.display(), hash_token(&row))
    }

    /// The same for a row with fields. On standard input, the id of an account of Doorward says more than the rest of
    /// the input: it is the same account in every export, and in no other system.
    fn mark_of(self, id: Option<i64>, account: &[u8], name: &str) -> String {
        let account = std::str::from_utf8(account).ok().and_then(|id| id.parse::<UserId>().ok());
        match account {
            Some(account) if self.digest.is_some() => {
                format!("{} {} {}", self.kind, self.path.display(), hash_token(&format!("{account}:{name}")))
            }
            _ => self.mark(id, name),
        }
    }

    pub fn row(self, place: Place, id: Option<i64>, fields: Fields, mapping: &Mapping) -> Row {
        let username = fields.get(Field::Username);
        let name = if username.is_empty() { fields.get(Field::Email) } else { username };
        let name = String::from_utf8_lossy(name).into_owned();
        let mark = self.mark_of(id, fields.get(Field::Id), &name);
        let name = (name.len() <= MAX_FIELD).then_some(name);
        Row { place, mark, account: fields.parse(mapping), name }
    }

    /// A row of a line that has fields, or of one that cannot be read.
    pub fn row_of(self, place: Place, fields: Result<Fields, String>, mapping: &Mapping) -> Row {
        match fields {
            Ok(fields) => self.row(place, None, fields, mapping),
            Err(why) => self.malformed(place, why),
        }
    }

    pub fn malformed(self, place: Place, why: impl Into<String>) -> Row {
        Row { place, mark: self.mark(None, ""), account: Err(Reason::Malformed(why.into())), name: None }
    }
}

/// Keeps one byte more than a field may have, to notice that it is too long.
pub(super) fn shortened(field: &[u8]) -> &[u8] {
    field.get(..=MAX_FIELD).unwrap_or(field)
}

/// What every source reads from a row. An empty value counts as none.
#[derive(Default)]
pub(super) struct Fields([Vec<u8>; Field::COUNT]);

impl Fields {
    pub fn of(value: impl FnMut(Field) -> Vec<u8>) -> Self {
        Self(Field::ALL.map(value))
    }

    pub fn set(&mut self, field: Field, value: Vec<u8>) {
        self.0[field as usize] = value;
    }

    fn get(&self, field: Field) -> &[u8] {
        &self.0[field as usize]
    }

    fn text(&mut self, field: Field) -> Result<String, Reason> {
        let bytes = std::mem::take(&mut self.0[field as usize]);
        match bytes.len() {
            0..=MAX_FIELD => String::from_utf8(bytes).map_err(|_| Reason::NotUtf8(field.name())),
            _ => Err(Reason::TooLong(field.name())),
        }
    }

    fn parse(mut self, mapping: &Mapping) -> Result<ImportedAccount, Reason> {
        let (mut username, mut email) = (self.text(Field::Username)?, self.text(Field::Email)?);
        let derived = mapping.username_from_email && (username.is_empty() || username.contains('@'));
        if derived {
            let address = if username.is_empty() { email.clone() } else { username };
            username = name_of(&address);
            email = if email.is_empty() { address } else { email };
        }
        let username = Username::parse(&username).map_err(|invalid| {
            let advice = if Email::parse(&username).is_ok() {
                " It is an address: --username-from-email makes a name from the part before the @."
            } else {
                ""
            };
            Reason::InvalidUsername(format!("{}{advice}", invalid.detail))
        })?;
        let hash = ImportedHash::parse(&self.text(Field::Hash)?)?;
        let email = some(&email, Email::parse).map_err(|invalid| Reason::InvalidEmail(invalid.detail))?;
        let verified_text = self.text(Field::EmailVerified)?;
        let verified = flag(&verified_text).ok_or(Reason::Unclear(Field::EmailVerified))?;
        let verified = email.is_some() && (verified || mapping.verified);
        let display_name = some(&self.text(Field::DisplayName)?, DisplayName::parse)
            .map_err(|invalid| Reason::Invalid(Field::DisplayName, invalid.detail))?;
        // Other systems write de_DE.
        let language = some(&self.text(Field::Language)?.replace('_', "-"), LanguageTag::parse)
            .map_err(|invalid| Reason::Invalid(Field::Language, invalid.detail))?;
        let roles = roles(&self.text(Field::Roles)?)?;
        let claims = some(&self.text(Field::Claims)?, Claims::parse)
            .map_err(|invalid| Reason::Invalid(Field::Claims, invalid.detail))?
            .unwrap_or_default();
        let disabled_text = self.text(Field::Disabled)?;
        let disabled = flag(&disabled_text).ok_or(Reason::Unclear(Field::Disabled))?;
        let enabled = self.text(Field::Enabled)?;
        let off = !enabled.trim().is_empty() && !flag(&enabled).ok_or(Reason::Unclear(Field::Enabled))?;
        let created = self.text(Field::Created)?;
        let created_at = moment(&created);
        if created_at.is_none() && flag(&created) != Some(false) {
            return Err(Reason::Unclear(Field::Created));
        }
        Ok(ImportedAccount {
            username,
            email,
            verified,
            verified_at: moment(&verified_text).filter(|_| verified),
            derived,
            hash,
            display_name,
            language,
            roles,
            claims,
            disabled: disabled || off,
            disabled_at: moment(&disabled_text).filter(|_| disabled),
            created_at,
            // Any other text is the id of another system.
            id: self.text(Field::Id)?.parse().ok(),
        })
    }
}

fn some<T, E>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, E> {
    if text.trim().is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// Names in a JSON array, or separated by commas, semicolons, bars or white space.
fn roles(text: &str) -> Result<Roles, Reason> {
    let invalid = |detail: String| Reason::Invalid(Field::Roles, detail);
    let names: Vec<String> = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<Value>>(text)
            .ok()
            .and_then(|names| names.into_iter().map(|name| name.as_str().map(str::to_owned)).collect())
            .ok_or_else(|| invalid("The roles are not an array of names.".to_owned()))?
    } else {
        let is_separator = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
        text.split(is_separator).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    Roles::parse(names).map_err(|why| invalid(why.detail))
}

/// Makes a name from the part of an address before the `@`, without its tag. Characters that no name may have
/// become hyphens.
fn name_of(address: &str) -> String {
    let mailbox = Email::mailbox_of(address);
    let local = mailbox.rsplit_once('@').map_or("", |(local, _)| local);
    let is_fit = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = local.chars().map(|c| if is_fit(c) { c } else { '-' }).collect();
    name.trim_matches(['-', '.', '_']).to_owned()
}
