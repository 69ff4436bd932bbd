//! The binary mailq-run: passes that are silent, a queue that is shown and changed, identities as root.

#[path = "mailq_run/signals.rs"]
mod signals;
mod support;

use assert_cmd::Command;
use nix::unistd::{Uid, chown, geteuid};
use postroad::disk::spool::format::{Arrival, Sort};
use postroad::disk::spool::layout::Spool;
use postroad::disk::spool::mark::Mark;
use postroad::disk::spool::queue::Claim;
use postroad::mail::envelope::Envelope;
use postroad::mail::queue_id::QueueId;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::world::{Server, files};

const HELLO: &[u8] = b"From: <alice@crepes.test>\r\nSubject: Hi\r\n\r\nHello.\r\n";
const NOBODY: u32 = 65534;

/// A spool, a config, a server on a port, and directories for mail.
struct Site {
    dir: tempfile::TempDir,
    server: Arc<Server>,
    address: SocketAddr,
}

/// What a run printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    status: i32,
    out: String,
    err: String,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (server, address) = Server::listen();
        Spool::create(&dir.path().join("spool")).unwrap();
        std::fs::create_dir(dir.path().join("mail")).unwrap();
        // As root, mail is stored by a child that is somebody else.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        if geteuid().is_root() {
            chown(&dir.path().join("mail"), Some(Uid::from_raw(NOBODY)), None).unwrap();
        }
        let site = Site { dir, server, address };
        site.config(&format!("[[route]]\nmatch = \"hamburger.test\"\nto = \"smtp://{address}\"\n"));
        site
    }

    fn config(&self, more: &str) {
        let mail = self.dir.path().join("mail").display().to_string();
        let text = format!(
            "hostname = \"mx.crepes.test\"\ndomains = [\"crepes.test\"]\n[local]\nmaildir = \"{mail}/{{user}}\"\nusers = [\"alice-test\"]\n{more}"
        );
        std::fs::write(self.dir.path().join("config.toml"), text).unwrap();
    }

    fn spool(&self) -> PathBuf {
        self.dir.path().join("spool")
    }

    fn command(&self) -> Command {
        let mut command = Command::cargo_bin("mailq-run").unwrap();
        command.env_clear().env("POSTROAD_SPOOL", self.spool()).env("POSTROAD_CONFIG", self.dir.path().join("config.toml"));
        command.timeout(Duration::from_secs(60));
        command
    }

    fn run(&self, line: &str) -> Ran {
        let mut command = self.command();
        command.args(["--log", &format!("{}/log", self.dir.path().display())]).args(line.split_whitespace());
        ran(&mut command)
    }

    fn accept(&self, from: &str, to: &[&str]) -> String {
        self.accept_body(from, to, HELLO)
    }

    fn accept_body(&self, from: &str, to: &[&str], body: &[u8]) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let envelope = Envelope::new(from.parse().unwrap(), to.iter().map(|to| to.parse().unwrap())).unwrap();
        let at = jiff::Timestamp::now();
        let id = QueueId::new(at.as_millisecond() as u64, COUNT.fetch_add(1, Ordering::Relaxed));
        let spool = Spool::open(&self.spool()).unwrap();
        let mut incoming = spool.begin(id.clone(), &envelope, &Arrival { at, ..Arrival::default() }).unwrap();
        incoming.write(body).unwrap();
        drop(incoming.commit().unwrap());
        id.to_string()
    }

    fn list(&self) -> Vec<serde_json::Value> {
        let listed = self.run("list --json");
        assert_eq!(listed.status, 0, "{listed:?}");
        listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn mailbox(&self) -> Vec<Vec<u8>> {
        files(&self.dir.path().join("mail/alice-test/new"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn silent() -> Ran {
    Ran { status: 0, out: String::new(), err: String::new() }
}

#[test]
fn a_pass_is_silent_and_its_outcomes_are_in_the_log() {
    let site = Site::new();
    let id = site.accept("alice@crepes.test", &["bob@hamburger.test", "alice-test+x@crepes.test"]);
    assert_eq!(site.run(""), silent());
    assert_eq!(site.server.taken()[0].data, HELLO);
    let stored = b"Return-Path: <alice@crepes.test>\nDelivered-To: alice-test+x@crepes.test\nFrom: <alice@crepes.test>\nSubject: Hi\n\nHello.\n";
    assert_eq!(site.mailbox(), [stored.to_vec()]);
    assert!(site.list().is_empty());
    let log = site.log();
    assert_eq!(log.lines().filter(|line| line.contains("event=recipient") && line.contains(&id)).count(), 2, "{log}");
    let shown = site.dir.path().join("mail/alice-test/new").read_dir().unwrap().next().unwrap().unwrap().metadata().unwrap();
    assert_eq!(shown.uid(), if geteuid().is_root() { NOBODY } else { geteuid().as_raw() }, "never root's");
}

#[test]
fn a_peer_that_is_down_makes_no_noise_and_a_retry_delivers() {
    let site = Site::new();
    site.server.say("greeting", "DROP");
    let id = site.accept("alice@crepes.test", &["bob@hamburger.test"]);
    assert_eq!(site.run(""), silent());
    let [message] = &site.list()[..] else { panic!("one message") };
    assert_eq!((message["id"].as_str(), message["state"].as_str()), (Some(&*id), Some("deferred")));
    assert_eq!(
        (message["reverse_path"].as_str(), message["size"].as_u64()),
        (Some("alice@crepes.test"), Some(HELLO.len() as u64))
    );
    assert!(message["arrival"].as_str().unwrap() < message["next"].as_str().unwrap());
    let recipient = &message["recipients"][0];
    assert_eq!((recipient["address"].as_str(), recipient["outcome"].as_str()), (Some("bob@hamburger.test"), Some("deferred")));
    assert_eq!(recipient["attempts"], 1);
    assert!(recipient["last_reply"].as_str().unwrap().contains("closed"), "{recipient}");

    site.server.behave();
    assert_eq!(site.run(""), silent());
    assert!(site.server.taken().is_empty(), "not due yet");
    assert_eq!(site.run("retry --domain else.test"), silent());
    assert_eq!(site.list()[0]["state"], "deferred");
    assert_eq!(site.run("retry --domain HAMBURGER.test"), silent());
    assert_eq!(site.list()[0]["state"], "due");
    assert_eq!(site.run(""), silent());
    assert_eq!(site.server.taken().len(), 1);
}

#[test]
fn messages_are_held_released_readdressed_bounced_and_deleted() {
    let site = Site::new();
    let id = site.accept("alice-test@crepes.test", &["bob@hamburger.test", "eve@hamburger.test"]);
    assert_eq!(site.run(&format!("hold {id}")), silent());
    assert_eq!(site.run(""), silent());
    let row = site.run("list");
    assert_eq!(row.out.lines().count(), 2);
    let fields: Vec<&str> = row.out.lines().next().unwrap().split('\t').collect();
    assert_eq!((fields[0], fields[1], fields[3]), (&*id, "held", "-"));
    assert_eq!(fields[5..], ["alice-test@crepes.test", "bob@hamburger.test", "pending", "0", "-"]);

    assert_eq!(site.run(&format!("edit {id} --rcpt bob@hamburger.test=carol@hamburger.test")), silent());
    assert_eq!(site.run(&format!("release {id}")), silent());
    let again = site.run(&format!("release {id}"));
    assert_eq!((again.status, again.err), (66, format!("mailq-run: {id}: neither held nor failed\n")));
    assert_eq!(site.run(""), silent());
    assert_eq!(site.server.taken()[0].to, ["carol@hamburger.test", "eve@hamburger.test"]);

    let (one, two) = (site.accept("alice-test@crepes.test", &["x@hamburger.test"]), site.accept("", &["x@hamburger.test"]));
    let some = site.run(&format!("bounce {one} {two}"));
    assert_eq!((some.status, some.err), (1, format!("mailq-run: {two}: has no sender to return it to\n")));
    assert_eq!(site.run(&format!("delete {two}")), silent());
    assert_eq!(site.run(""), silent());
    assert_eq!((site.server.taken().len(), site.mailbox().len(), site.list().len()), (1, 1, 0));
}

#[test]
fn what_is_not_there_is_told_in_one_line() {
    let site = Site::new();
    let id = "0000000010000000000002";
    for command in ["hold", "release", "retry", "delete", "bounce", "show"] {
        let ran = site.run(&format!("{command} {id}"));
        assert_eq!(ran, Ran { status: 66, out: String::new(), err: format!("mailq-run: {id}: no such message\n") }, "{command}");
    }
    let usage = site.run("delete ../../etc/passwd");
    assert!(usage.status == 64 && usage.err.starts_with("mailq-run: invalid value '../../etc/passwd'"), "{usage:?}");
    assert_eq!(site.run("--watch list").status, 64);
}

#[test]
fn a_spool_or_config_that_fails_has_a_status_and_a_line() {
    let site = Site::new();
    std::fs::write(site.dir.path().join("config.toml"), "domans = []\n").unwrap();
    let config = site.run("");
    assert!(config.status == 78 && config.err.contains("config.toml:1: unknown key \"domans\""), "{config:?}");
    assert_eq!(ran(site.command().arg("-q")), Ran { status: 78, out: String::new(), err: String::new() });
    site.config("");
    let none = ran(site.command().args(["--spool", "/nonexistent/spool"]));
    assert_eq!((none.status, &*none.err), (74, "mailq-run: cannot open /nonexistent/spool: No such file or directory\n"));
    let other = ran(site.command().arg("--spool").arg(site.dir.path()));
    assert!(other.status == 78 && other.err.contains("not a spool"), "{other:?}");
}

#[test]
fn damage_is_found_by_check_and_put_aside_by_a_pass() {
    let site = Site::new();
    let (good, bad) = (site.accept("", &["bob@hamburger.test"]), site.accept("", &["bob@hamburger.test"]));
    assert_eq!(site.run("check"), silent());
    let path = site.spool().join("new").join(&bad);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|text| text == b"Hello").unwrap();
    bytes[at] = b'J';
    std::fs::write(&path, bytes).unwrap();
    let check = site.run("check");
    assert_eq!((check.status, check.out), (65, format!("{}\tbody checksum does not match\tmove to corrupt/\n", path.display())));
    let pass = site.run("");
    assert!(pass.status == 74 && pass.err.starts_with(&format!("mailq-run: {bad}: damaged, put aside as ")), "{pass:?}");
    assert_eq!((site.server.taken().len(), site.list().len()), (1, 0), "{good} was delivered");
    assert_eq!(site.run(""), silent());
}

#[test]
fn a_bounce_by_hand_that_fails_says_why_and_nothing_of_others() {
    let site = Site::new();
    let [one, two] = [(); 2].map(|()| site.accept("alice@crepes.test", &["bob@hamburger.test"]));
    let path = site.spool().join("new").join(&one);
    let damaged = String::from_utf8(std::fs::read(&path).unwrap()).unwrap().replace("Hello.", "Jello.");
    std::fs::write(&path, damaged).unwrap();
    let aside = site.spool().join("corrupt").join(&one);
    let err = format!("mailq-run: {one}: damaged, put aside as {}\n", aside.display());
    assert_eq!(site.run(&format!("bounce {one} {two}")), Ran { status: 74, out: String::new(), err });
    assert_eq!(site.run(&format!("bounce {two}")), silent());
}

#[test]
fn a_report_that_was_cut_short_is_not_made_again_by_hand() {
    let site = Site::new();
    let id = site.accept("alice@hamburger.test", &["bob@hamburger.test", "carol@hamburger.test"]);
    let (spool, now) = (Spool::open(&site.spool()).unwrap(), jiff::Timestamp::now());
    let entry = spool.find(&id.parse().unwrap()).unwrap().unwrap();
    let Claim::Message(mut message) = spool.claim(&entry, now).unwrap() else { panic!() };
    message.set_marks(&[(0, Mark::Refused), (1, Mark::Refused)]).unwrap();
    let envelope = Envelope::new("<>".parse().unwrap(), ["alice@hamburger.test".parse().unwrap()]).unwrap();
    let child = QueueId::new(now.as_millisecond() as u64, 7);
    let mut draft = message.stage_child(&[0, 1], child.clone(), &envelope, &Arrival::default(), Sort::Dsn).unwrap();
    draft.write(HELLO).unwrap();
    drop(draft.commit().unwrap());
    message.set_marks(&[(0, Mark::Bounced)]).unwrap();
    assert!(message.stage_child(&[1], child, &envelope, &Arrival::default(), Sort::Dsn).is_err(), "it would tell of carol twice");
    drop(message);
    assert_eq!(site.run(&format!("bounce {id}")), silent());
    assert_eq!(site.run(""), silent());
    assert_eq!((site.server.taken().len(), site.list().len()), (1, 0), "one report of both");
}

#[test]
fn a_repair_tells_what_it_did_and_leaves_a_spool_that_is_well() {
    let site = Site::new();
    let (good, bad) = (site.accept("", &["bob@hamburger.test"]), site.accept("", &["bob@hamburger.test"]));
    let path = site.spool().join("new").join(&bad);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[130] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    std::fs::remove_dir(site.spool().join("failed")).unwrap();
    let run = |line: &str| {
        let ran = site.run(line);
        (ran.status, ran.out.replace(&format!("{}/", site.spool().display()), "").replace(&bad, "ID"), ran.err)
    };
    let nothing = String::new;
    let found = "failed\tmissing\tmake it\nnew/ID\theader checksum does not match\tmove to corrupt/\n".to_owned();
    assert_eq!(run("check"), (65, found.clone(), nothing()));
    assert_eq!(run("check"), (65, found, nothing()), "looking changes nothing");
    let json = "{\"path\":\"failed\",\"problem\":\"missing\",\"repair\":\"make it\"}\n\
                {\"path\":\"new/ID\",\"problem\":\"header checksum does not match\",\"repair\":\"move to corrupt/\"}\n";
    assert_eq!(run("check --json"), (65, json.to_owned(), nothing()));

    let listed = site.run("list");
    assert!(listed.status == 74 && listed.out.starts_with(&good) && listed.out.lines().count() == 1, "{listed:?}");
    assert!(listed.err.contains(&format!("{}: header checksum does not match", path.display())), "{listed:?}");
    assert_eq!(site.run("stats").status, 74);
    assert_eq!(site.run("retry --all"), silent());

    let aside = "corrupt\t1 put aside: read by nobody, removed by nobody\t-\n";
    let done = format!("failed\tmissing\tmade\nnew/ID\theader checksum does not match\tmoved to corrupt/ID\n{aside}");
    assert_eq!(run("check --repair"), (0, done, nothing()));
    assert_eq!(run("check --repair"), (0, aside.to_owned(), nothing()));
    let json = "{\"path\":\"corrupt\",\"problem\":\"1 put aside: read by nobody, removed by nobody\"}\n";
    assert_eq!(run("check --json"), (0, json.to_owned(), nothing()));
    assert_eq!(site.run(""), silent());
    assert_eq!(site.server.taken().len(), 1);
}

#[test]
fn called_as_mailq_it_lists_and_routes_and_counts() {
    let site = Site::new();
    let id = site.accept("", &["bob@hamburger.test"]);
    let mailq = site.dir.path().join("mailq");
    symlink(assert_cmd::cargo::cargo_bin("mailq-run"), &mailq).unwrap();
    let listed = ran(Command::new(&mailq)
        .env_clear()
        .env("POSTROAD_CONFIG", site.dir.path().join("config.toml"))
        .arg("--spool")
        .arg(site.spool()));
    assert!(
        listed.status == 0 && listed.out.starts_with(&format!("{id}\tdue\t")) && listed.out.contains("\t<>\tbob@"),
        "{listed:?}"
    );

    let route = site.run("route bob@hamburger.test x@else.test eve@crepes.test alice-test@crepes.test");
    let mail = site.dir.path().join("mail/alice-test").display().to_string();
    let want = format!(
        "bob@hamburger.test\tserver\tsmtp://{}\nx@else.test\tmx\telse.test\neve@crepes.test\trefuse\t5.1.1 no such user here\n\
         alice-test@crepes.test\tmaildir\t{mail}\n",
        site.address
    );
    assert_eq!(route.out, want);
    let stats = site.run("stats").out;
    assert!(stats.starts_with(&format!("due\t1\t{}\t20", HELLO.len())) && stats.ends_with("failed\t0\t0\t-\n"), "{stats}");
    let shown = site.run(&format!("show {id} --message"));
    assert_eq!(shown.out.as_bytes(), String::from_utf8_lossy(HELLO).replace("\r\n", "\n").as_bytes());
    assert!(site.run(&format!("show {id}")).out.contains("reverse-path\t<>\n"));
}

#[test]
fn verbose_shows_the_session() {
    let site = Site::new();
    site.accept("", &["bob@hamburger.test"]);
    let ran = ran(site.command().arg("-v"));
    assert_eq!((ran.status, &*ran.out), (0, ""));
    for line in [" -> MAIL FROM:<>", " <- 250 2.0.0 taken", "event=recipient"] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
}

#[test]
fn a_watch_delivers_what_comes_and_ends_on_a_signal() {
    let site = Site::new();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("mailq-run"));
    let log = format!("{}/log", site.dir.path().display());
    command.env_clear().env("POSTROAD_SPOOL", site.spool()).env("POSTROAD_CONFIG", site.dir.path().join("config.toml"));
    let mut child = command.args(["--watch", "--log", &log]).spawn().unwrap();
    site.accept("", &["bob@hamburger.test"]);
    wait_for(|| site.server.taken().len() == 1);
    site.accept("", &["alice-test@crepes.test"]);
    wait_for(|| site.mailbox().len() == 1);
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn wait_for(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Gives the spool and all in it to another user.
fn give(path: &Path, to: Uid) {
    chown(path, Some(to), None).unwrap();
    if path.is_dir() {
        for entry in path.read_dir().unwrap() {
            give(&entry.unwrap().path(), to);
        }
    }
}

#[test]
fn as_root_it_becomes_the_owner_of_the_spool_or_of_the_mail() {
    if !geteuid().is_root() {
        // Another user can become nobody: then there is nothing to see but that it works, which the other tests do.
        return;
    }
    let site = Site::new();
    site.accept("", &["alice-test@crepes.test"]);
    give(&site.spool(), Uid::from_raw(NOBODY));
    let ran = ran(site.command().args(["--log", "stderr"]));
    assert!(ran.status == 0 && ran.err.contains("outcome=accepted"), "{ran:?}");
    let mine = |path: &Path| path.metadata().unwrap().uid();
    assert_eq!(mine(&site.spool().join("state/slot.0")), NOBODY);
    assert_eq!(mine(&site.dir.path().join("mail/alice-test")), NOBODY);

    // What root left in it, which nobody can open, is no message of the spool's.
    let foreign = site.spool().join("new").join("000000000aaaaaaaaaaaaa");
    std::fs::write(&foreign, "x").unwrap();
    std::fs::set_permissions(&foreign, std::fs::Permissions::from_mode(0o600)).unwrap();
    let found = site.run("check");
    let line = format!("{}\tbelongs to another user\tmove to corrupt/\n", foreign.display());
    assert_eq!((found.status, found.out), (65, line));
    assert!(foreign.exists());
    let repaired = site.run("check --repair");
    assert!(
        repaired.status == 0 && !foreign.exists() && site.spool().join("corrupt/000000000aaaaaaaaaaaaa").exists(),
        "{repaired:?}"
    );

    // In a tree of root's own nobody else can have put a trap, and nobody else could write.
    let roots = Site::new();
    chown(&roots.dir.path().join("mail"), Some(Uid::from_raw(0)), None).unwrap();
    roots.accept("", &["alice-test@crepes.test"]);
    assert_eq!(roots.run(""), silent());
    assert_eq!((roots.mailbox().len(), mine(&roots.dir.path().join("mail/alice-test"))), (1, 0));
}
