//! Logging in with smtp-send: SCRAM against a server that computes it by other means, where passwords come from, what is shown of them.

mod support;

#[path = "auth/addresses.rs"]
mod addresses;
#[path = "auth/engine.rs"]
mod engine;
#[path = "auth/host.rs"]
mod host;
#[path = "auth/mechanisms.rs"]
mod mechanisms;
#[path = "auth/queued.rs"]
mod queued;
#[path = "auth/scram.rs"]
mod scram;
#[path = "auth/shown.rs"]
mod shown;
#[path = "auth/sources.rs"]
mod sources;
#[path = "auth/terminal.rs"]
mod terminal;
