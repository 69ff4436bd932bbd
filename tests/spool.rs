//! The spool and its promises, on real files: what is accepted is whole, what is not whole is never delivered, and no error at
//! any single file operation breaks either.

use jiff::Timestamp;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use postroad::disk::fs::Fs;
use postroad::disk::real::Real;
use postroad::disk::spool::control::Order;
use postroad::disk::spool::facts::State;

use postroad::disk::spool::format::{Arrival, Defect, Sort};
use postroad::disk::spool::history::{Attempt, Record};
use postroad::disk::spool::layout::{Entry, Place, Spool, SpoolError};
use postroad::disk::spool::mark::Mark;
use postroad::disk::spool::message::Message;
use postroad::disk::spool::queue::{Claim, Which};
use postroad::mail::envelope::Envelope;
use postroad::mail::notify::{Request, Wish};
use postroad::mail::outcome::{Diagnostic, Outcome};
use postroad::mail::queue_id::QueueId;
use postroad::mail::reply::Reply;
use std::io::{self, Read};

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

const BODY: &[u8] = b"From: <alice@crepes.test>\r\nSubject: hi\r\n\r\nDo you like ketchup?\r\n.\r\n";
const DUE: Which = Which::Due { horizon: 5 * 86400 };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_341_600 + seconds).unwrap()
}

fn id() -> QueueId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    QueueId::new(1_795_341_600_000, NEXT.fetch_add(1, Ordering::Relaxed))
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope::new("alice@crepes.test".parse().unwrap(), recipients.iter().map(|r| r.parse().unwrap())).unwrap()
}

fn arrival() -> Arrival {
    Arrival { at: at(0), client: Some("192.0.2.1".into()), helo: Some("crepes \"x\"\n".into()), ..Arrival::default() }
}

fn spool() -> (tempfile::TempDir, Spool) {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::create(&dir.path().join("spool")).unwrap();
    (dir, spool)
}

fn accept(spool: &Spool, recipients: &[&str]) -> Result<QueueId, SpoolError> {
    let mut incoming = spool.begin(id(), &envelope(recipients), &arrival())?;
    incoming.write(&BODY[..7])?;
    incoming.write(&BODY[7..])?;
    Ok(incoming.commit()?.id().clone())
}

fn entries(spool: &Spool, which: Which, now: Timestamp) -> Vec<Entry> {
    spool.scan(which, now).map(Result::unwrap).collect()
}

fn claim(spool: &Spool, id: &QueueId) -> Box<Message> {
    let entry = spool.find(id).unwrap().unwrap_or_else(|| panic!("{id} is gone"));
    match spool.claim(&entry, at(0)).unwrap() {
        Claim::Message(message) => message,
        other => panic!("{id}: {other:?}"),
    }
}

fn body(message: &Message) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    message.body().read_to_end(&mut bytes).map(|_| bytes)
}

fn attempt(recipients: &[usize], outcome: Outcome) -> Record {
    let host = Some("mx.hamburger.test".into());
    Record::Attempt(Attempt { at: at(1), recipients: recipients.to_vec(), outcome, host, next: Some(at(1800)) })
}

