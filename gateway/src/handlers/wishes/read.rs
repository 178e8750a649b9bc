//! From what a request says to a wish and whom it is for.

use jiff::ToSpan;
use jiff::civil::Date;
use morgenruh_engine::rules::catalogue::{Catalogue, Office, OfficeIndex, ServiceIndex};
use morgenruh_engine::rules::ids::{ReservationId, Secret};
use morgenruh_engine::rules::need::{Need, Services};
use morgenruh_engine::rules::time::{DayNumber, Millis, UnixMillis};
use morgenruh_engine::rules::wish::fact::{Contact, Notify};
use morgenruh_engine::rules::wish::windows::Windows;
use morgenruh_engine::rules::wish::{
    Instead, NOTICE_MINUTES_MAX, OFFICES_MAX, SPAN_DAYS_MAX, Wish, usual_notice,
};
use morgenruh_engine::shell::engine::Booking;
use morgenruh_wire as wire;

use crate::app::App;
use crate::contact;
use crate::handlers::bookings;
use crate::handlers::holds::secret;
use crate::language::Language;
use crate::needs;
use crate::problem::{ApiError, Kind};
use crate::search;
use crate::service_keys::Caller;
use crate::texts;

/// Days that a wish is good for where its last one is not named.
const USUAL_DAYS: i64 = 90;
/// Minutes of an hour: windows are made of whole ones.
const HOUR: u16 = 60;

/// The wish of a request and whom it is for, with a secret of its own.
pub(crate) fn wish(
    app: &App,
    now: UnixMillis,
    caller: Caller,
    request: &wire::WishRequest,
) -> Result<(Wish, Contact), ApiError> {
    let catalogue = app.catalogue();
    let today = app.engine.date_of(now);
    let asked = needs::services(catalogue, &request.services)?;
    let booking = request.instead_of.as_ref();
    let booking = booking.map(|it| instead_of(app, now, it)).transpose()?;
    let named = request.offices.as_deref();
    let offices = offices(app, caller, named, &asked, booking.as_ref())?;
    let services = services_of(&offices, booking.as_ref())?;
    let last = booking
        .as_ref()
        .map(|booking| app.engine.date_of(booking.confirmed.start));
    let from = match &request.earliest {
        None => today,
        Some(text) => day(text, "earliest")?,
    };
    let until = match &request.latest {
        None => {
            let usual = from.saturating_add(USUAL_DAYS.days());
            let usual = usual.min(furthest(today));
            last.map_or(usual, |last| last.min(usual))
        }
        Some(text) => day(text, "latest")?,
    };
    let days = days(today, (today, from), until, last)?;
    let unnamed = usual_notice_of(app, now, request.auto_accept, until);
    let wish = Wish {
        services,
        offices: numbers(catalogue, &offices),
        windows: windows(request.windows.as_deref())?,
        from: days.0,
        until: days.1,
        notice_minutes: notice(request.notice_minutes.unwrap_or(unnamed))?,
        auto_accept: request.auto_accept,
        instead_of: booking.map(|booking| Instead {
            booking: booking.confirmed.contract.origin,
        }),
    };
    let contact = contact_of(app, &offices, &wish.services, request)?;
    Ok((wish, contact))
}

