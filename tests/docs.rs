//! Man pages and completions are made from the tools' own definitions and checked in: this fails when they are stale, and writes them
//! with UPDATE=1 (`make docs`).

#[path = "docs/page.rs"]
mod page;
#[path = "docs/sections.rs"]
mod sections;
#[path = "docs/tools.rs"]
mod tools;

use clap::Command;
use clap_complete::{Shell, generate};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tools::TOOLS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of the files in `folder` that end in `suffix`.
fn names(folder: &str, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).map(|dir| dir.map(|e| e.unwrap().file_name().into_string().unwrap()));
    let mut names: Vec<String> = entries.into_iter().flatten().filter(|name| name.ends_with(suffix)).collect();
    names.sort();
    names
}

/// What there should be: path from the root, and text.
fn made() -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    for (tool, command) in TOOLS {
        let part = root().join(format!("man/parts/{tool}.txt"));
        let part = fs::read_to_string(&part).unwrap_or_else(|e| panic!("{}: {e}", part.display()));
        files.insert(format!("man/{tool}.1").into(), page::page(&command(), &part));
        for (shell, name) in
            [(Shell::Bash, format!("{tool}.bash")), (Shell::Zsh, format!("_{tool}")), (Shell::Fish, format!("{tool}.fish"))]
        {
            let mut out = Vec::new();
            generate(shell, &mut command(), *tool, &mut out);
            files.insert(Path::new("completions").join(name), String::from_utf8(out).unwrap());
        }
    }
    files
}

#[test]
fn pages_and_completions_are_fresh() {
    let made = made();
    let update = std::env::var_os("UPDATE").is_some_and(|v| v == "1");
    let mut stale = Vec::new();
    for (path, text) in &made {
        let file = root().join(path);
        if fs::read_to_string(&file).is_ok_and(|there| there == *text) {
            continue;
        }
        if update {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        } else {
            stale.push(path.display().to_string());
        }
    }
    assert!(stale.is_empty(), "stale, run `make docs`: {}", stale.join(" "));
}

#[test]
fn every_tool_has_its_page_and_nothing_else_has() {
    let tools: Vec<String> = TOOLS.iter().map(|(tool, _)| (*tool).to_owned()).collect();
    let binaries: Vec<String> = names("src/bin", ".rs").iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    let mut sorted = tools.clone();
    sorted.sort();
    assert_eq!(sorted, binaries, "src/bin and TOOLS differ");
    let made: Vec<PathBuf> = made().into_keys().collect();
    for (folder, suffix) in [("man", ".1"), ("completions", "")] {
        for name in names(folder, suffix) {
            assert!(made.contains(&Path::new(folder).join(&name)), "{folder}/{name} belongs to no tool");
        }
    }
}

#[test]
fn a_changed_option_makes_its_page_stale() {
    let command = || Command::new("tool").about("Do it").arg(clap::arg!(--fast "Do it fast"));
    let page = |command: Command| page::page(&command, "EXAMPLES\n  tool --fast\n");
    assert_ne!(page(command()), page(command().mut_arg("fast", |a| a.help("Do it faster"))));
    assert_ne!(page(command()), page(command().after_long_help("BUGS\n  None.")));
    assert!(page(command()).contains(".SH \"EXIT STATUS\"") && page(command()).contains("tool \\-\\-fast"));
}

#[test]
fn short_help_fits_a_screen() {
    for (tool, command) in TOOLS {
        let lines = command().render_help().to_string().lines().count();
        assert!(lines <= 60, "{tool} -h: {lines} lines");
    }
}

/// mandoc is named where it is missing: a page that nobody checked is no page.
#[test]
fn mandoc_finds_no_error() {
    let pages: Vec<PathBuf> =
        [".1", ".5", ".7"].iter().flat_map(|s| names("man", s)).map(|n| root().join("man").join(n)).collect();
    assert!(!pages.is_empty());
    for page in pages {
        let run = std::process::Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(&page).output();
        let run = run.unwrap_or_else(|e| panic!("mandoc: {e}; on Debian: apt-get install mandoc"));
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{}\n{said}{}", page.display(), String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn plain_text_becomes_macros() {
    let text = "OUTPUT\n  One line a host:\n    HOST -x\n\n  0    fine\n       and dandy\n  64   'usage'\n\n  .end\nEXAMPLES\n  a\n\n  b\\c\n";
    let found = sections::sections(text);
    let mut out = String::new();
    found.iter().for_each(|s| sections::render(&s.lines, &s.title, &mut out));
    #[rustfmt::skip]
    let expected = "One line a host:\n.PP\n.RS 4\n.nf\n  HOST \\-x\n.fi\n.RE\n.TP 12\n.B \"0\"\nfine\nand dandy\n.TP 12\n.B \"64\"\n\\(aqusage\\(aq\n.PP\n\\&.end\n.PP\n.RS 4\n.nf\na\n\nb\\ec\n.fi\n.RE\n";
    assert_eq!(out, expected);
}

#[test]
fn the_config_page_knows_every_key_and_its_examples_are_read() {
    let page = fs::read_to_string(root().join("man/postroad.toml.5")).unwrap();
    let keys = fs::read_to_string(root().join("src/cli/config/keys.rs")).unwrap();
    let mut count = 0;
    for field in keys.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':')) {
        let key = match field.0 {
            "pattern" => "match".to_owned(),
            name => name.replace('_', "-"),
        };
        let documented = |line: &str| line.starts_with(".It Ic ") && line.split([' ', ',']).any(|word| word == key);
        let table = [format!(".Ss [{key}]"), format!(".Ss [[{key}]]"), format!(".Ss [{key}.")];
        let known = page.lines().any(|line| documented(line) || table.iter().any(|start| line.starts_with(start.as_str())));
        assert!(known, "postroad.toml.5 does not tell of {key}");
        count += 1;
    }
    assert!(count > 20, "the keys were not found");
    let mut examples = 0;
    for example in page.split(".Bd -literal -offset indent\n").skip(1) {
        let example = example.split(".Ed\n").next().unwrap();
        postroad::cli::config::layer::Layer::parse(Path::new("/etc/example.toml"), example).unwrap().finish().unwrap();
        examples += 1;
    }
    assert_eq!(examples, 3);
}

#[test]
fn the_page_of_all_tools_has_the_whole_table_of_statuses() {
    let page = fs::read_to_string(root().join("man/postroad.7")).unwrap();
    for (status, meaning) in postroad::cli::exit::TABLE {
        assert!(page.contains(&format!(".It {}\n{meaning}\n", *status as u8)), "{meaning}");
    }
}
