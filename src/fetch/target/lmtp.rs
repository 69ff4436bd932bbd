//! To an LMTP server (RFC 2033), for recipients that are given: one connection for all messages, one transaction a message. The way
//! there, a thread of its own, is passed in.

use crate::bytes::newline::ToCrlf;
use crate::disk::scratch::{Kept, Scratch};
use crate::fetch::target::stream::held;
use crate::fetch::target::{Facts, Fault, Taken, Target};
use crate::fetch::words::{Stop, Why};
use crate::mail::address::ForwardPath;
use crate::mail::envelope::Envelope;
use crate::mail::outcome::Outcome;
use crate::protocol::smtp::client::words::{Fault as Broke, Transaction};
use crate::protocol::smtp::extensions::Extensions;
use crate::relay::body::Source;
use crate::relay::deliver::Unserved;
use crate::relay::session::{Outbox, Parcel, Sent, Stopper, Via};
use sha2::{Digest as _, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often it is asked whether to break off.
const LOOK: Duration = Duration::from_millis(100);

/// Runs `work` with a target whose messages go out by `serve`, which has a thread of its own: it is to serve the outbox until that has nothing
/// more, and to give back why it could not. `over`: asked while the server is waited for, whether to break that off.
pub fn run<R>(
    envelope: Envelope,
    over: &dyn Fn() -> bool,
    serve: impl FnOnce(&dyn Outbox<()>) -> Option<Unserved> + Send,
    work: impl FnOnce(IntoLmtp<'_>) -> R,
) -> R {
    let ((errands, to_do), (tell, told)) = (channel(), channel());
    let stopper = Arc::default();
    let session = Arc::clone(&stopper);
    thread::scope(|scope| {
        scope.spawn(move || {
            let outgoing = Outgoing { to_do, tell, letter: RefCell::default(), stands: Cell::new(false), session };
            if let Some(unserved) = serve(&outgoing) {
                let _ = outgoing.tell.send(Told::Unserved(Box::new(unserved)));
            }
        });
        work(IntoLmtp { envelope, errands, told, stopper, over, stands: false, current: None })
    })
}

/// What the thread is asked for.
enum Errand {
    /// A session, so that nothing is fetched in vain.
    Connect,
    Send(Letter),
}

/// What came of it.
enum Told {
    Stands,
    /// An outcome for each recipient of the letter, and what ended the session with it.
    Sent(Vec<Outcome>, Option<Broke>),
    Unserved(Box<Unserved>),
}

#[derive(Clone)]
struct Letter {
    transaction: Transaction,
    body: Kept,
}

impl Source for Kept {
    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(self.reader())
    }
}

/// One letter at a time, each waited for.
struct Outgoing {
    to_do: Receiver<Errand>,
    tell: Sender<Told>,
    /// What a session is to be made for.
    letter: RefCell<Option<Letter>>,
    /// This attempt has come to a session.
    stands: Cell<bool>,
    session: Arc<Mutex<Option<Stopper>>>,
}

impl Outgoing {
    fn say(&self, told: Told) {
        // Nobody listens once the fetching is over.
        let _ = self.tell.send(told);
    }
}

impl Outbox<()> for Outgoing {
    fn is_stoppable(&self) -> bool {
        true
    }

    fn begun(&self, stopper: Stopper) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(stopper);
    }

    fn is_waiting(&self) -> bool {
        self.stands.set(false);
        let mut letter = self.letter.borrow_mut();
        if letter.is_none() {
            match self.to_do.recv() {
                Ok(Errand::Connect) => {}
                Ok(Errand::Send(next)) => *letter = Some(next),
                Err(_) => return false,
            }
        }
        true
    }

    fn opened(&self, _: &Extensions) {
        self.stands.set(true);
        self.say(Told::Stands);
    }

    fn next(&self) -> Option<Parcel<()>> {
        let mut letter = self.letter.borrow_mut().take();
        // Where no session stands, nothing more is waited for: it would have nowhere to go.
        while letter.is_none() && self.stands.get() {
            match self.to_do.recv() {
                Ok(Errand::Connect) => self.say(Told::Stands),
                Ok(Errand::Send(next)) => letter = Some(next),
                Err(_) => return None,
            }
        }
        let Letter { transaction, body } = letter?;
        Some(Parcel { transaction, body: Box::new(body), tag: () })
    }

    fn settle(&self, sent: Sent<()>, _: &Via) {
        self.say(Told::Sent(sent.outcomes, sent.fault));
    }
}

