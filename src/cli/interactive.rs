//! A protocol typed by hand: what telnet was in the textbooks, with TLS, helpers and a transcript. Nothing is sent that was not typed or
//! asked for.

use super::conversation::{Conversation, Happened, Lead};
use super::exit::{Failure, OrStatus, Status};
use super::input::{Input, Printer, Restore, Typed, state_file};
use super::message::{Message, Store};
use super::record::Record;
use super::screen::Screen;
use super::signal::take_over;
use super::transcript::Sink;
use super::typing::{Act, CommandOf, HeardOf, Tongue};
use crate::net::connection::Connection;
use crate::net::drive::fault::Fault;
use crate::protocol::hand::{Dialect, Follows};
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
    pub screen: &'a Screen,
    pub transcript: Option<&'a Path>,
}

enum Heard<H> {
    Typed(Typed),
    /// SIGINT: Ctrl-C while no line is read.
    Interrupted,
    Happened(Happened<H>),
}

/// What the thread that reads lines is to do next.
struct Prompt {
    text: String,
    remember: Option<String>,
}

/// Leads the session in this protocol until it is over.
pub fn run<T: Tongue>(setting: Setting<'_>, tongue: T, dialect: T::Dialect) -> Result<Status, Failure> {
    let history = state_file(T::HISTORY);
    let (input, printer, restore) = Input::open(T::WORDS, history).context("cannot use the terminal").or_status(Status::Os)?;
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
    let tape = Box::new(roll);
    let talk =
        Conversation::start(setting.connection, dialect, lead, tape, move |what| drop(happened.send(Heard::Happened(what))));
    let prompts = read_lines(input, tell.clone());
    on_interrupt(tell).or_status(Status::Os)?;
    let mut session = Session {
        talk: talk.or_status(Status::Os)?,
        tongue,
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
        greeted: false,
        securing: false,
        secure: false,
        leaving: false,
        remember: None,
        broken: None,
    };
    session.run()
}

