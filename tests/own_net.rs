//! smtp-send in a network of its own: a host without a full name, a DNS that names MX hosts, port 25, a system log; pop3-fetch where the DNS is
//! silent. This program runs again in namespaces of its own.

mod support;

use nix::unistd::geteuid;
use serde_json::Value;
use std::io::Read;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use support::dns::Dns;
use support::process::{Listener, PATIENCE, Process, Ran, heeding, run, tool};

/// Names a directory for the network's files.
const PLACE: &str = "POSTROAD_TEST_NET";

/// A network with a loopback alone, a host called `shorty`, a DNS at the usual place, a /dev with nothing but what every program needs.
const NET: &str = r#"
ip link set lo up && hostname shorty &&
echo nameserver 127.0.0.1 > "$1/resolv.conf" && mount --bind "$1/resolv.conf" /etc/resolv.conf &&
mkdir "$1/dev" && mount --rbind /dev "$1/dev" && mount -t tmpfs postroad-test /dev &&
for name in null zero random urandom; do touch "/dev/$name" && mount --bind "$1/dev/$name" "/dev/$name" || exit; done &&
ln -s /proc/self/fd /dev/fd && shift && exec "$@""#;

const ZONE: &str = "
crepes.test MX 10 mx.crepes.test
null.test MX 0 .
mx.crepes.test A 127.0.0.1
hamburger.test MX 10 mx.hamburger.test
mx.hamburger.test A 127.0.0.2
silent.test ANY SILENT
";

#[test]
fn mail_goes_by_mx_from_a_host_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--uts"]).args((!geteuid().is_root()).then_some("--map-root-user"));
    command.args(["sh", "-c", NET, "sh"]).arg(dir.path()).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "in_the_network", "--nocapture"]).env(PLACE, dir.path());
    let output = command.output().expect("unshare(1) of util-linux");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("running 1 test"), "no network of one's own, which takes root or user namespaces, and ip(8):\n{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Not a test of its own: what goes on within the network.
#[test]
fn in_the_network() {
    let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let dns = Dns::serve_at("127.0.0.1:53".parse().unwrap(), ZONE);
    let log = place.join("listen.log");
    let ports = ["--listen", "127.0.0.1:25", "--listen", "127.0.0.2:25", "--hostname", "mx.test", "--discard"];
    let _listener = Listener::start(&ports, &log);
    a_host_without_a_full_name_gives_an_address();
    destinations_share_sessions_a_window_at_a_time(&log);
    a_domain_s_hosts_are_looked_at();
    the_system_log_gets_a_line_in_msmtp_s_keys();
    a_signal_ends_waits_for_names(&place, &dns);
    a_lookup_that_nobody_answers_is_broken_off(&place);
}

/// The last here: the system's resolver asks a DNS from now on that is silent.
fn a_lookup_that_nobody_answers_is_broken_off(place: &Path) {
    let silent = UdpSocket::bind("127.0.0.3:53").unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    std::fs::write(place.join("resolv.conf"), "nameserver 127.0.0.3\noptions timeout:30 attempts:5\n").unwrap();
    let secret = place.join("password");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let mut process =
        Process::start(tool("pop3-fetch").args(["pop3s://bob@mail.test", "--list", "--password-file"]).arg(&secret));
    let mut stderr = process.stderr();
    silent.recv(&mut [0; 512]).expect("a question");
    let began = Instant::now();
    process.terminate();
    assert_eq!(process.wait().status.code(), Some(75));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(said, "pop3-fetch: mail.test: cannot find the address of mail.test: broken off by a signal\n");
}

fn send(words: &[&str], stdin: &[u8]) -> Ran {
    run(tool("smtp-send").args(["--config", "/dev/null", "-f", "a@x.test"]).args(words), stdin)
}

/// RFC 5321 section 4.1.4.
fn a_host_without_a_full_name_gives_an_address() {
    let greeted_from = |options: &[&str]| {
        let ran = send(&[&["--mx", "-v", "bob@crepes.test"], options].concat(), b"Subject: x\n\nhi\n");
        assert_eq!(ran.status, 0, "{ran:?}");
        assert!(ran.err.contains("=== connected to mx.crepes.test (127.0.0.1:25)\n"), "{}", ran.err);
        ran.err.lines().find_map(|line| line.strip_prefix(" -> EHLO ")).unwrap().to_owned()
    };
    let greeted = || greeted_from(&[]);
    assert_eq!(greeted(), "[127.0.0.1]");
    assert_eq!(greeted_from(&["--source", "127.0.0.5"]), "[127.0.0.5]", "that of the connection");
    assert_eq!(greeted_from(&["--source", "127.0.0.5", "--ehlo", "[127.0.0.1]"]), "[127.0.0.1]", "what was asked for");
    assert!(Command::new("hostname").arg("host.crepes.test").status().unwrap().success());
    assert_eq!(greeted(), "host.crepes.test");
    assert!(Command::new("hostname").arg("shorty").status().unwrap().success());
}

