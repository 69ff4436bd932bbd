//! Passes as cron makes them: while messages arrive, while the peer is down, and several at once.

use super::letters::{DELIVERY, assert_same, lf, wait_for_files};
use super::peers::{listen, run, wait_for};
use super::postfix::{Postfix, Sink, source};
use super::relaying::{mailq_run, route_to, smtp_send};
use super::starts::ids;
use crate::support::process::Listener;
use crate::support::stored::{in_spool, without};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// smtp-listen that takes mail for hamburger.test into a spool in `dir`.
fn host(dir: &Path) -> (Listener, PathBuf) {
    let spool = dir.join("spool");
    let arguments = ["--hostname", "mx.test", "--domain", "hamburger.test", "--spool"].map(String::from);
    let arguments: Vec<String> = arguments.into_iter().chain([spool.display().to_string()]).collect();
    (listen(&arguments, dir), spool)
}

/// The states of the messages that `mailq-run list` shows.
fn states(config: &Path) -> Vec<String> {
    let listed = run(&mut mailq_run(config, &["list", "--json"])).stdout;
    let lines = String::from_utf8(listed).unwrap();
    let state = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["state"].as_str().unwrap().to_owned();
    lines.lines().map(state).collect()
}

/// Passes one after another until it is told to stop; each must be silent and end with status 0.
fn cron(config: &Path, stop: &AtomicBool) -> usize {
    let mut passes = 0;
    while !stop.load(Ordering::Relaxed) {
        let pass = run(&mut mailq_run(config, &[]));
        assert!(pass.stdout.is_empty() && pass.stderr.is_empty(), "cron would mail this: {pass:?}");
        passes += 1;
        thread::sleep(Duration::from_millis(50));
    }
    passes
}

/// Sends the messages with these numbers, and gives them.
fn send(numbers: Range<usize>, to: &Listener) -> Vec<Vec<u8>> {
    let message = |n: usize| format!("Subject: number {n}\r\nFrom: <alice@crepes.test>\r\n\r\nhello\r\n").into_bytes();
    let messages: Vec<Vec<u8>> = numbers.map(message).collect();
    for message in &messages {
        run(smtp_send(message).args(["-s", &to.address.to_string()]));
    }
    messages
}

#[test]
fn a_loop_of_passes_while_the_peer_comes_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (listening, spool) = host(dir.path());
    let mut postfix = Postfix::host("smtpd_tls_security_level = none\n");
    let config = route_to(postfix.address, &spool, dir.path());
    let stop = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let passes = scope.spawn(|| cron(&config, &stop));
        let script = scope.spawn(|| {
            let mut sent = send(0..10, &listening);
            wait_for("an empty spool", DELIVERY, || states(&config).is_empty());
            // Ended between a delivery and its end, Postfix would deliver again.
            wait_for("an empty queue", DELIVERY, || postfix.log().matches(": removed").count() == sent.len());
            postfix.down();
            sent.extend(send(10..20, &listening));
            wait_for("deferred messages", DELIVERY, || states(&config) == ["deferred"; 10]);
            postfix.up();
            run(&mut mailq_run(&config, &["retry", "--all"]));
            sent.extend(send(20..30, &listening));
            wait_for("an empty spool", DELIVERY, || states(&config).is_empty());
            sent
        });
        let sent = script.join();
        stop.store(true, Ordering::Relaxed);
        assert!(passes.join().unwrap() > 3);
        sent.unwrap()
    });
    wait_for_files(&postfix.maildir().join("new"), sent.len());
    let received = |message: &Vec<u8>| without("Received", message).to_vec();
    assert_same(postfix.delivered().iter().map(received).collect(), sent.iter().map(|message| lf(message)).collect());
}

#[test]
fn several_passes_at_once_deliver_each_message_once() {
    const MESSAGES: usize = 300;
    let dir = tempfile::tempdir().unwrap();
    let (listening, spool) = host(dir.path());
    run(&mut source(MESSAGES, 20, listening.address));
    assert_eq!(listening.stop().status.code(), Some(0));
    let before = in_spool(&spool);
    assert_eq!(ids(&before).len(), MESSAGES);

    let sink = Sink::start();
    let config = route_to(sink.address, &spool, dir.path());
    let start = |_| mailq_run(&config, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let passes: Vec<Child> = (0..4).map(start).collect();
    for pass in passes {
        let ended = pass.wait_with_output().unwrap();
        assert!(ended.status.success() && ended.stdout.is_empty() && ended.stderr.is_empty(), "{ended:?}");
    }
    assert!(in_spool(&spool).is_empty(), "all were delivered");
    wait_for_files(&sink.dump(), MESSAGES);
    let taken = sink.taken();
    assert_eq!((taken.len(), ids(&taken)), (MESSAGES, ids(&before)));
    assert_same(taken, before.iter().map(|message| lf(message)).collect());
}
