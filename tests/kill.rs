//! The spool under kills and errors: at every single file operation of an accept and of the passes that follow, and of whole
//! processes at random moments. What was acknowledged comes out, and what comes out twice was in flight.

mod support;

use jiff::{SignedDuration, Timestamp};
use postroad::disk::fs::Fs;
use postroad::disk::maildir::{Maildir, Name};
use postroad::disk::real::Real;
use postroad::disk::spool::format::{Arrival, Defect, Sort};
use postroad::disk::spool::history::{Attempt, Record};
use postroad::disk::spool::layout::{Entry, Place, Spool, SpoolError};
use postroad::disk::spool::mark::Mark;
use postroad::disk::spool::message::Message;
use postroad::disk::spool::queue::{Claim, Which};
use postroad::mail::envelope::Envelope;
use postroad::mail::outcome::{Diagnostic, Outcome};
use postroad::mail::queue_id::QueueId;
use postroad::mail::reply::EnhancedStatus;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use support::faulty::{Fault, Faulty};

fn fresh_id() -> QueueId {
    QueueId::new(Timestamp::now().as_millisecond() as u64, getrandom::u64().unwrap())
}

fn envelope(from: &str, to: &[&str]) -> Envelope {
    Envelope::new(from.parse().unwrap(), to.iter().map(|r| r.parse().unwrap())).unwrap()
}

fn accept(spool: &Spool) -> Result<QueueId, SpoolError> {
    let to = ["bob@hamburger.test", "carol@hamburger.test", "dave@hamburger.test", "list@crepes.test"];
    let arrival = Arrival { at: Timestamp::now(), ..Arrival::default() };
    let mut incoming = spool.begin(fresh_id(), &envelope("alice@crepes.test", &to), &arrival)?;
    incoming.write(b"Subject: ketchup\r\n\r\n")?;
    incoming.write(&vec![b'k'; 100_000])?;
    incoming.write(b"\r\n")?;
    Ok(incoming.commit()?.id().clone())
}

/// What a recipient's own mail system saw.
trait World {
    fn deliver(&mut self, recipient: &str, parent: &QueueId);
}

/// One pass of a runner that bounces dave, defers carol once, and expands the list to erin.
fn pass(spool: &Spool, world: &mut dyn World, now: Timestamp) -> Result<(), SpoolError> {
    for settled in spool.settle_staged(now)? {
        settled?;
    }
    for entry in spool.scan(Which::Due { horizon: 86400 * 30 }, now) {
        if let Claim::Message(message) = spool.claim(&entry?, now)? {
            handle(*message, world, now)?;
        }
    }
    spool.sync_removals()
}

fn handle(mut message: Message, world: &mut dyn World, now: Timestamp) -> Result<(), SpoolError> {
    let origin = message.parent().map_or(message.id(), |parent| &parent.id).clone();
    let open: Vec<_> = message
        .recipients()
        .filter(|r| !r.mark.is_settled())
        .map(|r| (r.place, r.path.to_string(), r.mark, r.attempts))
        .collect();
    let alone = message.envelope().recipients().len() == 1;
    for (place, address, mark, attempts) in open {
        match (address.as_str(), mark) {
            ("carol@hamburger.test", _) if attempts == 0 => {
                let outcome = Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, 2, 0), "not now"));
                message.record(&Record::Attempt(Attempt {
                    at: now,
                    recipients: vec![place],
                    outcome,
                    host: None,
                    next: None,
                }))?;
            }
            ("list@crepes.test", _) => {
                let child = child(&message, place, Sort::Expansion, &envelope("alice@crepes.test", &["erin@crepes.test"]))?;
                message.let_go(child, Mark::Expanded)?;
            }
            ("dave@hamburger.test", Mark::Pending) => {
                message.set_marks(&[(place, Mark::Refused)])?;
                let child = child(&message, place, Sort::Dsn, &envelope("", &["alice@crepes.test"]))?;
                message.let_go(child, Mark::Bounced)?;
            }
            (_, Mark::Refused) => {
                let child = child(&message, place, Sort::Dsn, &envelope("", &["alice@crepes.test"]))?;
                message.let_go(child, Mark::Bounced)?;
            }
            _ => {
                io::copy(&mut message.body(), &mut io::sink()).map_err(|source| postroad::disk::fs::FsError {
                    doing: "read",
                    path: message.path().to_owned(),
                    error: source,
                })?;
                world.deliver(&address, &origin);
                if alone {
                    return message.finish(&[(place, Mark::Accepted)]);
                }
                message.set_marks(&[(place, Mark::Accepted)])?;
            }
        }
    }
    if message.is_settled() { message.finish(&[]) } else { message.defer(now + SignedDuration::from_mins(10)) }
}

