//! A spool with a very long queue, made without a sync.

use crate::place::Place;
use crate::writer::{arrival, content};
use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use postroad::disk::spool::layout::{self, Entry, Spool};
use postroad::disk::spool::queue::{Claim, Which};
use postroad::mail::queue_id::QueueId;
use postroad::relay::retry::Schedule;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Octets of each message: what is looked at is names.
const SIZE: usize = 512;
/// Nothing is due while we measure.
const EARLIEST: SignedDuration = SignedDuration::from_hours(1);
const THREADS: usize = 2;

/// Fills a new spool at `root` with messages that arrived in the last five days, each waiting for its next try.
pub fn fill(place: &Place, root: &Path, messages: usize) -> Result<Spool> {
    let spool = Spool::create(root)?;
    let now = Timestamp::now();
    std::thread::scope(|scope| {
        let part = |first: usize| {
            let spool = &spool;
            scope.spawn(move || (first..messages).step_by(THREADS).try_for_each(|n| put(place, spool, n, messages, now)))
        };
        let parts: Vec<_> = (0..THREADS).map(part).collect();
        parts.into_iter().try_for_each(|part| part.join().unwrap())
    })?;
    check(&spool, messages)?;
    Ok(spool)
}

fn put(place: &Place, spool: &Spool, n: usize, messages: usize, now: Timestamp) -> Result<()> {
    if n.is_multiple_of(1000) {
        place.go_on()?;
    }
    let schedule = Schedule::default();
    let share = |span: SignedDuration| span.as_secs() * n as i64 / messages as i64;
    let arrived = now - SignedDuration::from_secs(share(schedule.expiry));
    // None lies further ahead than a try can be put off, else it counts as due. Neighbours in one are not neighbours in the other.
    let longest = schedule.longest - EARLIEST;
    let due = now + EARLIEST + SignedDuration::from_secs(n as i64 * 7919 % longest.as_secs());
    let id = QueueId::new(u64::try_from(arrived.as_millisecond())?, n as u64);
    let path = spool.path(&Entry { place: layout::Place::Due(due.as_second()), id: id.clone() });
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = match options.open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let slice = path.parent().context("no slice")?;
            DirBuilder::new().mode(0o700).recursive(true).create(slice)?;
            options.open(&path)
        }
        opened => opened,
    }
    .with_context(|| path.display().to_string())?;
    Ok(file.write_all(&content(id, &arrival(arrived), SIZE)?)?)
}

/// All are there, none is due, and they are messages.
pub fn check(spool: &Spool, messages: usize) -> Result<()> {
    let now = Timestamp::now();
    let horizon = Schedule::default().horizon().as_secs();
    let due = spool.scan(Which::Due { horizon }, now).count();
    let mut count = 0;
    for entry in spool.scan(Which::Queued, now) {
        let entry = entry?;
        if count % 10_007 == 0 && !matches!(spool.claim(&entry, now)?, Claim::Message(_)) {
            bail!("{} is no message", entry.id);
        }
        count += 1;
    }
    if (count, due) != (messages, 0) {
        bail!("{count} messages in the queue and {due} of them due, not {messages} and none");
    }
    Ok(())
}
