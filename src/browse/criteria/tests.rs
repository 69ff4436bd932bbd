//! Queries and the keys that they come to.

use super::*;
use crate::protocol::imap::set::SequenceSet;
use proptest::prelude::*;

const TERMS: Terms<'static> =
    Terms { encoding: Encoding { utf8: false }, today: Date::constant(2026, 11, 22), found: None, capabilities: None };

fn keys(query: &str) -> String {
    compile(query, &TERMS).unwrap_or_else(|error| panic!("{query}: {error}")).shown()
}

fn error(query: &str) -> CriteriaError {
    compile(query, &TERMS).err().unwrap_or_else(|| panic!("{query}: was taken"))
}

#[test]
fn queries_become_keys() {
    for (query, wire) in [
        ("", "ALL"),
        ("from alice and since 2026-01-01 and not seen", "FROM alice SINCE 1-Jan-2026 NOT SEEN"),
        ("from alice unseen", "FROM alice UNSEEN"),
        ("seen or flagged", "OR SEEN FLAGGED"),
        ("seen or flagged or draft", "OR SEEN OR FLAGGED DRAFT"),
        ("from a and to b or cc c", "OR (FROM a TO b) CC c"),
        ("not (from a to b)", "NOT (FROM a TO b)"),
        ("not not seen", "NOT NOT SEEN"),
        ("(seen)", "SEEN"),
        ("(seen and draft) or deleted", "OR (SEEN DRAFT) DELETED"),
        ("not seen or (larger 1M subject \"x y\")", "OR NOT SEEN (LARGER 1048576 SUBJECT \"x y\")"),
        ("older 3d younger 2w", "OLDER 259200 YOUNGER 1209600"),
        ("before today on yesterday", "BEFORE 22-Nov-2026 ON 21-Nov-2026"),
        ("header List-Id dev", "HEADER List-Id dev"),
        ("keyword junk unkeyword Work", "KEYWORD $Junk UNKEYWORD Work"),
        ("keyword seen unkeyword flagged", "SEEN UNFLAGGED"),
        ("5,7,9:* unseen", "UID 5,7,9:* UNSEEN"),
        ("$ unseen", "$ UNSEEN"),
        ("uid 1:3 seq 7", "UID 1:3 7"),
        ("modseq 620162338", "MODSEQ 620162338"),
        ("emailid M6d99ac3275bb4e threadid T64b", "EMAILID M6d99ac3275bb4e THREADID T64b"),
        ("\"or\"", "TEXT or"),
        ("from or", "FROM or"),
        ("from NIL", "FROM \"NIL\""),
        ("FROM Jörg OR Seen", "OR FROM {5} Jörg SEEN"),
    ] {
        assert_eq!(keys(query), wire, "{query}");
    }
}

#[test]
fn what_is_no_query_is_told() {
    assert_eq!(error("form alice").to_string(), "form: no search key; `help search` lists them");
    assert_eq!(error("subj alice").to_string(), "subj: no search key (is it subject?); `help search` lists them");
    assert_eq!(error("from"), CriteriaError::Value("from".into()));
    assert_eq!(error("subject (a)"), CriteriaError::Value("subject".into()));
    assert_eq!(error("header X-A"), CriteriaError::Value("header".into()));
    assert_eq!(error("seen or"), CriteriaError::Nothing("behind the last word"));
    assert_eq!(error("not"), CriteriaError::Nothing("behind the last word"));
    assert_eq!(error("()"), CriteriaError::Nothing("before a )"));
    assert_eq!(error("(seen"), CriteriaError::Unclosed);
    assert_eq!(error("seen)"), CriteriaError::Unopened);
    assert_eq!(error(&"(".repeat(60)), CriteriaError::Deep);
    assert_eq!(error(&"not ".repeat(60)), CriteriaError::Deep);
    assert!(matches!(error("since never"), CriteriaError::Day(DayError::Day(_))));
    assert!(matches!(error("uid 0"), CriteriaError::Set(_)));
    assert!(matches!(error("modseq -1"), CriteriaError::Number(_)));
    assert!(matches!(error("emailid a)b"), CriteriaError::Id(_) | CriteriaError::Unopened));
    assert!(matches!(error("header 'a b' c"), CriteriaError::Field(_)));
    assert!(matches!(error("keyword 'a b'"), CriteriaError::Flag(_)));
    assert!(matches!(error("from 'a\0b'"), CriteriaError::Line(LineError::Nul)));
}

#[test]
fn a_value_cannot_end_the_command() {
    use super::super::line::Part;
    let line = compile("from \"x\r\na LOGOUT\"", &TERMS).unwrap();
    assert_eq!(line.parts(), [Part::Text("FROM ".into()), Part::Literal(b"x\r\na LOGOUT".to_vec())]);
}

#[test]
fn what_was_found_stands_in_for_the_dollar() {
    let found = Set::of(SequenceSet::of([7, 8, 3]));
    let terms = Terms { found: found.as_ref(), ..TERMS };
    assert_eq!(compile("not $", &terms).unwrap().shown(), "NOT UID 3,7:8");
}

#[test]
fn a_charset_is_named_where_it_is_wanted() {
    let wants = |query, utf8| wants_charset(&compile(query, &Terms { encoding: Encoding { utf8 }, ..TERMS }).unwrap());
    assert!(wants("from Jörg", false) && !wants("from Jörg", true));
    assert!(!wants("from alice", false) && !wants("from \"x\r\ny\"", false));
}

#[test]
fn the_table_is_sorted_and_each_key_compiles() {
    assert!(KEYS.is_sorted_by_key(|(word, ..)| *word));
    for (word, wire, takes, _) in KEYS {
        let value = match takes {
            Takes::Nothing => "",
            Takes::Text | Takes::Keyword | Takes::Id => "x",
            Takes::Day => "2026-01-01",
            Takes::Size | Takes::Uids | Takes::Numbers | Takes::Modseq => "7",
            Takes::Length => "3d",
            Takes::Field => "X-A b",
        };
        assert!(keys(&format!("{word} {value}")).starts_with(wire), "{word}");
    }
}

proptest! {
    #[test]
    fn no_query_makes_it_panic_or_inject(query in "(from|not|or|and|\\(|\\)|seen|\"a b\"|ä|1:\\*|since|today| |\r\n|\\{3\\}){0,20}") {
        if let Ok(line) = compile(&query, &TERMS) {
            for part in line.parts() {
                if let super::super::line::Part::Text(text) = part {
                    prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{:?}", text);
                }
            }
        }
    }
}
