//! With programs that others wrote: Postfix, Dovecot, Courier, Cyrus, inetd, systemd, swaks, curl, and those that call sendmail. Each runs on loopback with
//! files in a temporary directory, is started by its test and ended with it. `make interop` runs these; `make test` does not, since they
//! need Debian packages and root.

mod support;

#[path = "interop/auth.rs"]
mod auth;
#[path = "interop/clients.rs"]
mod clients;
#[path = "interop/dialect.rs"]
mod dialect;
#[path = "interop/dialects.rs"]
mod dialects;
#[path = "interop/extensions.rs"]
mod extensions;
#[path = "interop/imap.rs"]
mod imap;
#[path = "interop/imap_dialects.rs"]
mod imap_dialects;
#[path = "interop/imap_extensions.rs"]
mod imap_extensions;
#[path = "interop/letters.rs"]
mod letters;
#[path = "interop/looks.rs"]
mod looks;
#[path = "interop/passes.rs"]
mod passes;
#[path = "interop/peers.rs"]
mod peers;
#[path = "interop/pop3.rs"]
mod pop3;
#[path = "interop/postfix.rs"]
mod postfix;
#[path = "interop/relaying.rs"]
mod relaying;
#[path = "interop/sendmail.rs"]
mod sendmail;
#[path = "interop/starts.rs"]
mod starts;
