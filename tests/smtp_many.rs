//! Many messages in one run of smtp-send: mboxes and Maildirs, and what becomes of them.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use support::process::{Listener, Ran, run, tool};

fn send(listener: &Listener, arguments: &[&str], stdin: &[u8]) -> Ran {
    run(smtp_send(&listener.url()).args(arguments), stdin)
}

fn smtp_send(server: &str) -> Command {
    let mut command = tool("smtp-send");
    command.args(["-s", server, "--tls", "never", "-f", "alice@crepes.test"]);
    command
}

fn maildir(dir: &Path, messages: &[(&str, &str)]) {
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(dir.join(part)).unwrap();
    }
    for (name, text) in messages {
        fs::write(dir.join(name), text).unwrap();
    }
}

fn rows(ran: &Ran) -> Vec<Vec<&str>> {
    ran.out.lines().map(|line| line.split('\t').collect()).collect()
}

#[test]
fn a_maildir_goes_in_order_of_name_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (box_, got) = (dir.path().join("box"), dir.path().join("got"));
    maildir(
        &box_,
        &[("new/2.b", "Subject: two\n\nb\n"), ("cur/1.a:2,S", "Subject: one\n\na\n"), ("new/3.c", "Subject: three\n\nc\rd\n")],
    );
    let listener = Listener::start(&["--maildir", got.to_str().unwrap()], &dir.path().join("log"));
    let ran = send(&listener, &["--maildir", box_.to_str().unwrap(), "bob@hamburger.test"], b"");
    assert_eq!(ran.status, 1, "{ran:?}");
    let told: Vec<(&str, &str)> = rows(&ran).iter().map(|row| (row[0], row[5])).collect();
    assert_eq!(told, [("accepted", "cur/1.a:2,S"), ("accepted", "new/2.b"), ("refused", "new/3.c")]);
    assert_eq!(ran.err, "smtp-send: message new/3.c: line 3: a carriage return without a line feed\n");
    assert_eq!(fs::read_dir(got.join("new")).unwrap().count(), 2);
    assert_eq!(fs::read_dir(box_.join("new")).unwrap().count(), 2, "nothing is taken away unless that is asked for");
}

#[test]
fn what_all_recipients_accepted_is_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let box_ = dir.path().join("box");
    let to = |whom: &str| format!("From: alice@crepes.test\nTo: {whom}\n\ntext\n");
    maildir(
        &box_,
        &[
            ("new/1", &to("bob@hamburger.test")),
            ("new/2", &to("bob@hamburger.test, eve@elsewhere.test")),
            ("new/3", "From: alice@crepes.test\n\nfor nobody\n"),
            ("cur/4:2,", &to("carol@hamburger.test")),
        ],
    );
    let listener = Listener::start(&["--discard", "--domain", "hamburger.test"], &dir.path().join("log"));
    let ran = send(&listener, &["--maildir", box_.to_str().unwrap(), "--remove", "-t", "--json"], b"");
    assert_eq!(ran.status, 1, "{ran:?}");
    let keys = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("message"), text("recipient"), text("outcome"))
    };
    assert_eq!(
        ran.out.lines().map(keys).collect::<Vec<_>>(),
        [
            "new/1 bob@hamburger.test accepted",
            "new/2 bob@hamburger.test accepted",
            "new/2 eve@elsewhere.test refused",
            "new/3 - refused",
            "cur/4:2, carol@hamburger.test accepted",
        ]
    );
    let left: Vec<String> =
        ["new/1", "new/2", "new/3", "cur/4:2,"].map(String::from).into_iter().filter(|name| box_.join(name).exists()).collect();
    assert_eq!(left, ["new/2", "new/3"]);
}

