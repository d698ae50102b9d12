//! The parts that pages are made of: icons, badges, the picture of a person.

use askama::Template;
use askama::filters::HtmlSafe;

use super::{Field, Frame};
pub(super) use doorward_core::domain::initials;

/// A symbol of `icons.html` or `icons_account.html`, the color and size of the text around it.
#[derive(Template, Debug, Clone, Copy)]
#[template(path = "icon.html")]
pub struct Icon {
    name: &'static str,
    class: &'static str,
}

/// A word of ours in markup.
impl HtmlSafe for Icon {}

/// A large icon above a heading.
#[derive(Template, Debug, Clone, Copy)]
#[template(source = r#"<span class="badge{{ class }}">{{ icon }}</span>"#, ext = "html")]
pub struct Badge {
    icon: Icon,
    class: &'static str,
}

/// Words of ours in markup.
impl HtmlSafe for Badge {}

/// What a badge says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Good,
    Waiting,
    Bad,
}

/// A person: initials in a doorway, and names.
#[derive(Template, Debug, Clone)]
#[template(path = "who.html")]
pub struct Who<'a> {
    name: &'a str,
    username: &'a str,
}

/// The template escapes names.
impl HtmlSafe for Who<'_> {}

impl<'a> Who<'a> {
    #[must_use]
    pub const fn new(name: &'a str, username: &'a str) -> Self {
        Self { name, username }
    }
}

/// All that is wrong with the fields of a form, with links to them, if it is more than one.
#[derive(Template, Debug)]
#[template(path = "faults.html")]
pub struct Faults<'a> {
    fields: Vec<Field<'a>>,
}

/// The template escapes what people typed.
impl HtmlSafe for Faults<'_> {}

impl<'a> Faults<'a> {
    /// `fields` are those of the form, in its order.
    #[must_use]
    pub fn of(fields: impl IntoIterator<Item = &'a Field<'a>>) -> Self {
        Self { fields: fields.into_iter().filter(|field| field.is_wrong()).cloned().collect() }
    }
}

impl Frame<'_> {
    #[expect(clippy::unused_self, reason = "templates reach functions through the frame")]
    pub(super) const fn icon(&self, name: &'static str) -> Icon {
        Icon { name, class: "" }
    }

    /// An icon that points onward, so it is mirrored where text runs from right to left.
    #[expect(clippy::unused_self, reason = "templates reach functions through the frame")]
    pub(super) const fn arrow(&self, name: &'static str) -> Icon {
        Icon { name, class: " turns" }
    }

    /// An icon that points onward, and down while its `<details>` is open.
    #[expect(clippy::unused_self, reason = "templates reach functions through the frame")]
    pub(super) const fn turning(&self, name: &'static str) -> Icon {
        Icon { name, class: " turns turn" }
    }

    #[expect(clippy::unused_self, reason = "templates reach functions through the frame")]
    pub(super) const fn badge(&self, name: &'static str, mood: Mood) -> Badge {
        let class = match mood {
            Mood::Good => "",
            Mood::Waiting => " wait",
            Mood::Bad => " bad",
        };
        Badge { icon: Icon { name, class: "" }, class }
    }
}