fn deferred(text: &str) -> Outcome {
    Outcome::Deferred(Diagnostic::from(&Reply::enhanced(451, 4, 1, text)))
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_message_is_accepted_claimed_deferred_and_finished() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test", "carol@hamburger.test"]).unwrap();
    assert_eq!(entries(&spool, DUE, at(0)), [Entry { place: Place::New, id: id.clone() }]);

    let mut message = claim(&spool, &id);
    assert_eq!(message.envelope(), &envelope(&["bob@hamburger.test", "carol@hamburger.test"]));
    assert_eq!(message.arrival(), &arrival());
    assert_eq!((message.size(), message.is_eight_bit()), (BODY.len() as u64, false));
    assert_eq!(body(&message).unwrap(), BODY);
    message.record(&attempt(&[0], Outcome::Accepted(Diagnostic::from(&Reply::new(250, None, "ok"))))).unwrap();
    message.set_marks(&[(0, Mark::Accepted)]).unwrap();
    message.record(&attempt(&[1], deferred("not now"))).unwrap();
    message.defer(at(1800)).unwrap();

    assert_eq!(entries(&spool, DUE, at(1799)), []);
    assert_eq!(entries(&spool, DUE, at(1800)).len(), 1);
    let mut message = claim(&spool, &id);
    assert_eq!(message.place(), Place::Due(at(1800).as_second()));
    let seen: Vec<_> =
        message.recipients().map(|r| (r.mark, r.attempts, r.last.unwrap().outcome.diagnostic().to_string())).collect();
    assert_eq!(seen, [(Mark::Accepted, 1, "250 ok".into()), (Mark::Pending, 1, "451 4.4.1 not now".into())]);
    assert_eq!(body(&message).unwrap(), BODY);
    message.record(&Record::Note { at: at(2), note: "delayed".into() }).unwrap();
    assert!(message.has_note("delayed"));
    message.finish(&[(1, Mark::Accepted)]).unwrap();
    assert_eq!(spool.find(&id).unwrap(), None);
    spool.sync_removals().unwrap();
}

#[test]
fn what_is_not_settled_cannot_be_finished() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test", "carol@hamburger.test"]).unwrap();
    assert!(claim(&spool, &id).finish(&[(0, Mark::Accepted)]).is_err());
    assert!(claim(&spool, &id).finish(&[(0, Mark::Accepted), (1, Mark::Refused)]).is_err());
    assert!(claim(&spool, &id).set_marks(&[(2, Mark::Accepted)]).is_err());
    assert_eq!(body(&claim(&spool, &id)).unwrap(), BODY);
}

#[test]
fn one_of_two_claimers_wins_and_the_committed_are_locked_until_the_reply() {
    let (_dir, spool) = spool();
    let mut incoming = spool.begin(id(), &envelope(&["bob@hamburger.test"]), &arrival()).unwrap();
    incoming.write(BODY).unwrap();
    let committed = incoming.commit().unwrap();
    let entry = spool.find(committed.id()).unwrap().unwrap();
    assert!(matches!(spool.claim(&entry, at(0)).unwrap(), Claim::Busy));
    drop(committed);
    let Claim::Message(first) = spool.claim(&entry, at(0)).unwrap() else { panic!("free") };
    assert!(matches!(spool.claim(&entry, at(0)).unwrap(), Claim::Busy));
    first.finish(&[(0, Mark::Accepted)]).unwrap();
    assert!(matches!(spool.claim(&entry, at(0)).unwrap(), Claim::Gone));
}

#[test]
fn nothing_stays_of_what_was_not_committed_or_was_undone() {
    let (_dir, spool) = spool();
    let mut incoming = spool.begin(id(), &envelope(&["bob@hamburger.test"]), &arrival()).unwrap();
    incoming.write(&vec![b'x'; 300_000]).unwrap();
    drop(incoming);
    let mut incoming = spool.begin(id(), &envelope(&["bob@hamburger.test"]), &arrival()).unwrap();
    incoming.write(BODY).unwrap();
    incoming.commit().unwrap().undo().unwrap();
    assert_eq!(files(&spool.root().join("new")), [""; 0]);
}

/// The kernel tells of a name that could not be written to those who have the directory open.
#[cfg(target_os = "linux")]
#[test]
fn a_spool_in_use_holds_the_directories_open_that_others_sync_too() {
    let (_dir, spool) = spool();
    let open: Vec<PathBuf> =
        std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fd.unwrap().path().read_link().ok()).collect();
    for name in ["new", "staged"] {
        let dir = spool.root().join(name).canonicalize().unwrap();
        assert!(open.contains(&dir), "{name}");
    }
}

/// Somebody put another directory in the place of the one that is held.
#[test]
fn a_message_goes_where_new_stands_now() {
    let (_dir, spool) = spool();
    let (new, old) = (spool.root().join("new"), spool.root().join("old"));
    std::fs::rename(&new, &old).unwrap();
    assert!(accept(&spool, &["bob@hamburger.test"]).is_err());
    std::fs::create_dir(&new).unwrap();
    let id = accept(&spool, &["bob@hamburger.test"]).unwrap();
    assert_eq!(files(&new), [id.as_str()]);
    assert!(files(&old).is_empty());
}