#[test]
fn an_empty_maildir_is_done_and_an_empty_mbox_is_no_input() {
    let dir = tempfile::tempdir().unwrap();
    maildir(&dir.path().join("box"), &[]);
    let to_nowhere = || smtp_send("smtp://127.0.0.1:9");
    let empty = run(to_nowhere().arg("--maildir").arg(dir.path().join("box")).arg("bob@hamburger.test"), b"");
    assert_eq!((empty.status, empty.out.as_str(), empty.err.as_str()), (0, "", ""), "what cron runs is quiet");
    let missing = run(to_nowhere().arg("--maildir").arg(dir.path().join("none")).arg("bob@hamburger.test"), b"");
    assert_eq!(missing.status, 66, "{missing:?}");
    let nothing = run(to_nowhere().args(["--batch", "bob@hamburger.test"]), b"");
    assert_eq!((nothing.status, nothing.err.as_str()), (66, "smtp-send: no message on stdin\n"));
    let other = run(to_nowhere().args(["--batch", "bob@hamburger.test"]), b"Subject: x\n\ny\n");
    assert_eq!((other.status, other.err.as_str()), (65, "smtp-send: not an mbox: line 1 does not begin with \"From \"\n"));
    let bad = run(to_nowhere().args(["--batch", "bob@hamburger.test"]), b"From x\n\na\rb\n");
    assert_eq!(bad.status, 65, "no connection for nothing: {bad:?}");
    assert_eq!(
        rows(&bad),
        [["refused", "bob@hamburger.test", "-", "-", "message 1: line 2: a carriage return without a line feed", "1"]]
    );
}

#[test]
fn an_mbox_of_ours_comes_out_as_it_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let got = dir.path().join("got");
    let listener = Listener::start(&["--maildir", got.to_str().unwrap()], &dir.path().join("log"));
    let text = "From x Sun\nSubject: one\n\n>From here\n>>From there\n\nFrom y Mon\nSubject: two\n\n.\n..\n\n\n";
    let ran = send(&listener, &["--batch", "bob@hamburger.test"], text.as_bytes());
    assert_eq!(ran.status, 0, "{ran:?}");
    let mut bodies: Vec<String> = fs::read_dir(got.join("new"))
        .unwrap()
        .map(|entry| {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            text[text.find("Subject:").unwrap()..].to_owned()
        })
        .collect();
    bodies.sort();
    assert_eq!(bodies, ["Subject: one\n\nFrom here\n>From there\n", "Subject: two\n\n.\n..\n\n"]);
}

#[test]
fn a_server_out_of_reach_leaves_a_row_for_each_recipient_of_each_message() {
    let text = b"From x\n\none\n\nFrom x\n\ntwo\n";
    let ran = run(smtp_send("smtp://127.0.0.1:9").args(["--batch", "--timeout", "5", "b@y.test", "c@y.test"]), text);
    assert_eq!(ran.status, 75, "{ran:?}");
    let told: Vec<(&str, &str, &str)> = rows(&ran).iter().map(|row| (row[0], row[1], row[5])).collect();
    assert_eq!(
        told,
        [
            ("deferred", "b@y.test", "1"),
            ("deferred", "c@y.test", "1"),
            ("deferred", "b@y.test", "2"),
            ("deferred", "c@y.test", "2")
        ]
    );
}

#[test]
fn large_messages_of_an_mbox_cost_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let listener = Listener::start(&["--discard"], &dir.path().join("log"));
    let lines = format!("{}\n", "x".repeat(76)).repeat(100);
    let mut command = smtp_send(&listener.url());
    let ran = support::process::run_fed(command.args(["--batch", "bob@hamburger.test"]), |to| {
        (0..4).try_for_each(|_| {
            to.write_all(b"From x\nSubject: big\n\n")?;
            (0..2000).try_for_each(|_| to.write_all(lines.as_bytes()))?;
            to.write_all(b"\n")
        })
    });
    assert_eq!((ran.status, ran.out.lines().count()), (0, 4), "{}", ran.err);
    // Beside the code itself, which is large where it is not optimized.
    let small = send(&listener, &["--batch", "bob@hamburger.test"], b"From x\nSubject: small\n\nhi\n");
    assert!(ran.peak < small.peak + (2 << 20), "{} KiB beside {}", ran.peak >> 10, small.peak >> 10);
}

