//! Where the log goes: one line a session and a recipient, to stderr, a file or the system's log. A log that fails never fails mail.

use super::exit::{Failure, Status};
use super::report::json_line;
use super::stdio::stderr_is_the_client;
use crate::bytes::escape::visible;
use crate::relay::event::{Event, Log};
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Stderr,
    /// `/dev/log`, facility mail. Where nobody listens there, the lines are lost, as with syslog(3).
    Syslog,
    /// Appended to, a line at a time; may be moved away at any time.
    File(PathBuf),
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// key=value
    Text,
    /// One object a line
    Json,
}

/// Reads `stderr`, `syslog`, `none` or a path. A file's name needs a slash, so that a slip in `syslog` never makes a file.
pub fn target(text: &str) -> Result<Target, String> {
    match text {
        "stderr" => Ok(Target::Stderr),
        "syslog" => Ok(Target::Syslog),
        "none" => Ok(Target::None),
        file if file.contains('/') && !file.ends_with('/') => Ok(Target::File(file.into())),
        _ => Err("stderr, syslog, none, or a file's path with a slash in it".to_owned()),
    }
}

const DEV_LOG: &str = "/dev/log";
/// Facility mail (2), severity info (6), as RFC 3164 section 4.1.1 counts them.
const PRIORITY: u8 = 2 * 8 + 6;
/// Longest datagram: what the usual system logs take whole.
const MAX_DATAGRAM: usize = 8 * 1024;
/// How long a stuck system log may hold up mail, per line.
const PATIENCE: Duration = Duration::from_secs(1);

/// A log that is open.
pub struct Sink {
    tool: &'static str,
    format: Format,
    out: Out,
}

enum Out {
    Stderr,
    Syslog { path: PathBuf, socket: Mutex<Option<UnixDatagram>> },
    File(PathBuf),
    None,
}

impl Sink {
    /// Opens the log. A file that cannot be made or written is status 73.
    pub fn open(target: &Target, format: Format, tool: &'static str) -> Result<Sink, Failure> {
        let out = match target {
            // Under inetd the client is behind stderr.
            Target::Stderr if stderr_is_the_client() => syslog(DEV_LOG.into()),
            Target::Stderr => Out::Stderr,
            Target::None => Out::None,
            Target::Syslog => syslog(DEV_LOG.into()),
            Target::File(path) => {
                let opened = append(path);
                opened.map_err(|e| Failure::text(Status::CannotCreate, format_args!("cannot open {}: {e}", path.display())))?;
                Out::File(path.clone())
            }
        };
        Ok(Sink { tool, format, out })
    }

    /// People and their tools read it, not JSON.
    pub fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// Writes a line that is made already, and harmless. Where the log is JSON it has no place.
    pub fn line(&self, line: &str) {
        if self.is_text() {
            self.put(line, Timestamp::now());
        }
    }

    fn put(&self, line: &str, now: Timestamp) {
        // Nobody to tell of a failure: the log is where it would be told.
        let _ = match &self.out {
            Out::None => Ok(()),
            Out::Stderr => io::stderr().write_all(self.framed(line, now).as_bytes()),
            Out::File(path) => append(path).and_then(|mut file| file.write_all(self.framed(line, now).as_bytes())),
            Out::Syslog { path, socket } => {
                let mut socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
                send(path, &mut socket, &datagram(self.tool, line, &Zoned::now()))
            }
        };
    }

    fn written(&self, event: &Event, now: Timestamp) -> String {
        match self.format {
            Format::Text => text(event),
            Format::Json => json_line(&Line { time: crate::mail::date::rfc3339(now), tool: self.tool, event }),
        }
    }

    /// The line with what its place needs in front: stderr the tool, a file also time and process.
    fn framed(&self, line: &str, now: Timestamp) -> String {
        match (self.format, &self.out) {
            (Format::Json, _) => format!("{line}\n"),
            (Format::Text, Out::File(_)) => {
                format!("{} {}[{}]: {line}\n", crate::mail::date::rfc3339(now), self.tool, std::process::id())
            }
            (Format::Text, _) => format!("{}: {line}\n", self.tool),
        }
    }
}

