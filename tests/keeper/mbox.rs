//! To the end of an mbox that others use, too.

use crate::mailbox::{BEGIN, Home, outcomes, read};
use postroad::disk::batch::Fate;
use postroad::disk::fs::{Access, Fs};
use postroad::disk::mbox_append::{Mbox, MboxError, Place, Region, settle};
use postroad::disk::real::Real;
use postroad::fetch::policy::{Disposal, Policy};
use postroad::fetch::target::mbox::IntoMbox;
use postroad::fetch::words::Outcome::{Delivered, Failed, Kept};
use postroad::fetch::words::Why;
use std::fs;
use std::time::Duration;

const FROM: &str = "From MAILER-DAEMON Sun Nov 22 10:00:00 2026\n";

fn target(home: &Home) -> Box<IntoMbox<'static>> {
    Box::new(IntoMbox::open(Real::shared(), &home.path("box"), &|| false).unwrap())
}

#[test]
fn messages_are_quoted_and_an_empty_line_stands_before_each() {
    for (before, missing) in [("", ""), ("From x\n\nold\n\n", ""), ("From x\n\nold\n", "\n"), ("From x\n\nold", "\n\n")] {
        let mut home = Home::new(&[("1", "From y\r\n>From z\r\nno end"), ("2", "\r\n"), ("3", "")]);
        fs::write(home.path("box"), before).unwrap();
        let target = target(&home);
        assert_eq!(outcomes(&home.fetch_into(target, Policy::default())), [Delivered; 3]);
        let wanted = format!("{before}{missing}{FROM}>From y\n>>From z\nno end\n\n{FROM}\n\n{FROM}\n");
        assert_eq!(read(&home.path("box")), wanted);
        let again = Box::new(IntoMbox::open(Real::shared(), &home.path("box"), &|| false).unwrap());
        assert_eq!(outcomes(&home.fetch_into(again, Policy::default())), [Kept; 3]);
        assert!(!home.path("box.lock").exists());
    }
}

#[test]
fn whoever_has_a_lock_is_waited_for_and_not_for_ever() {
    let home = Home::new(&[]);
    let mbox = Mbox::new(Real::shared(), home.path("box"));
    let short = Duration::from_millis(120);
    let held = mbox.lock(short, BEGIN).unwrap();
    assert!(matches!(mbox.lock(short, BEGIN), Err(MboxError::Busy { .. })), "its dotlock is there");
    drop(held);
    let other = Real.open(&home.path("box"), Access::ReadWrite).unwrap();
    assert!(other.lock_records().unwrap());
    assert!(matches!(mbox.lock(short, BEGIN), Err(MboxError::Busy { .. })), "another has the lock of fcntl");
    let waiting = std::thread::spawn(move || mbox.lock(Duration::from_secs(20), BEGIN).map(drop));
    std::thread::sleep(short);
    drop(other);
    waiting.join().unwrap().unwrap();
}

#[test]
fn a_dotlock_of_the_dead_is_removed_and_one_of_the_living_is_not() {
    let home = Home::new(&[]);
    let mbox = Mbox::new(Real::shared(), home.path("box"));
    let (short, dotlock) = (Duration::from_millis(120), home.path("box.lock"));
    let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    fs::write(&dotlock, format!("{dead}\n")).unwrap();
    drop(mbox.lock(Duration::from_secs(5), BEGIN).unwrap());
    fs::write(&dotlock, "1\n").unwrap();
    assert!(matches!(mbox.lock(short, i64::MAX), Err(MboxError::Busy { .. })), "process 1 is alive");
    fs::write(&dotlock, "1").unwrap();
    drop(mbox.lock(Duration::from_secs(5), i64::MAX).unwrap());
    fs::write(&dotlock, "").unwrap();
    assert!(matches!(mbox.lock(short, 0), Err(MboxError::Busy { .. })), "it may have been made just now");
    drop(mbox.lock(Duration::from_secs(5), i64::MAX).unwrap());
    assert!(!dotlock.exists());
}

#[test]
fn an_mbox_that_cannot_be_written_stops_and_deletes_nothing() {
    let mut home = Home::new(&[("1", "one\r\n")]);
    let target = target(&home);
    fs::create_dir(home.path("box")).unwrap();
    let refused = IntoMbox::open(Real::shared(), &home.path("box"), &|| false).err().unwrap();
    assert_eq!(refused.why, Why::CannotCreate, "{refused}");
    let policy = Policy { disposal: Disposal::Delete, ..Policy::default() };
    let rows = home.fetch_into(target, policy);
    assert_eq!((outcomes(&rows), home.mailbox.messages.len()), (vec![Failed], 1), "{rows:?}");
}

#[test]
fn what_is_torn_is_cut_off_unless_another_wrote_behind_it() {
    let home = Home::new(&[]);
    let path = home.path("box");
    let mbox = Mbox::new(Real::shared(), &path);
    let crc = |text: &str| crc32c::crc32c(text.as_bytes());
    let regions = [Region { offset: 4, length: 3, crc: crc("one") }, Region { offset: 7, length: 3, crc: crc("two") }];
    for (found, fates, left) in [
        ("old\nonetwo", [Fate::Delivered; 2], "old\nonetwo"),
        ("old\nonetw", [Fate::Delivered, Fate::Torn], "old\none"),
        ("old\nxxxtwo", [Fate::Torn; 2], "old\n"),
        ("old\n", [Fate::Torn; 2], "old\n"),
        ("old\nxxxtwonew", [Fate::Lost, Fate::Delivered], "old\nxxxtwonew"),
        ("ol", [Fate::Lost; 2], "ol"),
    ] {
        fs::write(&path, found).unwrap();
        let place = mbox.lock(Duration::from_secs(5), BEGIN).unwrap().place();
        // A copy that was put there has the same messages, and nobody knows who is to write on at its end.
        let other = Place { inode: place.inode + 1, ..place };
        let there = [(4, "one"), (7, "two")]
            .map(|(at, text)| if found.get(at..at + 3) == Some(text) { Fate::Delivered } else { Fate::Lost });
        assert_eq!(settle(&mbox, other, 4, &regions, Duration::from_secs(5), BEGIN).unwrap(), there, "{found}");
        assert_eq!(read(&path), found);
        assert_eq!(settle(&mbox, place, 4, &regions, Duration::from_secs(5), BEGIN).unwrap(), fates, "{found}");
        assert_eq!(read(&path), left);
    }
}
