//! A dialogue written down, to try a server with what no honest client sends. Each line is carried out as it stands: nothing is added,
//! nothing is waited for that the script does not wait for.

use crate::bytes::escape::visible;
use crate::cli::conversation::{Conversation, Happened, Lead};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::raw::unescape;
use crate::cli::report::{Row, Rows};
use crate::cli::screen::Screen;
use crate::net::connection::Connection;
use crate::protocol::smtp::dialect::{Heard, Smtp};
use crate::relay::session::Via;
use anyhow::Context;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Longest script, in octets.
const MAX_SCRIPT: u64 = 16 * 1024 * 1024;
/// Longest pause, in seconds.
const MAX_PAUSE: f64 = 3600.0;

/// One line of a script.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Send(Vec<u8>),
    /// The next reply begins so.
    Expect(String),
    Tls,
    Wait(Duration),
    /// Nothing comes for so long, or a reply that begins so.
    Silence(Duration, Option<String>),
    Close,
    /// We say nothing more, and listen.
    HalfClose,
    /// The server closes.
    Closed,
}

/// A script, each step with its line's number.
#[derive(Debug, PartialEq)]
pub struct Script(Vec<(usize, Step)>);

impl Script {
    /// Reads a script. One that is missing is status 66, a line that cannot be read 65.
    pub fn read(path: &Path) -> Result<Script, Failure> {
        let shown = path.display();
        let size = fs::metadata(path).with_context(|| format!("cannot read {shown}")).or_status(Status::NoInput)?.len();
        if size > MAX_SCRIPT {
            return Err(Failure::text(Status::Data, format_args!("{shown} is longer than {MAX_SCRIPT} octets")));
        }
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}")).or_status(Status::NoInput)?;
        Script::parse(&text).map_err(|why| Failure::text(Status::Data, format_args!("{shown}:{why}")))
    }

    fn parse(text: &str) -> Result<Script, String> {
        let mut steps = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            steps.push((number, step(line).map_err(|why| format!("{number}: {why}"))?));
        }
        Ok(Script(steps))
    }
}

fn step(line: &str) -> Result<Step, String> {
    let after = |mark: &str| line.strip_prefix(mark).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
    if let Some(text) = after("C:") {
        return Ok(Step::Send(format!("{text}\r\n").into_bytes()));
    }
    if let Some(text) = after("C>") {
        return unescape(text).map(Step::Send).map_err(|bad| bad.to_string());
    }
    if let Some(text) = after("S:") {
        return Ok(Step::Expect(text.trim_end().trim_end_matches('…').to_owned()));
    }
    let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    match (word, rest.trim()) {
        ("tls", "") => Ok(Step::Tls),
        ("close", "") => Ok(Step::Close),
        ("half-close", "") => Ok(Step::HalfClose),
        ("closed", "") => Ok(Step::Closed),
        ("wait", time) => seconds(time).map(Step::Wait),
        ("silence", rest) => {
            let (time, allowed) =
                rest.split_once(' ').map_or((rest, None), |(time, allowed)| (time, Some(allowed.trim().to_owned())));
            seconds(time).map(|time| Step::Silence(time, allowed))
        }
        _ => Err(format!("no line of a script: {line}")),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>().ok();
    let number = number.filter(|number| (0.0..=MAX_PAUSE).contains(number));
    number.map(Duration::from_secs_f64).ok_or_else(|| format!("no time in seconds: {text}"))
}

/// One expectation and what came.
#[derive(Debug, Serialize)]
struct Told {
    line: usize,
    wanted: String,
    got: String,
    ok: bool,
}

impl Row for Told {
    fn columns(&self) -> Vec<Option<String>> {
        let word = if self.ok { "ok" } else { "failed" };
        vec![Some(word.to_owned()), Some(self.line.to_string()), Some(self.wanted.clone()), Some(self.got.clone())]
    }
}

#[derive(Debug, Serialize)]
struct Summary {
    expectations: usize,
    met: usize,
}

impl Row for Summary {
    fn columns(&self) -> Vec<Option<String>> {
        vec![Some(format!("{} of {} as expected", self.met, self.expectations))]
    }
}

/// Where it is tried.
pub struct Stage<'a> {
    pub connection: Connection,
    pub via: Via,
    pub lead: Lead,
    pub screen: &'a Screen,
    pub json: bool,
}

/// Carries the script out. What was not as expected is status 1; where the server said what is no reply, 76.
pub fn run(script: &Script, stage: Stage<'_>) -> Result<Status, Failure> {
    let (tell, heard) = mpsc::channel();
    let roll = stage.screen.roll(&stage.via).connected(&stage.via);
    let within = stage.lead.within;
    // Pauses of the script are no silence of the server's.
    let lead = Lead { within: within + Duration::from_secs_f64(MAX_PAUSE), ..stage.lead };
    // A script is in memory anyway: nobody waits for room.
    let told = move |what| {
        if !matches!(what, Happened::Room) {
            let _ = tell.send(what);
        }
    };
    let talk = Conversation::start(stage.connection, Smtp::default(), lead, Box::new(roll), told).or_status(Status::Os)?;
    let mut playing = Playing { talk, heard, within, over: None, garbage: false };
    let (mut rows, mut summary) = (Rows::new(stage.json), Summary { expectations: 0, met: 0 });
    for (line, step) in &script.0 {
        let Some((wanted, got)) = playing.step(step) else { continue };
        let (ok, got) = match got {
            Ok(got) => (true, got),
            Err(got) => (false, got),
        };
        summary.expectations += 1;
        summary.met += usize::from(ok);
        rows.put(&Told { line: *line, wanted, got, ok })?;
        if !ok && playing.over.is_some() {
            break;
        }
    }
    playing.talk.close();
    rows.put(&summary)?;
    Ok(match summary.met == summary.expectations {
        _ if playing.garbage => Status::Protocol,
        true => Status::Done,
        false => Status::Partly,
    })
}

