//! A record as one line of JSON: what a stream keeps, readable for people too.
//!
//! Ids are written as in the API, digests in hexadecimal digits, services as in the tables.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::rules::catalogue::Channel;
use crate::rules::ids::{Digest, ReservationId};
use crate::rules::need::Services;
use crate::rules::record::{Booked, Confirmed, Contract, Fact, Person, Record};
use crate::rules::release::ReleaseId;
use crate::rules::release::fact::ReleaseFact;
use crate::rules::room::fact::RoomFact;
use crate::rules::room::{RoomId, TicketId};
use crate::rules::time::UnixMillis;
use crate::rules::wish::WishId;
use crate::rules::wish::fact::WishFact;

/// Why a line is not a record: the field, or what the JSON reader says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record that this program knows: {0}")]
pub struct Unreadable(String);

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    fact: Cow<'a, str>,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    successor: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    services: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manage: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<Visitor<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<TicketLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identities: Vec<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Cow<'a, RoomFact>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decision: Option<Cow<'a, ReleaseFact>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wish: Option<WishId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of_wish: Option<Cow<'a, WishFact>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketLine {
    room: u32,
    seq: u32,
}

impl TicketLine {
    fn of(ticket: TicketId) -> TicketLine {
        TicketLine {
            room: ticket.room.to_bits(),
            seq: ticket.seq,
        }
    }

