//! The IMAP client engine, bare: transcripts whose server is cut at every byte, and what a hostile server sends.
//!
//! In `tests/imap_client/*.txt` each line of stdin is a command, where `{{text}}` is a literal and `{{body:text}}` one whose octets come
//! piece by piece; `DONE` ends IDLE after the next response, and a line behind AUTHENTICATE or another command that the server asks on is
//! what is said then. Each outcome is a word with the work above. The option `--tls required` starts TLS without any, as the engine sees it.

mod support;

#[path = "imap_client/bare.rs"]
mod bare;
#[path = "imap_client/hostile.rs"]
mod hostile;
#[path = "imap_client/mutated.rs"]
mod mutated;
#[path = "imap_client/readings.rs"]
mod readings;
