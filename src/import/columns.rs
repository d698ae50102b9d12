//! Finds the columns of a file: by name, by a name that other systems use, or as the operator says.

use super::field::Field;

/// Bytes of a column's name that an error repeats.
const LONGEST_NAME: usize = 20;

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
    places: [Option<usize>; Field::COUNT],
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
        let is_named = found.has(Field::Username) || mapping.username_from_email && found.has(Field::Email);
        if is_named && found.has(Field::Hash) { Ok(found) } else { Err(found.missing(header)) }
    }

    /// Where a field is.
    pub(super) fn at(&self, field: Field) -> Option<usize> {
        self.places[field as usize]
    }

    fn has(&self, field: Field) -> bool {
        self.at(field).is_some()
    }

    /// Where all fields are.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.places.into_iter().flatten()
    }

    /// Finds the fields that are there, for a row that brings its own names. That is how accounts are exported,
    /// so `id` is one of them.
    pub(super) fn of_object(names: &[String], mapping: &Mapping) -> Result<Self, String> {
        let mut columns = Self::among(names, mapping)?;
        if !columns.has(Field::Id) {
            columns.places[Field::Id as usize] = names.iter().position(|name| name == Field::Id.name());
            columns.ignored.retain(|name| name != Field::Id.name());
        }
        Ok(columns)
    }

    fn among(header: &[String], mapping: &Mapping) -> Result<Self, String> {
        let mut found = [None; Field::COUNT];
        for field in Field::ALL {
            found[field as usize] = find(header, mapping, field)?;
        }
        let mut columns = Self { places: found, ..Self::default() };
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
        if self.has(Field::Hash) && self.has(Field::Email) {
            return "has no column username: if people sign in with their address, --username-from-email makes a name \
                    from the part before the @"
                .to_owned();
        }
        let near = |field: Field| {
            let mut names = header.iter().filter(|name| !self.has(field) && is_plain(name));
            let near = names.find(|name| field.possible_names().contains(&normal(name).as_str()))?;
            Some(format!("; if {near} is the {field}, say --column {field}={near}"))
        };
        let hints = [near(Field::Username), near(Field::Hash)];
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
            let shown = |name: &String| if is_plain(name) { name.clone() } else { normal(name) };
            let names: Vec<String> = several.iter().map(|at| shown(&header[*at])).collect();
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

/// Whether an error may repeat the name: it looks like one, and has nothing between its letters that is more than that.
fn is_plain(name: &str) -> bool {
    name.len() <= LONGEST_NAME && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-. ".contains(c))
}

/// Whether a column of this name may be read.
pub(super) fn is_known(name: &str, mapping: &Mapping) -> bool {
    let plain = normal(name);
    let names = |field: Field| field.names().iter().chain(field.likely_names());
    mapping.columns.iter().any(|(_, column)| column.eq_ignore_ascii_case(name))
        || Field::ALL.into_iter().flat_map(names).any(|known| *known == plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str, mapping: &Mapping) -> Result<Columns, String> {
        Columns::find(&header.split(',').map(str::to_owned).collect::<Vec<_>>(), mapping)
    }

    fn places(header: &str) -> (Option<usize>, usize, Option<usize>, Option<usize>) {
        let found = columns(header, &Mapping::default()).unwrap();
        let at = |field| found.at(field);
        (at(Field::Username), at(Field::Hash).unwrap(), at(Field::Email), at(Field::EmailVerified))
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
        for odd in ["na\u{fffd}\u{fffd}me", "\u{1b}credential", "n------------------ame"] {
            let why = columns(&format!("{odd},email"), &Mapping::default()).unwrap_err();
            assert!(why.ends_with("email and email_verified"), "{why}");
        }
        let why = columns("us\u{1b}er,login,hash", &Mapping::default()).unwrap_err();
        assert!(why.contains("(user, login)"), "{why}");
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
        let at = |field| found.at(field);
        assert_eq!([Field::Username, Field::Hash, Field::Email].map(at), [Some(0), Some(1), Some(2)]);
        let found = columns("email,hash", &mapping(&[(Field::Username, "email")])).unwrap();
        assert_eq!((found.at(Field::Username), found.at(Field::Email)), (Some(0), None));
        let why = columns("username,hash", &mapping(&[(Field::Email, "post")])).unwrap_err();
        assert!(why.contains("no column post"), "{why}");
        let by_address = Mapping { username_from_email: true, ..Mapping::default() };
        assert_eq!(columns("email,hash", &by_address).unwrap().at(Field::Username), None);
    }
}