/// What became of a file put into `new/` with these bytes: delivered to its end, or not.
fn is_delivered(spool: &Spool, entry: &Entry, bytes: &[u8], now: Timestamp) -> bool {
    std::fs::write(spool.path(entry), bytes).unwrap();
    let delivered = match spool.claim(entry, now).unwrap() {
        Claim::Message(message) => body(&message).is_ok_and(|body| body == BODY),
        Claim::Busy => panic!("nobody has it"),
        Claim::Gone | Claim::Unfinished | Claim::Corrupt { .. } => false,
    };
    let _ = std::fs::remove_file(spool.path(entry));
    delivered
}

#[test]
fn a_file_cut_short_anywhere_is_never_delivered() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test", "carol@hamburger.test"]).unwrap();
    let entry = spool.find(&id).unwrap().unwrap();
    let whole = std::fs::read(spool.path(&entry)).unwrap();
    assert!(is_delivered(&spool, &entry, &whole, Timestamp::now()));
    for length in 0..whole.len() {
        assert!(!is_delivered(&spool, &entry, &whole[..length], Timestamp::now()), "cut to {length}");
        let mut zeroes = whole[..length].to_vec();
        zeroes.resize(whole.len(), 0);
        assert!(!is_delivered(&spool, &entry, &zeroes, Timestamp::now()), "zeroes from {length}");
    }
}

#[test]
fn a_damaged_file_is_never_delivered_to_its_end_and_only_marks_may_change() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test", "carol@hamburger.test"]).unwrap();
    let entry = spool.find(&id).unwrap().unwrap();
    let whole = std::fs::read(spool.path(&entry)).unwrap();
    for place in 0..whole.len() {
        for flip in [1, 0x20, 0x80] {
            let mut bytes = whole.clone();
            bytes[place] ^= flip;
            let marks = (64..67).contains(&place);
            assert_eq!(is_delivered(&spool, &entry, &bytes, Timestamp::now()), marks, "byte {place} ^ {flip:#x}");
        }
    }
    assert!(!files(&spool.root().join("corrupt")).is_empty());
}

#[test]
fn garbage_is_left_while_it_is_young_and_damage_is_kept_aside() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test"]).unwrap();
    let entry = spool.find(&id).unwrap().unwrap();
    let path = spool.path(&entry);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let now = Timestamp::now();
    assert!(matches!(spool.claim(&entry, now).unwrap(), Claim::Unfinished));
    let old = now + jiff::SignedDuration::from_hours(37);
    let Claim::Corrupt { path: first, why: Defect::Unfinished } = spool.claim(&entry, old).unwrap() else { panic!() };
    std::fs::write(&path, b"garbage of some length that is no preamble at all, sixty-four bytes and more").unwrap();
    let Claim::Corrupt { path: second, why: Defect::Preamble } = spool.claim(&entry, now).unwrap() else { panic!() };
    assert_ne!(first, second, "one never replaces the other");
    assert_eq!(files(&spool.root().join("corrupt")), [id.to_string(), format!("{id}.2")]);
}

#[test]
fn a_torn_history_is_cut_off_and_the_message_lives() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test"]).unwrap();
    let path = spool.path(&spool.find(&id).unwrap().unwrap());
    let start = std::fs::metadata(&path).unwrap().len() as usize;
    let mut message = claim(&spool, &id);
    for text in ["one", "two \u{fc}\r\n", "three"] {
        message.record(&attempt(&[0], deferred(text))).unwrap();
    }
    drop(message);
    let whole = std::fs::read(&path).unwrap();
    let ends: Vec<_> = (start..=whole.len()).filter(|&end| end == start || whole[end - 1] == b'\n').collect();
    assert_eq!(ends.len(), 4);
    for length in start..=whole.len() {
        let good = *ends.iter().rfind(|&&end| end <= length).unwrap();
        for tail in [&b""[..], &[0; 40], b"\n", b"12345678 {}\n", &[0xff; 9]] {
            let mut bytes = whole[..length].to_vec();
            bytes.extend_from_slice(tail);
            std::fs::write(&path, &bytes).unwrap();
            let message = claim(&spool, &id);
            let attempts = message.recipients().next().unwrap().attempts as usize;
            // Cut before its LF, a record is whole again when the garbage begins with one.
            let good = if tail == b"\n" && ends.contains(&(length + 1)) { length + 1 } else { good };
            assert_eq!(ends[attempts], good, "cut to {length}, then {tail:?}");
            assert_eq!(body(&message).unwrap(), BODY);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), good as u64);
        }
    }
}

