//! One connection to Redis that comes back by itself, and the checks that each new one has to pass.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, Value, cmd};
use rustls::ClientConfig;

use super::guarantees::{self, Durability, Said, Warnings, findings, sentences};
use super::pause::Pause;
use super::settings::Settings;
use super::wire::Wire;
use crate::tls::{self, Tls, TlsError};

/// How old the last check of a connection may be: settings can be changed while a server runs.
const CHECKED_FOR: Duration = Duration::from_secs(60);

/// Why there is no answer that is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing was sent.
    Unsent(String),
    /// It was sent, as a whole or in part, and no answer came.
    Unanswered(String),
    /// Redis answered that it will not; the first word is its code.
    Denied(String),
}

impl Trouble {
    pub(super) fn into_reason(self) -> String {
        match self {
            Trouble::Unsent(reason) | Trouble::Unanswered(reason) | Trouble::Denied(reason) => {
                reason
            }
        }
    }
}

/// A connection that is there when it is needed, if it can be.
pub(super) struct Link {
    settings: Settings,
    tls: Option<Arc<ClientConfig>>,
    open: Option<Open>,
    /// Connections that passed the checks so far.
    connections: u64,
    pause: Pause,
    warnings: Warnings,
}

struct Open {
    wire: Wire,
    checked_at: Instant,
    run: String,
}

impl Link {
    /// Nothing is connected yet.
    ///
    /// # Errors
    /// [`TlsError`]
    pub(super) fn new(settings: Settings) -> Result<Link, TlsError> {
        let tls = match &settings.tls {
            Tls::Off => None,
            Tls::On { ca_file } => Some(Arc::new(tls::client(ca_file.as_deref())?)),
        };
        Ok(Link {
            settings,
            tls,
            open: None,
            connections: 0,
            pause: Pause::default(),
            warnings: Warnings::default(),
        })
    }

    pub(super) fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    /// Which run of the server the connection leads to; empty while there is none.
    pub(super) fn run(&self) -> &str {
        self.open.as_ref().map_or("", |open| &open.run)
    }

    /// Sees to it that there is a connection which passed the checks not long ago. Returns the
    /// number of the connection, which tells whether it is still the same.
    ///
    /// # Errors
    /// Why there is none; nothing was sent then that could change anything.
    pub(super) fn ready(&mut self) -> Result<u64, String> {
        let now = Instant::now();
        if self.open.is_none() {
            self.connect(now)?;
        }
        let due = |open: &Open| now.duration_since(open.checked_at) >= CHECKED_FOR;
        if self.open.as_ref().is_some_and(due) {
            let until = Instant::now() + self.settings.answer_timeout;
            let checked = self.check(until);
            checked.map_err(|reason| self.failed(reason))?;
        }
        Ok(self.connections)
    }

    /// Sends a command on the connection that [`Link::ready`] has made.
    ///
    /// # Errors
    /// [`Trouble`]; the connection is gone then, unless Redis has denied the command.
    pub(super) fn ask(&mut self, command: &Cmd) -> Result<Value, Trouble> {
        let until = Instant::now() + self.settings.answer_timeout;
        let answer = self.ask_until(command, until);
        if let Err(Trouble::Unanswered(reason)) = &answer {
            self.failed(reason.clone());
        }
        answer
    }

    /// Gives the connection up; the next one has to pass all checks again.
    pub(super) fn drop_connection(&mut self) {
        self.open = None;
    }

    fn ask_until(&mut self, command: &Cmd, until: Instant) -> Result<Value, Trouble> {
        let Some(open) = &mut self.open else {
            return Err(Trouble::Unsent("there is no connection to Redis".into()));
        };
        match open.wire.exchange(command, until) {
            Ok(Value::ServerError(error)) => {
                let details = error.details().unwrap_or_default();
                Err(Trouble::Denied(format!("{} {details}", error.code())))
            }
            Ok(value) => Ok(value),
            Err(error) => Err(Trouble::Unanswered(self.reason(&error))),
        }
    }

