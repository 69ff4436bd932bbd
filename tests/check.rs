//! The check of a whole spool: everything that a disk, a person or a program can do to it is found, told, and set right without
//! a byte of a message being removed.

mod support;

use jiff::{SignedDuration, Timestamp};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use postroad::disk::spool::check::Finding;
use postroad::disk::spool::control::Order;
use postroad::disk::spool::format::{Arrival, Sort};
use postroad::disk::spool::history::Record;
use postroad::disk::spool::layout::Spool;
use postroad::disk::spool::mark::Mark;
use postroad::disk::spool::message::Message;
use postroad::disk::spool::queue::Claim;
use postroad::mail::envelope::Envelope;
use postroad::mail::queue_id::QueueId;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::faulty::{Fault, Faulty};

const BODY: &[u8] = b"Subject: hi\r\n\r\nDo you like ketchup?\r\n";
const DUE: i64 = 1_795_341_600;
const SLICE: &str = "due/1795341568";

struct Site {
    dir: tempfile::TempDir,
    spool: Spool,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::create(&dir.path().join("spool")).unwrap();
        Site { dir, spool }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.spool.root().join(name)
    }

    /// A message in `new/`.
    fn accept(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = QueueId::new(1_795_341_600_000, NEXT.fetch_add(1, Ordering::Relaxed));
        let to = ["bob@hamburger.test", "carol@hamburger.test"].map(|to| to.parse().unwrap());
        let envelope = Envelope::new("alice@crepes.test".parse().unwrap(), to).unwrap();
        let mut incoming = self.spool.begin(id, &envelope, &Arrival::default()).unwrap();
        incoming.write(BODY).unwrap();
        incoming.commit().unwrap().id().to_string()
    }

    fn claim(&self, id: &str) -> Message {
        let entry = self.spool.find(&id.parse().unwrap()).unwrap().unwrap();
        match self.spool.claim(&entry, Timestamp::now()).unwrap() {
            Claim::Message(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    /// A message with a try behind it, and where it stands.
    fn deferred(&self) -> (String, String) {
        let id = self.accept();
        let mut message = self.claim(&id);
        message.record(&Record::Note { at: Timestamp::now(), note: "tried".into() }).unwrap();
        message.defer(Timestamp::from_second(DUE).unwrap()).unwrap();
        let name = format!("{SLICE}/{DUE}.{id}");
        assert!(self.at(&name).exists());
        (id, name)
    }

    /// A child of the message for its first recipient, left behind.
    fn stage(&self, id: &str) -> String {
        let null = Envelope::new("".parse().unwrap(), ["alice@crepes.test".parse().unwrap()]).unwrap();
        let child = QueueId::new(1, getrandom::u64().unwrap());
        let mut draft = self.claim(id).stage_child(&[0], child, &null, &Arrival::default(), Sort::Dsn).unwrap();
        draft.write(BODY).unwrap();
        drop(draft.commit().unwrap());
        format!("staged/{id}.0")
    }

    fn findings(&self, repair: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.spool.check(Timestamp::now(), repair, &mut |found| findings.push(found.unwrap()));
        findings
    }

    /// `PATH: PROBLEM: REPAIR`, without the spool's own path.
    fn lines(&self) -> Vec<String> {
        let root = format!("{}/", self.spool.root().display());
        let line = |found: Finding| format!("{}: {}: {}", found.path.display(), found.problem, found.remedy).replace(&root, "");
        self.findings(false).into_iter().map(line).collect()
    }

    /// The contents of all regular files but orders, in an order of their own.
    fn contents(&self) -> Vec<Vec<u8>> {
        let (mut dirs, mut contents) = (vec![self.spool.root().to_owned()], Vec::new());
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    dirs.push(entry.path());
                } else if kind.is_file() && !entry.path().starts_with(self.at("state")) {
                    contents.push(fs::read(entry.path()).unwrap());
                }
            }
        }
        contents.sort();
        contents.dedup();
        contents
    }
}

fn old(path: &Path) {
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(40 * 3600);
    fs::File::open(path).unwrap().set_modified(then).unwrap();
}

