//! What the tests share. Each test program uses a part of it.

#![allow(dead_code)]

pub mod dns;
pub mod certs;
pub mod drive;
pub mod engines;
pub mod script;
