//! What a power cut may leave of a log: every subset of the name changes that no sync spoke for, and for every file that has a name
//! then every way in which its unsynced data may have reached the disk.

use crate::disk::{Change, Effect, apply_names, write_into};
use crate::tree::{Ino, Node, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// Data reaches the disk in blocks; ours are small, so that a small message has several.
const BLOCK: usize = 160;
/// Up to so many blocks of a file, every subset of them is tried.
const ALL_BLOCKS: usize = 5;
/// Up to so many combinations of several files' data, all are tried; beyond, each file's with the others at their extremes.
const ALL_FILES: usize = 512;
/// More unsynced name changes at once than this would take too long: the trace is to be made smaller.
const MOST_CHANGES: usize = 16;

/// One state that a crash may leave.
pub struct Image {
    pub tree: Tree,
    /// Places in the log of name changes that were not synced: whether each survived.
    pub names: Vec<(usize, bool)>,
    /// How the unsynced data of files came out.
    pub data: Vec<(Ino, String)>,
}

/// The ways in which a file may come out, and what each is called.
type Variants = Vec<(String, Vec<u8>)>;

/// How much of what a crash may leave is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    Every,
    /// All of what is unsynced survives, or nothing does, or one name change alone is lost or kept.
    Extremes,
}

struct NameChange {
    at: usize,
    changes: Vec<Change>,
    durable: bool,
}

