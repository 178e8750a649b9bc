//! Releases over real sockets: what staff decide holds for everybody and through a restart, and a
//! drip's document is worth what it says.

use std::time::Duration;

use jiff::Zoned;
use morgenruh::clock;
use morgenruh_engine::rules::record::{Fact, Record};
use morgenruh_engine::rules::release::ReleaseId;
use morgenruh_engine::rules::release::drip::{ALGORITHM, DripRules};
use morgenruh_engine::rules::release::fact::ReleaseFact;
use morgenruh_engine::rules::room::draw::DrawSecret;
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::shell::ledger::{Entry, Ledger as _};
use morgenruh_engine::shell::scribe::Options;
use morgenruh_engine::shell::sqlite::{SqliteLedger, open_database};
use morgenruh_wire::ReleaseDocument;
use serde_json::{Value, json};

use crate::http::{Answer, Request};
use crate::support::{Home, Service, program};
use crate::town::{Town, zone};

/// Number of the office `schub`.
const OFFICE: u16 = 30;

/// So many minutes from now, on a whole minute.
fn minutes_from_now(minutes: i64) -> Zoned {
    let then = clock::now().to_jiff() + jiff::SignedDuration::from_mins(minutes);
    let then = then.to_zoned(zone());
    then.with().second(0).subsec_nanosecond(0).build().unwrap()
}

/// The small town with an office whose days are released three days ahead at this time.
fn town(at: &Zoned, more: &str) -> Town {
    let office = format!(
        "number = {OFFICE}\nname = {{ de = \"Schub\", en = \"Wave\" }}\naddress = \"Weg 30\"\n\
         [[counter]]\nnumbers = \"1-2\"\nskills = [\"pass\"]\n\
         [[opening]]\nweekdays = \"mon-sun\"\nhours = [\"08:00-12:00\"]\non_holidays = true\n\
         [[wave]]\ndays_ahead = 3\nat = \"{}\"\n{more}",
        at.strftime("%H:%M")
    );
    Town::small().with("buergeramt/schub.toml", &office)
}

/// A service and one of its releases.
struct Release {
    service: Service,
    name: String,
    /// A start that is released.
    start: String,
}

impl Release {
    fn of(service: Service, at: &Zoned) -> Release {
        let name = format!("schub-{}", at.strftime("%Y-%m-%d-%H%M"));
        let day = at.date().saturating_add(jiff::Span::new().days(3));
        let start = day.at(9, 0, 0, 0).to_zoned(zone()).unwrap();
        Release {
            service,
            name,
            start: start.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        }
    }

    fn restart(self) -> Release {
        Release {
            service: self.service.kill().start(),
            ..self
        }
    }

    fn document(&self) -> ReleaseDocument {
        let path = format!("/api/v1/releases/{}", self.name);
        self.service.send(&Request::get(&path)).expect(200).json()
    }

    fn ask(&self, what: &str) -> Answer {
        let path = format!("/admin/releases/{}/{what}", self.name);
        Request::get(&path).send(self.service.admin).unwrap()
    }

    fn decide(&self, what: &str, body: &Value) -> Answer {
        let path = format!("/admin/releases/{}/{what}", self.name);
        let request = Request::post(&path).json(body);
        request.send(self.service.admin).unwrap()
    }

    /// What staff see of it.
    fn row(&self) -> Value {
        let request = Request::get("/admin/releases?days=3");
        let rows: Vec<Value> = request.send(self.service.admin).unwrap().json();
        let mut rows = rows.into_iter();
        rows.find(|row| row["id"] == self.name.as_str()).unwrap()
    }

    fn hold(&self) -> Answer {
        let citizen = self.service.citizen();
        citizen.try_hold("schub", "pass", &self.start)
    }
}

fn because(reason: &str) -> Value {
    json!({ "by": "Frau Ruhl", "reason": reason })
}

