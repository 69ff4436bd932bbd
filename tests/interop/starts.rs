//! The ways that smtp-listen is started: by inetd, by systemd for each client or for all, and by itself.

use super::letters::{assert_same, letters};
use super::peers::{Running, free_port, listen, program, run, wait_for};
use super::postfix::source;
use super::relaying::smtp_send;
use crate::support::stored::{in_spool, without};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LISTEN: &str = env!("CARGO_BIN_EXE_smtp-listen");

/// The arguments of every start. Neither inetd nor systemd passes our environment on, so the config is named.
fn arguments(dir: &Path) -> Vec<String> {
    let config = dir.join("listen.toml");
    std::fs::write(&config, "hostname = \"mx.test\"\nrelay-domains = [\"hamburger.test\"]\n").unwrap();
    ["--config".into(), config.display().to_string(), "--spool".into(), spool(dir).display().to_string()].into()
}

fn spool(dir: &Path) -> PathBuf {
    dir.join("spool")
}

/// Sends every letter to the server, each over a connection of its own, and compares what is in the spool.
fn takes_all_letters(address: SocketAddr, dir: &Path) {
    for letter in letters() {
        run(smtp_send(&letter).args(["-s", &address.to_string()]));
    }
    let stored = in_spool(&spool(dir));
    assert_same(stored.iter().map(|message| without("Received", message).to_vec()).collect(), letters());
}

fn wait_for_port(address: SocketAddr) {
    wait_for("a listener", Duration::from_secs(20), || TcpStream::connect(address).is_ok());
}

#[test]
fn under_inetd() {
    let (dir, address) = (tempfile::tempdir().unwrap(), free_port());
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let line = format!("{address} stream tcp nowait {user} {LISTEN} smtp-listen --inetd {}\n", arguments(dir.path()).join(" "));
    let conf = dir.path().join("inetd.conf");
    std::fs::write(&conf, line).unwrap();
    let inetd = Running::start(program("/usr/sbin/inetd", "openbsd-inetd").arg("-i").arg(conf), dir.path());
    wait_for_port(address);
    takes_all_letters(address, dir.path());
    assert_eq!(inetd.said(), "");
}

/// systemd-socket-activate with this option, or none.
fn under_systemd(option: Option<&str>) {
    let (dir, address) = (tempfile::tempdir().unwrap(), free_port());
    let mut systemd = program("/usr/bin/systemd-socket-activate", "systemd");
    systemd.args(["-l", &address.to_string()]).args(option).arg(LISTEN).args(arguments(dir.path()));
    let running = Running::start(&mut systemd, dir.path());
    wait_for("systemd-socket-activate", Duration::from_secs(20), || running.said().contains("Listening on"));
    takes_all_letters(address, dir.path());
    // A session is logged when it is over, which its client does not wait for.
    let sessions = letters().len();
    let logged = || running.said().matches("event=session").count();
    wait_for("the log of all sessions", Duration::from_secs(20), || logged() == sessions);
    let processes = running.said().matches("Execing ").count();
    assert_eq!(processes, if option.is_some() { sessions } else { 1 }, "{}", running.said());
    if option.is_none() {
        assert_eq!(running.stop().code(), Some(0), "the listener became what was started, and ends in order");
    }
}

#[test]
fn under_systemd_for_each_client() {
    under_systemd(Some("--accept"));
}

#[test]
fn under_systemd_for_all_clients() {
    under_systemd(None);
}

/// The units as they are installed, with the binaries where `make install` would put them.
fn units(dir: &Path) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd");
    let bin = Path::new(LISTEN).parent().unwrap().display().to_string();
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_unit = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "service" || kind == "socket" || kind == "timer");
    let installed = paths.filter(is_unit).map(|path| {
        let text = std::fs::read_to_string(&path).unwrap().replace("@BINDIR@", &bin);
        assert!(!text.contains('@') || path.to_string_lossy().contains('@'), "{}: {text}", path.display());
        let installed = dir.join(path.file_name().unwrap());
        std::fs::write(&installed, text).unwrap();
        installed
    });
    installed.collect()
}

#[test]
fn systemd_finds_nothing_to_complain_of_in_the_units() {
    let dir = tempfile::tempdir().unwrap();
    let units = units(dir.path());
    assert!(units.len() >= 8, "{units:?}");
    let mut verify = program("/usr/bin/systemd-analyze", "systemd");
    // Pages that are not installed yet are no fault of a unit.
    verify.args(["verify", "--man=no"]).args(&units).env("SYSTEMD_UNIT_PATH", format!("{}:", dir.path().display()));
    let output = verify.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> =
        said.lines().filter(|line| line.contains(&*dir.path().to_string_lossy()) || line.contains("postroad")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

/// postroad-submit.socket with its service's command line, as systemd starts it for each client.
#[test]
fn users_submit_by_the_socket_of_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let service = units(dir.path()).into_iter().find(|unit| unit.ends_with("postroad-submit@.service")).unwrap();
    let service = std::fs::read_to_string(service).unwrap();
    let command = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(service.contains("\nStandardInput=socket\nStandardOutput=socket\n"), "{service}");
    let socket = dir.path().join("submit");
    let mut systemd = program("/usr/bin/systemd-socket-activate", "systemd");
    systemd.arg("-l").arg(&socket).args(["--accept", "--inetd"]).args(command.split(' ')).args(arguments(dir.path()));
    let running = Running::start(&mut systemd, dir.path());
    wait_for("systemd-socket-activate", Duration::from_secs(20), || running.said().contains("Listening on"));
    let me = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
    let mut sendmail = crate::support::process::tool("smtp-send");
    sendmail.args(["--sendmail", "-i", "-f", &format!("{me}@mx.test"), "bob@else.test"]).env("POSTROAD_SUBMIT", &socket);
    let ran = crate::support::process::run(&mut sendmail, b"Subject: x\n\nhi\n");
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", running.said());
    let stored = in_spool(&spool(dir.path()));
    assert_eq!(stored.len(), 1);
    assert!(String::from_utf8_lossy(&stored[0]).contains("\r\nSubject: x\r\n"), "{stored:?}");
}

#[test]
fn by_itself_with_many_clients_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let listening = listen(&arguments(dir.path()), dir.path());
    run(&mut source(200, 20, listening.address));
    assert_eq!(listening.stop().status.code(), Some(0));
    let stored = in_spool(&spool(dir.path()));
    assert_eq!(stored.len(), 200);
    assert_eq!(ids(&stored).len(), 200, "each once");
}

/// The different Message-Ids of smtp-source's messages.
pub fn ids(messages: &[Vec<u8>]) -> BTreeSet<String> {
    let id = |message: &Vec<u8>| {
        let text = String::from_utf8(message.clone()).unwrap();
        text.lines().find_map(|line| line.strip_prefix("Message-Id: ").map(str::to_owned)).expect("a Message-Id")
    };
    messages.iter().map(id).collect()
}
