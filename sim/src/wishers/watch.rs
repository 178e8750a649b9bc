//! What everybody can see of wishes and seats, after each thing that happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use morgenruh_engine::rules::catalogue::{Channel, OfficeIndex};
use morgenruh_engine::rules::day::{Rest, State};
use morgenruh_engine::rules::ids::ReservationId;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::agent::{Known, Standing};
use morgenruh_engine::rules::wish::fact::{Offer, WishEnding};
use morgenruh_engine::rules::wish::{Place, Wish, WishId};
use morgenruh_engine::shell::engine::Engine;
use morgenruh_engine::shell::shard::Shard;

use super::{Given, Wished, Wishers, wrong};
use crate::chronicle::Wish as Ask;
use crate::oracle::{Seat, Violation};
use crate::people::{fingerprint, is_as_known};
use crate::town::Town;
use crate::world::World;

/// A wish as its owner sees it.
pub(super) struct Look {
    id: WishId,
    wish: Wish,
    pub(super) place: Place,
    pub(super) standing: Standing,
    offers: u8,
    pub(super) lost: u8,
}

impl Look {
    fn of(id: WishId, known: &Known) -> Look {
        Look {
            id,
            wish: known.wish.clone(),
            place: known.place,
            standing: known.standing,
            offers: known.offers,
            lost: known.lost,
        }
    }
}

fn index_of(known: &Known) -> Option<usize> {
    known.contact.name.parse().ok()
}

impl World {
    /// Looks at everything that may have changed, and whether it may.
    pub fn watch_wishes(&mut self) -> Result<(), Violation> {
        if self.options.town.wishes.is_none() {
            return Ok(());
        }
        let Wishers { open, wished, .. } = &self.wishers;
        // What is being given back just now goes on after whatever is booked meanwhile, or before.
        let is_known = |it: &Wished| it.id.is_some() && !it.may_reopen;
        let known = open.iter().filter(|it| is_known(&wished[**it]));
        let known: Vec<usize> = known.copied().collect();
        let booked = self.see_standings()?;
        self.see_seats(&booked, &known)
    }

    /// As [`World::watch_wishes`], the wishes that are over included.
    pub fn look_at_wishes(&mut self, after_crash: bool) -> Result<(), Violation> {
        if self.options.town.wishes.is_none() {
            return Ok(());
        }
        let Wishers { wished, .. } = &self.wishers;
        let is_over = |it: &Wished| it.standing.is_some_and(Standing::is_over);
        let changed: Vec<(usize, Option<Look>)> = self.engine.look_at_wishes(|agent| {
            let look = |(index, own): (usize, &Wished)| {
                let id = own.id?;
                if own.may_reopen && !after_crash {
                    // It is watched as one that is open.
                    return None;
                }
                match agent.known(id) {
                    Some(known) if !is_over(own) || own.standing == Some(known.standing) => None,
                    known => Some((index, known.map(|known| Look::of(id, known)))),
                }
            };
            wished.iter().enumerate().filter_map(look).collect()
        });
        for (index, look) in changed {
            let wished = &mut self.wishers.wished[index];
            let Some(look) = look else {
                return wrong("I2", (index, "was laid and is forgotten", wished));
            };
            let is_booked = matches!(wished.standing, Some(Standing::Booked { .. }));
            let is_booked = is_booked && !wished.may_reopen;
            if wished.withdrawn || is_booked || !after_crash {
                return wrong("I2", (index, wished.standing, "has become", look.standing));
            }
            // Its end was written down without waiting.
            wished.standing = Some(look.standing);
            (wished.offers, wished.lost) = (look.offers, look.lost);
            wished.place = look.place;
            if !look.standing.is_over() && !self.wishers.open.contains(&index) {
                self.wishers.open.push(index);
            }
        }
        if after_crash {
            self.denied_are_not_there()?;
        }
        Ok(())
    }

    /// What was certainly not kept is not found later.
    fn denied_are_not_there(&self) -> Result<(), Violation> {
        let wished = &self.wishers.wished;
        let found = self.engine.look_at_wishes(|agent| {
            let mut each = agent.each().filter_map(|(_, known)| index_of(known));
            each.find(|index| wished[*index].is_denied)
        });
        match found {
            Some(index) => wrong("I2", (index, "was not laid and is there")),
            None => Ok(()),
        }
    }

