//! Waiting rooms over real sockets: many at once, wrong tokens, `kill -9`, staff, and a ledger that
//! is away.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use morgenruh_engine::shell::sqlite::open_database;
use morgenruh_wire::{HoldRequest, Pass, Place, Room, Rooms, Ticket};
use serde_json::{Value, json};

use crate::citizen::{HOLDS, seat};
use crate::http::{Answer, Request, connect};
use crate::support::{Home, Service, eventually, together};
use crate::town::Town;

/// Seconds from a start to the release.
const DEMO_S: &str = "4";

const OFFICES: [(&str, &str); 2] = [("andrang", "Andrang"), ("neben", "Nebenan")];

/// The small town with two releases, each with a room of its own.
fn town(rules: &str) -> Town {
    let mut town = Town::small();
    for (number, (id, name)) in (1..).zip(OFFICES) {
        let office = format!(
            "number = {}\nname = {{ de = \"{name}\", en = \"{name}\" }}\naddress = \"Weg 20\"\n\
             [[counter]]\nnumbers = \"1-8\"\nskills = [\"pass\"]\n\
             [[wave]]\ndays_ahead = 3\nat = \"00:00\"\n",
            20 + number
        );
        let rules = if number == 1 { rules } else { "" };
        let room = format!(
            "\n[[room]]\nid = \"{id}\"\nnumber = {number}\n\
             name = {{ de = \"{name}\", en = \"{name}\" }}\nat = \"00:00\"\n\
             offices = [\"{id}\"]\npasses_per_minute = 100000\n{rules}\n"
        );
        town = town
            .with(&format!("buergeramt/{id}.toml"), &office)
            .with_more("buergeramt.toml", &room);
    }
    town
}

fn start(rules: &str) -> Service {
    let home = Home::of(town(rules));
    start_at(home)
}

fn start_at(home: Home) -> Service {
    let mut command = home.command();
    command.args(["--demo", DEMO_S]);
    home.start_by(command)
}

/// A room that is open, and the ways to it.
#[derive(Clone)]
struct Hall<'a> {
    service: &'a Service,
    name: String,
}

