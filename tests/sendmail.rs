//! smtp-send under the name of sendmail: the switches of programs, what becomes of their messages, and the statuses they see.

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::process::{Listener, Ran, run, tool};

/// A host with sendmail and an account that leads to a server of ours.
struct Site {
    dir: tempfile::TempDir,
    _listener: Option<Listener>,
}

impl Site {
    /// `sendmail`: what stands under `[sendmail]` in the config.
    fn new(sendmail: &str, listen: &[&str]) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let got = dir.path().join("got");
        let arguments = [&["--maildir", got.to_str().unwrap()], listen].concat();
        let listener = Listener::start(&arguments, &dir.path().join("listen.log"));
        let config = format!(
            "hostname = \"host.test\"\nspool = \"spool\"\n[sendmail]\n{sendmail}\n[account.work]\nserver = \"{}\"\ntls = \"never\"\n",
            listener.url()
        );
        fs::write(dir.path().join("config.toml"), config).unwrap();
        std::os::unix::fs::symlink(tool("smtp-send").get_program(), dir.path().join("sendmail")).unwrap();
        Site { dir, _listener: Some(listener) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = tool("smtp-send");
        let mut sendmail = Command::new(self.path("sendmail"));
        sendmail.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        sendmail.env("POSTROAD_CONFIG", self.path("config.toml")).args(words.split(' ').filter(|word| !word.is_empty()));
        std::mem::swap(&mut command, &mut sendmail);
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command
    }

    fn sendmail(&self, words: &str, message: &str) -> Ran {
        run(&mut self.command(words), message.as_bytes())
    }

    /// What came to the server, without the trace.
    fn got(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("got/new")) else { return Vec::new() };
        let mut got: Vec<String> = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        got.sort();
        got
    }
}

fn quiet(ran: &Ran) -> bool {
    (ran.status, ran.out.as_str(), ran.err.as_str()) == (0, "", "")
}

const WORK: &str = "account = \"work\"";

#[test]
fn cron_s_mail_goes_to_the_account_silently_and_complete() {
    let site = Site::new(WORK, &[]);
    let ran = site.sendmail(
        "-FCronDaemon -i -odi -oem -oi root",
        "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> x\n\nout\n.\nput\n",
    );
    assert!(quiet(&ran), "{ran:?}");
    let got = site.got().remove(0);
    assert!(got.contains("Delivered-To: root@host.test\n"), "a name without a domain is of this host: {got}");
    assert!(got.ends_with("\n\nout\n.\nput\n"), "{got}");
    assert_eq!(got.matches("\nFrom: ").count(), 1, "{got}");
    assert!(got.contains("\nDate: ") && got.contains("\nMessage-ID: <") && got.contains("@host.test>\n"), "{got}");
}

#[test]
fn what_is_typed_ends_at_a_dot_and_has_no_header() {
    let site = Site::new(WORK, &[]);
    assert!(quiet(&site.sendmail("-f alice -F Al(ice) bob@y.test,carol", "disk full\n\n..\n.\nmore\n")));
    let got = site.got().remove(0);
    assert!(got.starts_with("Return-Path: <alice@host.test>\n"), "{got}");
    assert!(got.contains("\nFrom: \"Al(ice)\" <alice@host.test>\n"), "{got}");
    assert!(got.ends_with("\n\ndisk full\n\n..\n"), "{got}");
}

#[test]
fn recipients_come_from_the_header_and_bcc_goes() {
    let site = Site::new(WORK, &[]);
    let ran = site.sendmail("-t -oi -- dave@y.test", "To: bob@y.test, root\nBcc: carol@y.test\nFrom: a@x.test\n\nhi\n");
    assert!(quiet(&ran), "{ran:?}");
    let got = site.got().remove(0);
    assert!(got.starts_with("Return-Path: <a@x.test>\n") && !got.contains("carol"), "{got}");
    let none = site.sendmail("-t", "Subject: x\n\nhi\n");
    assert_eq!(
        (none.status, none.err.as_str()),
        (64, "sendmail: no recipient: name them, or take those of the message with -t\n")
    );
    let bad = site.sendmail("-t", "To: Bob Smith\n\nhi\n");
    assert_eq!((bad.status, bad.err.as_str()), (65, "sendmail: Bob Smith: bad local part\n"));
}

#[test]
fn a_failure_is_one_line_and_a_status_that_callers_know() {
    let site = Site::new(WORK, &["--domain", "y.test"]);
    let refused = site.sendmail("bob@else.test eve@else.test", "hi\n");
    assert_eq!(refused.status, 69, "{refused:?}");
    assert_eq!(refused.err, "sendmail: bob@else.test: 550 5.7.1 Relaying denied: not a domain of ours (and 1 more)\n");
    assert_eq!(refused.out, "");
    assert_eq!(site.sendmail("-i bob@y.test", "a\rb\n").status, 65);
    let unknown = site.sendmail("-Z bob@y.test", "");
    assert_eq!((unknown.status, unknown.err.as_str()), (64, "sendmail: unknown switch -Z\n"));
    let mut socket = site.command("bob@y.test");
    let missing = run(socket.env("POSTROAD_SUBMIT", "/nonexistent/submit"), b"hi\n");
    assert_eq!(missing.status, 75, "{missing:?}");
    assert_eq!(missing.err, "sendmail: bob@y.test: 4.4.1 cannot connect to /nonexistent/submit: No such file or directory\n");
    let other = site.sendmail("-a play bob@y.test", "hi\n");
    assert_eq!((other.status, other.err.as_str()), (78, "sendmail: account play: not in the config, which has work\n"));
    assert!(quiet(&site.sendmail("bob@y.test", "")), "a message without a word is a message");
}