fn child(
    message: &Message,
    place: usize,
    sort: Sort,
    envelope: &Envelope,
) -> Result<postroad::disk::spool::staged::Child, SpoolError> {
    let arrival = Arrival { at: Timestamp::now(), ..Arrival::default() };
    let mut draft = message.stage_child(&[place], fresh_id(), envelope, &arrival, sort)?;
    draft.write(b"Subject: child\r\n\r\n")?;
    draft.commit()
}

/// File systems with and without unnamed files, and with and without renames that survive a crash whole.
const KINDS: [[bool; 2]; 4] = [[true, true], [false, true], [true, false], [false, false]];

type Deliveries = BTreeMap<String, u32>;

/// Who was delivered to, in order.
impl World for Vec<String> {
    fn deliver(&mut self, recipient: &str, _: &QueueId) {
        self.push(recipient.to_owned());
    }
}

/// Files that are left, but for locks and drafts.
fn left(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs: Vec<_> = ["new", "due", "staged", "hold", "failed", "corrupt"].map(|name| root.join(name)).into();
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Runs everything with the fault, then passes without one until the spool is empty, and checks what came of it. Gives how many
/// operations there were before the fault was noticed.
fn scenario(fault: Fault, [unnamed, renames]: [bool; 2]) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("spool");
    Spool::create_on(Arc::new(Faulty::new(Fault::None, true)), &root).unwrap();
    let faulty = Faulty { renames, ..Faulty::new(fault, unnamed) };
    let now = Timestamp::now();
    let mut world = Vec::new();
    let mut acknowledged = false;
    let run = |world: &mut Vec<String>, acknowledged: &mut bool| -> Result<(), SpoolError> {
        let spool = Spool::open_on(Arc::new(faulty.clone()), &root)?;
        accept(&spool)?;
        *acknowledged = true;
        (0..3).try_for_each(|n| pass(&spool, world, now + SignedDuration::from_mins(11 * n)))
    };
    let result = run(&mut world, &mut acknowledged);
    let in_flight = world.last().filter(|_| result.is_err()).cloned();
    let death = matches!(fault, Fault::Death(_));
    if let (false, Fault::Error(_, code), Err(error)) = (acknowledged, fault, &result) {
        assert_eq!(error.is_full(), code == libc::ENOSPC, "{error}");
    }
    if !acknowledged && !death {
        assert_eq!(left(&root), [""; 0].map(PathBuf::from), "{fault:?}: left of what was refused");
    }
    let spool = Spool::open_on(Arc::new(Faulty::new(Fault::None, true)), &root).unwrap();
    for n in 3..7 {
        pass(&spool, &mut world, now + SignedDuration::from_mins(11 * n)).unwrap();
    }
    // Days later, what was never finished is swept away.
    pass(&spool, &mut world, now + SignedDuration::from_hours(40)).unwrap();
    assert_eq!(left(&root), [""; 0].map(PathBuf::from), "{fault:?}: {result:?}");
    let mut expected =
        ["alice@crepes.test", "bob@hamburger.test", "carol@hamburger.test", "erin@crepes.test"].map(String::from).to_vec();
    if !acknowledged && world.is_empty() {
        expected.clear();
    }
    let mut delivered = world.clone();
    delivered.sort();
    if delivered != expected {
        // What was in flight when the fault struck may come twice, and nothing else may.
        expected.extend(in_flight);
        expected.sort();
        assert_eq!(delivered, expected, "{fault:?}: {result:?}: lost or repeated");
    }
    assert!(acknowledged || death || world.is_empty(), "{fault:?}: refused, yet delivered");
    faulty.steps()
}

