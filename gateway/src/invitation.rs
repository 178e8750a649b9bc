//! A booking as an iCalendar entry (RFC 5545).

use icalendar::{Calendar, Component, Event, EventLike, EventStatus, Property};
use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::time::UnixMillis;
use morgenruh_engine::shell::engine::Booking;

use crate::needs;

/// The method (`PUBLISH` or `CANCEL`) and the text of the entry.
///
/// The UID is the booking's id, which it keeps when it moves; SEQUENCE rises with every change, so
/// that a calendar replaces the old entry instead of adding another one.
pub(crate) fn invitation(
    catalogue: &Catalogue,
    booking: &Booking,
    now: UnixMillis,
) -> (&'static str, String) {
    let confirmed = &booking.confirmed;
    let office = catalogue
        .office_by_number(confirmed.id.day_key().office)
        .map(|office| catalogue.office(office));
    let names: Vec<String> = needs::to_wire(catalogue, confirmed.services)
        .into_iter()
        .map(|item| {
            let service = catalogue.service_by_id(&item.id);
            let name = service.map_or(item.id, |index| catalogue.service(index).name.de.clone());
            if item.quantity > 1 {
                format!("{} × {name}", item.quantity)
            } else {
                name
            }
        })
        .collect();

    let method = if booking.cancelled {
        "CANCEL"
    } else {
        "PUBLISH"
    };
    let mut event = Event::new();
    event
        .uid(&format!(
            "{}@{}.morgenruh",
            confirmed.contract.origin, catalogue.city.id
        ))
        .sequence(confirmed.contract.sequence)
        .summary(&format!("Termin: {}", names.join(", ")))
        .description(&format!("Terminnummer {}", confirmed.id.code()))
        .status(if booking.cancelled {
            EventStatus::Cancelled
        } else {
            EventStatus::Confirmed
        })
        .append_property(Property::new("DTSTAMP", utc(now)))
        .append_property(Property::new("DTSTART", utc(confirmed.start)))
        .append_property(Property::new("DTEND", utc(confirmed.end)));
    if let Some(office) = office {
        // METHOD wants an organizer (RFC 5546); nobody reads replies, so there is no address.
        let mut organizer = Property::new("ORGANIZER", "invalid:nomail");
        let organizer = organizer
            .add_parameter("CN", &quoted(&office.name.de))
            .done();
        event.append_property(organizer);
        event.location(&format!("{}, {}", office.name.de, office.address));
    }
    let mut calendar = Calendar::empty();
    calendar
        .append_property(Property::new("VERSION", "2.0"))
        .append_property(Property::new("PRODID", "-//Morgenruh//Morgenruh//DE"))
        .append_property(Property::new("METHOD", method));
    calendar.push(event.done());
    (method, calendar.to_string())
}

/// A parameter's text; quotes cannot occur within quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "'"))
}

/// UTC needs no VTIMEZONE and cannot be misread; calendars show local time.
fn utc(instant: UnixMillis) -> String {
    instant.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
}
