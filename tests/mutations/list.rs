//! The mutations: each sync, mark, lock check and ordering that the spool's promises hang on is taken away or turned round. What
//! stands between « and » is replaced; the rest of the text only finds the place.

pub struct Mutation {
    pub name: &'static str,
    /// Below `src/`.
    pub file: &'static str,
    /// Whole statements, or one expression, between « and »; the text is found once in the file.
    pub place: &'static str,
    pub instead: &'static str,
}

const fn replace(name: &'static str, file: &'static str, place: &'static str, instead: &'static str) -> Mutation {
    Mutation { name, file, place, instead }
}

/// Mutations of one name are made together.
pub const ALL: &[Mutation] = &[
    // Accepting.
    replace("accept: the file is not synced", ACCEPT, "«self.file.sync_all().at(\"sync\", &self.target)?;»", ""),
    replace("accept: new/ is not synced", ACCEPT, "«self.spool.sync_named(&named)»", "Ok(())"),
    replace(
        "accept: synced before it is whole",
        ACCEPT,
        "«self.seal()?;»\n        self.complete()?;",
        "self.file.sync_data().at(\"sync\", &self.target)?;\n self.seal()?;",
    ),
    replace("accept: synced before it is whole", ACCEPT, "«self.file.sync_all().at(\"sync\", &self.target)?;»", ""),
    replace("accept: not locked until the reply", ACCEPT, "match «file.try_lock()» {", "Ok(Some(file))"),
    replace("accept: a message taken back stays on disk", ACCEPT, "«self.spool.sync_names(parent(&self.path))»", "Ok(())"),
    replace(
        "accept: content taken back is not synced",
        ACCEPT,
        "«file.truncate(0).and_then(|()| file.sync_all())»",
        "file.truncate(0)",
    ),
    replace("set-up: directories are not synced", LAYOUT, "«fs.sync_dir(dir).at(\"sync\", dir)?;»", ""),
    replace(
        "group: a sync that began before counts",
        GROUP,
        "Turn(«self.lock().begun + 1»)",
        "{ let state = self.lock(); state.begun + u64::from(state.ended == state.begun) }",
    ),
    replace("group: those who waited do not hear of a failure", GROUP, "if «turn >= mine» =>", "turn == Turn(0)"),
    // Marks.
    replace("mark: not written", MESSAGE, "«self.file.write_at(&[mark.byte()], at).at(\"mark\", &self.path)?;»", "let _ = at;"),
    replace("mark: not synced", MESSAGE, "«self.file.sync_data().at(\"sync\", &self.path)?;»", ""),
    replace("mark: not after a transaction", SETTLE, "else { «message.set_marks(&marks)» }", "Ok(())"),
    replace("mark: not where the last removal failed", MESSAGE, "«self.set_marks(last)?;»", ""),
    replace("mark: not of what is discarded", PASS, "«message.set_marks(&plan.discarded)?;»", ""),
    replace(
        "mark: not of what nobody can be told",
        BOUNCE,
        "«message.set_marks(&marks)?;»\n        desk.tell(\"double-bounce\"",
        "",
    ),
    replace("mark: not of what the sender wants to hear nothing of", BOUNCE, "«message.set_marks(&silenced)?;»", ""),
    replace("mark: not of an alias whose targets have it", BOUNCE, "«message.set_marks(&marks)?;»\n        return Ok(None);", ""),
    // Removing and moving.
    replace("pass: removals are not synced at the end", PASS, "«spool.sync_removals()?;»", ""),
    replace("slice: made and not synced", LAYOUT, "«self.fs.sync_dir(&due).at(\"sync\", &due)?;»", ""),
    replace(
        "slice: removed before what left it is synced",
        QUEUE,
        "«present(self.spool.fs.sync_dir(&reading.dir)).at(\"sync\", &reading.dir)?;»",
        "",
    ),
    replace(
        "move in two steps: the new name is not synced",
        LAYOUT,
        "if let Err(e) = «self.sync_shared(&self.named(parent(to)))» {",
        "Ok::<(), io::Error>(())",
    ),
    replace(
        "move in two steps: the old name goes first",
        LAYOUT,
        "match «self.fs.link(from, to)» {",
        "self.fs.link(from, to).and_then(|()| self.fs.unlink(from))",
    ),
    replace(
        "put aside or back: not synced",
        MESSAGE,
        "«self.spool.fs.sync_dir(parent(&self.path)).at(\"sync\", parent(&self.path))?;»",
        "",
    ),
    replace(
        "two names: what is put aside does not stay",
        QUEUE,
        "if stat.links > 1 && «self.stays_aside(entry, &path)?» {",
        "false",
    ),
    replace("two names: delivered under both", QUEUE, "if «stat.links == 1» {", "true"),
    replace("two names: the one that is kept is not synced", FIND, "«self.sync_names(parent(kept))?;»", ""),
    replace(
        "two names: the ones that go are not synced",
        FIND,
        "«self.fs.sync_dir(parent(name)).at(\"sync\", parent(name))?;»",
        "",
    ),
    replace("edit: the new file is not synced", ACCEPT, "«self.file.sync_all().at(\"sync\", self.shown())?;»", ""),
    replace("edit: its name is not synced", EDIT, "«self.spool.sync_names(parent(self.path()))»", "Ok(())"),
    replace("edit: delivered from before its name is durable", QUEUE, "«self.sync_names(parent(&path))?;»", ""),
    replace("move in two steps: a name given in vain comes back", LAYOUT, "«let _ = self.fs.sync_dir(parent(to));»", ""),
    replace("put aside again: not synced", MESSAGE, "«self.spool.sync_places()?;»", ""),
    // Locks.
    replace("lock: not taken", LOCK, "let Some(file) = «file.try_lock()?» else", "Some(file)"),
    replace(
        "lock: the name is not looked at again",
        LOCK,
        "Some(named) if «named.is_same_file(&held)» =>",
        "true || named.is_same_file(&held)",
    ),
    replace("lock: a name that is gone does not matter", LOCK, "        _ => Ok(«Attempt::Gone»),", "Attempt::Held(file, held)"),
    // Children.
    replace("child: let go before the mark", STAGED, "«self.mark_covered(&child.parent.covers, mark)?;»", ""),
    replace(
        "child: let go before the mark",
        STAGED,
        "«self.spool.release_child(child.committed.path(), child.committed.id())?;»",
        "self.spool.release_child(child.committed.path(), child.committed.id())?;\n self.mark_covered(&child.parent.covers, mark)?;",
    ),
    replace("child: never marked", STAGED, "«self.mark_covered(&child.parent.covers, mark)?;»", ""),
    replace(
        "child: all marks at once",
        STAGED,
        "«self.set_marks(&[(first, mark)])?;»",
        "let all: Vec<_> = covers.iter().map(|&place| (place, mark)).collect();\n self.set_marks(&all)?;",
    ),
    replace("child: only the first is marked", STAGED, "else { «self.set_marks(&others)» }", "Ok(())"),
    replace("child: settled by a mark that is not synced", STAGED, "«message.set_marks(&[(number, mark)])?;»", ""),
    replace("child: settled without marking the others", STAGED, "«message.mark_covered(&covers, mark)?;»", ""),
    replace(
        "child: let go though no mark speaks of it",
        STAGED,
        "message.mark(number).filter(|&mark| «speaks_of_child(mark, sort)») else",
        "true || speaks_of_child(mark, sort)",
    ),
    replace(
        "child: the copies of one that was spread pass for the word of it",
        STAGED,
        "Sort::Dsn => «mark == Mark::Bounced»,",
        "matches!(mark, Mark::Bounced | Mark::Spread)",
    ),
    replace(
        "child: a word takes a name that its copies may come back to",
        STAGED,
        "«self.spool.sync_names(&self.spool.dir(STAGED))?;»",
        "",
    ),
    replace("child: an orphan goes before its parent's removal is durable", STAGED, "«self.sync_places()?;»", ""),
    replace(
        "child: a word goes before its message does",
        STAGED,
        "«self.delete()?;\n        spool.release_child(child.committed.path(), child.committed.id())?;»",
        "spool.release_child(child.committed.path(), child.committed.id())?;\n self.delete()?;",
    ),
    replace("child: its staged name comes back", STAGED, "«self.sync_names(&self.dir(STAGED))»", "Ok(())"),
    replace(
        "child: what is left of one is never settled",
        PASS,
        "in «spool.settle_staged(self.desk.clock.now())?» {",
        "Vec::new()",
    ),
    replace("child: a torn one is no child", STAGED, "if «may_be_torn(why)» &&", "why == Defect::Unfinished"),
    replace("notice of delay: sent before it is noted", BOUNCE, "«message.set_marks(&[])?;»", ""),
    // Orders by hand.
    replace("order: its content is not synced", ATOMIC, "«file.sync_all().at(\"sync\", draft)»", "Ok(())"),
    replace("order: its name is not synced", ATOMIC, "«fs.sync_dir(parent(path)).at(\"sync\", parent(path))»", "Ok(())"),
    replace("order: not read before a transaction", LANE, "if !«job.consignment.is_ordered()» {", "false"),
    replace("order: one that cannot be read counts as none", CONSIGN, "«return true;»", "return false;"),
    replace("order: gone before the message is", MESSAGE, "«self.spool.fs.sync_dir(dir).at(\"sync\", dir)?;»", "let _ = dir;"),
    replace(
        "order: a stale one goes before the removal is durable",
        CONTROL,
        "«self.sync_places()?;»\n        self.cancel_order(id)",
        "",
    ),
    replace("order: carried out at no pass", PASS, "let mut count = «self.carry_out_orders()?»;", "0"),
    // Clocks.
    replace("clock: given up by age alone", RETRY, "&& «attempts >= self.least_attempts» {", "true"),
    replace(
        "clock: what is due too far off waits for ever",
        QUEUE,
        "|| «slice.saturating_add(SLICE) > self.now.saturating_add(horizon)»,",
        "false",
    ),
    // Maildirs.
    replace("Maildir: the file is not synced", MAILDIR, "Ok(«file.sync_all().at(\"sync\", tmp)»?)", "Ok::<(), FsError>(())"),
    replace("Maildir: new/ is not synced", MAILDIR, "let synced = «self.sync_new()»;", "Ok::<(), FsError>(())"),
    replace("Maildir: what a killed process named is not synced", MAILDIR, "«self.sync_new()?;»\n            return", ""),
    replace("Maildir: made, and its name is not synced", MAILDIR, "match «self.fs.sync_dir(above)» {", "Ok(())"),
    replace(
        "Maildir: made, and what is in it is not synced",
        MAILDIR,
        "«self.fs.sync_dir(&self.dir).at(\"sync\", &self.dir)»",
        "Ok(())",
    ),
    replace("Maildir: a directory above it is not synced", LOCAL, "«fs.sync_dir(parent(dir)).at(\"sync\", parent(dir))?;»", ""),
    replace("Maildir: what a killed process made above is not synced", LOCAL, "match «fs.sync_dir(parent(lowest))» {", "Ok(())"),
    // Fetching.
    replace("journal: announced and not synced", JOURNAL, "let synced = «self.file.sync_data()»;", "Ok::<(), io::Error>(())"),
    replace(
        "journal: what a killed run put there is not synced",
        JOURNAL,
        "«journal.fs.sync_dir(parent(path)).at(\"sync\", parent(path))?;»",
        "",
    ),
    replace("journal: the directories above it are not synced", PLACE, "match «fs.sync_dir(dir)» {", "Ok(())"),
    replace("journal: compacted, and the new one is not synced", JOURNAL, "«file.sync_all().at(\"sync\", draft)?;»", ""),
    replace(
        "journal: compacted, and its name is not synced",
        JOURNAL,
        "let synced = «self.fs.sync_dir(above)»;",
        "Ok::<(), io::Error>(())",
    ),
    replace(
        "fetch: published before it is announced durably",
        KEEPER,
        "if let Err(error) = «journal.sync()» {\n                self.target.leave();",
        "journal.write()",
    ),
    replace(
        "fetch: settled on the word of a journal that may not be on the disk",
        FETCH_SETTLE,
        "«journal.rewrite().map_err(stop)?;»",
        "",
    ),
    replace("batch: files are not synced", BATCH, "«draft.file.sync_data().at(\"sync\", &tmp.join(&draft.name))»", "Ok(())"),
    replace("batch: tmp/ is not synced", BATCH, "«self.fs.sync_dir(&tmp).at(\"sync\", &tmp)?;»", ""),
    replace("mbox: not synced", APPEND, "self.copy(text).and_then(|()| «self.file.sync_data()»)", "Ok(())"),
    replace("mbox: made, and its name is not synced", APPEND, "match «self.fs.sync_dir(above)» {", "Ok(())"),
    replace("mbox: what a kill left is not synced", APPEND, "«locked.file.sync_data().at(\"sync\", &mbox.path)?;»", ""),
    replace("mbox: a torn message counts", APPEND, "Ok(«crc == region.crc»)", "true"),
    replace("batch: new/ is not synced", BATCH, "«self.fs.sync_dir(dir).at(\"sync\", dir)?;»", ""),
    // What vouches for a message.
    replace("body: damage is not told", MESSAGE, "let sound = «self.crc == self.expected»;", "true"),
];