fn flip(path: &Path, what: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(what.len()).position(|found| found == what).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// What somebody does to a spool; gives the line that is expected, and where a repair leaves the file.
type Deed = fn(&Site) -> (String, Option<String>);

fn aside(name: &str, problem: &str) -> (String, Option<String>) {
    let file = Path::new(name).file_name().unwrap().to_str().unwrap();
    let line = format!("{name}: {problem}: move to corrupt/");
    (line, Some(format!("corrupt/{}", file.trim_start_matches('.'))))
}

fn put(site: &Site, name: &str, text: &str) {
    fs::write(site.at(name), text).unwrap();
    fs::set_permissions(site.at(name), Permissions::from_mode(0o600)).unwrap();
}

/// Damage to a file, and files that are none of ours.
const DAMAGE: &[Deed] = &[
    |site| {
        let id = site.accept();
        flip(&site.at(&format!("new/{id}")), b"ketchup");
        aside(&format!("new/{id}"), "body checksum does not match")
    },
    |site| {
        let (_, name) = site.deferred();
        flip(&site.at(&name), b"postroad1 head");
        aside(&name, "bad preamble")
    },
    |site| {
        let id = site.accept();
        site.claim(&id).hold().unwrap();
        flip(&site.at(&format!("hold/{id}")), b"trailer head");
        aside(&format!("hold/{id}"), "bad trailer")
    },
    |site| {
        let id = site.accept();
        site.claim(&id).fail().unwrap();
        flip(&site.at(&format!("failed/{id}")), b"hamburger");
        aside(&format!("failed/{id}"), "header checksum does not match")
    },
    |site| {
        let id = site.accept();
        let path = site.at(&format!("new/{id}"));
        fs::File::options().write(true).open(&path).unwrap().set_len(200).unwrap();
        old(&path);
        aside(&format!("new/{id}"), "unfinished")
    },
    |site| {
        let (one, two) = (site.accept(), "000000000aaaaaaaaaaaaa");
        fs::rename(site.at(&format!("new/{one}")), site.at(&format!("new/{two}"))).unwrap();
        aside(&format!("new/{two}"), "named for another message")
    },
    |site| {
        let name = "new/000000000aaaaaaaaaaaaa";
        put(site, "../secret", "secret");
        symlink(site.at("../secret"), site.at(name)).unwrap();
        aside(name, "not a regular file")
    },
    |site| {
        let name = "hold/000000000aaaaaaaaaaaaa";
        mkfifo(&site.at(name), Mode::S_IRWXU).unwrap();
        aside(name, "not a regular file")
    },
    |site| {
        let name = format!("new/{}", site.accept());
        fs::hard_link(site.at(&name), site.dir.path().join("outside")).unwrap();
        aside(&name, "has another name, too")
    },
    |site| {
        put(site, "new/letter.eml", "Subject: hi\n");
        aside("new/letter.eml", "no name of a message")
    },
    |site| {
        put(site, "due/letter.eml", "Subject: hi\n");
        aside("due/letter.eml", "no name of a message")
    },
    |site| {
        site.deferred();
        let name = format!("{SLICE}/letter.eml");
        put(site, &name, "Subject: hi\n");
        aside(&name, "no name of a message")
    },
    |site| {
        fs::create_dir(site.at("failed/old")).unwrap();
        put(site, "failed/old/x", "Subject: hi\n");
        aside("failed/old", "no name of a message")
    },
    |site| {
        put(site, "staged/x", "x");
        aside("staged/x", "no name of a message")
    },
    |site| {
        let name = site.stage(&site.accept());
        flip(&site.at(&name), b"ketchup");
        aside(&name, "body checksum does not match")
    },
    |site| {
        let name = site.stage(&site.accept());
        let other = format!("staged/{}.1", &name[7..29]);
        fs::rename(site.at(&name), site.at(&other)).unwrap();
        aside(&other, "named for another message")
    },
    |site| {
        put(site, "new/.000000000aaaaaaaaaaaaa.0123456789abcdef", "postroad1 unfinished");
        old(&site.at("new/.000000000aaaaaaaaaaaaa.0123456789abcdef"));
        aside("new/.000000000aaaaaaaaaaaaa.0123456789abcdef", "a draft that nobody writes, older than 36 hours")
    },
    |site| {
        put(site, "hold/.edit", "postroad1 unfinished");
        old(&site.at("hold/.edit"));
        aside("hold/.edit", "a draft that nobody writes, older than 36 hours")
    },
    |site| {
        let id = site.accept();
        fs::rename(site.at(&format!("new/{id}")), site.at(&id)).unwrap();
        aside(&id, "in the wrong place, or under the wrong name there")
    },
    |site| {
        let id = site.accept();
        put(site, &format!("state/ctl/{id}"), "nonsense\n");
        aside(&format!("state/ctl/{id}"), "an order that says nothing known")
    },
    |site| {
        put(site, "state/ctl/x", "hold\n");
        aside("state/ctl/x", "no name of a message")
    },
    |site| {
        symlink("/dev/null", site.at("state/slot.0")).unwrap();
        aside("state/slot.0", "not a regular file")
    },
];

/// What has another remedy than to be moved aside.
const DISORDER: &[Deed] = &[
    |site| {
        let (_, name) = site.deferred();
        let path = site.at(&name);
        let bytes = [fs::read(&path).unwrap(), b"0123abcd {\"kind\"".to_vec()].concat();
        fs::write(&path, bytes).unwrap();
        (format!("{name}: the end of its history is torn: cut it off"), Some(name))
    },
    |site| {
        let id = site.accept();
        fs::hard_link(site.at(&format!("new/{id}")), site.at(&format!("hold/{id}"))).unwrap();
        let other = site.at(&format!("hold/{id}"));
        let line = format!("new/{id}: has a second name in the spool: {}: remove that name", other.display());
        (line.replace(&format!("{}/", site.spool.root().display()), ""), Some(format!("new/{id}")))
    },
    |site| {
        let (_, name) = site.deferred();
        let elsewhere = name.replace(SLICE, "due/1795340800");
        fs::create_dir(site.at("due/1795340800")).unwrap();
        fs::set_permissions(site.at("due/1795340800"), Permissions::from_mode(0o700)).unwrap();
        fs::rename(site.at(&name), site.at(&elsewhere)).unwrap();
        (format!("{elsewhere}: in the wrong place, or under the wrong name there: move to {name}"), Some(name))
    },
    |site| {
        let (id, name) = site.deferred();
        let elsewhere = format!("hold/{DUE}.{id}");
        fs::rename(site.at(&name), site.at(&elsewhere)).unwrap();
        let right = format!("hold/{id}");
        (format!("{elsewhere}: in the wrong place, or under the wrong name there: move to {right}"), Some(right))
    },
    |site| {
        let (id, name) = site.deferred();
        let elsewhere = format!("due/{id}");
        fs::rename(site.at(&name), site.at(&elsewhere)).unwrap();
        let right = format!("new/{id}");
        (format!("{elsewhere}: in the wrong place, or under the wrong name there: move to {right}"), Some(right))
    },
    |site| {
        let name = format!("new/{}", site.accept());
        fs::set_permissions(site.at(&name), Permissions::from_mode(0o644)).unwrap();
        (format!("{name}: mode 0644: set mode 0600"), Some(name))
    },
    |site| {
        fs::set_permissions(site.at("hold"), Permissions::from_mode(0o755)).unwrap();
        ("hold: mode 0755: set mode 0700".into(), Some("hold".into()))
    },
    |site| {
        fs::set_permissions(site.spool.root(), Permissions::from_mode(0o777)).unwrap();
        (".: mode 0777: set mode 0700".into(), Some(".".into()))
    },
    |site| {
        fs::remove_dir(site.at("failed")).unwrap();
        ("failed: missing: make it".into(), Some("failed".into()))
    },
    |site| {
        fs::remove_dir(site.at("due")).unwrap();
        put(site, "due", "x");
        ("due: not a directory: move to corrupt/".into(), Some("corrupt/due".into()))
    },
    |site| {
        let id = "000000000aaaaaaaaaaaaa".parse().unwrap();
        site.spool.order(&id, Order::Hold).unwrap();
        (format!("state/ctl/{id}: an order for a message that is not there: remove it"), None)
    },
];

#[test]
fn whatever_is_done_to_a_spool_is_found_and_set_right() {
    for (number, deed) in DAMAGE.iter().chain(DISORDER).enumerate() {
        let site = Site::new();
        let good = site.accept();
        assert_eq!(site.lines(), [""; 0], "{number}");
        let (line, left) = deed(&site);
        let before = site.contents();
        assert_eq!(site.lines(), [line.as_str()], "{number}");
        assert_eq!(site.contents(), before, "{number}: a check changes nothing");

        let repaired = site.findings(true);
        assert!(repaired.len() <= 2 && !repaired[0].is_open(), "{number}: {repaired:?}");
        assert!(left.is_none_or(|left| site.at(&left).symlink_metadata().is_ok()), "{number}: {line}");
        let after = site.contents();
        assert!(line.contains("torn") || before.iter().all(|file| after.contains(file)), "{number}: a byte was removed");
        let after = site.findings(false);
        assert!(after.iter().all(|found| !found.is_open() && found.path.ends_with("corrupt")), "{number}: {after:?}");
        assert_eq!(site.claim(&good).size(), BODY.len() as u64, "{number}");
    }
}

#[test]
fn what_needs_nothing_is_told_and_left_alone() {
    let remarks: [Deed; 6] = [
        |site| {
            let id = site.accept();
            let name = site.stage(&id);
            (format!("{name}: left by a crash: the next pass removes it, since its parent makes it again: -"), None)
        },
        |site| {
            let id = site.accept();
            let name = site.stage(&id);
            site.claim(&id).set_marks(&[(0, Mark::Bounced)]).unwrap();
            (format!("{name}: left by a crash: the next pass sends it: -"), None)
        },
        |site| {
            let id = site.accept();
            let name = site.stage(&id);
            site.claim(&id).delete().unwrap();
            (format!("{name}: left by a crash: the next pass sends it: -"), None)
        },
        |site| {
            let name = format!("new/{}", site.accept());
            fs::File::options().write(true).open(site.at(&name)).unwrap().set_len(300).unwrap();
            (format!("{name}: cut short less than 36 hours ago, perhaps by a crash: left for so long: -"), None)
        },
        |site| {
            put(site, "README", "x");
            ("README: no part of a spool: -".into(), None)
        },
        |site| {
            put(site, "corrupt/x", "x");
            ("corrupt: 1 put aside: read by nobody, removed by nobody: -".into(), None)
        },
    ];
    for remark in remarks {
        let site = Site::new();
        let (line, _) = remark(&site);
        let before = site.contents();
        for repair in [false, true] {
            let open = site.findings(repair).iter().any(|found| found.is_open() || found.done.is_some());
            assert!(!open, "{line}");
            assert_eq!(site.lines(), [line.as_str()]);
        }
        assert_eq!(site.contents(), before);
    }
    // A new draft, a child in the hands of its parent's runner, an order for a message that is there, another host's tree.
    let site = Site::new();
    put(&site, "new/.draft", "x");
    let id = site.accept();
    site.spool.order(&id.parse().unwrap(), Order::Hold).unwrap();
    Spool::create(&site.at("mx2")).unwrap();
    let _slot = site.spool.take_slot(1).unwrap();
    assert_eq!(site.lines(), [""; 0]);
}

#[test]
fn of_two_files_of_a_message_the_one_that_knows_less_is_put_aside() {
    for known in ["new", "hold"] {
        let site = Site::new();
        let id = site.accept();
        let (new, hold) = (site.at(&format!("new/{id}")), site.at(&format!("hold/{id}")));
        fs::copy(&new, &hold).unwrap();
        let (winner, loser) = if known == "new" { (new, hold) } else { (hold, new) };
        let mut bytes = fs::read(&winner).unwrap();
        bytes[64] = b'A';
        fs::write(&winner, bytes).unwrap();
        let found = site.findings(true);
        assert_eq!(
            (found[0].path.clone(), found[0].problem.to_string()),
            (loser.clone(), { format!("the same message stands at {}", winner.display()) })
        );
        assert!(winner.exists() && !loser.exists() && site.at(&format!("corrupt/{id}")).exists(), "{known}");
        assert!(site.findings(false).iter().all(|found| !found.is_open()));
    }
    // In the wrong slice, and its own place taken.
    let site = Site::new();
    let (_, name) = site.deferred();
    fs::copy(site.at(&name), site.at(&name.replace(SLICE, "due"))).unwrap();
    assert!(site.findings(true).iter().all(|found| !found.is_open()));
    assert!(site.at(&name).exists() && site.findings(false).iter().all(|found| !found.is_open()));
}

#[test]
fn what_somebody_is_at_is_left_alone() {
    let site = Site::new();
    let (busy, sound) = (site.accept(), site.accept());
    let (message, other) = (site.claim(&busy), site.claim(&sound));
    flip(&site.at(&format!("new/{busy}")), b"ketchup");
    let expected = format!("new/{busy}: in use, and body checksum does not match: look again later: -");
    assert_eq!(site.lines(), [expected.as_str()]);
    assert!(site.findings(true).iter().all(|found| found.done.is_none() && !found.is_open()));
    assert_eq!(site.lines(), [expected]);
    drop((message, other));
    assert!(site.findings(false)[0].is_open());
}

#[test]
fn what_belongs_to_somebody_else_is_put_aside_and_a_directory_is_told() {
    let site = Site::new();
    let id = site.accept();
    let foreign = Faulty { foreign: true, ..Faulty::new(Fault::None, true) };
    let spool = Spool::open_on(Arc::new(foreign), site.spool.root()).unwrap();
    let mut lines = Vec::new();
    spool.check(Timestamp::now(), true, &mut |found| lines.push(found.unwrap()));
    let problems: Vec<_> = lines.iter().map(|found| found.problem.to_string()).collect();
    assert_eq!(problems, ["belongs to another user", "1 put aside: read by nobody, removed by nobody"]);
    assert!(site.at(&format!("corrupt/{id}")).exists());

    let site = Site::new();
    if !nix::unistd::geteuid().is_root() {
        // Nobody else can give a directory away; the other half is tested.
        return;
    }
    nix::unistd::chown(&site.at("hold"), Some(nix::unistd::Uid::from_raw(65534)), None).unwrap();
    assert_eq!(site.lines(), ["hold: belongs to uid 65534: none but by hand"]);
    assert!(site.findings(true)[0].is_open());
}

#[test]
fn one_file_can_have_more_than_one_thing_wrong_with_it() {
    let site = Site::new();
    let (id, name) = site.deferred();
    let path = site.at(&name);
    fs::hard_link(&path, site.at(&format!("failed/{id}"))).unwrap();
    fs::write(&path, [fs::read(&path).unwrap(), b"torn".to_vec()].concat()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(site.findings(true).iter().all(|found| !found.is_open()));
    assert_eq!(site.lines(), [""; 0]);
    assert!(site.claim(&id).has_note("tried"));
}

#[test]
fn an_error_in_the_midst_is_told_and_the_rest_is_looked_at() {
    let site = Site::new();
    let (good, bad) = (site.accept(), site.accept());
    flip(&site.at(&format!("new/{bad}")), b"ketchup");
    let check = |fault| {
        let faulty = Faulty::new(fault, true);
        let spool = Spool::open_on(Arc::new(faulty.clone()), site.spool.root()).unwrap();
        let (mut findings, mut errors) = (0, 0);
        spool.check(Timestamp::now() + SignedDuration::from_secs(1), false, &mut |found| match found {
            Ok(_) => findings += 1,
            Err(_) => errors += 1,
        });
        let log = faulty.log.lock().unwrap().clone();
        (findings, errors, log)
    };
    let (findings, errors, log) = check(Fault::None);
    assert_eq!((findings, errors), (1, 0));
    let first = log.iter().position(|step| *step == format!("open new/{good}")).unwrap();
    let (findings, errors, _) = check(Fault::Error(first as u64, libc::EIO));
    assert_eq!((findings, errors), (1, 1));
    for step in 3..log.len() as u64 {
        let (findings, errors, _) = check(Fault::Error(step, libc::EIO));
        assert!(findings + errors > 0, "{}", log[step as usize]);
    }
}
