//! The system's time and chance, for the floors that have them passed in.

use crate::relay::clock::{Chance, Clock};
use jiff::Timestamp;
use std::sync::atomic::{AtomicU64, Ordering};

/// The wall clock and the kernel's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Chance for System {
    fn draw(&self) -> u64 {
        getrandom::u64().unwrap_or_else(|_| without_kernel())
    }
}

/// Where the kernel gives no random numbers (an old one, early at boot), names must still differ: time, process and a counter, mixed.
fn without_kernel() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let time = Timestamp::now().as_nanosecond() as u64;
    let mixed =
        time ^ (u64::from(std::process::id()) << 32) ^ COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.wrapping_mul(0xff51_afd7_ed55_8ccd)
}
