//! What is bookable, as bytes that are re-made only when something changed.
//!
//! Two levels. A *fragment* is one office's day for one kind of need; it is rendered again when
//! its day changed or time alone made it wrong. An *answer* is the whole body for one query; it is
//! put together again from fragments when one of its offices changed. In the quiet between two
//! changes an answer costs a look-up and a reference count.

use std::borrow::Borrow;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderValue;
use bytes::Bytes;
use dashmap::DashMap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use morgenruh_engine::rules::calendar::{DayPlan, UNIT_MINUTES, instant_of};
use morgenruh_engine::rules::catalogue::{Channel, OfficeIndex};
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::day::{Start, Starts};
use morgenruh_engine::rules::need::Need;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::engine::Engine;

use crate::service_keys::Caller;
use crate::texts;

/// Answers to longer query strings are not kept, in bytes.
const KEPT_QUERY_BYTES_MAX: usize = 1_024;

/// The rendered answers.
pub struct Availability {
    fragments: Kept<FragmentKey, Fragment>,
    answers: Kept<String, Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FragmentKey {
    office: OfficeIndex,
    date: Date,
    channel: Channel,
    units: u8,
    counters: CounterSet,
}

/// What one office's day has for one kind of need.
pub(crate) struct Fragment {
    /// The bookable starts, soonest first.
    pub(crate) starts: Vec<UnixMillis>,
    /// Empty when the office is closed on that day.
    json: String,
    changes: u64,
    valid_until: UnixMillis,
}

/// A body and when it stops being true.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) etag: HeaderValue,
    offices: Vec<(OfficeIndex, u64)>,
    valid_until: UnixMillis,
}

/// A query that was understood.
pub(crate) struct Question {
    pub(crate) caller: Caller,
    /// Offices that offer the need, and what it means there.
    pub(crate) offices: Vec<(OfficeIndex, Need)>,
    pub(crate) from: Date,
    pub(crate) to: Date,
}

impl Availability {
    /// Keeps at most `bytes_max` of rendered text, half of it in fragments.
    pub fn new(bytes_max: usize) -> Availability {
        Availability {
            fragments: Kept::new(bytes_max / 2),
            answers: Kept::new(bytes_max / 2),
        }
    }

    /// The answer to a query of the public, if it is known and still true.
    pub(crate) fn known(
        &self,
        engine: &Engine,
        now: UnixMillis,
        query: &str,
    ) -> Option<Arc<Answer>> {
        let answer = self.answers.get(query)?;
        let unchanged =
            |(office, changes): &(OfficeIndex, u64)| engine.office_changes(*office) == *changes;
        (now < answer.valid_until && answer.offices.iter().all(unchanged)).then_some(answer)
    }

    /// Puts the answer together. Kept under `query` for the next one who asks the same.
    pub(crate) fn answer(
        &self,
        engine: &Engine,
        now: UnixMillis,
        query: &str,
        question: &Question,
    ) -> Arc<Answer> {
        let zone = &engine.catalogue().city.zone;
        // Read before the days are: a change in between makes the answer stale, never wrong.
        let offices = question.offices.iter();
        let offices = offices
            .map(|(office, _)| (*office, engine.office_changes(*office)))
            .collect();
        // What "from today" means changes at midnight.
        let midnight = instant_of(zone, engine.date_of(now), 1440);
        let mut answer = Answer {
            body: Bytes::new(),
            etag: HeaderValue::from_static(""),
            offices,
            valid_until: midnight,
        };
        let mut body = String::from("{\"days\":[");
        for date in question.from.series(jiff::Span::new().days(1)) {
            if date > question.to {
                break;
            }
            for (office, need) in &question.offices {
                let channel = question.caller.channel;
                let Some(fragment) = self.fragment(engine, now, *office, date, channel, need)
                else {
                    continue;
                };
                answer.valid_until = answer.valid_until.min(fragment.valid_until);
                if !fragment.json.is_empty() {
                    if !body.ends_with('[') {
                        body.push(',');
                    }
                    body.push_str(&fragment.json);
                }
            }
        }
        body.push_str("]}");
        answer.etag = etag(&body);
        answer.body = Bytes::from(body);
        let answer = Arc::new(answer);
        if question.caller == Caller::PUBLIC && query.len() <= KEPT_QUERY_BYTES_MAX {
            let bytes = query.len() + answer.body.len();
            self.answers.put(query.to_owned(), &answer, bytes);
        }
        answer
    }

