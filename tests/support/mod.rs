//! What the tests share. Each test program uses a part of it.

#![allow(dead_code)]

pub mod bare;
pub mod certs;
pub mod dialogue;
pub mod dns;
pub mod drive;
pub mod engines;
pub mod faulty;
pub mod login;
pub mod played;
pub mod process;
pub mod script;
pub mod speaker;
pub mod stored;
pub mod terminal;
pub mod transcript;
pub mod usage;
pub mod world;
