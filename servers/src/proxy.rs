//! A bad network in front of a server.
//!
//! A connection that has lost bytes is never healed: what came after them would make no sense to
//! whoever reads it, and no real network does that. So a change of the mode closes those.
//!
//! One thread accepts; each connection has one for requests and one for answers. They end with
//! their connection, and the accepting one with the proxy.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::port;
use crate::process::within;

/// Connections at a time; further ones are closed at once.
const CONNECTIONS_MAX: usize = 256;

/// What is carried at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// How long a server may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long it may take until connections are accepted or refused as the mode says.
const SWITCH_WITHIN: Duration = Duration::from_secs(20);

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything goes through.
    Pass,
    /// Connections are closed, and new ones refused.
    Cut,
    /// Everything goes through, each chunk of at most 64 KiB so much later.
    Delay(Duration),
    /// Requests go through, answers are lost.
    HalfClose,
    /// Connections are accepted, and everything is lost.
    BlackHole,
}

/// A TCP proxy on a port of its own in front of one server. Dropping it closes its connections.
#[derive(Debug)]
pub struct Proxy {
    network: Arc<Network>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Network {
    server: SocketAddr,
    port: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    ended: bool,
    /// Whether the port is open.
    listening: bool,
    connections: HashMap<u64, Connection>,
    next_connection: u64,
}

#[derive(Debug)]
struct Connection {
    ends: Arc<Ends>,
    /// Whether something is missing in it.
    lossy: bool,
}

#[derive(Debug)]
struct Ends {
    client: TcpStream,
    /// `None` for what was accepted into a black hole.
    server: Option<TcpStream>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Requests,
    Answers,
}

enum Fate {
    Delivered(Duration),
    Lost,
}

impl Proxy {
    /// A proxy that passes everything on to this server, which need not run yet.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(server: SocketAddr) -> Self {
        let (listener, port) = port::listen();
        let network = Arc::new(Network {
            server,
            port,
            state: Mutex::new(State {
                mode: Mode::Pass,
                ended: false,
                listening: true,
                connections: HashMap::new(),
                next_connection: 0,
            }),
            changed: Condvar::new(),
        });
        let accepting = thread::spawn({
            let network = Arc::clone(&network);
            move || network.accept(listener)
        });
        Self {
            network,
            accepting: Some(accepting),
        }
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.network.port
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.network.address()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.network.state().connections.len()
    }

    /// Makes the network so. When it returns, the port is open or closed as the mode says;
    /// connections in which something was lost are closed.
    ///
    /// # Panics
    /// When somebody else has taken the port while it was closed.
    pub fn switch(&self, mode: Mode) {
        self.network.change(|state| state.mode = mode);
        let settled = || {
            let state = self.network.state();
            state.listening == state.wants_connections()
        };
        assert!(within(SWITCH_WITHIN, settled), "port {}", self.port());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.change(|state| state.ended = true);
        if let Some(thread) = self.accepting.take() {
            // It has nothing to say if it has failed: a switch has said it.
            drop(thread.join());
        }
    }
}