impl<'a> Hall<'a> {
    fn of(service: &'a Service, id: &str) -> Hall<'a> {
        let name = eventually("the room is open", || {
            let rooms: Rooms = service.send(&Request::get("/api/v1/rooms")).json();
            let open = rooms.rooms.into_iter();
            let mut open = open.filter(|room| room.phase != "scheduled");
            open.find(|room| room.id.starts_with(id)).map(|it| it.id)
        });
        Hall { service, name }
    }

    fn path(&self, what: &str) -> String {
        format!("/api/v1/rooms/{}{what}", self.name)
    }

    fn send(&self, request: &Request) -> Answer {
        self.service.send(request)
    }

    fn room(&self) -> Room {
        self.send(&Request::get(&self.path(""))).expect(200).json()
    }

    #[track_caller]
    fn is(&self, phase: &str) {
        eventually(phase, || (self.room().phase == phase).then_some(()));
    }

    fn try_join(&self) -> Answer {
        self.send(&Request::post(&self.path("/tickets")).text("{}"))
    }

    fn join(&self) -> Ticket {
        let answer = eventually("there are numbers", || {
            let answer = self.try_join();
            (answer.status != 503).then_some(answer)
        });
        answer.expect(201).json()
    }

    fn exchange(&self, ticket: &str) -> Answer {
        self.send(&Request::post(&self.path("/passes")).bearer(ticket))
    }

    fn enter(&self, ticket: &Ticket) -> Pass {
        let answer = eventually("the ticket is called", || {
            let answer = self.exchange(&ticket.ticket);
            (answer.status != 425).then_some(answer)
        });
        answer.expect(200).json()
    }

    fn place(&self, ticket: &Ticket) -> Place {
        let request = Request::get(&self.path("/place")).bearer(&ticket.ticket);
        self.send(&request).expect(200).json()
    }

    fn leave(&self, ticket: &Ticket) {
        let request = Request::delete(&self.path("/place")).bearer(&ticket.ticket);
        self.send(&request).expect(204);
    }

    /// On the day that the demo releases.
    fn hold(&self, office: &str, pass: Option<&str>) -> Answer {
        let body = HoldRequest {
            pass: pass.map(str::to_owned),
            ..seat(office, "pass", &self.service.town().at(4, "08:00"))
        };
        self.send(&Request::post(HOLDS).json(&body))
    }

    /// What staff see of it.
    fn detail(&self) -> Value {
        let request = Request::get("/admin/rooms");
        let rooms: Vec<Value> = request.send(self.service.admin).unwrap().json();
        let mut rooms = rooms.into_iter();
        rooms.find(|room| room["id"] == self.name.as_str()).unwrap()
    }

    fn staff(&self, what: &str, body: &Value) -> Answer {
        let path = format!("/admin/rooms/{}/{what}", self.name);
        let request = Request::post(&path).json(body);
        request.send(self.service.admin).unwrap()
    }

    /// Events of this room in the ledger, in their order.
    fn facts(&self) -> Vec<(String, Value)> {
        let database = open_database(self.service.home().data()).unwrap();
        let mut statement = database
            .prepare("SELECT event, fact FROM room_facts WHERE room >> 16 = 1 ORDER BY position")
            .unwrap();
        let rows = statement.query_map([], |row| {
            let fact: String = row.get(1)?;
            Ok((row.get(0)?, serde_json::from_str(&fact).unwrap()))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}

fn because(reason: &str) -> Value {
    json!({ "by": "Frau Ruhl", "reason": reason })
}

#[test]
fn a_ticket_is_one_pass_however_often_it_is_shown() {
    let service = start("holds_per_pass = 1");
    let hall = Hall::of(&service, "andrang");
    let ticket = hall.join();
    // Joining again with the ticket changes nothing.
    let again = Request::post(&hall.path("/tickets")).bearer(&ticket.ticket);
    let again = hall.send(&again.text("{}"));
    assert_eq!(again.expect(200).json::<Ticket>(), ticket);
    assert_eq!(hall.place(&ticket).standing, "gathering");
    let early = hall.exchange(&ticket.ticket);
    assert_eq!(
        (early.status, early.slug().as_str()),
        (425, "not-your-turn")
    );
    hall.is("serving");
    eventually("it is called", || {
        (hall.place(&ticket).standing == "called").then_some(())
    });
    let answers = together(100, |_| hall.exchange(&ticket.ticket));
    let passes: HashSet<(u8, String)> = answers
        .iter()
        .map(|answer| answer.expect(200).json::<Pass>())
        .map(|pass| (pass.turn, pass.expires_at))
        .collect();
    assert_eq!(passes.len(), 1, "{passes:?}");
    let detail = hall.detail();
    assert_eq!(
        (&detail["passes"], &detail["awaited"]),
        (&json!(1), &json!(0))
    );
    let passed = hall.facts();
    assert!(passed.iter().any(|(event, _)| event == "passed"));

    let pass = hall.enter(&ticket).pass;
    assert_eq!(hall.hold("andrang", None).slug(), "pass-required");
    let hold = hall.hold("andrang", Some(&pass)).expect(201).json();
    assert_eq!(hall.hold("andrang", Some(&pass)).slug(), "holds-max");
    service.citizen().book(&hold);
    assert_eq!(hall.place(&ticket).standing, "booked");
    let used = hall.exchange(&ticket.ticket);
    assert_eq!((used.status, used.slug().as_str()), (409, "ticket-used"));
    assert_eq!(hall.hold("andrang", Some(&pass)).slug(), "pass-ended");
    let spent = hall.facts().iter().filter(|it| it.0 == "spent").count();
    assert_eq!(spent, 1);
    service.stop().verify();
}

/// Hundreds of tickets, asked for all the time: there are never more inside than may be, everybody
/// gets in, and nobody twice.
#[test]
fn a_race_for_passes_never_exceeds_the_ceiling() {
    const PASSES_MAX: u64 = 5;
    const PEOPLE: usize = 16;
    const TICKETS_EACH: usize = 12;
    let service = start(&format!("passes_max = {PASSES_MAX}"));
    let hall = Hall::of(&service, "andrang");
    let tickets: Vec<Vec<Ticket>> =
        together(PEOPLE, |_| (0..TICKETS_EACH).map(|_| hall.join()).collect());
    let numbers: HashSet<u32> = tickets.iter().flatten().map(|it| it.number).collect();
    assert_eq!(numbers.len(), PEOPLE * TICKETS_EACH, "numbers never repeat");
    hall.is("serving");
    let (over, exchanges) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let detail = hall.detail();
                let number = |key: &str| detail[key].as_u64().unwrap();
                let inside = number("passes") + number("awaited");
                assert!(inside <= PASSES_MAX, "{detail}");
            }
        });
        let entered = together(PEOPLE, |person| {
            let mut entered = 0;
            let mut waiting = tickets[person].clone();
            while !waiting.is_empty() {
                waiting.retain(|ticket| {
                    exchanges.fetch_add(1, Ordering::Relaxed);
                    let answer = hall.exchange(&ticket.ticket);
                    if answer.status == 425 {
                        let problem = answer.problem();
                        let place = problem.place.expect("it says where the ticket stands");
                        assert_eq!(place.number, ticket.number);
                        let again: u32 = answer.header("retry-after").unwrap().parse().unwrap();
                        assert!((1..=40).contains(&again));
                        return true;
                    }
                    answer.expect(200);
                    entered += 1;
                    hall.leave(ticket);
                    false
                });
            }
            entered
        });
        over.store(true, Ordering::Relaxed);
        assert_eq!(entered.iter().sum::<usize>(), PEOPLE * TICKETS_EACH);
        watcher.join().unwrap();
    });
    let detail = hall.detail();
    let all = json!(PEOPLE * TICKETS_EACH);
    assert_eq!((&detail["left"], &detail["missed"]), (&all, &json!(0)));
    let exchanges = exchanges.into_inner();
    assert!(exchanges > PEOPLE * TICKETS_EACH, "{exchanges}: they raced");
    // Admission followed the line.
    let draw: Value = hall.send(&Request::get(&hall.path("/draw"))).json();
    assert_eq!(draw["tickets"], all);
    service.stop().verify();
}

