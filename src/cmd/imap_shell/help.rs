//! `help`: the commands in a list, and one of them with the line that it sends.

use super::output::{Facts, Out};
use super::shell::Stop;
use crate::browse::commands::{COMMANDS, Command, named, near};
use crate::browse::criteria;
use crate::cli::exit::Status;
use crate::cli::stdio::say;

fn facts(command: &Command) -> Facts {
    let row = Facts::default().only_json("command", command.name).only_json("usage", command.usage);
    row.only_json("meaning", command.meaning).only_json("sends", command.sends)
}

pub fn show(out: &mut Out, name: Option<&str>) -> Result<Status, Stop> {
    let Some(name) = name else {
        for command in COMMANDS {
            if out.json {
                out.row(&facts(command))?;
                continue;
            }
            out.line(&format!("{:<40} {}", command.usage, command.meaning))?;
        }
        return Ok(Status::Done);
    };
    let Some(command) = named(&name.to_ascii_lowercase()) else {
        let near = near(name).map(|near| format!(" (is it {near}?)")).unwrap_or_default();
        say(&format!("imap-shell: {name}: no command{near}"));
        return Ok(Status::Usage);
    };
    if out.json {
        out.row(&facts(command))?;
        return Ok(Status::Done);
    }
    out.line(&format!("usage: {}", command.usage))?;
    out.line(&format!("  {}", command.meaning))?;
    out.line(&format!("sends: {}", command.sends))?;
    if command.usage.contains("SET") || command.usage.contains("N[") {
        out.line("SET is UIDs as 5, 5,7,9:12, 1:* or all, and $ for what was found last; N is one of them.")?;
    }
    if command.usage.contains("QUERY") {
        out.line("QUERY is made of these, with and, or, not and ( ) between them; and may be left out:")?;
        for (key, meaning) in criteria::keys() {
            out.line(&format!("  {key:<12} {meaning}"))?;
        }
        out.line("Days are like 2026-01-31, today, 14d; sizes like 100K; text with blanks is quoted; quoted text alone is looked for anywhere.")?;
    }
    Ok(Status::Done)
}
