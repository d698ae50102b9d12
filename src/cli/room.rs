//! `doorward room`: who may be in which room, and who is put out.

mod tokens;

use clap::{Args, Subcommand};
use doorward_core::rooms::{End, KindName, RoomName, Scope};

use crate::accounts::{Accounts, AdminError, Error, ListedRight, RoomRightChange};
use crate::clock::Timestamp;

use super::failure::Failure;
use super::operator::{caller, find, with_accounts};
use super::output::{self, Format};
use super::settings::Settings;
use super::when;

const EXAMPLES: &str = "\
Examples:
  doorward room add chat:lobby ada
  doorward room add chat:lobby ada --until 2027-01-01
  doorward room remove chat:lobby ada     # her sessions leave the room at once
  doorward room ban chat:lobby bob --until 7d
  doorward room ban 'chat:*' bob          # from all rooms of the kind
  doorward room kick chat:lobby bob       # he may come back
  doorward room close chat:lobby
  doorward room show chat:lobby
  doorward room revoke-tokens --user bob

A server need not be stopped: it applies each change within two seconds, on PostgreSQL at once.";

const MEMBERS_EXAMPLES: &str = "\
Examples:
  doorward room members chat:lobby
  doorward room members chat:lobby --json";

const ADD_EXAMPLES: &str = "\
Examples:
  doorward room add chat:lobby ada
  doorward room add chat:lobby ada --until 2027-01-01   # or changes until when she is a member
  doorward room add chat:lobby ada@example.org --until 30d";

const REMOVE_EXAMPLES: &str = "\
Examples:
  doorward room remove chat:lobby ada";

const BAN_EXAMPLES: &str = "\
Examples:
  doorward room ban chat:lobby bob
  doorward room ban chat:lobby bob --until 1h
  doorward room ban 'chat:*' bob    # from all rooms of the kind
  doorward room ban 'user:*' bob    # he sends no direct messages";

const UNBAN_EXAMPLES: &str = "\
Examples:
  doorward room unban chat:lobby bob
  doorward room unban 'chat:*' bob";

const KICK_EXAMPLES: &str = "\
Examples:
  doorward room kick chat:lobby bob";

const CLOSE_EXAMPLES: &str = "\
Examples:
  doorward room close chat:lobby";

const LIST_EXAMPLES: &str = "\
Examples:
  doorward room list
  doorward room list --kind chat --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  doorward room show chat:lobby
  doorward room show 'chat:*'       # who is banned from the whole kind
  doorward room show chat:lobby --json";

/// Entries that are read at a time.
const PAGE: usize = 500;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists the members of a room
    #[command(after_help = MEMBERS_EXAMPLES)]
    Members {
        #[command(flatten)]
        room: Room,
        #[command(flatten)]
        format: Format,
    },
    /// Makes a user a member of a room, or changes until when
    #[command(after_help = ADD_EXAMPLES)]
    Add {
        #[command(flatten)]
        room: Room,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        until: Until,
    },
    /// Ends a membership
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        #[command(flatten)]
        room: Room,
        #[command(flatten)]
        who: Who,
    },
    /// Bans a user from a room, or from all rooms of a kind
    #[command(after_help = BAN_EXAMPLES)]
    Ban {
        #[command(flatten)]
        scope: RoomOrKind,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        until: Until,
    },
    /// Lifts a ban
    #[command(after_help = UNBAN_EXAMPLES)]
    Unban {
        #[command(flatten)]
        scope: RoomOrKind,
        #[command(flatten)]
        who: Who,
    },
    /// Puts a user's sessions out of a room; they may join again
    #[command(after_help = KICK_EXAMPLES)]
    Kick {
        #[command(flatten)]
        room: Room,
        #[command(flatten)]
        who: Who,
    },
    /// Puts all sessions out of a room; members and bans stay
    #[command(after_help = CLOSE_EXAMPLES)]
    Close {
        #[command(flatten)]
        room: Room,
    },
    /// Makes a room token for tests, with the private key of an application's backend
    #[command(after_help = tokens::TOKEN_EXAMPLES)]
    Token(tokens::Token),
    /// Revokes room tokens: one, or all that were issued before
    #[command(after_help = tokens::REVOKE_EXAMPLES)]
    RevokeTokens(tokens::Revoke),
    /// Lists the rooms that have members or bans
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// Only rooms of this kind
        #[arg(long, value_name = "KIND", value_parser = parse_kind)]
        kind: Option<KindName>,
        #[command(flatten)]
        format: Format,
    },
    /// Shows the members and bans of a room, or the bans from a kind
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        #[command(flatten)]
        scope: RoomOrKind,
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Args)]
struct Room {
    /// The room, such as chat:lobby
    #[arg(value_parser = parse_room)]
    room: RoomName,
}

#[derive(Args)]
struct RoomOrKind {
    /// The room, such as chat:lobby, or all rooms of a kind, such as 'chat:*'
    #[arg(value_name = "ROOM", value_parser = parse_scope)]
    scope: Scope,
}

#[derive(Args)]
struct Who {
    /// A username, a verified email address, or an id
    user: String,
}

#[derive(Args)]
struct Until {
    /// When it ends: a duration such as 7d, or a date such as 2027-01-01 [default: never]
    #[arg(long, value_name = "TIME", value_parser = when::parse_end)]
    until: Option<Timestamp>,
}

fn parse_room(text: &str) -> Result<RoomName, String> {
    RoomName::parse(text).ok_or_else(|| "a room is named kind:rest, such as chat:lobby".to_owned())
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| "a room is named kind:rest, all rooms of a kind are kind:*".to_owned())
}

fn parse_kind(text: &str) -> Result<KindName, String> {
    KindName::parse(text).ok_or_else(|| "this is not the name of a kind, such as chat".to_owned())
}

