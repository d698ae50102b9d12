//! Finds the columns of a file: by name, by a name that other systems use, or as the operator says.

use std::fmt;

/// A value that is read from a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Username,
    Hash,
    Email,
    EmailVerified,
}

impl Field {
    pub const ALL: [Self; 4] = [Self::Username, Self::Hash, Self::Email, Self::EmailVerified];

    /// The name in a header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Hash => "hash",
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
        }
    }

    /// Names that mean this field and nothing else, as lower-case letters and digits, the best first.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Username => &["username"],
            Self::Hash => &["hash", "passwordhash"],
            Self::Email => &["email", "emailaddress", "mail", "mailaddress", "useremail"],
            Self::EmailVerified => {
                &["emailverified", "emailverifiedat", "emailconfirmed", "emailconfirmedat", "isemailverified"]
            }
        }
    }

    /// Names that mean this field if no better one is there.
    const fn likely_names(self) -> &'static [&'static str] {
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
            Self::Email | Self::EmailVerified => &[],
        }
    }

    /// Names that may mean something else: the operator has to confirm them.
    const fn possible_names(self) -> &'static [&'static str] {
        match self {
            Self::Username => &["name", "nick", "nickname", "handle", "userid", "displayname", "uid"],
            Self::Hash => &["secret", "credential", "digest"],
            Self::Email => &["contact", "address"],
            Self::EmailVerified => {
                &["verified", "isverified", "verifiedat", "confirmed", "isconfirmed", "confirmedat"]
            }
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the operator says about a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The table of an SQLite database.
    pub table: Option<String>,
    /// Names of columns.
    pub columns: Vec<(Field, String)>,
    /// Names a row after the part of its address before the `@` if it has no username, or an address in its
    /// place.
    pub username_from_email: bool,
    /// The old system has verified every address.
    pub verified: bool,
}

/// Where the fields are in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub username: Option<usize>,
    pub hash: Option<usize>,
    pub email: Option<usize>,
    pub verified: Option<usize>,
    /// Columns that are read under another name than the field's.
    pub renamed: Vec<(Field, String)>,
    pub ignored: Vec<String>,
    /// Ignored columns that may have been meant for a field without a column.
    pub suspects: Vec<(Field, String)>,
}

impl Columns {
    /// Finds the fields in a header, which must have what an account needs. The error repeats no unknown
    /// name: a file without a header has a user's hash there.
    pub(super) fn find(header: &[String], mapping: &Mapping) -> Result<Self, String> {
        for (field, wanted) in &mapping.columns {
            if position(header, wanted).is_none() {
                return Err(format!("has no column {wanted}, which --column names for {field}"));
            }
        }
        let found = Self::among(header, mapping)?;
        let is_named = found.username.is_some() || mapping.username_from_email && found.email.is_some();
        if is_named && found.hash.is_some() { Ok(found) } else { Err(found.missing(header)) }
    }

    /// Finds the fields that are there, for a row that brings its own names.
    pub(super) fn among(header: &[String], mapping: &Mapping) -> Result<Self, String> {
        let username = find(header, mapping, Field::Username)?;
        let hash = find(header, mapping, Field::Hash)?;
        let email = find(header, mapping, Field::Email)?;
        let verified = find(header, mapping, Field::EmailVerified)?;
        let found = [username, hash, email, verified];
        let mut columns = Self { username, hash, email, verified, ..Self::default() };
        for (at, name) in header.iter().enumerate() {
            match Field::ALL.into_iter().zip(found).find(|(_, found)| *found == Some(at)) {
                Some((field, _)) if field.names().contains(&normal(name).as_str()) => {}
                Some((field, _)) => columns.renamed.push((field, name.clone())),
                None => columns.ignored.push(name.clone()),
            }
        }
        for name in &columns.ignored {
            let mut missing = Field::ALL.into_iter().zip(found).filter(|(_, found)| found.is_none());
            if let Some((field, _)) =
                missing.find(|(field, _)| field.possible_names().contains(&&*normal(name)))
            {
                columns.suspects.push((field, name.clone()));
            }
        }
        Ok(columns)
    }