#[derive(Clone)]
enum Write {
    Bytes { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

/// A file: what is synced of it, and what is not.
#[derive(Default, Clone)]
struct Data {
    synced: Vec<u8>,
    pending: Vec<(usize, Write, bool)>,
}

/// What is known of a log's durability.
struct Fallen {
    nodes: Vec<Node>,
    names: Vec<NameChange>,
    data: BTreeMap<Ino, Data>,
}

/// Gives the states that a crash after `log` may leave. `atomic`: a rename from one directory to another is one step on disk.
pub fn images(base: &Tree, log: &[Effect], atomic: bool, reach: Reach, give: &mut dyn FnMut(Image)) {
    let fallen = read(base, log, atomic);
    let pending: Vec<usize> = (0..fallen.names.len()).filter(|&n| !fallen.names[n].durable).collect();
    assert!(pending.len() <= MOST_CHANGES, "{} unsynced name changes at once", pending.len());
    let all = (1usize << pending.len()) - 1;
    for mask in 0..=all {
        let alone = mask.count_ones() <= 1 || (mask ^ all).count_ones() <= 1;
        if reach == Reach::Extremes && !alone {
            continue;
        }
        let survives = |n: usize| pending.iter().position(|&p| p == n).is_none_or(|bit| mask >> bit & 1 == 1);
        let mut tree = Tree { nodes: fallen.nodes.clone() };
        let mut names = Vec::new();
        for (n, change) in fallen.names.iter().enumerate() {
            if survives(n) {
                apply_names(&mut tree, &change.changes);
            }
            if !change.durable {
                names.push((change.at, survives(n)));
            }
        }
        with_data(&tree, &fallen, &names, reach, give);
    }
}

fn with_data(tree: &Tree, fallen: &Fallen, names: &[(usize, bool)], reach: Reach, give: &mut dyn FnMut(Image)) {
    let named: BTreeSet<Ino> = tree.files().into_iter().map(|(_, ino)| ino).collect();
    let mut choices: Vec<(Ino, Variants)> = Vec::new();
    let mut settled = tree.clone();
    for &ino in &named {
        let Some(data) = fallen.data.get(&ino) else { continue };
        if data.pending.is_empty() {
            settled.nodes[ino] = Node::File(data.synced.clone());
        } else {
            let mut variants = variants(data);
            if reach == Reach::Extremes {
                variants.truncate(2);
            }
            choices.push((ino, variants));
        }
    }
    for pick in picks(&choices) {
        let mut tree = settled.clone();
        let mut data = Vec::new();
        for ((ino, variants), choice) in choices.iter().zip(pick) {
            tree.nodes[*ino] = Node::File(variants[choice].1.clone());
            data.push((*ino, variants[choice].0.clone()));
        }
        give(Image { tree, names: names.to_vec(), data });
    }
}

/// Which variant of each file.
fn picks(choices: &[(Ino, Variants)]) -> Vec<Vec<usize>> {
    let sizes: Vec<usize> = choices.iter().map(|(_, variants)| variants.len()).collect();
    if sizes.iter().product::<usize>() <= ALL_FILES {
        let mut all = vec![Vec::new()];
        for size in sizes {
            all = all.iter().flat_map(|pick| (0..size).map(move |n| [pick.as_slice(), &[n]].concat())).collect();
        }
        return all;
    }
    let mut some = BTreeSet::new();
    for extreme in [0, 1] {
        for (file, &size) in sizes.iter().enumerate() {
            for n in 0..size {
                let mut pick: Vec<usize> = vec![extreme; sizes.len()];
                pick[file] = n;
                some.insert(pick);
            }
        }
    }
    some.into_iter().collect()
}

fn read(base: &Tree, log: &[Effect], atomic: bool) -> Fallen {
    let mut fallen = Fallen { nodes: base.nodes.clone(), names: Vec::new(), data: BTreeMap::new() };
    for (at, effect) in log.iter().enumerate() {
        match effect {
            Effect::Made { is_dir: true } => fallen.nodes.push(Node::Dir(BTreeMap::new())),
            Effect::Made { is_dir: false } => fallen.nodes.push(Node::File(Vec::new())),
            Effect::Write { ino, at: place, bytes } => {
                fallen.file(*ino).pending.push((at, Write::Bytes { at: *place, bytes: bytes.clone() }, false));
            }
            Effect::Truncate { ino, length } => fallen.file(*ino).pending.push((at, Write::Truncate(*length), false)),
            Effect::Names(changes) => {
                let within = changes.iter().all(|change| change.dir == changes[0].dir);
                let steps =
                    if atomic || within { vec![changes.clone()] } else { changes.iter().map(|c| vec![c.clone()]).collect() };
                for changes in steps {
                    fallen.names.push(NameChange { at, changes, durable: false });
                }
            }
            Effect::SyncFile { ino, begun, good } => fallen.file(*ino).sync(*begun, *good),
            Effect::SyncDir { dir, begun, good: true } => fallen.sync_dir(*dir, *begun),
            // Names stay in the directory's cached blocks, and go with the next sync that succeeds.
            Effect::SyncDir { good: false, .. } => {}
            Effect::Note(_) => {}
        }
    }
    fallen
}

impl Fallen {
    fn file(&mut self, ino: Ino) -> &mut Data {
        let nodes = &self.nodes;
        self.data.entry(ino).or_insert_with(|| match &nodes[ino] {
            Node::File(content) => Data { synced: content.clone(), pending: Vec::new() },
            Node::Dir(_) => Data::default(),
        })
    }

    fn sync_dir(&mut self, dir: Ino, begun: usize) {
        for change in &mut self.names {
            if change.at < begun && !change.durable && change.changes.iter().any(|change| change.dir == dir) {
                change.durable = true;
            }
        }
    }
}

impl Data {
    fn sync(&mut self, begun: usize, good: bool) {
        let mut written = Vec::new();
        for (at, write, forgotten) in std::mem::take(&mut self.pending) {
            if at >= begun || forgotten {
                self.pending.push((at, write, forgotten));
            } else if good {
                write.apply(&mut self.synced);
                written.push((at, write));
            } else {
                self.pending.push((at, write, true));
            }
        }
        // What was forgotten and then written over is no more to come.
        self.pending.retain(|(at, write, _)| !written.iter().any(|(later, over)| later > at && over.covers(write)));
    }
}

impl Write {
    fn covers(&self, other: &Write) -> bool {
        match (self, other) {
            (Write::Bytes { at, bytes }, Write::Bytes { at: place, bytes: others }) => {
                at <= place && place + others.len() <= at + bytes.len()
            }
            // A length is of the file, not of its data: once it is durable, nothing stands behind it, whatever became of the data there.
            (Write::Truncate(length), Write::Bytes { at: place, .. }) => length <= place,
            (Write::Truncate(length), Write::Truncate(longer)) => length <= longer,
            (Write::Bytes { .. }, Write::Truncate(_)) => false,
        }
    }

    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Write::Bytes { at, bytes } => write_into(content, *at, bytes),
            Write::Truncate(length) => content.resize(*length, 0),
        }
    }
}

