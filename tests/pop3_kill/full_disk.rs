//! A full disk: what came before is delivered and deleted, what no longer fits stays on the server, and one line says so. The disk is a
//! tmpfs in a mount namespace of its own, in which this program runs again.

use crate::home::{Into, fetch};
use crate::process::{Ran, run_as_is};
use crate::server::Server;
use nix::unistd::geteuid;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the directory that the disk is mounted at.
const DISK: &str = "POSTROAD_TEST_DISK";

#[test]
fn a_full_disk_loses_nothing_and_is_told_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=4m postroad-test \"$1\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(if geteuid().is_root() { &["--mount"][..] } else { &["--mount", "--map-root-user"][..] });
    command.args(["sh", "-c", mount, "sh"]).arg(dir.path()).arg(std::env::current_exe().unwrap());
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
    for into in [Into::Maildir, Into::Mbox, Into::Spool] {
        the_disk_fills(&disk, into);
    }
    for journal in [Into::Maildir, Into::Mbox] {
        the_journal_has_no_room(&disk, journal);
    }
    a_command_has_no_room_to_wait_in(&disk);
}

fn texts() -> Vec<Vec<u8>> {
    let line = "a line of the message that is much like any other\r\n".repeat(300);
    (0..600).map(|index| format!("Subject: {index}\r\n\r\n{line}").into_bytes()).collect()
}

/// Where it goes, on the disk; arguments.
fn target(into: Into, disk: &Path) -> (PathBuf, Vec<&'static str>) {
    match into {
        Into::Maildir => (disk.join("mail"), vec!["--create", "--maildir"]),
        Into::Mbox => (disk.join("mbox"), vec!["--mbox"]),
        Into::Spool => (disk.join("spool"), vec!["--create", "--recipient", "bob@hamburger.test", "--spool"]),
        Into::Lmtp => panic!("the disk is its server's"),
        Into::Command => (disk.join("nowhere"), vec!["--exec"]),
    }
}

/// Indices of the messages that are there whole, each once.
fn there(path: &Path, into: Into) -> Vec<usize> {
    let text = match into {
        Into::Mbox => fs::read_to_string(path).unwrap_or_default(),
        _ => {
            let files = fs::read_dir(path.join("new")).unwrap().map(|entry| entry.unwrap().path());
            files.map(|path| fs::read_to_string(path).unwrap()).collect()
        }
    };
    let parts: Vec<&str> = text.split("Subject: ").skip(1).collect();
    let lines = |part: &str| part.matches("a line of the message that is much like any other").count();
    assert!(parts.iter().all(|part| lines(part) == 300), "half a message is there");
    let index = |part: &&str| part.split(['\r', '\n']).next().unwrap().parse::<usize>().unwrap();
    let mut indices: Vec<usize> = parts.iter().map(index).collect();
    indices.sort_unstable();
    indices
}

/// Lines that say what is wrong; before them stands the last exchange.
fn told(ran: &Ran) -> usize {
    ran.err.lines().filter(|line| line.starts_with("pop3-fetch: ")).count()
}

/// A home beside the small disk.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("password"), "secret\n").unwrap();
    fs::set_permissions(home.path().join("password"), fs::Permissions::from_mode(0o600)).unwrap();
    home
}

/// 9 MiB do not fit into 4.
fn the_disk_fills(disk: &Path, into: Into) {
    let (home, server, all) = (home(), Server::start(texts()), texts().len());
    let (path, words) = target(into, disk);
    let run = || {
        let mut command = fetch(home.path(), &server, &home.path().join("password"));
        run_as_is(command.arg("--delete").arg("--state").arg(home.path().join("journal")).args(&words).arg(&path))
    };
    let ran = run();
    assert_eq!((ran.status, told(&ran)), (74, 1), "{into:?}: {}", ran.err);
    assert!(ran.err.contains("No space left on device"), "{}", ran.err);
    let (left, found) = (server.left(), there(&path, into));
    assert!(!left.is_empty() && left.len() + found.len() == all, "{into:?}: {} left, {} here", left.len(), found.len());
    assert!(left.iter().all(|index| !found.contains(index)), "{into:?}: deleted is what is here, and nothing else");
    // Nothing gets better by trying again, nor worse.
    assert_eq!(run().status, 74, "{into:?}");
    assert_eq!(there(&path, into).len() + server.left().len(), all, "{into:?}");
    if into != Into::Mbox {
        remove(&path);
        assert!(fs::read_dir(disk).unwrap().next().is_none(), "{into:?}");
        return;
    }
    fs::remove_file(&path).unwrap();
}

fn remove(path: &Path) {
    fs::remove_dir_all(path).unwrap();
}

/// What it cannot announce it does not deliver.
fn the_journal_has_no_room(disk: &Path, into: Into) {
    let (home, server, all) = (home(), Server::start(texts()), texts().len());
    let (path, words) = target(into, home.path());
    let journal = disk.join("journal");
    let run = || {
        let mut command = fetch(home.path(), &server, &home.path().join("password"));
        run_as_is(command.arg("--delete").arg("--state").arg(&journal).args(&words).arg(&path))
    };
    let filler = disk.join("filler");
    let _ = std::io::copy(&mut std::io::repeat(0), &mut fs::File::create(&filler).unwrap());
    let ran = run();
    assert_eq!((ran.status, told(&ran)), (74, 1), "{into:?}: {}", ran.err);
    assert_eq!((server.left().len(), path.exists()), (all, false), "{into:?}");
    // Room for its header, and for no more than one page of records.
    let file = fs::File::options().write(true).open(&filler).unwrap();
    file.set_len(file.metadata().unwrap().len() - 2 * 4096).unwrap();
    drop(file);
    let ran = run();
    assert_eq!((ran.status, told(&ran)), (74, 1), "{into:?}: {}", ran.err);
    fs::remove_file(&filler).unwrap();
    let ran = run();
    assert_eq!((ran.status, &*ran.err), (0, ""), "{into:?}: there is room again");
    assert_eq!((server.left().len(), there(&path, into)), (0, (0..all).collect()), "{into:?}: each once");
    fs::remove_file(&journal).unwrap();
}

/// The temporary file that a message waits in until it is whole.
fn a_command_has_no_room_to_wait_in(disk: &Path) {
    let (home, large) = (home(), "x".repeat(70) + "\r\n");
    let server = Server::start(vec![b"Subject: small\r\n\r\n".to_vec(), large.repeat(100_000).into_bytes()]);
    let mut command = fetch(home.path(), &server, &home.path().join("password"));
    command.args(["--delete", "--exec", "/bin/sh -c 'cat >/dev/null'"]).env("TMPDIR", disk).env("PATH", "/usr/bin:/bin");
    let ran = run_as_is(&mut command);
    assert_eq!((ran.status, told(&ran), server.left()), (74, 1, vec![1]), "{}", ran.err);
}
