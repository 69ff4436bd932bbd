//! What the tests share. Each test program uses a part of it.

#![allow(dead_code)]

pub mod certs;
pub mod dns;
pub mod drive;
pub mod engines;
pub mod script;
pub mod world;
