//! `growth`: what a server costs as sockets, users, revoked logins, and sessions on other nodes become more, and its memory
//! before and after many sockets connected and disconnected.

mod churn;
mod elsewhere;
mod revoked;
mod sockets;
mod users;

use std::time::Duration;

use clap::Args;

use crate::chart::{Chart, Scale};
use crate::figures::{Report, number, whole};
use crate::people::People;
use crate::server::Server;
use crate::table::{Output, Table};
use crate::{CHEAP, Result, Target, cpus};

#[derive(Args, Clone)]
pub struct Options {
    /// Numbers of sockets
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000, 19_000])]
    sockets: Vec<usize>,
    /// Numbers of users; SQLite only
    #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000, 100_000, 1_000_000])]
    users: Vec<usize>,
    /// Numbers of logins that were revoked a moment ago; SQLite only
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1_000, 100_000, 1_000_000])]
    revoked: Vec<usize>,
    /// Numbers of sessions on other nodes; only with `--redis`
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    elsewhere: Vec<usize>,
    /// The node's `cluster.redis_url`; without it, nothing is measured of other nodes
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Measures nothing but what other nodes cost
    #[arg(long, requires = "redis")]
    only_elsewhere: bool,
    /// Sockets that connect and disconnect
    #[arg(long, default_value_t = 100_000)]
    churn: usize,
    /// Seconds for which all sockets are idle: one heartbeat
    #[arg(long, default_value_t = 25)]
    idle: u64,
    #[command(flatten)]
    output: Output,
}

/// Time for a server to finish its work, and to release memory.
const SETTLE: Duration = Duration::from_millis(1_500);

const SETTINGS: [(&str, &str); 4] = [
    CHEAP[0],
    CHEAP[1],
    // No token expires during the run.
    ("tokens.access_ttl", "24h"),
    // Many sign-ins at a time, all of them cheap.
    ("password.workers", "8"),
];

/// One measurement: how much there was, and the figures in the order of the series. `None` is a figure that could not be
/// read.
struct Step {
    size: usize,
    figures: Vec<Option<f64>>,
}

/// Steps of one kind.
struct Series {
    /// Where its table is in the page.
    place: &'static str,
    /// What is counted.
    of: &'static str,
    scale: Scale,
    /// The title of each figure, with its unit.
    titles: Vec<String>,
    /// How many of the figures have a chart, from the first one on.
    drawn: usize,
    steps: Vec<Step>,
}

impl Series {
    /// The first titles are of figures that have a chart.
    fn new(place: &'static str, of: &'static str, scale: Scale, drawn: &[&str], others: &[&str]) -> Self {
        let titles = [drawn, others].concat().into_iter().map(str::to_owned).collect();
        Self { place, of, scale, titles, drawn: drawn.len(), steps: Vec::new() }
    }

    fn push(&mut self, size: usize, figures: Vec<Option<f64>>) {
        eprintln!("... {} {}: {figures:.1?}", whole(size), self.of);
        self.steps.push(Step { size, figures });
    }

    fn table(&self) -> Table {
        let mut table = Table::new([self.of].into_iter().chain(self.titles.iter().map(String::as_str)));
        for Step { size, figures } in &self.steps {
            let cells = figures.iter().map(|figure| figure.map_or_else(|| "-".to_owned(), number));
            table.line([whole(*size)].into_iter().chain(cells));
        }
        table
    }

    /// A chart for each figure that has one.
    fn charts(&self) -> Vec<Chart> {
        // There is no place for zero on a logarithmic scale.
        let least = usize::from(matches!(self.scale, Scale::Logarithmic));
        let charts = self.titles[..self.drawn].iter().enumerate().map(|(index, title)| {
            let steps = self.steps.iter().filter(|step| step.size >= least);
            let points = steps.filter_map(|step| Some((step.size as f64, step.figures[index]?.max(0.0))));
            Chart::Curve {
                title: format!("{title}, by {}", self.of),
                scale: self.scale,
                points: points.collect(),
            }
        });
        charts.collect()
    }
}

pub async fn run(target: &Target, options: &Options, report: &mut Report) -> Result<()> {
    if let Some(cpus) = &target.pin_server {
        cpus::leave(cpus)?;
    }
    let mut all = Vec::new();
    if let Some(redis) = &options.redis {
        all.push(elsewhere::run(target, &options.elsewhere, redis).await?);
    }
    if !options.only_elsewhere {
        all.append(&mut alone(target, options).await?);
    }

    let tables: Vec<_> = all.iter().map(|series| (series.place, series.table())).collect();
    for (place, table) in &tables {
        table.show(report.section(place.trim_start_matches("load ")));
    }
    let tables: Vec<_> = tables.iter().map(|(place, table)| (*place, table)).collect();
    let charts: Vec<_> = all.iter().flat_map(Series::charts).collect();
    options.output.write(&tables, "What Doorward costs as sockets, users and revoked logins grow", &charts)
}

/// What one node costs.
async fn alone(target: &Target, options: &Options) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    {
        let mut server = Server::start(target, &SETTINGS).await?;
        let mut people = People::new(server.address());
        let most = options.sockets.iter().copied().max().unwrap_or_default();
        let logins = people.sign_in(most.max(churn::BATCH) + sockets::WARM_UP, 1_000).await?;
        let idle = Duration::from_secs(options.idle);
        all.push(sockets::run(&mut server, target, logins, (&options.sockets, idle)).await?);
        all.push(churn::run(&mut server, target, logins, options.churn).await?);
    }
    all.push(users::run(target, &options.users).await?);
    all.push(revoked::run(target, &options.revoked).await?);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::{Scale, Series};
    use crate::chart::Chart;
    use crate::figures::Report;

    #[test]
    fn each_figure_has_a_column_and_the_first_ones_a_chart() {
        let mut series =
            Series::new("load growth: users", "users", Scale::Logarithmic, &["sign-in"], &["memory"]);
        series.push(0, vec![Some(1.0), None]);
        series.push(1_000, vec![Some(2.0), Some(3.0)]);
        let mut report = Report::default();
        series.table().show(report.section("users"));
        assert!(report.to_string().contains("1,000     2.00    3.00"), "{report}");
        let charts = series.charts();
        let [Chart::Curve { title, points, .. }] = &charts[..] else { panic!("one curve") };
        assert_eq!(title, "sign-in, by users");
        assert_eq!(points, &[(1e3, 2.0)]);
    }
}