/// The ways in which a file may come out: first as it was, second as it was to be.
fn variants(data: &Data) -> Variants {
    let mut full = data.synced.clone();
    let mut cut = Vec::new();
    for (n, (_, write, _)) in data.pending.iter().enumerate() {
        if let Write::Bytes { at, bytes } = write {
            let mut torn = full.clone();
            write_into(&mut torn, *at, &bytes[..bytes.len() / 2]);
            cut.push((format!("write {n} torn"), torn));
        }
        write.apply(&mut full);
        cut.push((format!("writes up to {n}"), full.clone()));
    }
    let mut found = vec![("as synced".to_owned(), data.synced.clone()), ("all written".to_owned(), full.clone())];
    found.extend(cut);
    found.extend(out_of_order(data));
    found.extend(blocks(&data.synced, &full));
    let mut seen = BTreeSet::new();
    found.retain(|(_, content)| seen.insert(content.clone()));
    found
}

/// Some of the writes, whatever their order. Of many, each alone and all but each.
fn out_of_order(data: &Data) -> Variants {
    let apply = |some: &Vec<usize>| {
        let mut content = data.synced.clone();
        some.iter().for_each(|&n| data.pending[n].1.apply(&mut content));
        (format!("of the writes only {some:?}"), content)
    };
    subsets(data.pending.len()).iter().map(apply).collect()
}

/// The full length, with some of what is new missing: zeroes or garbage stand there, or what was there before.
fn blocks(old: &[u8], new: &[u8]) -> Variants {
    let is_new = |at: usize| old.get(at) != Some(&new[at]);
    let changed: Vec<usize> =
        (0..new.len().div_ceil(BLOCK)).filter(|block| (block * BLOCK..new.len().min((block + 1) * BLOCK)).any(is_new)).collect();
    let mut found = Vec::new();
    for missing in subsets(changed.len()) {
        for (fill, byte) in [("old or zeroes", None), ("zeroes", Some(0)), ("garbage", Some(0xa5u8))] {
            let mut content = new.to_vec();
            for block in missing.iter().map(|&n| changed[n]) {
                for at in (block * BLOCK..new.len().min((block + 1) * BLOCK)).filter(|&at| is_new(at)) {
                    content[at] =
                        byte.unwrap_or_else(|| old.get(at).copied().unwrap_or(0)) ^ if byte == Some(0xa5) { at as u8 } else { 0 };
                }
            }
            found.push((format!("blocks {missing:?} of {} are {fill}", changed.len()), content));
        }
    }
    found
}

/// All subsets of so many; of many, those that have or lack one alone, and the prefixes and suffixes.
fn subsets(count: usize) -> Vec<Vec<usize>> {
    if count <= ALL_BLOCKS {
        return (1..1usize << count).map(|mask| (0..count).filter(|bit| mask >> bit & 1 == 1).collect()).collect();
    }
    let mut some = BTreeSet::new();
    for n in 0..count {
        some.insert(vec![n]);
        some.insert((0..count).filter(|&other| other != n).collect());
        some.insert((0..=n).collect());
        some.insert((n..count).collect());
    }
    some.into_iter().collect()
}