#[test]
fn marks_survive_and_are_the_only_bytes_that_change() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test", "carol@hamburger.test", "dave@hamburger.test"]).unwrap();
    let path = spool.path(&spool.find(&id).unwrap().unwrap());
    let before = std::fs::read(&path).unwrap();
    claim(&spool, &id).set_marks(&[(2, Mark::Refused), (0, Mark::Accepted)]).unwrap();
    let after = std::fs::read(&path).unwrap();
    assert_eq!(&after[64..68], b"A.R\n");
    assert_eq!((&after[..64], &after[68..]), (&before[..64], &before[68..]));
    let marks: Vec<_> = claim(&spool, &id).recipients().map(|r| r.mark).collect();
    assert_eq!(marks, [Mark::Accepted, Mark::Pending, Mark::Refused]);
}

#[test]
fn what_is_no_file_of_ours_is_refused_without_waiting() {
    let (dir, spool) = spool();
    let place = |put: &dyn Fn(&Path)| -> Defect {
        let entry = Entry { place: Place::New, id: id() };
        put(&spool.path(&entry));
        match spool.claim(&entry, at(0)).unwrap() {
            Claim::Corrupt { why, .. } => why,
            other => panic!("{other:?}"),
        }
    };
    let elsewhere = dir.path().join("secret");
    std::fs::write(&elsewhere, "secret").unwrap();
    assert_eq!(place(&|path| symlink(&elsewhere, path).unwrap()), Defect::NotRegular);
    assert_eq!(place(&|path| mkfifo(path, Mode::S_IRWXU).unwrap()), Defect::NotRegular);
    assert_eq!(place(&|path| std::fs::create_dir(path).unwrap()), Defect::NotRegular);
    assert_eq!(place(&|path| std::fs::hard_link(&elsewhere, path).unwrap()), Defect::Linked);
    assert_eq!(place(&|path| std::fs::write(path, [b'x'; 200]).unwrap()), Defect::Preamble);
    let other = accept(&spool, &["bob@hamburger.test"]).unwrap();
    let other = spool.path(&spool.find(&other).unwrap().unwrap());
    assert_eq!(place(&|path| std::fs::rename(&other, path).unwrap()), Defect::Name);
    assert_eq!(std::fs::read(&elsewhere).unwrap(), b"secret");
    assert_eq!(files(&spool.root().join("corrupt")).len(), 6);
}

#[test]
fn names_that_are_not_ours_are_passed_over() {
    let (_dir, spool) = spool();
    for name in ["new/.hidden", "new/x", "due/x", "due/0000000001", "staged/x", "state/ctl/x"] {
        std::fs::write(spool.root().join(name), "x").unwrap();
    }
    assert!(spool.scan(DUE, at(0)).all(|entry| entry.is_err()));
    assert!(spool.scan(DUE, at(0)).count() <= 1, "due/0000000001 is no directory and told once");
    assert_eq!(spool.settle_staged(at(0)).unwrap().len(), 0);
    assert_eq!(spool.ordered().unwrap(), []);
}

