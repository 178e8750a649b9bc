//! The service over loopback, beside bare handlers in the same frame.
//!
//! Servers have one core and the client the other, if there are two. Requests per second say how
//! the two of them get along; CPU time of the server per request says what a request costs, and
//! that is what the aims are about. It is taken when the ledger has caught up.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use morgenruh_benches::Effort;
use morgenruh_benches::client::{self, WriteRequest};
use morgenruh_benches::machine::Watch;
use morgenruh_benches::servers::{
    HOLD_FILE, PLACE_FILE, ROOM_FILE, SPANS, Server, TICKET_FILE, availability_file, can_pin,
};
use morgenruh_benches::sides::{median, median_ratio};
use morgenruh_benches::table::{Beside, Results, Row, folder};
use morgenruh_benches::town::{self, Office, PASSPORT, office_id};
use morgenruh_benches::visits::OFFICE;
use morgenruh_benches::waiting::{self, WaitingRoom};
use tempfile::TempDir;

/// Rounds in which both sides take a turn.
const ROUNDS: usize = 7;
/// How near the service comes to the bare handlers in CPU time per request.
const AIM_AVAILABILITY: f64 = 0.8;
const AIM_HOLD: f64 = 0.6;
const AIM_ROOM: f64 = 0.85;
const AIM_JOIN: f64 = 0.6;

/// What free seats are read of, and what they are held at: enough seats for all rounds.
const OFFICES: [Office; 3] = [OFFICE, LARGE, LARGE];
const LARGE: Office = Office {
    counters: 64,
    hours: "00:00-24:00",
};
/// Numbers of the large offices.
const LARGE_OFFICES: [u16; 2] = [2, 3];
/// Length of a visit, and the visits that one counter has in a day.
const VISIT_S: i64 = 15 * 60;
const VISITS: u64 = 96;
const DAY_S: i64 = 86_400;
/// After a round of what changes something, the ledger gets so long to catch up.
const SETTLE: Duration = Duration::from_millis(400);

/// People who are in the waiting room from the beginning.
const PEOPLE: u64 = 5_000;
/// Some of them, who ask for their place.
const TICKETS: usize = 64;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bench-server");

fn main() -> io::Result<()> {
    let effort = Effort::asked();
    let home = TempDir::with_prefix_in("http-", folder()?)?;
    let mut watch = Watch::begin();
    let people = effort.pick(100, PEOPLE);
    let sides = Sides::start(home.path(), people)?;
    let mut rows = Vec::new();
    let mut scenarios = appointments(home.path(), effort)?;
    scenarios.extend(waiting_room(&sides, people, effort));
    for scenario in scenarios {
        rows.extend(sides.measure(&scenario, effort.pick(1, ROUNDS), &mut watch)?);
    }
    let http = Results {
        bench: "http".to_owned(),
        machine: watch.end()?,
        rows,
    };
    if effort == Effort::Test {
        return Ok(());
    }
    http.write()?;
    if let Some(allocation) = Results::read("allocation") {
        allocation.print();
    }
    http.print();
    if !can_pin() {
        eprintln!("Servers and client shared their cores: the figures of http are rough.");
    }
    Ok(())
}

/// The two processes.
struct Sides {
    service: Server,
    bare: Server,
    /// Of the service, with people in it.
    room: WaitingRoom,
    /// With which places in it are asked for, in turn.
    tickets: Vec<String>,
}

