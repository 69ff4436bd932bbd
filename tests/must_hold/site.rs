//! A small site: a spool, a user with a Maildir, routes to a server for `hamburger.test` and, though that may not want it, `refused.test`,
//! and one to nowhere for `down.test`.

use crate::process::{Listener, Ran, run, tool};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

pub struct Site {
    dir: PathBuf,
    pub spool: PathBuf,
}

impl Site {
    /// In `dir`, with `downstream` for hamburger.test.
    pub fn new(dir: &Path, downstream: &Listener) -> Site {
        Site::with_spool(dir, &dir.join("spool"), downstream)
    }

    pub fn with_spool(dir: &Path, spool: &Path, downstream: &Listener) -> Site {
        let mail = dir.join("mail");
        std::fs::create_dir(&mail).unwrap();
        // A port that was free a moment ago: nobody is there.
        let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!(
            "hostname = \"mx.crepes.test\"\ndomains = [\"crepes.test\"]\nspool = \"{}\"\nrelay-from = [\"127.0.0.0/8\"]\n\
             [local]\nmaildir = \"{}/{{user}}\"\nusers = [\"alice-test\"]\n\
             [[route]]\nmatch = \"down.test\"\nto = \"smtp://{nowhere}\"\n\
             [[route]]\nmatch = \"hamburger.test\"\nto = \"{server}\"\n\
             [[route]]\nmatch = \"refused.test\"\nto = \"{server}\"\n",
            spool.display(),
            mail.display(),
            server = downstream.url()
        );
        std::fs::write(dir.join("config.toml"), text).unwrap();
        Site { dir: dir.to_owned(), spool: spool.to_owned() }
    }

    fn config(&self) -> String {
        self.dir.join("config.toml").display().to_string()
    }

    pub fn log(&self) -> PathBuf {
        self.dir.join("upstream.log")
    }

    /// smtp-listen into the spool.
    pub fn listener(&self, more: &[&str]) -> Listener {
        Listener::start(&[&["--config", &self.config()], more].concat(), &self.log())
    }

    /// A command of mailq-run, to be started.
    pub fn mailq(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = tool("mailq-run");
        command.args(["--config", &self.config()]).args(arguments);
        command
    }

    /// One pass.
    pub fn pass(&self) -> Ran {
        run(&mut self.mailq(&["--log", &self.dir.join("pass.log").display().to_string()]), b"")
    }

    /// A pass for all that waits, due or not.
    pub fn pass_all(&self) -> Ran {
        let _ = run(&mut self.mailq(&["retry", "--all"]), b"");
        self.pass()
    }

    /// What waits, a recipient a line.
    pub fn list(&self) -> String {
        let ran = run(&mut self.mailq(&["list"]), b"");
        assert_eq!((ran.status, &*ran.err), (0, ""), "{ran:?}");
        ran.out
    }

    /// The Maildir of alice-test@crepes.test.
    pub fn mailbox(&self) -> PathBuf {
        self.dir.join("mail/alice-test")
    }
}