/// From sealed to open and back, with a `kill -9` after each decision.
#[test]
fn what_staff_decide_holds_through_a_restart() {
    let at = minutes_from_now(60);
    let release = Release::of(Home::of(town(&at, "")).start(), &at);
    let document = release.document();
    assert_eq!(
        (document.policy.as_str(), document.state.as_str()),
        ("open", "due")
    );
    assert_eq!(document.office, "schub");
    assert_eq!(document.commitment, None);
    assert_eq!(release.hold().slug(), "not-released");
    assert_eq!(release.row()["state"], "due");

    release.decide("pause", &because("Feueralarm")).expect(204);
    let release = release.restart();
    let row = release.row();
    assert_eq!(
        (&row["state"], &row["policy"]),
        (&json!("paused"), &json!("open"))
    );
    assert_eq!(row["decision"]["by"], "Frau Ruhl");
    assert_eq!(row["decision"]["reason"], "Feueralarm");
    assert!(row["seats"].as_u64().unwrap() >= 16, "{row}");
    release.decide("resume", &because("Probealarm")).expect(204);
    assert_eq!(release.row()["state"], "due");

    release.decide("publish", &because("Kulanz")).expect(204);
    let release = release.restart();
    let hold = release.hold().expect(201).json();
    let taken = release.decide("withdraw", &because("Rohrbruch"));
    assert_eq!(
        (taken.status, taken.slug().as_str()),
        (409, "release-taken")
    );
    assert_eq!(release.row()["state"], "published");
    let citizen = release.service.citizen();
    citizen.release(&hold).expect(204);
    release
        .decide("withdraw", &because("Rohrbruch"))
        .expect(204);
    assert_eq!(release.hold().slug(), "not-released");
    let release = release.restart();
    assert_eq!(release.hold().slug(), "not-released");
    assert_eq!(release.row()["state"], "withdrawn");
    release.decide("resume", &because("Trocken")).expect(204);

    let home = release.service.stop();
    home.verify();
    let database = open_database(home.data()).unwrap();
    let decisions: Vec<String> = database
        .prepare("SELECT event || ' ' || decided_by || ' ' || reason FROM release_decisions")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let expected = [
        "paused Frau Ruhl Feueralarm",
        "resumed Frau Ruhl Probealarm",
        "published Frau Ruhl Kulanz",
        "withdrawn Frau Ruhl Rohrbruch",
        "resumed Frau Ruhl Trocken",
    ];
    assert_eq!(decisions, expected);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let at = minutes_from_now(60);
    let release = Release::of(Home::of(town(&at, "")).start(), &at);
    let refused = release.decide("resume", &because("Langeweile"));
    assert_eq!(
        (refused.status, refused.slug().as_str()),
        (409, "release-refused")
    );
    for body in [
        json!({ "by": " ", "reason": "x" }),
        json!({ "by": "x", "reason": "" }),
        json!({ "by": "x", "reason": "y\n" .repeat(200) }),
        json!({ "by": "x" }),
    ] {
        assert_eq!(release.decide("pause", &body).slug(), "invalid-request");
    }
    release.decide("publish", &because("Kulanz")).expect(204);
    let refused = release.decide("pause", &because("zu spät"));
    assert_eq!(refused.slug(), "release-refused");
    for name in ["schub-2026-01-01-0630", "schub", "niemand-2026-01-01-0630"] {
        let path = format!("/api/v1/releases/{name}");
        let answer = release.service.send(&Request::get(&path));
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (404, "release-unknown")
        );
    }
    for query in ["days=0", "days=61", "weeks=1"] {
        let request = Request::get(&format!("/admin/releases?{query}"));
        let answer = request.send(release.service.admin).unwrap();
        assert_eq!(answer.slug(), "invalid-query", "{query}");
    }
}

#[test]
fn a_dry_run_says_what_it_assumes() {
    let at = minutes_from_now(60);
    let release = Release::of(Home::of(town(&at, "")).start(), &at);
    let unknown: Value = release.ask("dry-run").expect(200).json();
    assert_eq!(
        (&unknown["people"], &unknown["sold_out"]),
        (&Value::Null, &Value::Null)
    );
    assert!(unknown["assumptions"].as_array().unwrap().len() >= 3);
    let seats = unknown["seats"][0]["seats"].as_u64().unwrap();
    assert!(seats > 0, "{unknown}");
    let path = format!("dry-run?people={}", seats * 4);
    let run: Value = release.ask(&path).expect(200).json();
    assert_eq!(run["served_percent"]["at_most"], 25);
    assert_eq!(
        (&run["sold_out"], &run["people_from"]),
        (&json!(true), &json!("query"))
    );
    // First come, first served: how fast that goes nobody knows.
    assert_eq!(run["sold_out_after_minutes"], Value::Null);
    let few: Value = release.ask("dry-run?people=1").expect(200).json();
    assert_eq!(
        (&few["sold_out"], &few["served_percent"]["at_least"]),
        (&json!(false), &json!(100))
    );
    assert_eq!(release.ask("dry-run?people=0").slug(), "invalid-query");
}