    fn into_ticket(self) -> TicketId {
        TicketId {
            room: RoomId::from_bits(self.room),
            seq: self.seq,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Visitor<'a> {
    name: Cow<'a, str>,
    email: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    answers: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

/// An id or a digest as text: so short that it needs no memory of its own.
#[derive(Clone, Copy, Default)]
struct Text {
    length: usize,
    bytes: [u8; TEXT_BYTES_MAX],
}

/// Length of a digest in hexadecimal digits, the longest of them.
const TEXT_BYTES_MAX: usize = 32;

impl Text {
    fn of(text: &[u8]) -> Text {
        let mut bytes = [0; TEXT_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text);
        let length = text.len();
        Text { length, bytes }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_str(ReadText)
    }
}

struct ReadText;

impl serde::de::Visitor<'_> for ReadText {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    /// What is longer is no text of ours; as an empty one it is refused like any other.
    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        let fits = text.len() <= TEXT_BYTES_MAX;
        Ok(if fits {
            Text::of(text.as_bytes())
        } else {
            Text::default()
        })
    }
}

/// Length of most lines, in bytes.
const LINE_BYTES: usize = 512;

/// The line of a record.
pub fn write(at: UnixMillis, fact: &Fact) -> Vec<u8> {
    let mut line = Vec::with_capacity(LINE_BYTES);
    append(&mut line, at, fact);
    line
}

/// Writes the line of a record behind what is there.
pub fn append(text: &mut Vec<u8>, at: UnixMillis, fact: &Fact) {
    let mut line = Line {
        fact: fact.name().into(),
        at: at.0,
        id: fact.reservation().map(id_text),
        ..Line::default()
    };
    match fact {
        Fact::Held {
            services,
            channel,
            secret,
            deadline,
            ticket,
            ..
        } => {
            line.services = Some(services.to_string());
            line.channel = Some(*channel as u8);
            line.secret = Some(hex(*secret));
            line.deadline = Some(deadline.0);
            line.ticket = ticket.map(TicketLine::of);
        }
        Fact::Extended { deadline, .. } | Fact::Stretched { deadline, .. } => {
            line.deadline = Some(deadline.0);
        }
        Fact::Released { .. } | Fact::Expired { .. } => {}
        Fact::Booked(booked) => {
            line.confirmed(&booked.confirmed);
            line.idempotency_key = booked.idempotency_key.map(hex);
            line.person = Some(Visitor::of(&booked.person));
            line.ticket = booked.ticket.map(TicketLine::of);
            line.identities = booked.identities.iter().copied().map(hex).collect();
            line.wish = booked.wish;
        }
        Fact::Cancelled {
            origin, sequence, ..
        } => {
            line.origin = Some(id_text(*origin));
            line.sequence = Some(*sequence);
        }
        Fact::Moved { to, wish, .. } => {
            line.confirmed(to);
            line.successor = Some(id_text(to.id));
            line.wish = *wish;
        }
        Fact::Rested { until, .. } => line.deadline = Some(until.0),
        Fact::Wish { wish, fact } => {
            line.wish = Some(*wish);
            line.of_wish = Some(Cow::Borrowed(fact));
        }
        Fact::Room { room, fact } => {
            line.room = Some(room.to_bits());
            line.event = Some(Cow::Borrowed(fact));
        }
        Fact::Release { release, fact } => {
            line.release = Some(release.to_bits());
            line.decision = Some(Cow::Borrowed(fact));
        }
    }
    serde_json::to_writer(text, &line).expect("numbers and texts are always JSON");
}

/// The record of a line.
///
/// # Errors
/// [`Unreadable`]
pub fn read(line: &[u8]) -> Result<Record, Unreadable> {
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|error| Unreadable(error.to_string()))?;
    let at = UnixMillis(line.at);
    if line.fact == "room" {
        let fact = line.event.ok_or_else(|| missing("event"))?.into_owned();
        let fact = Fact::Room {
            room: RoomId::from_bits(line.room.ok_or_else(|| missing("room"))?),
            fact: Box::new(fact),
        };
        return Ok(Record { at, fact });
    }
    if line.fact == "release" {
        let fact = line.decision.ok_or_else(|| missing("decision"))?;
        let fact = Fact::Release {
            release: ReleaseId::from_bits(line.release.ok_or_else(|| missing("release"))?),
            fact: Box::new(fact.into_owned()),
        };
        return Ok(Record { at, fact });
    }
    if line.fact == "wish" {
        let fact = line.of_wish.ok_or_else(|| missing("of_wish"))?.into_owned();
        let fact = Fact::Wish {
            wish: line.wish.ok_or_else(|| missing("wish"))?,
            fact: Box::new(fact),
        };
        return Ok(Record { at, fact });
    }
    let id = id("id", line.id.as_ref())?;
    let fact = match line.fact.as_ref() {
        "held" => Fact::Held {
            id,
            services: line.services()?,
            channel: line.channel()?,
            secret: digest("secret", line.secret.as_ref())?,
            deadline: line.deadline()?,
            ticket: line.ticket.map(TicketLine::into_ticket),
        },
        "extended" => Fact::Extended {
            id,
            deadline: line.deadline()?,
        },
        "stretched" => Fact::Stretched {
            id,
            deadline: line.deadline()?,
        },
        "released" => Fact::Released { id },
        "expired" => Fact::Expired { id },
        "booked" => Fact::Booked(Box::new(Booked {
            confirmed: line.read_confirmed(id)?,
            identities: line
                .identities
                .iter()
                .map(|text| digest("identities", Some(text)))
                .collect::<Result<_, _>>()?,
            ticket: line.ticket.map(TicketLine::into_ticket),
            wish: line.wish,
            idempotency_key: line
                .idempotency_key
                .as_ref()
                .map(|key| digest("idempotency_key", Some(key)))
                .transpose()?,
            person: line.person.ok_or_else(|| missing("person"))?.into_person(),
        })),
        "cancelled" => Fact::Cancelled {
            id,
            origin: line.origin()?,
            sequence: line.sequence.ok_or_else(|| missing("sequence"))?,
        },
        "moved" => Fact::Moved {
            from: id,
            to: Box::new(line.read_confirmed(self::id("successor", line.successor.as_ref())?)?),
            wish: line.wish,
        },
        "rested" => Fact::Rested {
            id,
            until: line.deadline()?,
        },
        other => return Err(Unreadable(format!("fact {other:?}"))),
    };
    Ok(Record { at, fact })
}

