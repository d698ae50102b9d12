//! Links to the other pages of a long list.

use askama::Template;

use super::Frame;
use crate::accounts::{PAGE, Page};
use crate::text::Text;

/// Its markup is in `templates/pager.html`.
#[derive(Template, Debug, Clone)]
#[template(path = "pager.html")]
pub struct Pager<'a> {
    frame: Frame<'a>,
    /// What the list contains; also the page's name in the query, and the list's anchor.
    name: &'static str,
    pub page: Page,
    /// The other list on the same page, which keeps its position.
    other: (&'static str, usize),
}

/// It contains only fixed words and numbers.
impl askama::filters::HtmlSafe for Pager<'_> {}

impl<'a> Pager<'a> {
    #[must_use]
    pub const fn new(
        frame: Frame<'a>,
        (name, page): (&'static str, Page),
        (other, other_page): (&'static str, Page),
    ) -> Self {
        Self { frame, name, page, other: (other, other_page.number) }
    }

    fn link(&self, number: usize) -> String {
        let (base, name) = (self.frame.base, self.name);
        let other = match self.other {
            (_, 1) => String::new(),
            (other, page) => format!("&{other}={page}"),
        };
        format!("{base}/dashboard?{name}={number}{other}#{name}-title")
    }

    fn label(&self) -> Text<'a> {
        self.frame.t(format!("pager-{}", self.name))
    }

    fn first(&self) -> usize {
        self.page.skipped() + 1
    }

    fn last(&self) -> usize {
        (self.page.skipped() + PAGE).min(self.page.total)
    }
}