    fn missing(&self, header: &[String]) -> String {
        if self.hash.is_some() && self.email.is_some() {
            return "has no column username: if people sign in with their address, --username-from-email makes a name \
                    from the part before the @"
                .to_owned();
        }
        let near = |field: Field, found: Option<usize>| {
            let mut names = header.iter().filter(|_| found.is_none());
            let near = names.find(|name| field.possible_names().contains(&normal(name).as_str()))?;
            Some(format!("; if {near} is the {field}, say --column {field}={near}"))
        };
        let hints = [near(Field::Username, self.username), near(Field::Hash, self.hash)];
        format!(
            "needs a first line that names its columns: username, hash (or password_hash) and, if there are \
             addresses, email and email_verified{}",
            hints.into_iter().flatten().collect::<String>()
        )
    }
}

fn position(header: &[String], wanted: &str) -> Option<usize> {
    header.iter().position(|name| name.eq_ignore_ascii_case(wanted.trim()))
}

fn find(header: &[String], mapping: &Mapping, field: Field) -> Result<Option<usize>, String> {
    if let Some((_, wanted)) = mapping.columns.iter().find(|(of, _)| *of == field) {
        return Ok(position(header, wanted));
    }
    // A column that the operator gave to another field belongs to that field alone.
    let is_free = |name: &str| !mapping.columns.iter().any(|(_, taken)| taken.eq_ignore_ascii_case(name));
    let places_of = |wanted: &str| -> Vec<usize> {
        let places = header.iter().enumerate();
        places.filter(|(_, name)| is_free(name) && normal(name) == wanted).map(|(at, _)| at).collect()
    };
    for wanted in field.names() {
        match places_of(wanted).as_slice() {
            [] => {}
            [at] => return Ok(Some(*at)),
            [_, _, ..] => {
                return Err(format!("has several columns {wanted}: say which with --column {field}=NAME"));
            }
        }
    }
    let likely: Vec<usize> = field.likely_names().iter().flat_map(|name| places_of(name)).collect();
    match likely.as_slice() {
        [] => Ok(None),
        [at] => Ok(Some(*at)),
        several => {
            let names: Vec<&str> = several.iter().map(|at| header[*at].as_str()).collect();
            Err(format!(
                "has several columns for {field} ({}): say which with --column {field}=NAME",
                names.join(", ")
            ))
        }
    }
}

