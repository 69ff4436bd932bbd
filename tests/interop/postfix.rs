//! A Postfix of a test's own: its configuration, queue, log and port; and its test programs.

use super::letters::DELIVERY;
use super::peers::{NOBODY, Running, dir_of, free_port, need_root, open_dir, program, run, wait_for};
use crate::support::stored::{in_maildir, without};
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PACKAGE: &str = "postfix";
const DAEMONS: &str = "/usr/lib/postfix/sbin";

/// The services that it needs, without the one that listens.
const MASTER: &str = "
cleanup   unix       n - n -     0   cleanup
qmgr      unix       n - n 300   1   qmgr
rewrite   unix       - - n -     -   trivial-rewrite
bounce    unix       - - n -     0   bounce
defer     unix       - - n -     0   bounce
trace     unix       - - n -     0   bounce
tlsmgr    unix       - - n 1000? 1   tlsmgr
proxymap  unix       - - n -     -   proxymap
smtp      unix       - - n -     -   smtp
relay     unix       - - n -     -   smtp
error     unix       - - n -     -   error
retry     unix       - - n -     -   error
virtual   unix       - n n -     -   virtual
anvil     unix       - - n -     1   anvil
postlog   unix-dgram n - n -     1   postlogd
";

/// Takes mail of its own host for anywhere.
pub struct Postfix {
    dir: TempDir,
    running: Option<Running>,
    pub address: SocketAddr,
}

impl Postfix {
    /// Takes mail for hamburger.test into Maildirs; with these lines in main.cf as well.
    pub fn host(settings: &str) -> Postfix {
        Postfix::start(&format!("virtual_mailbox_domains = hamburger.test\n{settings}"))
    }

    /// Sends all mail on to a server.
    pub fn relay(to: SocketAddr, settings: &str) -> Postfix {
        Postfix::start(&format!("virtual_mailbox_domains =\nrelayhost = [{}]:{}\n{settings}", to.ip(), to.port()))
    }

    fn start(settings: &str) -> Postfix {
        need_root("Postfix");
        let (dir, address) = (open_dir(), free_port());
        let postfix = nix::unistd::User::from_name("postfix").unwrap();
        let postfix = postfix.expect("no user postfix: apt-get install postfix").uid.as_raw();
        for (name, owner) in [("etc", 0), ("queue", 0), ("data", postfix), ("mail", NOBODY)] {
            dir_of(dir.path(), name, owner);
            std::fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o755)).unwrap();
        }
        let root = dir.path().display();
        let main = format!(
            "compatibility_level = 3.6\n\
             queue_directory = {root}/queue\n\
             data_directory = {root}/data\n\
             daemon_directory = {DAEMONS}\n\
             maillog_file = {root}/log\n\
             maillog_file_prefixes = {root}\n\
             myhostname = postfix.test\n\
             mydestination =\n\
             inet_interfaces = 127.0.0.1\n\
             inet_protocols = ipv4\n\
             mynetworks = 127.0.0.0/8\n\
             alias_maps =\n\
             alias_database =\n\
             local_header_rewrite_clients =\n\
             virtual_mailbox_base = {root}/mail\n\
             virtual_mailbox_maps = static:bob/\n\
             virtual_uid_maps = static:{NOBODY}\n\
             virtual_gid_maps = static:{NOBODY}\n\
             {settings}"
        );
        std::fs::write(dir.path().join("etc/main.cf"), main).unwrap();
        std::fs::write(dir.path().join("etc/master.cf"), format!("{address} inet n - n - - smtpd{MASTER}")).unwrap();
        run(program("/usr/sbin/postfix", PACKAGE).arg("-c").arg(dir.path().join("etc")).arg("check"));
        let mut postfix = Postfix { dir, running: None, address };
        postfix.up();
        postfix
    }

    /// In the foreground and in our process group, which `postfix start` would not be.
    pub fn up(&mut self) {
        let mut master = program(&format!("{DAEMONS}/master"), PACKAGE);
        master.arg("-c").arg(self.dir.path().join("etc")).arg("-d");
        self.running = Some(Running::start(&mut master, self.dir.path()));
        wait_for("Postfix", DELIVERY, || greets(self.address));
    }

    pub fn down(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stop();
        wait_for("Postfix to end", DELIVERY, || TcpStream::connect(self.address).is_err());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Where bob's messages are.
    pub fn maildir(&self) -> PathBuf {
        self.dir.path().join("mail/bob")
    }

    /// Bob's messages without what Postfix wrote above them.
    pub fn delivered(&self) -> Vec<Vec<u8>> {
        let fields = ["Return-Path", "X-Original-To", "Delivered-To", "Received"];
        let strip = |message: &Vec<u8>| fields.iter().fold(message.clone(), |rest, field| without(field, &rest).to_vec());
        in_maildir(&self.maildir()).iter().map(strip).collect()
    }
}

fn greets(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(address) else { return false };
    let mut line = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("220 ")
}

/// Postfix's smtp-sink, which writes each message that it takes to a file of its own.
pub struct Sink {
    dir: TempDir,
    running: Running,
    pub address: SocketAddr,
}

impl Sink {
    pub fn start() -> Sink {
        let (dir, address) = (open_dir(), free_port());
        let mut command = program("/usr/sbin/smtp-sink", PACKAGE);
        if nix::unistd::geteuid().is_root() {
            dir_of(dir.path(), "dump", NOBODY);
            command.args(["-u", "nobody"]);
        } else {
            std::fs::create_dir(dir.path().join("dump")).unwrap();
        }
        command.arg("-d").arg(dir.path().join("dump/m.")).arg(address.to_string()).arg("100");
        let running = Running::start(&mut command, dir.path());
        wait_for("smtp-sink", DELIVERY, || greets(address));
        Sink { dir, running, address }
    }

    pub fn dump(&self) -> PathBuf {
        self.dir.path().join("dump")
    }

    /// The messages that came, with LF: without what smtp-sink writes above them, and the blank line below. Ends it.
    pub fn taken(self) -> Vec<Vec<u8>> {
        let dump = self.dump();
        self.running.stop();
        let fields = ["X-Client-Addr", "X-Client-Proto", "X-Helo-Args", "X-Mail-Args", "X-Rcpt-Args", "Received"];
        let files = std::fs::read_dir(dump).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        // A client that said nothing left no message.
        files
            .filter(|dump| !dump.is_empty())
            .map(|dump| {
                let mut message = fields.iter().fold(dump, |rest, field| without(field, &rest).to_vec());
                assert_eq!(message.pop(), Some(b'\n'));
                message
            })
            .collect()
    }
}

/// Postfix's smtp-source: so many messages, over so many sessions at once, each with a Message-Id of its own.
pub fn source(messages: usize, sessions: usize, to: SocketAddr) -> Command {
    let mut command = program("/usr/sbin/smtp-source", PACKAGE);
    command.args(["-m", &messages.to_string(), "-s", &sessions.to_string(), "-M", "source.test"]);
    command.args(["-f", "alice@crepes.test", "-t", "bob@hamburger.test", &to.to_string()]);
    command
}