impl Sides {
    /// Starts the service, lets so many people come into its room, keeps what it answers, and
    /// starts the bare side with that.
    fn start(home: &Path, people: u64) -> io::Result<Sides> {
        let (config, data) = (home.join("config"), home.join("data"));
        let mut files = town::files(&OFFICES);
        waiting::add_room(&mut files);
        town::write(&files, &config)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let program = Path::new(PROGRAM);
        let service = Server::start(program, &["service", &text(&config), &text(&data)])?;
        for days in SPANS {
            let request = client::get(&availability_path(days)?);
            let body = client::ask(service.address, &request, 200)?;
            std::fs::write(home.join(availability_file(days)), body)?;
        }
        let mut request = Vec::new();
        write_hold("/api/v1/holds", u64::MAX, &mut request);
        std::fs::write(
            home.join(HOLD_FILE),
            client::ask(service.address, &request, 201)?,
        )?;
        let room = WaitingRoom::find(service.address)?;
        let mut tickets = Vec::new();
        for _ in 0..TICKETS {
            let (ticket, answer) = room.ticket()?;
            std::fs::write(home.join(TICKET_FILE), answer)?;
            tickets.push(ticket);
        }
        let request = client::get_with_token(&room.below("/place"), &tickets[0]);
        let place = client::ask(service.address, &request, 200)?;
        std::fs::write(home.join(PLACE_FILE), place)?;
        room.fill(people)?;
        std::fs::write(home.join(ROOM_FILE), room.document()?)?;
        let bare = Server::start(program, &["bare", &text(home)])?;
        Ok(Sides {
            service,
            bare,
            room,
            tickets,
        })
    }

    /// The CPU time of a request, which aims are about, and the requests per second.
    fn measure(&self, it: &Scenario, rounds: usize, watch: &mut Watch) -> io::Result<Vec<Row>> {
        let (mut ours, mut theirs) = (Figures::default(), Figures::default());
        for round in 0..rounds as u64 {
            watch.look();
            let first = round * it.count;
            ours.add(it, it.round(&self.service, &it.ours, first)?);
            theirs.add(it, it.round(&self.bare, &it.bare, first)?);
        }
        let row = |unit: &str, [ours, theirs]: [&[f64]; 2], ratio, aim| Row {
            what: it.what.clone(),
            ours: median(ours),
            unit: unit.to_owned(),
            beside: Some(Beside {
                name: "bare handler".to_owned(),
                theirs: median(theirs),
                ratio,
                aim,
            }),
        };
        let cpu = [&ours.cpu_us[..], &theirs.cpu_us];
        let rate = [&ours.per_s[..], &theirs.per_s];
        Ok(vec![
            row(
                "µs CPU",
                cpu,
                median_ratio(&theirs.cpu_us, &ours.cpu_us),
                it.aim,
            ),
            row(
                "per s",
                rate,
                median_ratio(&ours.per_s, &theirs.per_s),
                None,
            ),
        ])
    }
}

/// The same question to both sides.
struct Scenario {
    what: String,
    ours: WriteRequest,
    bare: WriteRequest,
    status: u16,
    /// Requests in a round.
    count: u64,
    /// Time for the ledger to catch up after a round.
    settle: Duration,
    aim: Option<f64>,
}

/// CPU and wall-clock time of a round.
struct Times {
    cpu: Duration,
    wall: Duration,
}

impl Scenario {
    fn round(&self, server: &Server, request: &WriteRequest, first: u64) -> io::Result<Times> {
        let before = server.cpu_time()?;
        let wall = client::load(server.address, request, self.status, first, self.count)?;
        std::thread::sleep(self.settle);
        Ok(Times {
            cpu: server.cpu_time()? - before,
            wall,
        })
    }
}

/// By round.
#[derive(Default)]
struct Figures {
    cpu_us: Vec<f64>,
    per_s: Vec<f64>,
}

impl Figures {
    fn add(&mut self, scenario: &Scenario, times: Times) {
        let count = scenario.count as f64;
        self.cpu_us.push(times.cpu.as_secs_f64() * 1e6 / count);
        self.per_s.push(count / times.wall.as_secs_f64());
    }
}