#[test]
fn only_what_was_given_here_opens_anything() {
    let service = start("");
    let (hall, other) = (Hall::of(&service, "andrang"), Hall::of(&service, "neben"));
    let (ticket, foreign) = (hall.join(), other.join());
    hall.is("serving");
    other.is("serving");
    let (pass, foreign_pass) = (hall.enter(&ticket), other.enter(&foreign));
    let mut forged = ticket.ticket.clone().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let long = "A".repeat(4_000);
    for wrong in [&foreign.ticket, &forged, &pass.pass, "x", &long] {
        for request in [
            Request::post(&hall.path("/passes")),
            Request::get(&hall.path("/place")),
            Request::delete(&hall.path("/place")),
            Request::get(&hall.path("/receipt")),
        ] {
            let answer = hall.send(&request.bearer(wrong));
            assert_eq!(
                (answer.status, answer.slug().as_str()),
                (401, "ticket-invalid"),
                "{wrong}"
            );
        }
    }
    assert_eq!(hall.send(&Request::post(&hall.path("/passes"))).status, 401);
    for wrong in [&ticket.ticket, &forged, "x"] {
        let answer = hall.hold("andrang", Some(wrong));
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (403, "pass-invalid")
        );
    }
    // A pass of the room next door opens its own door only.
    let answer = hall.hold("andrang", Some(&foreign_pass.pass));
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (403, "pass-required")
    );
    hall.hold("neben", Some(&foreign_pass.pass)).expect(201);
    hall.hold("andrang", Some(&pass.pass)).expect(201);
    let unknown = Request::post("/api/v1/rooms/nirgends-2026-12-24/tickets").text("{}");
    assert_eq!(hall.send(&unknown).slug(), "room-unknown");
    // Giving the place up ends the pass at once.
    let receipt = Request::get(&hall.path("/receipt")).bearer(&ticket.ticket);
    hall.send(&receipt).expect(200);
    hall.leave(&ticket);
    assert_eq!(hall.hold("andrang", Some(&pass.pass)).slug(), "pass-ended");
    assert_eq!(hall.exchange(&ticket.ticket).slug(), "ticket-used");
}

