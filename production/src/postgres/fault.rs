//! What can go wrong between us and PostgreSQL, and whose matter it is.

use std::error::Error;

use morgenruh_engine::shell::drain::{Away, StoreError};
use tokio_postgres::error::{DbError, SqlState};

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server has said no.
    Sql(Box<DbError>),
    /// It was not asked, or has not answered.
    Lost(String),
    /// What was asked for breaks a rule, as a sentence.
    Forbidden(String),
}

impl Fault {
    /// Whether a rule of the database stands against it: the same again has no better chance.
    pub(super) fn is_forbidden(&self) -> bool {
        match self {
            Fault::Sql(error) => {
                let code = error.code().code();
                code.starts_with("22") || code.starts_with("23")
            }
            Fault::Lost(_) => false,
            Fault::Forbidden(_) => true,
        }
    }

    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Fault::Sql(error) => Some(error.code()),
            _ => None,
        }
    }

    pub(super) fn sentence(&self) -> String {
        match self {
            Fault::Sql(error) => sql_sentence(error),
            Fault::Lost(sentence) | Fault::Forbidden(sentence) => sentence.clone(),
        }
    }

    pub(super) fn into_away(self) -> Away {
        Away(format!("PostgreSQL: {}", self.sentence()))
    }

    pub(super) fn into_store_error(self) -> StoreError {
        if self.is_forbidden() {
            StoreError::Forbidden(self.sentence())
        } else {
            StoreError::Away(self.into_away())
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Fault {
        if let Some(sql) = error.as_db_error() {
            return Fault::Sql(Box::new(sql.clone()));
        }
        // The outer error names the step, the inner one the reason.
        let mut sentence = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !sentence.contains(&cause_text) {
                sentence = format!("{sentence}: {cause_text}");
            }
            source = cause.source();
        }
        Fault::Lost(sentence)
    }
}

/// The detail is told only where it consists of keys: elsewhere it can be a whole row, with the
/// name of a person in it.
fn sql_sentence(error: &DbError) -> String {
    let keys = [
        SqlState::EXCLUSION_VIOLATION,
        SqlState::UNIQUE_VIOLATION,
        SqlState::FOREIGN_KEY_VIOLATION,
    ];
    let detail = error.detail().filter(|_| keys.contains(error.code()));
    let (message, code) = (error.message(), error.code().code());
    match detail {
        Some(detail) => format!("{message} ({code}). {detail}"),
        None => format!("{message} ({code})"),
    }
}
