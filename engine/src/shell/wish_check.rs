//! Re-checks what a data directory says about wishes: a wish is laid first and nothing happens to
//! it after it is forgotten, an offer is answered once, nobody is offered a seat that somebody else
//! has, and who wishes is known exactly until they are forgotten.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{Connection, Row};

use super::sqlite::wishes::parsed;
use super::verify::{Unit, units};
use crate::rules::ids::ReservationId;
use crate::rules::wish::WishId;
use crate::rules::wish::fact::{Contact, WishFact};

/// The wishes as their facts made them, one after the other, and the seats that were booked.
#[derive(Default)]
struct Wishes {
    wishes: BTreeMap<WishId, Wish>,
    /// Which offer has a unit of a counter at this point of the history.
    offered: HashMap<Unit, (WishId, u8)>,
    /// What is booked at this point of the history.
    booked: HashSet<Unit>,
    errors: Vec<String>,
}

#[derive(Default)]
struct Wish {
    is_laid: bool,
    is_forgotten: bool,
    is_booked: bool,
    /// By their numbers.
    offers: HashMap<u8, Offered>,
}

struct Offered {
    seat: ReservationId,
    deadline: i64,
    has_ended: bool,
}

impl Wishes {
    fn happened(&mut self, position: i64, at: i64, id: WishId, fact: &WishFact) {
        let wish = self.wishes.entry(id).or_default();
        let error = match fact {
            WishFact::Laid { .. } if wish.is_laid => Some("was laid twice".into()),
            _ if wish.is_forgotten => Some(format!("fact {position} comes after it was forgotten")),
            WishFact::Laid { .. } => {
                wish.is_laid = true;
                None
            }
            _ if !wish.is_laid => Some(format!("fact {position} comes before it was laid")),
            WishFact::Offered(offer) => {
                let made = Offered {
                    seat: offer.seat,
                    deadline: offer.deadline,
                    has_ended: false,
                };
                let again = wish.offers.insert(offer.number, made).is_some();
                self.offer(at, id, offer.number, offer.seat);
                again.then(|| format!("offer {} was made twice", offer.number))
            }
            WishFact::Prolonged { number, deadline } => match wish.offers.get_mut(number) {
                Some(offer) => {
                    offer.deadline = offer.deadline.max(*deadline);
                    None
                }
                None => Some(format!("offer {number} was never made")),
            },
            WishFact::Declined { number } | WishFact::Lapsed { number } => self.end(id, *number),
            WishFact::Booked { seat, .. } => {
                let has_seat = |(_, offer): &(&u8, &Offered)| offer.seat == *seat;
                wish.is_booked = true;
                // What was booked without asking was never offered.
                let number = wish.offers.iter().find(has_seat).map(|(number, _)| *number);
                number.and_then(|number| self.end(id, number))
            }
            WishFact::Reminded { number } if !wish.offers.contains_key(number) => {
                Some(format!("offer {number} was never made"))
            }
            WishFact::Returned { number } => {
                let was_booked = std::mem::take(&mut wish.is_booked);
                (!was_booked).then(|| format!("seat {number} was given back and not booked"))
            }
            WishFact::Ended { .. } | WishFact::Forgotten => {
                wish.is_forgotten |= *fact == WishFact::Forgotten;
                for (number, offer) in &wish.offers {
                    give_back(&mut self.offered, offer.seat, (id, *number));
                }
                None
            }
            WishFact::Changed { .. }
            | WishFact::Placed { .. }
            | WishFact::Confirmed
            | WishFact::Reminded { .. }
            | WishFact::Told { .. } => None,
        };
        self.errors.extend(error.map(|it| format!("{id:?}: {it}")));
    }

    /// A seat is held for a wish. What has passed its deadline was given back already, even where
    /// the word of it comes later.
    fn offer(&mut self, at: i64, id: WishId, number: u8, seat: ReservationId) {
        let others = units(seat).filter_map(|unit| self.offered.insert(unit, (id, number)));
        let others: Vec<(WishId, u8)> = others.collect();
        let other = others.into_iter().find(|other| self.waits(at, *other));
        if let Some((other, _)) = other {
            self.errors.push(format!(
                "{id:?}: offer {number} was made while its seat was offered to {other:?}"
            ));
        }
        if units(seat).any(|unit| self.booked.contains(&unit)) {
            let error = format!("{id:?}: offer {number} was made of a seat that is booked");
            self.errors.push(error);
        }
    }

    fn waits(&self, at: i64, (id, number): (WishId, u8)) -> bool {
        let offer = self.wishes.get(&id).and_then(|it| it.offers.get(&number));
        offer.is_some_and(|offer| offer.deadline > at)
    }

    /// An offer is answered, or nobody has answered.
    fn end(&mut self, id: WishId, number: u8) -> Option<String> {
        let offer = self.wishes.get_mut(&id)?.offers.get_mut(&number);
        let Some(offer) = offer else {
            return Some(format!("offer {number} was never made"));
        };
        let again = std::mem::replace(&mut offer.has_ended, true);
        give_back(&mut self.offered, offer.seat, (id, number));
        again.then(|| format!("offer {number} ended twice"))
    }

