//! What Prometheus reads of a node.

use actix_web::http::Method;

use crate::support::app::{TestApp, call};
use crate::support::time::{PATIENCE, now, pause};

/// The setting that opens the listener.
pub const METRICS: (&str, &str) = ("metrics.listen", "127.0.0.1:0");

pub async fn scrape(app: &TestApp) -> String {
    let answer = call(app.metrics, Method::GET, "/metrics", &[], None).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.text.ends_with("# EOF\n"), "{}", answer.text);
    answer.text
}

/// The value of a sample with these labels, in any order; 0 if it is not there.
pub fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let has_all = |inside: &str| {
        labels.iter().all(|(name, value)| inside.split(',').any(|pair| pair == format!("{name}=\"{value}\"")))
    };
    let samples = text.lines().filter_map(|line| {
        let (sample, value) = line.rsplit_once(' ')?;
        let (of, inside) = sample.split_once('{').unwrap_or((sample, "}"));
        (of == name && has_all(inside.trim_end_matches('}'))).then(|| value.parse::<f64>().unwrap())
    });
    samples.sum()
}

/// Waits until a sample has a value.
pub async fn becomes(app: &TestApp, name: &str, labels: &[(&str, &str)], expected: f64) {
    let deadline = now() + PATIENCE;
    loop {
        let text = scrape(app).await;
        let found = value(&text, name, labels);
        if (found - expected).abs() < 1e-9 {
            return;
        }
        assert!(now() < deadline, "{name} {labels:?} is {found}, not {expected}");
        pause().await;
    }
}
