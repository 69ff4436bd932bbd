//! Into a Maildir: bytes, batches, and what kills and tidiers leave.

use crate::mailbox::{DAY, End, Home, Mailbox, files, outcomes};
use postroad::fetch::policy::{Disposal, Policy};
use postroad::fetch::words::Outcome::{Deleted, Delivered, Failed, Kept, Skipped};
use std::fs;

fn delete() -> Policy {
    Policy { disposal: Disposal::Delete, ..Policy::default() }
}

#[test]
fn every_byte_but_the_line_ends_is_as_the_server_sent_it() {
    let odd = ["a\0b\rc\r\r\nd\ne\r\n", "\r\nno header\r\n", "no end", &"x".repeat(200_000), "", "\r"];
    let messages: Vec<(String, &str)> = odd.iter().enumerate().map(|(n, text)| (format!("u{n}"), *text)).collect();
    let messages: Vec<(&str, &str)> = messages.iter().map(|(uid, text)| (uid.as_str(), *text)).collect();
    let mut home = Home::new(&messages);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered; 6]);
    let mut wanted: Vec<String> = odd.iter().map(|text| text.replace("\r\n", "\n")).collect();
    wanted.sort();
    assert_eq!(home.delivered(), wanted);
}

#[test]
fn what_was_fetched_is_not_fetched_again_and_goes_when_it_may() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered; 2]);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept; 2]);
    home.mailbox.messages.push((b"3".to_vec(), b"three\r\n".to_vec()));
    let rows = home.fetch(delete());
    assert_eq!(
        rows.iter().map(|row| (row.number, row.outcome, row.deleted)).collect::<Vec<_>>(),
        [(1, Deleted, true), (2, Deleted, true), (3, Delivered, true)]
    );
    assert!(home.mailbox.messages.is_empty());
    assert_eq!(home.delivered(), ["one\n", "three\n", "two\n"]);
}

#[test]
fn a_session_that_is_lost_before_quit_costs_nothing_twice() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    let rows = home.fetch_until(delete(), End::Lost);
    assert!(rows.iter().all(|row| row.outcome == Delivered && !row.deleted), "{rows:?}");
    assert_eq!(home.mailbox.messages.len(), 2, "RFC 1939 section 6: without QUIT nothing goes");
    assert_eq!(outcomes(&home.fetch(delete())), [Deleted; 2]);
    assert_eq!(home.delivered(), ["one\n", "two\n"]);
}

#[test]
fn a_name_that_stands_for_another_message_now_costs_neither() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    home.fetch(Policy::default());
    home.mailbox = Mailbox::of(&[("1", "another\r\n")]);
    assert_eq!(outcomes(&home.fetch(delete())), [Delivered]);
    assert_eq!(home.delivered(), ["another\n", "one\n"]);
    // The same message whose size is told otherwise is looked at, and not delivered again.
    let mut home = Home::new(&[("1", "one\r\n")]);
    home.fetch(Policy::default());
    home.mailbox.lies = true;
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept]);
    assert_eq!(outcomes(&home.fetch(delete())), [Deleted]);
    assert_eq!(home.delivered(), ["one\n"]);
}

#[test]
fn what_a_server_lists_again_after_it_was_deleted_is_not_delivered_again() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    assert_eq!(outcomes(&home.fetch(delete())), [Delivered]);
    home.mailbox = Mailbox::of(&[("1", "one\r\n")]);
    assert_eq!(outcomes(&home.fetch(delete())), [Deleted]);
    assert_eq!(home.delivered(), ["one\n"]);
}

#[test]
fn a_kill_before_the_commit_leaves_no_rubbish_and_no_second_copy() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    home.fetch_until(delete(), End::Killed);
    home.bury();
    assert_eq!((home.delivered().len(), files(&home.path("mail/tmp")).len()), (0, 2));
    let other = home.path("mail/tmp/1.other");
    fs::write(&other, "not ours").unwrap();
    assert_eq!(outcomes(&home.fetch(delete())), [Delivered; 2]);
    assert_eq!(files(&home.path("mail/tmp")), [other]);
}

/// Leaves the journal as it is between the announcement and its end, with one message moved and one not.
fn announced(home: &mut Home) {
    home.fetch(Policy::default());
    let journal = home.path("state/journal");
    let text = fs::read_to_string(&journal).unwrap();
    let undone: String = text.lines().filter(|line| !line.contains(" done ")).map(|line| format!("{line}\n")).collect();
    assert_ne!(text, undone);
    fs::write(&journal, undone).unwrap();
    let moved = files(&home.path("mail/new")).into_iter().find(|path| fs::read(path).unwrap() == b"two\n").unwrap();
    fs::rename(&moved, home.path("mail/tmp").join(moved.file_name().unwrap())).unwrap();
}

#[test]
fn a_kill_in_the_commit_is_made_good_by_the_next_run() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    announced(&mut home);
    assert_eq!(home.delivered(), ["one\n"]);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept; 2]);
    assert_eq!(home.delivered(), ["one\n", "two\n"]);
}

#[test]
fn what_was_read_and_removed_meanwhile_counts_as_delivered() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    announced(&mut home);
    fs::remove_file(&files(&home.path("mail/new"))[0]).unwrap();
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept; 2]);
    assert_eq!(home.delivered(), ["two\n"]);
}