/// The wish that another one becomes.
pub(super) fn changed(
    app: &App,
    now: UnixMillis,
    caller: Caller,
    (old, contact): (&Wish, &Contact),
    change: &wire::WishChange,
) -> Result<Wish, ApiError> {
    let catalogue = app.catalogue();
    let today = app.engine.date_of(now);
    let mut new = old.clone();
    if change.services.is_some() || change.offices.is_some() {
        let items = match &change.services {
            Some(items) => items.clone(),
            None => needs::to_wire(catalogue, old.services),
        };
        if old.instead_of.is_some() && change.services.is_some() {
            return Err(other_services());
        }
        let asked = needs::services(catalogue, &items)?;
        let old_offices = office_ids(catalogue, &old.offices);
        let named = change.offices.as_deref().unwrap_or(&old_offices);
        let offices = offices(app, caller, Some(named), &asked, None)?;
        new.services = services_of(&offices, None)?;
        new.offices = numbers(catalogue, &offices);
        let of_wish = offices_of(catalogue, &offices);
        if let Some(instead) = old.instead_of {
            let at = catalogue.office_by_number(instead.booking.day_key().office);
            let at = at.map(|index| catalogue.office(index));
            let more = |it: &&&Office| at.is_some_and(|at| bookings::asks_more(at, it));
            if of_wish.iter().any(|it| more(&it)) {
                return Err(asks_more());
            }
        } else {
            let person = wire::Person {
                name: contact.name.clone(),
                email: contact.email.clone(),
                phone: contact.phone.clone(),
            };
            // What was answered for an office that is no longer wished for does no harm.
            let asked = |id: &String| of_wish.iter().any(|it| asks(it, id));
            let answers = contact.answers.iter().filter(|(id, _)| asked(id));
            let answers = answers.map(|(id, text)| (id.clone(), text.clone()));
            let answers = answers.collect();
            contact::check(catalogue, &of_wish, &new.services, &person, &answers)?;
        }
    }
    if let Some(named) = change.windows.as_deref() {
        new.windows = windows(Some(named))?;
    }
    if let Some(minutes) = change.notice_minutes {
        new.notice_minutes = notice(minutes)?;
    }
    if change.earliest.is_some() || change.latest.is_some() {
        let from = match &change.earliest {
            None => old.from.to_date(),
            Some(text) => day(text, "earliest")?,
        };
        let until = match &change.latest {
            None => old.until.to_date(),
            Some(text) => day(text, "latest")?,
        };
        // Its first day may be over by now. Its last one is not held against the booking that is to
        // be brought forward, which may have moved: nothing behind that is given anyway.
        let first = today.min(old.from.to_date());
        (new.from, new.until) = days(today, (first, from), until, None)?;
    }
    new.auto_accept = change.auto_accept.unwrap_or(old.auto_accept);
    Ok(new)
}

fn asks(office: &Office, id: &str) -> bool {
    office.questions.iter().any(|question| question.id == id)
}

/// The booking that is to be brought forward, if whoever names it may move it.
fn instead_of(app: &App, now: UnixMillis, named: &wire::InsteadOf) -> Result<Booking, ApiError> {
    let unknown = || bookings::unknown().at("instead_of");
    let id: ReservationId = named.booking.parse().map_err(|_| unknown())?;
    let manage: Secret = named.manage_token.parse().map_err(|_| unknown())?;
    let booking = app.engine.booking(id, manage).map_err(|_| unknown())?;
    if booking.cancelled {
        let detail = "A cancelled booking cannot be moved.";
        return Err(ApiError::new(Kind::BookingCancelled, detail).at("instead_of"));
    }
    if booking.confirmed.start <= now {
        let detail = "It can be changed until it starts.";
        return Err(ApiError::new(Kind::BookingOver, detail).at("instead_of"));
    }
    Ok(booking)
}