/// Places that look like those above, and why no mutation of them is asked for.
pub const EXEMPT: &[(&str, &str, &str)] = &[
    (MAILDIR, "self.fs.sync_dir(&new)", "its callers are mutated"),
    (CONTROL, "self.fs.sync_dir(&dir)", "its callers are mutated"),
    (LAYOUT, "let synced: Vec<_>", "its callers are mutated"),
    (LAYOUT, "Ok(self.sync_shared(named", "its callers are mutated"),
    (LAYOUT, "self.sync_named(&self.named(dir))", "its callers are mutated"),
    (LAYOUT, "self.fs.sync_held(&shared.held)", "its callers are mutated"),
    (LAYOUT, "None => self.fs.sync_dir(named.dir)", "its callers are mutated"),
    (LAYOUT, "if enough { self.sync_removals()", "bounds how many removals a power cut undoes, before the end of the pass does"),
    (PASS, "if let Err(error) = self.desk.spool.sync_removals()", "the same, for a pass that waits"),
    (QUEUE, "self.fs.sync_dir(dir)", "what a power cut brings back is put aside again"),
    (QUEUE, "one.is_same_file(&other)", "asked for two names, where each answer is mutated"),
    (FIND, "found.is_same_file(file)", "asked for two names, where each answer is mutated"),
    (JUDGE, "self.fs.sync_dir(dir)", "a repair that a power cut undoes is found and made again"),
    (PICKUP, "dir.sync_all()", "what a power cut brings back to a Maildir that is sent is sent again"),
    (JOURNAL, "file.sync_all().at(\"sync\", &path)?;", "a copy for a person"),
    (JOURNAL, "self.fs.sync_dir(parent(&path))", "a copy for a person"),
    (
        BATCH,
        "file.sync_all().at(\"sync\", &path)",
        "of a Maildir that was copied, which the model's is not: tests/keeper/batch.rs fails without it",
    ),
    (BATCH, "fs.sync_dir(&mover.cur)", "the same"),
    (JOURNAL, "file.try_lock()", "tests/keeper/journal.rs fails without it"),
    (APPEND, "named.is_same_file(&stat)", "of an mbox that is replaced while its lock is waited for: tests/keeper/mbox.rs"),
    (CHECK, "sync_dir(parent(dir))", "a repair that a power cut undoes is found and made again"),
];