/// Each message with the same envelope, as it came: no field is added.
pub struct IntoLmtp<'a> {
    envelope: Envelope,
    errands: Sender<Errand>,
    told: Receiver<Told>,
    /// Ends the session that goes on.
    stopper: Arc<Mutex<Option<Stopper>>>,
    /// Nobody waits for it any more.
    over: &'a dyn Fn() -> bool,
    /// A session stood when it was last heard of.
    stands: bool,
    current: Option<Current>,
}

/// A message on its way here.
struct Current {
    scratch: Scratch,
    newline: ToCrlf,
    eight_bit: bool,
    /// Whatever stands there ends with a line end.
    ended: bool,
    /// Recipients that have it, by their marks.
    done: HashSet<String>,
}

impl Current {
    /// A lone CR, which SMTP forbids (RFC 5321 section 2.3.8), costs this message.
    fn write(&mut self, bytes: &[u8], last: bool) -> Result<(), Fault> {
        let mut wire = Vec::with_capacity(bytes.len() + 64);
        let converted = self.newline.push(bytes, &mut wire).and_then(|()| if last { self.newline.finish() } else { Ok(()) });
        converted.map_err(|error| Fault::Never(format!("cannot be sent on: {error}")))?;
        self.eight_bit |= !wire.is_ascii();
        self.ended = wire.last().map_or(self.ended, |byte| *byte == b'\n');
        self.scratch.write_all(&wire).map_err(|error| held(&error))
    }
}