#[test]
fn the_document_is_cheap_to_ask_for_and_can_be_followed() {
    let home = Home::of(town("").server("[room]\nlisteners_max = 2\n"));
    let service = start_at(home);
    let hall = Hall::of(&service, "andrang");
    let answer = hall.send(&Request::get(&hall.path("")));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=1"));
    let etag = answer.header("etag").unwrap().to_owned();
    let again = Request::get(&hall.path("")).header("if-none-match", &etag);
    let again = hall.send(&again);
    // Somebody's number may have been reserved in between.
    if again.status == 304 {
        assert!(again.body.is_empty());
        assert_eq!(again.header("etag"), Some(&*etag));
    }
    let follow = || {
        let mut stream = connect(service.public).unwrap();
        let head = Request::get(&hall.path("/events")).head();
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        stream
    };
    let heard = |stream: &mut std::net::TcpStream, what: &str| {
        let mut heard = String::new();
        let mut bytes = [0; 4_096];
        eventually(what, || {
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "it hung up: {heard}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
            heard.contains(what).then_some(())
        });
        heard
    };
    let (mut one, mut two) = (follow(), follow());
    let first = heard(&mut one, "event: room");
    assert!(first.contains("text/event-stream"), "{first}");
    heard(&mut two, "event: room");
    let refused = hall.send(&Request::get(&hall.path("/events")));
    assert_eq!(
        (refused.status, refused.slug().as_str()),
        (503, "too-many-listeners")
    );
    heard(&mut one, "\"phase\":\"serving\"");
    // When nothing happens any more, a comment keeps the connection known.
    let quiet = heard(&mut one, "\n:");
    assert!(!quiet.is_empty());
    drop(two);
    eventually("there is room for another listener", || {
        let mut stream = follow();
        let mut bytes = [0; 64];
        let count = stream.read(&mut bytes).unwrap();
        let head = String::from_utf8_lossy(&bytes[..count]).into_owned();
        head.starts_with("HTTP/1.1 200").then_some(())
    });
    let serving = hall.send(&Request::get(&hall.path("")));
    let etag = serving.header("etag").unwrap();
    let unchanged = Request::get(&hall.path("")).header("if-none-match", etag);
    eventually("it is unchanged", || {
        (hall.send(&unchanged).status == 304).then_some(())
    });
}

