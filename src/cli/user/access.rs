//! `doorward user roles` and `doorward user claims`.

use std::io::Read;

use clap::Args;
use doorward_core::domain::{
    Claims, ClaimsChange, ClaimsPatch, Invalid, Rights, RoleName, Roles, RolesChange,
};
use serde_json::json;

use super::{Force, Who, with_account};
use crate::accounts::RightsChange;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Format};
use crate::cli::settings::Settings;

/// Bytes of standard input that are read as claims.
const MAX_INPUT: u64 = 64 * 1024;

#[derive(Args)]
pub struct RolesArguments {
    #[command(flatten)]
    user: Who,
    /// Adds a role; may be repeated
    #[arg(long, value_name = "ROLE")]
    add: Vec<String>,
    /// Removes a role; may be repeated
    #[arg(long, value_name = "ROLE")]
    remove: Vec<String>,
    /// Replaces all roles by a list separated by commas; an empty list removes all
    #[arg(long, value_name = "ROLES", conflicts_with_all = ["add", "remove"])]
    replace: Option<String>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    format: Format,
}

#[derive(Args)]
pub struct ClaimsArguments {
    #[command(flatten)]
    user: Who,
    /// Replaces all claims by those of a JSON object
    #[arg(long, value_name = "JSON")]
    replace: Option<String>,
    /// Merges a JSON object into the claims; `null` removes a member (RFC 7396)
    #[arg(long, value_name = "JSON", conflicts_with = "replace")]
    merge: Option<String>,
    /// Replaces all claims by a JSON object from standard input; FILE is `-`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["replace", "merge"])]
    from: Option<String>,
    #[command(flatten)]
    format: Format,
}

pub fn roles(settings: Settings, arguments: RolesArguments) -> Result<(), Failure> {
    let RolesArguments { user, add, remove, replace, force, format } = arguments;
    let names = |names: Vec<String>| {
        let names = names.iter().map(|name| RoleName::parse(name)).collect::<Result<Vec<_>, _>>();
        names.map_err(misused)
    };
    let change = match replace {
        Some(names) => {
            let names = names.split(',').filter(|name| !name.trim().is_empty());
            Some(RolesChange::Replace(Roles::parse(names).map_err(misused)?))
        }
        None if add.is_empty() && remove.is_empty() => None,
        None => Some(RolesChange::Edit { add: names(add)?, remove: names(remove)? }),
    };
    change_access(settings, &user, RightsChange { roles: change, claims: None }, force, &format)
}

pub fn claims(settings: Settings, arguments: ClaimsArguments) -> Result<(), Failure> {
    let ClaimsArguments { user, replace, merge, from, format } = arguments;
    let replacing = |text: &str| Claims::parse(text).map(ClaimsChange::Replace).map_err(misused);
    let change = match (replace, merge, from) {
        (Some(text), _, _) => Some(replacing(&text)?),
        (None, Some(text), _) => Some(ClaimsChange::Merge(ClaimsPatch::parse(&text).map_err(misused)?)),
        (None, None, Some(from)) if from == "-" => {
            let mut text = String::new();
            std::io::stdin().take(MAX_INPUT).read_to_string(&mut text).map_err(Failure::running)?;
            Some(replacing(&text)?)
        }
        (None, None, Some(_)) => {
            return Err(Failure::Usage("--from reads standard input: --from -".to_owned()));
        }
        (None, None, None) => None,
    };
    let force = Force { force: false };
    change_access(settings, &user, RightsChange { roles: None, claims: change }, force, &format)
}

fn change_access(
    settings: Settings,
    user: &Who,
    change: RightsChange,
    force: Force,
    format: &Format,
) -> Result<(), Failure> {
    with_account(settings, user, async |accounts, account| {
        let rights = if change == RightsChange::default() {
            accounts.rights_of(account.id).await?
        } else {
            accounts.set_access(account.id, change, &force.caller()).await?
        };
        print(&account.username, &rights, format)
    })
}

fn print(username: &str, rights: &Rights, format: &Format) -> Result<(), Failure> {
    let Rights { version, roles, claims } = rights;
    if format.json {
        let access = json!({
            "username": username,
            "roles": roles,
            "claims": claims,
            "claims_version": version,
        });
        return output::print_json(&access);
    }
    output::print(&format!("{:14}{username}\n{:14}{roles}\n{:14}{claims}\n", "username", "roles", "claims"))
}

/// A value that the command line brings.
fn misused(invalid: Invalid) -> Failure {
    Failure::Usage(invalid.detail)
}
