//! What happens in mailboxes that are watched: rows at once, and a run of a program for each.

use super::output::{Facts, Out};
use super::rows;
use super::signals::Signals;
use crate::browse::line::Encoding;
use crate::cli::exit::Status;
use crate::cli::report::json_line;
use crate::cli::stdio::{StdoutError, say};
use crate::fetch::target::exec::{Program, Run};
use crate::protocol::imap::mailbox::StatusItem;
use crate::protocol::imap::response::Response;
use serde_json::Value;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, ScopedJoinHandle};

/// Most events that wait for the program, or to be told: then the server waits.
pub const MOST: usize = 1000;

/// What goes from the sessions to who tells it.
pub enum Told {
    Event(Facts),
    /// What could not be read, as it came.
    Raw(Vec<u8>),
}

/// What a response tells of `mailbox`, the one that is selected, or of another.
pub fn event(response: &Response, mailbox: Option<&str>, encoding: Encoding) -> Option<Facts> {
    if let Response::MailboxStatus(other, items) = response {
        return Some(counts(Facts::default().fact("mailbox", rows::name(other, encoding)).fact("event", "status"), items));
    }
    let event = |name: &str| Some(Facts::default().fact("mailbox", mailbox?).fact("event", name));
    Some(match response {
        Response::Exists(count) => event("exists")?.fact("exists", *count),
        Response::Expunge(seq) => event("expunge")?.fact("seq", *seq),
        Response::Vanished { uids, .. } => event("vanished")?.fact("uids", uids.to_string()),
        Response::Fetch(fetch) => {
            let flags: Option<Vec<String>> = fetch.flags().map(|flags| flags.iter().map(ToString::to_string).collect());
            let row = event("fetch")?.fact("seq", fetch.sequence).fact("uid", fetch.uid());
            let shown = flags.as_ref().map(|flags| flags.join(" "));
            row.only_json("flags", flags).column(shown)
        }
        _ => return None,
    })
}

fn counts(row: Facts, items: &[StatusItem]) -> Facts {
    let find = |take: fn(&StatusItem) -> Option<u64>| items.iter().find_map(take);
    let messages = find(|item| if let StatusItem::Messages(n) = item { Some((*n).into()) } else { None });
    let next = find(|item| if let StatusItem::UidNext(n) = item { Some((*n).into()) } else { None });
    let unseen = find(|item| if let StatusItem::Unseen(n) = item { Some((*n).into()) } else { None });
    let validity = find(|item| if let StatusItem::UidValidity(n) = item { Some((*n).into()) } else { None });
    let changed = find(|item| if let StatusItem::HighestModSeq(n) = item { Some(*n) } else { None });
    let row = row.fact("messages", messages).fact("uidnext", next).fact("unseen", unseen);
    row.only_json("uidvalidity", validity).only_json("highestmodseq", changed)
}

/// Tells what comes until nobody is left to send it, and runs `program` for each event. The status is that of runs that failed. Without
/// stdout there is nothing to watch for.
pub fn tell(out: &mut Out, told: &Receiver<Told>, program: Option<&Program>, signals: &Signals) -> Result<Status, StdoutError> {
    thread::scope(|scope| {
        let (runs, waiting) = sync_channel::<Facts>(MOST);
        let runner = program.map(|program| scope.spawn(move || run_each(program, &waiting, signals)));
        let mut result = Ok(());
        for told in told {
            if result.is_err() {
                continue;
            }
            result = show(out, &told);
            if result.is_err() {
                signals.end();
            }
            if let (Told::Event(event), true) = (told, runner.is_some()) {
                // Its thread ends with this one.
                let _ = runs.send(event);
            }
        }
        drop(runs);
        let status = runner.map_or(Status::Done, |runner| joined(runner));
        result.map(|()| status)
    })
}

fn show(out: &mut Out, told: &Told) -> Result<(), StdoutError> {
    match told {
        Told::Event(event) => out.row(event)?,
        Told::Raw(bytes) => out.raw(bytes)?,
    }
    out.flush()
}

/// What a thread came to. One that panicked is a bug, and told as any other.
pub fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// One run after the other. Once a signal has come, only the one that goes on.
fn run_each(program: &Program, waiting: &Receiver<Facts>, signals: &Signals) -> Status {
    let mut status = Status::Done;
    for event in waiting {
        if signals.came_by_signal() {
            continue;
        }
        let environment = environment(&event);
        let environment = environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let line = json_line(&event) + "\n";
        let why = match program.run_with(environment, &mut line.as_bytes()) {
            Ok(Run::Status(0, _)) => continue,
            Ok(Run::Status(_, why) | Run::Failed(why)) => why,
            Ok(Run::Stopped(stop)) => stop.to_string(),
            Err(error) => error.to_string(),
        };
        say(&format!("imap-shell: {why}"));
        status = Status::Partly;
    }
    status
}

/// Each fact as `MAIL_…`; several values with blanks between. NUL has no place there.
fn environment(event: &Facts) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let facts = event.fields().iter();
    facts.map(|(name, value)| (format!("MAIL_{}", name.to_ascii_uppercase()), text(value).replace('\0', ""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::imap::mailbox::Mailbox;

    #[test]
    fn events_are_rows_and_an_environment() {
        let event = |response, mailbox| event(&response, mailbox, Encoding::default());
        let exists = event(Response::Exists(4), Some("a b")).unwrap();
        assert_eq!(json_line(&exists), r#"{"mailbox":"a b","event":"exists","exists":4}"#);
        let wanted = [("MAIL_MAILBOX", "a b"), ("MAIL_EVENT", "exists"), ("MAIL_EXISTS", "4")];
        assert_eq!(environment(&exists), wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // Of a mailbox that nobody asked for.
        assert_eq!(event(Response::Exists(4), None), None);
        let items = vec![StatusItem::UidNext(9), StatusItem::Messages(3)];
        let status = event(Response::MailboxStatus(Mailbox::encoded(b"Entw&APw-rfe"), items), None).unwrap();
        assert_eq!(json_line(&status), r#"{"mailbox":"Entwürfe","event":"status","messages":3,"uidnext":9}"#);
    }
}
