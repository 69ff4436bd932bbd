//! A progress bar on stderr for what takes over a second on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shorter waits show nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts octets; draws once it takes long. Clones share one bar.
#[derive(Debug, Clone)]
pub struct Progress {
    inside: Option<Arc<Mutex<Inside>>>,
}

#[derive(Debug)]
struct Inside {
    started: Instant,
    /// None: nobody knows.
    total: Option<u64>,
    done: u64,
    /// What of it is behind us for good.
    passed: u64,
    /// Hidden while it is `early`, so that it knows by then how fast it goes.
    bar: Option<ProgressBar>,
    early: bool,
}

impl Progress {
    /// Nothing is ever drawn if `quiet` or where stderr is no terminal.
    pub fn new(quiet: bool) -> Progress {
        let shown = !quiet && io::stderr().is_terminal();
        let inside = Inside { started: Instant::now(), total: None, done: 0, passed: 0, bar: None, early: true };
        Progress { inside: shown.then(|| Arc::new(Mutex::new(inside))) }
    }

    /// Something may be drawn.
    pub fn is_shown(&self) -> bool {
        self.inside.is_some()
    }

    /// So many octets are to come.
    pub fn expect(&self, total: u64) {
        if let Some(mut inside) = self.lock() {
            inside.total = Some(total);
            if let Some(bar) = &inside.bar {
                bar.set_length(total);
            }
        }
    }

    /// So many of them are done with, whatever was read of them.
    pub fn passed(&self, octets: u64) {
        if let Some(mut inside) = self.lock() {
            inside.passed += octets;
            inside.done = inside.passed;
            inside.draw();
        }
    }

    /// Counts what is read through it.
    pub fn reading<R: Read>(&self, reader: R) -> Reading<R> {
        Reading { reader, progress: self.clone() }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(mut inside) = self.lock()
            && let Some(bar) = inside.bar.take()
        {
            bar.finish_and_clear();
            inside.early = true;
        }
    }

    fn advance(&self, octets: u64) {
        if let Some(mut inside) = self.lock() {
            inside.done += octets;
            inside.draw();
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Inside>> {
        self.inside.as_ref().map(|inside| inside.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inside {
    fn draw(&mut self) {
        let bar = self.bar.get_or_insert_with(|| bar(self.total));
        bar.set_position(self.total.map_or(self.done, |total| self.done.min(total)));
        if self.early && self.started.elapsed() > PATIENCE {
            self.early = false;
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    let shape = match total {
        Some(_) => "{bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}",
        None => "{bytes} {spinner} {bytes_per_sec}",
    };
    if let Ok(style) = ProgressStyle::with_template(shape) {
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
