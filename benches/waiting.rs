//! A waiting room in the town, to which people come for hours: long before its release.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use morgenruh_wire::{Room, Rooms, Ticket};

use crate::client::{self, WriteRequest};
use crate::town::{DEPARTMENT_FILE, PASSPORT, office_file, office_id};

/// The office that the room stands before; no other of a town has this number.
const OFFICE: u16 = 99;
/// The room has been open for long, and its release is still far away.
const OPENS_MINUTES: u16 = 720;
const RELEASE_IN: SignedDuration = SignedDuration::from_hours(6);

/// The clockwork needs some of its ticks until a room is announced, and until its document is new.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(10);
const COUNTED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Puts a room before the release of an office of its own.
pub fn add_room(files: &mut BTreeMap<String, String>) {
    let release = Timestamp::from_millisecond(morgenruh::clock::now().0)
        .and_then(|now| now.checked_add(RELEASE_IN)?.in_tz("Europe/Berlin"))
        .expect("it is in this century");
    let (at, office) = (release.strftime("%H:%M"), office_id(OFFICE));
    let room = format!(
        r#"
        [[room]]
        id = "andrang"
        number = 1
        name = {{ de = "Freischaltung", en = "Release" }}
        at = "{at}"
        offices = ["{office}"]
        opens_minutes = {OPENS_MINUTES}
    "#
    );
    let office = format!(
        r#"
        number = {OFFICE}
        name = {{ de = "Bürgerbüro mit Andrang", en = "Citizen Office in demand" }}
        address = "Markt {OFFICE}"

        [[counter]]
        numbers = "1-8"
        skills = ["{PASSPORT}"]

        [[opening]]
        weekdays = "mon-sun"
        hours = ["08:00-16:00"]
        on_holidays = true

        [[wave]]
        days_ahead = 14
        at = "{at}"
    "#
    );
    files
        .entry(DEPARTMENT_FILE.to_owned())
        .or_default()
        .push_str(&room);
    files.insert(office_file(OFFICE), office);
}

/// The room of a running service.
pub struct WaitingRoom {
    address: SocketAddr,
    /// Where its document is.
    path: String,
}

impl WaitingRoom {
    /// Waits until it is announced.
    ///
    /// # Errors
    /// When it is not, or the service does not answer.
    pub fn find(address: SocketAddr) -> io::Result<WaitingRoom> {
        until(ANNOUNCED_WITHIN, || {
            let answer = client::ask(address, &client::get("/api/v1/rooms"), 200)?;
            let Rooms { rooms } = serde_json::from_slice(&answer)?;
            // That of the day after may be announced as well.
            let room = rooms.into_iter().find(|room| room.phase == "gathering");
            Ok(room.map(|room| WaitingRoom {
                address,
                path: format!("/api/v1/rooms/{}", room.id),
            }))
        })
    }

    /// The path of something about the room; of its document, if it is empty.
    pub fn below(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }

    /// What everybody is told.
    ///
    /// # Errors
    /// When the service does not answer.
    pub fn document(&self) -> io::Result<Vec<u8>> {
        client::ask(self.address, &client::get(&self.path), 200)
    }

    /// So many people come. Returns when the document counts them.
    ///
    /// # Errors
    /// When one of them gets no ticket.
    pub fn fill(&self, people: u64) -> io::Result<()> {
        let tickets = |document: &[u8]| -> io::Result<u64> {
            let room: Room = serde_json::from_slice(document)?;
            Ok(room.tickets.into())
        };
        let before = tickets(&self.document()?)?;
        let join = join_at(self.below("/tickets"));
        client::load(self.address, &join, 201, 0, people)?;
        until(COUNTED_WITHIN, || {
            let counted = tickets(&self.document()?)? >= before + people;
            Ok(counted.then_some(()))
        })
    }

    /// One more comes: the ticket, and the answer in which it stands.
    ///
    /// # Errors
    /// As [`Self::fill`].
    pub fn ticket(&self) -> io::Result<(String, Vec<u8>)> {
        let mut request = Vec::new();
        join_at(self.below("/tickets"))(0, &mut request);
        let answer = client::ask(self.address, &request, 201)?;
        let Ticket { ticket, .. } = serde_json::from_slice(&answer)?;
        Ok((ticket, answer))
    }
}

/// Asks for a ticket at this path, as somebody who has none.
pub fn join_at(path: String) -> WriteRequest {
    Arc::new(move |_, buffer| client::post(&path, "{}", buffer))
}

/// Looks again and again until there is something.
fn until<T>(limit: Duration, look: impl Fn() -> io::Result<Option<T>>) -> io::Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(it) = look()? {
            return Ok(it);
        }
        if begin.elapsed() > limit {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
