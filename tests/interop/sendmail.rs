//! Programs that call sendmail: cron, git send-email, mutt, s-nail. Each by the submission socket, and straight to an account.

use crate::peers::{self, Running, need_root, open_dir, program, wait_for};
use crate::support::process::{Listener, tool};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A host whose sendmail is ours.
struct Site {
    dir: TempDir,
    _listener: Listener,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Socket,
    Account,
}

impl Site {
    fn new(way: Way) -> Site {
        let dir = open_dir();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let unix = format!("unix:{}", path("submit"));
        let listener = Listener::start(&["--listen", &unix, "--maildir", &path("got")], &dir.path().join("listen.log"));
        let sendmail = match way {
            Way::Socket => format!("socket = \"{}\"", path("submit")),
            Way::Account => "account = \"work\"".to_owned(),
        };
        let account = format!("[account.work]\nserver = \"{}\"\ntls = \"never\"\n", listener.url());
        let config = format!("hostname = \"host.test\"\n[sendmail]\n{sendmail}\n{account}");
        fs::write(path("config.toml"), config).unwrap();
        let ours = tool("smtp-send").get_program().to_owned();
        // Callers clear the environment.
        let script = format!("#!/bin/sh\nPOSTROAD_CONFIG={} exec {} --sendmail \"$@\"\n", path("config.toml"), ours.display());
        fs::write(path("sendmail"), script).unwrap();
        fs::set_permissions(path("sendmail"), Permissions::from_mode(0o755)).unwrap();
        Site { dir, _listener: listener }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn sendmail(&self) -> String {
        self.path("sendmail").display().to_string()
    }

    /// A program that finds nothing of this host's user.
    fn caller(&self, path: &str, package: &str) -> Command {
        let mut command = program(path, package);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.dir.path()).env("MAILRC", "/dev/null");
        command.current_dir(self.dir.path());
        command
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The only message that came.
    fn got(&self) -> String {
        let got: Vec<PathBuf> = fs::read_dir(self.path("got/new")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(got.len(), 1, "{got:?}");
        fs::read_to_string(&got[0]).unwrap()
    }
}

fn each(check: impl Fn(&Site, Way)) {
    for way in [Way::Socket, Way::Account] {
        check(&Site::new(way), way);
    }
}

fn feed(command: &mut Command, file: &Path) {
    peers::run(command.stdin(fs::File::open(file).unwrap()));
}

#[test]
fn git_send_email() {
    each(|site, way| {
        let patch = site.write(
            "0001-x.patch",
            concat!(
                "From 0123456789abcdef0123456789abcdef01234567 Mon Sep 17 00:00:00 2001\nFrom: Alice <alice@x.test>\n",
                "Date: Sun, 22 Nov 2026 10:00:00 +0000\nSubject: [PATCH] Add a dot\n\n.\n---\n x | 1 +\n\ndiff --git a/x b/x\n.\n"
            ),
        );
        let mut git = site.caller("/usr/bin/git", "git-email");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "Alice").env(format!("GIT_{who}_EMAIL"), "alice@x.test");
        }
        match way {
            Way::Socket => git.arg("-c").arg(format!("sendemail.smtpServer={}", site.sendmail())).arg("send-email"),
            Way::Account => git.arg("send-email").arg(format!("--sendmail-cmd={} -i", site.sendmail())),
        };
        git.args([
            "--from=alice@x.test",
            "--to=bob@y.test",
            "--cc=carol@y.test",
            "--confirm=never",
            "--suppress-cc=all",
            "--quiet",
        ]);
        peers::run(git.arg("--envelope-sender=alice@x.test").arg(&patch));
        let got = site.got();
        assert!(got.starts_with("Return-Path: <alice@x.test>\n"), "{got}");
        assert!(got.contains("\nSubject: [PATCH] Add a dot\n") && got.contains("diff --git a/x b/x\n.\n"), "{got}");
    });
}

