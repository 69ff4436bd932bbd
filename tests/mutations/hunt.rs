//! Runs the model against every mutation.

use super::list::ALL;
use super::schemata::{SWITCH, build};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The parts of the model, and whether with a second crash; those that find most in the least time first.
const PARTS: [(&str, bool); 8] = [
    ("a_crash_anywhere", false),
    ("a_mailbox_is_fetched", false),
    ("an_order", false),
    ("a_kill_and_then", false),
    ("two_runners", false),
    ("an_error_at", false),
    ("a_runner_that", false),
    ("a_crash_anywhere", true),
];
/// A mutation may also bring everything to a halt, which is no counterexample.
const PATIENCE: Duration = Duration::from_secs(400);

enum Found {
    Counterexample(String),
    Nothing,
    NoEnd,
}

#[test]
fn the_model_catches_every_mutation() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let program = build(Path::new(env!("CARGO_MANIFEST_DIR")), target);
    // For who works at one: POSTROAD_MUTATIONS=lock.
    let only = std::env::var("POSTROAD_MUTATIONS").ok();
    // The second crash is left to the model's own test.
    for part in PARTS.into_iter().filter(|(_, twice)| !twice && only.is_none()) {
        if let Found::Counterexample(what) = run(&program, "no mutation", part) {
            panic!("without a mutation, {what}");
        }
    }
    let mut names: Vec<&str> = ALL.iter().map(|mutation| mutation.name).collect::<BTreeSet<_>>().into_iter().collect();
    names.reverse();
    if let Some(only) = only {
        names.retain(|name| only.split(',').any(|part| name.contains(part)));
    }
    let (count, todo, missed) = (names.len(), Mutex::new(names), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(name) = todo.lock().unwrap().pop() else { return };
                    match hunt(&program, name) {
                        Found::Counterexample(what) => eprintln!("caught: {name}\n        {what}"),
                        Found::Nothing => missed.lock().unwrap().push(format!("{name}: no counterexample")),
                        Found::NoEnd => missed.lock().unwrap().push(format!("{name}: does not end")),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    eprintln!("mutations: {count} made, {} caught", count - missed.len());
    assert!(missed.is_empty(), "\n{}\n", missed.join("\n"));
}

fn hunt(program: &Path, name: &str) -> Found {
    for part in PARTS {
        match run(program, name, part) {
            Found::Nothing => {}
            found => return found,
        }
    }
    Found::Nothing
}

fn run(program: &Path, name: &str, (part, twice): (&str, bool)) -> Found {
    let mut command = Command::new(program);
    if twice {
        command.env("POSTROAD_TWO_CRASHES", "1");
    }
    let mut child = command
        .args([part, "--nocapture", "--test-threads", "1"])
        .env(SWITCH, name)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if began.elapsed() > PATIENCE => {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let said = reader.join().unwrap();
    match status {
        None => Found::NoEnd,
        Some(status) if status.success() => Found::Nothing,
        Some(_) => Found::Counterexample(gist(&said)),
    }
}

/// The trace, and what went wrong in it.
fn gist(said: &str) -> String {
    let mut lines = said.lines().skip_while(|line| !line.contains("panicked at")).skip(1);
    let trace = lines.next().unwrap_or_default().trim_end_matches(':');
    let rest: Vec<&str> = lines.map(str::trim_start).collect();
    let what = rest.iter().find_map(|line| line.strip_prefix("=> ")).or(rest.first().copied()).unwrap_or_default();
    format!("{trace}: {what}")
}