#[test]
fn a_scan_reads_what_is_due_and_what_a_wrong_clock_made() {
    let (_dir, spool) = spool();
    let put = |seconds: i64| {
        let id = accept(&spool, &["bob@hamburger.test"]).unwrap();
        claim(&spool, &id).defer(at(seconds)).unwrap();
        id
    };
    let (late, soon, far) = (put(-10_000), put(90), put(6 * 86400));
    let fresh = accept(&spool, &["bob@hamburger.test"]).unwrap();
    let ids = |which, now| entries(&spool, which, now).into_iter().map(|e| e.id).collect::<Vec<_>>();
    assert_eq!(ids(DUE, at(0)), [fresh.clone(), late.clone(), far.clone()]);
    assert_eq!(ids(DUE, at(90)), [fresh.clone(), late.clone(), soon.clone(), far.clone()]);
    assert_eq!(ids(Which::Queued, at(0)), [fresh.clone(), late.clone(), soon, far]);
    // A slice of the past goes once it is empty; the others stay.
    claim(&spool, &late).finish(&[(0, Mark::Accepted)]).unwrap();
    assert_eq!(files(&spool.root().join("due")).len(), 3);
    ids(DUE, at(0));
    assert_eq!(files(&spool.root().join("due")).len(), 2);
    claim(&spool, &fresh).defer(at(-10_000)).unwrap();
    assert_eq!(ids(DUE, at(0))[0], fresh, "the slice is made again");
}

#[test]
fn a_scan_of_more_than_a_batch_gives_every_message_once() {
    let (_dir, spool) = spool();
    for _ in 0..2500 {
        std::fs::write(spool.root().join("new").join(id().as_str()), "").unwrap();
    }
    let mut seen = std::collections::HashSet::new();
    for entry in spool.scan(DUE, at(0)) {
        let entry = entry.unwrap();
        std::fs::remove_file(spool.path(&entry)).unwrap();
        assert!(seen.insert(entry));
    }
    assert_eq!(seen.len(), 2500);
}

#[test]
fn messages_are_held_failed_and_released_and_listed_in_each_state() {
    let (_dir, spool) = spool();
    let mut ids: Vec<_> = (0..5).map(|_| accept(&spool, &["bob@hamburger.test"]).unwrap()).collect();
    claim(&spool, &ids[1]).defer(at(600)).unwrap();
    claim(&spool, &ids[2]).hold().unwrap();
    claim(&spool, &ids[3]).fail().unwrap();
    claim(&spool, &ids[4]).hold().unwrap();
    claim(&spool, &ids[4]).release().unwrap();
    let mut listed: Vec<_> = spool.list(at(0)).map(|facts| facts.map(|f| (f.id().clone(), f.state(at(0)))).unwrap()).collect();
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    let states = [State::Due, State::Deferred, State::Held, State::Failed, State::Due];
    assert_eq!(listed, ids.iter().cloned().zip(states).collect::<Vec<_>>());
    let facts = spool.look(&spool.find(&ids[1]).unwrap().unwrap()).unwrap().unwrap();
    assert_eq!((facts.next(), facts.state(at(600))), (Some(at(600)), State::Due));
    claim(&spool, &ids.remove(2)).delete().unwrap();
    assert_eq!(spool.list(at(0)).count(), 4);
}

#[test]
fn an_order_reaches_whoever_has_the_message_and_goes_with_it() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test"]).unwrap();
    assert_eq!(spool.standing_order(&id).unwrap(), None);
    let message = claim(&spool, &id);
    spool.order(&id, Order::Delete).unwrap();
    spool.order(&id, Order::Hold).unwrap();
    assert_eq!(spool.standing_order(&id).unwrap(), Some(Order::Hold));
    assert_eq!(spool.ordered().unwrap(), std::slice::from_ref(&id));
    message.hold().unwrap();
    assert_eq!(spool.standing_order(&id).unwrap(), None, "carried out");
    spool.cancel_order(&id).unwrap();
}

#[test]
fn slots_are_as_many_as_said_and_come_back() {
    let (_dir, spool) = spool();
    let first = spool.take_slot(2).unwrap().unwrap();
    let second = spool.take_slot(2).unwrap().unwrap();
    assert_eq!((first.number, second.number), (0, 1));
    assert!(spool.take_slot(2).unwrap().is_none());
    drop(first);
    assert_eq!(spool.take_slot(2).unwrap().unwrap().number, 0);
}

