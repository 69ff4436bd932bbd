//! Signals while something else runs: a program that takes a message or judges one, one that prints the password, a question.

use super::mailboxes::{fetch, then};
use crate::support::dialogue::{Does, Site, hears, says, serve};
use crate::support::login::PASSWORD;
use crate::support::process::{PATIENCE, Process, tool};
use nix::pty::openpty;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program leaves here once it runs: its process.
fn started(file: &Path) -> Pid {
    let began = Instant::now();
    loop {
        match std::fs::read_to_string(file).unwrap_or_default().trim().parse() {
            Ok(pid) => return Pid::from_raw(pid),
            Err(_) => assert!(began.elapsed() < PATIENCE, "it was not started"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One message is listed, and asked for with `command`.
fn one_message(command: &str) -> Vec<Does> {
    then(vec![
        hears("STAT"),
        says("+OK 1 14"),
        hears("LIST"),
        says("+OK\n1 14\n."),
        hears("UIDL"),
        says("+OK\n1 a\n."),
        hears(command),
        says("+OK\nSubject: x\n\n."),
        Does::Ends(Vec::new()),
    ])
}

#[test]
fn programs_are_ended_with_the_session_and_their_message_stays() {
    // The last would not end before it is killed, and says that it took the message.
    for (option, asked, script) in [
        ("--exec", "RETR 1", "echo $$ > pid; exec sleep 600"),
        ("--filter", "TOP 1 0", "echo $$ > pid; exec sleep 600"),
        ("--exec", "RETR 1", "trap '' TERM; echo $$ > pid; sleep 600; sleep 600"),
        ("--exec", "RETR 1", "trap 'exit 0' TERM; echo $$ > pid; sleep 600 & wait"),
    ] {
        let site = Site::new();
        let (address, served) = serve(&site, one_message(asked));
        let mut command = fetch(site.dir.path(), &format!("bob@{address}"));
        command.args([option, &format!("sh -c \"{script}\"")]).arg("--delete").current_dir(&site.dir);
        if option == "--filter" {
            command.args(["--mbox", "mbox"]);
        }
        let mut process = Process::start(command.stderr(Stdio::null()));
        let program = started(&site.dir.path().join("pid"));
        let mut out = process.stdout();
        process.terminate();
        let ended = process.wait();
        served.join().unwrap().unwrap_or_else(|why| panic!("{script}: {why}"));
        assert_eq!(ended.status.code(), Some(75), "{script}");
        let mut rows = String::new();
        out.read_to_string(&mut rows).unwrap();
        assert_eq!(rows, "failed\t1\t14\ta\ta signal came, and ended sh, too\n", "{script}");
        assert!(kill(program, None).is_err(), "{script}: it goes on");
    }
}

/// What it has done by then is not done again in the next session.
#[test]
fn a_program_that_is_all_but_through_ends_by_itself() {
    let site = Site::new();
    let (address, served) = serve(&site, one_message("RETR 1"));
    let mut command = fetch(site.dir.path(), &format!("bob@{address}"));
    command.args(["--exec", "sh -c 'echo $$ > pid; sleep 0.2; cat > taken'", "--delete"]).current_dir(&site.dir);
    let mut process = Process::start(command.stderr(Stdio::null()));
    started(&site.dir.path().join("pid"));
    let mut out = process.stdout();
    process.terminate();
    let ended = process.wait();
    served.join().unwrap().unwrap();
    let mut rows = String::new();
    out.read_to_string(&mut rows).unwrap();
    assert_eq!((&*rows, ended.status.code()), ("delivered\t1\t14\ta\ttaken by sh\n", Some(75)));
    assert!(site.dir.path().join("taken").exists());
}

#[test]
fn a_password_command_is_ended_too() {
    let site = Site::new();
    let (address, served) =
        serve(&site, vec![says("+OK"), hears("CAPA"), says("-ERR"), hears("USER bob"), says("+OK"), Does::Ends(Vec::new())]);
    let mut command = tool("pop3-fetch");
    command.env("HOME", site.dir.path()).arg(format!("bob@{address}")).args([
        "--tls",
        "never",
        "--allow-plaintext-auth",
        "--list",
    ]);
    command.args(["--password-command", "/bin/sh -c 'echo $$ > pid; exec /bin/sleep 600'"]).current_dir(&site.dir);
    let mut process = Process::start(&mut command);
    let program = started(&site.dir.path().join("pid"));
    let mut stderr = process.stderr();
    process.terminate();
    let ended = process.wait();
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    drop(served);
    assert_eq!(ended.status.code(), Some(75), "{said}");
    assert!(said.ends_with("pop3-fetch: 127.0.0.1: a signal came, and ended the password command /bin/sh, too\n"), "{said}");
    assert!(kill(program, None).is_err(), "it goes on");
}

/// A terminal that is closed ends the session as SIGTERM does; under nohup(1) nothing comes of it.
#[test]
fn a_session_ends_in_order_when_its_terminal_is_closed() {
    for (ignored, status) in [(false, 75), (true, 0)] {
        let site = Site::new();
        let mut script = one_message("RETR 1");
        if ignored {
            script.pop();
            script.extend([hears("QUIT"), says("+OK")]);
        }
        let (address, served) = serve(&site, script);
        let inner = fetch(site.dir.path(), &format!("bob@{address}"));
        let mut command = Command::new("/usr/bin/env");
        let trap = if ignored { "trap '' HUP; exec \"$@\"" } else { "exec \"$@\"" };
        command
            .args(["--default-signal", "/bin/sh", "-c", trap, "sh"])
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(&site.dir)
            .env("HOME", site.dir.path());
        command.args(["--exec", "sh -c 'echo $$ > pid; sleep 2'"]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::start(&mut command);
        started(&site.dir.path().join("pid"));
        process.signal(nix::sys::signal::Signal::SIGHUP);
        let ended = process.wait();
        served.join().unwrap().unwrap();
        assert_eq!(ended.status.code().unwrap(), status, "ignored: {ignored}");
    }
}

/// The question for the password holds signals while it stands; afterwards they are the session's again.
#[test]
fn a_signal_after_the_question_ends_the_session_in_order() {
    let (site, terminal) = (Site::new(), openpty(None, None).unwrap());
    let (address, served) = serve(&site, one_message("RETR 1"));
    let inner = fetch(site.dir.path(), &format!("bob@{address}"));
    let words: Vec<_> = inner.get_args().take_while(|word| *word != "--password-file").collect();
    let mut command = Command::new("/usr/bin/setsid");
    command.arg("--ctty").arg(inner.get_program()).args(words).current_dir(&site.dir).env_clear().env("HOME", site.dir.path());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["--exec", "sh -c 'echo $$ > pid; exec sleep 600'"]);
    command.stdin(File::from(terminal.slave.try_clone().unwrap())).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::start(&mut command);
    let mut master = File::from(terminal.master.try_clone().unwrap());
    let mut byte = [0];
    // The question ends with a colon.
    while byte != *b":" {
        master.read_exact(&mut byte).unwrap();
    }
    master.write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    started(&site.dir.path().join("pid"));
    process.terminate();
    let ended = process.wait();
    served.join().unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(75), "{:?}", ended.status);
}

/// Nobody answers there, though nobody refuses: the queue of connections is full.
#[test]
fn the_wait_for_a_connection_is_broken_off() {
    let site = Site::new();
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut kept = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        kept.push(stream);
    }
    // Longer than a test waits.
    let mut command = fetch(site.dir.path(), &format!("bob@{address}"));
    let mut process = Process::start(command.args(["--list", "--timeout", "1h"]));
    let mut stderr = process.stderr();
    std::thread::sleep(Duration::from_millis(500));
    process.terminate();
    assert_eq!(process.wait().status.code(), Some(75));
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.ends_with("broken off by a signal\n"), "{said}");
}

#[test]
fn the_wait_for_an_lmtp_server_is_broken_off() {
    for stalls in ["", "220 hi", "354"] {
        let site = Site::new();
        let (address, served) = serve(&site, one_message("RETR 1"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let lmtp = listener.local_addr().unwrap();
        let (reached, waits) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for (said, heard) in [("220 hi", "LHLO"), ("250 me", "MAIL"), ("250 ok", "RCPT"), ("250 ok", "DATA"), ("354", ".")] {
                if stalls.is_empty() {
                    break;
                }
                stream.write_all(format!("{said}\r\n").as_bytes()).unwrap();
                while !lines.next().unwrap().unwrap().starts_with(heard) {}
                if said == stalls {
                    break;
                }
            }
            reached.send(()).unwrap();
            // Until the tool goes.
            let _ = lines.count();
        });
        let mut command = fetch(site.dir.path(), &format!("bob@{address}"));
        command.args(["--lmtp", &format!("lmtp://{lmtp}"), "--recipient", "a@x.test", "--delete", "--timeout", "1h"]);
        let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        waits.recv().unwrap();
        process.terminate();
        assert_eq!(process.wait().status.code(), Some(75), "{stalls}");
        let _ = served.join().unwrap();
        server.join().unwrap();
    }
}

/// What was started as the server has five seconds to end once its connection is closed.
#[test]
fn a_second_signal_ends_it_at_once() {
    let site = Site::new();
    for (pause, signal) in [(0, None), (1200, Some(15))] {
        let mut command = fetch(site.dir.path(), "--pipe=sh -c 'echo $$ > pid; exec sleep 600'");
        command.args(["--user", "bob", "--list"]).current_dir(&site.dir);
        let _ = std::fs::remove_file(site.dir.path().join("pid"));
        let mut process = Process::start(command.stderr(Stdio::null()));
        let server = started(&site.dir.path().join("pid"));
        process.terminate();
        std::thread::sleep(Duration::from_millis(pause));
        process.terminate();
        let ended = process.wait();
        let _ = kill(server, nix::sys::signal::Signal::SIGKILL);
        assert_eq!(ended.status.signal(), signal, "after {pause} ms: {:?}", ended.status);
    }
}
