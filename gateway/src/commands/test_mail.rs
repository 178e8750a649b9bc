//! `morgenruh test-mail`

use std::path::Path;
use std::process::ExitCode;

use morgenruh_engine::rules::wish::fact::Notify;

use super::configuration::{ConfigurationError, configuration};
use crate::clock;
use crate::language::Language;
use crate::post::notice::{Notice, NoticeKind};
use crate::post::{CannotTell, Post, PostError, Sent};

const NOT_SENT: u8 = 1;
const NOTHING_DONE: u8 = 2;

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
enum TrialError {
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("there is nothing to try: {0} Set address and from in [mail].")]
    CannotTell(#[from] CannotTell),
}

/// Hands a trial letter to the mail server of the configuration. Exit code 0: the server has it, 1:
/// it has not, 2: nothing was tried.
#[expect(clippy::print_stdout, reason = "the result of the command")]
pub fn test_mail(config: &Path, to: &str) -> ExitCode {
    match send(config, to) {
        Ok(Sent::Done) => {
            println!("the mail server has taken the letter");
            ExitCode::SUCCESS
        }
        Ok(Sent::Refused(reason) | Sent::Later(reason)) => {
            println!("not sent: {reason}");
            ExitCode::from(NOT_SENT)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(NOTHING_DONE)
        }
    }
}

fn send(config: &Path, to: &str) -> Result<Sent, TrialError> {
    let (catalogue, settings) = configuration(config)?;
    let post = Post::new(&settings, &catalogue.city)?;
    post.check(&Notify::Email)?;
    let now = clock::now();
    Ok(post.send(&Notice {
        id: format!("trial-{}", now.0),
        kind: NoticeKind::Trial,
        language: Language::De,
        to: Notify::Email,
        email: to.to_owned(),
        wish: String::new(),
        at: now,
        manage: String::new(),
        withdraw: String::new(),
    }))
}
