//! What happened to an account, as its page says it.

use askama::Template;

use super::{Frame, Moment};
use crate::accounts::{DoneBy, OwnEvent};
use crate::text::Text;

/// An event of the account.
#[derive(Template, Debug, Clone)]
#[template(path = "activity_row.html")]
pub struct ActivityRow<'a> {
    frame: Frame<'a>,
    /// The message that says what happened.
    what: String,
    is_failure: bool,
    count: usize,
    at: Moment,
    /// The message that says who did it, if it was not the user.
    by: Option<&'static str>,
    device: Option<String>,
    address: Option<String>,
}

/// The template escapes what clients call themselves.
impl askama::filters::HtmlSafe for ActivityRow<'_> {}

impl<'a> ActivityRow<'a> {
    #[must_use]
    pub fn new(frame: Frame<'a>, event: OwnEvent) -> Self {
        Self {
            what: message(frame, &event.action, event.reason.as_deref()),
            is_failure: event.outcome != "succeeded",
            count: usize::try_from(event.count).unwrap_or(1),
            at: Moment(event.last_at.unwrap_or(event.at)),
            by: match event.by {
                DoneBy::You | DoneBy::Unknown => None,
                DoneBy::Administrator | DoneBy::Operator => Some("activity-by-administrator"),
                DoneBy::ApiKey => Some("activity-by-app"),
                DoneBy::Server => Some("activity-by-server"),
            },
            device: event.user_agent.as_deref().map(|agent| frame.device_name(Some(agent))),
            address: event.address,
            frame,
        }
    }

    fn text(&self) -> Text<'a> {
        self.frame.t(self.what.clone())
    }
}

/// The key of the message about an action: one for its reason, one for itself, or one for those that have none.
fn message(frame: Frame<'_>, action: &str, reason: Option<&str>) -> String {
    let action = format!("activity-{}", action.replace('_', "-"));
    let with_reason = reason.map(|reason| format!("{action}-{}", reason.replace('_', "-")));
    let keys = with_reason.into_iter().chain([action]);
    let mut known = keys.filter(|key| frame.language.knows(key));
    known.next().unwrap_or_else(|| "activity-other".to_owned())
}
