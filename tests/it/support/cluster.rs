//! Several nodes on one database, and what they tell each other over Redis.

use std::time::Duration;

use doorward::Additions;
use doorward_core::domain::UserId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{Person, TestApp, spawn_node};
use crate::support::database;
use crate::support::redis::Redis;
use crate::support::smtp::SmtpCatcher;
use crate::support::time::PATIENCE;

/// The Redis channel on which nodes publish.
pub const CHANNEL: &str = "doorward:nodes";

/// How many nodes [`Nodes::start`] starts.
pub const NODES: usize = 3;

/// Nodes on one database, each with a mail server and a manual clock of its own.
pub struct Nodes {
    pub all: Vec<TestApp>,
    place: tempfile::TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Nodes {
    pub async fn start(redis: Option<&Redis>, more: &[(&'static str, &str)]) -> Self {
        let mut nodes = Self::none(redis, more);
        for _ in 0..NODES {
            nodes.add().await;
        }
        nodes
    }

    /// The database, without a node yet.
    pub fn none(redis: Option<&Redis>, more: &[(&'static str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = format!("sqlite:{}", place.path().join("shared.db").display());
        let mut settings = vec![("database.url", database::url(place.path()).unwrap_or(file))];
        settings.extend(redis.map(|redis| ("cluster.redis_url", redis.url())));
        settings.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        Self { all: Vec::new(), place, settings }
    }

    pub async fn add(&mut self) {
        let node = self.start_one().await;
        self.all.push(node);
    }

    /// A further node, which the caller keeps.
    pub async fn start_one(&self) -> TestApp {
        self.start_with(Additions::default()).await
    }

    /// The same with additions of an embedding application.
    pub async fn start_with(&self, additions: Additions) -> TestApp {
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let data = tempfile::tempdir_in(self.place.path()).unwrap();
        spawn_node(&settings, data, SmtpCatcher::start(), additions).await
    }

    /// Waits until every node lists this many sessions of the user.
    pub async fn all_see(&self, user: &Person, count: usize) {
        for node in &self.all {
            sees(node, user, count).await;
        }
    }
}

/// Waits until the node lists this many sessions of the user.
pub async fn sees(node: &TestApp, user: &Person, count: usize) {
    let id: UserId = user.id.parse().unwrap();
    let listed = async || node.sessions.of_user(id).await.len();
    let wait = async {
        while listed().await != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, wait).await.is_ok();
    assert!(in_time, "{count}, not {}", listed().await);
}

/// A message as a node publishes it.
pub fn envelope(node: Uuid, number: u64, message: &Value) -> String {
    json!({"node": node, "number": number, "news": message}).to_string()
}
