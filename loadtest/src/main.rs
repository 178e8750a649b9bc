//! `morgenruh-loadtest`: parse, run, say how it ended.

use std::process::ExitCode;

use clap::Parser;
use morgenruh_loadtest::cli::Cli;
use morgenruh_loadtest::run;

/// One thread: on a small machine the other cores belong to the service that is being tried.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run::run(Cli::parse().command).await
}
