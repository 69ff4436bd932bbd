//! What stands around the source: licences, the reasons for dependencies, the change log, units and lines that start the tools.

#[path = "docs/tools.rs"]
mod tools;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn toml(name: &str) -> toml::Table {
    read(name).parse().unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = toml("Cargo.toml");
    let reasons = read("docs/decisions/dependencies.md");
    let told: BTreeSet<&str> = reasons.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    let mut used = BTreeSet::from(["crate"]);
    for table in ["dependencies", "dev-dependencies"] {
        used.extend(manifest[table].as_table().unwrap().keys().map(String::as_str));
    }
    assert_eq!(told, used, "docs/decisions/dependencies.md and Cargo.toml differ");
}

/// Each part of an SPDX expression of alternatives and additions, as far as crates write them.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" AND ").all(|both| both.split(" OR ").any(|one| allowed.contains(one.trim())))
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let deny = toml("deny.toml");
    let allowed = deny["licenses"]["allow"].as_array().unwrap();
    let allowed: BTreeSet<String> = allowed.iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    let sound = ["MIT/GPL-3.0-only", "(MIT OR X) AND Unicode-3.0"].iter().all(|good| is_allowed(good, &allowed));
    let unsound = ["GPL-3.0-only", "MIT AND X", ""].iter().any(|bad| is_allowed(bad, &allowed));
    assert!(sound && !unsound);
    let cargo = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}\t{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let tree = String::from_utf8(cargo.stdout).unwrap();
    let packages: BTreeSet<(&str, &str)> = tree.lines().filter_map(|line| line.split_once('\t')).collect();
    assert!(packages.len() > 50, "the packages were not found");
    // `(*)` marks a package that was shown before.
    let licence = |text: &str| text.trim_end_matches(" (*)").to_owned();
    let bad: Vec<_> = packages.iter().filter(|(_, text)| !is_allowed(&licence(text), &allowed)).collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn licences_are_there_and_the_change_log_is_open() {
    assert!(read("LICENSE-MIT").starts_with("MIT License"));
    assert!(read("LICENSE-APACHE").contains("Apache License\n                           Version 2.0, January 2004"));
    assert_eq!(toml("Cargo.toml")["package"]["license"].as_str(), Some("MIT OR Apache-2.0"));
    assert!(read("CHANGELOG.md").contains("\n## Unreleased\n"));
}

/// The commands in `contrib/`, each with the file it stands in.
fn started() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    for dir in [folder.clone(), folder.join("systemd")] {
        for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
            for line in fs::read_to_string(&entry).unwrap().lines().filter(|line| !line.starts_with('#')) {
                let Some((_, command)) = line.split_once("@BINDIR@/") else { continue };
                let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
                // inetd gives argv[0] behind the path.
                if words.get(1) == words.first() {
                    words.remove(0);
                }
                found.push((entry.display().to_string(), words));
            }
        }
    }
    found
}

#[test]
fn what_contrib_starts_is_understood_by_the_tools() {
    let started = started();
    assert!(started.len() >= 5, "{started:?}");
    for (file, words) in started {
        let Some((_, command)) = tools::TOOLS.iter().find(|(tool, _)| *tool == words[0]) else {
            panic!("{file} starts {}, which is no tool", words[0]);
        };
        command().try_get_matches_from(&words).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
}

#[test]
fn install_puts_everything_in_place() {
    let root = tempfile::tempdir().unwrap();
    let built = Path::new(env!("CARGO_BIN_EXE_mx-lookup")).parent().unwrap();
    let make = Command::new("make")
        .args(["install", "CARGO=none", "PREFIX=/usr", &format!("BUILT={}", built.display())])
        .arg(format!("DESTDIR={}", root.path().display()))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap_or_else(|e| panic!("make: {e}"));
    assert!(make.status.success(), "{}", String::from_utf8_lossy(&make.stderr));
    let there = |path: String| assert!(root.path().join(&path).is_file(), "{path} was not installed");
    for (tool, _) in tools::TOOLS {
        there(format!("usr/bin/{tool}"));
        there(format!("usr/share/man/man1/{tool}.1"));
        there(format!("usr/share/bash-completion/completions/{tool}"));
        there(format!("usr/share/zsh/site-functions/_{tool}"));
        there(format!("usr/share/fish/vendor_completions.d/{tool}.fish"));
    }
    for page in ["man5/postroad.toml.5", "man5/spool.5", "man7/postroad.7"] {
        there(format!("usr/share/man/{page}"));
    }
    there("usr/share/doc/postroad/inetd.conf".to_owned());
    there("usr/share/doc/postroad/cron".to_owned());
    there("usr/lib/systemd/system/mailq-run.timer".to_owned());
    let units = root.path().join("usr/lib/systemd/system");
    let mut count = 0;
    for unit in fs::read_dir(units).unwrap().map(|unit| unit.unwrap().path()) {
        let text = fs::read_to_string(&unit).unwrap();
        assert!(!text.contains("@BINDIR@"), "{}", unit.display());
        count += usize::from(text.contains("ExecStart=/usr/bin/"));
    }
    assert!(count >= 3, "no unit starts anything");
}