    /// Reads how wishes stand. Those that have become bookings.
    fn see_standings(&mut self) -> Result<Vec<usize>, Violation> {
        let mut booked = Vec::new();
        let Wishers { open, wished, .. } = &self.wishers;
        let looks: Vec<(usize, Option<Look>)> = self.engine.look_at_wishes(|agent| {
            let look = |index: &usize| {
                let own = &wished[*index];
                let Some(id) = own.id else {
                    let mut each = agent.each();
                    let (id, known) = each.find(|(_, known)| index_of(known) == Some(*index))?;
                    return Some((*index, Some(Look::of(id, known))));
                };
                match agent.known(id) {
                    Some(known) if own.is_as(known) => None,
                    known => Some((*index, known.map(|known| Look::of(id, known)))),
                }
            };
            open.iter().filter_map(look).collect()
        });
        for (index, look) in looks {
            let Some(look) = look else {
                return wrong("I2", (index, "was laid and is forgotten"));
            };
            self.see_standing(index, &look)?;
            if let Standing::Booked { seat, .. } = look.standing
                && self.wishers.wished[index].booked.replace(seat) != Some(seat)
            {
                booked.push(index);
            }
        }
        let Wishers { open, wished, .. } = &mut self.wishers;
        open.retain(|index| {
            let Wished { id, asked, .. } = &wished[*index];
            let may_be = id.is_none() && asked.is_some();
            wished[*index].is_open() || may_be || wished[*index].may_reopen
        });
        Ok(booked)
    }

    fn see_standing(&mut self, index: usize, look: &Look) -> Result<(), Violation> {
        self.keeps_place(index, look)?;
        let latest = self.now().max(self.chronicle.latest());
        let wished = &mut self.wishers.wished[index];
        wished.id = Some(look.id);
        // Until it is answered, a change may have been made or not.
        if look.wish != wished.wish {
            if wished.changed.as_ref() != Some(&look.wish) {
                return wrong("I2", (index, &wished.wish, "has become", &look.wish));
            }
            if wished.asked.is_none() {
                wished.wish = look.wish.clone();
            }
        }
        if wished.asked.is_none() {
            wished.changed = None;
        }
        let open = match look.standing {
            Standing::Offered(offer) => {
                if offer.number != look.offers || offer.number <= wished.declined {
                    return wrong("I2", (index, "was offered before", offer));
                }
                if !wished.seats.contains(&offer.seat) {
                    wished.seats.push(offer.seat);
                }
                self.tally.offers += u64::from(look.offers > wished.offers);
                1
            }
            Standing::Booked { seat, .. } => {
                if wished.merges && wished.booked != Some(seat) {
                    return wrong("I1", (index, "a person is booked twice", seat));
                }
                if !look.wish.auto_accept && !wished.may_accept {
                    return wrong("I1", (index, "was booked unasked", seat));
                }
                if !wished.seats.contains(&seat) {
                    wished.seats.push(seat);
                }
                1
            }
            Standing::Waiting | Standing::Undrawn | Standing::Asleep => 0,
            _ => look.offers.saturating_sub(look.lost),
        };
        // An offer ends once.
        if look.offers != look.lost + open || open > 1 {
            return wrong("I6", (index, look.standing, look.offers, look.lost));
        }
        let before = wished.standing.replace(look.standing);
        let was_booked = matches!(before, Some(Standing::Booked { .. }));
        if was_booked && !matches!(look.standing, Standing::Booked { .. }) {
            if !wished.may_reopen {
                return wrong("I2", (index, "was booked and is", look.standing));
            }
            if look.place != wished.place {
                return wrong("I4", (index, "waits on at", look.place, wished.place));
            }
            self.tally.seats_returned += 1;
        }
        if look.standing == Standing::Waiting {
            wished.may_reopen = false;
            let is_drawn = before == Some(Standing::Undrawn);
            let moves = look.place != wished.place && !is_drawn;
            let sleeps = before == Some(Standing::Asleep) || moves;
            if sleeps && look.lost >= wished.lost && !wished.may_wake {
                return wrong("I4", (index, "waits although nobody says so", before));
            }
        }
        if look.standing == Standing::Asleep && before != Some(Standing::Deciding) {
            wished.may_wake = false;
        }
        let lapsed = look.lost > wished.lost;
        self.tally.offers_lapsed += u64::from(lapsed && look.place != wished.place);
        if let (Some(Standing::Offered(old)), Standing::Offered(new)) = (before, look.standing)
            && old.number == new.number
        {
            self.tally.offers_untold += u64::from(old.deadline < new.deadline);
        }
        let is_drawn = before == Some(Standing::Undrawn) && look.standing == Standing::Waiting;
        self.tally.wishes_drawn += u64::from(is_drawn);
        wished.place = look.place;
        (wished.offers, wished.lost) = (look.offers, look.lost);
        if let Standing::Ended(how) = look.standing {
            let count = match how {
                WishEnding::Merged => &mut self.tally.wishes_merged,
                WishEnding::Outdated => &mut self.tally.wishes_outdated,
                WishEnding::UsedUp => &mut self.tally.wishes_used_up,
                WishEnding::Overtaken => &mut self.tally.wishes_overtaken,
                WishEnding::Withdrawn => return Ok(()),
            };
            *count += 1;
            if how == WishEnding::Outdated && latest < Town::instant(0, 0) {
                return wrong("I3", (index, "was outdated early"));
            }
        }
        if before != Some(look.standing) {
            self.trace.note("stands", index, u64::from(look.offers));
        }
        Ok(())
    }

