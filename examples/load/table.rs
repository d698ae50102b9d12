//! A table of figures: on the terminal, and in a page of the manual.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Result;
use crate::chart::{self, Chart};
use crate::figures::Report;

/// Where figures go besides the terminal.
#[derive(Args, Clone)]
pub struct Output {
    /// Draws the figures into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Replaces the tables in this page, such as docs/SPEED.md
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

impl Output {
    /// Writes the tables, each with the name of its place in the page, and the charts.
    pub fn write(&self, tables: &[(&str, &Table)], title: &str, charts: &[Chart]) -> Result<()> {
        if let Some(file) = &self.page {
            let mut page = fs::read_to_string(file)?;
            for (name, table) in tables {
                page = fill(&page, name, &table.markdown()).ok_or_else(|| no_place(file, name))?;
            }
            fs::write(file, page)?;
        }
        if let Some(file) = &self.svg {
            fs::write(file, chart::svg(title, charts))?;
        }
        Ok(())
    }
}

fn no_place(file: &Path, name: &str) -> String {
    format!("{} has no place for a table between <!-- {name} --> and <!-- end -->", file.display())
}

/// Replaces what is between `<!-- NAME -->` and the next `<!-- end -->`.
fn fill(page: &str, name: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->\n"))?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}<!-- {name} -->\n\n{table}\n<!-- end -->{after}"))
}

/// Lines of cells, of which the first is the header.
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn new<C: Into<String>>(header: impl IntoIterator<Item = C>) -> Self {
        Self(vec![header.into_iter().map(Into::into).collect()])
    }

    pub fn line<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.0.push(cells.into_iter().map(Into::into).collect());
    }

    pub fn show(&self, report: &mut Report) {
        for line in &self.0 {
            report.line(line.iter().map(String::as_str));
        }
    }

    /// The first column is aligned to the left, the others to the right.
    fn markdown(&self) -> String {
        let columns = self.0.first().map_or(0, Vec::len);
        let rule = format!("|---{}|\n", "|---:".repeat(columns.saturating_sub(1)));
        let mut lines: Vec<_> = self.0.iter().map(|line| format!("| {} |\n", line.join(" | "))).collect();
        lines.insert(1.min(lines.len()), rule);
        lines.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, fill};

    #[test]
    fn a_table_replaces_the_earlier_one_in_the_page() {
        let mut table = Table::new(["work", "floor"]);
        table.line(["handshake", "23"]);
        let page = "above\n\n<!-- peers -->\nold\n<!-- end -->\n\n<!-- growth -->\n<!-- end -->\n";
        let filled = fill(page, "peers", &table.markdown()).unwrap();
        assert_eq!(
            filled,
            "above\n\n<!-- peers -->\n\n| work | floor |\n|---|---:|\n| handshake | 23 |\n\n<!-- end -->\n\n\
             <!-- growth -->\n<!-- end -->\n"
        );
        // The same table again changes nothing.
        assert_eq!(fill(&filled, "peers", &table.markdown()).unwrap(), filled);
        assert_eq!(fill(page, "sockets", "table"), None);
    }
}