/// The offices that are named, or all that can serve this; for a booking without those that would
/// ask more than it has answered.
fn offices(
    app: &App,
    caller: Caller,
    named: Option<&[String]>,
    asked: &[(ServiceIndex, u8)],
    booking: Option<&Booking>,
) -> Result<Vec<(OfficeIndex, Need)>, ApiError> {
    let catalogue = app.catalogue();
    let bad = |detail: String| Err(ApiError::new(Kind::InvalidRequest, detail).at("offices"));
    if named.is_some_and(|named| named.is_empty() || named.len() > OFFICES_MAX) {
        return bad(format!("Name 1 to {OFFICES_MAX} offices."));
    }
    let names = named.map(|named| named.iter().map(String::as_str));
    let found = needs::at_offices(catalogue, caller, names, asked);
    let mut found = found.map_err(|error| match error.kind() {
        Kind::UnknownOffice => error.at("offices"),
        _ => error,
    })?;
    let at = booking.and_then(|booking| {
        let number = booking.confirmed.id.day_key().office;
        Some(catalogue.office(catalogue.office_by_number(number)?))
    });
    if let Some(at) = at {
        let before = found.len();
        found.retain(|(office, _)| !bookings::asks_more(at, catalogue.office(*office)));
        if found.is_empty() || (named.is_some() && found.len() < before) {
            return Err(asks_more());
        }
    }
    if found.len() > OFFICES_MAX {
        return bad(format!(
            "More than {OFFICES_MAX} offices offer this: name some."
        ));
    }
    Ok(found)
}

fn asks_more() -> ApiError {
    let detail = "One of these offices asks for more than the booking has answered.";
    ApiError::new(Kind::MoveRefused, detail).at("offices")
}

fn other_services() -> ApiError {
    let detail = "An earlier seat for a booking is for the same services.";
    ApiError::new(Kind::InvalidRequest, detail).at("services")
}

fn services_of(
    offices: &[(OfficeIndex, Need)],
    booking: Option<&Booking>,
) -> Result<Services, ApiError> {
    let nowhere =
        || ApiError::new(Kind::ServiceNotOffered, "No office offers this.").at("services");
    let (_, need) = offices.first().ok_or_else(nowhere)?;
    match booking {
        Some(booking) if !bookings::same_services(need.services, booking.confirmed.services) => {
            Err(other_services())
        }
        // As it was booked: a hold is compared with it.
        Some(booking) => Ok(booking.confirmed.services),
        None => Ok(need.services),
    }
}

/// Their numbers, ascending.
pub(super) fn numbers(catalogue: &Catalogue, offices: &[(OfficeIndex, Need)]) -> Vec<u16> {
    let numbers = offices
        .iter()
        .map(|(index, _)| catalogue.office(*index).number);
    let mut numbers: Vec<u16> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// Their ids; those that the configuration has lost are left out.
pub(super) fn office_ids(catalogue: &Catalogue, numbers: &[u16]) -> Vec<String> {
    let id = |number: &u16| {
        let index = catalogue.office_by_number(*number)?;
        Some(catalogue.office(index).id.clone())
    };
    numbers.iter().filter_map(id).collect()
}

fn offices_of<'c>(catalogue: &'c Catalogue, offices: &[(OfficeIndex, Need)]) -> Vec<&'c Office> {
    let of = |(index, _): &(OfficeIndex, Need)| catalogue.office(*index);
    offices.iter().map(of).collect()
}

fn windows(named: Option<&[wire::WishWindow]>) -> Result<Windows, ApiError> {
    let Some(named) = named else {
        return Ok(Windows::ALWAYS);
    };
    let plain = |window: &wire::WishWindow| wire::Window {
        weekdays: window.weekdays.clone(),
        from: window.from.clone(),
        to: window.to.clone(),
    };
    let plain: Vec<wire::Window> = named
        .iter()
        .take(search::WINDOWS_MAX + 1)
        .map(plain)
        .collect();
    let read = search::windows(Some(&plain)).map_err(|it| it.of_kind(Kind::WindowInvalid))?;
    let mut windows = Windows::NEVER;
    for (weekdays, hours) in read {
        if hours.from % HOUR > 0 || hours.to % HOUR > 0 {
            let detail = "Windows begin and end at full hours.";
            return Err(ApiError::new(Kind::WindowInvalid, detail).at("windows"));
        }
        let hour = |minute: u16| u8::try_from(minute / HOUR).unwrap_or(u8::MAX);
        for weekday in (0..7).filter(|day| weekdays.0 & 1 << day != 0) {
            windows = windows.with(weekday, hour(hours.from), hour(hours.to));
        }
    }
    if windows.is_empty() {
        let detail = "Name at least one weekday.";
        return Err(ApiError::new(Kind::WindowInvalid, detail).at("windows"));
    }
    Ok(windows)
}

