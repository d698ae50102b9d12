//! `doorward brand preview`: the pages and emails as users of this site see them, on a server that keeps nothing.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::serve;
use super::settings::Settings;
use crate::accounts::Caller;
use crate::accounts::operator::NewAccount;
use crate::app::Application;
use crate::clock::Clock;
use crate::config::{Config, Loaded};
use crate::telemetry;
use doorward_core::domain::{Email, Password, Roles, Username};

const EXAMPLES: &str = "\
Examples:
  doorward brand preview
  doorward brand preview --config /etc/doorward/doorward.toml
  doorward brand preview --set brand.name=Acme --set brand.colour=#c2185b --listen 9000";

const PREVIEW_EXAMPLES: &str = "\
Examples:
  doorward brand preview
  doorward brand preview --set brand.name=Acme --set brand.logo=logo.svg --set brand.colour=#c2185b

It runs a server with a sample account in a temporary directory, with the keys brand.* and pages.* of the
configuration, until Ctrl+C. Emails are shown at /dev/mail, and nothing is kept.";

/// Where it listens, unless `--listen` says otherwise: not where a server probably runs.
const LISTEN: &str = "127.0.0.1:8090";

const USERNAME: &str = "ada";
const PASSWORD: &str = "plum tree in march rain";
const EMAIL: &str = "ada@example.org";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Serves the pages and emails with the brand of the configuration, and keeps nothing
    #[command(after_help = PREVIEW_EXAMPLES)]
    Preview,
}

pub fn run(settings: Settings, arguments: &Arguments) -> Result<(), Failure> {
    let Action::Preview = arguments.action;
    let dir = Temporary::new();
    let Loaded { config, warnings, .. } = settings.or_listen(LISTEN).load_with(&overrides(&dir))?;
    super::settings::warn(warnings);
    telemetry::init_server(&config.log).map_err(Failure::running)?;
    actix::System::new().block_on(preview(config, dir))
}

/// What a preview must not take from the configuration: it touches no database, sends no email, and serves no one else.
fn overrides(dir: &Temporary) -> Vec<(&'static str, String)> {
    let path = dir.0.display();
    vec![
        ("data_dir", path.to_string()),
        ("database.url", format!("sqlite:{path}/doorward.db")),
        ("tcp.listen", "off".to_owned()),
        ("tls.cert", String::new()),
        ("tls.key", String::new()),
        ("mail.url", "preview".to_owned()),
        ("cluster.redis_url", "off".to_owned()),
        ("accounts.registration", "open".to_owned()),
        ("accounts.allowed_domains", String::new()),
        ("password.cost", "10".to_owned()),
        ("log.format", "text".to_owned()),
        ("log.level", "warn".to_owned()),
    ]
}

async fn preview(mut config: Config, dir: Temporary) -> Result<(), Failure> {
    // As if `public_url` were not set: links lead to this server.
    config.follows_listener = true;
    let stop = serve::StopSignals::listen().map_err(Failure::running)?;
    let application = Application::build(config, Clock::System).await.map_err(Failure::running)?;
    let added = application.accounts().add_user(sample()?, &Caller::operator(None)).await;
    added.map_err(|error| Failure::Running(format!("cannot add the sample account: {error}")))?;
    let url = application.config().link("");
    let text = format!(
        "A preview of the brand is running.\n\n  Open         {url}\n  Sign in      {USERNAME}, with the password: \
         {PASSWORD}\n  Emails       {url}/dev/mail\n  Stop         Ctrl+C. Nothing is kept\n\n"
    );
    super::settings::warn(application.config().warnings_for_serving());
    // Standard output may be closed.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let again = Temporary(dir.0.clone());
    serve::until_stopped(application, stop, || drop(again)).await
}

fn sample() -> Result<NewAccount, Failure> {
    let invalid = |error: doorward_core::domain::Invalid| Failure::Running(error.detail);
    Ok(NewAccount {
        username: Username::parse(USERNAME).map_err(invalid)?,
        password: Password::typed(PASSWORD.to_owned()),
        email: Some(Email::parse(EMAIL).map_err(invalid)?),
        verified: true,
        roles: Roles::default(),
    })
}

/// A directory that is removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    /// Only names it: the server creates it, for its owner alone.
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("doorward-preview-{}", Clock::System.new_id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
