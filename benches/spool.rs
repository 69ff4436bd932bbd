//! What the spool costs beside the bare system calls, and what a pass costs that finds nothing due. Everything is measured in turns with
//! what it is compared with, and told as a ratio: the speed of a disk changes from one minute to the next.

#[path = "spool/accept.rs"]
mod accept;
#[path = "spool/figures.rs"]
mod figures;
#[path = "spool/full.rs"]
mod full;
#[path = "spool/listen.rs"]
mod listen;
#[path = "spool/pass.rs"]
mod pass;
#[path = "spool/place.rs"]
mod place;
#[path = "spool/writer.rs"]
mod writer;

use anyhow::{Context, Result, bail};
use place::Place;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo bench --bench spool -- [accept] [listen] [pass] [--rounds N] [--messages N]";

/// What is measured, and how long.
struct Plan {
    accept: bool,
    listen: bool,
    pass: bool,
    /// Turns of each.
    rounds: usize,
    /// In the full queue.
    messages: usize,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["writer", rest @ ..] => writer::serve(rest).map(|()| true),
        ["measure", program, rest @ ..] => pass::measure(program, rest).map(|()| true),
        rest => plan(rest).and_then(|plan| run(&plan)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-spool: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn plan(words: &[&str]) -> Result<Plan> {
    let mut plan = Plan { accept: false, listen: false, pass: false, rounds: 25, messages: 1_000_000 };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse().ok()).filter(|number| *number > 0).context(USAGE);
        match *word {
            "accept" => plan.accept = true,
            "listen" => plan.listen = true,
            "pass" => plan.pass = true,
            "--rounds" => plan.rounds = number()?,
            "--messages" => plan.messages = number()?,
            _ => bail!(USAGE),
        }
    }
    if !(plan.accept || plan.listen || plan.pass) {
        (plan.accept, plan.listen, plan.pass) = (true, true, true);
    }
    Ok(plan)
}

/// Whether every ratio is what it should be.
fn run(plan: &Plan) -> Result<bool> {
    let place = Place::on_disk()?;
    println!("on {}; a median of {} rounds each (the least .. the most)", place.filesystem(), plan.rounds);
    let mut well = true;
    if plan.accept {
        well &= accept::run(&place, plan.rounds)?;
    }
    if plan.listen {
        well &= listen::run(&place, plan.rounds)?;
    }
    if plan.pass {
        well &= pass::run(&place, plan.rounds, plan.messages)?;
    }
    Ok(well)
}
