//! Real servers for tests, benches and a first look: Redis, PostgreSQL, and a bad network between;
//! and a mail server.
//!
//! [`Redis`] and [`Postgres`] each start one server on a free port of 127.0.0.1, set up so that
//! what it acknowledges is kept, with everything it writes in one directory of the caller's. A
//! server can be killed, paused and restarted on the same data and port, and it ends when its value
//! is dropped or when this process ends, however that happens. [`Proxy`] stands before either and
//! delays, loses or refuses what it carries. [`Mail`] takes letters and shows them. [`scratch`] is
//! a directory in which servers are fast.
//!
//! Nothing that is served depends on this crate. It is for places where a server that does not
//! start is the end of the matter: such things panic, with a sentence that says what to do and the
//! last lines of the server's log.
//!
//! The programs come from Debian's packages (`make packages`). PostgreSQL refuses to run as root:
//! then it runs as the user `postgres`, to whom its data belongs.

mod certificates;
mod entropy;
mod home;
mod launch;
mod mail;
mod port;
mod postgres;
mod process;
mod programs;
mod proxy;
mod redis;
mod scratch;

pub use certificates::Certificates;
pub use mail::{Mail, MailTls, Received};
pub use postgres::{Postgres, PostgresOptions};
pub use process::ends_with_us;
pub use proxy::{Mode, Proxy};
pub use redis::{Redis, RedisOptions};
pub use scratch::scratch;
