//! What the API says of a wish.

use std::collections::BTreeMap;

use morgenruh_engine::rules::need::Services;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::rules::wish::agent::{Known, Standing};
use morgenruh_engine::rules::wish::fact::{Notify, Offer};
use morgenruh_engine::rules::wish::windows::{HOURS, Windows};
use morgenruh_engine::rules::wish::{Place, Wish, WishId};
use morgenruh_wire as wire;

use super::go_on::is_returnable;
use super::read::{numbers, office_ids};
use crate::app::App;
use crate::needs;
use crate::service_keys::Caller;
use crate::texts;

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// All that may be said of a wish to whoever has its token. Locks the wishes: not from within a
/// look at them.
pub(crate) fn view(app: &App, now: UnixMillis, id: WishId, known: &Known) -> wire::Wish {
    let catalogue = app.catalogue();
    let zone = &catalogue.city.zone;
    let wish = &known.wish;
    let waits = matches!(
        known.standing,
        Standing::Waiting | Standing::Undrawn | Standing::Asleep
    );
    let mut view = wire::Wish {
        id: id.to_string(),
        manage_token: None,
        status: String::new(),
        status_since: texts::time(zone, known.since),
        services: needs::to_wire(catalogue, wish.services),
        offices: office_ids(catalogue, &wish.offices),
        windows: windows(wish.windows),
        earliest: wish.from.to_date().to_string(),
        latest: wish.until.to_date().to_string(),
        notice_minutes: wish.notice_minutes,
        auto_accept: wish.auto_accept,
        instead_of: wish.instead_of.map(|it| it.booking.to_string()),
        language: known.contact.language.clone(),
        notify: match &known.contact.notify {
            Notify::Email => wire::Notify::Email,
            Notify::Poll => wire::Notify::Poll,
            Notify::Webhook(url) => wire::Notify::Webhook(url.clone()),
        },
        place: place(app, known.place),
        offers_lost: known.lost,
        offers_max: app.settings.agent.offers_max,
        offer: None,
        booking: None,
        returnable: is_returnable(app, now, id, known),
        ended: None,
        outlook: waits.then(|| outlook(app, now, id, known.place, wish)),
        wider: waits.then(|| wider(app, now, id, wish)),
    };
    view.status = match known.standing {
        Standing::Undrawn => "undrawn",
        Standing::Waiting => "waiting",
        Standing::Asleep => "asleep",
        Standing::Deciding => "pending",
        Standing::Offered(open) => {
            view.offer = Some(offer(app, &open, known.reminder));
            "offered"
        }
        Standing::Booked { booking, seat } => {
            view.booking = Some(wire::WishBooking {
                booking: booking.to_string(),
                manage_token: wish
                    .instead_of
                    .is_none()
                    .then(|| known.manage_secret().to_string()),
                code: seat.code(),
            });
            "booked"
        }
        Standing::Ended(how) => {
            view.ended = Some(how.name().to_owned());
            "ended"
        }
    }
    .to_owned();
    view
}

pub(super) fn place(app: &App, place: Place) -> wire::WishPlace {
    wire::WishPlace {
        since: texts::time(&app.catalogue().city.zone, UnixMillis(place.since)),
        position: Some(place.position).filter(|position| *position > 0),
        kept: None,
    }
}

fn offer(app: &App, offer: &Offer, reminder: Option<UnixMillis>) -> wire::WishOffer {
    let catalogue = app.catalogue();
    let zone = &catalogue.city.zone;
    let office = catalogue.office_by_number(offer.seat.day_key().office);
    wire::WishOffer {
        id: offer.seat.to_string(),
        office: office.map_or_else(String::new, |it| catalogue.office(it).id.clone()),
        start: texts::time(zone, UnixMillis(offer.start)),
        end: texts::time(zone, UnixMillis(offer.end)),
        deadline: texts::time(zone, UnixMillis(offer.deadline)),
        reminder: reminder.map(|at| texts::time(zone, at)),
    }
}

/// What a wish at this place can expect.
pub(crate) fn outlook(
    app: &App,
    now: UnixMillis,
    id: WishId,
    place: Place,
    wish: &Wish,
) -> wire::Outlook {
    let outlook = app.engine.outlook(now, id, place, wish);
    // An estimate with more digits would look like knowledge.
    let rounded = |number: f64| (number * 10.0).round() / 10.0;
    wire::Outlook {
        ahead: outlook.ahead,
        seats_a_day: rounded(outlook.seats_a_day),
        days: outlook.days.map(rounded),
    }
}

/// What the wish could expect if it took more.
fn wider(app: &App, now: UnixMillis, id: WishId, wish: &Wish) -> wire::Wider {
    let anew = Place::at(now);
    let all = every_office(app, wish.services);
    let offices = all.iter().any(|office| !wish.offices.contains(office));
    let offices = offices.then(|| {
        let mut offices = all;
        offices.extend(&wish.offices);
        offices.sort_unstable();
        offices.dedup();
        let wish = Wish {
            offices,
            ..wish.clone()
        };
        outlook(app, now, id, anew, &wish)
    });
    let hours = (wish.windows != Windows::ALWAYS).then(|| {
        let windows = Windows::ALWAYS;
        let wish = Wish {
            windows,
            ..wish.clone()
        };
        outlook(app, now, id, anew, &wish)
    });
    wire::Wider { offices, hours }
}

/// The numbers of all offices that the public sees and that offer these services.
fn every_office(app: &App, services: Services) -> Vec<u16> {
    let catalogue = app.catalogue();
    let items = needs::to_wire(catalogue, services);
    let Ok(asked) = needs::services(catalogue, &items) else {
        return Vec::new();
    };
    let nobody: Option<[&str; 0]> = None;
    let able = needs::at_offices(catalogue, Caller::PUBLIC, nobody, &asked);
    numbers(catalogue, &able.unwrap_or_default())
}

/// Windows in few words: days with the same hours share one.
pub(crate) fn windows(windows: Windows) -> Vec<wire::WishWindow> {
    let mut runs: BTreeMap<(u16, u16), Vec<usize>> = BTreeMap::new();
    for weekday in 0..7_u16 {
        let contains = |hour: u16| hour < HOURS && windows.contains(weekday * HOURS + hour);
        let mut from = None;
        for hour in 0..=HOURS {
            match from {
                None if contains(hour) => from = Some(hour),
                Some(first) if !contains(hour) => {
                    runs.entry((first, hour))
                        .or_default()
                        .push(usize::from(weekday));
                    from = None;
                }
                _ => {}
            }
        }
    }
    let window = |((from, to), days): ((u16, u16), Vec<usize>)| wire::WishWindow {
        weekdays: (days.len() < WEEKDAYS.len())
            .then(|| days.iter().map(|day| WEEKDAYS[*day].to_owned()).collect()),
        from: format!("{from:02}:00"),
        to: format!("{to:02}:00"),
    };
    runs.into_iter().map(window).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_with_the_same_hours_share_a_window() {
        let read = Windows::NEVER.with(0, 8, 12).with(2, 8, 12).with(2, 14, 24);
        let window = |days: &[&str], from: &str, to: &str| wire::WishWindow {
            weekdays: Some(days.iter().map(|day| (*day).to_owned()).collect()),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        assert_eq!(
            windows(read),
            [
                window(&["mon", "wed"], "08:00", "12:00"),
                window(&["wed"], "14:00", "24:00"),
            ]
        );
        let [always] = <[_; 1]>::try_from(windows(Windows::ALWAYS)).unwrap();
        assert_eq!(always.weekdays, None);
        assert_eq!((&*always.from, &*always.to), ("00:00", "24:00"));
    }
}