#[test]
fn after_kill_9_tickets_places_and_passes_are_what_they_were() {
    let service = start("passes_max = 3");
    let hall = Hall::of(&service, "andrang");
    let tickets: Vec<Ticket> = (0..20).map(|_| hall.join()).collect();
    hall.is("serving");
    let late = hall.join();
    let positions = |hall: &Hall<'_>| -> BTreeMap<u32, u32> {
        let all = tickets.iter().chain([&late]);
        all.filter_map(|it| Some((it.number, hall.place(it).position?)))
            .collect()
    };
    let before = positions(&hall);
    assert_eq!(before.len(), 21);
    assert_eq!(before[&late.number], 21);
    let by_place = |place: u32| {
        let ticket = tickets.iter().find(|it| before[&it.number] == place);
        ticket.unwrap()
    };
    let inside = hall.enter(by_place(1));
    let booked = hall.enter(by_place(2));
    let hold = hall.hold("andrang", Some(&booked.pass)).expect(201).json();
    let booking = service.citizen().book(&hold);
    let draw = hall.send(&Request::get(&hall.path("/draw"))).body;
    let (commitment, serving) = (hall.room().commitment, hall.room().serving);

    // Without the demo: the days of the room are other ones now, but the room is the same.
    let name = hall.name;
    let service = service.kill().start();
    let hall = Hall {
        service: &service,
        name,
    };
    assert_eq!(hall.room().commitment, commitment);
    assert!(hall.room().serving >= serving, "the number never falls");
    let after = positions(&hall);
    // Whoever has booked has no place any more.
    let kept = before.iter().filter(|(_, place)| **place != 2);
    assert!(
        kept.clone()
            .all(|(number, place)| after.get(number) == Some(place))
    );
    assert_eq!(hall.send(&Request::get(&hall.path("/draw"))).body, draw);
    assert_eq!(hall.place(by_place(1)).standing, "inside");
    assert_eq!(hall.enter(by_place(1)).turn, inside.turn);
    assert_eq!(hall.place(by_place(2)).standing, "booked");
    assert_eq!(hall.exchange(&by_place(2).ticket).slug(), "ticket-used");
    service.citizen().look(&booking).expect(200);
    let joined = hall.join();
    let known: HashSet<u32> = before.into_keys().collect();
    assert!(!known.contains(&joined.number), "numbers never repeat");
    service.stop().verify();
}

#[test]
fn what_staff_decide_is_done_and_written_down() {
    let service = start("passes_max = 1");
    let hall = Hall::of(&service, "andrang");
    let tickets = [(); 4].map(|()| hall.join());
    let early = hall.staff("close", &because("too early"));
    assert_eq!((early.status, early.slug().as_str()), (409, "not-drawn"));
    hall.is("serving");
    let place = |ticket: &&Ticket| hall.place(ticket).position.unwrap();
    let first = tickets.iter().min_by_key(place).unwrap();
    let last = tickets.iter().max_by_key(place).unwrap();
    for (body, field) in [
        (json!({ "by": "", "reason": "x" }), "by"),
        (json!({ "by": "x", "reason": "a\nb" }), "reason"),
        (json!({ "by": "x".repeat(241), "reason": "x" }), "by"),
    ] {
        let answer = hall.staff("pause", &body);
        assert_eq!(answer.problem().field.as_deref(), Some(field));
    }
    hall.staff("pause", &because("the lift is stuck"))
        .expect(204);
    hall.is("paused");
    let answer = hall.exchange(&first.ticket);
    assert_eq!(
        (answer.status, answer.slug().as_str()),
        (425, "not-your-turn")
    );
    hall.staff("resume", &because("it moves")).expect(204);
    hall.is("serving");

    let prefer = |body: Value| hall.staff("prefer", &body);
    let with = |key: &str, value: Value| {
        let mut body = because("she gives birth");
        body[key] = value;
        body
    };
    assert_eq!(prefer(with("number", json!(0))).slug(), "ticket-invalid");
    assert_eq!(
        prefer(with("number", json!(999_999))).slug(),
        "ticket-invalid"
    );
    assert_eq!(prefer(with("ticket", json!("x"))).slug(), "ticket-invalid");
    prefer(with("ticket", json!(last.ticket))).expect(204);
    assert_eq!(
        prefer(with("number", json!(last.number))).slug(),
        "ticket-invalid"
    );
    // The ceiling is for her as well: she is let in next.
    hall.enter(first);
    assert_eq!(hall.exchange(&last.ticket).status, 425);
    hall.leave(first);
    hall.enter(last);
    assert_eq!(hall.detail()["preferred"], 1);
    let beacon = json!({ "value": "00ff", "source": "news" });
    assert_eq!(hall.staff("beacon", &beacon).slug(), "beacon-refused");

    hall.staff("close", &because("the house burns")).expect(204);
    hall.is("closed");
    assert_eq!(hall.try_join().slug(), "room-closed");
    assert_eq!(hall.exchange(&last.ticket).slug(), "room-closed");
    assert_eq!(hall.staff("close", &because("once more")).status, 409);
    eventually("what is left is open to everybody", || {
        (hall.hold("andrang", None).status == 201).then_some(())
    });
    let decisions: Vec<(String, String)> = hall
        .facts()
        .into_iter()
        .filter_map(|(event, fact)| Some((event, fact["reason"].as_str()?.to_owned())))
        .collect();
    let expected = [
        ("paused", "the lift is stuck"),
        ("resumed", "it moves"),
        ("preferred", "she gives birth"),
        ("paused", "the house burns"),
    ]
    .map(|(event, reason)| (event.to_owned(), reason.to_owned()));
    assert_eq!(decisions, expected);
    service.stop().verify();
}