pub fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    with_accounts(settings, async |accounts| match arguments.action {
        Action::Members { room, format } => members(&accounts, room.room, &format).await,
        Action::Add { room, who, until } => {
            let user = find(&accounts, &who.user).await?;
            let said = format!("{} is a member of {}{}\n", user.username, room.room, up_to(until.until));
            change(&accounts, RoomRightChange::Add(room.room, user.id, until.until), &said).await
        }
        Action::Remove { room, who } => {
            let user = find(&accounts, &who.user).await?;
            let said = format!("{} is not a member of {}\n", user.username, room.room);
            change(&accounts, RoomRightChange::Remove(room.room, user.id), &said).await
        }
        Action::Ban { scope, who, until } => {
            let user = find(&accounts, &who.user).await?;
            let said = format!("{} is banned from {}{}\n", user.username, scope.scope, up_to(until.until));
            change(&accounts, RoomRightChange::Ban(scope.scope, user.id, until.until), &said).await
        }
        Action::Unban { scope, who } => {
            let user = find(&accounts, &who.user).await?;
            let said = format!("{} is no longer banned from {}\n", user.username, scope.scope);
            change(&accounts, RoomRightChange::Unban(scope.scope, user.id), &said).await
        }
        Action::Kick { room, who } => {
            let user = find(&accounts, &who.user).await?;
            let said = format!("{} was kicked out of {}\n", user.username, room.room);
            change(&accounts, RoomRightChange::Kick(room.room, user.id), &said).await
        }
        Action::Close { room } => {
            let said = format!("All sessions were removed from {}\n", room.room);
            change(&accounts, RoomRightChange::Close(room.room), &said).await
        }
        Action::Token(token) => tokens::make(&accounts, token).await,
        Action::RevokeTokens(revoke) => tokens::revoke(&accounts, revoke).await,
        Action::List { kind, format } => list(&accounts, kind, &format).await,
        Action::Show { scope, format } => show(&accounts, scope.scope, &format).await,
    })
}

async fn change(accounts: &Accounts, change: RoomRightChange, said: &str) -> Result<(), Failure> {
    let kind = change.room().split(':').next().unwrap_or_default().to_owned();
    accounts.change_room_right(change, &caller()).await.map_err(|error| match error {
        Error::Admin(AdminError::UnknownRoom) => Failure::Running(format!(
            "there are no rooms of the kind {kind}: see rooms.* in `doorward config`"
        )),
        error => error.into(),
    })?;
    output::print(said)
}

fn up_to(until: End) -> String {
    until.map(|until| format!(" until {}", output::moment(until))).unwrap_or_default()
}

async fn members(accounts: &Accounts, room: RoomName, format: &Format) -> Result<(), Failure> {
    let members = all_members(accounts, &room).await?;
    if format.json { output::print_json(&members) } else { output::print(&rights_table(members)) }
}

async fn all_members(accounts: &Accounts, room: &RoomName) -> Result<Vec<ListedRight>, Failure> {
    let mut all: Vec<ListedRight> = Vec::new();
    loop {
        let page = accounts.room_members(room.clone(), last(&all), page_size()).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn all_bans(accounts: &Accounts, scope: &Scope) -> Result<Vec<ListedRight>, Failure> {
    let mut all: Vec<ListedRight> = Vec::new();
    loop {
        let page = accounts.room_bans(scope.clone(), last(&all), page_size()).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn page_size() -> i64 {
    i64::try_from(PAGE).unwrap_or(i64::MAX)
}

fn last(all: &[ListedRight]) -> String {
    all.last().map(|last| last.right.user.clone()).unwrap_or_default()
}

fn rights_table(rights: Vec<ListedRight>) -> String {
    let rows = rights.into_iter().map(|ListedRight { right, username }| {
        [
            username.unwrap_or_default(),
            right.user,
            right.until.map(output::moment).unwrap_or_default(),
            output::moment(right.created_at),
        ]
    });
    output::table(["user", "id", "until", "since"], rows)
}

async fn list(accounts: &Accounts, kind: Option<KindName>, format: &Format) -> Result<(), Failure> {
    let mut rooms: Vec<crate::accounts::RoomInfo> = Vec::new();
    loop {
        let after = rooms.last().map(|room| room.room.clone()).unwrap_or_default();
        let page = accounts.list_rooms(kind.clone(), after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        rooms.extend(page);
    }
    if format.json {
        let rooms = rooms
            .iter()
            .map(|room| serde_json::json!({"room": room.room, "members": room.members, "bans": room.bans}));
        return output::print_json(&rooms.collect::<Vec<_>>());
    }
    let rows = rooms.into_iter().map(|room| [room.room, room.members.to_string(), room.bans.to_string()]);
    output::print(&output::table(["room", "members", "bans"], rows))
}

async fn show(accounts: &Accounts, scope: Scope, format: &Format) -> Result<(), Failure> {
    let bans = all_bans(accounts, &scope).await?;
    let members = match &scope {
        Scope::Room(room) => all_members(accounts, room).await?,
        Scope::Kind(_) => Vec::new(),
    };
    if format.json {
        let room = serde_json::json!({"room": scope.to_string(), "members": members, "bans": bans});
        return output::print_json(&room);
    }
    let row = |what: &'static str| {
        move |ListedRight { right, username }: ListedRight| {
            let until = right.until.map(output::moment).unwrap_or_default();
            [
                what.to_owned(),
                username.unwrap_or_default(),
                right.user,
                until,
                output::moment(right.created_at),
            ]
        }
    };
    let rows = members.into_iter().map(row("member")).chain(bans.into_iter().map(row("banned")));
    output::print(&output::table(["", "user", "id", "until", "since"], rows))
}
