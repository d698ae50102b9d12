//! The part of a long list that is shown, and links to the rest of it.

use std::fmt;

use askama::Template;

use super::Frame;
use crate::accounts::{PAGE, Page};
use crate::text::Text;

/// Entries of a list that are shown until its reader asks for all.
const FIRST: usize = 10;

/// Which part of a list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPart {
    pub page: Page,
    /// A page of the whole list, not only its first entries.
    pub is_whole: bool,
}

impl ListPart {
    /// The part that a query asks for: `all`, or the number of a page. The first entries otherwise.
    #[must_use]
    pub fn parse(word: Option<&str>) -> Self {
        let number = match word {
            Some("all") => Some(1),
            word => word.and_then(|number| number.parse().ok()),
        };
        Self { page: Page::number(number.unwrap_or(1)), is_whole: number.is_some() }
    }

    /// The same of a list with so many entries.
    #[must_use]
    pub fn within(self, total: usize) -> Self {
        Self { page: self.page.within(total), ..self }
    }

    /// Entries that are shown at most.
    #[must_use]
    pub const fn size(self) -> usize {
        if self.is_whole { PAGE } else { FIRST }
    }

    /// Its word in a query.
    fn word(self) -> Option<String> {
        self.is_whole.then(|| word_of(self.page.number))
    }
}

fn word_of(number: usize) -> String {
    if number == 1 { "all".to_owned() } else { number.to_string() }
}

/// Its markup is in `templates/pager.html`.
#[derive(Template, Debug, Clone)]
#[template(path = "pager.html")]
pub struct Pager<'a> {
    frame: Frame<'a>,
    /// What the list contains; also its section, and its part's name in the query.
    name: &'static str,
    part: ListPart,
    /// The other list on the same page, which keeps its part.
    other: (&'static str, Option<String>),
}

/// It contains only fixed words and numbers.
impl askama::filters::HtmlSafe for Pager<'_> {}

/// A total that scripts keep up to date.
struct TotalSlot(usize);

/// It contains only a number.
impl askama::filters::HtmlSafe for TotalSlot {}

impl fmt::Display for TotalSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<span data-slot=\"total\">{}</span>", self.0)
    }
}

/// What scripts need to know of a list, as attributes.
struct ListData(ListPart);

/// It contains only numbers.
impl askama::filters::HtmlSafe for ListData {}

impl fmt::Display for ListData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " data-page=\"{}\" data-shown=\"{}\"", self.0.page.number, self.0.size())?;
        if self.0.is_whole { f.write_str(" data-whole") } else { Ok(()) }
    }
}

impl<'a> Pager<'a> {
    #[must_use]
    pub fn new(
        frame: Frame<'a>,
        (name, part): (&'static str, ListPart),
        (other, other_part): (&'static str, ListPart),
    ) -> Self {
        Self { frame, name, part, other: (other, other_part.word()) }
    }

    /// Entries of the whole list.
    pub(super) const fn total(&self) -> usize {
        self.part.page.total
    }

    pub(super) const fn data(&self) -> impl askama::filters::HtmlSafe + use<> {
        ListData(self.part)
    }

    const fn total_slot(&self) -> TotalSlot {
        TotalSlot(self.total())
    }

    /// Whether there are more entries than the first ones, which are shown.
    const fn is_cut(&self) -> bool {
        !self.part.is_whole && self.total() > FIRST
    }

    fn link(&self, number: usize) -> String {
        let (base, name, word) = (self.frame.base, self.name, word_of(number));
        let other = match &self.other {
            (other, Some(word)) => format!("&{other}={word}"),
            (_, None) => String::new(),
        };
        format!("{base}/dashboard?{name}={word}{other}#{name}")
    }

    fn label(&self) -> Text<'a> {
        self.frame.t(format!("pager-{}", self.name))
    }

    fn first(&self) -> usize {
        self.part.page.skipped() + 1
    }

    fn last(&self) -> usize {
        (self.part.page.skipped() + PAGE).min(self.total())
    }
}
