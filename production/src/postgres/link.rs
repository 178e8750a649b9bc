//! One connection to PostgreSQL, for a thread that waits for each answer, but not for ever.
//!
//! A server that is stopped keeps its connections: its system still says that it is there, and
//! the time limit of a statement is kept by nobody. So whoever asks counts the time as well.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Settings;
use super::fault::Fault;
use crate::tls::{self, Tls};

/// What the server is given beyond its own time limit before we stop waiting for it.
pub const ANSWER_GRACE: Duration = Duration::from_secs(2);
/// When an idle connection is first asked whether it is still there, and then how often.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// The values of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection that is made when it is needed, and again after it was lost.
pub(super) struct Link {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    connect_timeout: Duration,
    answer_max: Duration,
    session: Option<Session>,
}

impl Link {
    /// Remembers where to connect to.
    ///
    /// # Errors
    /// A sentence: the address or the file of authorities is of no use.
    pub(super) fn new(settings: &Settings) -> Result<Link, String> {
        let (host, port) = settings
            .address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            .ok_or_else(|| format!("{:?} is not host:port", settings.address))?;
        let mut config = Config::new();
        config
            .host(host.trim_start_matches('[').trim_end_matches(']'))
            .port(port)
            .user(&settings.user)
            .dbname(&settings.database)
            .application_name("morgenruh")
            .connect_timeout(settings.connect_timeout)
            .tcp_user_timeout(settings.statement_timeout + ANSWER_GRACE)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE)
            .keepalives_retries(KEEPALIVE_RETRIES)
            .options(session_settings(settings.statement_timeout));
        if let Some(password) = &settings.password {
            config.password(password.reveal());
        }
        let tls = match &settings.tls {
            Tls::Off => {
                config.ssl_mode(tokio_postgres::config::SslMode::Disable);
                None
            }
            Tls::On { ca_file } => {
                config.ssl_mode(tokio_postgres::config::SslMode::Require);
                let config = tls::client(ca_file.as_deref()).map_err(|error| error.to_string())?;
                Some(MakeRustlsConnect::new(config))
            }
        };
        Ok(Link {
            config,
            tls,
            connect_timeout: settings.connect_timeout,
            answer_max: settings.statement_timeout + ANSWER_GRACE,
            session: None,
        })
    }

    /// Does something on the connection. Whatever has failed otherwise than by a rule of the
    /// database costs the connection, and with it the transaction.
    pub(super) fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.session.as_ref().is_none_or(|it| it.client.is_closed()) {
            self.session = None;
            self.session = Some(self.connect()?);
        }
        let session = self.session.as_mut().expect("it was just made");
        let done = work(session);
        if let Err(fault) = &done {
            let settled = fault.is_forbidden() && session.run("ROLLBACK").is_ok();
            if !settled {
                self.session = None;
            }
        }
        done
    }

    /// As [`Link::with`], all or nothing.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.with(|session| {
            session.run("BEGIN")?;
            let done = work(session)?;
            session.run("COMMIT")?;
            Ok(done)
        })
    }

    fn connect(&self) -> Result<Session, Fault> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Fault::Lost(error.to_string()))?;
        let connecting = async {
            match &self.tls {
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls.clone()).await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
            }
        };
        let client = wait(&runtime, self.connect_timeout, connecting)?;
        Ok(Session {
            client,
            statements: HashMap::new(),
            answer_max: self.answer_max,
            runtime,
        })
    }
}

/// What is acknowledged must be on the disk: the ledger forgets what the store has. And each change
/// must find its row by the index: a few hundred look-ups must not be taken for a good reason to
/// read a whole table, since the next batch does the same again.
fn session_settings(statement_timeout: Duration) -> String {
    let limit_ms = statement_timeout.as_millis();
    format!(
        "-c synchronous_commit=on -c timezone=UTC -c statement_timeout={limit_ms} \
         -c idle_in_transaction_session_timeout={limit_ms} \
         -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
    )
}

/// A connection that was made.
pub(super) struct Session {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    answer_max: Duration,
    runtime: Runtime,
}

impl Session {
    /// One or several statements without values or answers.
    pub(super) fn run(&mut self, sql: &str) -> Result<(), Fault> {
        self.wait(self.client.batch_execute(sql))
    }

    /// How many rows a statement has changed.
    pub(super) fn execute(&mut self, sql: &'static str, values: Values<'_>) -> Result<u64, Fault> {
        let statement = self.prepared(sql)?;
        self.wait(self.client.execute(&statement, values))
    }

    /// The same, with values of these types, planned for the tables as they are now: a plan that is
    /// kept was made when the tables were small, and is ruinous when they have grown.
    pub(super) fn execute_anew(
        &mut self,
        sql: &str,
        types: &[Type],
        values: Values<'_>,
    ) -> Result<u64, Fault> {
        let values = values.iter().copied().zip(types.iter().cloned());
        let values: Vec<_> = values.collect();
        self.wait(self.client.execute_typed(sql, &values))
    }

    pub(super) fn rows(
        &mut self,
        sql: &'static str,
        values: Values<'_>,
    ) -> Result<Vec<Row>, Fault> {
        let statement = self.prepared(sql)?;
        self.wait(self.client.query(&statement, values))
    }

    /// Sends rows in the binary form of `COPY`; how many there were.
    pub(super) fn copy_in(&mut self, sql: &'static str, rows: Bytes) -> Result<u64, Fault> {
        let statement = self.prepared(sql)?;
        self.wait(async {
            let mut sink = pin!(self.client.copy_in(&statement).await?);
            sink.send(rows).await?;
            sink.finish().await
        })
    }

    /// Hands over rows in the binary form of `COPY`, one by one. The time limit is one for each of
    /// them.
    pub(super) fn copy_out(
        &mut self,
        sql: &str,
        mut each: impl FnMut(&Bytes) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut rows = Box::pin(self.wait(self.client.copy_out(sql))?);
        self.runtime.block_on(async {
            loop {
                match timeout(self.answer_max, rows.next()).await {
                    Ok(Some(Ok(row))) => each(&row)?,
                    Ok(Some(Err(error))) => return Err(Fault::from(error)),
                    Ok(None) => return Ok(()),
                    Err(_) => return Err(no_answer(self.answer_max)),
                }
            }
        })
    }

    fn prepared(&mut self, sql: &'static str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(sql))?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        wait(&self.runtime, self.answer_max, answer)
    }
}

fn wait<T>(
    runtime: &Runtime,
    limit: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Fault> {
    match runtime.block_on(async { timeout(limit, answer).await }) {
        Ok(answer) => answer.map_err(Fault::from),
        Err(_) => Err(no_answer(limit)),
    }
}

fn no_answer(limit: Duration) -> Fault {
    Fault::Lost(format!("no answer within {} ms", limit.as_millis()))
}
