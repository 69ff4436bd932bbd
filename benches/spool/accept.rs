//! Accepting: the spool beside files that are written and synced by hand, with as many writers.

use crate::figures::{Figures, Goal, median};
use crate::place::Place;
use crate::writer::{Kind, Turn, Writers};
use anyhow::Result;
use postroad::disk::spool::layout::Spool;
use std::time::Duration;

const SIZES: [usize; 2] = [4 * 1024, 10 * 1024];
const WRITERS: [usize; 3] = [1, 10, 50];
/// Short, so that a disk that changes its speed from second to second hits both sides of a ratio.
const TURN: Duration = Duration::from_millis(150);
/// Rounds that do not count.
const WARM_UP: usize = 1;

/// Whether the spool is as fast as it should be.
pub fn run(place: &Place, rounds: usize) -> Result<bool> {
    let mut well = true;
    for size in SIZES {
        println!(
            "\naccepting messages of {} KiB; the bare control makes, writes and syncs a file of as many octets as the spool's and syncs \
             the directory; µs of CPU are for each file",
            size / 1024
        );
        for writers in WRITERS {
            well &= compare(place, rounds, size, writers)?;
        }
    }
    Ok(well)
}

fn compare(place: &Place, rounds: usize, size: usize, count: usize) -> Result<bool> {
    let dir = |name: &str| place.make(&format!("{name}.{size}.{count}"));
    let bare = [dir("bare-processes")?, dir("bare-threads")?];
    let spools = [dir("spool-processes")?, dir("spool-threads")?];
    for spool in &spools {
        Spool::create(spool)?;
    }
    let mut writers = [
        Writers::start(Kind::Bare, &bare[0], size, count, 1)?,
        Writers::start(Kind::Spool, &spools[0], size, count, 1)?,
        Writers::start(Kind::Bare, &bare[1], size, 1, count)?,
        Writers::start(Kind::Spool, &spools[1], size, 1, count)?,
    ];
    let mut turns = [const { Vec::new() }; 4];
    for round in 0..rounds + WARM_UP {
        for turn in 0..writers.len() {
            place.go_on()?;
            let whose = (turn + round) % writers.len();
            let came_to = writers[whose].write_for(TURN)?;
            if round >= WARM_UP {
                turns[whose].push(came_to);
            }
        }
    }
    let [bare, apart, bare_threads, together] = &turns;
    // One writer alone has nobody to share a sync with.
    let sharing = if count == 1 { Goal::None } else { Goal::MoreThan(1.0) };
    let apart_is_well = tell(count, "processes", bare, apart, Goal::AtLeast(0.9));
    let together_is_well = tell(count, "threads of one process", bare_threads, together, sharing);
    Ok(apart_is_well && together_is_well)
}

fn tell(count: usize, who: &str, bare: &[Turn], ours: &[Turn], goal: Goal) -> bool {
    let rates = |turns: &[Turn]| turns.iter().map(|turn| turn.rate).collect::<Vec<_>>();
    let cpu = |turns: &[Turn]| median(&turns.iter().map(|turn| turn.cpu).collect::<Vec<_>>());
    let (bare_rates, our_rates) = (rates(bare), rates(ours));
    let ratio = Figures::ratios(&our_rates, &bare_rates);
    println!(
        "{count:4} {who:22} bare {:6.0}/s {:4.0} µs   spool {:6.0}/s {:4.0} µs   {ratio}   {}",
        median(&bare_rates),
        cpu(bare),
        median(&our_rates),
        cpu(ours),
        goal.verdict(ratio.median())
    );
    goal.is_met(ratio.median())
}
