//! The handlers of the pages. Forms post and redirect, so that they work without a script. What they do is in
//! `accounts`, how they look is in `crate::pages`.

pub(super) mod account_forms;
pub(super) mod assets;
pub(super) mod dashboard;
pub(super) mod error;
mod form;
pub(super) mod links;
pub(super) mod register;
mod return_to;
pub(super) mod sign_in;
pub(super) mod visit;

pub(super) use error::wants_page;
pub(super) use form::{Form, LinkForm, Refusals};
use return_to::Return;
pub(super) use visit::{Browser, Visit};
