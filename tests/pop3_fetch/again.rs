//! Run after run over one mailbox: none comes twice, and each comes some time.

use crate::outcomes::{command, rows, server};
use crate::support::process::run_as_is;
use std::fs;

/// Runs it three times with these words; each run's outcomes.
fn three_runs(server: &crate::answers::Answers, words: &[&str]) -> [Vec<String>; 3] {
    let home = tempfile::tempdir().unwrap();
    [(); 3].map(|()| {
        let ran = run_as_is(command(home.path(), server).args(["--maildir", "Mail", "--max-messages", "1"]).args(words));
        rows(&ran).into_iter().map(|(outcome, _)| outcome.to_owned()).collect()
    })
}

#[test]
fn most_messages_of_a_run_are_new_ones() {
    let nameless = server(&[("UIDL", "-ERR no")]);
    assert_eq!(
        three_runs(&nameless, &[]),
        [["delivered", "skipped", "skipped"], ["kept", "delivered", "skipped"], ["kept", "kept", "delivered"]]
    );
    // What the filter leaves out each time, and what the server never gives, stands in nobody's way either.
    let left = ["skipped", "kept", "delivered"];
    let words = ["--filter", "sh -c 'grep -q one && exit 2; true'"];
    assert_eq!(three_runs(&server(&[]), &words), [["skipped", "delivered", "skipped"], left, ["skipped", "kept", "kept"]]);
    assert_eq!(three_runs(&server(&[("TOP 1 0", "-ERR"), ("TOP 2 0", "-ERR")]), &words)[1], left);
    let refusing = server(&[("RETR 1", "-ERR no")]);
    assert_eq!(three_runs(&refusing, &[])[1], ["failed", "kept", "delivered"]);
    let killing = ["--filter", "sh -c 'grep -q one && exit 1; true'", "--dry-run"];
    assert_eq!(three_runs(&server(&[]), &killing)[0], ["skipped"; 3]);
}

/// As a run leaves it that was killed in the commit, its first message moved and the others not.
#[test]
fn a_run_from_elsewhere_knows_what_a_killed_one_announced() {
    for (option, name) in [("--maildir", "Mail"), ("--mbox", "box")] {
        let (home, server) = (tempfile::tempdir().unwrap(), server(&[]));
        let state = home.path().join("state");
        let ran = run_as_is(command(home.path(), &server).args([option, name, "--state"]).arg(&state));
        assert_eq!(ran.status, 0, "{}", ran.err);
        let journal = fs::read_to_string(&state).unwrap();
        let undone: String = journal.lines().filter(|line| !line.contains(" done ")).map(|line| format!("{line}\n")).collect();
        assert_ne!(journal, undone);
        fs::write(&state, undone).unwrap();
        fs::create_dir(home.path().join("elsewhere")).unwrap();
        let mut again = command(home.path(), &server);
        again.current_dir(home.path().join("elsewhere"));
        let ran = run_as_is(again.args([option, &format!("../{name}"), "--state"]).arg(&state));
        assert_eq!(rows(&ran), [("kept", "1"), ("kept", "2"), ("kept", "3")], "{}", ran.err);
    }
}
