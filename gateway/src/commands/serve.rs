//! `morgenruh serve`: from the configuration to a running service and back down in good order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use morgenruh_engine::rules::catalogue::Status;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{Engine, Limits};
use morgenruh_engine::shell::recovery::{Recovered, RecoveryError};
use morgenruh_engine::shell::sqlite;
use morgenruh_engine::shell::vital::spawn_vital;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tracing_subscriber::filter::LevelFilter;

use super::configuration::{ConfigurationError, configuration};
use crate::app::{App, AppState};
use crate::availability::Availability;
use crate::handlers::documentation;
use crate::handlers::releases::ReleaseDocuments;
use crate::idempotency::Idempotency;
use crate::keeping::{Keeper, OpenError};
use crate::keys::place::KeyFileError;
use crate::keys::{self, Keys};
use crate::limits;
use crate::listener::{self, Places};
use crate::post::{Post, PostError};
use crate::proof_of_work::Challenges;
use crate::rooms::Documents;
use crate::router;
use crate::service_keys::ServiceKeys;
use crate::settings::{Kind, LOG, Settings};
use crate::texts;
use crate::traffic::Traffic;
use crate::{beacon, clock, clockwork, outbox};

/// Connections in the kernel's queue, as far as net.core.somaxconn lets it grow: everybody comes in
/// the same second.
const WAITING_CONNECTIONS_MAX: u32 = 4_096;

/// The command line.
pub struct Options {
    pub config: PathBuf,
    pub data: PathBuf,
    pub listen: Option<SocketAddr>,
    pub admin_listen: Option<SocketAddr>,
    /// Seconds until the demo release, if there is one.
    pub demo_s: Option<u32>,
    /// How many times as fast as life the clock goes; 1 where people are served.
    pub clock_speed: u32,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{LOG}: {0:?} is none of error, warn, info, debug")]
    Log(OsString),
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    #[error("the file of service keys {0}: {1}")]
    ServiceKeys(PathBuf, String),
    #[error("--clock-speed is for rehearsals, with data of their own on the embedded ledger: {0}")]
    Rehearsal(String),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error(transparent)]
    Ledger(#[from] OpenError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error("{0}")]
    Recovery(#[from] RecoveryError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// Runs the service until it is told to stop.
pub fn serve(options: Options) -> ExitCode {
    let level = log_level();
    tracing_subscriber::fmt()
        .with_max_level(*level.as_ref().unwrap_or(&LevelFilter::INFO))
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match level.and_then(|_| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(2)
        }
    }
}

/// The level of the log that the environment names.
fn log_level() -> Result<LevelFilter, StartError> {
    match std::env::var_os(LOG) {
        None => Ok(LevelFilter::INFO),
        Some(level) => match level.to_str() {
            Some("error") => Ok(LevelFilter::ERROR),
            Some("warn") => Ok(LevelFilter::WARN),
            Some("info") => Ok(LevelFilter::INFO),
            Some("debug") => Ok(LevelFilter::DEBUG),
            _ => Err(StartError::Log(level)),
        },
    }
}

fn run(options: &Options) -> Result<(), StartError> {
    let (catalogue, mut settings) = configuration(&options.config)?;
    settings.server.listen = options.listen.unwrap_or(settings.server.listen);
    settings.server.admin_listen = options.admin_listen.unwrap_or(settings.server.admin_listen);
    let service_keys = service_keys(&settings)?;
    let post = Post::new(&settings, &catalogue.city)?;
    if options.clock_speed > 1 {
        rehearse(options, &settings)?;
    }
    let begin = Instant::now();
    let (keeper, stored) = Keeper::open(&options.data, &settings, &catalogue)?;
    let keeper = Arc::new(keeper);
    let now = clock::now();
    let keys = Keys::open(&keys::path(&settings, &options.data), now)?;

    let stretch_minutes_max = u32::from(settings.holds.stretch_minutes_max);
    let limits = Limits {
        stretch_max: Millis::from_minutes(stretch_minutes_max),
        answers: settings.agent.answers(),
        rest: settings.agent.rest(keys.ring().derive("rests")),
        ..Limits::default()
    };
    let demo_at = options.demo_s.map(|seconds| {
        // On a full second, as it is announced.
        UnixMillis((now.0 / 1_000 + i64::from(seconds)) * 1_000)
    });
    let idempotency = Idempotency::new(
        Millis::from_minutes(settings.holds.idempotency_minutes),
        settings.holds.idempotency_keys_max,
    );
    for known in &stored.idempotency_keys {
        idempotency.restore(known.key, known.request, known.at);
    }
    let engine = Arc::new(Engine::new(
        Arc::new(catalogue),
        keeper.clone(),
        limits,
        demo_at,
        now,
    ));
    let recovered = engine.recover(now, stored)?;
    tell(&recovered, begin.elapsed());

    let key = keys.ring().derive("proof of work");
    let challenges = Challenges::new(engine.catalogue(), &key);
    let openapi = router::openapi();
    let app = Arc::new(App {
        availability: Availability::new(settings.availability.rendered_bytes_max),
        engine,
        idempotency,
        limits: limits::Limits::new(&settings.limits),
        production: keeper.production(),
        service_keys,
        post,
        rooms: Documents::new(settings.room.listeners_max),
        releases: ReleaseDocuments::default(),
        challenges,
        keys,
        traffic: Traffic::default(),
        public_places: Places::new(settings.server.connections_max),
        admin_places: Places::new(settings.server.connections_max),
        stopping: AtomicBool::new(false),
        documentation: documentation::render(&openapi),
        openapi,
        settings,
    });
    // Whoever asks first after a restart finds the rooms that there are.
    app.rooms.refresh(&app.engine, now);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let drained = runtime.block_on(until_stopped(Arc::clone(&app), &recovered))?;
    // Requests are over; what they were promised is written before the ledger is let go.
    keeper.close();
    tracing::info!(drained, "stopped");
    Ok(())
}

/// Lets the clock run away, where nothing that people rely on can be harmed by it.
fn rehearse(options: &Options, settings: &Settings) -> Result<(), StartError> {
    let refused = |reason: String| Err(StartError::Rehearsal(reason));
    if settings.ledger.kind != Kind::Sqlite {
        return refused(format!(
            "the ledger is \"{}\".",
            settings.ledger.kind.name()
        ));
    }
    if options.data.join(sqlite::DATABASE).exists() {
        return refused(format!("{} has some already.", options.data.display()));
    }
    clock::rehearse(options.clock_speed);
    tracing::warn!(
        speed = options.clock_speed,
        "a rehearsal: the clock is not the wall's, and what is promised here is worth nothing"
    );
    Ok(())
}

fn service_keys(settings: &Settings) -> Result<ServiceKeys, StartError> {
    let Some(path) = &settings.server.service_keys_file else {
        return Ok(ServiceKeys::default());
    };
    let failed = |reason: String| StartError::ServiceKeys(path.clone(), reason);
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    ServiceKeys::parse(&text).map_err(|bad| failed(format!("line {}: {}", bad.line, bad.reason)))
}

async fn until_stopped(app: AppState, recovered: &Recovered) -> Result<bool, StartError> {
    let server = &app.settings.server;
    let public = bind(server.listen)?;
    let admin = bind(server.admin_listen)?;
    // Before anybody is told that it is ready: a signal from then on must find us listening.
    let termination = termination()?;
    announce(&app, recovered, public.local_addr()?, admin.local_addr()?);

    let (stop, stopped) = watch::channel(false);
    let options = listener::Options {
        header_timeout: Duration::from_millis(server.header_timeout_ms),
        drain: Duration::from_millis(server.drain_ms),
    };
    let public = listener::serve(
        public,
        router::public(app.clone()),
        app.public_places.clone(),
        options,
        stopped.clone(),
    );
    let admin = listener::serve(
        admin,
        router::admin(app.clone()),
        app.admin_places.clone(),
        options,
        stopped.clone(),
    );
    let (public, admin) = (tokio::spawn(public), tokio::spawn(admin));
    let beacons = std::thread::Builder::new()
        .name("beacons".to_owned())
        .spawn({
            let (app, stopped) = (app.clone(), stopped.clone());
            move || beacon::run(&app, &stopped)
        })?;
    let outbox = spawn_vital("outbox", {
        let (app, stopped) = (app.clone(), stopped.clone());
        move || outbox::run(&app, &stopped)
    })?;
    let clockwork = spawn_vital("clockwork", {
        let app = app.clone();
        move || clockwork::run(&app, &stopped)
    })?;

    termination.await;
    app.stopping.store(true, Ordering::Release);
    tokio::time::sleep(Duration::from_millis(server.stop_notice_ms)).await;
    tracing::info!("stopping: no new connections, running requests finish");
    let _ = stop.send(true);
    let drained = public.await.unwrap_or(false) && admin.await.unwrap_or(false);
    let _ = clockwork.join();
    let _ = beacons.join();
    // Whoever is being told is told, and that they were.
    let _ = outbox.join();
    Ok(drained)
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // A restart must not wait for what is left of old connections.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(WAITING_CONNECTIONS_MAX)
    };
    listen().map_err(|error| StartError::Listen(address, error))
}

