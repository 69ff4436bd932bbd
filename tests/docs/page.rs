//! Man pages from what clap knows of a command, and sections in plain text: those of `--help` and those of `man/parts/TOOL.txt`.

use super::sections::{Section, escape, render, sections};
use clap::Command;
use clap_mangen::Man;
use postroad::cli::exit::TABLE;
use std::io::{self, Write};

/// The order of mdoc(7), with OUTPUT where people look for it. Sections that only one tool has come before.
const ORDER: &[&str] =
    &["OUTPUT", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO", "STANDARDS", "BUGS", "SECURITY CONSIDERATIONS"];

/// Day of the last change that matters to readers.
const DATE: &str = "2026-11-22";

/// The section-1 page of `command`; `parts` is the text of its own sections.
pub fn page(command: &Command, parts: &str) -> String {
    let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let mut own = sections(&help);
    own.extend(sections(parts));
    own.push(exit_status(own.iter().find(|s| s.title == "EXIT STATUS")));
    // What -h leaves out stands in the page.
    let bare = command.clone().after_help(None::<&str>).after_long_help(None::<&str>).mut_args(|arg| arg.hide_short_help(false));
    let bare = bare.mut_subcommands(|command| command.mut_args(|arg| arg.hide_short_help(false)));
    let man = Man::new(bare.clone())
        .title(command.get_name().to_uppercase())
        .date(DATE)
        .source(format!("Postroad {}", env!("CARGO_PKG_VERSION")))
        .manual("Postroad Manual");
    let mut out = Vec::new();
    let writing = man
        .render_title(&mut out)
        .and_then(|()| man.render_name_section(&mut out))
        .and_then(|()| synopsis(&bare, &mut out))
        .and_then(|()| man.render_description_section(&mut out))
        .and_then(|()| options(&bare, &man, &mut out));
    writing.expect("a Vec takes everything");
    let mut text = once(&String::from_utf8(out).expect("clap writes UTF-8"));
    text.push_str(&commands(&bare));
    for title in titles(&own) {
        text.push_str(&format!(".SH \"{title}\"\n"));
        own.iter().filter(|s| s.title == title).for_each(|part| render(&part.lines, &part.title, &mut text));
    }
    text
}

/// Each title once: those that only this tool has, then the usual ones.
fn titles(own: &[Section]) -> Vec<&str> {
    let mut titles: Vec<&str> = own.iter().map(|s| s.title.as_str()).collect();
    titles.sort_by_key(|title| ORDER.iter().position(|t| t == title).map_or(0, |at| at + 1));
    titles.dedup();
    titles
}

/// The usage as `--help` has it, each form on its line.
fn synopsis(command: &Command, out: &mut Vec<u8>) -> io::Result<()> {
    let usage = command.clone().render_usage().to_string();
    writeln!(out, ".SH SYNOPSIS\n.nf")?;
    for line in usage.trim_start_matches("Usage:").lines() {
        writeln!(out, "{}", escape(line.trim()))?;
    }
    writeln!(out, ".fi")
}

/// All options in one section, their groups below it under the names that `--help` has for them.
fn options(command: &Command, man: &Man, out: &mut Vec<u8>) -> io::Result<()> {
    let mut made = Vec::new();
    man.render_options_section(&mut made)?;
    let headings: Vec<&str> = command.get_arguments().filter_map(|arg| arg.get_help_heading()).collect();
    for line in String::from_utf8_lossy(&made).lines() {
        let title = line.strip_prefix(".SH ").map(|title| title.trim_matches('"'));
        match title.and_then(|title| headings.iter().find(|h| h.to_uppercase() == title)) {
            Some(heading) => writeln!(out, ".SS \"{heading}\"")?,
            None => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}

/// Without the definitions that are repeated before every section.
fn once(text: &str) -> String {
    let definition = |line: &str| line.starts_with(".ie ") || line.starts_with(".el ");
    let lines = text.lines().enumerate().filter(|(number, line)| *number < 2 || !definition(line));
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

/// The subcommands, each with its options, on the same page.
fn commands(command: &Command) -> String {
    let mut text = String::new();
    let shown: Vec<&Command> = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help").collect();
    if shown.is_empty() {
        return text;
    }
    text.push_str(".SH COMMANDS\n");
    for sub in shown {
        let mut sub = sub.clone().disable_help_flag(true).disable_version_flag(true);
        let usage = sub.render_usage().to_string();
        text.push_str(&format!(".SS \"{}\"\n", escape(usage.trim_start_matches("Usage: ")).replace('"', "\\(dq")));
        let mut out = Vec::new();
        let man = Man::new(sub);
        man.render_description_section(&mut out).and_then(|()| man.render_options_section(&mut out)).expect("as above");
        let body = String::from_utf8(out).expect("as above");
        let kept = |line: &&str| ![".SH", ".ie ", ".el "].iter().any(|start| line.starts_with(start));
        body.lines().filter(kept).for_each(|line| text.push_str(&format!("{line}\n")));
    }
    text
}

/// The statuses that the tool's own words don't speak of.
fn exit_status(own: Option<&Section>) -> Section {
    let said = |code: &str| own.is_some_and(|s| s.lines.iter().any(|line| line.split_whitespace().next() == Some(code)));
    let mut lines = Vec::new();
    if own.is_some() {
        lines.extend(["", "  The others are those of every Postroad tool:", ""].map(str::to_owned));
    }
    for (status, meaning) in TABLE {
        let code = (*status as u8).to_string();
        if !said(&code) {
            lines.push(format!("  {code:<4} {meaning}"));
        }
    }
    Section { title: "EXIT STATUS".to_owned(), lines }
}
