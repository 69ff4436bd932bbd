//! The rules of the floors, as a function over the map and the files: each breach is one line with its place.

use super::source::{self, Named, Source};
use std::collections::BTreeMap;

/// Longest file, in lines; what only tests may be longer, as sessions and tables are.
const MAX_LINES: usize = 500;
const MAX_TEST_LINES: usize = 700;

/// The one small file per floor that may hold `unsafe`.
const UNSAFE: &[&str] = &["net/inherited.rs"];

/// What may break a ban: file, start of the path, the reason.
const EXEMPT: &[(&str, &str, &str)] = &[
    ("cli/log.rs", "std::os::unix::net", "a log line to /dev/log is output, not mail"),
    ("net/wire.rs", "io::stdout", "under inetd the client is behind fd 1"),
];

/// Values, not sockets, though the standard library keeps them in `std::net`.
const ADDRESSES: &[&str] = &["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "SocketAddrV4", "SocketAddrV6", "AddrParseError"];

/// These panic when the reader of the stream is gone, or stand for work not done.
const MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg", "todo", "unimplemented"];

/// A path, by its start or its end, and the folders that may not name it.
struct Ban {
    start: &'static [&'static str],
    end: &'static [&'static str],
    folders: &'static [&'static str],
    why: &'static str,
}

const PURE: &[&str] = &["bytes", "mail", "protocol"];
const BELOW_NET: &[&str] = &["bytes", "mail", "protocol", "relay", "fetch", "browse"];
const ALL_BUT_NET: &[&str] = &["bytes", "mail", "protocol", "disk", "relay", "fetch", "browse", "cli", "cmd"];
const BELOW_FACE: &[&str] = &["bytes", "mail", "protocol", "net", "disk", "relay", "fetch", "browse"];

const fn starts(start: &'static [&'static str], folders: &'static [&'static str], why: &'static str) -> Ban {
    Ban { start, end: &[], folders, why }
}

const fn ends(end: &'static [&'static str], folders: &'static [&'static str], why: &'static str) -> Ban {
    Ban { start: &[], end, folders, why }
}

const BANS: &[Ban] = &[
    starts(&["std", "fs"], BELOW_NET, "files belong to disk"),
    starts(&["std", "env"], BELOW_FACE, "the environment belongs to cli and cmd"),
    starts(&["std", "thread"], PURE, "an engine has no threads"),
    starts(&["std", "process"], PURE, "no processes here"),
    starts(&["std", "net"], ALL_BUT_NET, "sockets belong to net"),
    starts(&["std", "os", "unix", "net"], ALL_BUT_NET, "sockets belong to net"),
    starts(&["socket2"], ALL_BUT_NET, "sockets belong to net"),
    starts(&["nix", "sys", "socket"], ALL_BUT_NET, "sockets belong to net"),
    starts(&["tokio"], ALL_BUT_NET, "tokio stays in net"),
    starts(&["trust_dns_resolver"], ALL_BUT_NET, "the resolver stays in net"),
    starts(&["openssl"], ALL_BUT_NET, "TLS stays in net"),
    starts(&["native_tls"], ALL_BUT_NET, "TLS stays in net"),
    starts(&["nix"], PURE, "no system calls here"),
    starts(&["libc"], PURE, "no system calls here"),
    starts(&["getrandom"], PURE, "randomness is passed in"),
    starts(&["signal_hook"], BELOW_FACE, "signals belong to cli and cmd"),
    starts(&["clap"], BELOW_FACE, "arguments belong to cli and cmd"),
    starts(&["anyhow"], BELOW_FACE, "errors have types below cli"),
    ends(&["Instant", "now"], BELOW_NET, "the clock is passed in"),
    ends(&["SystemTime", "now"], BELOW_NET, "the clock is passed in"),
    ends(&["Timestamp", "now"], BELOW_NET, "the clock is passed in"),
    ends(&["Zoned", "now"], BELOW_NET, "the clock is passed in"),
    ends(&["io", "stdout"], BELOW_FACE, "stdout belongs to cli and cmd"),
    ends(&["io", "stderr"], BELOW_FACE, "stderr belongs to cli and cmd"),
    ends(&["io", "stdin"], BELOW_NET, "stdin belongs above"),
    ends(&["process", "exit"], BELOW_FACE, "a status is picked by cli and cmd"),
];

/// The map of `src/lib.rs`: folder to floor, and the files in their order.
#[derive(Debug, Default)]
pub struct Map {
    floors: BTreeMap<String, u8>,
    files: Vec<String>,
}

/// Reads the map from the head of `lib.rs`; a line that is neither a floor nor a file is a breach.
pub fn map(lib: &str) -> (Map, Vec<String>) {
    let mut map = Map::default();
    let mut breaches = Vec::new();
    let head = lib.lines().enumerate().map_while(|(n, line)| Some((n + 1, line.strip_prefix("//!")?)));
    let drawn = head.skip_while(|(_, line)| line.trim() != "```text").skip(1).take_while(|(_, line)| line.trim() != "```");
    for (number, line) in drawn {
        let place = format!("src/lib.rs:{number}");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [file, _, ..] if file.ends_with(".rs") => {
                let folder = file.split('/').next().unwrap_or_default();
                if map.floors.keys().all(|f| f != folder) {
                    breaches.push(format!("{place}: {file} stands before its floor"));
                }
                if map.files.iter().any(|known| known == file) {
                    breaches.push(format!("{place}: {file} stands there already"));
                }
                map.files.push(file.to_owned());
            }
            [folder, floor, _, ..] if floor.parse::<u8>().is_ok() => {
                map.floors.insert(folder.to_owned(), floor.parse().unwrap_or_default());
            }
            _ => breaches.push(format!("{place}: neither a floor nor a file with a word on it: {}", line.trim())),
        }
    }
    (map, breaches)
}

