//! What the tests share. Each test program uses a part of it.

#![allow(dead_code)]

pub mod drive;
pub mod engines;
pub mod script;
//! What tests share. Each test program uses its part.

pub mod dns;
