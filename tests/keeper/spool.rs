//! Into the spool.

use crate::mailbox::{Home, outcomes};
use postroad::cli::clock::System;
use postroad::disk::spool::layout::Spool;
use postroad::fetch::policy::{Disposal, Policy};
use postroad::fetch::target::spool::IntoSpool;
use postroad::fetch::words::Outcome::{Delivered, Failed};
use postroad::mail::envelope::Envelope;

#[test]
fn what_smtp_forbids_stays_on_the_server_and_the_rest_is_queued() {
    let mut home = Home::new(&[("1", "Subject: x\r\n\r\nno end"), ("2", "lone\rreturn\r\n"), ("3", "ends in one\r")]);
    let spool = Spool::create(&home.path("spool")).unwrap();
    let envelope = Envelope::new("".parse().unwrap(), ["bob@hamburger.test".parse().unwrap()]).unwrap();
    let target = Box::new(IntoSpool::new(spool, envelope, "mx.test", &System));
    let policy = Policy { disposal: Disposal::Delete, ..Policy::default() };
    let mut rows = home.fetch_into(target, policy);
    rows.sort_by_key(|row| row.number);
    assert_eq!(outcomes(&rows), [Delivered, Failed, Failed]);
    assert_eq!(rows[1].text, "cannot be sent on: line 1: a carriage return without a line feed");
    assert_eq!(home.mailbox.messages.len(), 2);
    let queued: Vec<_> = std::fs::read_dir(home.path("spool/new")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(queued.len(), 1, "nothing half is left");
    let text = String::from_utf8_lossy(&std::fs::read(&queued[0]).unwrap()).into_owned();
    assert!(text.contains("Received: by mx.test") && text.contains("\r\n\r\nno end\r\n"), "{text}");
}