    /// One office's day, rendered again only if it changed. None outside of what can be booked.
    pub(crate) fn fragment(
        &self,
        engine: &Engine,
        now: UnixMillis,
        office: OfficeIndex,
        date: Date,
        channel: Channel,
        need: &Need,
    ) -> Option<Arc<Fragment>> {
        if date > engine.horizon(now, engine.catalogue().office(office)) {
            return None;
        }
        let shard = engine.shard(office, date)?;
        let Need {
            units, counters, ..
        } = *need;
        let key = FragmentKey {
            office,
            date,
            channel,
            units,
            counters,
        };
        if let Some(known) = self.fragments.get(&key)
            && known.changes == shard.changes()
            && now < known.valid_until
        {
            return Some(known);
        }
        let catalogue = engine.catalogue();
        let id = &catalogue.office(office).id;
        let fragment = shard.decide(|day| {
            let found = day.starts(now, channel, need);
            let instant = |start: &Start| day.plan().instant(start.unit);
            Fragment {
                starts: found.starts.iter().map(instant).collect(),
                json: render(id, day.plan(), &catalogue.city.zone, &found),
                changes: found.changes,
                valid_until: found.valid_until,
            }
        });
        let fragment = Arc::new(fragment);
        let bytes = fragment.json.len() + fragment.starts.len() * size_of::<UnixMillis>();
        self.fragments.put(key, &fragment, bytes);
        Some(fragment)
    }
}

/// Values by key, up to a number of bytes. When they are used up everything goes at once: what is
/// still asked for is soon back, and nothing needs to be kept in order for that.
struct Kept<K, V> {
    values: DashMap<K, (Arc<V>, usize)>,
    bytes: AtomicUsize,
    bytes_max: usize,
}

/// What a value costs beside its own bytes.
const OVERHEAD_BYTES: usize = 256;

impl<K: Eq + Hash, V> Kept<K, V> {
    fn new(bytes_max: usize) -> Kept<K, V> {
        Kept {
            values: DashMap::new(),
            bytes: AtomicUsize::new(0),
            bytes_max,
        }
    }

    fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.values.get(key).map(|kept| Arc::clone(&kept.0))
    }

    fn put(&self, key: K, value: &Arc<V>, bytes: usize) {
        let bytes = bytes + OVERHEAD_BYTES;
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.bytes_max {
            self.values.clear();
            self.bytes.store(bytes, Ordering::Relaxed);
        }
        if let Some((_, replaced)) = self.values.insert(key, (Arc::clone(value), bytes)) {
            // Never below nothing, whatever was cleared meanwhile.
            let less = |bytes: usize| Some(bytes.saturating_sub(replaced));
            let _ = self
                .bytes
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }
}

/// The JSON of [`morgenruh_wire::AvailableDay`], written straight into its text: a rush re-makes
/// these thousands of times a second. A test holds it against the type.
fn render(office: &str, plan: &DayPlan, zone: &TimeZone, starts: &Starts) -> String {
    let mut json = String::new();
    if !plan.is_open() {
        return json;
    }
    let clock = Clock::of(plan, zone);
    json.reserve(96 + starts.starts.len() * 56);
    // Office ids are slugs and need no escaping.
    let _ = write!(json, "{{\"office\":\"{office}\",\"date\":\"{}\"", plan.date);
    if let Some(until) = starts.sealed_until {
        let _ = write!(json, ",\"sealed_until\":\"{}\"", texts::time(zone, until));
    }
    json.push_str(",\"starts\":[");
    for (position, start) in starts.starts.iter().enumerate() {
        json.push_str(if position == 0 {
            "{\"start\":\""
        } else {
            ",{\"start\":\""
        });
        clock.write(&mut json, start.unit);
        let _ = write!(json, "\",\"free\":{}}}", start.seats);
    }
    json.push_str("]}");
    json
}

/// Writes the times of a day; on all but two days of the year that is plain arithmetic.
struct Clock<'a> {
    plan: &'a DayPlan,
    zone: &'a TimeZone,
    /// Date with `T`, and the offset, where one offset holds all day.
    fixed: Option<(String, String)>,
}

impl Clock<'_> {
    fn of<'a>(plan: &'a DayPlan, zone: &'a TimeZone) -> Clock<'a> {
        let first = texts::time(zone, plan.instant(0));
        let last = texts::time(zone, plan.instant(plan.units));
        let starts_at_midnight = first.get(10..19) == Some("T00:00:00");
        let one_offset = starts_at_midnight && first.get(19..) == last.get(19..);
        let fixed = one_offset.then(|| (first[..11].to_owned(), first[19..].to_owned()));
        Clock { plan, zone, fixed }
    }

    fn write(&self, text: &mut String, unit: u16) {
        match &self.fixed {
            Some((date, offset)) => {
                let minutes = unit * UNIT_MINUTES;
                text.push_str(date);
                for (number, end) in [(minutes / 60, ':'), (minutes % 60, ':')] {
                    text.push(digit(number / 10));
                    text.push(digit(number % 10));
                    text.push(end);
                }
                text.push_str("00");
                text.push_str(offset);
            }
            None => text.push_str(&texts::time(self.zone, self.plan.instant(unit))),
        }
    }
}

fn digit(number: u16) -> char {
    char::from(b'0' + (number % 10) as u8)
}

fn etag(body: &str) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    hasher.write(body.as_bytes());
    let text = format!("\"{:016x}\"", hasher.finish());
    HeaderValue::try_from(text).expect("hexadecimal digits in quotes are a header value")
}
