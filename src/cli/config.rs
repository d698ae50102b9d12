//! `doorward config`: the settings in force, and where each comes from.

use crate::config::Setting;

use super::failure::Failure;
use super::output;
use super::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  doorward config
  doorward config --config /etc/doorward/doorward.toml
  doorward config --listen :9000   # what would be in force with this option";

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {}

pub fn run(settings: Settings, _: &Arguments) -> Result<(), Failure> {
    output::print(&table(&settings.load()?.settings))
}

fn table(settings: &[Setting]) -> String {
    let rows = settings.iter().map(|s| [s.key.to_owned(), s.value.clone(), s.origin.to_string()]);
    output::table(["key", "value", "from"], rows)
}

#[cfg(test)]
mod tests {
    use crate::config::ValueSource;

    use super::*;

    #[test]
    fn columns_are_aligned() {
        let settings = [
            Setting { key: "a.long_key", value: "x".to_owned(), origin: ValueSource::Default },
            Setting { key: "b", value: "a value".to_owned(), origin: ValueSource::CommandLine },
        ];
        assert_eq!(
            table(&settings),
            "key         value    from\na.long_key  x        default\nb           a value  command line\n"
        );
    }
}
