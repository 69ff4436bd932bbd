//! Many messages into a Maildir: each is synced, also those that are synced while others come, and an error of any of them counts.

use crate::faulty::{Fault, Faulty};
use postroad::disk::batch::Batch;
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