#[test]
fn mutt() {
    each(|site, way| {
        let rc = format!(
            "set sendmail=\"{} -oem -oi\"\nset from=\"alice@x.test\"\nset use_envelope_from=yes\nset copy=no\nset record=\"\"\nset folder=\"{}\"\n",
            site.sendmail(),
            site.dir.path().display()
        );
        let (rc, body) = (site.write("muttrc", &rc), site.write("body", "one\n.\ntwo\n"));
        let mut mutt = site.caller("/usr/bin/mutt", "mutt");
        mutt.args(["-n", "-F"]).arg(rc).args(["-s", "from mutt", "-b", "carol@y.test", "--", "bob@y.test"]);
        feed(&mut mutt, &body);
        let got = site.got();
        assert!(got.starts_with("Return-Path: <alice@x.test>\n") && got.contains("\nSubject: from mutt\n"), "{way:?}: {got}");
        assert!(got.contains("\n\none\n.\ntwo\n") && !got.contains("carol"), "{way:?}: {got}");
    });
}

#[test]
fn s_nail() {
    each(|site, way| {
        let body = site.write("body", "one\n.\ntwo\n");
        let mut nail = site.caller("/usr/bin/s-nail", "s-nail");
        nail.args(["-n", "-S", "sendwait", "-S", "from=alice@x.test", "-r", "alice@x.test", "-S"]);
        nail.arg(format!("mta={}", site.sendmail())).args(["-s", "from s-nail", "bob@y.test"]);
        feed(&mut nail, &body);
        let got = site.got();
        assert!(got.starts_with("Return-Path: <alice@x.test>\n") && got.contains("\nSubject: from s-nail\n"), "{way:?}: {got}");
        assert!(got.ends_with("\n\none\n.\ntwo\n"), "{way:?}: {got}");
    });
}

/// Debian's cron, with a crontab of one job, in a mount namespace where /usr/sbin/sendmail is ours. Takes until the next full minute.
#[test]
fn cron() {
    need_root("cron");
    program("/usr/sbin/cron", "cron");
    let run = |site: &Site| {
        for name in ["crontabs", "empty", "run"] {
            fs::create_dir(site.path(name)).unwrap();
        }
        let jobs = "MAILTO=root\nSHELL=/bin/sh\n* * * * * echo one; echo .; echo two\n";
        fs::set_permissions(site.write("crontabs/root", jobs), Permissions::from_mode(0o600)).unwrap();
        site.write("crontab", "");
        let binds = [
            ("sendmail", "/usr/sbin/sendmail"),
            ("crontabs", "/var/spool/cron/crontabs"),
            ("empty", "/etc/cron.d"),
            ("crontab", "/etc/crontab"),
            ("run", "/run"),
        ];
        let mounts: Vec<String> =
            binds.iter().map(|(from, to)| format!("mount --bind {} {to} && ", site.path(from).display())).collect();
        let mut unshare = program("/usr/bin/unshare", "util-linux");
        unshare.args(["-m", "--propagation", "private", "sh", "-c"]).arg(format!("{}exec /usr/sbin/cron -f", mounts.concat()));
        Running::start(&mut unshare, site.dir.path())
    };
    let sites = [Way::Socket, Way::Account].map(Site::new);
    let running = [run(&sites[0]), run(&sites[1])];
    for (site, cron) in sites.iter().zip(&running) {
        let came = || fs::read_dir(site.path("got/new")).is_ok_and(|mut entries| entries.next().is_some());
        wait_for("cron's mail", Duration::from_secs(150), || {
            let said = cron.said();
            assert!(said.is_empty(), "{said}");
            came()
        });
        let got = fs::read_dir(site.path("got/new")).unwrap().next().unwrap().unwrap().path();
        let got = fs::read_to_string(got).unwrap();
        assert!(got.contains("Delivered-To: root@host.test\n") && got.contains("(Cron Daemon)"), "{got}");
        assert!(got.ends_with("\n\none\n.\ntwo\n"), "{got}");
    }
}