/// 250 letters, every other one elsewhere: of 200 in the first window each destination gets its half over one session, then the rest.
fn destinations_share_sessions_a_window_at_a_time(log: &Path) {
    const LETTERS: usize = 250;
    let domain = |n: usize| if n.is_multiple_of(2) { "crepes.test" } else { "hamburger.test" };
    let letter = |n| format!("From x\nTo: u{n}@{}\nSubject: {n}\n\nhi\n\n", domain(n));
    let mbox: String = (0..LETTERS).map(letter).collect();
    let sessions = || std::fs::read_to_string(log).unwrap().matches("event=session").count();
    let before = sessions();
    let ran = send(&["--mx", "--batch", "-t", "--json"], mbox.as_bytes());
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    let rows: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row["recipient"], format!("u{n}@{}", domain(n)), "in the order of the mbox");
        assert_eq!((&row["outcome"], &row["host"]), (&"accepted".into(), &format!("mx.{}", domain(n)).into()));
    }
    assert_eq!(rows.len(), LETTERS);
    // A session is logged when it is over, which its client does not wait for.
    let began = Instant::now();
    while sessions() < before + 4 && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(sessions() - before, 4, "two windows, two destinations");
}

fn a_domain_s_hosts_are_looked_at() {
    let look = |words: &[&str]| {
        let ran = send(&[words, &["--serverinfo", "--json"]].concat(), b"");
        assert_eq!(ran.status, 0, "{words:?}: {ran:?}");
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let of = |told: &Value| (told["host"].clone(), told["address"].clone(), told["banner"].clone());
    let banner = Value::from("220 mx.test ESMTP Postroad");
    let crepes = ("mx.crepes.test".into(), "127.0.0.1:25".into(), banner.clone());
    let hamburger = ("mx.hamburger.test".into(), "127.0.0.2:25".into(), banner);
    let one = look(&["-s", "mx:crepes.test"]);
    assert_eq!((one.len(), of(&one[0])), (1, crepes.clone()));
    let both = look(&["--mx", "x@crepes.test", "y@hamburger.test"]);
    assert_eq!(both.iter().map(of).collect::<Vec<_>>(), [crepes, hamburger]);
    let nowhere = send(&["-s", "mx:nowhere.test", "--serverinfo"], b"");
    assert_eq!(nowhere.status, 68, "{nowhere:?}");
    let null = send(&["-s", "mx:null.test", "--serverinfo"], b"");
    assert_eq!(null.status, 69, "{null:?}");
    let dry = |recipients: &[&str]| send(&[&["--mx", "--dry-run"], recipients].concat(), b"Subject: x\n\nhi\n").status;
    assert_eq!([dry(&["x@crepes.test", "x@null.test"]), dry(&["x@null.test"]), dry(&["x@crepes.test"])], [1, 69, 0]);
}

fn the_system_log_gets_a_line_in_msmtp_s_keys() {
    let socket = UnixDatagram::bind("/dev/log").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let ran = send(&["--mx", "--log", "syslog", "bob@crepes.test", "eve@nowhere.test"], b"Subject: x\n\nhi\n");
    assert_eq!(ran.status, 1, "{ran:?}");
    let mut line = [0; 4096];
    let length = socket.recv(&mut line).unwrap();
    let line = String::from_utf8_lossy(&line[..length]).into_owned();
    assert!(line.starts_with("<22>") && line.contains(" smtp-send["), "{line}");
    let told = "tls=off auth=off from=a@x.test recipients=bob@crepes.test,eve@nowhere.test mailsize=";
    assert!(line.contains(told) && line.contains(" errormsg='") && line.contains(" exitcode=1"), "{line}");
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 16]).is_err(), "one line a message");
}

/// Those of the system's resolver, which has the addresses of named servers, and those of MX lookups. No attempt is counted.
fn a_signal_ends_waits_for_names(place: &Path, dns: &Dns) {
    let config = place.join("config.toml");
    let named = "[[route]]\nmatch = \"named.test\"\nto = \"smtp://silent.test:25\"\n";
    std::fs::write(&config, format!("hostname = \"mx.crepes.test\"\n{named}")).unwrap();
    for (recipient, question) in [("bob@named.test", "A silent.test udp"), ("bob@silent.test", "MX silent.test udp")] {
        let spool = place.join(recipient).display().to_string();
        let queued = run(tool("smtp-send").args(["--config", "/dev/null", "--enqueue", "--spool", &spool, recipient]), b"hi\n");
        assert_eq!(queued.status, 0, "{queued:?}");
        let mailq = |name: &str| {
            let mut command = if name == "list" { tool("mailq-run") } else { heeding("mailq-run") };
            command.args(["--config", config.to_str().unwrap(), "--spool", &spool, "--log", "none"]);
            command
        };
        let mut process = Process::start(&mut mailq("pass"));
        let began = Instant::now();
        while !dns.asked().iter().any(|asked| asked == question) {
            assert!(began.elapsed() < Duration::from_secs(20), "{question}: {:?}", dns.asked());
            std::thread::sleep(Duration::from_millis(10));
        }
        process.terminate();
        assert_eq!(process.wait().status.code(), Some(0));
        let listed = run(mailq("list").arg("list"), b"").out;
        let row: Vec<&str> = listed.trim_end().split('\t').collect();
        assert_eq!((row[1], row[6], row[7], row[8]), ("due", recipient, "pending", "0"), "{listed}");
    }
}
