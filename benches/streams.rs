//! What it costs the service in memory that ten thousand people follow a waiting room, each over an
//! open connection.
//!
//! Measured as what its process has more of (its resident set) when everybody has had the first
//! event, and again after further ones. What it may be lies between two bare servers with such a
//! stream: where hyper is served directly each takes 11 KiB, with `axum::serve` 33 KiB.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use morgenruh_benches::Effort;
use morgenruh_benches::client;
use morgenruh_benches::machine::Watch;
use morgenruh_benches::servers::{Server, open_files};
use morgenruh_benches::table::{Beside, Results, Row, folder};
use morgenruh_benches::town;
use morgenruh_benches::visits::OFFICE;
use morgenruh_benches::waiting::{self, WaitingRoom};
use tempfile::TempDir;

/// For one connection, in KiB.
const AIM_KIB: f64 = 16.0;
const CONNECTIONS: u64 = 10_000;
/// People who are in the room, and events that everybody gets after the first one.
const PEOPLE: u64 = 5_000;
const FURTHER: u64 = 5;
/// Each event comes within this time of what it tells.
const PATIENCE: Duration = Duration::from_secs(10);
/// Files and connections that either side has open beside those that are measured.
const OTHERS: u64 = 200;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bench-server");

fn main() -> io::Result<()> {
    let effort = Effort::asked();
    let connections = effort.pick(20, CONNECTIONS);
    open_files(connections + OTHERS)?;
    let home = TempDir::with_prefix_in("streams-", folder()?)?;
    let mut watch = Watch::begin();
    watch.look();
    let service = start(home.path(), connections)?;
    let room = WaitingRoom::find(service.address)?;
    room.fill(effort.pick(10, PEOPLE))?;

    let before = service.resident_bytes()?;
    let kib_each = || -> io::Result<f64> {
        Ok((service.resident_bytes()? - before) / 1_024.0 / connections as f64)
    };
    let path = room.below("/events");
    let mut listeners = Vec::new();
    for _ in 0..connections {
        listeners.push(Listener::begin(service.address, &path)?);
    }
    let at_first = kib_each()?;
    for _ in 0..effort.pick(1, FURTHER) {
        room.fill(1)?;
        for listener in &mut listeners {
            listener.event()?;
        }
    }
    let row = |when: &str, kib: f64| Row {
        what: format!("{connections} GET events, {when}"),
        ours: kib,
        unit: "KiB each".to_owned(),
        beside: Some(Beside {
            name: "what it may be".to_owned(),
            theirs: AIM_KIB,
            ratio: AIM_KIB / kib.max(0.1),
            aim: Some(1.0),
        }),
    };
    let rows = vec![
        row("one each", at_first),
        row(&format!("{FURTHER} more each"), kib_each()?),
    ];
    let results = Results {
        bench: "streams".to_owned(),
        machine: watch.end()?,
        rows,
    };
    if effort == Effort::Test {
        return Ok(());
    }
    results.print();
    results.write()
}

/// A service that lets so many listen.
fn start(home: &Path, listeners: u64) -> io::Result<Server> {
    let (config, data) = (home.join("config"), home.join("data"));
    let mut files = town::files(&[OFFICE]);
    waiting::add_room(&mut files);
    let connections = listeners + OTHERS;
    let bounds =
        format!("[server]\nconnections_max = {connections}\n[room]\nlisteners_max = {listeners}\n");
    files.insert("server.toml".to_owned(), bounds);
    town::write(&files, &config)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    Server::start(
        Path::new(PROGRAM),
        &["service", &text(&config), &text(&data)],
    )
}

/// Somebody who follows the room.
struct Listener {
    stream: TcpStream,
    /// What came after the last whole event.
    heard: Vec<u8>,
}

impl Listener {
    /// Returns with the first event.
    fn begin(address: SocketAddr, path: &str) -> io::Result<Listener> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&client::get(path))?;
        let mut listener = Listener {
            stream,
            heard: Vec::new(),
        };
        listener.event()?;
        Ok(listener)
    }

    /// Waits for the next event. It ends as its document does; a comment that keeps the connection
    /// alive does not, nor does the answer to somebody who may not listen.
    fn event(&mut self) -> io::Result<()> {
        const END: &[u8] = b"}\n\n";
        loop {
            if let Some(at) = self.heard.windows(END.len()).position(|it| it == END) {
                self.heard.drain(..at + END.len());
                return Ok(());
            }
            let mut some = [0; 4_096];
            match self.stream.read(&mut some)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.heard.extend_from_slice(&some[..count]),
            }
        }
    }
}