impl Line<'_> {
    fn confirmed(&mut self, confirmed: &Confirmed) {
        let Confirmed {
            services,
            channel,
            start,
            end,
            secret,
            contract,
            ..
        } = confirmed;
        self.services = Some(services.to_string());
        self.channel = Some(*channel as u8);
        self.start = Some(start.0);
        self.end = Some(end.0);
        self.secret = Some(hex(*secret));
        self.origin = Some(id_text(contract.origin));
        self.manage = Some(hex(contract.manage));
        self.request = Some(hex(contract.request));
        self.sequence = Some(contract.sequence);
    }

    fn read_confirmed(&self, id: ReservationId) -> Result<Confirmed, Unreadable> {
        Ok(Confirmed {
            id,
            services: self.services()?,
            channel: self.channel()?,
            start: UnixMillis(self.start.ok_or_else(|| missing("start"))?),
            end: UnixMillis(self.end.ok_or_else(|| missing("end"))?),
            secret: digest("secret", self.secret.as_ref())?,
            contract: Contract {
                origin: self.origin()?,
                manage: digest("manage", self.manage.as_ref())?,
                request: digest("request", self.request.as_ref())?,
                sequence: self.sequence.ok_or_else(|| missing("sequence"))?,
            },
        })
    }

    fn origin(&self) -> Result<ReservationId, Unreadable> {
        id("origin", self.origin.as_ref())
    }

    fn services(&self) -> Result<Services, Unreadable> {
        let services = self.services.as_deref().and_then(|it| it.parse().ok());
        services.ok_or_else(|| missing("services"))
    }

    fn channel(&self) -> Result<Channel, Unreadable> {
        let channel = self
            .channel
            .and_then(|number| Channel::EACH.get(usize::from(number)));
        channel.copied().ok_or_else(|| missing("channel"))
    }

    fn deadline(&self) -> Result<UnixMillis, Unreadable> {
        self.deadline
            .map(UnixMillis)
            .ok_or_else(|| missing("deadline"))
    }
}

