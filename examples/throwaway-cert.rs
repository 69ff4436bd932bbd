//! Makes an authority and a certificate of it for a try: `throwaway-cert DIR NAME…` writes DIR/ca.pem, DIR/server.pem and DIR/server.key,
//! good for two days.

#[path = "../tests/support/certs.rs"]
#[allow(dead_code)]
mod certs;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((dir, names)) = words.split_first().filter(|(_, names)| !names.is_empty()) else {
        eprintln!("usage: throwaway-cert DIR NAME...");
        return ExitCode::from(64);
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (dir, authority) = (Path::new(dir), certs::authority());
    authority.certificate_file(dir, "ca");
    authority.issue(&names, 2).files(dir, "server");
    ExitCode::SUCCESS
}
