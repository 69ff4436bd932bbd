//! A progress bar on stderr for what takes over a second on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shorter waits show nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts octets; draws once it takes long. Clones share one bar.
#[derive(Debug, Clone)]
pub struct Progress {
    total: u64,
    inside: Option<Arc<Mutex<Inside>>>,
}

#[derive(Debug)]
struct Inside {
    started: Instant,
    done: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `total` octets are to come. Nothing is ever drawn if `quiet` or where stderr is no terminal.
    pub fn new(total: u64, quiet: bool) -> Progress {
        let shown = !quiet && io::stderr().is_terminal();
        let inside = Inside { started: Instant::now(), done: 0, bar: None };
        Progress { total, inside: shown.then(|| Arc::new(Mutex::new(inside))) }
    }

    /// Counts what is read through it.
    pub fn reading<R: Read>(&self, reader: R) -> Reading<R> {
        Reading { reader, progress: self.clone() }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) =
            self.inside.as_ref().and_then(|inside| inside.lock().unwrap_or_else(PoisonError::into_inner).bar.take())
        {
            bar.finish_and_clear();
        }
    }

    fn advance(&self, octets: u64) {
        let Some(inside) = &self.inside else { return };
        let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.done += octets;
        if inside.bar.is_none() && inside.started.elapsed() > PATIENCE {
            inside.bar = Some(bar(self.total));
        }
        if let Some(bar) = &inside.bar {
            bar.set_position(inside.done);
        }
    }
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// A reader that is counted.
#[derive(Debug)]
pub struct Reading<R> {
    reader: R,
    progress: Progress,
}

impl<R: Read> Read for Reading<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.progress.advance(n as u64);
        Ok(n)
    }
}
