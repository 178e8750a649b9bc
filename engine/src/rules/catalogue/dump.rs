//! The effective configuration as files of the same shape: nothing left to defaults, nothing
//! shared by groups. Loading the files of a dump gives an equal catalogue.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::civil::Date;

use super::reader::kinds::weekday_names;
use super::{
    Catalogue, Channel, Closure, Counter, Offer, Office, Opening, Question, Quota, RoomPolicy,
    RoomRule, Schedule, Selector, Service, ServiceIndex, Status, Text, Wave, Weekdays,
};
use crate::rules::cells::CounterSet;

/// The files, by path relative to the city's folder.
pub fn dump(catalogue: &Catalogue) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("city.toml".to_owned(), city(catalogue))]);
    for (position, department) in catalogue.departments.iter().enumerate() {
        let mut page = Page::default();
        page.header("[department]");
        page.text("name", &department.name);
        let own = catalogue
            .services
            .iter()
            .filter(|service| service.department == position);
        own.for_each(|service| page.service(service, catalogue));
        let rooms = catalogue.rooms.iter();
        rooms
            .filter(|room| room.department == position)
            .for_each(|room| page.room(room, catalogue));
        files.insert(format!("{}.toml", department.id), page.0);
        for office in catalogue
            .offices
            .iter()
            .filter(|office| office.department == position)
        {
            let name = format!("{}/{}.toml", department.id, office.id);
            files.insert(name, office_page(office, catalogue));
        }
    }
    files
}

fn city(catalogue: &Catalogue) -> String {
    let city = &catalogue.city;
    let mut page = Page::default();
    page.quoted("id", &city.id);
    page.text("name", &city.name);
    page.quoted("land", city.land.code());
    page.quoted("time_zone", &city.zone_name);
    page.0
}

fn office_page(office: &Office, catalogue: &Catalogue) -> String {
    let mut page = Page::default();
    page.value("number", office.number);
    page.text("name", &office.name);
    page.quoted("address", &office.address);
    page.quoted("status", status_name(office.status));
    page.value("unit_minutes", office.unit_minutes);
    page.value("hold_minutes", office.hold_minutes);
    page.value("notice_minutes", office.notice_minutes);
    page.value("horizon_days", office.horizon_days);
    page.value("phone_required", office.phone_required);
    office
        .counters
        .iter()
        .for_each(|counter| page.counter(counter, office, catalogue));
    office
        .offers
        .iter()
        .for_each(|offer| page.offer(offer, catalogue));
    office
        .opening
        .iter()
        .for_each(|opening| page.opening(opening));
    office
        .closures
        .iter()
        .for_each(|closure| page.closure(closure));
    office.quotas.iter().for_each(|quota| page.quota(quota));
    office.waves.iter().for_each(|wave| page.wave(wave));
    office
        .questions
        .iter()
        .for_each(|question| page.question(question, catalogue));
    page.0
}

pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Off => "off",
        Status::Test => "test",
        Status::Live => "live",
    }
}

/// A text in the making.
#[derive(Default)]
struct Page(String);

impl Page {
    fn header(&mut self, header: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(header);
        self.0.push('\n');
    }

