//! Holds the tree to the map in `src/lib.rs`: who may import whom, what each floor may touch, what every file looks like.
//! The rules are a function over the map and the files, so the last tests breach them on purpose.

#[path = "floors/rules.rs"]
mod rules;
#[path = "floors/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Every `.rs` file below `folder`, by its path from there.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_tree_keeps_to_its_map() {
    let files = tree(&root().join("src"));
    assert!(files.len() > 10, "the tree was not found: {files:?}");
    let breaches = rules::breaches(&files);
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn tests_are_short_and_say_what_they_are() {
    let mut breaches = Vec::new();
    for (file, text) in tree(&root().join("tests")) {
        let mut source = source::read(&[], &text);
        source.macros.clear();
        source.unsafes.clear();
        rules::furniture(&format!("../tests/{file}"), &text, &source, &mut breaches);
    }
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn the_format_is_settled() {
    assert!(root().join("rustfmt.toml").is_file());
}

const LIB: &str = "//! The map.
//! ```text
//! bytes  0  bytes
//!   bytes/low.rs    low
//!   bytes/high.rs   high
//! mail  1  words
//!   mail/word.rs    a word
//! net  3  sockets
//!   net/dial.rs     dials
//! relay  4  work
//!   relay/retry.rs  when to try again
//! cli  5  the face
//!   cli/exit.rs     statuses
//! ```
pub mod bytes;
pub mod cli;
pub mod mail;
pub mod net;
pub mod relay;
";

/// A tree without a breach, with `changes` laid over it.
fn fixture(changes: &[(&str, &str)]) -> Vec<String> {
    let sound = [
        ("lib.rs", LIB),
        ("bytes/mod.rs", "//! Floor 0.\npub mod high;\npub mod low;\n"),
        ("bytes/low.rs", "//! Low.\npub fn low() {}\n"),
        ("bytes/high.rs", "//! High.\nuse super::low::low;\npub fn high() { low() }\n"),
        ("mail/mod.rs", "//! Floor 1.\npub mod word;\n"),
        ("mail/word.rs", "//! Word.\nuse crate::bytes::{high::high, low};\nuse std::net::IpAddr;\n"),
        ("net/mod.rs", "//! Floor 3.\npub mod dial;\n"),
        ("net/dial.rs", "//! Dial.\nuse std::net::TcpStream;\nuse std::time::Instant;\nfn t() { Instant::now(); }\n"),
        ("relay/mod.rs", "//! Floor 4.\npub mod retry;\n"),
        ("relay/retry.rs", "//! Retry.\nuse crate::{mail::word, net::dial};\n"),
        ("cli/mod.rs", "//! Floor 5.\npub mod exit;\n"),
        ("cli/exit.rs", "//! Exit.\nfn t() { std::process::exit(1) }\n"),
        ("bin/tool.rs", "//! A main.\nfn main() { postroad::cli::exit::main() }\n"),
    ];
    let files = sound.iter().chain(changes).filter(|(_, text)| !text.is_empty());
    let gone = |file: &str| changes.iter().any(|(f, text)| *f == file && text.is_empty());
    rules::breaches(&files.filter(|(f, _)| !gone(f)).map(|(f, t)| ((*f).to_owned(), (*t).to_owned())).collect())
}

#[test]
fn a_sound_tree_passes() {
    assert_eq!(fixture(&[]), [""; 0]);
    let harmless = "//! Low.\n// println!(\"x\") use crate::mail::word;\n/* /* */ unsafe */\nconst A: &str = \"crate::mail::word\";
        const B: char = '\"';\nconst C: &str = r#\"\" unsafe \"#;\nfn f<'a>(x: &'a str) -> bool { x != \"\" }
        #[cfg(test)]\nmod tests {\n use super::*;\n use std::fs;\n fn t() { println!(\"{}\", 'x'); super::super::low::f(\"\"); }\n}\n";
    assert_eq!(fixture(&[("bytes/low.rs", harmless)]), [""; 0]);
    let with_tests = "//! Low.\n#[cfg(test)]\nmod tests;\n";
    assert_eq!(fixture(&[("bytes/low.rs", with_tests), ("bytes/low/tests.rs", "//! Tests.\nuse std::fs;\n")]), [""; 0]);
}

/// Each breach alone: the file, what it holds, what the checker says of it.
#[test]
fn each_breach_is_found() {
    let long = format!("//! Low.\n{}", "// x\n".repeat(500));
    let map_line_without_file = LIB.replace("bytes/low.rs ", "bytes/gone.rs");
    let cases: &[(&str, &str, &str)] = &[
        ("mail/word.rs", "//! W.\nuse crate::net::dial::X;", "src/mail/word.rs:2: net::dial::X: stands on a higher floor"),
        ("mail/word.rs", "//! W.\nuse crate::{\n    bytes::low,\n    cli::exit,\n};", "cli::exit: stands on a higher floor"),
        ("mail/word.rs", "//! W.\nfn f() { crate::relay::retry::now() }", "relay::retry::now: stands on a higher floor"),
        ("mail/word.rs", "//! W.\nuse super::super::net::dial;", "net::dial: stands on a higher floor"),
        ("bytes/low.rs", "//! L.\nuse crate::bytes::high::high;", "bytes::high::high: stands lower on the same floor"),
        ("bytes/low.rs", "//! L.\nuse super::high;", "bytes::high: stands lower on the same floor"),
        ("bytes/low.rs", "//! L.\nmod inner { fn f() { super::super::high::high() } }", "bytes::high::high: stands lower"),
        ("bytes/high.rs", "//! H.\nuse super::*;", "bytes: names a whole floor"),
        ("mail/word.rs", "//! W.\n#[cfg(test)]\nmod tests { use crate::cli::exit; }", "cli::exit: stands on a higher floor"),
        ("mail/extra.rs", "//! Extra.", "src/mail/extra.rs: not in the map"),
        ("mail/mod.rs", "//! M.", "src/mail/word.rs: no mod line names it"),
        ("lib.rs", &map_line_without_file, "the map names bytes/gone.rs, which is not there"),
        ("bytes/low.rs", "", "the map names bytes/low.rs, which is not there"),
        ("lib.rs", &LIB.replace("bytes/low.rs    low", "bytes/low.rs"), "src/lib.rs:4: neither a floor nor a file"),
        (
            "lib.rs",
            &LIB.replace("bytes/low.rs    low", "bytes/high.rs   high"),
            "src/lib.rs:5: bytes/high.rs stands there already",
        ),
        ("lib.rs", &LIB.replace("pub mod cli;", "pub mod cli;\npub use bytes::low;"), "more than mod lines (use)"),
        ("mail/mod.rs", "//! M.\npub mod word;\npub fn f() {}", "src/mail/mod.rs:3: more than mod lines (fn)"),
        ("bytes/low.rs", &long, "501 lines, 500 at most"),
        ("bytes/low.rs", "pub fn f() {}", "src/bytes/low.rs:1: no //! line"),
        ("bytes/low.rs", "//! L.\nfn f() { unsafe { g() } }", "src/bytes/low.rs:2: unsafe"),
        ("relay/retry.rs", "//! R.\nuse std::{fs::File, io};", "std::fs::File: files belong to disk"),
        ("relay/retry.rs", "//! R.\nuse std::time::Instant;\nfn f() { Instant::now(); }", "Instant::now: the clock is passed in"),
        ("relay/retry.rs", "//! R.\nfn f() { std::time::SystemTime::now(); }", "the clock is passed in"),
        ("mail/word.rs", "//! W.\nuse std::net::{IpAddr, TcpStream};", "std::net::TcpStream: sockets belong to net"),
        ("mail/word.rs", "//! W.\nuse std::env;", "std::env: the environment"),
        ("cli/exit.rs", "//! E.\nuse openssl::ssl::Ssl;", "openssl::ssl::Ssl: TLS stays in net"),
        ("net/dial.rs", "//! D.\nfn f() { std::process::exit(3) }", "std::process::exit: a status is picked"),
        ("net/dial.rs", "//! D.\nfn f() { println!(\"hi\") }", "src/net/dial.rs:2: println!"),
        ("cli/exit.rs", "//! E.\nfn f() { eprintln!(\"hi\") }", "src/cli/exit.rs:2: eprintln!"),
        ("cli/exit.rs", "//! E.\nfn f() { todo!() }", "src/cli/exit.rs:2: todo!"),
        ("bin/tool.rs", "//! A main.\nuse postroad::net::dial;", "a main names only cmd and cli, not postroad::net::dial"),
    ];
    for (file, text, expected) in cases {
        let found = fixture(&[(file, text)]);
        assert!(found.iter().any(|line| line.contains(expected)), "{file}: {text}\nexpected {expected}\nfound {found:#?}");
    }
}
