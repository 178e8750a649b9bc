//! Somebody with a wish: looks at it, answers what is offered, until it is over.

use std::time::{Duration, Instant};

use morgenruh_wire::{Booking, Wish, WishOffer};
use tokio::time::sleep;

use super::citizen::{Mine, Stranded, UNFORESEEN, UNREADABLE, Visit, office_number};
use super::course::{How, OfferEnd};
use super::fairness::{Given, Spell};
use super::plan::Answer;
use super::time::{MINUTE, Second, after_waking, awake};
use super::town::OFFICES;
use crate::api::Reply;

/// How often people look at a wish. What they are offered reaches them when it is made, as by a
/// mail: this only says how late the tool notices.
const LOOK_EVERY: Second = 10 * MINUTE;

/// How often, and after what pause, a request is sent again to which the service has said "later".
const AGAIN_MAX: u32 = 500;
const AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Somebody with a wish.
pub(super) struct Stay<'v> {
    visit: &'v Visit<'v>,
    /// By position in the course.
    number: usize,
    id: String,
    token: String,
    current: Option<Current>,
    offers: u32,
    /// The booking that an acceptance was answered with.
    accepted: Option<Booking>,
    /// Offers that have ended without a booking.
    over: Vec<String>,
    /// When its owner says that it still stands after an offer was lost.
    wakes: Option<Second>,
    /// Since when it waits as the service says, and from when on that was certain.
    waits: (Second, Second),
}

/// The offer that is open as far as its owner knows.
struct Current {
    /// By position in the course.
    offer: usize,
    id: String,
    deadline: Second,
    answer: Answer,
    /// When it is answered.
    at: Option<Second>,
}

impl<'v> Stay<'v> {
    /// `number` is the wish's position in the course.
    pub(super) fn new(visit: &'v Visit<'v>, number: usize, laid: &Wish) -> Self {
        Self {
            visit,
            number,
            id: laid.id.clone(),
            token: laid.manage_token.clone().unwrap_or_default(),
            current: None,
            offers: 0,
            accepted: None,
            over: Vec::new(),
            wakes: None,
            waits: (Second::MIN, Second::MIN),
        }
    }

    /// From when it certainly waited. What the service says began when it was asked for, and took
    /// effect when the ledger had it: that is certain from the first answer that shows it.
    fn waits_from(&mut self, since: Second, asked: Second) -> Second {
        if self.waits.0 != since {
            self.waits = (since, asked);
        }
        self.waits.1
    }

    /// Until it is over, or the run is.
    pub(super) async fn on(mut self) -> Result<Option<Mine>, Stranded> {
        let world = self.visit.world;
        loop {
            let look = self.next_look();
            let answers = self.current.as_ref().and_then(|current| current.at);
            let acts = answers.into_iter().chain(self.wakes);
            let next = acts.fold(look, Second::min);
            if next >= world.until {
                world.clock.reach(world.until).await;
                return Ok(None);
            }
            let intended = world.clock.reach(next).await;
            if answers.is_some_and(|at| at <= next) {
                self.answer(intended).await?;
            } else if self.wakes.is_some_and(|at| at <= next) {
                self.still_wishes(intended).await?;
            }
            // What it says was still so when it was asked, whenever the answer comes.
            let asked = self.visit.now();
            let seen = world.api.look_at_wish(intended, &self.id, &self.token);
            let seen = match seen.await {
                Reply::Done(seen) => seen,
                Reply::Refused(_) => continue,
                Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
            };
            let since = world.clock.read(&seen.status_since).ok_or(UNREADABLE)?;
            match seen.status.as_str() {
                "waiting" => {
                    self.over_by_now();
                    world.notebook.pages().sleeps(self.number, false);
                    let spell = Spell {
                        from: self.waits_from(since, asked),
                        until: asked,
                        place: self.place(&seen)?,
                    };
                    world.notebook.pages().waits(self.number, spell);
                }
                "asleep" => {
                    self.over_by_now();
                    world.notebook.pages().sleeps(self.number, true);
                }
                "offered" => {
                    if let Some(offer) = &seen.offer {
                        self.offered(since, self.place(&seen)?, offer)?;
                    }
                }
                "booked" => {
                    let mine = self.booked(since, &seen).await?;
                    if !self.gives_back(&mine, seen.returnable).await? {
                        return Ok(Some(mine));
                    }
                }
                "ended" => {
                    self.over_by_now();
                    self.ended();
                    return Ok(None);
                }
                _ => {}
            }
        }
    }