/// A release with a room opens for its passes at its time: nobody can publish it past the room.
#[test]
fn a_waiting_room_cannot_be_passed_by() {
    let at = minutes_from_now(60);
    let town = Town::small().with_room(
        &at.strftime("%H:%M").to_string(),
        "08:00-10:00",
        "passes_max = 20",
    );
    let release = Release {
        name: format!("raum-{}", at.strftime("%Y-%m-%d-%H%M")),
        ..Release::of(Home::of(town).start(), &at)
    };
    assert_eq!(release.document().policy, "rush");
    let refused = release.decide("publish", &because("Kulanz"));
    assert_eq!(refused.slug(), "release-refused");
    let run: Value = release.ask("dry-run?people=1000").expect(200).json();
    // Twenty passes of ten minutes are two people a minute.
    assert_eq!(run["people_per_minute"], 2);
    let seats = run["seats"][0]["seats"].as_u64().unwrap();
    assert_eq!(run["sold_out_after_minutes"]["at_most"], seats.div_ceil(2));
}

const SECRET: DrawSecret = DrawSecret([0x42; 32]);

/// Writes into the ledger that the drip of this time was announced a day ahead.
fn announce(home: &Home, at: &Zoned) {
    let name = format!("schub-{}", at.strftime("%Y-%m-%d-%H%M"));
    let rules = DripRules {
        algorithm: ALGORITHM.to_owned(),
        office: "schub".to_owned(),
        release: name,
        release_at: at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        window_seconds: 600,
    };
    let release = ReleaseId {
        office: OFFICE,
        day: DayNumber::from_date(at.date()).unwrap(),
        minute: at.hour() as u16 * 60 + at.minute() as u16,
    };
    let fact = ReleaseFact::Announced {
        secret: SECRET,
        rules: rules.text(),
    };
    let fact = Fact::Release {
        release,
        fact: Box::new(fact),
    };
    let record = Record {
        at: UnixMillis::from(at.timestamp()) + Millis(-86_400_000),
        fact,
    };
    let city = home.town.catalogue();
    let options = Options {
        batch_max: 8,
        queue_max: 8,
        retry: Duration::from_millis(10),
        clock: clock::now,
    };
    let (ledger, _) = SqliteLedger::open(home.data(), &city, options).unwrap();
    assert!(ledger.append(Entry { record, done: None }).is_ok());
    ledger.close();
}

/// When the window is over, everybody can work its moments out; nobody can before.
#[test]
fn a_drip_is_proven_when_it_is_over() {
    let at = minutes_from_now(-30);
    let home = Home::of(town(&at, "drip_minutes = 10\n"));
    announce(&home, &at);
    let release = Release::of(home.start(), &at);
    let document = release.document();
    assert_eq!(
        (document.policy.as_str(), document.state.as_str()),
        ("drip", "open")
    );
    let commitment = document.commitment.clone().unwrap();
    assert_eq!(document.secret.as_deref(), Some(&*"42".repeat(32)));
    assert!(document.moments.len() >= 16);
    let moments = document.moments.iter();
    for moment in moments {
        assert!(document.release_at <= moment.opens_at && moment.opens_at < document.until);
    }
    release.hold().expect(201);

    let verify = |document: &ReleaseDocument| {
        let path = release.service.home().config().join("../release.json");
        std::fs::write(&path, serde_json::to_vec(document).unwrap()).unwrap();
        let output = program().arg("verify-draw").arg(&path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (code, text) = verify(&document);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains(&commitment) && text.ends_with("the drip holds\n"),
        "{text}"
    );
    let mut forged = document.clone();
    forged.moments[0].opens_at = document.until.clone();
    let (code, text) = verify(&forged);
    assert_eq!(code, Some(1), "{text}");
    let mut forged = document;
    forged.rules = forged.rules.map(|rules| rules.replace("600", "601"));
    assert_eq!(verify(&forged).0, Some(1));
}

/// Before its end a drip shows what it is bound to, and nothing that tells a moment.
#[test]
fn a_drip_is_sealed_to_whoever_looks() {
    let at = minutes_from_now(-1);
    let home = Home::of(town(&at, "drip_minutes = 10\n"));
    announce(&home, &at);
    let release = Release::of(home.start(), &at);
    let document = release.document();
    assert_eq!(
        (document.state.as_str(), document.algorithm.as_deref()),
        ("due", Some(ALGORITHM))
    );
    assert!(document.commitment.is_some() && document.rules.is_some());
    assert_eq!((document.secret, document.moments.len()), (None, 0));
    assert_eq!(release.row()["announced"], true);
    let path = format!(
        "/api/v1/availability?services=pass&office=schub&from={}&to={}",
        &release.start[..10],
        &release.start[..10]
    );
    let available: Value = release
        .service
        .send(&Request::get(&path))
        .expect(200)
        .json();
    assert_eq!(
        available["days"][0]["sealed_until"],
        document.until.as_str()
    );
}