#[test]
fn a_child_is_let_go_only_when_its_parent_says_so() {
    let (_dir, spool) = spool();
    let recipients = ["bob@hamburger.test", "carol@hamburger.test", "dave@hamburger.test"];
    let stage = |message: &Message, covers: &[usize]| {
        let null = Envelope::new("".parse().unwrap(), ["alice@crepes.test".parse().unwrap()]).unwrap();
        let mut draft = message.stage_child(covers, id(), &null, &arrival(), Sort::Dsn).unwrap();
        draft.write(b"DSN\r\n").unwrap();
        draft.commit().unwrap()
    };
    let parent = accept(&spool, &recipients).unwrap();
    let mut message = claim(&spool, &parent);
    message.set_marks(&[(0, Mark::Accepted), (1, Mark::Refused), (2, Mark::Refused)]).unwrap();
    assert!(message.stage_child(&[0, 1], id(), &envelope(&recipients), &arrival(), Sort::Dsn).is_err(), "bob is settled");

    drop(stage(&message, &[2, 1]));
    assert_eq!(spool.settle_staged(at(0)).unwrap().len(), 0, "its parent is in flight");
    drop(message);
    let settled = spool.settle_staged(at(0)).unwrap().pop().unwrap().unwrap();
    assert_eq!((settled.number, settled.released), (1, None), "not marked: its parent makes it again");

    // Dead after the first of two marks: the child goes, and the other mark is made up for.
    let mut message = claim(&spool, &parent);
    drop(stage(&message, &[1, 2]));
    message.set_marks(&[(1, Mark::Bounced)]).unwrap();
    drop(message);
    let settled = spool.settle_staged(at(0)).unwrap().pop().unwrap().unwrap();
    let child = claim(&spool, &settled.released.unwrap());
    assert_eq!((child.sort(), child.parent().unwrap().covers.clone()), (Sort::Dsn, vec![1, 2]));
    let message = claim(&spool, &parent);
    assert!(message.is_settled());
    message.finish(&[]).unwrap();

    let orphan = accept(&spool, &recipients).unwrap();
    let message = claim(&spool, &orphan);
    drop(stage(&message, &[0]));
    message.delete().unwrap();
    assert!(spool.settle_staged(at(0)).unwrap().pop().unwrap().unwrap().released.is_some(), "its parent is gone");

    let whole = accept(&spool, &recipients).unwrap();
    let mut message = claim(&spool, &whole);
    for stale in [&[1][..], &[0, 2], &[1]] {
        drop(stage(&message, stale));
    }
    let child = stage(&message, &[0, 1, 2]);
    assert!(message.let_go(child, Mark::Expanded).is_err(), "a report is no copy");
    for stale in [&[0][..], &[1], &[2]] {
        drop(stage(&message, stale));
    }
    let child = stage(&message, &[0, 1, 2]);
    let child = message.let_go(child, Mark::Bounced).unwrap();
    assert!(message.is_settled());
    assert_eq!(spool.find(&child).unwrap().unwrap().place, Place::New);
    assert_eq!(files(&spool.root().join("staged")), [""; 0]);
}

#[test]
fn the_word_of_an_alias_waits_for_its_copies() {
    let (_dir, spool) = spool();
    let stage = |message: &Message, sort| {
        let mut draft = message.stage_child(&[0], id(), &envelope(&["erin@hamburger.test"]), &arrival(), sort)?;
        draft.write(BODY)?;
        draft.commit()
    };
    let id = accept(&spool, &["list@crepes.test"]).unwrap();
    let mut message = claim(&spool, &id);
    drop(stage(&message, Sort::Expansion).unwrap());
    message.set_marks(&[(0, Mark::Spread)]).unwrap();
    // Dead between the mark and the release, and somebody goes on by hand.
    assert!(stage(&message, Sort::Dsn).is_err());
    assert_eq!(files(&spool.root().join("staged")), [format!("{id}.0")], "the copies are not thrown away");
    drop(message);
    assert!(spool.settle_staged(at(0)).unwrap().pop().unwrap().unwrap().released.is_some());
    // Dead before the word of it is spoken of: it is made again, once.
    let message = claim(&spool, &id);
    assert!(!message.is_settled());
    drop(stage(&message, Sort::Dsn).unwrap());
    drop(message);
    assert_eq!(spool.settle_staged(at(0)).unwrap().pop().unwrap().unwrap().released, None);
    let message = claim(&spool, &id);
    let word = stage(&message, Sort::Dsn).unwrap();
    let word = message.give_way(word).unwrap();
    assert_eq!((spool.find(&id).unwrap(), spool.find(&word).unwrap().unwrap().place), (None, Place::New));
}