#[test]
fn who_owns_the_spool_writes_it() {
    let site = Site::new("", &[]);
    // Made by its owner.
    let mut first = tool("smtp-send");
    first.args(["--enqueue", "-f", "a@x.test", "carol@y.test", "--spool"]).arg(site.path("spool"));
    assert_eq!(run(&mut first, b"hi\n").status, 0);
    let ran = site.sendmail("-i bob@y.test", "Subject: x\n\nhi\n");
    assert!(quiet(&ran), "{ran:?}");
    let verified = site.sendmail("-bv bob@y.test", "");
    let row = "accepted\tbob@y.test\t-\t2.1.5\tfor the mail servers of y.test\n";
    assert_eq!((verified.status, verified.out.as_str()), (0, row), "{verified:?}");
    let listed = site.sendmail("-bp", "");
    assert!(listed.status == 0 && listed.out.contains("bob@y.test"), "{listed:?}");
    assert!(quiet(&site.sendmail("-bi", "")));
}

#[test]
fn recipients_are_verified_without_a_message() {
    let site = Site::new(WORK, &["--domain", "y.test"]);
    let ran = site.sendmail("-bv bob@y.test root", "");
    assert_eq!(ran.status, 1, "{ran:?}");
    let rows: Vec<&str> = ran.out.lines().map(|line| line.split("\t-").next().unwrap()).collect();
    assert!(rows[0].starts_with("accepted\tbob@y.test\t250") && rows[1].starts_with("refused\troot@host.test\t550"), "{ran:?}");
    assert!(site.got().is_empty());
}

/// A server that takes one message on a UNIX socket and gives what it was told.
fn serve_once(path: &Path) -> std::thread::JoinHandle<String> {
    use std::io::{BufRead, BufReader};
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"220 host.test\r\n").unwrap();
        let mut said = String::new();
        let mut in_data = false;
        for line in BufReader::new(client.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            said += &format!("{line}\n");
            in_data = if in_data { line != "." } else { line == "DATA" };
            let reply: &[u8] = match line.as_str() {
                "DATA" => b"354 go\r\n",
                "QUIT" => b"221 bye\r\n",
                _ if in_data => b"",
                _ => b"250 ok\r\n",
            };
            client.write_all(reply).unwrap();
            if line == "QUIT" {
                break;
            }
        }
        said
    })
}

#[test]
fn the_submission_socket_gets_the_message_in_smtp() {
    let site = Site::new("socket = \"submit\"", &[]);
    let server = serve_once(&site.path("submit"));
    let ran = site.sendmail("-f a@x.test -N never -R hdrs -V id bob@y.test", "Subject: x\n\nhi\n");
    assert!(quiet(&ran), "{ran:?}");
    let said = server.join().unwrap();
    assert!(said.contains("MAIL FROM:<a@x.test>\nRCPT TO:<bob@y.test>\nDATA\nFrom: a@x.test\nDate: "), "{said}");
    assert!(said.ends_with("Subject: x\n\nhi\n.\nQUIT\n"), "{said}");
}

#[test]
fn smtp_passes_between_a_program_and_the_socket() {
    let site = Site::new("socket = \"submit\"", &[]);
    let server = serve_once(&site.path("submit"));
    let dialogue = "EHLO pine\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n";
    let ran = site.sendmail("-bs -odb -oem", dialogue);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(ran.out, "220 host.test\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n");
    assert_eq!(server.join().unwrap(), dialogue.replace('\r', ""));
    let gone = site.sendmail("-bs", "");
    assert_eq!((gone.status, gone.out.as_str()), (75, "421 4.3.2 host.test takes no mail now\r\n"), "{gone:?}");
}

