//! Floor 4: one task in mail words; clock, chance, dialer, spool and log are passed in.

pub mod alias;
pub mod board;
pub mod body;
pub mod bounce;
pub mod child;
pub mod clock;
pub mod consign;
pub mod deliver;
pub mod demand;
pub mod desk;
pub mod ended;
pub mod event;
pub mod local;
pub mod own_name;
pub mod pass;
pub mod patient;
pub mod plan;
pub mod policy;
pub mod receive;
pub mod retry;
pub mod route;
pub mod session;
pub mod settle;
pub mod sink;
pub mod survey;
pub mod template;
