//! Where in the source the mutations are made.

use super::list::{ALL, Mutation};
use std::collections::BTreeMap;

/// Where a mutation's text stands in its file, in bytes.
pub fn region(mutation: &Mutation, source: &str) -> Result<(usize, usize), String> {
    let (before, rest) = mutation.place.split_once('«').ok_or("no «")?;
    let (original, after) = rest.split_once('»').ok_or("no »")?;
    let whole = format!("{before}{original}{after}");
    let mut found = source.match_indices(&whole).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok((at + before.len(), at + before.len() + original.len())),
        (None, _) => Err(format!("{}: not in {}", mutation.name, mutation.file)),
        (Some(_), Some(_)) => Err(format!("{}: more than once in {}", mutation.name, mutation.file)),
    }
}

/// The regions of a file that have mutations, in order.
pub fn regions(file: &str, source: &str) -> Result<BTreeMap<(usize, usize), Vec<&'static Mutation>>, String> {
    let mut regions: BTreeMap<(usize, usize), Vec<&'static Mutation>> = BTreeMap::new();
    for mutation in ALL.iter().filter(|mutation| mutation.file == file) {
        regions.entry(region(mutation, source)?).or_default().push(mutation);
    }
    let spans: Vec<_> = regions.keys().copied().collect();
    match spans.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        Some(pair) => Err(format!("{file}: regions overlap at {}", pair[1].0)),
        None => Ok(regions),
    }
}
