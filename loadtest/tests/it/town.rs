//! A town hall of one office, small enough to be seen through, that can break its word on purpose.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use jiff::{SignedDuration, Timestamp};
use morgenruh_loadtest::clock;
use morgenruh_wire::{
    Availability, AvailableDay, AvailableStart, Booking, BookingRequest, Hold, HoldRequest, Offer,
    Office, Offices, Release, Service, Services, Text,
};
use serde::Serialize;

use crate::hall::{self, Hall};

/// How the town hall breaks its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Gives every seat to two people.
    SellsTwice,
    /// Forgets every tenth booking.
    Forgets,
    /// Answers a repeated confirmation with a new booking.
    IgnoresKeys,
    /// Says 500 to every tenth confirmation.
    Stumbles,
    /// Lines people up as they came, whatever the draw says.
    FirstCome,
    /// Sends every fifth back to the end of the line when places are called.
    SendsBack,
    /// Lets people in before they are called.
    LetsIn,
    /// Makes another pass each time a ticket is exchanged.
    CopiesPasses,
    /// Lets one pass hold as many seats as it likes.
    HoldsMore,
    /// Gives seats to people without a pass.
    NeedsNoPass,
    /// Publishes another secret than the one that was committed to.
    ChangesTheSecret,
}

const COUNTERS: usize = 2;
const STARTS: usize = 16;
const MINUTES: i64 = 15;

struct Town {
    fault: Fault,
    opens: Timestamp,
    /// Seats that are held or booked, by start and counter.
    taken: [[u8; COUNTERS]; STARTS],
    holds: BTreeMap<String, (usize, usize, HoldRequest)>,
    bookings: BTreeMap<String, Booking>,
    by_key: BTreeMap<String, Booking>,
    confirms: usize,
    hall: Option<Hall>,
}

/// Opens the town hall, which releases its day after `opens_in`; returns its base URL.
pub(crate) fn open(fault: Fault, opens_in: SignedDuration) -> String {
    open_with(fault, opens_in, |_| None)
}

/// The same, with a waiting room before the release.
pub(crate) fn open_with_hall(fault: Fault, opens_in: SignedDuration) -> String {
    open_with(fault, opens_in, |opens| Some(Hall::new(fault, opens)))
}

fn open_with(
    fault: Fault,
    opens_in: SignedDuration,
    hall: impl FnOnce(Timestamp) -> Option<Hall>,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let opens = clock::now() + opens_in;
    let town = Arc::new(Mutex::new(Town {
        fault,
        opens,
        hall: hall(opens),
        taken: [[0; COUNTERS]; STARTS],
        holds: BTreeMap::new(),
        bookings: BTreeMap::new(),
        by_key: BTreeMap::new(),
        confirms: 0,
    }));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let town = Arc::clone(&town);
            thread::spawn(move || talk(stream, &town));
        }
    });
    base
}

/// Serves one connection until the client has enough.
fn talk(stream: TcpStream, town: &Mutex<Town>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split(' ').map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let (mut length, mut key, mut ticket) = (0, String::new(), String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            match header.trim().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok()?,
                Some(("idempotency-key", value)) => key = value.to_owned(),
                Some(("authorization", value)) => ticket = value.replace("Bearer ", ""),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut town = town.lock().unwrap();
        let (status, answer) = match (town.hall.as_mut(), path.split_once(hall::ID)) {
            (Some(hall), Some((_, what))) if what.len() > 1 => {
                hall.answer(&method, &what[1..], &ticket)
            }
            _ => town.answer(&method, &path, &key, &body),
        };
        drop(town);
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        writer.write_all((head + &answer).as_bytes()).ok()?;
    }
}

impl Town {
    fn answer(&mut self, method: &str, path: &str, key: &str, body: &[u8]) -> (u16, String) {
        let path = path.strip_prefix("/api/v1").unwrap_or_default();
        let (path, id) = match path.rsplit_once('/') {
            Some((before, id)) if !before.is_empty() => (before, id),
            _ => (path.split('?').next().unwrap_or_default(), ""),
        };
        match (method, path) {
            ("GET", "/offices") => answer(200, &self.offices()),
            ("GET", "/services") => answer(200, &services()),
            ("GET", "/rooms") => match (&mut self.hall, id) {
                (None, _) => problem(404, "not-found"),
                (Some(hall), "") => answer(200, &hall.rooms()),
                (Some(hall), _) => answer(200, &hall.room()),
            },
            ("GET", "/availability") => answer(200, &self.availability()),
            ("POST", "/holds") => self.hold(serde_json::from_slice(body).unwrap()),
            ("DELETE", "/holds") => self.release(id),
            ("POST", "/bookings") => self.confirm(serde_json::from_slice(body).unwrap(), key),
            ("GET", "/bookings") => match self.bookings.get(id) {
                Some(booking) => answer(
                    200,
                    &Booking {
                        manage_token: None,
                        ..booking.clone()
                    },
                ),
                None => problem(404, "not-found"),
            },
            ("DELETE", "/bookings") => self.cancel(id),
            _ => problem(404, "not-found"),
        }
    }

