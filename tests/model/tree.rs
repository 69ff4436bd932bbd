//! Files and directories as a disk holds them, without what is open, locked or unsynced.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::path::{Component, Path};

/// A file or directory, whatever its names.
pub type Ino = usize;

pub const ROOT: Ino = 0;

#[derive(Debug, Clone)]
pub enum Node {
    File(Vec<u8>),
    Dir(BTreeMap<String, Ino>),
}

#[derive(Debug, Clone)]
pub struct Tree {
    pub nodes: Vec<Node>,
}

impl Tree {
    pub fn new() -> Tree {
        Tree { nodes: vec![Node::Dir(BTreeMap::new())] }
    }

    pub fn find(&self, path: &Path) -> Option<Ino> {
        let mut at = ROOT;
        for component in path.components() {
            if let Component::Normal(name) = component {
                at = *self.dir(at)?.get(name.to_str()?)?;
            }
        }
        Some(at)
    }

    pub fn dir(&self, ino: Ino) -> Option<&BTreeMap<String, Ino>> {
        match &self.nodes[ino] {
            Node::Dir(entries) => Some(entries),
            Node::File(_) => None,
        }
    }

    pub fn dir_mut(&mut self, ino: Ino) -> Option<&mut BTreeMap<String, Ino>> {
        match &mut self.nodes[ino] {
            Node::Dir(entries) => Some(entries),
            Node::File(_) => None,
        }
    }

    pub fn file(&self, ino: Ino) -> Option<&Vec<u8>> {
        match &self.nodes[ino] {
            Node::File(content) => Some(content),
            Node::Dir(_) => None,
        }
    }

    pub fn links(&self, ino: Ino) -> u64 {
        let names = self.nodes.iter().filter_map(|node| match node {
            Node::Dir(entries) => Some(entries.values().filter(|&&named| named == ino).count() as u64),
            Node::File(_) => None,
        });
        names.sum()
    }

    /// Every file that has a name, by its path, in order.
    pub fn files(&self) -> Vec<(String, Ino)> {
        let mut found = Vec::new();
        self.walk(ROOT, "", &mut found);
        found
    }

    fn walk(&self, at: Ino, path: &str, found: &mut Vec<(String, Ino)>) {
        for (name, &ino) in self.dir(at).into_iter().flatten() {
            let path = format!("{path}/{name}");
            match &self.nodes[ino] {
                Node::File(_) => found.push((path, ino)),
                Node::Dir(_) => self.walk(ino, &path, found),
            }
        }
    }

    /// Puts into `hash` what tells this tree from others: names, which of them are one file, contents. What is random in the names
    /// of drafts is left out.
    pub fn digest(&self, hash: &mut DefaultHasher) {
        let mut numbers = BTreeMap::new();
        self.digest_dir(ROOT, false, &mut numbers, hash);
    }

    fn digest_dir(&self, at: Ino, tmp: bool, numbers: &mut BTreeMap<Ino, usize>, hash: &mut DefaultHasher) {
        for (name, &ino) in self.dir(at).into_iter().flatten() {
            let shown = if tmp || name.starts_with('.') { "~" } else { name };
            hash.write(shown.as_bytes());
            match &self.nodes[ino] {
                Node::File(content) => {
                    let next = numbers.len();
                    hash.write_usize(*numbers.entry(ino).or_insert(next));
                    hash.write_usize(content.len());
                    hash.write(content);
                }
                Node::Dir(_) => {
                    hash.write_u8(b'(');
                    self.digest_dir(ino, name == "tmp", numbers, hash);
                    hash.write_u8(b')');
                }
            }
        }
    }
}
