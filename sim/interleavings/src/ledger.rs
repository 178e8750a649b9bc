//! Several clerks append records while the scribe writes: each record is given back or answered
//! once, what was promised is in the book, and nobody waits for a wake-up that was forgotten.

use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::record::{Fact, Position, Record};
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::ledger::{Entry, Ledger, NotKept};
use morgenruh_engine::shell::scribe::{Desk, Options, open};
use parking_lot::Mutex;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::mpsc::{Receiver, channel};
use shuttle::thread;

use crate::book::Book;
use crate::tally::saw;

const NOON: UnixMillis = UnixMillis(1_796_122_800_000);
const CLERKS: usize = 3;
const RECORDS: usize = 3;
const FATES_MAX: usize = 4;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    GivenBack,
    /// In the queue, and nobody waits for it.
    Queued,
    /// In the queue, and somebody waits.
    Awaited,
    Answered(Result<Position, NotKept>),
}

impl News {
    fn sight(self) -> &'static str {
        match self {
            News::GivenBack => "given back",
            News::Queued => "queued",
            News::Awaited => "left without an answer",
            News::Answered(Ok(_)) => "kept",
            News::Answered(Err(_)) => "not kept",
        }
    }
}

/// By clerk, in the order in which the clerk appended.
type Diary = Arc<Mutex<Vec<Vec<News>>>>;

/// Whether somebody waits for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Strict,
    Relaxed,
}

#[derive(Clone)]
struct Clerk {
    number: usize,
    desk: Desk,
    book: Book,
    diary: Diary,
}

impl Clerk {
    fn work(&self) {
        for _ in 0..RECORDS {
            match thread_rng().gen_range(0..4) {
                0 => drop(self.append(Kind::Relaxed)),
                1 => drop(self.append(Kind::Strict)),
                _ => {
                    if let Some(answer) = self.append(Kind::Strict) {
                        answer.recv().expect("whoever waits is told");
                    }
                }
            }
        }
    }

    /// Appends a record; for a strict one that is in the queue, where its answer comes.
    fn append(&self, kind: Kind) -> Option<Receiver<()>> {
        let place = {
            let news = &mut self.diary.lock()[self.number];
            news.push(News::Queued);
            news.len() - 1
        };
        let id = id_of(self.number, place);
        let fact = match kind {
            Kind::Strict => Fact::Cancelled {
                id,
                origin: id,
                sequence: 0,
            },
            Kind::Relaxed => Fact::Released { id },
        };
        let (tell, told) = channel();
        let clerk = self.clone();
        let done = move |outcome| {
            clerk.hear(place, outcome);
            // Not every clerk waits.
            let _ = tell.send(());
        };
        if kind == Kind::Strict {
            self.note(place, News::Awaited);
        }
        let entry = Entry {
            record: Record { at: NOON, fact },
            done: (kind == Kind::Strict).then(|| Box::new(done) as _),
        };
        if self.desk.append(entry).is_err() {
            self.note(place, News::GivenBack);
            return None;
        }
        (kind == Kind::Strict).then_some(told)
    }

    /// The scribe's word, on the scribe's thread.
    fn hear(&self, place: usize, outcome: Result<Position, NotKept>) {
        assert_eq!(
            self.diary.lock()[self.number][place],
            News::Awaited,
            "a record is answered once"
        );
        assert_eq!(
            self.desk.health().is_ready(),
            outcome.is_ok(),
            "health is that of the last outcome"
        );
        if let Ok(position) = outcome {
            let there = self.book.at(position);
            assert_eq!(
                there,
                Some(id_of(self.number, place)),
                "kept means: in the book"
            );
        }
        self.note(place, News::Answered(outcome));
    }

    fn note(&self, place: usize, news: News) {
        self.diary.lock()[self.number][place] = news;
    }
}

fn id_of(clerk: usize, place: usize) -> ReservationId {
    ReservationId::from_bytes(((clerk as u128) << 64 | place as u128).to_be_bytes())
}

pub fn scene() {
    let mut dice = thread_rng();
    let book = Book::default();
    book.draw_fates(FATES_MAX);
    let options = Options {
        batch_max: dice.gen_range(1..=3),
        queue_max: dice.gen_range(1..=3),
        retry: Duration::ZERO,
        clock: || NOON,
    };
    let (desk, scribe) = open(book.clone(), options).expect("the book can be read");
    let scribe = thread::spawn(move || scribe.run());
    let diary: Diary = Arc::new(Mutex::new(vec![Vec::new(); CLERKS + 1]));
    let clerk = |number| Clerk {
        number,
        desk: desk.clone(),
        book: book.clone(),
        diary: Arc::clone(&diary),
    };
    let clerks: Vec<_> = (0..CLERKS)
        .map(clerk)
        .map(|clerk| thread::spawn(move || clerk.work()))
        .collect();
    for clerk in clerks {
        clerk.join().expect("no clerk panics");
    }
    if dice.gen_bool(0.5) && book.is_calm() {
        health_and_acceptance_agree(&clerk(CLERKS));
    }
    desk.close();
    scribe.join().expect("the scribe does not panic");
    assert!(!desk.health().is_ready(), "a closed ledger is not ready");
    let refused = clerk(CLERKS).append(Kind::Strict).is_none();
    assert!(refused, "a closed ledger takes nothing");
    judge(&diary.lock(), &book);
}

/// Once every write is taken the ledger becomes ready by itself, and what says that it is ready
/// takes strict records.
fn health_and_acceptance_agree(clerk: &Clerk) {
    loop {
        while !clerk.desk.health().is_ready() {
            thread::yield_now();
        }
        // The last failure may only now become known.
        if let Some(answer) = clerk.append(Kind::Strict) {
            answer.recv().expect("whoever waits is told");
            return;
        }
        thread::yield_now();
    }
}

fn judge(diary: &[Vec<News>], book: &Book) {
    let facts = book.facts();
    for (clerk, diary) in diary.iter().enumerate() {
        let position = |place| {
            let is_it = |fact: &ReservationId| *fact == id_of(clerk, place);
            assert!(
                facts.iter().filter(|fact| is_it(fact)).count() <= 1,
                "no record is kept twice"
            );
            facts.iter().position(is_it).map(|index| index as u64 + 1)
        };
        let mut before = 0;
        for (place, news) in diary.iter().enumerate() {
            let position = position(place);
            saw(news.sight());
            match news {
                News::GivenBack | News::Answered(Err(_)) => {
                    assert_eq!(position, None, "{news:?} means: not in the book");
                }
                News::Answered(Ok(told)) => {
                    assert_eq!(position, Some(told.0), "kept where it was said");
                }
                News::Queued | News::Awaited => assert!(
                    book.last_write_failed() || (*news == News::Queued && position.is_some()),
                    "only a journal that fails at the end leaves a record without an answer"
                ),
            }
            if let Some(position) = position {
                assert!(before < position, "the order of appending is kept");
                before = position;
            }
        }
    }
}