impl IntoLmtp<'_> {
    fn ask(&mut self, errand: Errand) -> Result<Told, Fault> {
        let gone = || Fault::Stop(Stop::new(Why::Io, "the delivering thread is gone"));
        self.errands.send(errand).map_err(|_| gone())?;
        self.hear().ok_or_else(gone)
    }

    fn hear(&self) -> Option<Told> {
        loop {
            match self.told.recv_timeout(LOOK) {
                Ok(told) => return Some(told),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if (self.over)() => {
                    if let Some(session) = self.stopper.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        session.stop();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Makes a session where there is none, so that nothing is fetched that has nowhere to go.
    fn connect(&mut self) -> Result<(), Fault> {
        while !self.stands {
            match self.ask(Errand::Connect)? {
                Told::Stands => self.stands = true,
                Told::Unserved(why) => return Err(stop(&why).into()),
                Told::Sent(..) => {}
            }
        }
        Ok(())
    }

    /// Sends a letter. A session that was idle may have been ended by the server: it is made anew once, where nobody can have got anything.
    fn send(&mut self, letter: &Letter) -> Result<(Vec<Outcome>, Option<Broke>), Fault> {
        let mut again = self.stands;
        let mut told = self.ask(Errand::Send(letter.clone()))?;
        loop {
            match told {
                Told::Stands => self.stands = true,
                Told::Unserved(why) => return Err(stop(&why).into()),
                Told::Sent(outcomes, fault) => {
                    self.stands = fault.is_none();
                    let untouched = outcomes.iter().all(|outcome| matches!(outcome, Outcome::Deferred(_)));
                    if !(matches!(fault, Some(Broke::Lost | Broke::Reply)) && untouched && std::mem::take(&mut again)) {
                        return Ok((outcomes, fault));
                    }
                    told = self.ask(Errand::Send(letter.clone()))?;
                    continue;
                }
            }
            told = self.hear().ok_or_else(|| Fault::Stop(Stop::new(Why::Io, "the delivering thread is gone")))?;
        }
    }

    /// The message for those who do not have it yet. None: all have it.
    fn letter(&self, current: Current) -> Result<Option<Letter>, Fault> {
        let recipients = self.envelope.recipients();
        let missing = (0..recipients.len()).filter(|at| !current.done.contains(&mark(&recipients[*at])));
        let Some(envelope) = self.envelope.part(missing) else { return Ok(None) };
        let (size, eight_bit) = (Some(current.scratch.size()), current.eight_bit);
        let body = current.scratch.keep().map_err(|error| held(&error))?;
        Ok(Some(Letter { transaction: Transaction { size, eight_bit, ..Transaction::new(envelope) }, body }))
    }
}

impl Target for IntoLmtp<'_> {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault> {
        self.connect()?;
        self.current = Some(Current {
            scratch: Scratch::new().map_err(|error| held(&error))?,
            newline: ToCrlf::default(),
            eight_bit: false,
            ended: true,
            done: facts.done.unwrap_or_default().split(',').map(str::to_owned).collect(),
        });
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let written = current.write(bytes, false);
        if written.is_err() {
            self.current = None;
        }
        written
    }

    fn end(&mut self) -> Result<Taken, Fault> {
        let Some(mut current) = self.current.take() else { return Err(Fault::Message("nothing was begun".to_owned())) };
        current.write(b"", true)?;
        if !current.ended {
            current.write(b"\r\n", true)?;
        }
        let done: Vec<String> = current.done.iter().filter(|mark| !mark.is_empty()).cloned().collect();
        let Some(letter) = self.letter(current)? else { return Ok(Taken::Delivered("accepted earlier".to_owned())) };
        let (outcomes, fault) = self.send(&letter)?;
        judge(letter.transaction.envelope.recipients(), &outcomes, done, fault)
    }

    fn abort(&mut self) {
        self.current = None;
    }
}

/// Delivered is what every recipient has. `done`: marks of those who had it before.
fn judge(recipients: &[ForwardPath], outcomes: &[Outcome], mut done: Vec<String>, fault: Option<Broke>) -> Result<Taken, Fault> {
    let (mut taken, mut not) = (Vec::new(), Vec::new());
    for (recipient, outcome) in recipients.iter().zip(outcomes) {
        match outcome {
            Outcome::Accepted(_) => {
                taken.push(recipient.to_string());
                done.push(mark(recipient));
            }
            outcome => not.push(format!("{} for {recipient}: {}", word(outcome), outcome.diagnostic())),
        }
    }
    if not.is_empty() {
        let said = outcomes.first().map(|outcome| outcome.diagnostic().to_string());
        return Ok(Taken::Delivered(said.unwrap_or_default()));
    }
    let text = not.join("; ");
    if !taken.is_empty() {
        let text = format!("accepted for {}; {text}; it stays on the server", taken.join(", "));
        return Err(Fault::Partly { text, done: done.join(",") });
    }
    match fault {
        // A session that breaks on a message breaks on the next, too.
        Some(Broke::Lost | Broke::Reply | Broke::Protocol) => Err(Stop::new(Why::Retry, text).into()),
        _ if done.is_empty() && outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refused(_))) => Err(Fault::Never(text)),
        _ if done.is_empty() => Err(Fault::Message(text)),
        _ => Err(Fault::Message(format!("accepted for others earlier; {text}"))),
    }
}

/// How an outcome is told that is no success.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted(_) => "accepted",
        Outcome::Deferred(_) => "deferred",
        Outcome::Refused(_) => "refused",
        Outcome::InDoubt(_) => "may have been delivered",
    }
}

/// Stands for a recipient where its address would be long: hexadecimal digits.
fn mark(recipient: &ForwardPath) -> String {
    Sha256::digest(recipient.to_string().as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stop(unserved: &Unserved) -> Stop {
    let why = match (&unserved.outcome, unserved.fault) {
        (_, Broke::Auth) => Why::Login,
        (Outcome::Refused(_), _) => Why::Refused,
        _ => Why::Retry,
    };
    let host = if unserved.via.host.is_empty() { String::new() } else { format!("{}: ", unserved.via.host) };
    Stop::new(why, format!("{host}{}", unserved.outcome.diagnostic()))
}