/// Registers for the signals that end the service; the future waits for one of them.
fn termination() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn tell(recovered: &Recovered, duration: Duration) {
    for conflict in &recovered.conflicts {
        tracing::warn!(booking = ?conflict, "lies outside the opening hours and is kept");
    }
    tracing::info!(
        bookings = recovered.bookings,
        holds = recovered.holds,
        conflicts = recovered.conflicts.len(),
        "recovered in {} ms",
        duration.as_millis(),
    );
}

#[expect(clippy::print_stdout, reason = "the one line that programs wait for")]
fn announce(app: &App, recovered: &Recovered, public: SocketAddr, admin: SocketAddr) {
    let catalogue = app.catalogue();
    let live = catalogue
        .offices
        .iter()
        .filter(|office| office.status == Status::Live)
        .count();
    eprintln!("{}", welcome(app, public, live));
    println!(
        "ready listen={public} admin={admin} offices={live} recovered_bookings={}",
        recovered.bookings
    );
}

fn welcome(app: &App, public: SocketAddr, live: usize) -> String {
    let catalogue = app.catalogue();
    let now = clock::now();
    let zone = &catalogue.city.zone;
    let mut text = format!("{}: {live} offices are live", catalogue.city.name.de);
    if clock::speed() > 1 {
        let speed = clock::speed();
        let _ = write!(text, "\n  REHEARSAL the clock goes {speed} times as fast");
    }
    let _ = write!(text, "\n  page      http://{public}/");
    let _ = write!(text, "\n  API       http://{public}/api/docs");
    let mut releases: BTreeMap<UnixMillis, Vec<&str>> = BTreeMap::new();
    for index in crate::needs::offices(catalogue, crate::service_keys::Caller::PUBLIC) {
        if let Some((at, _)) = app.engine.next_release(now, index) {
            releases
                .entry(at)
                .or_default()
                .push(&catalogue.office(index).id);
        }
    }
    for (at, offices) in releases {
        let _ = write!(
            text,
            "\n  release   {} {}",
            texts::time(zone, at),
            offices.join(", ")
        );
    }
    if let Some(service) = catalogue.services.first() {
        let _ = write!(
            text,
            "\n  try it    curl 'http://{public}/api/v1/availability?services={}:1'",
            service.id
        );
    }
    text
}
