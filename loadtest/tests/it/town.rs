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
}

/// Opens the town hall, which releases its day after `opens_in`; returns its base URL.
pub(crate) fn open(fault: Fault, opens_in: SignedDuration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let town = Arc::new(Mutex::new(Town {
        fault,
        opens: clock::now() + opens_in,
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
        let (mut length, mut key) = (0, String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            match header.trim().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().ok()?,
                Some(("idempotency-key", value)) => key = value.to_owned(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (status, answer) = town.lock().unwrap().answer(&method, &path, &key, &body);
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
            ("GET", "/offices") => json(200, &self.offices()),
            ("GET", "/services") => json(200, &services()),
            ("GET", "/availability") => json(200, &self.availability()),
            ("POST", "/holds") => self.hold(serde_json::from_slice(body).unwrap()),
            ("DELETE", "/holds") => self.release(id),
            ("POST", "/bookings") => self.confirm(serde_json::from_slice(body).unwrap(), key),
            ("GET", "/bookings") => match self.bookings.get(id) {
                Some(booking) => json(
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
        let Some((start, counter)) = seat else {
            return problem(409, "slot-taken");
        };
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
        json(201, &hold)
    }

    fn release(&mut self, id: &str) -> (u16, String) {
        let (start, counter, _) = self.holds[id];
        self.taken[start][counter] -= 1;
        (204, String::new())
    }

    fn confirm(&mut self, request: BookingRequest, key: &str) -> (u16, String) {
        if let Some(first) = self
            .by_key
            .get(key)
            .filter(|_| self.fault != Fault::IgnoresKeys)
        {
            return json(201, first);
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
        self.by_key.insert(key.to_owned(), booking.clone());
        if !(self.fault == Fault::Forgets && self.confirms.is_multiple_of(10)) {
            self.bookings.insert(booking.id.clone(), booking.clone());
        }
        json(201, &booking)
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
        json(200, booking)
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

fn text() -> Text {
    Text {
        de: String::new(),
        en: String::new(),
    }
}

fn json(status: u16, value: &impl Serialize) -> (u16, String) {
    (status, serde_json::to_string(value).unwrap())
}

fn problem(status: u16, name: &str) -> (u16, String) {
    let text = format!(r#"{{"type":"/problems/{name}","title":"","status":{status},"detail":""}}"#);
    (status, text)
}