#[test]
fn death_at_any_file_operation_loses_nothing() {
    for kind in KINDS {
        let steps = scenario(Fault::None, kind);
        assert!(steps > 100, "{steps}");
        for n in 0..steps {
            scenario(Fault::Death(n), kind);
        }
    }
}

#[test]
fn an_error_at_any_file_operation_loses_nothing() {
    for kind in KINDS {
        let steps = scenario(Fault::None, kind);
        for code in [libc::EIO, libc::ENOSPC] {
            for n in 0..steps {
                scenario(Fault::Error(n, code), kind);
            }
        }
    }
}

#[test]
fn what_belongs_to_another_user_is_neither_made_nor_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("spool");
    let id = accept(&Spool::create(&root).unwrap()).unwrap();
    let foreign = Faulty { foreign: true, ..Faulty::new(Fault::None, true) };
    let spool = Spool::open_on(Arc::new(foreign), &root).unwrap();
    assert!(matches!(accept(&spool), Err(SpoolError::Owner { .. })));
    let entry = spool.find(&id).unwrap().unwrap();
    assert!(matches!(spool.claim(&entry, Timestamp::now()), Ok(Claim::Corrupt { why: Defect::Owner, .. })));
    assert_eq!(left(&root), [root.join("corrupt").join(id.as_str())]);
}

/// Runs `act` twice on a spool at `root`, the second time so that the first open of a name that contains `name` fails, as that of
/// another user's file does.
fn unopened<T>(root: &Path, foreign: bool, name: &str, act: impl Fn(&Spool) -> T) -> T {
    let run = |fault, foreign| {
        let faulty = Faulty { foreign, ..Faulty::new(fault, true) };
        let done = act(&Spool::open_on(Arc::new(faulty.clone()), root).unwrap());
        (done, faulty.log.lock().unwrap().clone())
    };
    let (_, log) = run(Fault::None, false);
    let at = log.iter().position(|step| step.starts_with("open ") && step.contains(name)).unwrap();
    run(Fault::Error(at as u64, libc::EACCES), foreign).0
}

#[test]
fn what_cannot_be_opened_is_told_and_keeps_no_other_message_back() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("spool");
    let id = accept(&Spool::create(&root).unwrap()).unwrap();
    let now = Timestamp::now();
    for draft in ["new/.draft", "staged/.draft"] {
        std::fs::write(root.join(draft), "x").unwrap();
    }
    let scanned = unopened(&root, false, "/.draft", |spool| {
        spool.scan(Which::Due { horizon: 9 }, now).map(|entry| entry.map(|entry| entry.id).ok()).collect::<Vec<_>>()
    });
    assert_eq!(scanned, [None, Some(id.clone())]);
    let settled = unopened(&root, false, "staged/.draft", |spool| spool.settle_staged(now).unwrap());
    assert!(settled.len() == 1 && settled[0].is_err(), "{settled:?}");

    let entry = Entry { place: Place::New, id: id.clone() };
    let claimed = unopened(&root, false, id.as_str(), |spool| spool.claim(&entry, now));
    assert!(claimed.is_err(), "ours, and yet not to be opened");
    let claimed = unopened(&root, true, id.as_str(), |spool| spool.claim(&entry, now)).unwrap();
    assert!(matches!(claimed, Claim::Corrupt { why: Defect::Owner, .. }), "{claimed:?}");
}

#[test]
fn a_lock_counts_only_while_the_name_stands_for_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("spool");
    let spool = Spool::create(&root).unwrap();
    let now = Timestamp::now();
    type Step = fn(Message) -> Result<(), SpoolError>;
    let steps: [Step; 3] = [
        |message| message.delete(),
        |message| message.hold(),
        |message| message.readdress(0, "bo@hamburger.test".parse().unwrap(), Timestamp::now()),
    ];
    for step in steps {
        let id = accept(&spool).unwrap();
        let faulty = Faulty::new(Fault::None, true);
        let slow = Spool::open_on(Arc::new(faulty.clone()), &root).unwrap();
        let entry = slow.find(&id).unwrap().unwrap();
        let (quick, place) = (spool.clone(), entry.clone());
        let hook = move || match quick.claim(&place, now) {
            Ok(Claim::Message(message)) => step(*message).unwrap(),
            other => panic!("{other:?}"),
        };
        *faulty.before_lock.0.lock().unwrap() = Some(Box::new(hook));
        assert!(matches!(slow.claim(&entry, now), Ok(Claim::Gone)));
    }
}

