//! Collects figures and prints them as one aligned table.

use std::fmt::{self, Display};
use std::time::Duration;

/// What was measured, in sections.
#[derive(Default)]
pub struct Report(Vec<Section>);

struct Section {
    title: String,
    rows: Vec<Row>,
    /// Lines of cells, of which the first is the header.
    table: Vec<Vec<String>>,
}

struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    expected: Option<Expected>,
}

/// The bound that the project promises for a figure.
#[derive(Clone, Copy)]
pub enum Expected {
    AtMost(f64),
    AtLeast(f64),
}

impl Expected {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

impl Report {
    pub fn section(&mut self, title: impl Into<String>) -> &mut Self {
        let title = title.into();
        eprintln!("... {title}");
        self.0.push(Section { title, rows: Vec::new(), table: Vec::new() });
        self
    }

    pub fn row(&mut self, what: impl Into<String>, value: f64, unit: &'static str) -> &mut Self {
        self.push(Row { what: what.into(), value, unit, expected: None })
    }

    /// A figure that is unknown if the server's process is unknown.
    pub fn row_if_known(&mut self, what: &str, value: Option<f64>, unit: &'static str) -> &mut Self {
        if let Some(value) = value {
            self.row(what, value, unit);
        }
        self
    }

    pub fn promise(&mut self, what: &str, value: f64, unit: &'static str, expected: Expected) -> &mut Self {
        self.push(Row { what: what.to_owned(), value, unit, expected: Some(expected) })
    }

    /// A line of a section that is a table; the first one is its header.
    pub fn line<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) -> &mut Self {
        if let Some(section) = self.0.last_mut() {
            section.table.push(cells.into_iter().map(Into::into).collect());
        }
        self
    }

    fn push(&mut self, row: Row) -> &mut Self {
        if let Some(section) = self.0.last_mut() {
            section.rows.push(row);
        }
        self
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = || self.0.iter().flat_map(|section| &section.rows);
        let what = rows().map(|row| row.what.chars().count()).max().unwrap_or_default();
        let value = rows().map(|row| number(row.value).len()).max().unwrap_or_default();
        let unit = rows().map(|row| row.unit.len()).max().unwrap_or_default();
        for Section { title, rows, table } in &self.0 {
            writeln!(f, "\n{title}")?;
            for row in rows {
                write!(f, "  {:what$}  {:>value$} {:unit$}", row.what, number(row.value), row.unit)?;
                if let Some(expected) = row.expected {
                    let (sign, bound) = match expected {
                        Expected::AtMost(bound) => ("<=", bound),
                        Expected::AtLeast(bound) => (">=", bound),
                    };
                    let verdict = if expected.is_met(row.value) { "ok" } else { "MISSED" };
                    write!(f, "  {sign} {}  {verdict}", number(bound))?;
                }
                writeln!(f)?;
            }
            show_table(f, table)?;
        }
        Ok(())
    }
}

/// Aligns the first column to the left and the others to the right.
fn show_table(f: &mut fmt::Formatter<'_>, table: &[Vec<String>]) -> fmt::Result {
    let columns = table.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = table.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    for line in table {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            match column {
                0 => write!(f, "  {cell:width$}")?,
                _ => write!(f, "  {cell:>width$}")?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

/// Three significant digits, or the whole number with separated thousands.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let plain = format!("{value:.decimals$}");
    let whole = plain.split('.').next().unwrap_or_default().trim_start_matches('-').len();
    let start = plain.len() - plain.trim_start_matches('-').len();
    let mut text = String::with_capacity(plain.len() + 4);
    for (index, digit) in plain.chars().enumerate() {
        let place = index.saturating_sub(start);
        if index > start && place < whole && (whole - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count, with separated thousands.
pub fn whole(count: usize) -> String {
    match count {
        // It would have decimals.
        0..100 => count.to_string(),
        _ => number(count as f64),
    }
}

/// Durations, not sorted yet.
#[derive(Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    pub fn push(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn sorted(mut self) -> Sorted {
        self.0.sort_unstable();
        Sorted(self.0)
    }
}

pub struct Sorted(Vec<Duration>);

impl Sorted {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The latency that `per_mille` of 1,000 do not exceed (nearest rank), in ms.
    pub fn percentile(&self, per_mille: usize) -> f64 {
        let rank = (self.0.len() * per_mille).div_ceil(1000).max(1);
        self.0.get(rank - 1).map_or(f64::NAN, |latency| ms(*latency))
    }

    pub fn max(&self) -> f64 {
        self.percentile(1000)
    }
}

pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// How many per second.
pub fn rate(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

/// The share of each one, in us.
pub fn us_each(cpu: Option<Duration>, count: usize) -> Option<f64> {
    cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / count as f64)
}
