//! A pass that finds nothing due, in a very long queue and in an empty spool: the real mailq-run, one after the other.

use crate::figures::{Figures, Goal, median};
use crate::full::{check, fill};
use crate::place::Place;
use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use postroad::disk::spool::layout::Spool;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A pass takes milliseconds, so there can be many.
const PASSES_A_ROUND: usize = 4;
/// Passes that bring the program and the directories into memory.
const WARM_UP: usize = 3;

/// What one pass took: microseconds on the clock and of the CPU, and its memory in KiB.
#[derive(Clone, Copy)]
struct Cost([f64; 3]);

/// Whether a pass costs what it should.
pub fn run(place: &Place, rounds: usize, messages: usize) -> Result<bool> {
    println!("\na pass with nothing due: {messages} messages of five days, beside an empty spool");
    let (empty, full) = (place.make("empty")?, place.make("full")?);
    let config = place.path("config.toml");
    std::fs::write(&config, "hostname = \"mx.crepes.test\"\n")?;
    Spool::create(&empty)?;
    let began = Instant::now();
    let spool = fill(place, &full, messages)?;
    println!("  (making them took {:.0} s; removing them at the end takes longer)", began.elapsed().as_secs_f64());
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..rounds * PASSES_A_ROUND + WARM_UP {
        for turn in 0..2 {
            place.go_on()?;
            let whose = (turn + round) % 2;
            let cost = pass(&config, [&empty, &full][whose])?;
            if round >= WARM_UP {
                costs[whose].push(cost);
            }
        }
    }
    check(&spool, messages)?;
    let mut well = true;
    let goals = [("time", "ms", 1000.0, 2.0), ("CPU", "ms", 1000.0, 2.0), ("memory", "MiB", 1024.0, 1.25)];
    for (at, (what, unit, divisor, most)) in goals.into_iter().enumerate() {
        let [of_empty, of_full] = costs.each_ref().map(|costs| costs.iter().map(|cost| cost.0[at] / divisor).collect::<Vec<_>>());
        let (ratio, goal) = (Figures::ratios(&of_full, &of_empty), Goal::AtMost(most));
        println!(
            "  {what:7} empty {:6.2} {unit:3}   full {:6.2} {unit:3}   {ratio}   {}",
            median(&of_empty),
            median(&of_full),
            goal.verdict(ratio.median())
        );
        well &= goal.is_met(ratio.median());
    }
    Ok(well)
}

fn pass(config: &Path, spool: &Path) -> Result<Cost> {
    let output = Command::new(std::env::current_exe()?)
        .args(["measure", env!("CARGO_BIN_EXE_mailq-run"), "--config"])
        .arg(config)
        .arg("--spool")
        .arg(spool)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .context("cannot measure a pass")?;
    if !output.status.success() || !output.stderr.is_empty() {
        bail!("a pass failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8(output.stdout)?;
    let figures: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    Ok(Cost(figures.try_into().ok().context("three figures")?))
}

/// In a process that has this one child, since the system tells the memory of all children together.
pub fn measure(program: &str, words: &[&str]) -> Result<()> {
    let began = Instant::now();
    let status = Command::new(program).args(words).status().with_context(|| program.to_owned())?;
    let took = began.elapsed().as_micros();
    if !status.success() {
        bail!("{program}: {status}");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    println!("{took} {cpu} {}", usage.max_rss());
    Ok(())
}