struct Session<T: Tongue> {
    talk: Conversation<T::Dialect>,
    tongue: T,
    heard: Receiver<Heard<HeardOf<T>>>,
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
    /// The server spoke.
    greeted: bool,
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

impl<T: Tongue> Session<T> {
    fn run(&mut self) -> Result<Status, Failure> {
        let mut patient = true;
        let mut received = 0;
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
                Ok(Heard::Interrupted) => self.interrupted(),
                Ok(Heard::Happened(Happened::Over(result))) => return Ok(self.over(result)),
                Ok(Heard::Happened(happened)) => self.happened(happened),
                // A long reply is no reason to be impatient while it comes.
                Err(RecvTimeoutError::Timeout) => patient = std::mem::replace(&mut received, self.talk.received()) != received,
                Err(RecvTimeoutError::Disconnected) => return Ok(Status::Software),
            }
        }
    }

    fn prompt(&mut self) {
        let place = self.tongue.place();
        let arrow = if self.secure { "~>" } else { "->" };
        let text = if place.is_empty() { format!(" {arrow} ") } else { format!(" {place} {arrow} ") };
        self.prompted = self.prompts.send(Prompt { text, remember: self.remember.take() }).is_ok();
    }

    fn typed(&mut self, typed: Typed) -> Result<(), Failure> {
        let acts = match typed {
            Typed::Line(line) => {
                let act = self.tongue.typed(&line);
                if let Act::Send { bytes, remember, .. } = &act {
                    if *remember {
                        self.remember = Some(String::from_utf8_lossy(&line).into_owned());
                    }
                    let as_typed = bytes.strip_suffix(b"\r\n") == Some(&line);
                    if self.by_hand && as_typed {
                        self.typed.fetch_add(bytes.len(), Ordering::Relaxed);
                    }
                }
                vec![act]
            }
            Typed::End => {
                self.leaving = true;
                match self.tongue.unfinished() {
                    Some((why, status)) => vec![Act::Say(why.to_owned()), Act::Close(status)],
                    None => vec![self.tongue.leave()],
                }
            }
            Typed::Interrupted => {
                self.interrupted();
                Vec::new()
            }
            Typed::Failed(why) => return Err(Failure::text(Status::Io, format_args!("cannot read the input: {why}"))),
        };
        acts.into_iter().for_each(|act| self.act(act));
        Ok(())
    }

    /// Ctrl-C: the session ends at once, without a word to the server.
    fn interrupted(&mut self) {
        let (why, status) = self.tongue.unfinished().unzip();
        (self.leaving, self.broken) = (true, Some(status.unwrap_or(Status::Done)));
        if let Some(why) = why {
            self.end(why);
        }
        self.talk.stop();
    }

    fn act(&mut self, act: Act<CommandOf<T>>) {
        match act {
            Act::Nothing => {}
            Act::Send { bytes, commands, .. } => {
                self.due += commands.len();
                self.talk.send(bytes, commands);
            }
            Act::Message(path) => self.message(&path),
            Act::Login(mechanism) => match self.tongue.login(mechanism.as_deref()) {
                Ok(act) => self.act(act),
                Err(why) => self.say(&format!("*** {why}")),
            },
            Act::Help => T::HELP.lines().for_each(|line| self.say(line)),
            Act::Explain => {
                let on = !self.explain.fetch_xor(true, Ordering::Relaxed);
                self.say(if on { "=== explaining" } else { "=== not explaining any more" });
            }
            Act::Close(status) => {
                self.leaving = true;
                self.broken = self.broken.or(Some(status));
                self.talk.close();
            }
            Act::Say(text) => self.say(&text),
            Act::Garbage(why) => {
                self.say(&format!("*** {why}"));
                if !self.by_hand {
                    self.broken = Some(Status::Protocol);
                    self.act(Act::Close(Status::Protocol));
                }
            }
            Act::Refused(why) => self.say(&format!("*** {why}")),
        }
    }

    fn message(&mut self, path: &Path) {
        match open(path) {
            Ok(message) => {
                let replies = self.tongue.replies();
                self.due += replies.len();
                self.talk.message(Box::new(message.body()), replies);
            }
            Err(failure) => {
                self.say(&format!("*** {}: {:#}", path.display(), failure.error));
                self.tongue.unsent();
                if !self.by_hand {
                    // Nobody is there to type it: what was begun must not be ended.
                    self.broken = Some(failure.status);
                    self.act(Act::Close(failure.status));
                }
            }
        }
    }

    fn happened(&mut self, happened: Happened<HeardOf<T>>) {
        match happened {
            Happened::Heard(heard) => {
                self.greeted = true;
                self.securing |= T::Dialect::follows(&heard) == Follows::Secure;
                let meaning = self.tongue.heard(heard);
                self.due = self.due.saturating_sub(usize::from(meaning.settles));
                meaning.acts.into_iter().for_each(|act| self.act(act));
            }
            Happened::Secured(facts) => {
                self.tongue.secured(&facts);
                (self.securing, self.secure) = (false, true);
                if self.greeted {
                    self.say(T::AFTER_TLS);
                }
            }
            Happened::Room | Happened::Over(_) => {}
        }
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
    let record = Record::create(path).with_context(|| format!("cannot create {}", path.display()));
    let record = record.or_status(Status::CannotCreate)?;
    Ok(Sink::new(move |line| record.line(line)))
}

/// Reads a line for each prompt, in a thread of its own: what the server says meanwhile is shown at once.
fn read_lines<H: Send + 'static>(mut input: Input, tell: Sender<Heard<H>>) -> Sender<Prompt> {
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

/// SIGINT, which Ctrl-C is while no line is read.
fn on_interrupt<H: Send + 'static>(tell: Sender<Heard<H>>) -> std::io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT])?;
    take_over(&[signal_hook::consts::SIGINT]);
    thread::spawn(move || {
        for _ in signals.forever() {
            if tell.send(Heard::Interrupted).is_err() {
                break;
            }
        }
    });
    Ok(())
}