impl Network {
    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics under it")
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        let mut state = self.state();
        how(&mut state);
        state.close_what_may_not_stay();
        let wake = !state.wants_connections() && state.listening;
        drop(state);
        self.changed.notify_all();
        if wake {
            // Whoever waits for a connection looks at the state when one comes.
            drop(TcpStream::connect(self.address()));
        }
    }

    fn accept(self: &Arc<Self>, mut listener: TcpListener) {
        loop {
            while self.state().wants_connections() {
                if let Ok((client, _)) = listener.accept() {
                    self.admit(client);
                }
            }
            drop(listener);
            let mut state = self.state();
            state.listening = false;
            let unwanted = |state: &mut State| !state.ended && !state.wants_connections();
            let waited = self.changed.wait_while(state, unwanted);
            state = waited.expect("nobody panics under it");
            if state.ended {
                return;
            }
            drop(state);
            match self.listen_again() {
                Some(again) => listener = again,
                None => return,
            }
            self.state().listening = true;
        }
    }

    fn listen_again(&self) -> Option<TcpListener> {
        let mut listener = None;
        within(SWITCH_WITHIN, || {
            listener = TcpListener::bind(self.address()).ok();
            listener.is_some()
        });
        listener
    }

    fn admit(self: &Arc<Self>, client: TcpStream) {
        let into_black_hole = self.state().mode == Mode::BlackHole;
        let server = if into_black_hole {
            None
        } else {
            match TcpStream::connect_timeout(&self.server, CONNECT_WITHIN) {
                Ok(server) => Some(server),
                Err(_) => return,
            }
        };
        for end in [Some(&client), server.as_ref()].into_iter().flatten() {
            // A connection that has ended meanwhile shows it when it is read.
            drop(end.set_nodelay(true));
        }
        let ends = Arc::new(Ends { client, server });
        let Some(id) = self.state().register(&ends) else {
            return;
        };
        let network = Arc::clone(self);
        thread::spawn(move || {
            network.carry(id, &ends);
            ends.close();
            network.state().connections.remove(&id);
        });
    }

    fn carry(&self, id: u64, ends: &Ends) {
        thread::scope(|scope| {
            scope.spawn(|| self.pump(id, ends, Way::Answers));
            self.pump(id, ends, Way::Requests);
        });
    }

    /// Carries what goes one way until it ends.
    fn pump(&self, id: u64, ends: &Ends, way: Way) {
        let client = Some(&ends.client);
        let server = ends.server.as_ref();
        let (from, to) = match way {
            Way::Requests => (client, server),
            Way::Answers => (server, client),
        };
        let Some(mut from) = from else { return };
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = from.read(&mut chunk).unwrap_or(0);
            match (self.fate(id, way), to) {
                (Fate::Delivered(later), Some(mut to)) => {
                    thread::sleep(later);
                    if length == 0 || to.write_all(&chunk[..length]).is_err() {
                        return ends.end(way);
                    }
                }
                // That there will be no more is lost as well.
                _ if length == 0 => return,
                _ => {}
            }
        }
    }

    /// What becomes of something that has just come.
    fn fate(&self, id: u64, way: Way) -> Fate {
        let mut state = self.state();
        match state.mode {
            Mode::Pass => Fate::Delivered(Duration::ZERO),
            Mode::Delay(later) => Fate::Delivered(later),
            Mode::HalfClose if way == Way::Requests => Fate::Delivered(Duration::ZERO),
            Mode::HalfClose | Mode::Cut | Mode::BlackHole => {
                if let Some(connection) = state.connections.get_mut(&id) {
                    connection.lossy = true;
                }
                Fate::Lost
            }
        }
    }
}

impl State {
    fn wants_connections(&self) -> bool {
        !self.ended && self.mode != Mode::Cut
    }

    /// `None` when there may be no such connection.
    fn register(&mut self, ends: &Arc<Ends>) -> Option<u64> {
        let lossy = ends.server.is_none();
        let fits = self.wants_connections() && (!lossy || self.mode == Mode::BlackHole);
        if !fits || self.connections.len() >= CONNECTIONS_MAX {
            return None;
        }
        let id = self.next_connection;
        self.next_connection += 1;
        let ends = Arc::clone(ends);
        self.connections.insert(id, Connection { ends, lossy });
        Some(id)
    }

    fn close_what_may_not_stay(&mut self) {
        let all = !self.wants_connections();
        self.connections.retain(|_, connection| {
            let stays = !all && !connection.lossy;
            if !stays {
                connection.ends.close();
            }
            stays
        });
    }
}

impl Ends {
    /// Tells the other side that there will be no more this way. A server that has ended reads
    /// nothing either.
    fn end(&self, way: Way) {
        match (way, &self.server) {
            (Way::Requests, Some(server)) => drop(server.shutdown(Shutdown::Write)),
            _ => self.close(),
        }
    }

    /// What is closed already stays so.
    fn close(&self) {
        for end in [Some(&self.client), self.server.as_ref()]
            .into_iter()
            .flatten()
        {
            drop(end.shutdown(Shutdown::Both));
        }
    }
}
