//! A service for a small town, complete but for sockets and a disk.
//!
//! In it somebody holds a seat and somebody has a booking, so that inputs can be about them: see
//! [`Town::fill`].

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use jiff::civil::Date;
use morgenruh::app::{App, AppState};
use morgenruh::availability::Availability;
use morgenruh::clock;
use morgenruh::idempotency::Idempotency;
use morgenruh::keys::Keys;
use morgenruh::listener::Places;
use morgenruh::post::Post;
use morgenruh::proof_of_work::Challenges;
use morgenruh::rooms::Documents;
use morgenruh::router;
use morgenruh::service_keys::ServiceKeys;
use morgenruh::settings::Settings;
use morgenruh::traffic::Traffic;
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::catalogue::load::load;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::rules::time::Millis;
use morgenruh_engine::shell::engine::{Engine, Limits};
use morgenruh_engine::shell::ledger::{Entry, Health, Ledger};
use morgenruh_wire::{Booking, Hold, Problem};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tower::Service;

use crate::Verdict;
use crate::targets::tokens;
use crate::text::{filled, parts};

/// Largest answer that is looked at, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Seats are asked for so many days ahead, within every office's horizon.
const DAYS_AHEAD: i32 = 10;

/// The town's files and keys, in the form of an input of the target `city`.
const FILES: &str = include_str!("town.txt");

static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    let files = parts(FILES)
        .into_iter()
        .filter(|(path, _)| path.ends_with(".toml"));
    let files: BTreeMap<_, _> = files
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect();
    Arc::new(load(&files).expect("the small town is a city"))
});

/// Inputs that one town can serve: far fewer than would come before its hold is over.
const VISITS_MAX: u32 = 1_000;

thread_local! {
    static TOWN: RefCell<Option<Town>> = const { RefCell::new(None) };
}

/// Bounds under which an engine is quickly made: every input has its own.
pub(crate) fn limits() -> Limits {
    Limits {
        deadline_queue_max: 1_024,
        ..Limits::default()
    }
}

/// The service and what inputs can be about.
pub(crate) struct Town {
    pub(crate) app: AppState,
    pub(crate) router: Router,
    ledger: Arc<Notebook>,
    runtime: Runtime,
    pub(crate) hold: Hold,
    pub(crate) booking: Booking,
    changed: Cell<bool>,
    visits: Cell<u32>,
}

impl Town {
    pub(crate) fn catalogue() -> &'static Arc<Catalogue> {
        &CATALOGUE
    }

    /// A town as if it were new: making one takes longer than most inputs do, so one in which
    /// nothing has changed serves again.
    pub(crate) fn visit<T>(visit: impl FnOnce(&Town) -> T) -> T {
        let unchanged = |town: &Town| !town.changed.get() && town.visits.get() < VISITS_MAX;
        let town = TOWN.take().filter(unchanged).unwrap_or_else(Town::new);
        let result = visit(&town);
        town.visits.set(town.visits.get() + 1);
        TOWN.set(Some(town));
        result
    }

    fn new() -> Town {
        // Requests that came by no listener have no address, and there are many of them.
        let exempt = "[limits]\nexempt = \"0.0.0.0\"\n";
        let settings = Settings::load(Some(exempt), &BTreeMap::new());
        let settings = settings.expect("the defaults are settings");
        let ledger = Arc::<Notebook>::default();
        let catalogue = Arc::clone(&CATALOGUE);
        let engine = Engine::new(
            catalogue,
            ledger.clone(),
            Limits::default(),
            None,
            clock::now(),
        );
        let keys = parts(FILES).into_iter().find(|(name, _)| *name == "keys");
        let (_, keys) = keys.expect("the small town has keys");
        let post = Post::new(&settings, &CATALOGUE.city).expect("nobody is told anything");
        let app = Arc::new(App {
            engine: Arc::new(engine),
            availability: Availability::new(settings.availability.rendered_bytes_max),
            production: None,
            idempotency: Idempotency::new(Millis::from_minutes(60), 100),
            limits: morgenruh::limits::Limits::new(&settings.limits),
            service_keys: ServiceKeys::parse(keys).expect("the keys of the small town are keys"),
            keys: Keys::of(tokens::ring(tokens::SIGNER)),
            rooms: Documents::new(1),
            releases: Default::default(),
            post,
            challenges: Challenges::default(),
            traffic: Traffic::default(),
            public_places: Places::new(1),
            admin_places: Places::new(1),
            stopping: AtomicBool::new(false),
            openapi: "{}".to_owned(),
            documentation: String::new(),
            settings,
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let mut town = Town {
            router: router::public(app.clone()),
            app,
            ledger,
            runtime: runtime.expect("a runtime without I/O needs nothing of the system"),
            hold: nothing_held(),
            booking: nothing_booked(),
            changed: Cell::new(false),
            visits: Cell::new(0),
        };
        town.settle_in();
        town.changed.set(false);
        town
    }

    /// One books, another holds.
    fn settle_in(&mut self) {
        let body =
            br#"{"office":"mitte","services":[{"id":"pass","quantity":1}],"start":"@taken"}"#;
        self.hold = self.post("/api/v1/holds", &self.fill(body)).json();
        let body = br#"{"hold":"@hold_token","person":{"name":"Erika","email":"e@example.org"}}"#;
        self.booking = self.post("/api/v1/bookings", &self.fill(body)).json();
        let body =
            br#"{"offices":["mitte"],"services":[{"id":"pass","quantity":1}],"earliest":true}"#;
        self.hold = self.post("/api/v1/holds", &self.fill(body)).json();
    }

    /// Puts in what only this town knows: `@day`, and on that day `@start`, which is free, and
    /// `@taken`, which is the booking's; `@hold_id`, `@hold_token`, `@booking_id` and
    /// `@manage_token`.
    pub(crate) fn fill(&self, data: &[u8]) -> Vec<u8> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let day = day_ahead(self.app.engine.date_of(clock::now()));
        let at = |hour| {
            let time = day.at(hour, 0, 0, 0).to_zoned(CATALOGUE.city.zone.clone());
            let time = time.expect("the day is near");
            time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        };
        let words = [
            ("@day", day.to_string()),
            ("@start", at(10)),
            ("@taken", at(9)),
            ("@hold_id", self.hold.id.clone()),
            ("@hold_token", text(&self.hold.token)),
            ("@booking_id", self.booking.id.clone()),
            ("@manage_token", text(&self.booking.manage_token)),
        ];
        filled(data, &words)
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Answer {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_vec()))
            .expect("the path is ours");
        self.ask(request)
    }

    /// The answer, which is checked for what must hold of every answer.
    pub(crate) fn ask(&self, request: Request<Body>) -> Answer {
        let method = request.method().clone();
        let asking = self.router.clone().call(request);
        let answer = self.run(async {
            let response = asking.await.unwrap_or_else(|never| match never {});
            Answer::of(response).await
        });
        self.look_at(&method, &answer);
        answer
    }

    /// Checks an answer, and notes whether it says that something has changed.
    pub(crate) fn look_at(&self, method: &Method, answer: &Answer) {
        answer.check(method);
        if !method.is_safe() && answer.status.is_success() {
            self.changed.set(true);
        }
    }

    /// Runs something that waits for the service, while the ledger keeps what it is given.
    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let keeping = async {
            loop {
                self.ledger.keep();
                tokio::task::yield_now().await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                done = work => done,
                never = keeping => never,
            }
        })
    }

    /// Every seat was given out once.
    pub(crate) fn audit(&self) {
        for (index, _) in (0u16..).zip(&CATALOGUE.offices) {
            let office = morgenruh_engine::rules::catalogue::OfficeIndex(index);
            let day = day_ahead(self.app.engine.date_of(clock::now()));
            if let Some(shard) = self.app.engine.shard(office, day) {
                shard.decide(|day| day.audit());
            }
        }
    }
}

