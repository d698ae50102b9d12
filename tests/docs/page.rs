//! One page of the documentation: its headings, links and lines.

use std::collections::BTreeSet;

#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    pub line: usize,
    pub target: String,
}

#[derive(Debug, Default)]
pub struct Page {
    pub links: Vec<Link>,
    /// The level and the text of each heading.
    pub headings: Vec<(usize, String)>,
    /// Lines of text: neither code nor tables.
    pub text: Vec<(usize, String)>,
}

impl Page {
    pub fn parse(source: &str) -> Self {
        let mut page = Self::default();
        let mut code = false;
        let mut paragraph = (0, String::new());
        for (number, line) in (1..).zip(source.lines()) {
            if line.trim_start().starts_with("```") {
                code = !code;
            } else if !code {
                if let Some((marks, heading)) = line.split_once("# ")
                    && marks.chars().all(|c| c == '#')
                {
                    page.headings.push((marks.len() + 1, heading.replace('`', "")));
                } else if !line.starts_with('|') {
                    page.text.push((number, line.to_owned()));
                }
                // The text of a link may go on in the next line.
                if line.trim().is_empty() || line.starts_with('|') {
                    page.links.extend(links(&paragraph.1, paragraph.0));
                    paragraph = (number, String::new());
                }
                if paragraph.1.is_empty() {
                    paragraph.0 = number;
                }
                paragraph.1 += line;
                paragraph.1.push('\n');
            }
        }
        page.links.extend(links(&paragraph.1, paragraph.0));
        page
    }

    /// What may stand after `#` in an address of this page.
    pub fn anchors(&self, anchor: fn(&str) -> String) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for (_, heading) in &self.headings {
            let base = anchor(heading);
            let numbered = (1..).map(|number| format!("{base}-{number}"));
            let free = std::iter::once(base.clone()).chain(numbered).find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
        anchors
    }
}

/// The targets of `[text](target)`, `[name]: target` and `src="target"`, but for those in code spans.
pub fn links(paragraph: &str, first_line: usize) -> Vec<Link> {
    let text: String = paragraph
        .split('`')
        .enumerate()
        .map(|(index, part)| if index % 2 == 0 { part.to_owned() } else { part.replace(|c| c != '\n', "_") })
        .collect();
    let mut found = Vec::new();
    for (before, after) in [("](", ')'), ("]: ", '\n'), ("src=\"", '"')] {
        for (at, _) in text.match_indices(before) {
            let target = text[at + before.len()..].split(after).next().unwrap_or_default();
            let line = first_line + text[..at].matches('\n').count();
            found.push(Link { line, target: target.trim().to_owned() });
        }
    }
    found
}

/// The anchor that GitHub gives a heading.
pub fn github_anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The one that mdBook gives it.
pub fn mdbook_anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace() || matches!(c, '-' | '_'));
    kept.map(|c| if c.is_whitespace() { '-' } else { c.to_ascii_lowercase() }).collect()
}
