//! `doorward config init` and the manual pages: files that the binary writes about itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::commands::Said;
use crate::support::config::Settings;

/// In this directory and an empty environment.
fn doorward(dir: &Path, arguments: &[&str]) -> Said {
    Settings::default().command().args(arguments).current_dir(dir).output().unwrap().into()
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[test]
fn config_init_writes_a_private_file_that_the_next_command_reads() {
    let dir = tempfile::tempdir().unwrap();
    let said = doorward(dir.path(), &["config", "init"]).ok();
    assert!(said.out.starts_with("doorward.toml is written."), "{}", said.out);
    let file = dir.path().join("doorward.toml");
    assert_eq!(mode(&file), 0o600);
    let table = doorward(dir.path(), &["config"]).ok();
    let is_unset = |line: &str| line.ends_with("default") || line.contains("follows ");
    assert!(table.out.lines().skip(1).all(is_unset), "{}", table.out);
    assert_eq!(table.err, "");

    // Its owner removes a number sign.
    let text = fs::read_to_string(&file).unwrap().replace("\n#min_length = 8\n", "\nmin_length = 12\n");
    fs::write(&file, &text).unwrap();
    let table = doorward(dir.path(), &["config"]).ok();
    let row = table.out.lines().find(|line| line.starts_with("password.min_length")).unwrap().to_owned();
    assert!(row.contains("12 ") && row.ends_with("file doorward.toml"), "{row}");

    let said = doorward(dir.path(), &["config", "init", "--config", "other.toml"]);
    assert!(said.code == Some(2) && said.err.contains("--file"), "{}", said.err);
    let said = doorward(dir.path(), &["config", "init"]);
    assert!(said.code == Some(1) && said.err.contains("it exists already; add --force"), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    doorward(dir.path(), &["config", "init", "--force", "--set", "log.format=json"]).ok();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\n#min_length = 8\n") && text.contains("\nformat = \"json\"\n"), "{text}");
    assert_eq!(mode(&file), 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn config_init_writes_where_it_is_told_and_nothing_that_would_be_refused() {
    let dir = tempfile::tempdir().unwrap();
    let said = doorward(dir.path(), &["config", "init", "--file", "other.toml"]).ok();
    assert!(said.out.contains("`doorward --config other.toml` reads it"), "{}", said.out);
    let printed = doorward(dir.path(), &["config", "init", "--file", "-"]).ok();
    assert_eq!(printed.out, fs::read_to_string(dir.path().join("other.toml")).unwrap());

    let wrong = doorward(dir.path(), &["config", "init", "--set", "password.cost=99"]);
    assert!(wrong.code == Some(2) && wrong.err.contains("a bcrypt cost from 10 to 16"), "{}", wrong.err);
    let nowhere = doorward(dir.path(), &["config", "init", "--file", "no/where.toml"]);
    assert!(nowhere.code == Some(1) && nowhere.err.contains("cannot write no/where.toml"), "{}", nowhere.err);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    doorward(dir.path(), &["man", "pages"]).ok();
    let page = |name: &str| {
        fs::read_to_string(dir.path().join("pages").join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let help = doorward(dir.path(), &["--help"]).ok().out;
    assert!(!help.contains("  man "), "it is for those who make packages: {help}");
    let commands =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut seen = 0;
    for name in commands.map(|line| line.split_whitespace().next().unwrap()).filter(|name| *name != "help") {
        let text = page(&format!("doorward-{name}.1"));
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{text}");
        seen += 1;
    }
    assert!(seen > 10, "{help}");
    for (name, words) in [
        ("doorward.1", "/etc/doorward/doorward.toml"),
        ("doorward-user-add.1", "doorward\\-user\\-add"),
        ("doorward-backup.1", ".SH EXAMPLES"),
        ("doorward-backup-check.1", "Reads the whole file and changes nothing"),
        ("doorward-connect.1", ".SH ENVIRONMENT"),
    ] {
        let text = page(name);
        assert!(text.contains(words), "{name}: {text}");
    }
}
