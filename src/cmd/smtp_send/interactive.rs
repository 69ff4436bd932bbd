//! The protocol typed by hand: what telnet was in the textbooks, with TLS, helpers and a transcript. Nothing is sent that was not typed.

use super::hand_login::{HandLogin, Next};
use super::typist::{Act, HELP, Typist, WORDS};
use crate::cli::conversation::{Conversation, Happened, Lead};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::input::{Input, Printer, Restore, Typed, state_file};
use crate::cli::message::{Message, Store};
use crate::cli::screen::Screen;
use crate::cli::transcript::Sink;
use crate::mail::reply::Reply;
use crate::net::connection::Connection;
use crate::net::drive::fault::Fault;
use crate::relay::session::Via;
use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// How long a terminal waits for a reply before it takes the next line all the same.
const PATIENCE: Duration = Duration::from_secs(3);
/// A session that somebody types at may be silent for as long as it likes.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What the session is made of.
pub struct Setting<'a> {
    pub connection: Connection,
    pub via: Via,
    pub lead: Lead,
    pub lmtp: bool,
    pub screen: &'a Screen,
    pub transcript: Option<&'a Path>,
    /// For `:auth`.
    pub login: HandLogin<'a>,
}

enum Heard {
    Typed(Typed),
    Happened(Happened),
}

/// What the thread that reads lines is to do next.
struct Prompt {
    text: String,
    remember: Option<String>,
}

/// Leads the session until it is over.
pub fn run(setting: Setting<'_>) -> Result<Status, Failure> {
    let history = state_file("smtp-history");
    let (input, printer, restore) = Input::open(WORDS, history).context("cannot use the terminal").or_status(Status::Os)?;
    let by_hand = input.is_terminal();
    let mut roll = setting.screen.roll(&setting.via);
    if let Some(path) = setting.transcript {
        roll = roll.copied(file_sink(path)?);
    }
    let screen = printer.clone();
    roll = roll.without_end().showing(Sink::new(move |line| screen.print(line))).connected(&setting.via);
    let (tell, heard) = mpsc::channel();
    let typed = roll.typed();
    let mut lead = setting.lead;
    if by_hand {
        lead.within = FOREVER;
    }
    let happened = tell.clone();
    let talk =
        Conversation::start(setting.connection, lead, Box::new(roll), move |what| drop(happened.send(Heard::Happened(what))));
    let prompts = read_lines(input, tell.clone());
    on_interrupt(tell).or_status(Status::Os)?;
    let mut session = Session {
        talk: talk.or_status(Status::Os)?,
        typist: Typist::new(setting.lmtp),
        login: setting.login,
        heard,
        prompts,
        printer,
        by_hand,
        typed,
        explain: setting.screen.explains(),
        prompted: false,
        // The greeting.
        due: 1,
        restore: Some(restore),
        securing: false,
        secure: false,
        leaving: false,
        remember: None,
        broken: None,
    };
    session.run()
}

struct Session<'a> {
    talk: Conversation,
    typist: Typist,
    login: HandLogin<'a>,
    heard: Receiver<Heard>,
    prompts: Sender<Prompt>,
    printer: Printer,
    /// On a terminal.
    by_hand: bool,
    typed: Arc<AtomicUsize>,
    explain: Arc<AtomicBool>,
    /// A line was asked for and has not come yet.
    prompted: bool,
    /// Replies that did not come yet, as far as this thread has heard.
    due: usize,
    /// TLS is about to start.
    securing: bool,
    secure: bool,
    /// No line is wanted any more.
    leaving: bool,
    /// Sets the terminal right again.
    restore: Option<Restore>,
    remember: Option<String>,
    broken: Option<Status>,
}