/// Every breach in `files` (paths below `src/`, and their text), `lib.rs` with the map among them.
pub fn breaches(files: &BTreeMap<String, String>) -> Vec<String> {
    let (map, mut out) = map(files.get("lib.rs").map_or("", String::as_str));
    for file in &map.files {
        if !files.contains_key(file) {
            out.push(format!("src/lib.rs: the map names {file}, which is not there"));
        }
    }
    let sources: BTreeMap<&str, Source> = files.iter().map(|(f, text)| (f.as_str(), source::read(&module(f), text))).collect();
    for (file, text) in files {
        let source = &sources[file.as_str()];
        furniture(file, text, source, &mut out);
        match file.as_str() {
            "lib.rs" => only_declares(file, source, &mut out),
            _ if file.starts_with("bin/") => binary(file, source, &mut out),
            _ => {
                if file.ends_with("/mod.rs") {
                    only_declares(file, source, &mut out);
                } else if !map.files.contains(file) && !file.ends_with("/tests.rs") {
                    out.push(format!("src/{file}: not in the map of src/lib.rs"));
                }
                declared(file, &sources, &mut out);
                for path in &source.paths {
                    import(&map, file, path, &mut out);
                    banned(file, path, &mut out);
                }
            }
        }
    }
    out
}

/// The module that a file is, from the crate's root.
fn module(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// What holds for every file of the tree, tests included.
pub fn furniture(file: &str, text: &str, source: &Source, out: &mut Vec<String>) {
    let lines = text.lines().count();
    let most = if file.starts_with("../tests/") || file.ends_with("/tests.rs") { MAX_TEST_LINES } else { MAX_LINES };
    if lines > most {
        out.push(format!("src/{file}: {lines} lines, {most} at most"));
    }
    if !text.starts_with("//! ") {
        out.push(format!("src/{file}:1: no //! line that says what lives here"));
    }
    for line in &source.unsafes {
        if !UNSAFE.contains(&file) {
            out.push(format!("src/{file}:{line}: unsafe, outside the files that may"));
        }
    }
    for call in source.macros.iter().filter(|m| !m.in_tests && MACROS.contains(&m.segments[0].as_str())) {
        out.push(format!("src/{file}:{}: {}!", call.line, call.segments[0]));
    }
}

fn only_declares(file: &str, source: &Source, out: &mut Vec<String>) {
    for (word, line) in &source.items {
        out.push(format!("src/{file}:{line}: more than mod lines ({word})"));
    }
}

fn binary(file: &str, source: &Source, out: &mut Vec<String>) {
    for path in source.paths.iter().filter(|p| p.segments[0] == "postroad") {
        if !matches!(path.segments.get(1).map(String::as_str), Some("cmd" | "cli")) {
            out.push(format!("src/{file}:{}: a main names only cmd and cli, not {}", path.line, path.segments.join("::")));
        }
    }
}

/// A file that no `mod` line names is never compiled.
fn declared(file: &str, sources: &BTreeMap<&str, Source>, out: &mut Vec<String>) {
    let module = module(file);
    let Some((name, parent)) = module.split_last() else { return };
    let parents = match parent {
        [] => vec!["lib.rs".to_owned()],
        _ => vec![format!("{}.rs", parent.join("/")), format!("{}/mod.rs", parent.join("/"))],
    };
    if !parents.iter().any(|p| sources.get(p.as_str()).is_some_and(|s| s.children.contains(name))) {
        out.push(format!("src/{file}: no mod line names it"));
    }
}

/// Lower floors, and on the same floor only what stands higher in the map.
fn import(map: &Map, file: &str, path: &Named, out: &mut Vec<String>) {
    if path.segments[0] != "crate" {
        return;
    }
    let named = path.segments[1..].join("::");
    let mut fail = |why: &str| out.push(format!("src/{file}:{}: {named}: {why}", path.line));
    let folder = |file: &str| file.split('/').next().unwrap_or_default().to_owned();
    let (here, Some(there)) = (folder(file), path.segments.get(1)) else { return };
    let (Some(own), Some(other)) = (map.floors.get(&here), map.floors.get(there)) else {
        return fail("on no floor of the map");
    };
    let own_place = map.files.iter().position(|f| f == file);
    let target = (2..=path.segments.len()).rev().map(|n| path.segments[1..n].join("/") + ".rs");
    let place = target.filter_map(|t| map.files.iter().position(|f| *f == t)).next();
    match (other.cmp(own), place, own_place) {
        (std::cmp::Ordering::Less, ..) => {}
        (std::cmp::Ordering::Greater, ..) => fail("stands on a higher floor"),
        // What one file writes, its tests may read with another of the floor.
        (std::cmp::Ordering::Equal, ..) if path.in_tests => {}
        (_, Some(place), Some(own)) if place > own => fail("stands lower on the same floor"),
        (_, Some(_), _) => {}
        (_, None, _) => fail("names a whole floor, or no file of it in the map"),
    }
}

fn banned(file: &str, path: &Named, out: &mut Vec<String>) {
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    let folder = file.split('/').next().unwrap_or_default();
    let named = segments.join("::");
    let address = segments.len() > 2 && segments[..2] == ["std", "net"] && ADDRESSES.contains(&segments[2]);
    let exempt = EXEMPT.iter().any(|(f, start, _)| *f == file && named.starts_with(start));
    if path.in_tests || file.ends_with("/tests.rs") || address || exempt || segments[0] == "crate" {
        return;
    }
    let ban = BANS.iter().find(|b| b.folders.contains(&folder) && segments.starts_with(b.start) && segments.ends_with(b.end));
    if let Some(ban) = ban {
        out.push(format!("src/{file}:{}: {named}: {}", path.line, ban.why));
    }
}