const ACCEPT: &str = "disk/spool/accept.rs";
const ATOMIC: &str = "disk/atomic.rs";
const APPEND: &str = "disk/mbox_append.rs";
const BATCH: &str = "disk/batch.rs";
const BOUNCE: &str = "relay/bounce.rs";
const CHECK: &str = "disk/spool/check.rs";
const CONSIGN: &str = "relay/consign.rs";
const CONTROL: &str = "disk/spool/control.rs";
const EDIT: &str = "disk/spool/edit.rs";
const FIND: &str = "disk/spool/find.rs";
const GROUP: &str = "disk/group.rs";
const JUDGE: &str = "disk/spool/judge.rs";
const FETCH_SETTLE: &str = "fetch/settle.rs";
const JOURNAL: &str = "disk/journal.rs";
const KEEPER: &str = "fetch/keeper.rs";
const LANE: &str = "relay/lane.rs";
const LAYOUT: &str = "disk/spool/layout.rs";
const LOCAL: &str = "relay/local.rs";
const LOCK: &str = "disk/lock.rs";
const MAILDIR: &str = "disk/maildir.rs";
const MESSAGE: &str = "disk/spool/message.rs";
const PASS: &str = "relay/pass.rs";
const PLACE: &str = "disk/journal/place.rs";
const QUEUE: &str = "disk/spool/queue.rs";
const RETRY: &str = "relay/retry.rs";
const SETTLE: &str = "relay/settle.rs";
const PICKUP: &str = "disk/pickup.rs";
const STAGED: &str = "disk/spool/staged.rs";