/// What people ask who come for an appointment.
fn appointments(home: &Path, effort: Effort) -> io::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for days in SPANS {
        let kilobytes = std::fs::metadata(home.join(availability_file(days)))?.len() / 1_000;
        scenarios.push(Scenario {
            what: format!("GET availability, days: {days}, {kilobytes} kB"),
            ours: in_turn(vec![client::get(&availability_path(days)?)]),
            bare: in_turn(vec![client::get(&format!("/{days}"))]),
            status: 200,
            count: effort.pick(100, if days > 14 { 10_000 } else { 40_000 }),
            settle: Duration::ZERO,
            aim: Some(AIM_AVAILABILITY),
        });
    }
    scenarios.push(Scenario {
        what: "POST holds".to_owned(),
        ours: Arc::new(|number, buffer| write_hold("/api/v1/holds", number, buffer)),
        bare: Arc::new(|number, buffer| write_hold("/holds", number, buffer)),
        status: 201,
        count: effort.pick(100, 40_000),
        settle: SETTLE,
        aim: Some(AIM_HOLD),
    });
    Ok(scenarios)
}

/// What people ask who wait. Those who join come last, so that the document stays as it was kept.
fn waiting_room(sides: &Sides, people: u64, effort: Effort) -> Vec<Scenario> {
    let Sides { room, tickets, .. } = sides;
    let count = effort.pick(100, 40_000);
    let scenario = |what: &str, [ours, bare]: [WriteRequest; 2], aim| Scenario {
        what: what.to_owned(),
        ours,
        bare,
        status: 200,
        count,
        settle: Duration::ZERO,
        aim,
    };
    let documents = [room.below(""), "/room".to_owned()].map(|it| in_turn(vec![client::get(&it)]));
    let places = [room.below("/place"), "/place".to_owned()].map(|path| {
        let requests = tickets.iter().map(|it| client::get_with_token(&path, it));
        in_turn(requests.collect())
    });
    let joins = [room.below("/tickets"), "/tickets".to_owned()].map(waiting::join_at);
    let room = format!("GET room, people: {people}");
    vec![
        scenario(&room, documents, Some(AIM_ROOM)),
        scenario("GET place", places, None),
        Scenario {
            status: 201,
            settle: SETTLE,
            ..scenario("POST tickets", joins, Some(AIM_JOIN))
        },
    ]
}

/// One request after the other, and again from the first.
fn in_turn(requests: Vec<Vec<u8>>) -> WriteRequest {
    Arc::new(move |number, buffer| {
        buffer.extend_from_slice(&requests[number as usize % requests.len()]);
    })
}

/// What is free at the first office from tomorrow on.
fn availability_path(days: u16) -> io::Result<String> {
    let now = jiff::Timestamp::from_millisecond(morgenruh::clock::now().0);
    let now = now
        .and_then(|now| now.in_tz("Europe/Berlin"))
        .map_err(io::Error::other)?;
    let day = |days: u16| now.date().saturating_add(jiff::Span::new().days(days));
    let (office, from, to) = (office_id(1), day(1), day(days));
    let query = format!("office={office}&services={PASSPORT}:1&from={from}&to={to}");
    Ok(format!("/api/v1/availability?{query}"))
}

/// A hold of which there is only one with this number. As in a rush, all want the same day until
/// nothing of it is left; the visits of the day are asked for in turn.
fn write_hold(path: &str, number: u64, request: &mut Vec<u8>) {
    let seats = VISITS * u64::from(LARGE.counters);
    // The last day is kept for the one hold that is made before anything is measured.
    let (office_day, visit) = match number {
        u64::MAX => (2 * 60 - 1, 0),
        _ => (number / seats, number % VISITS),
    };
    let office = office_id(LARGE_OFFICES[office_day as usize % LARGE_OFFICES.len()]);
    let tomorrow = morgenruh::clock::now().0 / 1_000 / DAY_S + 1;
    let day = tomorrow + office_day as i64 / LARGE_OFFICES.len() as i64;
    let start = jiff::Timestamp::from_second(day * DAY_S + visit as i64 * VISIT_S);
    let start = start.expect("it is in this century");
    let services = format!(r#"[{{"id":"{PASSPORT}","quantity":1}}]"#);
    let json = format!(r#"{{"office":"{office}","services":{services},"start":"{start}"}}"#);
    client::post(path, &json, request);
}
