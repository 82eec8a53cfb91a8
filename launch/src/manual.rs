//! `completions` and `man`: the command line for shells and for readers.
//! It never says anything that `cli` does not.

use std::io;

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::env::Shells;
use clap_mangen::Man;

use crate::{
    cli::{Cli, Shell},
    complete::VARIABLE,
    failure::Failure,
    print::print,
    supervisor::code,
};

/// `man`: one page, with a section for each verb.
pub(crate) fn man() -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    print(&page(&command)?)
}

/// `completions SHELL`: a script to source; it asks the `launch` that printed it.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let shell = shell.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let shells = Shells::builtins();
    let script = shells.completer(&shell).ok_or_else(|| Failure::new(code::OTHER, format!("no script for {shell}")))?;
    let mut text = Vec::new();
    script.write_registration(VARIABLE, "launch", "launch", &program(), &mut text)?;
    print(&String::from_utf8_lossy(&text))
}

/// How to call this program again: as it was called, from anywhere.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_else(|| "launch".to_owned());
    if !called.contains('/') {
        return called;
    }
    std::path::absolute(&called).map_or(called, |path| path.to_string_lossy().into_owned())
}

fn page(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    let mut text = String::from_utf8_lossy(&page).into_owned();
    text += &section(|to| {
        man.render_name_section(to)?;
        man.render_synopsis_section(to)?;
        man.render_description_section(to)?;
        man.render_options_section(to)
    })?;
    verbs(command, "launch", &mut text)?;
    text += &section(|to| man.render_extra_section(to))?.replace(".SH EXTRA", ".SH EXAMPLES");
    Ok(text)
}

/// A part of the page; what the library defines before each of them stands at the top already.
fn section(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut section = Vec::new();
    render(&mut section)?;
    let text = String::from_utf8_lossy(&section).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

/// A section for each verb; those that are groups of verbs have one for each of these.
fn verbs(command: &Command, before: &str, text: &mut String) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let name = format!("{before} {}", verb.get_name());
        if verb.has_subcommands() {
            verbs(verb, &name, text)?;
            continue;
        }
        let man = Man::new(verb.clone().bin_name(name.clone()));
        let inner = section(|to| {
            man.render_description_section(to)?;
            man.render_synopsis_section(to)?;
            man.render_options_section(to)
        })?;
        // Its own sections stand below the verb's.
        *text += &format!(".SH \"{}\"\n{}", name.to_uppercase(), inner.replace(".SH ", ".SS "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_a_section_for_each_verb() {
        let mut command = Cli::command();
        command.build();
        let page = page(&command).unwrap();
        assert!(page.contains(".TH launch 1"), "{page}");
        for verb in command.get_subcommands().filter(|verb| !verb.has_subcommands() && verb.get_name() != "help") {
            let section = format!(".SH \"LAUNCH {}\"\n", verb.get_name().to_uppercase());
            assert_eq!(page.matches(&section).count(), 1, "{section}");
        }
        assert!(page.contains(".SH \"LAUNCH TOPIC PUB\"\n") && page.contains("Exit codes"));
    }
}