    /// Reads who has which seat, and tells the oracle.
    fn see_seats(&mut self, booked: &[usize], known: &[usize]) -> Result<(), Violation> {
        let mut there: BTreeMap<ReservationId, UnixMillis> = BTreeMap::new();
        let mut looked = Vec::new();
        for (office, day) in self.days() {
            let Some(shard) = self.engine.shard(OfficeIndex(office), Town::date(day)) else {
                continue;
            };
            let changes = shard.changes();
            if self.wishers.seen.insert((office, day), changes) == Some(changes) {
                continue;
            }
            looked.push((office, day));
            shard.decide(|day| {
                for it in day.reservations().filter(|it| it.channel == Channel::Agent) {
                    if let State::Held(terms) | State::Confirming(terms, _) = it.state {
                        there.insert(it.id, terms.deadline);
                    }
                }
            });
            self.see_rests(office, day);
        }
        for index in booked {
            self.has_booked(*index, known)?;
        }
        let is_looked_at = |seat: &ReservationId| {
            let at = Seat::of(*seat);
            looked.contains(&(at.office, at.day))
        };
        let gone: Vec<(ReservationId, Given)> = self
            .wishers
            .seats
            .iter()
            .filter(|(seat, _)| is_looked_at(seat) && !there.contains_key(seat))
            .map(|(seat, given)| (*seat, *given))
            .collect();
        for (seat, given) in gone {
            self.wishers.seats.remove(&seat);
            self.chronicle.asked(given.claim, Ask::Release);
            self.chronicle.done(given.claim, Ask::Release);
            self.oracle.offer_ended(given.claim);
        }
        for seat in there.into_keys() {
            if !self.wishers.seats.contains_key(&seat) {
                self.was_given(seat)?;
            }
        }
        self.has_its_seat()
    }

    /// Whoever is offered a seat has it, and nobody else's is held for nobody.
    fn has_its_seat(&mut self) -> Result<(), Violation> {
        let latest = self.now().max(self.chronicle.latest());
        for index in &self.wishers.open {
            let Some(Standing::Offered(Offer { seat, deadline, .. })) =
                self.wishers.wished[*index].standing
            else {
                continue;
            };
            let has = self.wishers.seats.get(&seat).map(|given| given.of);
            if has != Some(*index) && !self.wishers.lost_seats.contains(&seat) {
                if latest < UnixMillis(deadline) {
                    return wrong("I2", (index, "has lost what it is offered", seat, has));
                }
                self.wishers.lost_seats.insert(seat);
            }
        }
        for (seat, given) in &self.wishers.seats {
            let is_for = match self.wishers.wished[given.of].standing {
                Some(Standing::Offered(offer)) => offer.seat == *seat,
                Some(Standing::Deciding) => true,
                _ => false,
            };
            if !is_for {
                let standing = self.wishers.wished[given.of].standing;
                return wrong("I6", (seat, "is held for nobody", given, standing));
            }
        }
        Ok(())
    }