#[test]
fn modes_are_private_whatever_the_umask() {
    let dir = tempfile::tempdir().unwrap();
    if let Some(root) = std::env::var_os("POSTROAD_TEST_UMASK_SPOOL") {
        let spool = Spool::create(Path::new(&root)).unwrap();
        let id = accept(&spool, &["bob@hamburger.test"]).unwrap();
        claim(&spool, &id).defer(at(0)).unwrap();
        spool.order(&id, Order::Hold).unwrap();
        let _slot = spool.take_slot(1).unwrap();
        return;
    }
    for umask in ["000", "777"] {
        let root = dir.path().join(umask);
        let run = format!("umask {umask}; exec \"$0\" --exact modes_are_private_whatever_the_umask");
        let status = Command::new("sh")
            .args(["-c", &run])
            .arg(std::env::current_exe().unwrap())
            .env("POSTROAD_TEST_UMASK_SPOOL", &root)
            .status()
            .unwrap();
        assert!(status.success());
        let mut paths = walk(&root);
        paths.push(root);
        assert_eq!(paths.len(), 14 - 1, "{paths:?}");
        for path in paths {
            let found = std::fs::metadata(&path).unwrap();
            let expected = if found.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(found.permissions().mode() & 0o7777, expected, "{} under umask {umask}", path.display());
        }
    }
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { [vec![path.clone()], walk(&path)].concat() } else { vec![path] }).collect()
}

#[test]
fn only_a_recipient_that_is_there_is_readdressed_and_only_to_one_that_is_not() {
    let (_dir, spool) = spool();
    let id = accept(&spool, &["bob@hamburger.test", "carol@hamburger.test"]).unwrap();
    let path = |address: &str| address.parse().unwrap();
    assert!(claim(&spool, &id).readdress(2, path("x@y.test"), at(0)).is_err());
    assert!(claim(&spool, &id).readdress(1, path("bob@HAMBURGER.test"), at(0)).is_err());
    claim(&spool, &id).readdress(1, path("carla@hamburger.test"), at(0)).unwrap();
    let message = claim(&spool, &id);
    assert_eq!(message.envelope().recipients(), envelope(&["bob@hamburger.test", "carla@hamburger.test"]).recipients());
    assert_eq!(body(&message).unwrap(), BODY);
    assert_eq!(files(&spool.root().join("new")), [id.to_string()]);
}

/// All that can be asked, of the first of two recipients and of the message.
fn asking(recipients: [&str; 2]) -> Envelope {
    let wish = Wish { notify: Some("success,delay".parse().unwrap()), original: Some("rfc822;b+2Bx@y.test".parse().unwrap()) };
    let request =
        Request { ret: Some("hdrs".parse().unwrap()), envid: Some("a \"b\"+=".parse().unwrap()), require_tls: true, utf8: true };
    let [first, second] = recipients.map(|recipient| recipient.parse().unwrap());
    Envelope::asking("alice@crepes.test".parse().unwrap(), [(first, wish), (second, Wish::default())], request).unwrap()
}

