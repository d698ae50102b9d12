//! What people read, in their languages: the texts of pages and emails, as [Fluent](https://projectfluent.org)
//! messages. English and German are compiled in; an operator may add languages as files.
//!
//! | file | what it holds |
//! |---|---|
//! | `catalog.rs` | the languages that there are, and which of them a reader understands |
//! | `language.rs` | one language: its messages and its direction |
//! | `messages.rs` | messages of a language, to be filled in; dates |
//! | `plain.rs` | a message as plain text |
//! | `html.rs` | a message as HTML: its arguments are escaped and may be marked up or linked |
//! | `accept.rs` | the header `Accept-Language` |

mod accept;
mod catalog;
mod html;
mod language;
mod messages;
mod plain;
#[cfg(test)]
mod tests;

pub use catalog::Languages;
pub use html::{Html, escape};
pub use language::Language;
pub use plain::{Argument, Text};
