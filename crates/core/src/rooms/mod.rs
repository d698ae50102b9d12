//! Rooms: streams of messages that sessions join. Pure: who may join and send, what a session has joined, and how much
//! it may send.
//!
//! | file | contents |
//! |---|---|
//! | `name` | the names of rooms and of their kinds |
//! | `policy` | who may join a room or send to it |
//! | `rule` | an application's own word on that |
//! | `kind` | the options of a kind of rooms |
//! | `joined` | the rooms of one session: a state machine |
//! | `member` | who a session is |
//! | `by_app` | rooms that an application joins for a session |
//! | `author` | who a message is from |
//! | `presence` | who is in a room, and how clients are told |
//! | `request` | what a client asks for |
//! | `data` | what is sent, as it is passed on |
//! | `rate` | how often a client may do something |
//! | `refusal` | why a request is not done |
//! | `standing` | what rows say of a user and a room: members and bans |
//! | `stay` | a room that a session has joined, and by which right |
//! | `token` | what an application's backend has signed that a user may do |

mod author;
mod by_app;
mod data;
mod joined;
mod kind;
mod member;
mod name;
mod policy;
pub mod presence;
mod rate;
mod refusal;
mod request;
mod rule;
mod standing;
mod stay;
mod token;

pub use author::{Author, LONGEST_APP_NAME};
pub use data::compact;
pub use joined::{Entered, Joined, Lost, Sending, Watching};
pub use kind::{Kind, Kinds};
pub use member::Member;
pub use name::{KindName, RoomName};
pub use policy::{Caller, Entry, Policy, Right};
pub use rate::{Bucket, Pace};
pub use refusal::Refusal;
pub use request::{
    JoinOne, JoinRequest, LeaveRequest, PresenceRequest, RoomRequest, SendRequest, WORDS, is_word,
};
pub use rule::{RoomAction, RoomQuestion, RoomVerdict, Rule};
pub use standing::{Cause, End, Scope, Standing};
pub use token::{
    LONGEST_TOKEN, LONGEST_TOKEN_ID, LONGEST_TOKEN_LIFE, NO_TOKEN, RevokedTokens, RoomToken, TOO_LONG,
    TokenCheck, TokenClaims, TokenOps, TokenRooms, TokenState, TokenText,
};
