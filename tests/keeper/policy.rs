//! What a policy makes of whole sessions.

use crate::mailbox::{DAY, Home, outcomes};
use postroad::fetch::policy::{Disposal, Policy};
use postroad::fetch::words::Outcome::{Deleted, Delivered, Failed, Kept, Skipped};
use std::time::Duration;

#[test]
fn kept_for_some_days_and_then_deleted() {
    let policy = || Policy { disposal: Disposal::After(Duration::from_secs(3 * DAY as u64)), ..Policy::default() };
    let mut home = Home::new(&[("1", "one\r\n")]);
    assert_eq!(outcomes(&home.fetch(policy())), [Delivered]);
    home.clock.turn(2 * DAY);
    assert_eq!(outcomes(&home.fetch(policy())), [Kept]);
    home.clock.turn(DAY);
    assert_eq!(outcomes(&home.fetch(policy())), [Deleted]);
    assert!(home.mailbox.messages.is_empty());
}

#[test]
fn a_server_that_lists_nothing_once_makes_nothing_forgotten() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    home.fetch(Policy::default());
    let messages = std::mem::take(&mut home.mailbox.messages);
    home.fetch(Policy::default());
    home.clock.turn(20 * DAY);
    home.fetch(Policy::default());
    home.mailbox.messages = messages.clone();
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept]);
    // Listed once more, its days begin anew.
    home.mailbox.messages.clear();
    home.fetch(Policy::default());
    home.clock.turn(20 * DAY);
    home.fetch(Policy::default());
    assert_eq!(home.journal().len(), 1);
    home.clock.turn(11 * DAY);
    home.fetch(Policy::default());
    assert_eq!(home.journal().len(), 0, "gone for a month");
}

#[test]
fn a_size_that_the_server_lied_about_is_found_while_it_comes() {
    let policy = Policy { max_size: Some(100), disposal: Disposal::Delete, ..Policy::default() };
    let mut home = Home::new(&[("1", "small\r\n"), ("2", &"x".repeat(1000))]);
    home.mailbox.lies = true;
    let rows = home.fetch(policy);
    let numbers: Vec<_> = rows.iter().map(|row| (row.number, row.outcome)).collect();
    assert_eq!(numbers, [(1, Delivered), (2, Failed)]);
    assert_eq!((home.mailbox.messages.len(), home.delivered().len()), (1, 1));
}

#[test]
fn so_many_a_session() {
    let policy = Policy { max_messages: Some(2), disposal: Disposal::Delete, ..Policy::default() };
    let mut home = Home::new(&[("1", "1\r\n"), ("2", "2\r\n"), ("3", "3\r\n")]);
    let mut rows = home.fetch(policy.clone());
    rows.sort_by_key(|row| row.number);
    assert_eq!(outcomes(&rows), [Delivered, Delivered, Skipped]);
    assert_eq!(outcomes(&home.fetch(policy)), [Delivered]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let policy = Policy { dry_run: true, disposal: Disposal::Delete, ..Policy::default() };
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    home.mailbox.messages.truncate(1);
    home.fetch(Policy::default());
    home.mailbox.messages.push((b"2".to_vec(), b"two\r\n".to_vec()));
    let rows = home.fetch(policy);
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    assert_eq!(texts, ["would be deleted: delivered earlier", "would be fetched"]);
    assert_eq!((home.mailbox.messages.len(), home.delivered().len()), (2, 1));
}
