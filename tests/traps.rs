//! Every test that docs/traps.md names is there.

use std::path::Path;

/// Whose transcripts there are.
const TOOLS: [&str; 3] = ["smtp-send", "pop3-fetch", "imap-shell"];

/// The words in backquotes of a row's last column: a file, and a test in it where that is source.
fn references(row: &str) -> Vec<String> {
    let column = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
    column.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_named_test_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("docs/traps.md")).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ") && line.contains("RFC")).collect();
    assert!(rows.len() >= 30, "only {} rows", rows.len());
    for row in rows {
        let named = references(row);
        assert!(!named.is_empty(), "no test: {row}");
        for reference in named {
            let (file, test) = reference.split_once(' ').unwrap_or((&reference, ""));
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let is_there = match file.strip_suffix(".rs") {
                Some(_) => !test.is_empty() && text.contains(&format!("fn {test}(")),
                None => test.is_empty() && TOOLS.iter().any(|tool| text.contains(&format!("\n$ {tool} "))),
            };
            assert!(is_there, "{reference} is not there");
        }
    }
}