#[test]
fn a_maildir_delivery_that_fails_or_dies_is_whole_or_nothing_and_once_by_its_token() {
    let name = Name { at: Timestamp::now(), host: "mx.test".into(), token: Some("id.0".into()) };
    for kind in [Fault::Death, |n| Fault::Error(n, libc::ENOSPC)] {
        for n in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("bob");
            Maildir::new(Real::shared(), &path).create().unwrap();
            let fault = kind(n);
            let body = vec![b'k'; 200_000];
            let deliver = |fs: Arc<dyn Fs>| Maildir::new(fs, &path).deliver(&name, b"X: y\n", &mut body.as_slice());
            let faulty = Faulty::new(fault, true);
            let result = deliver(Arc::new(faulty.clone()));
            let new = || std::fs::read_dir(path.join("new")).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
            match (&result, fault) {
                (Ok(_), _) => assert_eq!(new().len(), 1),
                (Err(error), Fault::Error(..)) => {
                    assert!(error.is_full(), "{error}");
                    assert_eq!(new().len() + std::fs::read_dir(path.join("tmp")).unwrap().count(), 0, "{fault:?}");
                }
                _ => {}
            }
            assert!(new().iter().all(|file| std::fs::metadata(file).unwrap().len() == 200_005), "{fault:?}");
            deliver(Real::shared()).unwrap();
            assert_eq!(new().len(), 1, "{fault:?}");
            if faulty.steps() <= n {
                break;
            }
        }
    }
}

#[test]
fn an_edit_that_dies_leaves_the_old_message_or_the_new() {
    let mut seen = BTreeSet::new();
    for n in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::create(&dir.path().join("spool")).unwrap();
        let id = accept(&spool).unwrap();
        let now = Timestamp::now();
        let claim = |spool: &Spool| match spool.find(&id).and_then(|entry| spool.claim(&entry.unwrap(), now)) {
            Ok(Claim::Message(message)) => Ok(message),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        let mut message = claim(&spool).unwrap();
        message.set_marks(&[(0, Mark::Accepted), (1, Mark::Refused)]).unwrap();
        message.record(&Record::Note { at: now, note: "delayed".into() }).unwrap();
        message.defer(now).unwrap();

        let faulty = Arc::new(Faulty::new(Fault::Death(n), true));
        let dying = Spool::open_on(faulty.clone(), spool.root());
        let result = dying.and_then(|spool| claim(&spool)?.readdress(1, "carla@hamburger.test".parse().unwrap(), now));
        let message = claim(&spool).unwrap();
        let known: Vec<_> = message.recipients().map(|r| (r.path.to_string(), r.mark.byte() as char)).collect();
        let new = match &known[1] {
            (address, '.') if address == "carla@hamburger.test" => true,
            (address, 'R') if address == "carol@hamburger.test" => false,
            other => panic!("{other:?}"),
        };
        assert_eq!((known.len(), known[0].1, message.has_note("delayed")), (4, 'A', true));
        assert_eq!(io::copy(&mut message.body(), &mut io::sink()).unwrap(), message.size());
        assert_eq!(spool.list(now).count(), 1);
        assert!(new || result.is_err());
        seen.insert(new);
        if result.is_ok() {
            break;
        }
    }
    assert_eq!(seen.len(), 2);
}