impl<'a> Visitor<'a> {
    fn of(person: &'a Person) -> Visitor<'a> {
        let answers = person.answers.iter();
        Visitor {
            name: Cow::from(&person.name),
            email: Cow::from(&person.email),
            phone: person.phone.as_ref().map(Cow::from),
            answers: answers.map(|(q, a)| (Cow::from(q), Cow::from(a))).collect(),
        }
    }

    fn into_person(self) -> Person {
        let answers = self.answers.into_iter();
        Person {
            name: self.name.into_owned(),
            email: self.email.into_owned(),
            phone: self.phone.map(Cow::into_owned),
            answers: answers
                .map(|(question, answer)| (question.into_owned(), answer.into_owned()))
                .collect(),
        }
    }
}

fn missing(field: &str) -> Unreadable {
    Unreadable(format!("{field} is missing or wrong"))
}

fn hex(digest: Digest) -> Text {
    let mut text = [0; 32];
    HEXLOWER.encode_mut(&digest.0, &mut text);
    Text::of(&text)
}

fn id_text(id: ReservationId) -> Text {
    let mut text = [0; 22];
    BASE64URL_NOPAD.encode_mut(&id.to_bytes(), &mut text);
    Text::of(&text)
}

fn digest(field: &str, text: Option<&Text>) -> Result<Digest, Unreadable> {
    let bytes = text.and_then(|text| HEXLOWER.decode(text.as_str().as_bytes()).ok());
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(Digest).ok_or_else(|| missing(field))
}

fn id(field: &str, text: Option<&Text>) -> Result<ReservationId, Unreadable> {
    let id = text.and_then(|text| text.as_str().parse().ok());
    id.ok_or_else(|| missing(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ids::Secret;
    use crate::rules::room::draw::DrawSecret;
    use crate::rules::time::DayNumber;
    use crate::rules::wish::fact::{Contact, Notify, WishEnding};
    use crate::rules::wish::windows::Windows;
    use crate::rules::wish::{Instead, Place, Wish};

    fn digest(byte: u8) -> Digest {
        Digest([byte; 16])
    }

    fn facts() -> Vec<Fact> {
        let id = |byte| ReservationId::from_bytes([byte; 16]);
        let services = Services::collect([(7, 2), (300, 1)]).unwrap();
        let confirmed = Confirmed {
            id: id(2),
            services,
            channel: Channel::WalkIn,
            start: UnixMillis(1_796_122_800_000),
            end: UnixMillis(1_796_123_700_000),
            secret: digest(1),
            contract: Contract {
                origin: id(1),
                manage: digest(2),
                request: digest(3),
                sequence: 4,
            },
        };
        let person = Person {
            name: "Zoë \"Z\" Müller\n".into(),
            email: "zoe@example.org".into(),
            phone: None,
            answers: [("kennzeichen".into(), "D-Ö 1".into())].into(),
        };
        let deadline = UnixMillis(-1);
        let ticket = TicketId {
            room: RoomId::from_bits(0xffff_2667),
            seq: u32::MAX,
        };
        vec![
            Fact::Held {
                id: id(1),
                services,
                channel: Channel::CallCentre,
                secret: digest(9),
                deadline,
                ticket: None,
            },
            Fact::Extended {
                id: id(1),
                deadline,
            },
            Fact::Stretched {
                id: id(1),
                deadline,
            },
            Fact::Released { id: id(1) },
            Fact::Expired { id: id(1) },
            Fact::Booked(Box::new(Booked {
                confirmed: confirmed.clone(),
                person: person.clone(),
                idempotency_key: Some(digest(5)),
                ticket: None,
                identities: Vec::new(),
                wish: None,
            })),
            Fact::Booked(Box::new(Booked {
                confirmed: confirmed.clone(),
                person: Person {
                    phone: Some("+49 211 1".into()),
                    answers: BTreeMap::new(),
                    ..person
                },
                idempotency_key: None,
                ticket: Some(ticket),
                identities: vec![digest(6), digest(7)],
                wish: Some(WishId(3)),
            })),
            Fact::Cancelled {
                id: id(2),
                origin: id(1),
                sequence: 5,
            },
            Fact::Moved {
                from: id(1),
                to: Box::new(confirmed.clone()),
                wish: None,
            },
            Fact::Moved {
                from: id(1),
                to: Box::new(confirmed),
                wish: Some(WishId(u64::MAX)),
            },
            Fact::Rested {
                id: id(1),
                until: deadline,
            },
            Fact::Wish {
                wish: WishId(8),
                fact: Box::new(WishFact::Laid {
                    place: Place {
                        since: 7,
                        position: 9,
                    },
                    wish: Wish {
                        services,
                        offices: vec![1, 65_535],
                        windows: Windows::NEVER.with(0, 8, 12),
                        from: DayNumber(9_900),
                        until: DayNumber(9_930),
                        notice_minutes: 60,
                        auto_accept: true,
                        instead_of: Some(Instead { booking: id(4) }),
                    },
                    ticket: Some(ticket),
                    contact: Some(Box::new(Contact {
                        name: "Zoë \"Z\" Müller".into(),
                        email: "zoe@example.org".into(),
                        phone: None,
                        answers: BTreeMap::new(),
                        language: "de-leicht".into(),
                        notify: Notify::Webhook("https://example.org/hook".into()),
                        secret: Secret([7; 16]),
                    })),
                }),
            },
            Fact::Wish {
                wish: WishId(8),
                fact: Box::new(WishFact::Ended {
                    how: WishEnding::Outdated,
                }),
            },
            Fact::Held {
                id: id(1),
                services,
                channel: Channel::Public,
                secret: digest(9),
                deadline,
                ticket: Some(ticket),
            },
            Fact::Room {
                room: ticket.room,
                fact: Box::new(RoomFact::Left { seq: ticket.seq }),
            },
            Fact::Release {
                release: ReleaseId::from_bits(0xffff_2667_05a0),
                fact: Box::new(ReleaseFact::Announced {
                    secret: DrawSecret([0xab; 32]),
                    rules: "{\"a\":1}".into(),
                }),
            },
        ]
    }

    #[test]
    fn every_record_survives_the_round_trip() {
        for fact in facts() {
            let at = UnixMillis(1_796_122_800_123);
            let line = write(at, &fact);
            let record = read(&line).unwrap();
            assert_eq!(record.at, at);
            assert_eq!(write(record.at, &record.fact), line);
            let shape = |fact: &Fact| format!("{fact:?}");
            assert_eq!(shape(&record.fact), shape(&fact));
            if let (Fact::Booked(read), Fact::Booked(written)) = (&record.fact, &fact) {
                assert_eq!(read.person, written.person);
            }
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        for (line, complaint) in [
            (
                r#"{"fact":"held","at":1,"id":"x"}"#,
                "id is missing or wrong",
            ),
            (r#"{"fact":"held","at":1}"#, "id is missing or wrong"),
            (
                r#"{"fact":"room","at":1,"room":7}"#,
                "event is missing or wrong",
            ),
            (
                r#"{"fact":"room","at":1,"event":{"event":"left","seq":1}}"#,
                "room is missing or wrong",
            ),
            (
                r#"{"fact":"held","at":1,"id":"","more":1}"#,
                "unknown field `more`",
            ),
        ] {
            let told = read(line.as_bytes()).unwrap_err().to_string();
            assert!(told.contains(complaint), "{told}");
        }
        let whole = String::from_utf8(write(UnixMillis(0), &facts()[5])).unwrap();
        for (from, to) in [
            ("\"services\":\"7:2", "\"services\":\"7"),
            ("\"booked\"", "\"bocked\""),
        ] {
            assert!(read(whole.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
