//! Does the model find what is wrong? Every sync, mark, lock check and ordering of the spool is taken away or turned round, and the
//! model of `tests/model.rs` has to find a counterexample. `make proof` does that and prints what was found; `make test` holds
//! the list to the source: no sync and no mark may be without a mutation.

#[path = "mutations/list.rs"]
mod list;
#[path = "mutations/places.rs"]
mod places;
#[cfg(feature = "proof")]
#[path = "mutations/schemata.rs"]
mod schemata;

use list::{ALL, EXEMPT};
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files where mail is stored and settled, below `src/`.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    for dir in ["disk", "disk/journal", "disk/spool", "relay", "fetch", "fetch/target"] {
        for entry in fs::read_dir(root().join("src").join(dir)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            // Those two are the trait of the model and the other thing behind it.
            if name.ends_with(".rs") && !["real.rs", "fs.rs"].contains(&name.as_str()) {
                files.push(format!("{dir}/{name}"));
            }
        }
    }
    files.sort();
    files
}

/// A call that a promise may hang on.
const CALLS: [&str; 14] = [
    ".sync_dir(",
    ".sync_held(",
    ".sync_all(",
    ".sync_data(",
    ".sync_names(",
    ".sync_named(",
    ".sync_shared(",
    ".sync_places(",
    ".sync_new(",
    ".sync_removals(",
    ".set_marks(",
    ".mark_covered(",
    ".try_lock(",
    ".is_same_file(",
];

#[test]
fn every_mutation_has_its_place() {
    let mut wrong = Vec::new();
    for mutation in ALL {
        let source = fs::read_to_string(root().join("src").join(mutation.file)).unwrap();
        match places::region(mutation, &source) {
            Ok((start, end)) if source[start..end] == *mutation.instead => {
                wrong.push(format!("{}: changes nothing", mutation.name))
            }
            Ok(_) => {}
            Err(why) => wrong.push(why),
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_sync_mark_or_lock_is_without_a_mutation() {
    let (mut bare, mut used) = (Vec::new(), Vec::new());
    for file in files() {
        let whole = fs::read_to_string(root().join("src").join(&file)).unwrap();
        let source = whole.split("#[cfg(test)]").next().unwrap();
        let regions = places::regions(&file, source).unwrap();
        let mut start = 0;
        for line in source.split_inclusive('\n') {
            let span = (start, start + line.len());
            start = span.1;
            let code = line.trim_start();
            if code.starts_with("//") || !CALLS.iter().any(|call| code.contains(call)) {
                continue;
            }
            let covered = regions.keys().any(|&(from, to)| from < span.1 && to > span.0);
            let exempt = EXEMPT.iter().position(|(named, text, _)| *named == file && code.contains(text));
            used.extend(exempt);
            if !covered && exempt.is_none() {
                bare.push(format!("{file}: {}", code.trim_end()));
            }
        }
    }
    assert!(bare.is_empty(), "neither mutated nor exempt:\n{}\n", bare.join("\n"));
    let unused: Vec<_> =
        EXEMPT.iter().enumerate().filter(|(n, _)| !used.contains(n)).map(|(_, (file, text, _))| (file, text)).collect();
    assert!(unused.is_empty(), "exempt, and not there: {unused:?}");
}

#[cfg(feature = "proof")]
#[path = "mutations/hunt.rs"]
mod hunt;
