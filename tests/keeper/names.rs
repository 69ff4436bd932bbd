//! What a name says of a message, and when it takes the message itself to know it again.

use crate::mailbox::{DAY, End, Home, Mailbox, outcomes};
use postroad::fetch::keeper::{Keeper, Options};
use postroad::fetch::policy::{Disposal, Policy};
use postroad::fetch::target::exec::{IntoProgram, Program};
use postroad::fetch::words::Outcome::{Deleted, Delivered, Kept, Skipped};
use std::time::Duration;

fn delete() -> Policy {
    Policy { disposal: Disposal::Delete, ..Policy::default() }
}

/// RFC 1939 section 7 keeps a unique-id for one message only as long as that is there. The two have the same size.
#[test]
fn a_name_that_is_free_after_a_deletion_may_stand_for_a_new_message() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    assert_eq!(outcomes(&home.fetch(delete())), [Delivered]);
    home.mailbox = Mailbox::of(&[("1", "two\r\n")]);
    assert_eq!(outcomes(&home.fetch(delete())), [Delivered]);
    assert_eq!(home.delivered(), ["one\n", "two\n"]);
    // What the server lists again all the same is known by its content, the older one, too.
    for text in ["two\r\n", "one\r\n"] {
        home.mailbox = Mailbox::of(&[("1", text)]);
        assert_eq!(outcomes(&home.fetch(delete())), [Deleted]);
    }
    assert_eq!(home.delivered(), ["one\n", "two\n"]);
}

#[test]
fn a_name_is_doubted_where_nobody_knows_whether_its_message_was_deleted() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    let rows = home.fetch_until(delete(), End::Unanswered);
    assert_eq!((rows[0].outcome, rows[0].deleted), (Delivered, false));
    // It was, and its name is free; it was not.
    for text in ["two\r\n", "one\r\n"] {
        home.mailbox = Mailbox::of(&[("1", text)]);
        home.fetch_until(delete(), End::Unanswered);
        assert!(home.mailbox.messages.is_empty());
    }
    assert_eq!(home.delivered(), ["one\n", "two\n"]);
}

#[test]
fn a_name_that_was_not_listed_in_between_is_doubted_until_its_message_was_seen() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    home.fetch(Policy::default());
    home.mailbox.messages.clear();
    home.fetch(Policy::default());
    home.mailbox = Mailbox::of(&[("1", "two\r\n")]);
    let large = Policy { skip_size: Some(1), ..delete() };
    assert_eq!(outcomes(&home.fetch(large)), [Skipped], "nothing was seen of it");
    assert_eq!(outcomes(&home.fetch_until(Policy::default(), End::Killed)), []);
    home.bury();
    home.clock.turn(31 * DAY);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered]);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept]);
    assert_eq!(home.delivered(), ["one\n", "two\n"]);
}

#[test]
fn a_name_of_what_was_not_wanted_may_stand_for_a_new_message() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    let unwanted = Program {
        path: "/bin/sh".into(),
        arguments: vec!["-c".into(), "exit 99".into()],
        environment: Vec::new(),
        within: Duration::from_secs(20),
        over: std::sync::Arc::default(),
    };
    let journal = home.journal();
    let options = Options { policy: Policy::default(), filter: None, clock: &home.clock };
    let keeper = Keeper::new(options, Box::new(IntoProgram::new(unwanted)), Some(journal));
    home.mailbox.session(keeper, End::Lost);
    home.mailbox.messages.clear();
    home.fetch(Policy::default());
    home.mailbox = Mailbox::of(&[("1", "two\r\n")]);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered]);
}

#[test]
fn all_of_them_are_delivered_again_before_they_are_deleted() {
    let after = |days: i64| Policy { disposal: Disposal::After(Duration::from_secs((days * DAY) as u64)), ..Policy::default() };
    for policy in [delete(), after(3), Policy { flush_seen: true, ..Policy::default() }] {
        let mut home = Home::new(&[("1", "one\r\n")]);
        home.fetch(Policy::default());
        home.clock.turn(4 * DAY);
        let rows = home.fetch(Policy { only_new: false, ..policy });
        assert_eq!((rows[0].outcome, rows[0].deleted), (Delivered, true));
        assert_eq!((home.mailbox.messages.len(), home.delivered().len()), (0, 2));
    }
    // Fetched again, it is not younger.
    let mut home = Home::new(&[("1", "one\r\n")]);
    home.fetch(Policy::default());
    home.clock.turn(2 * DAY);
    home.fetch(Policy { only_new: false, ..after(3) });
    home.clock.turn(DAY);
    assert_eq!(outcomes(&home.fetch(after(3))), [Deleted]);
}

#[test]
fn what_was_delivered_without_a_name_is_known_when_it_gets_one() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n"), ("3", "two\r\n")]);
    home.mailbox.has_uidl = false;
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered; 3]);
    home.mailbox.has_uidl = true;
    home.mailbox.messages.push((b"4".to_vec(), b"two\r\n".to_vec()));
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept, Kept, Kept, Delivered]);
    // By name now: nothing has to come.
    assert_eq!(home.journal().entries().filter(|entry| entry.uid.is_some()).count(), 4);
    home.mailbox.has_uidl = false;
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept; 4]);
    home.mailbox.has_uidl = true;
    assert_eq!(outcomes(&home.fetch(delete())), [Deleted; 4]);
    assert_eq!(home.delivered(), ["one\n", "two\n", "two\n", "two\n"]);
}

#[test]
fn a_name_that_two_had_is_known_when_it_is_one_s_own() {
    let mut home = Home::new(&[("same", "one\r\n"), ("same", "two\r\n")]);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered; 2]);
    home.mailbox.messages.remove(0);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept]);
    assert_eq!(outcomes(&home.fetch(delete())), [Deleted]);
    assert_eq!(home.delivered(), ["one\n", "two\n"]);
}