    /// A seat is held for a wish that was not.
    fn was_given(&mut self, id: ReservationId) -> Result<(), Violation> {
        let secret = {
            let shard = self.shard_of(id);
            shard.and_then(|it| it.decide(|day| day.reservation(id).map(|it| it.secret)))
        };
        let is_for = |index: &usize| {
            let wished = &self.wishers.wished[*index];
            match wished.standing {
                Some(Standing::Offered(offer)) => offer.seat == id,
                Some(Standing::Deciding) => {
                    let number = wished.offers.saturating_add(1);
                    Some(wished.secret.of_offer(number).digest()) == secret
                }
                _ => false,
            }
        };
        let Some(of) = self.wishers.open.iter().copied().find(is_for) else {
            return wrong("I6", (id, "is held for nobody"));
        };
        let (now, seat) = (self.now().0, Seat::of(id));
        let standing = self.wishers.wished[of].standing;
        let again = matches!(standing, Some(Standing::Offered(_)));
        let claim = self.oracle.offered(now, seat, again)?;
        self.chronicle.held(seat, i64::MAX / 2);
        let wished = &self.wishers.wished[of];
        if wished.wish.auto_accept && !again {
            self.oracle.asks_confirmation(claim, now);
            self.chronicle.asked(claim, Ask::Confirm);
        }
        self.wishers.seats.insert(id, Given { claim, of });
        self.trace.note("given", of, fingerprint(id));
        Ok(())
    }

    /// Reads which seats of a day rest.
    pub fn see_rests(&mut self, office: u16, day: u16) {
        if self.options.town.wishes.is_none() {
            return;
        }
        let Some(shard) = self.engine.shard(OfficeIndex(office), Town::date(day)) else {
            return;
        };
        let changes = shard.changes();
        if self.wishers.rested.insert((office, day), changes) == Some(changes) {
            return;
        }
        let (oracle, tally) = (&mut self.oracle, &mut self.tally);
        shard.decide(|day| {
            for Rest { seat, until } in day.rests() {
                let id = ReservationId::new(*seat, 0, 0);
                let is_new = oracle.rests(Seat::of(id), until.0);
                tally.rests += u64::from(is_new);
            }
        });
    }

    /// The bookings that came of wishes while their person had another one.
    pub fn look_at_kept(&mut self) -> Result<(), Violation> {
        for visit in &self.wishers.kept {
            match self.engine.booking(visit.origin, visit.manage) {
                Ok(booking) => is_as_known(&booking, *visit)?,
                Err(refusal) => return wrong("I2", (visit, refusal)),
            }
        }
        Ok(())
    }

    /// The engine is there again.
    pub fn wishes_recovered(
        &mut self,
        rests: &[(ReservationId, UnixMillis)],
    ) -> Result<(), Violation> {
        if self.options.town.wishes.is_none() {
            return Ok(());
        }
        self.wishers.seen.clear();
        self.wishers.rested.clear();
        self.oracle.forget_rests();
        let now = self.now();
        for (id, until) in rests.iter().filter(|(_, until)| *until > now) {
            self.oracle.rests(Seat::of(*id), until.0);
        }
        self.look_at_wishes(true)?;
        self.watch_wishes()?;
        Ok(())
    }

    pub(super) fn shard_of(&self, id: ReservationId) -> Option<Arc<Shard>> {
        let seat = Seat::of(id);
        self.engine
            .shard(OfficeIndex(seat.office), Town::date(seat.day))
    }

    /// Both engines, put together from the same memory, know the same wishes.
    pub fn wish_image(engine: &Engine) -> Vec<(WishId, Standing, Place, u8, u8)> {
        engine.look_at_wishes(|agent| {
            let each = agent.each();
            let mut image: Vec<_> = each
                .map(|(id, it)| (id, it.standing, it.place, it.offers, it.lost))
                .collect();
            image.sort_unstable_by_key(|(id, ..)| *id);
            image
        })
    }
}