/// The operations of one accept, of a mark, and of a bounce, in their order: what is synced before what is the whole guarantee.
#[test]
fn what_is_synced_before_what() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("spool");
    let faulty = Faulty::new(Fault::None, true);
    let spool = Spool::create_on(Arc::new(faulty.clone()), &root).unwrap();
    let since = |from: &mut usize| {
        let log = faulty.log.lock().unwrap();
        let quiet = ["stat", "file-stat", "read", "open"];
        let mut steps: Vec<_> =
            log[*from..].iter().filter(|step| !quiet.contains(&step.split(' ').next().unwrap())).cloned().collect();
        // In how many pieces something is written is no matter.
        steps.dedup();
        *from = log.len();
        steps
    };
    let mut from = faulty.steps() as usize;
    let id = accept(&spool).unwrap();
    let expected = [
        &["create-unnamed new/?".into(), "lock /".into(), "write /".into()][..],
        &[format!("name new/{id}"), "sync-all /".into(), "sync-dir spool/new".into()],
    ];
    assert_eq!(since(&mut from), expected.concat());

    let entry = spool.find(&id).unwrap().unwrap();
    let Claim::Message(mut message) = spool.claim(&entry, Timestamp::now()).unwrap() else { panic!() };
    since(&mut from);
    message.set_marks(&[(2, Mark::Refused)]).unwrap();
    assert_eq!(since(&mut from), ["write /", "sync-data /"]);

    let staged = child(&message, 2, Sort::Dsn, &envelope("", &["alice@crepes.test"])).unwrap();
    let child = message.let_go(staged, Mark::Bounced).unwrap();
    let expected = [
        &[format!("unlink staged/{id}.2"), "create-unnamed staged/?".into(), "lock /".into()][..],
        &["write /".into(), format!("name staged/{id}.2"), "sync-all /".into(), "sync-dir spool/staged".into()],
        &["write /".into(), "sync-data /".into(), format!("rename new/{child}")],
        // Of a rename that is one step on disk this speaks for both directories.
        &["sync-dir spool/staged".into()],
    ];
    assert_eq!(since(&mut from), expected.concat());

    let due = Timestamp::from_second(1_795_341_600).unwrap();
    message.defer(due).unwrap();
    let slice = "1795341568";
    let expected = [format!("make-dir due/{slice}"), "sync-dir spool/due".into(), format!("rename {slice}/1795341600.{id}")];
    assert_eq!(since(&mut from), expected);
}

/// A claimed message on a file system without atomic renames, with the log of what is done to it.
fn linked(root: &Path) -> (Faulty, Spool, Message) {
    let faulty = Faulty { renames: false, ..Faulty::new(Fault::None, true) };
    let spool = Spool::create_on(Arc::new(faulty.clone()), root).unwrap();
    let id = accept(&spool).unwrap();
    let entry = spool.find(&id).unwrap().unwrap();
    let Claim::Message(message) = spool.claim(&entry, Timestamp::now()).unwrap() else { panic!() };
    (faulty, spool, *message)
}

#[test]
fn where_renames_are_not_atomic_the_new_name_is_durable_before_the_old_one_goes() {
    type Move = fn(Message) -> Result<(), SpoolError>;
    let moves: [(Move, &str, &str); 5] = [
        (|message| message.hold(), "hold/", "spool/hold"),
        (|message| message.fail(), "failed/", "spool/failed"),
        (|message| message.defer(Timestamp::from_second(1_795_341_600).unwrap()), "1795341568/1795341600.", "due/1795341568"),
        (|message| message.put_aside().map(drop), "corrupt/", "spool/corrupt"),
        (
            |mut message| {
                let staged = child(&message, 0, Sort::Dsn, &envelope("", &["alice@crepes.test"])).unwrap();
                message.let_go(staged, Mark::Bounced).map(drop)
            },
            "new/",
            "spool/new",
        ),
    ];
    for (step, place, synced) in moves {
        let dir = tempfile::tempdir().unwrap();
        let (faulty, _spool, message) = linked(&dir.path().join("spool"));
        let from = faulty.steps() as usize;
        step(message).unwrap();
        let log = faulty.log.lock().unwrap()[from..].to_vec();
        let at = log.iter().position(|step| step.starts_with(&format!("link {place}"))).unwrap_or_else(|| panic!("{log:?}"));
        assert_eq!(log[at + 1], format!("sync-dir {synced}"), "{log:?}");
        assert!(log[at + 2].starts_with("unlink "), "{log:?}");
        assert!(!log.iter().any(|step| step.starts_with("rename")), "{log:?}");
    }
}

/// The names in the spool that a message's file may have, by directory.
fn names_of(root: &Path, id: &QueueId) -> [PathBuf; 5] {
    std::fs::create_dir_all(root.join("due/1795341568")).unwrap();
    let due = format!("due/1795341568/1795341600.{id}");
    [format!("new/{id}"), format!("hold/{id}"), format!("failed/{id}"), due, format!("corrupt/{id}")].map(|name| root.join(name))
}

