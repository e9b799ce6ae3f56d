//! The same program as `run_server`, under the name that PyKMIP's package installs its server by.

#[path = "run_server.rs"]
mod run_server;

fn main() -> std::process::ExitCode {
    run_server::main()
}