    fn book(&mut self, at: i64, seat: ReservationId) {
        let others = units(seat).filter_map(|unit| self.offered.get(&unit).copied());
        let others: Vec<(WishId, u8)> = others.collect();
        let other = others.into_iter().find(|other| self.waits(at, *other));
        if let Some((id, number)) = other {
            self.errors.push(format!(
                "{id:?}: the seat of offer {number} was booked as {seat:?} while it was open"
            ));
        }
        self.booked.extend(units(seat));
    }

    fn cancel(&mut self, seat: ReservationId) {
        for unit in units(seat) {
            self.booked.remove(&unit);
        }
    }
}

fn give_back(offered: &mut HashMap<Unit, (WishId, u8)>, seat: ReservationId, offer: (WishId, u8)) {
    for unit in units(seat) {
        if offered.get(&unit) == Some(&offer) {
            offered.remove(&unit);
        }
    }
}

/// What is wrong with the wishes.
///
/// # Errors
/// When the tables cannot be read.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    // Tables that an older program has written and no newer one has opened since.
    if !connection.table_exists(None, "wish_facts")? {
        return Ok(Vec::new());
    }
    let mut wishes = Wishes::default();
    let mut lost = 0;
    let mut statement = connection.prepare(
        "SELECT position, ledger.at_ms, wish, wish_facts.fact, event, ledger.fact, reservation,
                successor
           FROM ledger LEFT JOIN wish_facts USING (position)
          WHERE ledger.fact IN ('booked', 'cancelled', 'moved', 'wish') ORDER BY position",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (position, at): (i64, i64) = (row.get(0)?, row.get(1)?);
        let wish: Option<u64> = row.get(2)?;
        let kind = row.get_ref(5)?.as_str()?;
        if let Some(wish) = wish.map(WishId) {
            if let Ok(fact) = parsed::<WishFact>(row, 3) {
                if !agrees(row, wish, &fact)? {
                    wishes.errors.push(format!(
                        "{wish:?}: fact {position} is not what its row or the ledger says"
                    ));
                }
                wishes.happened(position, at, wish, &fact);
            } else {
                let error = format!("fact {position} of a wish cannot be read");
                wishes.errors.push(error);
            }
        } else if kind == "wish" {
            lost += 1;
        }
        if kind != "wish" {
            let seat = ReservationId::from_bytes(row.get(6)?);
            let successor: Option<[u8; 16]> = row.get(7)?;
            if kind != "booked" {
                wishes.cancel(seat);
            }
            let taken = successor.map(ReservationId::from_bytes);
            let taken = taken.or_else(|| (kind == "booked").then_some(seat));
            if let Some(seat) = taken {
                wishes.book(at, seat);
            }
        }
    }
    if lost > 0 {
        let error = format!("{lost} facts of wishes are not in their table");
        wishes.errors.push(error);
    }
    contacts(connection, &mut wishes)?;
    Ok(wishes.errors)
}

/// Whether the columns beside a fact, and the ledger, say the same as the fact.
fn agrees(row: &Row<'_>, id: WishId, fact: &WishFact) -> rusqlite::Result<bool> {
    let (kind, subject): (String, Vec<u8>) = (row.get(5)?, row.get(6)?);
    let successor: Option<Vec<u8>> = row.get(7)?;
    let placed = match fact {
        WishFact::Booked { seat, .. } => match kind.as_str() {
            "booked" => subject == seat.to_bytes(),
            "moved" => successor.is_some_and(|it| it == seat.to_bytes()),
            _ => false,
        },
        _ => kind == "wish" && subject == id.0.to_be_bytes(),
    };
    Ok(placed && row.get_ref(4)?.as_str()? == fact.name())
}

/// Whether the ledger and the table of who wishes have what the facts say, and no more.
fn contacts(connection: &Connection, wishes: &mut Wishes) -> rusqlite::Result<()> {
    let strays = "SELECT count(*) FROM wish_facts WHERE position NOT IN
                         (SELECT position FROM ledger WHERE fact IN ('booked', 'moved', 'wish'))";
    let strays: u64 = connection.query_one(strays, [], |row| row.get(0))?;
    if strays > 0 {
        let error = format!("{strays} facts of wishes are not in the ledger");
        wishes.errors.push(error);
    }
    let mut known = HashSet::new();
    let mut statement = connection.prepare("SELECT wish, contact FROM wishers ORDER BY wish")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = WishId(row.get(0)?);
        known.insert(id);
        if parsed::<Contact>(row, 1).is_err() {
            let error = format!("{id:?}: who laid it cannot be read");
            wishes.errors.push(error);
        }
        let error = match wishes.wishes.get(&id) {
            Some(wish) if wish.is_forgotten => "is forgotten but still knows who laid it",
            Some(wish) if wish.is_laid => continue,
            _ => "was never laid but knows who laid it",
        };
        wishes.errors.push(format!("{id:?}: {error}"));
    }
    for (id, wish) in &wishes.wishes {
        if wish.is_laid && !wish.is_forgotten && !known.contains(id) {
            let error = format!("{id:?}: is not forgotten but nobody knows who laid it");
            wishes.errors.push(error);
        }
    }
    Ok(())
}