#[test]
fn a_move_that_was_cut_short_leaves_one_message_of_two_names() {
    let now = Timestamp::now();
    let due = Place::Due(1_795_341_600);
    for (first, place) in [Place::New, Place::Hold, Place::Failed, due].into_iter().enumerate() {
        for second in (0..5).filter(|&second| second != first) {
            let dir = tempfile::tempdir().unwrap();
            let (faulty, spool, message) = linked(&dir.path().join("spool"));
            let id = message.id().clone();
            drop(message);
            let mut names = names_of(spool.root(), &id);
            names[4] = names[4].with_file_name(names[first].file_name().unwrap());
            if first > 0 {
                std::fs::rename(&names[0], &names[first]).unwrap();
            }
            std::fs::hard_link(&names[first], &names[second]).unwrap();
            let entry = Entry { place, id };
            let outside = dir.path().join("outside");
            if second == 4 {
                std::fs::hard_link(&names[first], &outside).unwrap();
                let Claim::Corrupt { path, why: Defect::Linked } = spool.claim(&entry, now).unwrap() else { panic!() };
                assert_eq!((left(spool.root()), path), (vec![names[4].clone()], names[4].clone()), "moved aside, once");
                continue;
            }
            let from = faulty.steps() as usize;
            if matches!((first, second), (0 | 3, 1 | 2)) {
                assert!(matches!(spool.claim(&entry, now).unwrap(), Claim::Gone), "that it is held or failed was confirmed");
                assert_eq!(left(spool.root()), [names[second].clone()]);
                continue;
            }
            let Claim::Message(message) = spool.claim(&entry, now).unwrap() else { panic!("{names:?}") };
            assert_eq!(left(spool.root()), [names[first].clone()]);
            let gone = names[second].strip_prefix(spool.root()).unwrap().parent().unwrap().to_str().unwrap().to_owned();
            let log = faulty.log.lock().unwrap()[from..].to_vec();
            let removed = log.iter().position(|step| step.starts_with("unlink")).unwrap();
            let kept = names[first].parent().unwrap().file_name().unwrap().to_str().unwrap();
            assert!(log[removed - 1].starts_with("sync-dir") && log[removed - 1].ends_with(kept), "{log:?}");
            assert!(log[removed + 1].starts_with("sync-dir") && log[removed + 1].ends_with(&gone), "{log:?}");
            assert_eq!(io::copy(&mut message.body(), &mut io::sink()).unwrap(), message.size());
        }
    }
}

#[test]
fn a_child_whose_release_was_cut_short_is_released_once() {
    let dir = tempfile::tempdir().unwrap();
    let (_, spool, message) = linked(&dir.path().join("spool"));
    let staged = child(&message, 3, Sort::Expansion, &envelope("alice@crepes.test", &["erin@crepes.test"])).unwrap();
    drop(staged);
    let name = spool.root().join(format!("staged/{}.3", message.id()));
    let text = std::fs::read_to_string(&name).unwrap();
    let id = text.split("\"id\":\"").nth(1).unwrap()[..22].to_owned();
    let released = spool.root().join("new").join(&id);
    std::fs::hard_link(&name, &released).unwrap();
    let settled = spool.settle_staged(Timestamp::now()).unwrap().pop().unwrap().unwrap();
    assert_eq!(settled.released.unwrap().as_str(), id);
    assert!(!name.exists() && released.exists());
}

#[test]
fn a_mark_that_only_memory_knows_is_made_durable_before_the_child_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let (faulty, spool, mut message) = linked(&dir.path().join("spool"));
    drop(child(&message, 2, Sort::Dsn, &envelope("", &["alice@crepes.test"])).unwrap());
    message.set_marks(&[(2, Mark::Bounced)]).unwrap();
    drop(message);
    let from = faulty.steps() as usize;
    assert!(spool.settle_staged(Timestamp::now()).unwrap().pop().unwrap().unwrap().released.is_some());
    let log = faulty.log.lock().unwrap()[from..].to_vec();
    let position = |start: &str| log.iter().position(|step| step.starts_with(start)).unwrap();
    assert!(position("write ") < position("sync-data ") && position("sync-data ") < position("link new/"), "{log:?}");
}

