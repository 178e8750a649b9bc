//! Accepting connections, with a bound on how many and on how long a client may take to speak.
//!
//! `axum::serve` sets no timer, so a client that sends nothing is never let go, and it has no
//! bound on connections; therefore the loop is our own. Nor does hyper mind a client that asks and
//! never reads the answers; therefore the stream is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tower::Layer;

use crate::client_address::Peer;

/// Pause after the system refused to accept, e.g. for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Largest request head, in bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Room for connections; clones share it.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    taken: Arc<AtomicUsize>,
}

/// The place of one connection, free again when it is dropped.
struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    taken: Arc<AtomicUsize>,
}

impl Places {
    pub fn new(connections_max: usize) -> Places {
        Places {
            free: Arc::new(Semaphore::new(connections_max)),
            taken: Arc::default(),
        }
    }

    /// Connections that are open.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn take(&self, permit: Option<OwnedSemaphorePermit>) -> Place {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Place {
            _permit: permit,
            taken: Arc::clone(&self.taken),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Time for a client to send its request head; also how long an idle connection is kept, and
    /// how long a client may leave its answers unread.
    pub header_timeout: Duration,
    /// Time that running requests get at the end.
    pub drain: Duration,
}

/// Serves until `stop` says so, then lets running requests finish. Returns whether all did.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    places: Places,
    options: Options,
    mut stop: watch::Receiver<bool>,
) -> bool {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
    let graceful = GracefulShutdown::new();
    loop {
        let permit = Arc::clone(&places.free).acquire_owned();
        let accept = async { (permit.await.ok(), listener.accept().await) };
        let (permit, accepted) = tokio::select! {
            next = accept => next,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // An answer is one small write; waiting for more would only delay it.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(options.header_timeout));
        let service = TowerToHyperService::new(Extension(Peer(peer)).layer(router.clone()));
        let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = graceful.watch(connection);
        let place = places.take(permit);
        tokio::spawn(async move {
            // Errors are the client's: it went away, or did not speak HTTP.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    tokio::time::timeout(options.drain, graceful.shutdown())
        .await
        .is_ok()
}