/// Where there is no socket, sendmail is the server.
#[test]
fn smtp_from_a_program_goes_where_all_mail_goes() {
    let site = Site::new(WORK, &["--domain", "y.test"]);
    let message = |to: &str| {
        format!("MAIL FROM:<a@x.test>\r\nRCPT TO:<{to}>\r\nDATA\r\nSubject: {to}\r\nBcc: z@y.test\r\n\r\nhi\r\n..\r\n.\r\n")
    };
    let both = "bob@y.test>\r\nRCPT TO:<eve@else.test";
    let dialogue = format!("EHLO pine\r\n{}{}{}QUIT\r\n", message("bob@y.test"), message("eve@else.test"), message(both));
    let ran = site.sendmail("-bs -odb", &dialogue);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");
    let after_dot: Vec<&str> = ran.out.split("\r\n354 ").skip(1).filter_map(|part| part.split("\r\n").nth(1)).collect();
    assert!(after_dot[0].starts_with("250 2.0.0 "), "{ran:?}");
    let refused = "554 5.0.0 eve@else.test: 550 5.7.1 Relaying denied: not a domain of ours";
    assert_eq!(after_dot[1], refused);
    assert_eq!(after_dot[2], refused.replace("5.0.0 ", "5.0.0 Sent to the others, but: "));
    let got = site.got();
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].starts_with("Return-Path: <a@x.test>\n") && got[0].ends_with("\n\nhi\n.\n"), "{got:?}");
    assert!(got[0].contains("\nMessage-ID: <") && !got[0].contains("z@y.test"), "{got:?}");

    let spool = Site::new("", &[]);
    let mut first = tool("smtp-send");
    first.args(["--enqueue", "-f", "a@x.test", "carol@y.test", "--spool"]).arg(spool.path("spool"));
    assert_eq!(run(&mut first, b"hi\n").status, 0);
    let ran = spool.sendmail("-bs", &format!("EHLO pine\r\n{}QUIT\r\n", message("bob@y.test")));
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(spool.sendmail("-bp", "").out.contains("bob@y.test"));
    let unknown = site.sendmail("-bs -a play", "QUIT\r\n");
    assert_eq!((unknown.status, unknown.out.as_str()), (78, "421 4.3.2 host.test takes no mail now\r\n"), "{unknown:?}");
}

/// inetd's old line with `sendmail -bs` must not make this host a relay for everybody.
#[test]
fn smtp_from_the_network_is_refused() {
    let socket = Site::new("socket = \"submit\"", &[]);
    let _server = UnixListener::bind(socket.path("submit")).unwrap();
    for site in [socket, Site::new(WORK, &[])] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let listener_side = listener.accept().unwrap().0;
        let ours = || std::os::fd::OwnedFd::from(listener_side.try_clone().unwrap());
        let mut command = site.command("-bs");
        let ran = command.stdin(ours()).stdout(ours()).output().unwrap();
        drop((command, listener_side));
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(77), "{said}");
        assert!(said.starts_with("sendmail: -bs takes no client from the network: smtp-listen does"), "{said}");
        let mut heard = String::new();
        std::io::Read::read_to_string(&mut client, &mut heard).unwrap();
        assert_eq!(heard, "421 4.3.2 host.test takes no mail now\r\n");
    }
}

#[test]
fn a_name_is_as_good_as_the_option() {
    let site = Site::new(WORK, &[]);
    let mut command = tool("smtp-send");
    command.env("POSTROAD_CONFIG", site.path("config.toml")).args(["--sendmail", "-i", "bob@y.test"]);
    assert!(quiet(&run(&mut command, b"Subject: x\n\nhi\n")));
    std::os::unix::fs::symlink(tool("smtp-send").get_program(), site.path("newaliases")).unwrap();
    let ran =
        run(Command::new(site.path("newaliases")).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()), b"");
    assert!(quiet(&ran), "{ran:?}");
}

#[test]
fn users_of_this_host_send_anywhere_and_under_their_own_names() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (socket, spool) = (dir.path().join("submit"), dir.path().join("spool"));
    let listen = format!("unix:{}", socket.display());
    let arguments = ["--listen", &listen, "--spool", spool.to_str().unwrap(), "--hostname", "host.test"];
    // One that was left behind is no hindrance.
    drop(UnixListener::bind(&socket).unwrap());
    let listener = Listener::start(&arguments, &dir.path().join("log"));
    let send = |from: &str, uid: Option<u32>| {
        use std::os::unix::process::CommandExt;
        let mut command = tool("smtp-send");
        command.args(["-s", &listen, "--tls", "never", "-f", from, "bob@else.test"]);
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        run(&mut command, b"Subject: x\n\nhi\n")
    };
    let me = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    let mine = send(&format!("{me}+tag@host.test"), None);
    assert_eq!(mine.status, 0, "{mine:?}");
    assert_eq!(send("", None).status, 0, "a report has no sender");
    let over_tcp =
        run(tool("smtp-send").args(["-s", &listener.url(), "--tls", "never", "-f", "a@x.test", "bob@else.test"]), b"hi\n");
    assert_eq!(over_tcp.status, 69, "the network may not relay: {over_tcp:?}");
    let (other, who) = if nix::unistd::geteuid().is_root() { (Some(65534), "nobody") } else { (None, me.as_str()) };
    let forged = send("ceo@crepes.test", other);
    assert_eq!(forged.status, 69, "{forged:?}");
    assert!(forged.out.contains(&format!("553\t5.7.1\t{who} may not send as ceo@crepes.test")), "{forged:?}");
    assert!(fs::read_to_string(dir.path().join("log")).unwrap().contains(&format!(" user={me} ")));
    assert!(listener.stop().status.success());
}
