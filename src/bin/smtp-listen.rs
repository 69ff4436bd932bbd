//! smtp-listen's main.

fn main() -> std::process::ExitCode {
    postroad::cli::exit::main("smtp-listen", postroad::cmd::smtp_listen::run)
}
