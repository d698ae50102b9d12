//! Links through a list that is shown in parts.

use askama::Template;

use crate::accounts::{PAGE, Page};

/// Its markup is in `templates/pager.html`.
#[derive(Template, Debug, Clone)]
#[template(path = "pager.html")]
pub struct Pager<'a> {
    base: &'a str,
    /// What is in the list; also the query's word for the page, and where the list stands.
    name: &'static str,
    pub page: Page,
    /// The other list of the same page, which stays where it is.
    other: (&'static str, usize),
}

/// It holds words of ours and numbers.
impl askama::filters::HtmlSafe for Pager<'_> {}

impl<'a> Pager<'a> {
    #[must_use]
    pub const fn new(
        base: &'a str,
        (name, page): (&'static str, Page),
        (other, other_page): (&'static str, Page),
    ) -> Self {
        Self { base, name, page, other: (other, other_page.number) }
    }

    fn link(&self, number: usize) -> String {
        let (base, name) = (self.base, self.name);
        let other = match self.other {
            (_, 1) => String::new(),
            (other, page) => format!("&{other}={page}"),
        };
        format!("{base}/dashboard?{name}={number}{other}#{name}-title")
    }

    fn first(&self) -> usize {
        self.page.skipped() + 1
    }

    fn last(&self) -> usize {
        (self.page.skipped() + PAGE).min(self.page.total)
    }
}
