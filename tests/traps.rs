//! Every test that docs/traps.md names is there, and every row names one.

use std::path::Path;

/// Whose transcripts there are.
const TOOLS: [&str; 3] = ["smtp-send", "pop3-fetch", "imap-shell"];

/// The tables by their headings, and how many rows each has at least: one that goes with its test goes here, too.
const TABLES: [(&str, usize); 5] = [
    ("# What goes wrong with SMTP clients, and the test that holds it", 38),
    ("## POP3 clients", 32),
    ("## MIME", 36),
    ("## IMAP clients", 33),
    ("### The engine below it", 33),
];

/// The rows of the table below this heading.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let below = text.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('#'));
    below.filter(|line| line.starts_with("| ") && !line.starts_with("| Mistake |")).collect()
}

/// The words in backquotes of a row's last column: a file, and a test in it where that is source.
fn references(row: &str) -> Vec<String> {
    let column = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
    column.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_named_test_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("docs/traps.md")).unwrap();
    for (heading, least) in TABLES {
        let rows = rows(&table, heading);
        assert!(rows.len() >= least, "{heading}: only {} rows", rows.len());
    }
    assert_eq!(table.lines().filter(|line| line.starts_with('#')).count(), TABLES.len(), "a heading that is not in TABLES");
    for row in TABLES.iter().flat_map(|(heading, _)| rows(&table, heading)) {
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