#[test]
fn what_may_have_been_tidied_up_is_fetched_again_unless_it_is_found() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    announced(&mut home);
    fs::remove_file(&files(&home.path("mail/tmp"))[0]).unwrap();
    let read = files(&home.path("mail/new")).remove(0);
    let name = format!("{}:2,S", read.file_name().unwrap().to_str().unwrap());
    fs::rename(&read, home.path("mail/cur").join(name)).unwrap();
    home.clock.turn(2 * DAY);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept, Delivered]);
    assert!(home.told[0].starts_with("1 of 2 messages"), "{:?}", home.told);
    assert_eq!(home.delivered(), ["two\n"]);
}

#[test]
fn another_maildir_of_that_name_has_none_of_it() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    announced(&mut home);
    fs::rename(home.path("mail"), home.path("old")).unwrap();
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(home.path("mail").join(part)).unwrap();
    }
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered; 2]);
}

/// Its number may also be another after a restart, on some file systems.
#[test]
fn what_stands_in_a_copy_for_readers_counts_and_a_draft_there_does_not() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    announced(&mut home);
    fs::rename(home.path("mail"), home.path("old")).unwrap();
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(home.path("mail").join(part)).unwrap();
        for file in files(&home.path("old").join(part)) {
            fs::copy(&file, home.path("mail").join(part).join(file.file_name().unwrap())).unwrap();
        }
    }
    assert_eq!(outcomes(&home.fetch(delete())), [Deleted, Delivered]);
    assert_eq!((home.delivered(), files(&home.path("mail/tmp")).len()), (vec!["one\n".to_owned(), "two\n".to_owned()], 0));
}

#[test]
fn a_maildir_that_cannot_be_written_stops_and_deletes_nothing() {
    let mut home = Home::new(&[("1", "one\r\n"), ("2", "two\r\n")]);
    let journal = home.journal();
    let target = postroad::fetch::target::maildir::IntoMaildir::open(
        postroad::disk::real::Real::shared(),
        &home.path("mail"),
        "mx.test",
        &journal,
    );
    let target = Box::new(target.unwrap());
    drop(journal);
    fs::remove_dir(home.path("mail/tmp")).unwrap();
    let rows = home.fetch_into(target, delete());
    assert_eq!((outcomes(&rows), home.mailbox.messages.len()), (vec![Failed, Skipped], 2));
    assert!(rows[0].text.starts_with("cannot create ") && rows[0].text.ends_with("No such file or directory"), "{rows:?}");
}

#[test]
fn hostile_unique_ids_cost_their_message_and_no_other() {
    let long = "x".repeat(300);
    let uids = ["../../etc/passwd", "\x1b[2J", &long, "a\0b", "twice", "twice", "good", ""];
    let texts: Vec<String> = (0..uids.len()).map(|n| format!("message {n}\r\n")).collect();
    let messages: Vec<(&str, &str)> = uids.iter().zip(&texts).map(|(uid, text)| (*uid, text.as_str())).collect();
    let mut home = Home::new(&messages);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered; 8]);
    assert_eq!(home.delivered().len(), 8);
    // Those without a name of their own are known by their content.
    let rows = home.fetch(Policy::default());
    assert_eq!(outcomes(&rows), [Kept; 8]);
    assert_eq!((home.delivered().len(), files(&home.path("mail/tmp")).len()), (8, 0));
    assert_eq!(outcomes(&home.fetch(delete())), [Deleted; 8]);
    assert!(home.mailbox.messages.is_empty());
}

#[test]
fn without_uidl_as_many_of_one_content_are_delivered_as_there_are() {
    let mut home = Home::new(&[("", "same\r\n"), ("", "same\r\n"), ("", "other\r\n")]);
    home.mailbox.has_uidl = false;
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Delivered; 3]);
    home.mailbox.messages.push((Vec::new(), b"same\r\n".to_vec()));
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept, Kept, Kept, Delivered]);
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept; 4]);
    // One that gets a unique-id some day is known by the content, too; a message more is not.
    home.mailbox.has_uidl = true;
    home.mailbox.messages.truncate(1);
    home.mailbox.messages[0].0 = b"named".to_vec();
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept]);
    home.mailbox.messages = (1..=4).map(|n| (format!("named{n}").into_bytes(), b"same\r\n".to_vec())).collect();
    assert_eq!(outcomes(&home.fetch(Policy::default())), [Kept, Kept, Delivered, Delivered]);
}

/// Also where files cannot be without a name.
#[test]
fn a_maildir_that_takes_nothing_is_found_out_when_it_is_opened() {
    use crate::faulty::{Fault, Faulty};
    use postroad::fetch::target::maildir::IntoMaildir;
    use postroad::fetch::words::Why;
    use std::sync::Arc;
    for unnamed in [true, false] {
        let mut home = Home::new(&[]);
        let journal = home.journal();
        let healthy = Faulty::new(Fault::None, unnamed);
        IntoMaildir::open(Arc::new(healthy.clone()), &home.path("mail"), "mx", &journal).unwrap();
        let step = if unnamed { "create-unnamed" } else { "create " };
        let probes: Vec<u64> =
            (0..).zip(healthy.log.lock().unwrap().iter()).filter(|(_, done)| done.starts_with(step)).map(|(n, _)| n).collect();
        assert_eq!(probes.len(), 2, "of tmp and of new");
        for at in probes {
            let fs = Arc::new(Faulty::new(Fault::Error(at, nix::libc::EACCES), unnamed));
            let refused = IntoMaildir::open(fs, &home.path("mail"), "mx", &journal).err().unwrap();
            assert_eq!(refused.why, Why::CannotCreate, "{refused}");
            assert!(refused.text.contains("Permission denied"), "{refused}");
        }
        assert!(files(&home.path("mail/tmp")).is_empty() && files(&home.path("mail/new")).is_empty());
    }
}
