//! A full disk: 452, nothing of the refused message stays, and what is queued can still be delivered and its outcomes noted. The disk is
//! a tmpfs in a mount namespace of its own, in which this program runs again.

use crate::process::{Listener, run, tool};
use crate::site::Site;
use crate::talk::Talk;
use nix::unistd::geteuid;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the directory that the disk is mounted at.
const DISK: &str = "POSTROAD_TEST_DISK";
const SIZE_MIB: u64 = 16;
const PAGE: u64 = 4096;

#[test]
fn a_full_disk_is_told_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size={SIZE_MIB}m postroad-test \"$1\" && shift && exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(if geteuid().is_root() { &["--mount"][..] } else { &["--mount", "--map-root-user"][..] });
    command.args(["sh", "-c", &mount, "sh"]).arg(dir.path()).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "full_disk::on_the_small_disk", "--nocapture"]).env(DISK, dir.path());
    let output = command.output().expect("unshare(1) of util-linux");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("running 1 test"), "no tmpfs, which takes root or user namespaces:\n{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Not a test of its own: what goes on within the namespace.
#[test]
fn on_the_small_disk() {
    let Some(disk) = std::env::var_os(DISK).map(PathBuf::from) else { return };
    let dir = tempfile::tempdir().unwrap();
    let remote = dir.path().join("remote");
    let log = dir.path().join("downstream.log");
    let sink = ["--hostname", "mx.hamburger.test", "--config", "/dev/null", "--domain", "hamburger.test", "--maildir"];
    let downstream = Listener::start(&[&sink[..], &[remote.to_str().unwrap()]].concat(), &log);
    let site = Site::with_spool(dir.path(), &disk.join("spool"), &downstream);
    let upstream = site.listener(&[]);

    queue(&upstream, &site);
    let (before, free) = (snapshot(&site.spool), room(&disk));
    refused_in_mid_data(&upstream);
    refused_at_mail(&upstream, &format!(" SIZE={}", (SIZE_MIB - 1) * 1024 * 1024));
    refused_to_smtp_send(&upstream);
    assert_eq!((snapshot(&site.spool), room(&disk)), (before.clone(), free), "nothing of what was refused stays");

    let filler = fill(&disk);
    refused_at_mail(&upstream, "");
    not_enqueued(&site.spool, &disk);
    assert_eq!(snapshot(&site.spool), before, "the queue is intact");
    assert_eq!(run(&mut site.mailq(&["check"]), b"").status, 0);
    outcomes_are_noted(&site, &remote, &log);

    std::fs::remove_file(filler).unwrap();
    assert_eq!(site.pass_all().status, 0);
    let reports = stored(&remote).iter().filter(|message| message.starts_with("Return-Path: <>")).count();
    assert_eq!(reports, 1, "the report of what was refused on the full disk");
    assert_eq!(refusals(&log), 1, "it was not tried again");
    assert!(submit(&upstream, &["<bob@hamburger.test>"], 100).starts_with("250"), "there is room again");
}

/// Messages for bob, who is there, and carol, whose host is down; one for somebody whom the server refuses. Their files end shortly before
/// the end of a page, so that a record of some length does not fit any more once the disk is full.
fn queue(upstream: &Listener, site: &Site) {
    let recipients = ["<bob@hamburger.test>", "<carol@down.test>"];
    assert!(submit(upstream, &recipients, 10).starts_with("250"));
    let length = snapshot(&site.spool).values().next().unwrap().len() as u64;
    let padding = (PAGE - 8 - length % PAGE) as usize;
    for _ in 0..3 {
        assert!(submit(upstream, &recipients, 10 + padding).starts_with("250"));
    }
    assert!(submit(upstream, &["<eve@refused.test>"], 10).starts_with("250"));
}

/// The reply to a message with so many octets in its body.
fn submit(upstream: &Listener, recipients: &[&str], octets: usize) -> String {
    let mut talk = Talk::open(upstream.address).unwrap();
    talk.ask_all(&["EHLO client.test", "MAIL FROM:<alice@hamburger.test>"]).unwrap();
    for recipient in recipients {
        assert!(talk.ask(&format!("RCPT TO:{recipient}")).unwrap().starts_with("250"), "{recipient}");
    }
    assert!(talk.ask("DATA").unwrap().starts_with("354"));
    talk.send(format!("Subject: x\r\n\r\n{}", "x".repeat(octets)).as_bytes()).unwrap();
    talk.ask("\r\n.").unwrap()
}

