//! Commands typed at a prompt: history, completion, and what the server says of its own accord above the line that is typed.

use super::shell::{Shell, Stop};
use crate::browse::complete::complete;
use crate::browse::line::Line;
use crate::browse::plan::kinds::View;
use crate::browse::session::Lead;
use crate::bytes::escape::visible;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::input::{Input, Printer, Typed, state_file};
use crate::cli::stdio::say;
use crate::protocol::imap::words::Place;
use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long what the server says may wait while somebody types.
const LOOK: Duration = Duration::from_millis(100);

/// The lines that are typed, read in a thread of their own.
pub struct Prompt {
    prompts: Sender<String>,
    typed: Receiver<Typed>,
    printer: Printer,
    /// Names for completion.
    mailboxes: Arc<Mutex<Vec<String>>>,
    /// The mailboxes are known.
    learned: Cell<bool>,
    _restore: crate::cli::input::Restore,
}

impl Prompt {
    pub fn open() -> Result<Prompt, Failure> {
        let mailboxes: Arc<Mutex<Vec<String>>> = Arc::default();
        let known = Arc::clone(&mailboxes);
        let completing = Box::new(move |typed: &str| complete(typed, &known.lock().unwrap_or_else(PoisonError::into_inner)));
        let (mut input, printer, restore) = Input::completing(completing, state_file("imap-history")).or_status(Status::Os)?;
        let (prompts, asked) = channel::<String>();
        let (tell, typed) = channel();
        thread::spawn(move || {
            for prompt in asked {
                let line = input.line(&prompt);
                if let Typed::Line(bytes) = &line
                    && let Ok(text) = std::str::from_utf8(bytes)
                    && !text.trim().is_empty()
                    && !has_secret(text)
                {
                    input.remember(text);
                }
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Prompt { prompts, typed, printer, mailboxes, learned: Cell::new(false), _restore: restore })
    }

    /// The next command; none: the end. What the server says meanwhile is shown above.
    fn next(&self, prompt: &str, lead: &mut Lead) -> Result<Option<String>, Stop> {
        if self.prompts.send(prompt.to_owned()).is_err() {
            return Ok(None);
        }
        loop {
            match self.typed.recv_timeout(LOOK) {
                Ok(Typed::Line(bytes)) => return Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                Ok(Typed::Interrupted) => return Ok(Some(String::new())),
                Ok(Typed::End) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Ok(Typed::Failed(why)) => {
                    say(&format!("imap-shell: {why}"));
                    return Ok(None);
                }
                Err(RecvTimeoutError::Timeout) => {
                    while let Some(received) = lead.unsolicited(Duration::ZERO)? {
                        self.printer.print(&visible(&received.raw.bytes));
                    }
                }
            }
        }
    }

    /// Reads commands and runs them until the end is typed, or the session is over.
    pub fn lead(&self, shell: &mut Shell<'_>, lead: &mut Lead, who: &str) -> Result<(), Stop> {
        if !self.learned.replace(true) {
            let signals = shell.signals.clone();
            signals.while_running(|| self.learn_mailboxes(shell, lead))?;
        }
        shell.interrupted = Some(shell.signals.interrupted());
        let signals = shell.signals.clone();
        while !signals.is_over() {
            let prompt = prompt(who, shell.mailbox.as_deref(), lead);
            let Some(typed) = self.next(&prompt, lead)? else { return Ok(()) };
            signals.while_running(|| shell.run(lead, &typed))?;
        }
        Ok(())
    }

    fn learn_mailboxes(&self, shell: &mut Shell<'_>, lead: &mut Lead) -> Result<(), Stop> {
        let mut names = Vec::new();
        let encoding = lead.encoding;
        let line = Line::new("LIST \"\" \"*\"", encoding);
        shell.send(lead, line, &View::Tree, &mut |hearing| {
            names = hearing.mailboxes.iter().map(|listed| super::rows::name(&listed.mailbox, encoding)).collect();
        })?;
        *self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner) = names;
        Ok(())
    }
}

/// `alice@host/INBOX rw 1000> `
fn prompt(who: &str, mailbox: Option<&str>, lead: &Lead) -> String {
    let Some(mailbox) = mailbox else { return format!("{}> ", visible(who.as_bytes())) };
    let read_only = matches!(lead.place, Place::Selected { read_only: true, .. });
    let exists = lead.exists.map(|count| format!(" {count}")).unwrap_or_default();
    format!("{} {}{exists}> ", visible(format!("{who}/{mailbox}").as_bytes()), if read_only { "ro" } else { "rw" })
}

/// A password typed into a raw LOGIN does not go into the history.
fn has_secret(line: &str) -> bool {
    let upper = line.to_ascii_uppercase();
    ["LOGIN", "AUTHENTICATE"].iter().any(|verb| upper.contains(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_go_into_the_history() {
        assert!(has_secret("raw login bob x") && has_secret(".AUTHENTICATE PLAIN AGE=") && !has_secret("search from bob"));
    }
}
