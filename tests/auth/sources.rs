//! Where the password comes from, in which order, and what is refused.

use super::host::{Host, MESSAGE, password, welcome};
use crate::support::process::{PATIENCE, Process, Ran, run, tool};
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const CLEAR: [&str; 3] = ["--tls", "never", "--allow-plaintext-auth"];

/// The host with a way to log in, and files that passwords stand in.
struct World {
    host: Host,
}

impl World {
    fn new() -> World {
        let host = Host::new();
        host.private("password", "of a file\n");
        host.private("credentials/127.0.0.1", "by host\r\nmore\n");
        host.private("credentials/work", "by account\n");
        host.private("credentials/named", "by name\n");
        let server = format!("server = \"smtp://alice@{}\"\ntls = \"never\"\n", host.address);
        let account = |name: &str, lines: &str| format!("[account.{name}]\n{server}{lines}\n");
        let config = account("work", "password = \"of the config\"")
            + &account("program", "password-command = \"printf 'of a\\\\040program'\"")
            + &account("file", "password-file = \"password\"")
            + &account("bare", "")
            + &account("bob", "user = \"bob\"\npassword = \"x\"\nauth = [\"LOGIN\", \"PLAIN\"]");
        host.private("config.toml", &config);
        World { host }
    }

    /// smtp-send with the account and options, and what became of it; none of the environment but these variables.
    fn command(&self, account: Option<&str>, options: &[&str], variables: &[(&str, String)]) -> Command {
        let mut command = match account {
            None => self.host.command(&[&["--user", "alice", "--tls", "never"], options].concat()),
            Some(name) => {
                let mut command = tool("smtp-send");
                command.args(["-a", name, "-f", "a@x.test"]).args(options).arg("b@y.test").env("HOME", self.host.dir.path());
                command
            }
        };
        command.arg("--config").arg(self.host.path("config.toml")).arg("--allow-plaintext-auth");
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// The password that the server was given.
    fn used(&self, command: &mut Command) -> String {
        let serving = self.host.serve("PLAIN", false, Box::new(welcome));
        let ran = run(command, MESSAGE);
        let said = serving.join().unwrap();
        assert_eq!(ran.status, 0, "{ran:?}");
        password(&said).unwrap_or_else(|| panic!("{said:?}"))
    }

    fn credentials(&self) -> (&'static str, String) {
        ("CREDENTIALS_DIRECTORY", self.host.path("credentials").display().to_string())
    }

    fn netrc(&self, name: &str, text: &str) -> (&'static str, String) {
        ("NETRC", self.host.private(name, text))
    }
}

#[test]
fn every_source_gives_its_password() {
    let world = World::new();
    let file = world.host.path("password").display().to_string();
    let of =
        |account, options: &[&str], variables: &[(&str, String)]| world.used(&mut world.command(account, options, variables));
    assert_eq!(of(None, &["--password-file", &file], &[]), "of a file");
    assert_eq!(of(None, &["--password-command", &format!("cat '{file}'")], &[]), "of a file");
    assert_eq!(of(None, &["--credential", "named"], &[world.credentials()]), "by name");
    assert_eq!(of(None, &[], &[world.credentials()]), "by host");
    assert_eq!(of(Some("work"), &[], &[]), "of the config");
    assert_eq!(of(Some("program"), &[], &[]), "of a program");
    assert_eq!(of(Some("file"), &[], &[]), "of a file");
    let netrc = world.netrc("netrc", "machine else.test password no\nmachine 127.0.0.1 login alice password 'netrc\n");
    assert_eq!(of(None, &[], std::slice::from_ref(&netrc)), "'netrc");
    world.host.private(".netrc", "default password \"at home\"");
    assert_eq!(of(Some("bare"), &[], &[]), "at home");
}

#[test]
fn a_descriptor_is_read_while_stdin_is_the_message() {
    let world = World::new();
    let inner = world.command(None, &["--password-fd", "3"], &[]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exec \"$@\" 3< \"$HOME/password\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().env("HOME", world.host.dir.path());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    assert_eq!(world.used(&mut command), "of a file");
}

#[test]
fn a_flag_goes_before_the_environment_before_the_config_before_netrc() {
    let world = World::new();
    let file = world.host.path("password").display().to_string();
    let netrc = world.netrc("netrc", "default login alice password last");
    let both = [world.credentials(), netrc.clone()];
    let of =
        |account, options: &[&str], variables: &[(&str, String)]| world.used(&mut world.command(account, options, variables));
    assert_eq!(of(Some("work"), &["--password-file", &file], &both), "of a file");
    assert_eq!(of(Some("work"), &[], &both), "by account");
    assert_eq!(of(Some("work"), &[], std::slice::from_ref(&netrc)), "of the config");
    assert_eq!(of(Some("bare"), &[], &[netrc]), "last");
}

#[test]
fn the_account_says_who_and_how_and_netrc_who_where_nobody_else_does() {
    let world = World::new();
    let asked = |command: &mut Command, offered: &str| {
        let serving = world.host.serve(offered, false, Box::new(welcome));
        run(command, MESSAGE);
        serving.join().unwrap().into_iter().find(|line| line.starts_with("AUTH ")).unwrap()
    };
    // \0bob\0x
    assert_eq!(asked(&mut world.command(Some("bob"), &[], &[]), "CRAM-MD5 PLAIN"), "AUTH PLAIN AGJvYgB4");
    // \0carol\0x
    assert_eq!(asked(&mut world.command(Some("bob"), &["--user", "carol"], &[]), "CRAM-MD5 PLAIN"), "AUTH PLAIN AGNhcm9sAHg=");
    let netrc = world.netrc("netrc", "machine 127.0.0.1 login dave password x");
    let mut command = world.host.command(&[&CLEAR[..], &["--auth", "PLAIN"]].concat());
    // \0dave\0x
    assert_eq!(asked(command.envs([netrc.clone()]), "CRAM-MD5 PLAIN"), "AUTH PLAIN AGRhdmUAeA==");
    let file = world.host.private("other", "y\n");
    let mut command = world.host.command(&[&CLEAR[..], &["--auth", "PLAIN", "--password-file", &file]].concat());
    // \0dave\0y
    assert_eq!(asked(command.envs([netrc]), "PLAIN"), "AUTH PLAIN AGRhdmUAeQ==", "a flag's password for the name of a file");
}

/// Runs without a server: nothing may be connected.
fn refused(command: &mut Command) -> (i32, String) {
    let Ran { status, err, .. } = run(command, MESSAGE);
    let line = err.lines().next().unwrap_or_default().to_owned();
    (status, line.strip_prefix("smtp-send: ").unwrap_or(&line).to_owned())
}

#[test]
fn what_cannot_be_is_told_before_anything_is_connected() {
    let world = World::new();
    let told = |account: Option<&str>, options: &[&str], variables: &[(&str, String)], status: i32, text: &str| {
        let (code, line) = refused(&mut world.command(account, options, variables));
        assert!(code == status && line.contains(text), "{options:?}: {code} {line}");
        assert!(!line.contains("hunter2"), "{line}");
    };
    let sources = "use --password-command, --password-file, --password-fd, the config, .netrc or the prompt";
    for words in [&["--password", "hunter2"][..], &["--password=hunter2"], &["--pass", "hunter2"], &["--user", "alice:hunter2"]] {
        told(Some("work"), words, &[], 64, sources);
    }
    told(None, &["--password-file", "/nonexistent/file"], &[], 78, "cannot open /nonexistent/file: No such file");
    told(None, &["--password-fd", "0"], &[], 64, "--password-fd 0: the message comes from there");
    told(None, &["--password-fd", "99"], &[], 64, "--password-fd 99: Bad file descriptor");
    told(None, &["--password-fd", "1"], &[], 64, "--password-fd 1: ");
    told(None, &["--password-command", "pass 'x"], &[], 64, "--password-command: ");
    told(None, &["--credential", "named"], &[], 78, "--credential named: $CREDENTIALS_DIRECTORY is not set");
    told(None, &["--credential", "../x"], &[world.credentials()], 64, "no name of a credential");
    told(None, &["--credential", "gone"], &[world.credentials()], 78, "credentials/gone: No such file");
    told(None, &["--auth", "GSSAPI"], &[], 64, "unknown mechanism GSSAPI");
    told(None, &["--password-file", "/x", "--password-command", "y"], &[], 64, "cannot be used with");
    let broken = world.netrc("broken", "machine x password \"y");
    told(None, &[], &[broken], 78, "broken: line 1: a quote that nothing closes");
    let netrc = world.netrc("open", "machine 127.0.0.1 password hunter2");
    fs::set_permissions(&netrc.1, fs::Permissions::from_mode(0o644)).unwrap();
    told(None, &[], &[netrc], 78, "others may read the passwords in it, so none is used: chmod 600 ");
    told(Some("work"), &["--auth", "PLAIN", "--user", ""], &[], 64, "--user: no user's name");
    let nobody = |words: &[&str], text: &str| {
        let (code, line) = refused(tool("smtp-send").args(words).arg("b@y.test"));
        assert!(code == 64 && line.contains(text) && !line.contains("hunter2"), "{words:?}: {code} {line}");
    };
    nobody(&["-s", "smtp://alice:hunter2@127.0.0.1"], sources);
    nobody(&["--mx", "--user", "alice"], "needs a server");
    nobody(&["-s", "mx:y.test", "--user", "alice"], "nobody logs in at MX hosts");
    nobody(&["-s", "127.0.0.1:1", "--password-file", "/x"], "nobody to log in as");
    nobody(&["-s", "127.0.0.1:1", "--auth", "PLAIN"], "--auth needs a user");
}

#[test]
fn a_password_that_nobody_needs_is_not_asked_for() {
    let world = World::new();
    let touched = world.host.path("touched").display().to_string();
    let options = ["--auth-optional", "--password-command", &format!("touch '{touched}'")];
    let serving = world.host.serve("GSSAPI", false, Box::new(welcome));
    let ran = run(&mut world.command(None, &options, &[]), MESSAGE);
    serving.join().unwrap();
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(!world.host.path("touched").exists(), "the server offers nothing that needs it");
}

#[test]
fn a_password_that_cannot_be_had_is_77_with_a_row_for_each_recipient() {
    let world = World::new();
    for (command, why) in [
        ("sleep 600", "the password command sleep took longer than 200ms"),
        ("sh -c 'echo half; exit 3'", "the password command sh failed: exit status: 3"),
        ("/nonexistent/pass", "cannot start the password command /nonexistent/pass: No such file or directory"),
        ("true", "the password command true: no password on the first line"),
    ] {
        let serving = world.host.serve("PLAIN", false, Box::new(welcome));
        // Only the one that never ends is hurried.
        let time = if command == "sleep 600" { "200ms" } else { "60s" };
        let ran =
            run(world.command(None, &["--password-command", command, "--password-timeout", time], &[]).arg("c@z.test"), MESSAGE);
        let said = serving.join().unwrap();
        assert_eq!(ran.status, 77, "{ran:?}");
        assert!(said.iter().all(|line| !line.starts_with("AUTH")) && said.last().unwrap() == "QUIT", "{said:?}");
        let rows: Vec<&str> = ran.out.lines().collect();
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert!(rows.iter().all(|row| row.starts_with("deferred\t") && row.contains(why)), "{rows:?}");
        assert!(ran.err.contains(&format!("smtp-send: {why}")), "{}", ran.err);
    }
}

/// In cron, where nobody would mend it, it is not told.
#[test]
fn a_file_that_others_may_read_is_used_with_a_warning_to_who_is_there() {
    let world = World::new();
    let file = world.host.path("password");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let file = file.display().to_string();
    let told = |options: &[&str]| {
        let serving = world.host.serve("PLAIN", false, Box::new(welcome));
        let pty = nix::pty::openpty(None, None).unwrap();
        let command = &mut world.command(None, options, &[]);
        let ran = run(command.stderr(pty.slave), MESSAGE);
        // Nobody else may keep the terminal open.
        command.stderr(std::process::Stdio::null());
        serving.join().unwrap();
        let mut shown = Vec::new();
        let _ = fs::File::from(pty.master).read_to_end(&mut shown);
        assert_eq!(ran.status, 0, "{ran:?}");
        String::from_utf8(shown).unwrap()
    };
    let warning = format!("smtp-send: warning: others may read the password in {file}\r\n");
    assert_eq!(told(&["--password-file", &file]), warning);
    assert_eq!(told(&["--password-file", &file, "-q"]), "");
    let serving = world.host.serve("PLAIN", false, Box::new(welcome));
    let ran = run(&mut world.command(None, &["--password-file", &file], &[]), MESSAGE);
    serving.join().unwrap();
    assert_eq!((ran.status, &*ran.err), (0, ""));
}

/// RFC 8314 section 3.3, and no exception for loopback; a UNIX socket cannot be overheard.
#[test]
fn a_password_needs_tls_but_on_a_socket() {
    let world = World::new();
    let file = world.host.path("password").display().to_string();
    let secret = ["--user", "alice", "--password-file", &file];
    let ran = run(&mut world.host.command(&[&secret[..], &["--tls", "never"]].concat()), MESSAGE);
    let row = "refused\tb@y.test\t-\t5.7.11\tno password is sent without TLS; with --allow-plaintext-auth it is\n";
    assert_eq!((ran.status, ran.out.as_str()), (77, row));
    assert_eq!(ran.err, "smtp-send: no password is sent without TLS; with --allow-plaintext-auth it is\n");

    let socket = world.host.path("socket");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let serving = std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 mx.test\r\n").unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
            let reply = match line.as_str() {
                line if line.starts_with("EHLO") => "250-mx.test\r\n250 AUTH PLAIN",
                "DATA" => "354 go",
                line if [".", "QUIT"].contains(&line) || line.contains(' ') && !line.contains(": ") => "250 ok",
                _ => continue,
            };
            said.push(line);
            stream.write_all(format!("{reply}\r\n").as_bytes()).unwrap();
        }
        said
    });
    let mut command = tool("smtp-send");
    command.args(["-s", &format!("unix:{}", socket.display()), "-f", "a@x.test", "b@y.test"]).args(secret);
    let ran = run(&mut command, MESSAGE);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(password(&serving.join().unwrap()).as_deref(), Some("of a file"));
}

/// The tool dies of the signal as ever, and leaves nothing running that waits for a pass phrase.
#[test]
fn a_signal_ends_the_password_command_too() {
    let world = World::new();
    let serving = world.host.serve("PLAIN", false, Box::new(welcome));
    let pid = world.host.path("pid");
    let script = format!("sh -c 'echo $$ > \"{}\"; exec sleep 600'", pid.display());
    let mut command = world.command(None, &["--password-command", &script], &[]);
    world.host.private("message", "Subject: x\n\nx\n");
    let mut process = Process::start(command.stdin(fs::File::open(world.host.path("message")).unwrap()));
    let began = Instant::now();
    let program = loop {
        match fs::read_to_string(&pid).unwrap_or_default().trim().parse() {
            Ok(pid) => break nix::unistd::Pid::from_raw(pid),
            Err(_) => assert!(began.elapsed() < PATIENCE, "it was not started"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    process.terminate();
    let ended = process.wait();
    serving.join().unwrap();
    assert_eq!(ended.status.signal(), Some(15), "{:?}", ended.status);
    assert!(nix::sys::signal::kill(program, None).is_err(), "it goes on");
}