    fn value(&mut self, key: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "{key} = {value}").expect("writing to a string cannot fail");
    }

    fn quoted(&mut self, key: &str, text: &str) {
        self.value(key, quote(text));
    }

    fn list<'t>(&mut self, key: &str, texts: impl IntoIterator<Item = &'t str>) {
        let texts: Vec<String> = texts.into_iter().map(quote).collect();
        self.value(key, format!("[{}]", texts.join(", ")));
    }

    fn text(&mut self, key: &str, text: &Text) {
        self.value(
            key,
            format!("{{ de = {}, en = {} }}", quote(&text.de), quote(&text.en)),
        );
    }

    fn services(&mut self, key: &str, services: &[ServiceIndex], catalogue: &Catalogue) {
        let ids = services
            .iter()
            .map(|index| catalogue.service(*index).id.as_str());
        self.list(key, ids);
    }

    fn service(&mut self, service: &Service, catalogue: &Catalogue) {
        self.header("[[service]]");
        self.quoted("id", &service.id);
        self.value("number", service.number);
        self.text("name", &service.name);
        self.value("minutes", service.minutes);
        self.value("quantity_max", service.quantity_max);
        self.services("combines_with", &service.combines_with, catalogue);
        self.list("leika", service.leika.iter().map(String::as_str));
    }

    fn counter(&mut self, counter: &Counter, office: &Office, catalogue: &Catalogue) {
        let serves = |offer: &&Offer| offer.counters.contains(counter.number - 1);
        let skills: Vec<_> = office
            .offers
            .iter()
            .filter(serves)
            .map(|o| o.service)
            .collect();
        self.header("[[counter]]");
        self.value("number", counter.number);
        self.quoted("name", &counter.name);
        self.services("skills", &skills, catalogue);
    }

    fn offer(&mut self, offer: &Offer, catalogue: &Catalogue) {
        self.header("[[offer]]");
        self.quoted("service", &catalogue.service(offer.service).id);
        self.value("minutes", offer.minutes);
        self.value("quantity_max", offer.quantity_max);
    }

    fn opening(&mut self, opening: &Opening) {
        self.header("[[opening]]");
        self.selector(&opening.when);
        self.value("every_weeks", opening.every_weeks);
        self.date("valid_from", opening.valid_from);
        self.date("valid_until", opening.valid_until);
        self.value("on_holidays", opening.on_holidays);
    }

    fn closure(&mut self, closure: &Closure) {
        self.header("[[closure]]");
        self.date("date", Some(closure.from));
        self.date("until", Some(closure.until));
        self.selector(&closure.when);
        self.text("reason", &closure.reason);
    }

    fn quota(&mut self, quota: &Quota) {
        self.header("[[quota]]");
        self.quoted("channel", channel_name(quota.channel));
        self.selector(&quota.when);
    }

    fn wave(&mut self, wave: &Wave) {
        self.header("[[wave]]");
        self.selector(&wave.when);
        match wave.schedule {
            Schedule::Daily { days_ahead } => self.value("days_ahead", days_ahead),
            Schedule::Weekly {
                weekday,
                weeks_ahead,
            } => {
                let weekday = Weekdays(1 << weekday.to_monday_zero_offset());
                self.quoted("weekday", &weekday_names(weekday).concat());
                self.value("weeks_ahead", weeks_ahead);
            }
            Schedule::Once { on, first, last } => {
                self.date("on", Some(on));
                self.date("first_day", Some(first));
                self.date("last_day", Some(last));
            }
        }
        self.quoted("at", &clock(wave.at));
        if wave.share_percent < 100 {
            self.value("share_percent", wave.share_percent);
        }
        if wave.drip_minutes > 0 {
            self.value("drip_minutes", wave.drip_minutes);
        }
    }

    fn question(&mut self, question: &Question, catalogue: &Catalogue) {
        self.header("[[question]]");
        self.quoted("id", &question.id);
        self.text("label", &question.label);
        self.value("required", question.required);
        self.value("chars_max", question.chars_max);
        self.services("services", &question.services, catalogue);
    }

    fn room(&mut self, room: &RoomRule, catalogue: &Catalogue) {
        self.header("[[room]]");
        self.quoted("id", &room.id);
        self.value("number", room.number);
        self.text("name", &room.name);
        self.quoted("at", &clock(room.at));
        self.quoted(
            "policy",
            match room.policy {
                RoomPolicy::Line => "line",
                RoomPolicy::Lottery => "lottery",
            },
        );
        let offices = room.offices.iter();
        let ids = offices.map(|index| catalogue.office(*index).id.as_str());
        self.list("offices", ids);
        self.value("opens_minutes", room.opens_minutes);
        self.value("closes_minutes", room.closes_minutes);
        self.value("passes_max", room.passes_max);
        self.value("passes_per_minute", room.passes_per_minute);
        self.value("turn_minutes", room.turn_minutes);
        self.value("pass_minutes", room.pass_minutes);
        self.value("holds_per_pass", room.holds_per_pass);
        self.value("proof_of_work", room.proof_of_work);
        if let Some(beacons) = &room.beacons {
            self.quoted("beacon", &beacons.source);
            self.value("beacon_after_seconds", beacons.after_seconds);
            self.value("beacon_wait_seconds", beacons.wait_seconds);
        }
    }

    fn selector(&mut self, when: &Selector) {
        self.value("counters", numbers(when.counters));
        let weekdays = weekday_names(when.weekdays);
        self.list("weekdays", weekdays.iter().map(String::as_str));
        self.quoted("from", &clock(when.hours.from));
        self.quoted("to", &clock(when.hours.to));
    }

    fn date(&mut self, key: &str, date: Option<Date>) {
        if let Some(date) = date {
            self.value(key, date);
        }
    }
}

fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Public => "public",
        Channel::CallCentre => "call-centre",
        Channel::WalkIn => "walk-in",
        Channel::Agent => "agent",
    }
}

fn numbers(counters: CounterSet) -> String {
    let numbers: Vec<String> = counters
        .iter()
        .map(|index| (index + 1).to_string())
        .collect();
    format!("[{}]", numbers.join(", "))
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}