    /// At night nobody looks, and in the morning not all at once.
    fn next_look(&self) -> Second {
        let look = self.visit.now() + LOOK_EVERY;
        match awake(look) {
            morning if morning > look => {
                let spread = i64::from(self.visit.citizen.number) * 7 % LOOK_EVERY;
                morning + spread
            }
            look => look,
        }
    }

    /// From when its place counts.
    fn place(&self, seen: &Wish) -> Result<Second, Stranded> {
        let place = self.visit.world.clock.read(&seen.place.since);
        place.ok_or(UNREADABLE)
    }

    fn ended(&self) {
        let mut pages = self.visit.world.notebook.pages();
        pages.course.wishes[self.number].ended = true;
        if let Some(booking) = &self.accepted {
            pages.broken(|| format!("{} was accepted, and its wish ended", booking.code));
        }
    }

    /// Another offer than before is open.
    fn offered(&mut self, made: Second, place: Second, offer: &WishOffer) -> Result<(), Stranded> {
        let clock = self.visit.world.clock;
        let deadline = clock.read(&offer.deadline).ok_or(UNREADABLE)?;
        if let Some(current) = &mut self.current
            && current.id == offer.id
        {
            current.deadline = deadline;
            return Ok(());
        }
        self.over_by_now();
        let start = clock.read(&offer.start).ok_or(UNREADABLE)?;
        let habits = &self.visit.world.habits;
        let citizen = self.visit.citizen;
        let answer = citizen.answer(habits, self.offers);
        let reminder = offer.reminder.as_deref().and_then(|at| clock.read(at));
        let reminded = reminder.zip(citizen.reminded(habits, self.offers));
        let reminded = reminded.map(|(told, after)| after_waking(told, after));
        // Whoever would not answer in time may when they are told once more.
        let at = answer.at(made);
        let at = match at.filter(|at| *at < deadline) {
            Some(in_time) => Some(in_time),
            None => at.into_iter().chain(reminded).min(),
        };
        self.offers += 1;
        self.wakes = None;
        let mut pages = self.visit.world.notebook.pages();
        let number = pages.offered(made, start);
        pages.given(self.number, given(made, place, &offer.office, start));
        if self.over.contains(&offer.id) {
            pages.broken(|| format!("the offer {} came back to life", offer.id));
        }
        self.current = Some(Current {
            offer: number,
            id: offer.id.clone(),
            deadline,
            answer,
            at,
        });
        Ok(())
    }

    /// The offer that was open is so no more, and nobody has answered it.
    fn over_by_now(&mut self) {
        let Some(current) = self.current.take() else {
            return;
        };
        let end = match current.at {
            Some(_) => OfferEnd::Late,
            None => OfferEnd::Unseen,
        };
        // Whoever comes too late sees it then; others may look at what they are told now.
        let (citizen, habits) = (self.visit.citizen, &self.visit.world.habits);
        let wakes = || {
            let after = citizen.wakes(habits, self.offers)?;
            Some(after_waking(current.deadline, after))
        };
        self.wakes = current.at.or_else(wakes);
        self.over.push(current.id);
        self.visit.world.notebook.pages().ended(current.offer, end);
    }

