//! `doorward config`: what is in force, and who set it.

use std::io::{ErrorKind, Write};

use doorward::config::Setting;

use super::{Failure, Settings};

pub fn run(settings: Settings) -> Result<(), Failure> {
    let table = table(&settings.load()?.settings);
    match std::io::stdout().write_all(table.as_bytes()) {
        // Whoever reads only the first lines has what they wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(Failure::running),
    }
}

fn table(settings: &[Setting]) -> String {
    let rows: Vec<[String; 3]> = std::iter::once(["key", "value", "from"].map(str::to_owned))
        .chain(settings.iter().map(|s| [s.key.to_owned(), s.value.clone(), s.origin.to_string()]))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (keys, values) = (width(0), width(1));
    let lines = rows.iter().map(|[key, value, origin]| format!("{key:keys$}  {value:values$}  {origin}"));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use doorward::config::Origin;

    use super::*;

    #[test]
    fn columns_are_aligned() {
        let settings = [
            Setting { key: "a.long_key", value: "x".to_owned(), origin: Origin::Default },
            Setting { key: "b", value: "a value".to_owned(), origin: Origin::CommandLine },
        ];
        assert_eq!(
            table(&settings),
            "key         value    from\na.long_key  x        default\nb           a value  command line\n"
        );
    }
}
