//! The binary: what it prints and how it ends.

use std::process::Output;

use crate::support::config::Settings;

/// In an empty directory and environment, so that no `doorward.toml` of the machine takes part.
fn doorward(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Settings::default().with(variables).command().args(arguments).current_dir(dir.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn config_shows_what_is_in_force_and_masks_secrets() {
    let output = doorward(
        &["config", "--set", "log.level=debug"],
        &[("DOORWARD_MAIL__URL", "smtps://u:hunter2@mail.example"), ("DOORWARD_DATA_DIR", "/d")],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let row = |key: &str| {
        let row =
            table.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}: {table}"));
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("log.level"), "log.level debug command line");
    assert_eq!(row("mail.url"), "mail.url smtps://u:***@mail.example environment DOORWARD_MAIL__URL");
    assert_eq!(row("database.url"), "database.url sqlite:/d/doorward.db follows data_dir");
    assert!(!table.contains("hunter2"));
}

#[test]
fn a_wrong_configuration_is_one_line_and_code_2() {
    for (arguments, variables, words) in [
        (&["serve", "--listen", "nowhere"][..], &[][..], "http.listen cannot be nowhere (command line)"),
        (&["--config", "missing.toml"], &[], "cannot read the configuration missing.toml"),
        (&["--config", "/dev/zero"], &[], "it has more than 1048576 bytes"),
        (&[], &[("DOORWARD_HTTP__LISTN", "x")], "did you mean http.listen?"),
    ] {
        let output = doorward(arguments, variables);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.starts_with("doorward: ") && error.contains(words), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert_eq!(doorward(&["--no-such-flag"], &[]).status.code(), Some(2));
}