impl Log for Sink {
    fn event(&self, event: &Event) {
        let now = Timestamp::now();
        self.put(&self.written(event, now), now);
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    tool: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// `event=recipient queue_id=… recipient=bob@b.test text="no such user"`: the facts that are there, in their order.
fn text(event: &Event) -> String {
    // Taken apart by name, so that a new fact is not forgotten here.
    #[rustfmt::skip]
    let Event {
        event: name, queue_id, client, helo, tls, user, reverse_path, recipient, host, address, outcome, code, enhanced, text, size,
        account, number, uid, deleted, delivered, failed,
    } = event;
    let code = code.map(|code| code.to_string());
    let counted = |count: Option<u64>| count.map(|count| count.to_string());
    let (size, delivered, failed) = (counted(*size), counted(*delivered), counted(*failed));
    let (number, deleted) = (number.map(|number| number.to_string()), deleted.map(|deleted| deleted.to_string()));
    let facts = [
        ("event", Some(*name)),
        ("queue_id", queue_id.as_deref()),
        ("account", account.as_deref()),
        ("client", client.as_deref()),
        ("helo", helo.as_deref()),
        ("tls", tls.as_deref()),
        ("user", user.as_deref()),
        ("reverse_path", reverse_path.as_deref()),
        ("recipient", recipient.as_deref()),
        ("host", host.as_deref()),
        ("address", address.as_deref()),
        ("number", number.as_deref()),
        ("uid", uid.as_deref()),
        ("outcome", *outcome),
        ("deleted", deleted.as_deref()),
        ("delivered", delivered.as_deref()),
        ("failed", failed.as_deref()),
        ("code", code.as_deref()),
        ("enhanced", enhanced.as_deref()),
        ("size", size.as_deref()),
        ("text", text.as_deref()),
    ];
    let pairs = facts.iter().filter_map(|(key, fact)| Some(format!("{key}={}", value((*fact)?))));
    pairs.collect::<Vec<_>>().join(" ")
}

/// A value that cannot be taken for another key: in quotes where it is empty or holds a blank, `=`, a quote or a backslash.
fn value(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\\' | '=');
    if !text.is_empty() && text.chars().all(plain) {
        return visible(text.as_bytes());
    }
    format!("\"{}\"", visible(text.replace('\\', "\\\\").replace('"', "\\\"").as_bytes()))
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

fn syslog(path: PathBuf) -> Out {
    Out::Syslog { path, socket: Mutex::new(None) }
}

/// `<PRI>Mmm dd hh:mm:ss TAG[PID]: text` (RFC 3164 section 4.1, without the host name, which the local socket's reader adds).
fn datagram(tool: &str, line: &str, now: &Zoned) -> String {
    let mut text = format!("<{PRIORITY}>{} {tool}[{}]: {line}", now.strftime("%b %e %H:%M:%S"), std::process::id());
    let mut end = text.len().min(MAX_DATAGRAM);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// Sends over the socket that is there; a system log that was started anew is sought once.
fn send(path: &Path, socket: &mut Option<UnixDatagram>, text: &str) -> io::Result<()> {
    if let Some(open) = socket
        && open.send(text.as_bytes()).is_ok()
    {
        return Ok(());
    }
    let fresh = UnixDatagram::unbound()?;
    fresh.set_write_timeout(Some(PATIENCE))?;
    *socket = None;
    fresh.connect(path)?;
    fresh.send(text.as_bytes())?;
    *socket = Some(fresh);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Event {
        Event {
            queue_id: Some("01abc".to_owned()),
            client: Some("192.0.2.1".to_owned()),
            helo: Some("x outcome=accepted".to_owned()),
            reverse_path: Some(String::new()),
            recipient: Some("\"a b\"@b.test".to_owned()),
            outcome: Some("refused"),
            code: Some(550),
            text: Some("no\nevent=recipient \x1b[0m".to_owned()),
            ..Event::new("recipient")
        }
    }

    #[test]
    fn nothing_remote_can_forge_a_key_or_a_line() {
        assert_eq!(
            text(&refused()),
            r#"event=recipient queue_id=01abc client=192.0.2.1 helo="x outcome=accepted" reverse_path="" recipient="\"a b\"@b.test" outcome=refused code=550 text="no\nevent=recipient \x1b[0m""#
        );
        assert_eq!([value("a\u{2003}b"), value("a\\"), value("b\u{202e}")], ["\"a\u{2003}b\"", "\"a\\\\\"", "b\\u{202e}"]);
    }

    #[test]
    fn a_file_takes_whole_lines_and_may_be_moved_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let json = Sink::open(&Target::File(path.clone()), Format::Json, "smtp-listen").unwrap();
        json.event(&refused());
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        json.event(&Event::new("session"));
        let old: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("log.1")).unwrap()).unwrap();
        assert_eq!((&old["event"], &old["code"], &old["reverse_path"]), (&"recipient".into(), &550.into(), &"".into()));
        assert!(old.get("size").is_none(), "absent facts are left out");
        let plain = Sink::open(&Target::File(path.clone()), Format::Text, "smtp-listen").unwrap();
        plain.event(&refused());
        let lines = std::fs::read_to_string(&path).unwrap();
        assert_eq!(lines.lines().count(), 2);
        assert!(lines.contains(&format!(" smtp-listen[{}]: event=recipient queue_id=01abc ", std::process::id())), "{lines}");
    }

    #[test]
    fn a_slip_makes_no_file() {
        assert_eq!(target("syslog"), Ok(Target::Syslog));
        assert_eq!(target("./log"), Ok(Target::File("./log".into())));
        for bad in ["sylog", "", "log/", "STDERR"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_log_that_cannot_be_made_is_told_at_once() {
        let failure = Sink::open(&Target::File("/nonexistent/log".into()), Format::Text, "x").err().unwrap();
        assert_eq!(failure.status, Status::CannotCreate);
    }

    #[test]
    fn the_system_s_log_gets_rfc_3164_lines_and_may_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let sink = Sink { tool: "mailq-run", format: Format::Text, out: syslog(path.clone()) };
        sink.event(&refused());
        let mut buffer = [0; 2 * MAX_DATAGRAM];
        for _ in 0..2 {
            let server = UnixDatagram::bind(&path).unwrap();
            server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            sink.event(&refused());
            let length = server.recv(&mut buffer).unwrap();
            let line = String::from_utf8_lossy(&buffer[..length]);
            let (time, rest) = line.strip_prefix("<22>").unwrap().split_at(16);
            assert!(time.ends_with(' ') && time.as_bytes()[3] == b' ' && time.as_bytes()[9] == b':', "{line}");
            assert!(rest.starts_with(&format!("mailq-run[{}]: event=recipient ", std::process::id())), "{line}");
            std::fs::remove_file(&path).unwrap();
        }
        let long = Event { text: Some("ü".repeat(MAX_DATAGRAM)), ..Event::new("recipient") };
        let text = datagram("x", &text(&long), &Zoned::now());
        assert!(text.len() <= MAX_DATAGRAM && text.len() > MAX_DATAGRAM - 4);
    }
}
