//! Messages put into a mailbox: from a file, from stdin, from a Maildir.

use super::shell::{Shell, Stop};
use crate::browse::line::Line;
use crate::browse::plan::kinds::{From, View};
use crate::browse::session::{self, Content, Lead};
use crate::bytes::newline::ToCrlf;
use crate::cli::exit::Status;
use crate::cli::stdio::say;
use crate::disk::pickup::Pickup;
use crate::disk::scratch::Scratch;
use crate::mail::header::from_line;
use crate::protocol::imap::code::StatusKind;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Octets looked at in one go; an mbox line is shorter.
const BUFFER: usize = 64 * 1024;

/// Appends what `from` names to `mailbox`, a message a command. The first that fails ends it.
pub fn append(shell: &mut Shell<'_>, lead: &mut Lead, from: &From, mailbox: &str) -> Result<Status, Stop> {
    match from {
        From::Stdin => one(shell, lead, "stdin", &mut io::stdin().lock(), "", mailbox),
        From::File(path) => match File::open(path) {
            Ok(mut file) => one(shell, lead, &path.display().to_string(), &mut file, "", mailbox),
            Err(error) => Ok(unreadable(path, &error)),
        },
        From::Maildir(dir) => maildir(shell, lead, dir, mailbox),
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Status {
    say(&format!("imap-shell: cannot read {}: {error}", path.display()));
    Status::NoInput
}

fn maildir(shell: &mut Shell<'_>, lead: &mut Lead, dir: &Path, mailbox: &str) -> Result<Status, Stop> {
    let pickup = Pickup::new(dir);
    let names = match pickup.names() {
        Ok(names) => names,
        Err(error) => return Ok(unreadable(dir, &error)),
    };
    for name in names {
        let path = dir.join(&name);
        let (mut file, _) = match pickup.open(&name) {
            Ok(opened) => opened,
            Err(error) => return Ok(unreadable(&path, &error)),
        };
        let status = one(shell, lead, &path.display().to_string(), &mut file, &flags(&name), mailbox)?;
        if status != Status::Done {
            return Ok(status);
        }
    }
    Ok(Status::Done)
}

/// Those of a Maildir's `:2,FS`.
fn flags(name: &Path) -> String {
    let name = name.as_os_str().to_string_lossy();
    let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
    let known = [('D', "\\Draft"), ('F', "\\Flagged"), ('R', "\\Answered"), ('S', "\\Seen"), ('T', "\\Deleted")];
    let set: Vec<&str> = known.into_iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, flag)| flag).collect();
    set.join(" ")
}

fn one(
    shell: &mut Shell<'_>,
    lead: &mut Lead,
    called: &str,
    from: &mut dyn Read,
    flags: &str,
    mailbox: &str,
) -> Result<Status, Stop> {
    let (file, octets) = match wire_form(from) {
        Ok((_, 0)) => {
            say(&format!("imap-shell: {called}: no message"));
            return Ok(Status::NoInput);
        }
        Ok(held) => held,
        Err(error) => {
            say(&format!("imap-shell: {called}: {error}"));
            return Ok(if error.kind() == io::ErrorKind::InvalidData { Status::Data } else { Status::Io });
        }
    };
    let line = match Line::new("APPEND", lead.encoding).mailbox(mailbox) {
        Ok(line) => line,
        Err(error) => {
            say(&format!("imap-shell: {error}"));
            return Ok(Status::Usage);
        }
    };
    let line = if flags.is_empty() { line } else { line.word(&format!("({flags})")) };
    let mut content = Some(Content { octets, read: Box::new(file) });
    let made = session::command(line.file(PathBuf::from(called)), &mut |_| {
        content.take().ok_or_else(|| io::Error::other("read already"))
    });
    let (command, contents) = match made {
        Ok(made) => made,
        Err(error) => {
            say(&format!("imap-shell: {error}"));
            return Ok(Status::Io);
        }
    };
    let view = View::Nothing;
    let mut hearing = super::hearing::Hearing::new(&mut shell.out, &view, mailbox, shell.args.client.quiet);
    let done = lead.run(command, contents, &mut |lead, heard| hearing.hear(lead, heard));
    if let Some(error) = hearing.failed.take() {
        return Err(Stop::Stdout(error));
    }
    let done = done?;
    if let Some(code) = done.status.code.as_ref().filter(|_| done.status.kind == StatusKind::Ok) {
        hearing.code(code)?;
    }
    Ok(super::shell::verdict(&done, hearing.damaged))
}

/// In wire form, without an mbox line, in a temporary file: a literal's length goes ahead of it. A lone CR is
/// [`io::ErrorKind::InvalidData`].
fn wire_form(from: &mut dyn Read) -> io::Result<(File, u64)> {
    let mut scratch = Scratch::new()?;
    let (mut newline, mut buf, mut out) = (ToCrlf::default(), vec![0; BUFFER], Vec::new());
    let mut at_start = true;
    let lone = |lone| io::Error::new(io::ErrorKind::InvalidData, lone);
    loop {
        let n = fill(from, &mut buf)?;
        if n == 0 {
            break;
        }
        let skip = if std::mem::take(&mut at_start) { from_line(&buf[..n]) } else { 0 };
        newline.push(&buf[skip..n], &mut out).map_err(lone)?;
        scratch.write_all(&out)?;
        out.clear();
    }
    newline.finish().map_err(lone)?;
    let octets = scratch.size();
    Ok((scratch.into_file()?, octets))
}

fn fill(from: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buf.len() {
        match from.read(&mut buf[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_in_a_maildir_s_names() {
        assert_eq!(flags(Path::new("cur/1.M2.host:2,FS")), "\\Flagged \\Seen");
        assert_eq!(flags(Path::new("new/1.M2.host")), "");
    }

    #[test]
    fn a_message_goes_in_wire_form() {
        let mut text = String::new();
        let (mut file, octets) = wire_form(&mut &b"From x Mon\nA: b\n\nc\r\nd"[..]).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), octets), ("A: b\r\n\r\nc\r\nd", 12));
        assert_eq!(wire_form(&mut &b"a\rb"[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