const BEACON: &str = "beacon = \"the evening news\"\nbeacon_wait_seconds = ";

#[test]
fn a_draw_waits_for_its_beacon() {
    let service = start(&format!("{BEACON}600"));
    let hall = Hall::of(&service, "andrang");
    let ticket = hall.join();
    let send = |value: &str| hall.staff("beacon", &json!({ "value": value, "source": "news" }));
    assert_eq!(send("00ff").slug(), "beacon-refused", "before the release");
    hall.is("drawing");
    let late = hall.join();
    for wrong in ["", "0", "xy", "FF", &"00".repeat(513)] {
        assert_eq!(send(wrong).problem().field.as_deref(), Some("value"));
    }
    assert_eq!(hall.place(&ticket).standing, "gathering");
    send("00ff").expect(204);
    hall.is("serving");
    assert_eq!(send("ff00").slug(), "beacon-refused");
    let draw: Value = hall.send(&Request::get(&hall.path("/draw"))).json();
    assert_eq!(draw["tickets"], 1);
    assert_eq!(draw["beacon"]["value"], "00ff");
    assert_eq!(hall.place(&late).position, Some(2));
    let facts = hall.facts();
    let drawn = facts.iter().find(|(event, _)| event == "drawn").unwrap();
    assert_eq!(drawn.1["beacon"]["source"], "news");
    let proof = draw["rules"].as_str().unwrap();
    assert!(proof.contains("the evening news"));
}

#[test]
fn a_beacon_that_does_not_come_is_not_waited_for_for_ever() {
    let service = start(&format!("{BEACON}1"));
    let hall = Hall::of(&service, "andrang");
    hall.join();
    hall.is("drawing");
    hall.is("serving");
    let draw: Value = hall.send(&Request::get(&hall.path("/draw"))).json();
    assert!(draw.get("beacon").is_none_or(Value::is_null), "{draw}");
}

#[test]
fn while_the_ledger_is_away_numbers_are_given_and_places_are_kept() {
    let home = Home::of(town("").server("[ledger]\nretry_ms = 50\nack_timeout_ms = 2000\n"));
    let service = start_at(home);
    let hall = Hall::of(&service, "andrang");
    let ticket = hall.join();
    hall.is("serving");
    eventually("it is called", || {
        (hall.place(&ticket).standing == "called").then_some(())
    });
    let database = open_database(service.home().data()).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = hall.exchange(&ticket.ticket);
    assert_eq!(answer.status, 503, "{}", answer.text());
    for _ in 0..50 {
        hall.try_join().expect(201);
    }
    assert_eq!(
        hall.staff("pause", &because("nothing is written")).status,
        503
    );
    assert_eq!(hall.place(&ticket).standing, "called");
    assert_eq!(hall.room().phase, "serving");
    database.execute_batch("ROLLBACK").unwrap();
    let answer = eventually("the ledger is back", || {
        let answer = hall.exchange(&ticket.ticket);
        (answer.status != 503).then_some(answer)
    });
    assert_eq!(answer.expect(200).json::<Pass>().turn, 1);
    service.stop().verify();
}
