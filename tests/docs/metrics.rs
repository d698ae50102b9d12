//! The dashboard and the rules name metrics that exist, and each alert is tested and explained.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::root;

/// What ends the names of a histogram's series.
const SERIES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !is_name(c));
    words
        .filter(|word| word.starts_with("doorward_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/METRICS.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.flat_map(names).collect()
}

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn dashboards_and_rules_name_metrics_that_exist() {
    let documented = documented();
    assert!(documented.len() > 30, "{documented:?}");
    let mut seen = BTreeSet::new();
    for (path, text) in files("deploy/prometheus").into_iter().chain(files("deploy/grafana")) {
        for name in names(&text) {
            let base = SERIES.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            let known = documented.contains(&name) || documented.contains(base);
            assert!(known, "{}: there is no metric {name}", path.display());
            seen.insert(base.to_owned());
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[test]
fn each_alert_is_tested_and_explained() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let rules = read("deploy/prometheus/doorward.rules.yml");
    let (tests, page) = (read("deploy/prometheus/doorward.test.yml"), read("docs/ALERTS.md"));
    let alerts: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::trim).collect();
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} has no test");
        let heading =
            page.lines().any(|line| line.trim_start_matches('#').trim() == alert && line.starts_with("##"));
        assert!(heading, "docs/ALERTS.md has no section {alert}");
        assert!(rules.contains(&format!("ALERTS.md#{}", alert.to_lowercase())), "{alert} names no section");
    }
}
