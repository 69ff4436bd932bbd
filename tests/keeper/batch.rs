//! Many messages into a Maildir: each is synced, also those that are synced while others come, and an error of any of them counts.

use crate::faulty::{Fault, Faulty};
use postroad::disk::batch::{Batch, Fate, Place, settle};
use postroad::disk::fs::FsError;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// More than are synced together, twice.
const MESSAGES: usize = 150;

fn fill(batch: &mut Batch) -> Result<(), FsError> {
    for n in 0..MESSAGES {
        batch.begin("2026-11-22T10:00:00Z".parse().unwrap())?;
        batch.push(format!("message {n}\r\n").as_bytes())?;
        batch.end()?;
    }
    batch.sync().map(drop)
}

fn run(dir: &Path, fault: Fault) -> (Faulty, Result<(), FsError>) {
    let faulty = Faulty::new(fault, true);
    let mut batch = Batch::new(Arc::new(faulty.clone()), dir, "mx.test", "tag");
    let done = fill(&mut batch);
    if done.is_ok() {
        batch.leave();
    }
    (faulty, done)
}

#[test]
fn each_is_synced_and_an_error_of_any_costs_all() {
    let dir = tempfile::tempdir().unwrap();
    let tmp = dir.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let (sound, done) = run(dir.path(), Fault::None);
    done.unwrap();
    let log = sound.log.lock().unwrap().clone();
    let at = |step: &str| log.iter().filter(|done| done.starts_with(step)).count();
    assert_eq!((at("create "), at("sync-data "), at("sync-dir ")), (MESSAGES, MESSAGES, 1), "{log:?}");
    let last = log.iter().rposition(|done| done.starts_with("sync-data ")).unwrap();
    assert!(log[last + 1..].iter().any(|done| done.starts_with("sync-dir ")), "the directory comes last");
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), MESSAGES);
    fs::remove_dir_all(&tmp).unwrap();
    fs::create_dir(&tmp).unwrap();
    for fault in (0..sound.steps()).step_by(7) {
        let (_, done) = run(dir.path(), Fault::Error(fault, libc::EIO));
        assert!(done.is_err(), "nobody was told of the error at {fault}: {}", log[fault as usize]);
        assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0, "what counts for nothing is gone");
    }
}

/// Whoever copied a Maildir need not have synced it, and what counts as delivered is deleted from the server.
#[test]
fn what_is_found_in_a_copy_is_synced_before_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    for part in ["cur", "new", "tmp"] {
        fs::create_dir(dir.path().join(part)).unwrap();
    }
    for file in ["new/a", "cur/b:2,S", "new/other", "tmp/c"] {
        fs::write(dir.path().join(file), "one\n").unwrap();
    }
    let elsewhere = Place { device: 0, inode: 0 };
    let run = |fault| {
        let faulty = Faulty::new(fault, true);
        let fates = settle(&faulty, dir.path(), elsewhere, &["a", "b", "c"], false);
        (faulty.log.lock().unwrap().clone(), fates)
    };
    let (log, fates) = run(Fault::None);
    assert_eq!(fates.unwrap(), [Fate::Delivered, Fate::Delivered, Fate::Lost]);
    let synced = |what: &str| log.iter().filter(|step| step.starts_with(what)).count();
    assert_eq!((synced("open "), synced("sync-all ")), (2, 2), "{log:?}");
    let last = log.iter().rposition(|step| step.starts_with("sync-all ")).unwrap();
    let mut dirs: Vec<&str> = log[last..].iter().filter_map(|step| step.strip_prefix("sync-dir ")?.split('/').nth(1)).collect();
    dirs.sort_unstable();
    assert_eq!(dirs, ["cur", "new"], "{log:?}");
    for (step, done) in log.iter().enumerate().filter(|(_, done)| done.starts_with("sync-")) {
        assert!(run(Fault::Error(step as u64, libc::EIO)).1.is_err(), "nobody was told of the error at {done}");
    }
}
