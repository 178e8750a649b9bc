//! `morgenruh verify`

use std::path::Path;
use std::process::ExitCode;

use morgenruh_engine::shell::verify;

/// Checks a data directory and prints what was found. Exit code 0: all is well, 1: it is not, 2:
/// it cannot be read.
#[expect(
    clippy::print_stdout,
    reason = "the findings are the result of the command"
)]
pub fn verify(dir: &Path) -> ExitCode {
    let findings = match verify::verify(dir) {
        Ok(findings) => findings,
        Err(error) => {
            println!("{} cannot be read: {error}", dir.display());
            return ExitCode::from(2);
        }
    };
    for error in &findings.errors {
        println!("error: {error}");
    }
    println!(
        "{} facts, {} live bookings, {} cancelled, {} waiting rooms, {} errors",
        findings.facts,
        findings.booked,
        findings.cancelled,
        findings.rooms,
        findings.errors.len(),
    );
    ExitCode::from(u8::from(!findings.errors.is_empty()))
}