    /// Accepts or declines, or both at once.
    async fn answer(&mut self, intended: Instant) -> Result<(), Stranded> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let answer = current.answer;
        if answer.confused && !answer.accepts {
            let (accepted, declined) = tokio::join!(
                self.accept(intended, &current),
                self.decline(intended, &current)
            );
            let (accepted, declined) = (accepted?, declined?);
            let both = accepted.is_some() && declined;
            if both {
                let mut pages = self.visit.world.notebook.pages();
                pages.broken(|| format!("the offer {} was accepted and declined", current.id));
            }
            match accepted {
                Some(booking) => self.accepted(&current, booking),
                None if declined => self.declined(&current),
                None => self.too_late(&current),
            }
        } else if answer.accepts {
            match self.accept(intended, &current).await? {
                Some(booking) => {
                    if answer.confused {
                        self.accept_again(intended, &current, &booking).await?;
                    }
                    self.accepted(&current, booking);
                }
                None => self.too_late(&current),
            }
        } else if self.decline(intended, &current).await? {
            self.declined(&current);
            if answer.gives_up {
                let world = self.visit.world;
                let gone = world.api.withdraw(intended, &self.id, &self.token).await;
                if let Reply::Silent | Reply::Unforeseen = gone {
                    return Err(UNFORESEEN);
                }
            }
        } else {
            self.too_late(&current);
        }
        Ok(())
    }

    fn accepted(&mut self, current: &Current, booking: Booking) {
        self.accepted = Some(booking);
        let mut pages = self.visit.world.notebook.pages();
        pages.ended(current.offer, OfferEnd::Accepted);
    }

    fn declined(&mut self, current: &Current) {
        self.over.push(current.id.clone());
        let mut pages = self.visit.world.notebook.pages();
        pages.ended(current.offer, OfferEnd::Declined);
    }

    /// It was gone; that is a broken promise if its deadline is still to come.
    fn too_late(&mut self, current: &Current) {
        self.over.push(current.id.clone());
        let now = self.visit.now();
        self.wakes = Some(now);
        let mut pages = self.visit.world.notebook.pages();
        pages.ended(current.offer, OfferEnd::Late);
        if now + self.visit.world.margin() < current.deadline {
            pages.broken(|| format!("the offer {} ended before its deadline", current.id));
        }
    }

    /// Says that the wish still stands.
    async fn still_wishes(&mut self, intended: Instant) -> Result<(), Stranded> {
        let api = &self.visit.world.api;
        self.wakes = match api.still_wish(intended, &self.id, &self.token).await {
            Reply::Done(_) => None,
            Reply::Refused(no) if no.is("/problems/wish-over") => None,
            Reply::Refused(_) => Some(self.visit.now() + LOOK_EVERY),
            Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
        };
        Ok(())
    }

    /// Gives back what was booked without asking and does not suit, and waits on. Returns whether
    /// it does.
    async fn gives_back(&mut self, mine: &Mine, returnable: bool) -> Result<bool, Stranded> {
        let world = self.visit.world;
        let Some(at) = mine.regrets_at.filter(|_| returnable) else {
            return Ok(false);
        };
        let nth = self.offers;
        let gives_up = self.visit.citizen.answer(&world.habits, nth).gives_up;
        let cancels_first = self.visit.cancels_at(mine) != Some(at);
        if gives_up || cancels_first || at >= world.until {
            return Ok(false);
        }
        let intended = world.clock.reach(at).await;
        // Before it is sent: whoever gets the seat gets it later than that.
        let now = self.visit.now();
        let wish = (self.id.as_str(), self.token.as_str());
        match world.api.give_back(intended, wish, &mine.id).await {
            Reply::Done(_) => {
                self.offers += 1;
                self.over.push(mine.id.clone());
                let mut pages = world.notebook.pages();
                pages.course.bookings[mine.booking].cancelled = Some(now);
                pages.course.wishes[self.number].met = None;
                Ok(true)
            }
            // As many were lost as may be: it is cancelled instead.
            Reply::Refused(_) => Ok(false),
            Reply::Silent | Reply::Unforeseen => Err(UNFORESEEN),
        }
    }

    /// The booking; `None`: the offer is gone.
    async fn accept(
        &self,
        intended: Instant,
        current: &Current,
    ) -> Result<Option<Booking>, Stranded> {
        for _ in 0..AGAIN_MAX {
            let accept = self
                .visit
                .world
                .api
                .accept(intended, &current.id, &self.token);
            match accept.await {
                Reply::Done(booking) => return Ok(Some(booking)),
                Reply::Refused(no) if no.is("/problems/offer-gone") => return Ok(None),
                Reply::Refused(_) => sleep(AGAIN_AFTER).await,
                Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
            }
        }
        Err(Stranded("an answer to an offer was put off too often"))
    }

    /// Whether it was declined; if not, the offer is gone.
    async fn decline(&self, intended: Instant, current: &Current) -> Result<bool, Stranded> {
        for _ in 0..AGAIN_MAX {
            let decline = self
                .visit
                .world
                .api
                .decline(intended, &current.id, &self.token);
            match decline.await {
                Reply::Done(()) => return Ok(true),
                Reply::Refused(no) if no.is("/problems/offer-gone") => return Ok(false),
                Reply::Refused(_) => sleep(AGAIN_AFTER).await,
                Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
            }
        }
        Err(Stranded("an answer to an offer was put off too often"))
    }

    /// A second click gets the same booking.
    async fn accept_again(
        &self,
        intended: Instant,
        current: &Current,
        first: &Booking,
    ) -> Result<(), Stranded> {
        let again = self.accept(intended, current).await?;
        if again.as_ref().map(|it| &it.id) != Some(&first.id) {
            let mut pages = self.visit.world.notebook.pages();
            pages.broken(|| format!("{} was accepted twice and is not the same", first.code));
        }
        Ok(())
    }

    /// The wish is a booking: by an answer, or without asking.
    async fn booked(&mut self, since: Second, seen: &Wish) -> Result<Mine, Stranded> {
        let world = self.visit.world;
        let booked = seen.booking.as_ref().ok_or(UNREADABLE)?;
        let token = booked.manage_token.clone().unwrap_or_default();
        let over = self.over.contains(&booked.booking);
        let how = match &self.accepted {
            Some(_) => How::Asked,
            None => How::Unasked,
        };
        let accepted = self.accepted.take();
        {
            let mut pages = world.notebook.pages();
            pages.course.wishes[self.number].met = Some(since);
            if over {
                pages.broken(|| format!("{} is booked, and its offer was over", booked.code));
            }
            let other = accepted.as_ref().is_some_and(|it| it.id != booked.booking);
            let asked = accepted.is_none() && !self.visit.citizen.auto_accept;
            if other || asked {
                pages.broken(|| format!("{} was booked, and nobody accepted it", booked.code));
            }
        }
        let booking = match accepted {
            Some(booking) => booking,
            None => match world.api.read_back(&booked.booking, &token).await {
                Reply::Done(booking) => booking,
                Reply::Refused(_) | Reply::Silent | Reply::Unforeseen => return Err(UNFORESEEN),
            },
        };
        let mut mine = self.visit.note(&booking, &token, since, how)?;
        if how == How::Unasked {
            // They hear of it as of an offer. What does not suit is given back, and whoever does
            // not hear of it does not come.
            let answer = self.visit.citizen.answer(&world.habits, self.offers);
            let place = self.place(seen)?;
            let hears_at = answer.at(since).filter(|at| *at < mine.start);
            mine.regrets_at = hears_at.filter(|_| !answer.accepts);
            let mut pages = world.notebook.pages();
            pages.given(
                self.number,
                given(since, place, &booking.office, mine.start),
            );
            let booking = &mut pages.course.bookings[mine.booking];
            booking.no_show |= hears_at.is_none();
            booking.in_vain = hears_at.is_none() || !answer.accepts;
        }
        Ok(mine)
    }
}

fn given(at: Second, place: Second, office: &str, start: Second) -> Given {
    Given {
        at,
        place,
        office: office_number(office).unwrap_or(OFFICES.len()),
        start,
    }
}