    fn connect(&mut self, now: Instant) -> Result<(), String> {
        if let Some(reason) = self.pause.reason(now) {
            return Err(reason.to_owned());
        }
        let Settings {
            address,
            connect_timeout,
            answer_timeout,
            ..
        } = &self.settings;
        let wire = Wire::connect(address, self.tls.as_ref(), *connect_timeout);
        let wire = match wire {
            Ok(wire) => wire,
            Err(error) => return Err(self.failed(format!("Redis at {address}: {error}"))),
        };
        let until = Instant::now() + *answer_timeout;
        self.open = Some(Open {
            wire,
            checked_at: now,
            run: String::new(),
        });
        let admitted = self.log_in(until).and_then(|()| self.check(until));
        admitted.map_err(|reason| self.failed(reason))?;
        if self.pause.has_failed() {
            let address = &self.settings.address;
            tracing::info!(address, run = self.run(), "Redis is back");
        }
        self.pause.succeeded();
        self.connections += 1;
        Ok(())
    }

    fn log_in(&mut self, until: Instant) -> Result<(), String> {
        let Settings {
            address,
            user,
            password,
            database,
            ..
        } = self.settings.clone();
        if let Some(password) = password {
            let mut auth = cmd("AUTH");
            auth.arg(user).arg(password.reveal());
            let answer = self.ask_until(&auth, until);
            answer.map_err(|trouble| denied(&address, "the login", trouble))?;
        }
        if database != 0 {
            let answer = self.ask_until(cmd("SELECT").arg(database), until);
            answer.map_err(|trouble| denied(&address, "the database", trouble))?;
        }
        Ok(())
    }

    /// Asks the server what it guarantees.
    fn check(&mut self, until: Instant) -> Result<(), String> {
        let said = self.listen(until)?;
        let run = said.run().to_owned();
        let found = findings(&said);
        let tolerates = self.settings.durability == Durability::Relaxed;
        let (tolerated, refused): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|finding| finding.tolerable && tolerates);
        if !refused.is_empty() {
            let address = &self.settings.address;
            return Err(format!("Redis at {address}: {}", sentences(&refused)));
        }
        let text = sentences(&tolerated);
        if self.warnings.set(tolerated) && !text.is_empty() {
            tracing::warn!(address = self.settings.address, "Redis: {text}");
        }
        if let Some(open) = &mut self.open {
            open.run = run;
            open.checked_at = Instant::now();
        }
        Ok(())
    }

    fn listen(&mut self, until: Instant) -> Result<Said, String> {
        let address = self.settings.address.clone();
        let mut said = Said::default();
        let info = self.ask_until(&cmd("INFO"), until);
        let info = info.map_err(|trouble| denied(&address, "`INFO`", trouble))?;
        said.read_info(&redis::from_redis_value::<String>(info).unwrap_or_default());
        for name in guarantees::SETTINGS {
            let answer = self.ask_until(cmd("CONFIG").arg("GET").arg(name), until);
            let value = match answer {
                Ok(value) => redis::from_redis_value::<Vec<String>>(value)
                    .ok()
                    .and_then(|pair| pair.into_iter().nth(1)),
                Err(Trouble::Denied(_)) => None,
                Err(trouble) => return Err(trouble.into_reason()),
            };
            said.settings.insert(name.to_owned(), value);
        }
        Ok(said)
    }

    /// Closes the connection and begins a pause.
    fn failed(&mut self, reason: String) -> String {
        self.open = None;
        if !self.pause.has_failed() {
            tracing::warn!("{reason}");
        }
        self.pause.failed(Instant::now(), &reason);
        reason
    }

    fn reason(&self, error: &RedisError) -> String {
        let address = &self.settings.address;
        if error.is_timeout() {
            let patience_ms = self.settings.answer_timeout.as_millis();
            format!("Redis at {address}: no answer within {patience_ms} ms")
        } else {
            format!("Redis at {address}: {error}")
        }
    }
}

fn denied(address: &str, what: &str, trouble: Trouble) -> String {
    match trouble {
        Trouble::Denied(reason) => format!("Redis at {address} denies {what}: {reason}"),
        other => other.into_reason(),
    }
}
