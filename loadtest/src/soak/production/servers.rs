//! Redis, PostgreSQL and the ways to them, and everything that can be done to these.

use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use morgenruh_servers::{Mode, Postgres, PostgresOptions, Proxy, Redis, scratch};
use tempfile::TempDir;

use super::database::Database;
use super::disk::Disk;
use super::kinds::Kind;

/// How much later each chunk arrives on a slow way.
const DELAY: Duration = Duration::from_millis(200);

/// How long it may take until Redis ends because of its full disk, while people book.
const END_WITHIN: Duration = Duration::from_secs(20);

/// Memory that Redis has never enough of.
const LITTLE_MEMORY: &str = "1mb";

/// A port on which nobody is a primary.
const NOBODY: &str = "1";

/// Settings of the service that make its patience short, so that much happens in little time. A
/// city's are in `config/default.toml`.
const IMPATIENCE: [(&str, &str); 9] = [
    ("MORGENRUH_LEDGER_KIND", "redis"),
    ("MORGENRUH_LEDGER_RETRY_MS", "20"),
    ("MORGENRUH_LEDGER_ACK_TIMEOUT_MS", "300"),
    ("MORGENRUH_REDIS_CONNECT_TIMEOUT_MS", "500"),
    ("MORGENRUH_REDIS_ANSWER_TIMEOUT_MS", "1000"),
    ("MORGENRUH_POSTGRES_CONNECT_TIMEOUT_MS", "1000"),
    ("MORGENRUH_POSTGRES_STATEMENT_TIMEOUT_MS", "1000"),
    ("MORGENRUH_STORE_RETRY_MS", "20"),
    ("MORGENRUH_STORE_RETRY_MAX_MS", "250"),
];

/// What the service runs on. Dropping it ends the servers and removes what they wrote.
#[derive(Debug)]
pub(in crate::soak) struct Servers {
    to_redis: Proxy,
    to_postgres: Proxy,
    redis: Redis,
    postgres: Postgres,
    disk: Disk,
    folder: TempDir,
}

impl Servers {
    /// New and empty ones.
    pub(super) fn start() -> io::Result<Self> {
        let folder = scratch();
        let at = folder.path().join("redis");
        let disk = Disk::at(&at)?;
        let redis = Redis::start(&at);
        // Segments are kept for reuse up to this size, and here they lie in memory.
        let small = PostgresOptions::default().set("max_wal_size", "128MB");
        let postgres = small.start(&folder.path().join("postgres"));
        Ok(Self {
            to_redis: Proxy::start(redis.address()),
            to_postgres: Proxy::start(postgres.address()),
            redis,
            postgres,
            disk,
            folder,
        })
    }

    /// How Redis' disk fills up.
    pub(super) fn disk(&self) -> &'static str {
        self.disk.how()
    }

    /// What a service needs to know of them.
    pub(in crate::soak) fn environment(&self) -> Vec<(&'static str, String)> {
        let password_file = self.postgres.password_file().display().to_string();
        let mut environment: Vec<_> = IMPATIENCE
            .iter()
            .map(|&(key, value)| (key, value.to_owned()))
            .collect();
        environment.extend([
            (
                "MORGENRUH_REDIS_ADDRESS",
                self.to_redis.address().to_string(),
            ),
            (
                "MORGENRUH_POSTGRES_ADDRESS",
                self.to_postgres.address().to_string(),
            ),
            ("MORGENRUH_POSTGRES_USER", self.postgres.user().to_owned()),
            (
                "MORGENRUH_POSTGRES_DATABASE",
                self.postgres.database().to_owned(),
            ),
            ("MORGENRUH_POSTGRES_PASSWORD_FILE", password_file),
        ]);
        environment
    }

    /// Lets it go wrong.
    pub(super) fn begin(&mut self, kind: Kind) -> io::Result<()> {
        match kind {
            Kind::GatewayKilled => {}
            Kind::RedisKilled => self.redis.kill(),
            Kind::PostgresKilled | Kind::PostgresAwayInRush | Kind::BacklogFull => {
                self.postgres.kill();
            }
            Kind::AllKilled => {
                self.redis.kill();
                self.postgres.kill();
            }
            Kind::RedisPausedBriefly | Kind::RedisPausedLong => self.redis.pause(),
            Kind::PostgresPaused => self.postgres.pause(),
            Kind::RedisCut => self.to_redis.switch(Mode::Cut),
            Kind::RedisDelayed => self.to_redis.switch(Mode::Delay(DELAY)),
            Kind::RedisUnheard => self.to_redis.switch(Mode::HalfClose),
            Kind::PostgresCut => self.to_postgres.switch(Mode::Cut),
            Kind::PostgresDelayed => self.to_postgres.switch(Mode::Delay(DELAY)),
            Kind::PostgresUnheard => self.to_postgres.switch(Mode::HalfClose),
            Kind::RedisOutOfMemory => {
                self.tell_redis(&["CONFIG", "SET", "maxmemory", LITTLE_MEMORY])?
            }
            Kind::RedisReadOnly => self.tell_redis(&["REPLICAOF", "127.0.0.1", NOBODY])?,
            Kind::RedisDiskFull => {
                self.disk.fill(&self.redis)?;
                self.wait_for_the_end_of_redis()?;
            }
        }
        Ok(())
    }

    /// Mends it.
    pub(super) fn mend(&mut self, kind: Kind) -> io::Result<()> {
        match kind {
            Kind::GatewayKilled => {}
            Kind::RedisKilled => self.redis.restart(),
            Kind::PostgresKilled | Kind::PostgresAwayInRush | Kind::BacklogFull => {
                self.postgres.restart();
            }
            Kind::AllKilled => {
                self.redis.restart();
                self.postgres.restart();
            }
            Kind::RedisPausedBriefly | Kind::RedisPausedLong => self.redis.resume(),
            Kind::PostgresPaused => self.postgres.resume(),
            Kind::RedisCut | Kind::RedisDelayed | Kind::RedisUnheard => {
                self.to_redis.switch(Mode::Pass);
            }
            Kind::PostgresCut | Kind::PostgresDelayed | Kind::PostgresUnheard => {
                self.to_postgres.switch(Mode::Pass);
            }
            Kind::RedisOutOfMemory => self.tell_redis(&["CONFIG", "SET", "maxmemory", "0"])?,
            // One that was a replica and is told not to be one is refused: it was promoted.
            Kind::RedisReadOnly => self.redis.restart(),
            Kind::RedisDiskFull => {
                self.disk.make_room()?;
                self.redis.restart();
            }
        }
        Ok(())
    }

    /// What the database says.
    pub(super) fn database(&self) -> Option<Database> {
        Database::read(&self.postgres)
    }

    /// Ends the servers and leaves what they wrote in a folder.
    pub(super) fn keep(mut self, at: &Path) -> io::Result<()> {
        self.redis.kill();
        self.postgres.kill();
        let mut cp = Command::new("cp");
        cp.arg("-a").arg(self.folder.path()).arg(at);
        cp.status().map(drop)
    }

    fn tell_redis(&self, words: &[&str]) -> io::Result<()> {
        match self.redis.command(words).as_str() {
            "OK" => Ok(()),
            other => Err(io::Error::other(format!("{}: {other}", words.join(" ")))),
        }
    }

    fn wait_for_the_end_of_redis(&self) -> io::Result<()> {
        let since = Instant::now();
        while TcpStream::connect(self.redis.address()).is_ok() {
            if since.elapsed() > END_WITHIN {
                return Err(io::Error::other("Redis does not end on a full disk"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