/// It had room when it began.
fn refused_in_mid_data(upstream: &Listener) {
    let mut talk = Talk::open(upstream.address).unwrap();
    let head = ["EHLO client.test", "MAIL FROM:<alice@hamburger.test>", "RCPT TO:<bob@hamburger.test>", "DATA"];
    assert!(talk.ask_all(&head).unwrap()[3].starts_with("354"));
    let line = "a line that is much like any other of this message, but there are many\r\n".repeat(1024);
    for _ in 0..SIZE_MIB * 1024 * 1024 / line.len() as u64 + 1 {
        talk.send(line.as_bytes()).unwrap();
    }
    let reply = talk.ask(".").unwrap();
    assert!(reply.starts_with("452 4.3.1"), "{reply}");
    assert!(talk.ask("NOOP").unwrap().starts_with("250"), "the session goes on");
}

fn refused_at_mail(upstream: &Listener, parameter: &str) {
    let mut talk = Talk::open(upstream.address).unwrap();
    talk.ask("EHLO client.test").unwrap();
    let reply = talk.ask(&format!("MAIL FROM:<alice@hamburger.test>{parameter}")).unwrap();
    assert!(reply.starts_with("452 4.3.1"), "{parameter}: {reply}");
}

/// Which says so, and that a retry may help.
fn refused_to_smtp_send(upstream: &Listener) {
    let mut command = tool("smtp-send");
    command.args(["-s", &upstream.url(), "--tls", "never", "-f", "alice@hamburger.test", "bob@hamburger.test"]);
    let ran = run(&mut command, format!("Subject: large\n\n{}", "large\n".repeat(3_000_000)).as_bytes());
    assert_eq!(ran.status, 75, "{ran:?}");
    assert!(ran.out.starts_with("deferred\tbob@hamburger.test\t452\t4.3.1\t"), "{ran:?}");
}

/// Each recipient hears of it, also of the other messages. What is small needs no temporary file.
fn not_enqueued(spool: &Path, disk: &Path) {
    let spool = spool.display().to_string();
    let mbox = b"From x\nSubject: 1\n\nhi\n\nFrom x\nSubject: 2\n\nhi\n";
    for (words, stdin, letters) in [(&[][..], &b"Subject: x\n\nhi\n"[..], 1), (&["--batch"], mbox, 2)] {
        let mut command = tool("smtp-send");
        command
            .args(["--config", "/dev/null", "--enqueue", "--spool", &spool, "-f", "a@a.test", "b@b.test", "c@c.test"])
            .args(words);
        let ran = run(command.env("TMPDIR", disk), stdin);
        let rows: Vec<Vec<&str>> = ran.out.lines().map(|row| row.split('\t').collect()).collect();
        assert_eq!((ran.status, rows.len(), ran.err.lines().count()), (74, 2 * letters, 1), "{ran:?}");
        for (row, address) in rows.iter().zip(["b@b.test", "c@c.test"].iter().cycle()) {
            assert_eq!(row[..4], ["deferred", address, "-", "4.3.1"], "{ran:?}");
            assert!(row[4].contains("No space left on device"), "{ran:?}");
        }
    }
}

/// With no byte left: who has the message, who has not, and who never will.
fn outcomes_are_noted(site: &Site, remote: &Path, log: &Path) {
    for passes in 1..=2 {
        let pass = if passes == 1 { site.pass() } else { site.pass_all() };
        assert!(pass.err.lines().all(|line| line.contains("No space left on device")), "{pass:?}");
        assert_eq!(stored(remote).len(), 4, "each once, after {passes} passes");
        let list = site.list();
        let rows: Vec<Vec<&str>> = list.lines().map(|row| row.split('\t').collect()).collect();
        let of = |address: &str| rows.iter().filter(|row| row[6] == address).map(|row| row[7]).collect::<Vec<_>>();
        assert_eq!(of("bob@hamburger.test"), ["accepted"; 4], "{list}");
        assert_eq!(of("eve@refused.test"), ["refused"], "{list}");
        assert_eq!(of("carol@down.test").len(), 4, "{list}");
        assert_eq!(refusals(log), 1);
    }
}

/// How often the server refused eve.
fn refusals(log: &Path) -> usize {
    let log = std::fs::read_to_string(log).unwrap();
    log.lines().filter(|line| line.contains("recipient=eve@refused.test") && line.contains("outcome=refused")).count()
}

/// The messages that wait for their first try, byte by byte.
fn snapshot(spool: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(spool.join("new")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

fn stored(maildir: &Path) -> Vec<String> {
    let files = std::fs::read_dir(maildir.join("new")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Blocks that are free.
fn room(disk: &Path) -> u64 {
    nix::sys::statvfs::statvfs(disk).unwrap().blocks_available() as u64
}

/// Takes every byte that is left.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).unwrap();
    for piece in [64 * 1024, 1024, 1] {
        while file.write_all(&vec![b'x'; piece]).is_ok() {}
    }
    path
}