/// Runs this test binary again as an acceptor, a runner or a checker on the spool at `root`, until it is killed.
fn spawn(role: &str, root: &Path, log: &Path, renames: bool) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes_killed_at_random_lose_nothing", "--nocapture"])
        .env("POSTROAD_TEST_ROLE", role)
        .env("POSTROAD_TEST_SPOOL", root)
        .env("POSTROAD_TEST_LOG", log)
        .env("POSTROAD_TEST_RENAMES", renames.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// A file that lines are appended to, each in one write.
struct Lines(std::fs::File);

impl Lines {
    fn open(path: &Path) -> Lines {
        Lines(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    fn add(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

impl World for Lines {
    fn deliver(&mut self, recipient: &str, parent: &QueueId) {
        self.add(&format!("delivered {parent} {recipient}"));
    }
}

fn play(role: &str, spool: &Spool, log: &mut Lines) {
    for n in 0.. {
        if role == "accept" {
            let id = accept(spool).unwrap();
            log.add(&format!("accepted {id} -"));
            std::thread::sleep(Duration::from_millis(10));
        } else if role == "check" {
            // What is in flight is no damage, whatever is half done at the moment.
            spool.check(Timestamp::now(), true, &mut |found| {
                let moved = found.unwrap().done.flatten();
                assert_eq!(moved, None);
            });
        } else {
            pass(spool, log, Timestamp::now() + SignedDuration::from_mins(11 * (n % 20))).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn processes_killed_at_random_lose_nothing() {
    if let (Ok(role), Some(root)) = (std::env::var("POSTROAD_TEST_ROLE"), std::env::var_os("POSTROAD_TEST_SPOOL")) {
        let mut log = Lines::open(Path::new(&std::env::var_os("POSTROAD_TEST_LOG").unwrap()));
        let renames = std::env::var("POSTROAD_TEST_RENAMES").unwrap() == "true";
        return play(&role, &opened(Path::new(&root), renames), &mut log);
    }
    for renames in [true, false] {
        kill_at_random(renames);
    }
}

fn opened(root: &Path, renames: bool) -> Spool {
    Spool::open_on(Arc::new(Faulty { renames, ..Faulty::new(Fault::None, true) }), root).unwrap()
}

fn kill_at_random(renames: bool) {
    const ROUNDS: u64 = 12;
    const RUNNERS: usize = 3;
    let dir = tempfile::tempdir().unwrap();
    let (root, log) = (dir.path().join("spool"), dir.path().join("log"));
    Spool::create(&root).unwrap();
    let spool = opened(&root, renames);
    for _ in 0..ROUNDS {
        let roles = ["accept", "accept", "check"].into_iter().chain(["run"; RUNNERS]);
        let mut children: Vec<_> = roles.map(|role| spawn(role, &root, &log, renames)).collect();
        std::thread::sleep(Duration::from_millis(60 + getrandom::u64().unwrap() % 120));
        for child in &mut children {
            assert!(child.try_wait().unwrap().is_none(), "one ended of its own accord");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let mut world = Lines::open(&log);
    for n in 0..40 {
        pass(&spool, &mut world, Timestamp::now() + SignedDuration::from_mins(11 * n)).unwrap();
    }
    assert_eq!(left(&root), [""; 0].map(PathBuf::from));
    let mut text = String::new();
    std::fs::File::open(&log).unwrap().read_to_string(&mut text).unwrap();
    let (mut accepted, mut delivered) = (BTreeSet::new(), Deliveries::new());
    for line in text.lines() {
        match line.split_once(' ').unwrap() {
            ("accepted", id) => assert!(accepted.insert(id.trim_end_matches(" -").to_owned())),
            (_, key) => *delivered.entry(key.to_owned()).or_default() += 1,
        }
    }
    assert!(accepted.len() > ROUNDS as usize, "only {} accepted", accepted.len());
    for id in &accepted {
        for recipient in ["alice@crepes.test", "bob@hamburger.test", "carol@hamburger.test", "erin@crepes.test"] {
            assert!(delivered.contains_key(&format!("{id} {recipient}")), "{id} to {recipient} was lost");
        }
    }
    let repeats = delivered.values().map(|&n| u64::from(n) - 1).sum::<u64>();
    assert!(repeats <= ROUNDS * RUNNERS as u64, "{repeats} repeated, more than were in flight");
}