/// Keeps lower-case letters and digits: `E-Mail`, `e_mail` and `eMail` are one name.
fn normal(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a column of this name may be read.
pub(super) fn is_known(name: &str, mapping: &Mapping) -> bool {
    let plain = normal(name);
    let names = |field: Field| field.names().iter().chain(field.likely_names());
    mapping.columns.iter().any(|(_, column)| column.eq_ignore_ascii_case(name))
        || Field::ALL.into_iter().flat_map(names).any(|known| *known == plain)
}

/// Whether an address was verified, as databases and programs write it: words, numbers, and the time of the
/// verification. None if the text is unclear.
pub(super) fn verified(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    match text.as_str() {
        "" | "false" | "f" | "0" | "no" | "n" | "off" | "null" | "none" | "nil" | "\\n" | "\u{0}" => {
            return Some(false);
        }
        "true" | "t" | "1" | "yes" | "y" | "on" | "1.0" | "\u{1}" => return Some(true),
        _ => {}
    }
    // What MySQL writes for no date.
    if text.starts_with("0000-00-00") {
        return Some(false);
    }
    if let Some((date, rest)) = text.split_at_checked(10)
        && let Ok(date) = date.parse::<chrono::NaiveDate>()
        && (rest.is_empty() || rest.starts_with(['t', ' ']))
    {
        return match chrono::Datelike::year(&date) {
            // The zero dates of Go, .NET, SQL Server and Unix mean no date.
            ..=1970 => Some(false),
            1971..=2199 => Some(true),
            // A placeholder for "never".
            _ => None,
        };
    }
    // Seconds since 1970, or fractions of one, from 2001 on. Any number of zeros is zero.
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return None;
    }
    match whole.len() {
        10..=19 if !whole.starts_with('0') => Some(true),
        1.. if [whole, part].concat().bytes().all(|byte| byte == b'0') => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str, mapping: &Mapping) -> Result<Columns, String> {
        Columns::find(&header.split(',').map(str::to_owned).collect::<Vec<_>>(), mapping)
    }

    fn places(header: &str) -> (Option<usize>, usize, Option<usize>, Option<usize>) {
        let found = columns(header, &Mapping::default()).unwrap();
        (found.username, found.hash.unwrap(), found.email, found.verified)
    }

    #[test]
    fn names_of_other_systems_are_read() {
        for (header, wanted) in [
            ("username,hash,email,email_verified", (Some(0), 1, Some(2), Some(3))),
            ("Hash,USERNAME", (Some(1), 0, None, None)),
            ("user,pass", (Some(0), 1, None, None)),
            ("login,password,e-mail", (Some(0), 1, Some(2), None)),
            ("user_login,user_pass,user_email", (Some(0), 1, Some(2), None)),
            ("UserName,PasswordHash,Email,EmailConfirmed", (Some(0), 1, Some(2), Some(3))),
            ("username,encrypted_password,mail,email_verified_at", (Some(0), 1, Some(2), Some(3))),
            ("username,password,password_hash,name", (Some(0), 2, None, None)),
            ("user,username,hash", (Some(1), 2, None, None)),
        ] {
            assert_eq!(places(header), wanted, "{header}");
        }
        let found = columns("login,password_hash,note", &Mapping::default()).unwrap();
        assert_eq!(found.renamed, [(Field::Username, "login".to_owned())]);
        assert_eq!(found.ignored, ["note"]);
    }

    #[test]
    fn an_unclear_column_has_to_be_named() {
        for (header, words) in [
            ("name,hash", "if name is the username, say --column username=name"),
            ("username,secret", "if secret is the hash, say --column hash=secret"),
            ("email,password_hash", "--username-from-email"),
            ("user,login,hash", "several columns for username (user, login)"),
            ("username,hash,email,E-Mail", "several columns email"),
            ("alice,ba7816bf", "needs a first line"),
        ] {
            let why = columns(header, &Mapping::default()).unwrap_err();
            assert!(why.contains(words), "{header}: {why}");
            assert!(!why.contains("ba78") && !why.contains("alice"), "{why}");
        }
        let found = columns("username,hash,email,is_verified,name", &Mapping::default()).unwrap();
        assert_eq!(found.suspects, [(Field::EmailVerified, "is_verified".to_owned())]);
    }

    #[test]
    fn an_operator_says_which_column_is_which() {
        let mapping = |columns: &[(Field, &str)]| Mapping {
            columns: columns.iter().map(|(field, name)| (*field, (*name).to_owned())).collect(),
            ..Mapping::default()
        };
        let found =
            columns("name,secret,email", &mapping(&[(Field::Username, "NAME"), (Field::Hash, "secret")]));
        let found = found.unwrap();
        assert_eq!((found.username, found.hash, found.email), (Some(0), Some(1), Some(2)));
        let found = columns("email,hash", &mapping(&[(Field::Username, "email")])).unwrap();
        assert_eq!((found.username, found.email), (Some(0), None));
        let why = columns("username,hash", &mapping(&[(Field::Email, "post")])).unwrap_err();
        assert!(why.contains("no column post"), "{why}");
        let by_address = Mapping { username_from_email: true, ..Mapping::default() };
        assert_eq!(columns("email,hash", &by_address).unwrap().username, None);
    }

    #[test]
    fn a_verification_is_a_word_a_number_or_a_time() {
        for text in [
            "true",
            "TRUE",
            "t",
            "1",
            "yes",
            " Y ",
            "on",
            "\u{1}",
            "2024-05-01",
            "2024-05-01T10:00:00Z",
            "2024-05-01 10:00:00.123+02",
            "1714557600",
            "1714557600123",
            "1714557600.5",
        ] {
            assert_eq!(verified(text), Some(true), "{text}");
        }
        let zero = [
            "0000-00-00 00:00:00",
            "0001-01-01T00:00:00Z",
            "1900-01-01",
            "1970-01-01 00:00:00",
            "\u{0}",
            "00",
            "0000000000.000",
        ];
        for text in ["", "false", "F", "0", "no", "n", "NULL", "\\N"].into_iter().chain(zero) {
            assert_eq!(verified(text), Some(false), "{text}");
        }
        for text in [
            "maybe",
            "2",
            "0000000001",
            ".",
            "2024-13-01",
            "01/05/2024",
            "2024-05-01x",
            "9999-12-31",
            "-1",
            "kim@example.org",
        ] {
            assert_eq!(verified(text), None, "{text}");
        }
    }
}
