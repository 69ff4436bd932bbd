//! Crashes everywhere: every state that a crash may leave of a log is recovered as a user would, with a second crash anywhere in
//! that, and the outcome is judged.

use crate::crash::{Image, Reach, images};
use crate::disk::{Disk, Effect, Fault, apply_names, path};
use crate::seen::{Note, Seen, Sent};
use crate::stage::{Kind, disk};
use crate::tree::{Node, Tree};
use crate::world::World;
use jiff::Timestamp;
use postroad::disk::spool::layout::Spool;
use postroad::disk::spool::queue::{Claim, Which};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What was done, over all traces.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Crash states that were looked at, and those among them that were not seen before.
    pub states: u64,
    pub different: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        self.states += more.states;
        self.different += more.different;
    }
}

/// Judges what becomes of one trace.
pub struct Judge<'a> {
    pub kind: Kind,
    pub sent: &'a [Sent],
    pub reach: Reach,
    /// Crash states that are known to come out well, by how many crashes may follow.
    known: HashSet<(u64, u64, u32)>,
    pub counts: Counts,
}

/// How a recovery went.
struct Recovery {
    log: Vec<Effect>,
    tree: Tree,
    wrong: Vec<String>,
}

impl<'a> Judge<'a> {
    pub fn new(kind: Kind, sent: &'a [Sent], reach: Reach) -> Judge<'a> {
        Judge { kind, sent, reach, known: HashSet::new(), counts: Counts::default() }
    }

    /// Crashes after every entry of `log` from the one at `from` on, which began at `base`, and again in each recovery, `crashes`
    /// times in all. The error is the first counterexample.
    pub fn explore(&mut self, base: &Tree, log: &[Effect], from: usize, seen: &Seen, crashes: u32) -> Result<(), String> {
        let (mut live, mut seen) = (base.clone(), seen.clone());
        for end in 0..=log.len() {
            if let Some(effect) = end.checked_sub(1).map(|last| &log[last]) {
                follow(&mut live, &mut seen, effect);
            }
            if end < from {
                continue;
            }
            let mut found = Ok(());
            images(base, &log[..end], self.kind.modern, self.reach, &mut |image| {
                if found.is_ok() {
                    found = self.after(&image, &live, &seen, crashes).map_err(|why| story(&log[..end], &image, &why));
                }
            });
            found?;
        }
        Ok(())
    }

    fn after(&mut self, image: &Image, live: &Tree, seen: &Seen, crashes: u32) -> Result<(), String> {
        self.counts.states += 1;
        let mut seen = seen.clone();
        seen.crash(&image.tree, live);
        if !self.known.insert(key(&image.tree, &seen, crashes)) {
            return Ok(());
        }
        self.counts.different += 1;
        let recovery = self.recover(&image.tree, &seen, crashes);
        if let Some(wrong) = recovery.wrong.first() {
            return Err(format!("{wrong}\nin the end: {}", paths(&recovery.tree)));
        }
        if crashes > 1 {
            return self
                .explore(&image.tree, &recovery.log, 0, &seen, crashes - 1)
                .map_err(|why| format!("in the recovery:\n{why}"));
        }
        Ok(())
    }

    /// What a user does after a crash: nothing but let the passes go on.
    fn recover(&self, tree: &Tree, seen: &Seen, crashes: u32) -> Recovery {
        let disk = disk(tree.clone(), seen.now, self.kind);
        let chance = AtomicU64::new(u64::from(10 - crashes) * 1_000_000);
        let mut wrong = Vec::new();
        if let Err(error) = bring_to_an_end(&disk, &chance, seen) {
            wrong.push(format!("the recovery failed: {error}"));
        }
        let state = disk.lock();
        let mut seen = seen.clone();
        let mut live = tree.clone();
        for effect in &state.log {
            follow(&mut live, &mut seen, effect);
        }
        wrong.extend(seen.verdict(self.sent, &state.tree));
        wrong.extend(waiting(&state.tree).into_iter().map(|path| format!("{path} is never settled")));
        Recovery { log: state.log.clone(), tree: state.tree.clone(), wrong }
    }

    /// How things stand without any crash.
    pub fn judge(&self, disk: &Arc<Disk>, seen: &Seen) -> Result<(), String> {
        let state = disk.lock();
        let (mut live, mut seen) = (state.base.clone(), seen.clone());
        for effect in &state.log {
            follow(&mut live, &mut seen, effect);
        }
        drop(state);
        seen.wrong.first().map_or(Ok(()), |wrong| Err(wrong.clone()))
    }
}

/// Passes until nothing is left: now, when the next is due, after the messages on hold were released, and when garbage is old.
fn bring_to_an_end(disk: &Arc<Disk>, chance: &AtomicU64, seen: &Seen) -> Result<(), String> {
    let now = seen.now;
    let process = disk.process(9, Fault::None);
    let world = World { disk: disk.clone(), process: process.clone(), chance, defers: false, during: None };
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let spool = Spool::create_on(process.fs(), &path("/spool")).map_err(|error| text(&error))?;
    if seen.has_notice() {
        // Once more too late for the recipient, so that a notice that was not noted is sent again.
        let late = World { disk: disk.clone(), process: process.clone(), chance, defers: true, during: None };
        late.pass(&spool).or_else(quiet)?;
    }
    world.pass(&spool).or_else(quiet)?;
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    for entry in spool.scan(Which::Held, at(now)) {
        let entry = entry.map_err(|error| text(&error))?;
        if let Claim::Message(message) = spool.claim(&entry, at(now)).map_err(|error| text(&error))? {
            if let Some(marker) = marker(disk, message.path().to_str().unwrap_or_default()) {
                if seen.was_released(&marker) {
                    return Err(format!("{marker} was released, and is held again"));
                }
                disk.note(Note::Releasing { marker });
            }
            message.release().map_err(|error| text(&error))?;
        }
    }
    for later in [0, 5 * 3600, 40 * 3600] {
        if waiting(&disk.lock().tree).is_empty() {
            break;
        }
        disk.turn_to(now + later);
        disk.note(Note::Clock(now + later));
        world.pass(&spool).or_else(quiet)?;
    }
    Ok(())
}

/// Everything that a pass has still to do with.
fn waiting(tree: &Tree) -> Vec<String> {
    let dirs = ["/spool/new/", "/spool/due/", "/spool/hold/", "/spool/staged/", "/spool/state/ctl/"];
    let waits = |path: &String| dirs.iter().any(|dir| path.starts_with(dir)) && !path.contains("/ctl/.");
    tree.files().into_iter().map(|(path, _)| path).filter(waits).collect()
}

/// A pass tells of what it put aside: the rest of an accept that nobody heard 250 for. All else is a failure.
pub fn quiet(trouble: String) -> Result<(), String> {
    if trouble.contains("put aside") { Ok(()) } else { Err(trouble) }
}

fn marker(disk: &Disk, path: &str) -> Option<String> {
    let state = disk.lock();
    let content = state.tree.file(state.tree.find(std::path::Path::new(path))?)?;
    let text = String::from_utf8_lossy(content);
    let rest = text.split_once("Subject: m")?.1;
    Some(format!("m{}", rest.lines().next()?.trim()))
}

/// Takes in an entry of the log: names as they are for those that live, notes as the world has them.
fn follow(live: &mut Tree, seen: &mut Seen, effect: &Effect) {
    match effect {
        Effect::Made { is_dir: true } => live.nodes.push(Node::Dir(Default::default())),
        Effect::Made { is_dir: false } => live.nodes.push(Node::File(Vec::new())),
        Effect::Names(changes) => apply_names(live, changes),
        Effect::Note(note) => seen.see(note),
        _ => {}
    }
}

fn key(tree: &Tree, seen: &Seen, crashes: u32) -> (u64, u64, u32) {
    let digest = |salt: u64| {
        let mut hash = DefaultHasher::new();
        hash.write_u64(salt);
        tree.digest(&mut hash);
        seen.hash(&mut hash);
        hash.finish()
    };
    (digest(1), digest(2), crashes)
}

fn paths(tree: &Tree) -> String {
    tree.files()
        .into_iter()
        .map(|(path, ino)| format!("{path}({})", tree.file(ino).map_or(0, Vec::len)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The counterexample: what was done, what of it the crash left, and what came of that.
fn story(log: &[Effect], image: &Image, why: &str) -> String {
    let mut text = String::new();
    for (at, effect) in log.iter().enumerate() {
        let fate = image
            .names
            .iter()
            .find(|(place, _)| *place == at)
            .map_or("", |(_, kept)| if *kept { "  [kept]" } else { "  [LOST]" });
        let shown = match effect {
            Effect::Write { ino, at, bytes } => format!("write file {ino} at {at}, {} bytes", bytes.len()),
            Effect::Names(changes) => {
                let one = |c: &crate::disk::Change| match c.to {
                    Some(ino) => format!("dir {}: {} is file {ino}", c.dir, c.name),
                    None => format!("dir {}: no {}", c.dir, c.name),
                };
                changes.iter().map(one).collect::<Vec<_>>().join(", ")
            }
            other => format!("{other:?}"),
        };
        let _ = writeln!(text, "  {shown}{fate}");
    }
    for (ino, how) in &image.data {
        let _ = writeln!(text, "  -- file {ino}: {how}");
    }
    let _ = writeln!(text, "  -- after the crash: {}", paths(&image.tree));
    let _ = write!(text, "  => {why}");
    text
}