impl Session<'_> {
    fn run(&mut self) -> Result<Status, Failure> {
        let mut patient = true;
        loop {
            let settled = self.due == 0 && !self.securing && !self.talk.is_full();
            if !self.prompted && !self.leaving && (settled || (self.by_hand && !patient && !self.securing)) {
                self.prompt();
            }
            let next = if self.by_hand && !self.prompted && !self.leaving {
                self.heard.recv_timeout(PATIENCE)
            } else {
                self.heard.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            patient = true;
            match next {
                Ok(Heard::Typed(typed)) => {
                    self.prompted = false;
                    self.typed(typed)?;
                }
                Ok(Heard::Happened(Happened::Over(result))) => return Ok(self.over(result)),
                Ok(Heard::Happened(happened)) => self.happened(happened),
                Err(RecvTimeoutError::Timeout) => patient = false,
                Err(RecvTimeoutError::Disconnected) => return Ok(Status::Software),
            }
        }
    }

    fn prompt(&mut self) {
        let place = self.typist.place();
        let arrow = if self.secure { "~>" } else { "->" };
        let text = if place.is_empty() { format!(" {arrow} ") } else { format!(" {place} {arrow} ") };
        self.prompted = self.prompts.send(Prompt { text, remember: self.remember.take() }).is_ok();
    }

    fn typed(&mut self, typed: Typed) -> Result<(), Failure> {
        let act = match typed {
            Typed::Line(line) => {
                let act = self.typist.typed(&line);
                if let Act::Send { bytes, remember, .. } = &act {
                    if *remember {
                        self.remember = Some(String::from_utf8_lossy(&line).into_owned());
                    }
                    let as_typed = bytes.strip_suffix(b"\r\n") == Some(&line);
                    if self.by_hand && as_typed {
                        self.typed.fetch_add(bytes.len(), Ordering::Relaxed);
                    }
                }
                act
            }
            Typed::End => {
                self.leaving = true;
                if self.typist.is_in_message() {
                    self.say("*** the input ended within the message: it is not sent");
                    self.broken = Some(Status::Data);
                }
                self.typist.leave()
            }
            Typed::Interrupted => {
                (self.leaving, self.broken) = (true, Some(Status::Done));
                self.talk.stop();
                Act::Nothing
            }
            Typed::Failed(why) => return Err(Failure::text(Status::Io, format_args!("cannot read the input: {why}"))),
        };
        self.act(act);
        Ok(())
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Nothing => {}
            Act::Send { bytes, verbs, .. } => {
                self.due += verbs.len();
                self.talk.send(bytes, verbs.iter().map(String::as_str));
            }
            Act::Message(path) => self.message(&path),
            Act::Login(mechanism) => match self.login.begin(mechanism.as_deref()) {
                Ok(line) => self.auth(&line),
                Err(why) => self.say(&format!("*** {why}")),
            },
            Act::Help => HELP.lines().for_each(|line| self.say(line)),
            Act::Explain => {
                let on = !self.explain.fetch_xor(true, Ordering::Relaxed);
                self.say(if on { "=== explaining" } else { "=== not explaining any more" });
            }
            Act::Close => {
                self.leaving = true;
                self.broken = self.broken.or(Some(Status::Done));
                self.talk.close();
            }
            Act::Refused(why) => self.say(&format!("*** {why}")),
        }
    }

    fn message(&mut self, path: &Path) {
        match open(path) {
            Ok(message) => {
                self.due += self.typist.replies();
                self.talk.message(Box::new(message.body()), self.typist.replies());
            }
            Err(failure) => {
                self.say(&format!("*** {}: {:#}", path.display(), failure.error));
                self.typist.unsent();
                if !self.by_hand {
                    // Nobody is there to type it: what was begun must not be ended.
                    self.broken = Some(failure.status);
                    self.act(Act::Close);
                }
            }
        }
    }

    fn happened(&mut self, happened: Happened) {
        match happened {
            Happened::Heard { answers, reply } => {
                self.securing |= answers.as_deref() == Some("STARTTLS") && reply.code.value() == 220;
                self.heard(answers.as_deref(), &reply);
            }
            Happened::Garbage(bad) => {
                self.say(&format!("*** {bad}"));
                if !self.by_hand {
                    self.broken = Some(Status::Protocol);
                    self.act(Act::Close);
                }
            }
            Happened::Secured(facts) => {
                self.login.secured(&facts);
                (self.securing, self.secure) = (false, true);
                self.say("=== what was offered in clear counts no more: say EHLO again");
            }
            Happened::Room | Happened::Over(_) => {}
        }
    }

    fn auth(&mut self, line: &str) {
        self.due += 1;
        self.talk.send(format!("{line}\r\n").into_bytes(), ["AUTH"]);
    }

    fn heard(&mut self, answers: Option<&str>, reply: &Reply) {
        self.due = self.due.saturating_sub(usize::from(answers.is_some()));
        match answers {
            Some("EHLO" | "LHLO") if reply.is_success() => self.login.offered(reply),
            Some("AUTH") => match self.login.heard(reply) {
                Next::NotOurs => {}
                Next::Say(line) => return self.auth(&line),
                Next::Over(text) => return self.say(&text),
            },
            _ => {}
        }
        let act = self.typist.heard(answers, reply);
        self.act(act);
    }

    fn over(&mut self, result: Result<(), Fault>) -> Status {
        if let Err(fault) = &result
            && !matches!(fault, Fault::Stopped)
        {
            self.end(&format!("*** {fault}"));
        }
        let lost = match result {
            Ok(()) | Err(Fault::Stopped) => Status::Done,
            Err(Fault::Injected) => Status::Protocol,
            Err(_) => Status::TryAgain,
        };
        self.broken.filter(|status| lost == Status::Done || *status != Status::Done).unwrap_or(lost)
    }

    /// The last line. Where a line is being typed, what the printer has goes to a thread that does not come to show it any more.
    fn end(&mut self, line: &str) {
        if !(self.by_hand && self.prompted) {
            return self.say(line);
        }
        self.restore.take();
        let line = format!("\n{}\n", crate::bytes::escape::visible(line.as_bytes()));
        // There is nobody left to tell of an error.
        let _ = std::io::stdout().write_all(line.as_bytes());
    }

    fn say(&self, line: &str) {
        self.printer.print(&crate::bytes::escape::visible(line.as_bytes()));
    }
}

fn open(path: &Path) -> Result<Message, Failure> {
    let file = File::open(path).or_status(Status::NoInput)?;
    Message::read(Store::File(file), 0, false)?.ok_or_else(|| Failure::text(Status::NoInput, "it is empty"))
}

fn file_sink(path: &Path) -> Result<Sink, Failure> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()));
    let mut file = file.or_status(Status::CannotCreate)?;
    // A transcript that cannot be written on is no reason to break off the session.
    Ok(Sink::new(move |line| drop(writeln!(file, "{line}"))))
}

/// Reads a line for each prompt, in a thread of its own: what the server says meanwhile is shown at once.
fn read_lines(mut input: Input, tell: Sender<Heard>) -> Sender<Prompt> {
    let (prompts, wanted) = mpsc::channel::<Prompt>();
    // Not joined: it may wait for somebody to type when the session is over.
    thread::spawn(move || {
        for prompt in wanted {
            if let Some(line) = &prompt.remember {
                input.remember(line);
            }
            if tell.send(Heard::Typed(input.line(&prompt.text))).is_err() {
                break;
            }
        }
    });
    prompts
}

/// Ctrl-C while no line is read.
fn on_interrupt(tell: Sender<Heard>) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if tell.send(Heard::Typed(Typed::Interrupted)).is_err() {
                break;
            }
        }
    });
    Ok(())
}
