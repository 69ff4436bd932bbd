//! The spool and its promises, on real files: what is accepted is whole, what is not whole is never delivered, and no error at
//! any single file operation breaks either.

use jiff::Timestamp;

use postroad::disk::spool::format::Arrival;
use postroad::disk::spool::history::{Attempt, Record};
use postroad::disk::spool::layout::{Entry, Place, Spool, SpoolError};
use postroad::disk::spool::mark::Mark;
use postroad::disk::spool::message::Message;
use postroad::disk::spool::queue::{Claim, Which};
use postroad::mail::envelope::Envelope;
use postroad::mail::outcome::{Diagnostic, Outcome};
use postroad::mail::queue_id::QueueId;
use postroad::mail::reply::Reply;
use std::io::{self, Read};

use std::path::Path;
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