/// The notice of a wish that names none, in minutes. Whoever is asked about a near seat has little
/// time to answer, and most such offers lapse: nobody gets them who has not asked for them, unless
/// the whole wish is near.
fn usual_notice_of(app: &App, now: UnixMillis, auto_accept: bool, until: Date) -> u32 {
    let near = app.settings.agent.near_hours * 60;
    let is_near = until <= app.engine.date_of(now + Millis::from_minutes(near));
    if auto_accept || is_near { 0 } else { near }
}

fn notice(minutes: u32) -> Result<u32, ApiError> {
    let detail = || format!("At most {NOTICE_MINUTES_MAX} minutes.");
    usual_notice(minutes)
        .ok_or_else(|| ApiError::new(Kind::WindowInvalid, detail()).at("notice_minutes"))
}

fn day(text: &str, field: &'static str) -> Result<Date, ApiError> {
    let detail = "A date is written like 2026-11-24.";
    let bad = || ApiError::new(Kind::WindowInvalid, detail).at(field);
    texts::parse_date(text).ok_or_else(bad)
}

fn furthest(today: Date) -> Date {
    today.saturating_add(i64::from(SPAN_DAYS_MAX).days())
}

/// First and last day. `first` is the earliest that the first one may be; `last` the latest that
/// the last one may be, where there is a booking that is to be brought forward.
fn days(
    today: Date,
    (first, from): (Date, Date),
    until: Date,
    last: Option<Date>,
) -> Result<(DayNumber, DayNumber), ApiError> {
    let bad = |field, detail: String| Err(ApiError::new(Kind::WindowInvalid, detail).at(field));
    if from < first {
        return bad("earliest", "This day is over.".to_owned());
    }
    if until < from || until < today {
        return bad("latest", "The last day is before the first.".to_owned());
    }
    if let Some(last) = last.filter(|last| until > *last) {
        return bad("latest", format!("The booking is on {last} already."));
    }
    if until > furthest(today) {
        return bad("latest", format!("At most {SPAN_DAYS_MAX} days ahead."));
    }
    match (DayNumber::from_date(from), DayNumber::from_date(until)) {
        (Some(from), Some(until)) => Ok((from, until)),
        _ => bad("earliest", "This day has no number.".to_owned()),
    }
}

fn contact_of(
    app: &App,
    offices: &[(OfficeIndex, Need)],
    services: &Services,
    request: &wire::WishRequest,
) -> Result<Contact, ApiError> {
    let catalogue = app.catalogue();
    let mut asking = offices_of(catalogue, offices);
    if request.instead_of.is_some() {
        // The booking has its answers already.
        asking.retain(|office| !office.phone_required && office.questions.is_empty());
    }
    let person = contact::check(
        catalogue,
        &asking,
        services,
        &request.person,
        &request.answers,
    )?;
    let language = request.language.as_deref().unwrap_or("de");
    let language = Language::named(language).ok_or_else(|| {
        ApiError::new(Kind::InvalidRequest, "Use de, de-leicht or en.").at("language")
    })?;
    let notify = match &request.notify {
        None | Some(wire::Notify::Email) => Notify::Email,
        Some(wire::Notify::Poll) => Notify::Poll,
        Some(wire::Notify::Webhook(url)) => Notify::Webhook(url.clone()),
    };
    let told = app.post.check(&notify);
    told.map_err(|it| ApiError::new(Kind::NotifyRefused, it.to_string()).at("notify"))?;
    Ok(Contact {
        name: person.name,
        email: person.email,
        phone: person.phone,
        answers: person.answers,
        language: language.code().to_owned(),
        notify,
        secret: secret()?,
    })
}
