//! Logging in for mail that was queued: a route that names an account, and what smtp-send leaves in a spool.

use super::host::{Answers, Host, MESSAGE, password, welcome};
use crate::support::process::{Ran, run, tool};
use postroad::disk::spool::layout::Spool;
use std::path::PathBuf;

/// A host of a provider, a spool, and a config by which all mail goes to that host.
struct Site {
    host: Host,
}

impl Site {
    fn new() -> Site {
        let host = Host::new();
        host.private("password", "s3cret\n");
        Spool::create(&host.path("spool")).unwrap();
        let site = Site { host };
        site.config("password-file = \"password\"", "account:provider");
        site
    }

    fn config(&self, password: &str, to: &str) -> PathBuf {
        let (address, pin) = (self.host.address, self.host.fingerprint());
        let account =
            format!("[account.provider]\nserver = \"submission://alice@{address}\"\ntls-fingerprint = \"{pin}\"\n{password}\n");
        let route = format!("[[route]]\nmatch = \"*\"\nto = \"{to}\"\n");
        self.host.private("config.toml", &format!("hostname = \"mx.x.test\"\n{account}{route}")).into()
    }

    fn run(&self, name: &str, words: &[&str]) -> Ran {
        let mut command = tool(name);
        command.arg("--config").arg(self.host.path("config.toml")).arg("--spool").arg(self.host.path("spool"));
        run(command.args(words).env("HOME", self.host.dir.path()), MESSAGE)
    }

    /// What is queued, a line each.
    fn queued(&self) -> String {
        self.run("mailq-run", &["list"]).out
    }

    /// A pass while the host answers like that; gives what it was told.
    fn pass(&self, answers: Answers) -> Vec<String> {
        let serving = self.host.serve("PLAIN", true, answers);
        let ran = self.run("mailq-run", &[]);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{ran:?}");
        serving.join().unwrap()
    }
}

#[test]
fn a_route_s_account_logs_in_and_its_mail_goes_out() {
    let site = Site::new();
    let ran = site.run("smtp-send", &["--enqueue", "-f", "a@x.test", "b@y.test"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let said = site.pass(Box::new(welcome));
    assert_eq!(password(&said).as_deref(), Some("s3cret"), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("RCPT TO:<b@y.test>")), "{said:?}");
    assert_eq!(site.queued(), "");
    let route = site.run("mailq-run", &["route", "b@y.test"]);
    assert_eq!(route.out, "b@y.test\taccount\tprovider\n");
}

#[test]
fn a_refused_login_keeps_mail_queued_and_bounces_nothing() {
    let site = Site::new();
    let ran = site.run("smtp-send", &["--enqueue", "-f", "a@x.test", "b@y.test"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let said = site.pass(Box::new(|session| session.say("535 5.7.8 wrong")));
    assert!(said.iter().all(|line| !line.starts_with("MAIL")), "{said:?}");
    let queued = site.queued();
    assert!(queued.lines().count() == 1 && queued.contains("b@y.test") && queued.contains("deferred"), "{queued}");
    let shown = site.run("mailq-run", &["show", queued.split('\t').next().unwrap()]).out;
    assert!(shown.contains("535"), "{shown}");
}

#[test]
fn an_account_that_cannot_log_in_by_itself_is_told_before_the_pass() {
    let site = Site::new();
    for (password, to, why) in [
        ("password-file = \"password\"", "account:nobody", "to: no [account.nobody]"),
        ("", "account:provider", "account provider: no password in the config, and nobody to ask"),
        ("password-file = \"gone\"", "account:provider", "account provider: "),
    ] {
        site.config(password, to);
        let ran = site.run("mailq-run", &[]);
        assert!(ran.status == 78 && ran.err.contains(why) && ran.err.lines().count() == 1, "{ran:?}");
    }
}

#[test]
fn a_deferred_message_is_kept_and_one_without_a_login_is_not() {
    let site = Site::new();
    let words = ["-a", "provider", "-f", "a@x.test", "b@y.test"];
    let serving = site.host.serve("PLAIN", true, Box::new(|session| session.say("535 5.7.8 wrong")));
    let ran = site.run("smtp-send", &words);
    serving.join().unwrap();
    assert_eq!((ran.status, site.queued().as_str()), (77, ""), "{ran:?}");
    let serving = site.host.serve(
        "PLAIN",
        true,
        Box::new(|session| {
            welcome(session);
            session.line();
            session.say("451 4.3.2 not now");
        }),
    );
    let ran = site.run("smtp-send", &words);
    serving.join().unwrap();
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(site.queued().contains("b@y.test"), "{ran:?}");
}