#[test]
fn deferred_messages_go_into_the_spool_each_on_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let text = b"From x\n\none\n\nFrom x\n\ntwo\n";
    let ran = run(smtp_send("smtp://127.0.0.1:9").args(["--batch", "b@y.test", "--spool"]).arg(&spool), text);
    assert_eq!(ran.status, 0, "{ran:?}");
    let listed = run(tool("mailq-run").args(["list", "--json", "--spool"]).arg(&spool), b"");
    assert_eq!(listed.out.lines().count(), 2, "{listed:?}");
    let straight =
        run(tool("smtp-send").args(["--enqueue", "-f", "a@x.test", "--batch", "b@y.test", "--spool"]).arg(&spool), text);
    assert_eq!((straight.status, straight.out.lines().count()), (0, 2), "{straight:?}");
}

#[test]
fn a_message_is_one_line_of_the_log_in_msmtp_s_keys() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("sent.log");
    let listener = Listener::start(&["--discard", "--domain", "y.test"], &dir.path().join("log"));
    let text = b"From x\n\none\n\nFrom x\n\nt\rwo\n";
    let ran = send(&listener, &["--log", log.to_str().unwrap(), "--batch", "b@y.test", "c@else.test"], text);
    assert_eq!(ran.status, 1, "{ran:?}");
    let written = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = written.lines().map(|line| line.split_once("]: ").unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "host=127.0.0.1 tls=off auth=off from=alice@crepes.test recipients=b@y.test,c@else.test mailsize=7 smtpstatus=550 \
         smtpmsg='550 5.7.1 Relaying denied: not a domain of ours' \
         errormsg='c@else.test: 550 5.7.1 Relaying denied: not a domain of ours' exitcode=1",
            "host=127.0.0.1 tls=off auth=off recipients=b@y.test,c@else.test \
         errormsg='message 2: line 2: a carriage return without a line feed' exitcode=EX_DATAERR",
        ]
    );
    fs::remove_file(&log).unwrap();
    let good = send(&listener, &["--log", log.to_str().unwrap(), "-q", "b@y.test"], b"\none\n");
    assert_eq!(good.status, 0, "{good:?}");
    let written = fs::read_to_string(&log).unwrap();
    assert!(
        written.contains(" mailsize=7 smtpstatus=250 smtpmsg='250 2.0.0 Ok: queued as ")
            && written.ends_with("' exitcode=EX_OK\n"),
        "{written}"
    );
    let json = send(&listener, &["--log", log.to_str().unwrap(), "--log-format", "json", "b@y.test"], b"\none\n");
    assert_eq!(json.status, 0, "{json:?}");
    let event: serde_json::Value = serde_json::from_str(fs::read_to_string(&log).unwrap().lines().last().unwrap()).unwrap();
    assert_eq!((&event["event"], &event["outcome"]), (&"recipient".into(), &"accepted".into()));
}

#[test]
fn mail_goes_on_where_its_rows_cannot_be_written_and_is_not_sent_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (box_, spool) = (dir.path().join("box"), dir.path().join("spool"));
    for redirection in [">/dev/full", ">&-"] {
        maildir(&box_, &[("new/1", "Subject: one\n\na\n"), ("new/2", "Subject: two\n\nb\n")]);
        let mut shell = Command::new("sh");
        let script = format!("exec \"$0\" --enqueue -f a@x.test b@y.test --remove --maildir box --spool spool {redirection}");
        shell.current_dir(dir.path()).arg("-c").arg(script).arg(tool("smtp-send").get_program());
        let ran = run(shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()), b"");
        assert_eq!(ran.status, 0, "{redirection}: {ran:?}");
        assert_eq!(ran.err.lines().filter(|line| line.contains("cannot write to stdout")).count(), 1, "{ran:?}");
        assert_eq!(fs::read_dir(box_.join("new")).unwrap().count(), 0, "{redirection}: would be sent again");
    }
    assert_eq!(fs::read_dir(spool.join("new")).unwrap().count(), 4);
}
