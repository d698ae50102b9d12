//! The help of every command is complete, and its examples can be run.

use clap::{CommandFactory, Parser};

use super::{Cli, Command};

/// Calls `check` with each command that runs something: with its whole name, and as clap knows it.
fn for_each(command: &clap::Command, name: &str, check: &mut impl FnMut(&str, &clap::Command)) {
    check(name, command);
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
    {
        for_each(inner, &format!("{name} {}", inner.get_name()), check);
    }
}

fn all(mut check: impl FnMut(&str, &clap::Command)) {
    let mut command = Cli::command();
    command.build();
    for_each(&command, "doorward", &mut check);
}

fn examples(command: &clap::Command) -> String {
    command.get_after_help().map(ToString::to_string).unwrap_or_default()
}

/// The command lines of this program in a script: the words after `doorward`.
fn command_lines(script: &str) -> Vec<Vec<String>> {
    script
        .lines()
        .filter(|line| line.starts_with("  "))
        .flat_map(segments)
        .filter_map(|words| {
            let at = words.iter().position(|word| word == "doorward")?;
            Some(words[at..].to_vec())
        })
        .collect()
}

/// Splits a line as a shell does: words in quotes, comments, pipes and redirections.
fn segments(line: &str) -> Vec<Vec<String>> {
    let (mut segments, mut words, mut word): (Vec<Vec<String>>, Vec<String>, Option<String>) =
        Default::default();
    let mut quote = None;
    let mut skip_next = false;
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            // The output of another command is one word here.
            (None, '(') => quote = Some(')'),
            (None, '#') if word.is_none() => break,
            (None, ' ' | '|' | '>' | ';') => {
                if let Some(word) = word.take()
                    && !std::mem::take(&mut skip_next)
                {
                    words.push(word);
                }
                skip_next |= c == '>';
                if matches!(c, '|' | ';') {
                    segments.push(std::mem::take(&mut words));
                }
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    segments.push(words);
    segments
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_and_argument_has_a_help_text() {
    let mut count = 0;
    all(|name, command| {
        assert!(command.get_about().is_some(), "{name} has no description");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!help.is_empty(), "{name}: {} has no help", argument.get_id());
            assert!(!help.ends_with('.'), "{name}: {} ends with a full stop", argument.get_id());
            // Terminals break longer lines anywhere.
            assert!(help.chars().count() <= 100, "{name}: {} is long: {help}", argument.get_id());
            count += 1;
        }
    });
    assert!(count > 100, "{count}");
}

#[test]
fn every_command_has_examples_that_parse() {
    let mut count = 0;
    all(|name, command| {
        let text = examples(command);
        let lines = command_lines(&text);
        let has_own = lines.iter().any(|words| words.join(" ").starts_with(name));
        assert!(text.starts_with("Examples:\n  ") && has_own, "{name} has no example: {text}");
        for words in lines {
            if let Err(error) = Cli::try_parse_from(&words) {
                let is_help = error.kind() == clap::error::ErrorKind::DisplayHelp;
                assert!(is_help, "{name}: {}: {error}", words.join(" "));
            }
            count += 1;
        }
        for line in text.lines().filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert!(!line.contains("..."), "{name}: an example is whole: {line}");
        }
    });
    assert!(count > 60, "{count}");
}

#[test]
fn an_example_is_read_as_a_shell_reads_it() {
    let lines =
        command_lines("  echo 'a # b' | doorward user add \"al ice\" > x.txt --json  # adds her\n  doorward");
    assert_eq!(lines, [vec!["doorward", "user", "add", "al ice", "--json"], vec!["doorward"]]);
}

#[test]
fn settings_may_stand_before_and_after_the_command() {
    for line in [
        "doorward --set log.level=debug --data-dir /d config",
        "doorward config --set log.level=debug --data-dir /d",
        "doorward --set log.level=debug config --data-dir /d",
        "doorward --set log.level=info --data-dir /e config --set log.level=debug --data-dir /d",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        let Some(Command::Config(with)) = cli.command else { panic!("{line}") };
        let loaded = cli.settings.for_server(with.settings).load_for_server().unwrap();
        assert_eq!(loaded.config.log.level, tracing::Level::DEBUG, "{line}");
        assert_eq!(loaded.config.data_dir.to_str(), Some("/d"), "{line}");
    }
    for line in [
        "doorward user list --data-dir /d",
        "doorward user --data-dir /d list",
        "doorward --data-dir /d user list",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        let Some(Command::User(with)) = cli.command else { panic!("{line}") };
        let loaded = cli.settings.for_command(with.settings).ok().unwrap().load_for_server().unwrap();
        assert_eq!(loaded.config.data_dir.to_str(), Some("/d"), "{line}");
    }
    assert!(Cli::try_parse_from(["doorward"]).is_ok_and(|cli| cli.command.is_none()));
    assert!(Cli::try_parse_from(["doorward", "--set", "nothing"]).is_err());
}

#[test]
fn settings_are_refused_where_they_do_nothing() {
    for line in [
        "doorward connect ws://localhost --set log.level=debug",
        "doorward connect ws://localhost --listen :80",
        "doorward completions bash --data-dir /d",
        "doorward user list --listen :80",
        "doorward backup x.db --listen :80",
    ] {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
    for line in [
        "doorward --set log.level=debug connect ws://localhost",
        "doorward --config x.toml completions bash",
        "doorward --listen :80 user list",
    ] {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        let (message, code) = super::execute(cli).err().unwrap().into_parts();
        assert_eq!(code, 2, "{line}: {message}");
        assert!(message.contains("--listen"), "{line}: {message}");
    }
}
