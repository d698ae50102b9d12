//! Who is in a room. Pure: each node knows its own sessions, and what the others say of theirs; clients are told of
//! users, in numbered changes.
//!
//! | file | contents |
//! |---|---|
//! | `level` | how much a kind tells, and how much a session wants to be told |
//! | `user` | a user in a room, as a node knows them and as clients are shown them |
//! | `own` | the sessions of this node, those among them whose connection broke a moment ago |
//! | `told` | what clients were told: changes, their pace, and lists |
//! | `news` | what nodes tell each other |
//! | `speaker` | what this node has to tell, and when |
//! | `peers` | what the others have told |
//! | `room` | one room: these parts together |

mod level;
mod news;
mod own;
mod peers;
mod room;
mod speaker;
mod told;
mod user;

pub use level::{PresenceLevel, PresenceWish};
pub use news::{NewsUser, PresenceNews};
pub use own::{Departure, OwnFull};
pub use peers::PresenceNode;
pub use room::{PresenceOptions, PresenceStep, RoomPresence};
pub use told::{CatchUp, ChangedUsers, PresenceChange, PresencePage};
pub use user::{PresenceData, PresentSession, PresentUser, ShownUser};

#[cfg(test)]
mod node_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
