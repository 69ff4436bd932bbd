//! How long programs take from start to end: run in turn, many times, so that what else the machine does hits all alike. Prints the
//! median of each and its ratio to the first. Built by scripts/bench-start; of the standard library alone.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// `ROUNDS PROGRAM [ARGUMENT]... [-- PROGRAM [ARGUMENT]...]...`
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rounds = words.first().and_then(|word| word.parse::<usize>().ok()).filter(|rounds| *rounds > 0);
    let (Some(rounds), Some(words)) = (rounds, words.get(1..).filter(|words| !words.is_empty())) else {
        eprintln!("usage: start ROUNDS PROGRAM [ARGUMENT]... [-- PROGRAM [ARGUMENT]...]...");
        return ExitCode::from(64);
    };
    let programs: Vec<&[String]> = words.split(|word| word == "--").collect();
    let mut times = vec![Vec::with_capacity(rounds); programs.len()];
    // The first rounds bring the programs into memory and do not count.
    for round in 0..rounds + 10 {
        for (program, times) in programs.iter().zip(&mut times) {
            match time(program) {
                Ok(time) if round >= 10 => times.push(time),
                Ok(_) => {}
                Err(why) => {
                    eprintln!("start: {}: {why}", program.join(" "));
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    for (program, median) in programs.iter().zip(&medians) {
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        println!("{:8.3} ms  {ratio:5.2} x  {}", median.as_secs_f64() * 1000.0, program.join(" "));
    }
    ExitCode::SUCCESS
}

fn time(words: &[String]) -> Result<Duration, String> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().map_err(|error| error.to_string())?;
    let took = began.elapsed();
    if status.success() { Ok(took) } else { Err(status.to_string()) }
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
