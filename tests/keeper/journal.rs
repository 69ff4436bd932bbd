//! The journal by itself: what damage costs, and what it does not.

use postroad::disk::journal::Journal;
use postroad::disk::journal::place::{JournalError, take_over};
use postroad::disk::journal::record::State;
use postroad::disk::real::Real;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/journal");
    (dir, path)
}

fn open(path: &Path) -> (Journal, Vec<String>) {
    Journal::open(Real::shared(), path).unwrap()
}

/// Some messages: `u1` and so on.
fn filled(path: &Path, count: usize) -> Journal {
    let (mut journal, told) = open(path);
    assert_eq!(told, [""; 0]);
    for n in 1..=count {
        journal.add(Some(&format!("u{n}")), n as u64, [n as u8; 16], 7, State::Delivered, "");
    }
    journal.sync().unwrap();
    journal
}

fn uids(journal: &Journal) -> Vec<String> {
    let mut uids: Vec<String> = journal.entries().filter_map(|entry| entry.uid.as_deref().map(str::to_owned)).collect();
    uids.sort();
    uids
}

#[test]
fn it_is_made_for_its_owner_alone() {
    let (_dir, path) = place();
    drop(filled(&path, 1));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&path), mode(path.parent().unwrap())], [0o600, 0o700]);
    assert_eq!(uids(&open(&path).0), ["u1"]);
}

#[test]
fn a_torn_tail_is_cut_off_wherever_it_is_torn() {
    let (_dir, path) = place();
    drop(filled(&path, 3));
    let whole = fs::read(&path).unwrap();
    let starts: Vec<usize> = (0..whole.len()).filter(|at| *at == 0 || whole[at - 1] == b'\n').collect();
    // The first line was there before the name was.
    for end in starts[1]..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let (mut journal, told) = open(&path);
        let lines = starts.iter().filter(|start| **start > 0 && **start <= end).count();
        assert_eq!((journal.len(), told.len()), (lines.saturating_sub(1), 0), "cut at {end}");
        journal.add(Some("later"), 1, [0; 16], 7, State::Delivered, "");
        journal.sync().unwrap();
        drop(journal);
        assert!(uids(&open(&path).0).contains(&"later".to_owned()), "cut at {end}");
    }
    let zeroes = [whole.as_slice(), &[0; 5000]].concat();
    fs::write(&path, zeroes).unwrap();
    assert_eq!((open(&path).0.len(), fs::metadata(&path).unwrap().len()), (3, whole.len() as u64));
}

#[test]
fn a_damaged_record_costs_itself_and_is_put_aside() {
    let (_dir, path) = place();
    drop(filled(&path, 3));
    let text = fs::read_to_string(&path).unwrap().replace("=u2", "=uX");
    fs::write(&path, &text).unwrap();
    let (journal, told) = open(&path);
    assert_eq!(uids(&journal), ["u1", "u3"]);
    assert!(told[0].contains("1 damaged or unknown records, moved to "), "{told:?}");
    drop(journal);
    let aside = fs::read_to_string(path.with_extension("corrupt")).unwrap();
    assert!(aside.contains("=uX") && aside.lines().count() == 1, "{aside}");
    assert_eq!(open(&path).1, [""; 0], "told once");
}

#[test]
fn a_file_of_another_kind_is_left_alone() {
    let (_dir, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    for text in
        ["# my notes\n", "no line end", "postroad-journal 1 0123456789abcdeX", "\0x", "postroad-journal 2 0123456789abcdef\n"]
    {
        fs::write(&path, text).unwrap();
        let error = Journal::open(Real::shared(), &path).unwrap_err();
        assert!(matches!(error, JournalError::Foreign(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(matches!(Journal::open(Real::shared(), &path), Err(JournalError::NotRegular(_))));
}

/// As a copy leaves it that was torn, or a disk that forgot the blocks.
#[test]
fn one_that_was_never_begun_is_begun() {
    for text in ["p", "postroad-journal 1 ", "postroad-journal 1 0123456789abcdef", "\0\0", &"\0".repeat(100_000)] {
        let (_dir, path) = place();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        drop(filled(&path, 2));
        assert_eq!(open(&path).0.len(), 2, "{text:?}");
    }
}

/// Also behind a compaction, and where an earlier version left nobody's name.
#[test]
fn one_mailbox_has_it() {
    let (_dir, path) = place();
    let mut journal = filled(&path, 3);
    journal.claim("bob@one.test").unwrap();
    journal.rewrite().unwrap();
    journal.claim("bob@one.test").unwrap();
    drop(journal);
    let mut journal = open(&path).0;
    let refused = journal.claim("bob@two.test").unwrap_err();
    assert!(matches!(refused, JournalError::Owned { .. }), "{refused}");
    assert!(
        refused.to_string().ends_with("remembers the messages of bob@one.test, not those of bob@two.test: name another file")
    );
    assert_eq!(uids(&journal), ["u1", "u2", "u3"]);
}

#[test]
fn one_run_at_a_time_also_while_it_is_compacted() {
    let (_dir, path) = place();
    let mut journal = filled(&path, 3000);
    for n in 1..3000 {
        let id = journal.find(&format!("u{n}")).unwrap().id;
        journal.drop_entry(id);
    }
    let before = {
        journal.sync().unwrap();
        fs::metadata(&path).unwrap().len()
    };
    journal.tidy().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < before / 1000);
    assert!(matches!(Journal::open(Real::shared(), &path), Err(JournalError::Busy(_))));
    journal.add(Some("after"), 1, [0; 16], 7, State::Delivered, "");
    journal.sync().unwrap();
    drop(journal);
    assert_eq!(uids(&open(&path).0), ["after", "u3000"]);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_hundred_thousand_messages_are_no_matter() {
    let (_dir, path) = place();
    drop(filled(&path, 100_000));
    let journal = open(&path).0;
    assert_eq!((journal.len(), journal.find("u77777").unwrap().size), (100_000, 77_777));
    assert!(fs::metadata(&path).unwrap().len() < 12_000_000);
}

#[test]
fn one_of_an_earlier_name_is_taken_over_unless_it_is_in_use() {
    let (dir, old) = place();
    let new = old.with_file_name("new");
    let take = |from: &Path| take_over(Real::shared().as_ref(), from, &new);
    take(&dir.path().join("no/such")).unwrap();
    let journal = filled(&old, 2);
    assert!(matches!(take(&old), Err(JournalError::Busy(_))));
    drop(journal);
    take(&old).unwrap();
    assert_eq!((uids(&open(&new).0), old.exists()), (vec!["u1".to_owned(), "u2".to_owned()], false));
    drop(filled(&old, 3));
    take(&old).unwrap();
    assert_eq!((uids(&open(&new).0).len(), uids(&open(&old).0).len()), (2, 3), "what is there already stays");
}