type Event = Happened<Heard>;

struct Playing {
    talk: Conversation<Smtp>,
    heard: Receiver<Event>,
    within: Duration,
    /// How the conversation ended.
    over: Option<String>,
    garbage: bool,
}

/// What was wanted, and what came: good or bad.
type Found = (String, Result<String, String>);

impl Playing {
    fn step(&mut self, step: &Step) -> Option<Found> {
        match step {
            Step::Send(bytes) => {
                self.talk.send(bytes.clone(), Vec::new());
                None
            }
            Step::Wait(time) => {
                std::thread::sleep(*time);
                None
            }
            Step::Close => {
                self.talk.close();
                None
            }
            Step::HalfClose => {
                self.talk.half_close();
                None
            }
            Step::Expect(wanted) => Some((wanted.clone(), self.expect(wanted))),
            Step::Tls => {
                self.talk.secure();
                let got = match self.next(self.within) {
                    Ok(Happened::Secured(facts)) => Ok(format!("{} {}", facts.version, facts.cipher)),
                    Ok(other) => Err(self.told(&other)),
                    Err(why) => Err(why),
                };
                Some(("tls".to_owned(), got))
            }
            Step::Silence(time, allowed) => {
                let got = match self.heard.recv_timeout(*time) {
                    Err(RecvTimeoutError::Timeout) => Ok("nothing".to_owned()),
                    Ok(other) => {
                        let told = self.told(&other);
                        let fine = matches!(other, Happened::Heard(Heard::Reply { .. }))
                            && allowed.as_ref().is_some_and(|allowed| told.starts_with(allowed.as_str()));
                        if fine { Ok(told) } else { Err(told) }
                    }
                    Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
                };
                let or = allowed.as_ref().map_or(String::new(), |allowed| format!(" or {allowed}"));
                Some((format!("silence{or}"), got))
            }
            Step::Closed => Some(("closed".to_owned(), self.closed())),
        }
    }

    fn expect(&mut self, wanted: &str) -> Result<String, String> {
        match self.next(self.within)? {
            Happened::Heard(Heard::Reply { reply, .. }) => {
                let got = reply.to_string();
                if got.starts_with(wanted) { Ok(got) } else { Err(got) }
            }
            other => Err(self.told(&other)),
        }
    }

    fn closed(&mut self) -> Result<String, String> {
        match self.next(self.within) {
            Ok(Happened::Over(_)) | Err(_) if self.over.is_some() => Ok(self.ended()),
            Ok(other) => {
                let told = self.told(&other);
                if matches!(other, Happened::Over(_)) { Ok(told) } else { Err(told) }
            }
            Err(why) => Err(why),
        }
    }

    /// What comes next, within the time.
    fn next(&mut self, within: Duration) -> Result<Event, String> {
        if self.over.is_some() {
            return Err(self.ended());
        }
        let until = Instant::now() + within;
        match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(happened) => Ok(happened),
            Err(RecvTimeoutError::Timeout) => Err(format!("nothing within {within:?}")),
            Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
        }
    }

    fn told(&mut self, happened: &Event) -> String {
        match happened {
            Happened::Heard(Heard::Reply { reply, .. }) => reply.to_string(),
            Happened::Heard(Heard::Garbage(bad)) => {
                self.garbage = true;
                bad.to_string()
            }
            Happened::Secured(_) => "TLS".to_owned(),
            Happened::Room => "room to send".to_owned(),
            Happened::Over(result) => {
                let why = result.as_ref().err().map_or_else(|| "closed".to_owned(), ToString::to_string);
                self.over = Some(visible(why.as_bytes()));
                why
            }
        }
    }

    fn ended(&self) -> String {
        self.over.clone().unwrap_or_else(|| "closed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_step() {
        let text = "# a comment\n\nS: 220\nC: EHLO x\nC> A\\nB\nS: 250 2.0.0…\ntls\nwait 0.5\nsilence 1s 5\nclosed\nhalf-close\nclose\nC:\n";
        let steps: Vec<Step> = Script::parse(text).unwrap().0.into_iter().map(|(_, step)| step).collect();
        let half = Duration::from_millis(500);
        let wanted = [
            Step::Expect("220".into()),
            Step::Send(b"EHLO x\r\n".to_vec()),
            Step::Send(b"A\nB".to_vec()),
            Step::Expect("250 2.0.0".into()),
            Step::Tls,
            Step::Wait(half),
            Step::Silence(half * 2, Some("5".into())),
            Step::Closed,
            Step::HalfClose,
            Step::Close,
            Step::Send(b"\r\n".to_vec()),
        ];
        assert_eq!(steps, wanted);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        assert_eq!(Script::parse("S: 220\nEHLO x\n").unwrap_err(), "2: no line of a script: EHLO x");
        assert_eq!(Script::parse("C> \\q").unwrap_err(), "1: \\q is no escape; \\r \\n \\t \\0 \\\\ and \\xff are");
        assert_eq!(Script::parse("wait -1").unwrap_err(), "1: no time in seconds: -1");
    }
}