#[test]
fn what_the_sender_asks_for_is_kept_also_for_a_new_address() {
    let (_dir, spool) = spool();
    let asked = asking(["bob@hamburger.test", "carol@hamburger.test"]);
    let id = spool.begin(id(), &asked, &arrival()).unwrap().commit().unwrap().id().clone();
    assert_eq!(claim(&spool, &id).envelope(), &asked);
    claim(&spool, &id).readdress(0, "bert@hamburger.test".parse().unwrap(), at(0)).unwrap();
    assert_eq!(claim(&spool, &id).envelope(), &asking(["bert@hamburger.test", "carol@hamburger.test"]));
    // What had no original address has the one that its sender knows.
    claim(&spool, &id).readdress(1, "carla@hamburger.test".parse().unwrap(), at(0)).unwrap();
    let wish = claim(&spool, &id).envelope().wish(1).clone();
    assert_eq!((wish.notify, wish.original.unwrap().to_string().as_str()), (None, "rfc822;carol@hamburger.test"));
}

/// The header of a message's file, which says what was asked, changed from `old` to `new` with its checksum.
fn with_header(spool: &Spool, id: &QueueId, old: &str, new: &str) {
    let path = spool.root().join("new").join(id.to_string());
    let bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (preamble, rest) = text.split_at(64);
    let (marks, rest) = rest.split_once('\n').unwrap();
    let (head, rest) = rest.split_at(rest.find('\n').unwrap() + 1);
    assert!(head.contains(old), "{head}");
    let head = head.replace(old, new);
    let preamble = format!("{}{:08}{}", &preamble[..15], head.len(), &preamble[23..]);
    let sum = crc32c::crc32c_append(crc32c::crc32c(preamble.as_bytes()), head.as_bytes());
    let at = rest.find("trailer head=").unwrap() + 13;
    std::fs::write(&path, format!("{preamble}{marks}\n{head}{}{sum:08x}{}", &rest[..at], &rest[at + 8..])).unwrap();
}

#[test]
fn files_of_before_say_nothing_of_wishes_and_senseless_ones_are_put_aside() {
    let (_dir, spool) = spool();
    let accept = || accept(&spool, &["bob@hamburger.test"]).unwrap();
    let id = accept();
    let head = std::fs::read_to_string(spool.root().join("new").join(id.to_string())).unwrap();
    assert!(!head.contains("dsn") && !head.contains("require_tls"), "what nobody asks for takes no room: {head}");
    with_header(&spool, &id, "\"reverse_path\"", "\"unheard\":[1],\"reverse_path\"");
    assert_eq!(claim(&spool, &id).envelope().request, Request::default());
    for bad in [
        "\"ret\":\"HALF\"",
        "\"envid\":\"a\\nb\"",
        "\"dsn\":[{\"to\":1,\"notify\":\"NEVER\"}]",
        "\"dsn\":[{\"to\":0,\"notify\":\"NEVER,DELAY\"}]",
        "\"dsn\":[{\"to\":0,\"orcpt\":\"rfc822;b+0\"}]",
    ] {
        let id = accept();
        with_header(&spool, &id, "\"reverse_path\"", &format!("{bad},\"reverse_path\""));
        let entry = spool.find(&id).unwrap().unwrap();
        assert!(matches!(spool.claim(&entry, at(0)).unwrap(), Claim::Corrupt { why: Defect::Header, .. }), "{bad}");
    }
}

#[test]
fn file_systems_whose_renames_survive_whole_are_known() {
    // Whatever /dev is on a Linux, it is a tmpfs; of /proc nothing is known.
    assert!(Real.renames_atomically(Path::new("/dev")).unwrap());
    assert!(!Real.renames_atomically(Path::new("/proc")).unwrap());
    assert!(Real.renames_atomically(Path::new("/nonexistent")).is_err());
}

#[test]
fn a_directory_that_is_no_spool_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let error = Spool::open(dir.path()).unwrap_err().to_string();
    assert_eq!(error, format!("{}: not a spool (no new/ in it)", dir.path().display()));
    let error = Spool::open(&dir.path().join("x")).unwrap_err().to_string();
    assert!(error.ends_with("x: No such file or directory"), "{error}");
    let spool = Spool::create(dir.path()).unwrap();
    Spool::create(dir.path()).unwrap();
    assert!(spool.room_for(1).unwrap());
    assert!(!spool.room_for(u64::MAX).unwrap());
}