    fn offices(&self) -> Offices {
        let release = Release {
            at: self.opens.to_string(),
            date: "2026-12-21".to_owned(),
        };
        let office = Office {
            id: "bilk".to_owned(),
            name: text(),
            department: "einwohnerwesen".to_owned(),
            address: String::new(),
            status: "live".to_owned(),
            unit_minutes: MINUTES as u16,
            hold_minutes: 10,
            notice_minutes: 0,
            horizon_days: 60,
            counters: COUNTERS as u8,
            services: vec![Offer {
                id: "personalausweis".to_owned(),
                minutes: MINUTES as u16,
                quantity_max: 1,
            }],
            questions: Vec::new(),
            next_release: (self.opens > clock::now()).then_some(release),
        };
        Offices {
            now: clock::now().to_string(),
            offices: vec![office],
        }
    }

    fn availability(&self) -> Availability {
        let open = clock::now() >= self.opens;
        let starts = (0..STARTS)
            .filter_map(|index| {
                let free = (0..COUNTERS)
                    .filter(|&counter| self.is_free(index, counter))
                    .count();
                (open && free > 0).then(|| AvailableStart {
                    start: at(index),
                    free: free as u8,
                })
            })
            .collect();
        let (office, date) = ("bilk".to_owned(), "2026-12-21".to_owned());
        Availability {
            days: vec![AvailableDay {
                office,
                date,
                sealed_until: None,
                starts,
            }],
        }
    }

    fn is_full(&self) -> bool {
        (0..STARTS).all(|start| (0..COUNTERS).all(|counter| !self.is_free(start, counter)))
    }

    fn is_free(&self, start: usize, counter: usize) -> bool {
        self.taken[start][counter]
            < if self.fault == Fault::SellsTwice {
                2
            } else {
                1
            }
    }

    fn hold(&mut self, request: HoldRequest) -> (u16, String) {
        let wanted = |start: usize| request.start.as_ref().is_none_or(|text| *text == at(start));
        let seat = (0..STARTS)
            .filter(|&start| wanted(start))
            .flat_map(|start| (0..COUNTERS).map(move |counter| (start, counter)))
            .find(|&(start, counter)| self.is_free(start, counter));
        let full = self.is_full();
        let Some((start, counter)) = seat else {
            if let Some(hall) = &mut self.hall {
                hall.over |= full;
            }
            return problem(409, "slot-taken");
        };
        if let Some(hall) = &mut self.hall
            && let Err(refusal) = hall.begins_hold(request.pass.as_deref())
        {
            return refusal;
        }
        self.taken[start][counter] += 1;
        let id = format!("h{}", self.holds.len());
        let hold = Hold {
            id: id.clone(),
            office: "bilk".to_owned(),
            services: request.services.clone(),
            start: at(start),
            end: at(start + 1),
            expires_at: at(0),
            extendable: true,
            token: Some(id.clone()),
        };
        self.holds.insert(id, (start, counter, request));
        answer(201, &hold)
    }

    fn release(&mut self, id: &str) -> (u16, String) {
        let (start, counter, request) = &self.holds[id];
        self.taken[*start][*counter] -= 1;
        if let Some(hall) = &mut self.hall {
            hall.ends_hold(request.pass.as_deref());
        }
        (204, String::new())
    }

    fn confirm(&mut self, request: BookingRequest, key: &str) -> (u16, String) {
        if let Some(first) = self
            .by_key
            .get(key)
            .filter(|_| self.fault != Fault::IgnoresKeys)
        {
            return answer(201, first);
        }
        self.confirms += 1;
        if self.fault == Fault::Stumbles && self.confirms.is_multiple_of(10) {
            return problem(500, "internal");
        }
        let (start, counter, hold) = self.holds[&request.hold].clone();
        let booking = Booking {
            id: format!("b{}", self.confirms),
            code: String::new(),
            status: "booked".to_owned(),
            office: "bilk".to_owned(),
            counter: counter as u8,
            services: hold.services,
            start: at(start),
            end: at(start + 1),
            sequence: 0,
            manage_token: Some("m".to_owned()),
        };
        if let Some(hall) = &mut self.hall {
            hall.booked(hold.pass.as_deref());
        }
        self.by_key.insert(key.to_owned(), booking.clone());
        if !(self.fault == Fault::Forgets && self.confirms.is_multiple_of(10)) {
            self.bookings.insert(booking.id.clone(), booking.clone());
        }
        answer(201, &booking)
    }

    fn cancel(&mut self, id: &str) -> (u16, String) {
        let Some(booking) = self.bookings.get_mut(id) else {
            return problem(404, "not-found");
        };
        booking.status = "cancelled".to_owned();
        let start = (0..STARTS)
            .find(|&start| at(start) == booking.start)
            .unwrap();
        self.taken[start][usize::from(booking.counter)] -= 1;
        answer(200, booking)
    }
}

fn services() -> Services {
    let service = Service {
        id: "personalausweis".to_owned(),
        name: text(),
        department: "einwohnerwesen".to_owned(),
        minutes: MINUTES as u16,
        quantity_max: 1,
        combines_with: Vec::new(),
        leika: Vec::new(),
    };
    Services {
        services: vec![service],
    }
}

fn at(index: usize) -> String {
    let opening: Timestamp = "2026-12-21T08:00:00Z".parse().unwrap();
    (opening + SignedDuration::from_mins(MINUTES * index as i64)).to_string()
}

pub(crate) fn text() -> Text {
    Text {
        de: String::new(),
        en: String::new(),
    }
}

pub(crate) fn answer(status: u16, value: &impl Serialize) -> (u16, String) {
    (status, serde_json::to_string(value).unwrap())
}

pub(crate) fn problem(status: u16, name: &str) -> (u16, String) {
    let text = format!(r#"{{"type":"/problems/{name}","title":"","status":{status},"detail":""}}"#);
    (status, text)
}
