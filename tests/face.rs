//! What every tool shows to the outside alike: help, version, statuses, one line for an error, quiet where nobody listens.

#[path = "docs/tools.rs"]
mod tools;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn binary(tool: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_mx-lookup")).with_file_name(tool)
}

fn run(tool: &str, words: &[&str]) -> Output {
    Command::new(binary(tool)).args(words).stdin(Stdio::null()).env_remove("POSTROAD_CONFIG").output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn every() -> impl Iterator<Item = &'static str> {
    tools::TOOLS.iter().map(|(tool, _)| *tool)
}

#[test]
fn help_and_version_go_to_stdout_with_status_0() {
    for tool in every() {
        let version = run(tool, &["--version"]);
        assert_eq!(text(&version.stdout), format!("{tool} {}\n", env!("CARGO_PKG_VERSION")));
        assert_eq!((version.status.code(), text(&version.stderr)), (Some(0), ""));
        let help = run(tool, &["--help"]);
        assert!(help.status.success() && text(&help.stdout).contains(&format!("Usage: {tool}")), "{tool}");
    }
}

#[test]
fn a_wrong_option_is_status_64_and_one_line() {
    for tool in every() {
        let wrong = run(tool, &["--no-such-option"]);
        let said = text(&wrong.stderr);
        assert_eq!((wrong.status.code(), text(&wrong.stdout), said.lines().count()), (Some(64), "", 1), "{tool}: {said}");
        assert!(said.starts_with(&format!("{tool}: unexpected argument '--no-such-option' found")), "{said}");
    }
}

#[test]
fn a_word_from_outside_drives_no_terminal() {
    for tool in every() {
        let hostile = run(tool, &["--\x1b[2Jx\u{202e}"]);
        assert_eq!(hostile.status.code(), Some(64));
        assert!(!text(&hostile.stderr).contains(['\x1b', '\u{202e}']), "{tool}: {:?}", text(&hostile.stderr));
    }
}

#[test]
fn a_closed_pipe_is_quiet_and_a_full_disk_is_not() {
    for tool in every() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = Command::new(binary(tool)).arg("--help").stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((closed.status.code(), text(&closed.stderr)), (Some(0), ""), "{tool}");
        let full = File::options().write(true).open("/dev/full").unwrap();
        let full = Command::new(binary(tool)).arg("--help").stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = format!("{tool}: cannot write to stdout: No space left on device\n");
        assert_eq!((full.status.code(), text(&full.stderr)), (Some(74), &*said));
    }
}

/// A /dev/null that is opened for reading and writing is what Python and daemon(3) give who is not to be heard.
#[test]
fn a_stdout_that_is_closed_takes_nothing_and_one_that_forgets_all_does() {
    for tool in every() {
        let with = |redirection: &str| {
            let script = format!("exec \"$0\" --help {redirection}");
            let ran = Command::new("sh").arg("-c").arg(script).arg(binary(tool)).stdin(Stdio::null()).output().unwrap();
            (ran.status.code(), text(&ran.stderr).to_owned())
        };
        assert_eq!(with(">&-"), (Some(74), format!("{tool}: cannot write to stdout: it is closed\n")));
        for forgets in [">/dev/null", "1<>/dev/null"] {
            assert_eq!(with(forgets), (Some(0), String::new()), "{tool} {forgets}");
        }
    }
}

#[test]
fn a_closed_stderr_ends_nothing() {
    for tool in every() {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let status = Command::new(binary(tool)).arg("--no-such-option").stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(64), "{tool}");
    }
}

/// The tools that read the config, each with words that get it there.
const CONFIGURED: &[(&str, &[&str])] =
    &[("mailq-run", &[]), ("smtp-listen", &["--inetd"]), ("smtp-send", &["-f", "a@a.test", "-s", "127.0.0.1:1", "b@b.test"])];

#[test]
fn a_config_that_is_wrong_or_cannot_be_read_is_status_78_and_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let path = file.to_str().unwrap();
    for (tool, words) in CONFIGURED {
        let with = |words: &[&str]| run(tool, &[words, &["--config", path]].concat());
        fs::write(&file, "hostname = \"a.test\"\nspol = \"/x\"\n").unwrap();
        let unknown = with(words);
        let said = format!("{tool}: {path}:2: unknown key \"spol\"; the nearest is \"spool\"\n");
        assert_eq!((unknown.status.code(), text(&unknown.stderr)), (Some(78), &*said));
        fs::remove_file(&file).unwrap();
        let gone = with(words);
        let said = format!("{tool}: cannot read {path}: No such file or directory\n");
        assert_eq!((gone.status.code(), text(&gone.stderr)), (Some(78), &*said));
        let variable =
            Command::new(binary(tool)).args(*words).env("POSTROAD_CONFIG", path).stdin(Stdio::null()).output().unwrap();
        assert_eq!((variable.status.code(), text(&variable.stderr)), (Some(78), &*said));
    }
}

#[test]
fn a_user_s_config_is_nothing_to_the_server() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("postroad");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.toml"), "spol = 1").unwrap();
    for (tool, words) in CONFIGURED {
        let mut command = Command::new(binary(tool));
        command.args(*words).env("XDG_CONFIG_HOME", home.path()).env_remove("POSTROAD_CONFIG").stdin(Stdio::null());
        command.env("POSTROAD_SPOOL", home.path().join("spool"));
        let said = command.output().unwrap();
        let read = text(&said.stderr).contains("unknown key");
        assert_eq!(read, *tool == "smtp-send", "{tool}: {}", text(&said.stderr));
    }
}

/// What is written in lines for people's eyes is not broken again by the width that help is shown with at most.
#[test]
fn lines_of_help_are_broken_once() {
    const WIDTH: usize = 100;
    for (tool, command) in tools::TOOLS.iter().filter(|(tool, _)| *tool != "mime-pack") {
        let help = command().get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > WIDTH).collect();
        assert!(long.is_empty(), "{tool}: {long:#?}");
    }
}