fn day_ahead(today: Date) -> Date {
    today.saturating_add(jiff::Span::new().days(DAYS_AHEAD))
}

fn nothing_held() -> Hold {
    serde_json::from_str(r#"{"id":"","office":"","services":[],"start":"","end":"","expires_at":"","extendable":false}"#)
        .expect("it has the fields of a hold")
}

fn nothing_booked() -> Booking {
    serde_json::from_str(r#"{"id":"","code":"","status":"","office":"","counter":0,"services":[],"start":"","end":"","sequence":0}"#)
        .expect("it has the fields of a booking")
}

/// What the service said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Answer {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, ANSWER_BYTES_MAX).await;
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.expect("answers are short and are there"),
        }
    }

    /// Nothing that a client sends is our fault, and whoever is refused learns why.
    fn check(&self, method: &Method) {
        assert!(!self.status.is_server_error(), "{self:?}");
        assert!(
            self.headers.contains_key(header::X_CONTENT_TYPE_OPTIONS),
            "{self:?}"
        );
        let media_type = self.headers.get(header::CONTENT_TYPE);
        let media_type = media_type.map(|value| value.to_str().expect("we wrote it"));
        if self.status.is_client_error() {
            assert_eq!(media_type, Some("application/problem+json"), "{self:?}");
            if method != Method::HEAD {
                let problem: Problem = self.json();
                assert_eq!(problem.status, self.status.as_u16());
                assert!(problem.type_.starts_with("/problems/"), "{problem:?}");
            }
        } else if media_type == Some("application/json") && method != Method::HEAD {
            let _: serde_json::Value = self.json();
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        Verdict::taken_if(self.status.is_success())
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        let value = serde_json::from_slice(&self.body);
        value.unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A ledger that keeps everything and forgets it.
#[derive(Default)]
pub(crate) struct Notebook {
    waiting: Mutex<VecDeque<Entry>>,
    kept: Mutex<u64>,
}

impl Notebook {
    /// Everything that waits is durable.
    fn keep(&self) {
        // Apart from the loop: a completion may append.
        let next = || self.waiting.lock().pop_front();
        while let Some(entry) = next() {
            let position = {
                let mut kept = self.kept.lock();
                *kept += 1;
                Position(*kept)
            };
            if let Some(done) = entry.done {
                done(Ok(position));
            }
        }
    }
}

impl Ledger for Notebook {
    fn append(&self, entry: Entry) -> Result<(), Entry> {
        self.waiting.lock().push_back(entry);
        Ok(())
    }

    fn health(&self) -> Health {
        Health::Ready
    }
}
