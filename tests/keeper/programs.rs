//! To a program, judged by a program, and to a stream.

use crate::mailbox::{End, Hand, Home, Mailbox, outcomes, read};
use postroad::disk::real::Real;
use postroad::fetch::filter::ByProgram;
use postroad::fetch::keeper::{Keeper, Options};
use postroad::fetch::policy::{Disposal, Policy};
use postroad::fetch::settle;
use postroad::fetch::target::exec::{IntoProgram, Program};
use postroad::fetch::target::stream::{Out, Stream};
use postroad::fetch::words::Outcome::{Deleted, Delivered, Failed, Kept, Skipped};
use postroad::fetch::words::Why;
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

fn shell(script: &str) -> Program {
    Program {
        path: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("PATH", "/usr/bin:/bin".to_owned())],
        within: Duration::from_secs(20),
        over: std::sync::Arc::default(),
    }
}

fn delete() -> Policy {
    Policy { disposal: Disposal::Delete, ..Policy::default() }
}

#[test]
fn a_program_s_status_says_what_becomes_of_a_message() {
    let large = "x".repeat(300_000);
    let mut home = Home::new(&[("take", "a\r\r\nb\r\n"), ("deaf", &large), ("kill", "x\r\n"), ("sick", "x\r\n")]);
    let out = home.path("out");
    let script = format!(
        "case $MAIL_UID in take) cat >{}; echo $MAIL_NUMBER $MAIL_SIZE >>{0};; kill) exit 99;; sick) echo ill >&2; exit 3;; esac",
        out.display()
    );
    let rows = home.fetch_into(Box::new(IntoProgram::new(shell(&script))), delete());
    let mut sorted = rows.clone();
    sorted.sort_by_key(|row| row.number);
    assert_eq!(outcomes(&sorted), [Delivered, Delivered, Deleted, Failed], "{rows:?}");
    assert_eq!(sorted[3].text, "/bin/sh: ill");
    assert_eq!(read(&out), "a\r\nb\n1 7\n");
    assert_eq!(home.mailbox.messages.len(), 1);
}

#[test]
fn a_program_that_has_no_time_stops_the_session() {
    let mut home = Home::new(&[("1", "x\r\n"), ("2", "x\r\n"), ("3", "x\r\n")]);
    let script = "test $MAIL_NUMBER = 1 && exit; echo busy >&2; exit 75";
    let mut rows = home.fetch_into(Box::new(IntoProgram::new(shell(script))), delete());
    rows.sort_by_key(|row| row.number);
    assert_eq!(outcomes(&rows), [Delivered, Failed, Skipped], "{rows:?}");
    assert_eq!((rows[1].text.as_str(), rows[2].text.as_str()), ("/bin/sh: busy", "not tried"));
    assert_eq!(home.mailbox.messages.len(), 2);
    assert_eq!(outcomes(&home.fetch_into(Box::new(IntoProgram::new(shell("exit 0"))), delete())), [Delivered; 2]);
}

#[test]
fn a_filter_sees_the_header_alone() {
    let mut home = Home::new(&[
        ("1", "Subject: yes\r\n\r\nSubject: spam\r\n"),
        ("2", "Subject: spam\r\n\r\n"),
        ("3", "Subject: later\r\n\r\n"),
    ]);
    let filter = ByProgram(shell("h=$(cat); case $h in *spam*) exit 1;; *later*) exit 2;; esac"));
    let journal = home.journal();
    let target = postroad::fetch::target::maildir::IntoMaildir::open(Real::shared(), &home.path("mail"), "mx", &journal).unwrap();
    let policy = Policy { filter: true, ..Policy::default() };
    let options = Options { policy, filter: Some(&filter), clock: &home.clock };
    let mut rows = home.mailbox.session(Keeper::new(options, Box::new(target), Some(journal)), End::Quit);
    rows.sort_by_key(|row| row.number);
    assert_eq!(outcomes(&rows), [Delivered, Deleted, Skipped]);
    assert_eq!(home.mailbox.messages.len(), 2, "what is not wanted goes, though others are kept");
}

/// Keeps what is written, or fails.
#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>, Option<usize>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1.is_some_and(|room| self.0.borrow().len() + bytes.len() > room) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Sink {
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn one_message_is_written_raw_and_several_as_an_mbox() {
    let mut home = Home::new(&[("1", "From x\r\nno end")]);
    let sink = Sink::default();
    home.fetch_into(Box::new(Stream::new(sink.clone(), false)), Policy::default());
    assert_eq!(sink.0.take(), b"From x\nno end");
    home.mailbox = Mailbox::of(&[("1", "From x\r\nno end"), ("2", "From x\r\nno end"), ("3", "\r\n>From y\r\n")]);
    assert_eq!(
        outcomes(&home.fetch_into(Box::new(Stream::new(sink.clone(), false)), Policy::default())),
        [Kept, Delivered, Delivered]
    );
    let from = "From MAILER-DAEMON Sun Nov 22 10:00:00 2026\n";
    assert_eq!(String::from_utf8(sink.0.take()).unwrap(), format!("{from}>From x\nno end\n\n{from}\n>>From y\n\n"));
}

#[test]
fn a_closed_stream_stops_and_deletes_nothing() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    let target = Box::new(Stream::new(Sink(Rc::default(), Some(60)), false));
    let rows = home.fetch_into(target, delete());
    assert_eq!(rows.iter().map(|row| row.outcome).filter(|outcome| *outcome == Failed).count(), 1);
    assert_eq!(home.mailbox.messages.len(), 1);
}

#[test]
fn a_second_run_on_the_same_mailbox_is_told_to_come_back() {
    let mut home = Home::new(&[]);
    let _held = home.journal();
    let stop = settle::open(Real::shared(), &home.path("state/journal"), "bob@server", 0, &|| false).unwrap_err();
    assert_eq!(stop.why, Why::Retry);
    assert!(stop.text.ends_with("state/journal is in use by another run"), "{stop}");
    let _: &Hand = &home.clock;
}
