//! `morgenruh serve`: from the configuration to a running service and back down in good order.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use morgenruh_engine::rules::catalogue::load::load;
use morgenruh_engine::rules::catalogue::reader::ConfigError;
use morgenruh_engine::rules::catalogue::{Catalogue, Status};
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use morgenruh_engine::shell::engine::{Engine, Limits};
use morgenruh_engine::shell::ledger::Health;
use morgenruh_engine::shell::recovery::{Recovered, RecoveryError};
use morgenruh_engine::shell::sqlite::{self, OpenError, SqliteLedger};
use morgenruh_engine::shell::vital::spawn_vital;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::city_files::{CityFilesError, read_city_files};
use crate::app::{App, AppState};
use crate::availability::Availability;
use crate::clock;
use crate::handlers::documentation;
use crate::idempotency::Idempotency;
use crate::listener;
use crate::router;
use crate::service_keys::ServiceKeys;
use crate::settings::{SERVER_FILE, Settings};
use crate::texts;

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often days that are over are dropped, in milliseconds.
const RETIRE_MS: i64 = 3_600_000;

/// The command line.
pub struct Options {
    pub config: PathBuf,
    pub data: PathBuf,
    pub listen: Option<SocketAddr>,
    pub admin_listen: Option<SocketAddr>,
    /// Seconds until the demo release, if there is one.
    pub demo_s: Option<u32>,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{0}")]
    Files(#[from] CityFilesError),
    #[error("the configuration has {} errors:{}", .0.len(), lines(.0))]
    Configuration(Vec<ConfigError>),
    #[error("the file of service keys {0}: {1}")]
    ServiceKeys(PathBuf, String),
    #[error("{0}")]
    Data(#[from] OpenError),
    #[error("{0}")]
    Recovery(#[from] RecoveryError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

fn lines(errors: &[ConfigError]) -> String {
    errors.iter().fold(String::new(), |mut text, error| {
        let _ = write!(text, "\n  {error}");
        text
    })
}

/// Runs the service until it is told to stop.
pub fn serve(options: Options) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MORGENRUH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<(), StartError> {
    let (catalogue, settings) = configuration(options)?;
    let service_keys = service_keys(&settings)?;
    let now = clock::now();

    let ledger_options = sqlite::Options {
        batch_max: settings.ledger.batch_max,
        queue_max: settings.ledger.queue_max,
        retry: Duration::from_millis(settings.ledger.retry_ms),
        clock: clock::now,
    };
    let (ledger, stored) = SqliteLedger::open(&options.data, &catalogue, ledger_options)?;
    let ledger = Arc::new(ledger);
    let stretch_minutes_max = u32::from(settings.holds.stretch_minutes_max);
    let limits = Limits {
        stretch_max: Millis::from_minutes(stretch_minutes_max),
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
        ledger.clone(),
        limits,
        demo_at,
        now,
    ));
    let recovered = engine.recover(now, stored)?;

    let openapi = router::openapi();
    let app = Arc::new(App {
        availability: Availability::new(settings.availability.rendered_bytes_max),
        engine,
        idempotency,
        service_keys,
        stopping: AtomicBool::new(false),
        documentation: documentation::render(&openapi),
        openapi,
        settings,
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let drained = runtime.block_on(until_stopped(Arc::clone(&app), &recovered))?;
    // Requests are over; what they were promised is written before the file is let go.
    ledger.close();
    tracing::info!(drained, "stopped");
    Ok(())
}

fn configuration(options: &Options) -> Result<(Catalogue, Settings), StartError> {
    let files = read_city_files(&options.config)?;
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let server_file = files.get(SERVER_FILE).map(String::as_str);
    // Both are read before either is refused, so that every error is shown at once.
    let (catalogue, mut settings) = match (load(&files), Settings::load(server_file, &environment))
    {
        (Ok(catalogue), Ok(settings)) => (catalogue, settings),
        (catalogue, settings) => {
            let errors = [catalogue.err(), settings.err()];
            return Err(StartError::Configuration(
                errors.into_iter().flatten().flatten().collect(),
            ));
        }
    };
    settings.server.listen = options.listen.unwrap_or(settings.server.listen);
    settings.server.admin_listen = options.admin_listen.unwrap_or(settings.server.admin_listen);
    Ok((catalogue, settings))
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
    let public = bind(server.listen).await?;
    let admin = bind(server.admin_listen).await?;
    // Before anybody is told that it is ready: a signal from then on must find us listening.
    let termination = termination()?;
    announce(&app, recovered, public.local_addr()?, admin.local_addr()?);

    let (stop, stopped) = watch::channel(false);
    let options = listener::Options {
        connections_max: server.connections_max,
        header_timeout: Duration::from_millis(server.header_timeout_ms),
        drain: Duration::from_millis(server.drain_ms),
    };
    let public = listener::serve(
        public,
        router::public(app.clone()),
        options,
        stopped.clone(),
    );
    let admin = listener::serve(admin, router::admin(app.clone()), options, stopped.clone());
    let (public, admin) = (tokio::spawn(public), tokio::spawn(admin));
    let clockwork = spawn_vital("clockwork", {
        let app = app.clone();
        move || clockwork(&app, &stopped)
    })?;

    termination.await;
    app.stopping.store(true, Ordering::Release);
    tokio::time::sleep(Duration::from_millis(server.stop_notice_ms)).await;
    tracing::info!("stopping: no new connections, running requests finish");
    let _ = stop.send(true);
    let drained = public.await.unwrap_or(false) && admin.await.unwrap_or(false);
    let _ = clockwork.join();
    Ok(drained)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| StartError::Listen(address, error))
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

/// What happens by the clock: deadlines, days that are over, and a word when the ledger goes away
/// or comes back.
fn clockwork(app: &App, stopped: &watch::Receiver<bool>) {
    let mut was = Health::Ready;
    let mut retired_at = clock::now();
    while !*stopped.borrow() {
        std::thread::sleep(TICK);
        let now = clock::now();
        app.engine.tick(now);
        let since_ms = (now - retired_at).0;
        if since_ms.abs() >= RETIRE_MS {
            // After a jump of the clock, what it says has to prove itself first.
            if (RETIRE_MS..2 * RETIRE_MS).contains(&since_ms) {
                app.engine.retire(now);
            }
            retired_at = now;
        }
        let health = app.engine.ledger_health();
        if health.is_ready() != was.is_ready() {
            match &health {
                Health::Ready => tracing::info!("the ledger is back"),
                Health::Away { reason, .. } => tracing::error!(%reason, "the ledger is away"),
            }
            was = health;
        }
    }
}

#[expect(clippy::print_stdout, reason = "the one line that programs wait for")]
fn announce(app: &App, recovered: &Recovered, public: SocketAddr, admin: SocketAddr) {
    let catalogue = app.catalogue();
    let live = catalogue
        .offices
        .iter()
        .filter(|office| office.status == Status::Live)
        .count();
    for conflict in &recovered.conflicts {
        tracing::warn!(booking = ?conflict, "lies outside the opening hours and is kept");
    }
    tracing::info!(
        bookings = recovered.bookings,
        holds = recovered.holds,
        conflicts = recovered.conflicts.len(),
        "recovered",
    );
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
