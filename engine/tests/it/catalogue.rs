//! Whole cities as files: what loads, and what exactly is said about what does not.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::date;
use morgenruh_engine::rules::calendar::{UNIT_MINUTES, plan};
use morgenruh_engine::rules::catalogue::dump::dump;
use morgenruh_engine::rules::catalogue::load::load;
use morgenruh_engine::rules::catalogue::{Catalogue, Office, Status};
use morgenruh_engine::rules::cells::CounterSet;

pub(crate) type Files = BTreeMap<String, String>;

/// The files of a city that comes with the project.
fn city_files(name: &str) -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config")
        .join(name);
    let mut files = Files::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the city is there") {
            let path = entry.expect("the city is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).expect("it was found there");
                let name = name.to_str().expect("our names are text").to_owned();
                files.insert(
                    name,
                    std::fs::read_to_string(path).expect("our files are text"),
                );
            }
        }
    }
    files
}

/// A small town that loads: one department, three services, one office with two counters.
pub(crate) fn small_town() -> Files {
    let files = [
        (
            "city.toml",
            r#"
id = "kleinstadt"
name = { de = "Kleinstadt", en = "Small Town" }
land = "NW"
time_zone = "Europe/Berlin"
"#,
        ),
        (
            "amt.toml",
            r#"
[department]
name = { de = "Amt", en = "Office" }
[[service]]
id = "pass"
number = 1
name = { de = "Pass", en = "Passport" }
minutes = 15
quantity_max = 2
combines_with = ["karte"]
leika = ["99085001000000"]
[[service]]
id = "karte"
number = 2
name = { de = "Karte", en = "Card" }
minutes = 10
quantity_max = 2
[[service]]
id = "rat"
number = 3
name = { de = "Rat", en = "Advice" }
minutes = 20
quantity_max = 1
[[group]]
id = "papiere"
services = ["pass", "karte"]
"#,
        ),
        (
            "amt/rathaus.toml",
            r#"
number = 1
name = { de = "Rathaus", en = "Town Hall" }
[[counter]]
number = 1
name = "Zimmer 1"
skills = ["@papiere"]
[[counter]]
number = 2
name = "Zimmer 2"
skills = ["*"]
[[opening]]
weekdays = "mon-fri"
hours = ["08:00-12:00"]
"#,
        ),
    ];
    files
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.trim_start().to_owned()))
        .collect()
}

pub(crate) fn complaints(files: &Files) -> Vec<String> {
    load(files)
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

pub(crate) fn loaded(files: &Files) -> Catalogue {
    match load(files) {
        Ok(catalogue) => catalogue,
        Err(errors) => panic!("{errors:#?}"),
    }
}

/// The small town with one text replaced by another in one file.
fn changed(file: &str, from: &str, to: &str) -> Files {
    let mut files = small_town();
    let text = files
        .get_mut(file)
        .expect("the file is one of the small town");
    assert!(text.contains(from), "{file} contains {from:?}");
    *text = text.replacen(from, to, 1);
    files
}

/// The small town with more text at the end of one file.
fn extended(file: &str, more: &str) -> Files {
    let mut files = small_town();
    files.entry(file.to_owned()).or_default().push_str(more);
    files
}

#[test]
fn small_town_loads_with_the_defaults() {
    let town = loaded(&small_town());
    let office = &town.offices[0];
    assert_eq!(
        (
            office.unit_minutes,
            office.hold_minutes,
            office.horizon_days
        ),
        (5, 10, 60)
    );
    assert_eq!(office.status, Status::Live);
    let counters: Vec<u64> = office.offers.iter().map(|offer| offer.counters.0).collect();
    assert_eq!(counters, [0b11, 0b11, 0b10], "offers know their counters");
    let partners: Vec<Vec<u16>> = town
        .services
        .iter()
        .map(|s| s.combines_with.iter().map(|i| i.0).collect())
        .collect();
    assert_eq!(
        partners,
        [vec![1], vec![0], vec![]],
        "combinations are mutual"
    );
}

#[test]
fn the_most_specific_layer_wins() {
    let mut files = extended(
        "amt.toml",
        "[office]\nhold_minutes = 7\nhorizon_days = 30\n",
    );
    let office = files.get_mut("amt/rathaus.toml").unwrap();
    office.insert_str(0, "hold_minutes = 8\n");
    let office = &loaded(&files).offices[0];
    assert_eq!(
        (
            office.hold_minutes,
            office.horizon_days,
            office.notice_minutes
        ),
        (8, 30, 30)
    );
}

#[test]
fn an_offices_list_replaces_its_departments() {
    let wave = "[[wave]]\ndays_ahead = 28\nat = \"06:30\"\n";
    let shared = extended("amt.toml", wave);
    assert_eq!(loaded(&shared).offices[0].waves.len(), 1);
    let mut none = changed("amt/rathaus.toml", "number = 1", "number = 1\nwave = []");
    none.insert("amt.toml".to_owned(), shared["amt.toml"].clone());
    assert_eq!(loaded(&none).offices[0].waves.len(), 0);
}

/// A department's rule for a service is about the counters that serve it and nothing else, where
/// there are any.
#[test]
fn a_rule_can_be_about_services() {
    let wave = "[[wave]]\ndays_ahead = 28\nat = \"06:30\"\nservices = [\"rat\"]\n";
    let shared = extended("amt.toml", wave)["amt.toml"].clone();
    let with_skills = |skills: &str| {
        let mut files = changed("amt/rathaus.toml", "skills = [\"*\"]", skills);
        files.insert("amt.toml".to_owned(), shared.clone());
        files
    };
    let own = loaded(&with_skills("skills = [\"rat\"]"));
    let waves = own.offices[0].waves.iter();
    let counters: Vec<CounterSet> = waves.map(|wave| wave.when.counters).collect();
    assert_eq!(counters, [CounterSet::only(1)]);
    let elsewhere = loaded(&with_skills("skills = [\"pass\"]"));
    assert_eq!(elsewhere.offices[0].waves.len(), 0);
    assert_eq!(
        complaints(&with_skills("skills = [\"rat\", \"pass\"]")),
        ["amt.toml:29: wave[1].services: counter 2 of rathaus serves others as well"]
    );
    let both = extended("amt/rathaus.toml", &format!("{wave}counters = 2\n"));
    assert_eq!(
        complaints(&both),
        ["amt/rathaus.toml:17: wave[1].services: either counters or services is expected"]
    );
}

/// Each case: what is changed in which file, and everything that is said about it.
#[test]
fn what_is_said_about_a_mistake() {
    let office = "amt/rathaus.toml";
    let department = "amt.toml";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (
            "city.toml",
            "\"NW\"",
            "\"NRW\"",
            &[
                "city.toml:3: land: \"NRW\" is none of BW, BY, BE, BB, HB, HH, HE, MV, NI, NW, RP, \
             SL, SN, ST, SH, TH; did you mean \"NW\"?",
            ],
        ),
        (
            "city.toml",
            "Europe/Berlin",
            "Europe/Berlim",
            &[
                "city.toml:4: time_zone: \"Europe/Berlim\" is not an IANA time zone; did you mean \
             \"Europe/Berlin\"?",
            ],
        ),
        (
            "city.toml",
            "land =",
            "Land =",
            &[
                "city.toml: land: is missing",
                "city.toml:3: Land: unknown key; did you mean \"land\"?",
            ],
        ),
        (
            department,
            "id = \"pass\"",
            "id = \"Pass\"",
            &[
                "amt.toml:4: service[1].id: \"Pass\" is not 1 to 40 of a-z, 0-9 and -",
                "amt.toml:25: group[1].services[1]: there is no service \"pass\"",
            ],
        ),
        (
            department,
            "id = \"karte\"",
            "id = \"pass\"",
            &[
                "amt.toml:9: service[1].combines_with[1]: there is no service \"karte\"",
                "amt.toml:12: service[2].id: there is a service \"pass\" already",
                "amt.toml:25: group[1].services[2]: there is no service \"karte\"",
            ],
        ),
        (
            department,
            "number = 3",
            "number = 2",
            &["amt.toml:19: service[3].number: the number is taken by \"karte\""],
        ),
        (
            department,
            "minutes = 20",
            "minutes = 481",
            &["amt.toml:21: service[3].minutes: 481 is not in 1 to 480"],
        ),
        (
            department,
            "minutes = 20",
            "minutes = 7.5",
            &[
                "amt.toml:21: service[3].minutes: a number with a fraction or out of range where a \
             whole number is expected",
            ],
        ),
        (
            department,
            "\"99085001000000\"",
            "\"9908500100\", 99",
            &[
                "amt.toml:10: service[1].leika[1]: \"9908500100\" is not a LeiKa key of 14 digits",
                "amt.toml:10: service[1].leika[2]: a number where a text is expected",
            ],
        ),
        (
            department,
            "[\"karte\"]",
            "[\"kart\", \"@papire\"]",
            &[
                "amt.toml:9: service[1].combines_with[1]: there is no service \"kart\"; did you \
             mean \"karte\"?",
                "amt.toml:9: service[1].combines_with[2]: there is no group \"@papire\"; did you \
             mean \"@papiere\"?",
            ],
        ),
        (
            department,
            "en = \"Card\"",
            "en = \"\"",
            &["amt.toml:14: service[2].name.en: 0 characters; 1 to 160 are possible"],
        ),
        (
            department,
            "[department]",
            "[departement]",
            &[
                "amt.toml: department: is missing",
                "amt.toml:1: departement: unknown key; did you mean \"department\"?",
            ],
        ),
        (
            office,
            "number = 1\nname = { de",
            "number = 0\nname = { fr",
            &[
                "amt/rathaus.toml:1: number: 0 is not in 1 to 65535",
                "amt/rathaus.toml:2: name.de: is missing",
                "amt/rathaus.toml:2: name.fr: unknown key",
            ],
        ),
        (
            office,
            "skills = [\"@papiere\"]",
            "skils = []",
            &[
                "amt/rathaus.toml:3: counter[1].skills: is missing",
                "amt/rathaus.toml:6: counter[1].skils: unknown key; did you mean \"skills\"?",
            ],
        ),
        (
            office,
            "number = 2",
            "numbers = \"1-3\"",
            &["amt/rathaus.toml:8: counter[2].numbers: there is a counter 1 already"],
        ),
        (
            office,
            "number = 2",
            "numbers = \"3-65\"",
            &[
                "amt/rathaus.toml:8: counter[2].numbers: \"3-65\" is not numbers of 1 to 64 \
                 like 1-4,7",
            ],
        ),
        (
            office,
            "number = 2",
            "number = 2\nnumbers = 3",
            &["amt/rathaus.toml:8: counter[2].number: either number or numbers is expected"],
        ),
        (
            office,
            "\"mon-fri\"",
            "[\"mon\", \"tues\"]",
            &[
                "amt/rathaus.toml:12: opening[1].weekdays[2]: \"tues\" is not a weekday (mon … \
             sun); did you mean \"tue\"?",
            ],
        ),
        (
            office,
            "\"mon-fri\"",
            "\"fri-mon\"",
            &[
                "amt/rathaus.toml:12: opening[1].weekdays: \"fri-mon\" runs backwards; the week \
             begins on mon",
            ],
        ),
        (
            office,
            "08:00-12:00",
            "08:03-08:00",
            &[
                "amt/rathaus.toml:13: opening[1].hours: 08:00 is not after 08:03",
                "amt/rathaus.toml:13: opening[1].hours: 08:03 is not on the 5-minute grid \
                 of rathaus",
            ],
        ),
        (
            office,
            "08:00-12:00",
            "8:00-12:60",
            &["amt/rathaus.toml:13: opening[1].hours[1]: \"8:00-12:60\" is not a span HH:MM-HH:MM"],
        ),
        (
            office,
            "hours = [\"08:00-12:00\"]",
            "from = \"08:00\"\nto = \"24:05\"\nhours = []",
            &[
                "amt/rathaus.toml:15: opening[1].hours: 0 entries; 1 to 12 are possible",
                "amt/rathaus.toml:15: opening[1].hours: either hours or from and to is expected",
            ],
        ),
        (
            office,
            "hours = [\"08:00-12:00\"]",
            "from = 08:00:01",
            &[
                "amt/rathaus.toml:11: opening[1].to: is missing",
                "amt/rathaus.toml:13: opening[1].from: \"08:00:01\" is not a time HH:MM",
            ],
        ),
        (
            office,
            "weekdays = \"mon-fri\"",
            "counters = [2, 3]\nevery_weeks = 2",
            &[
                "amt/rathaus.toml:11: opening[1].weekdays: is missing",
                "amt/rathaus.toml:12: opening[1].counters: rathaus has no counter 3",
                "amt/rathaus.toml:13: opening[1].every_weeks: needs valid_from: its week is the \
             first one",
            ],
        ),
        (
            office,
            "number = 1\nname",
            "number = 1\nunit_minutes = 45\nstatus = \"life\"\nname",
            &[
                "amt/rathaus.toml:2: unit_minutes: 45 is none of 5, 10, 15, 20, 30 and 60",
                "amt/rathaus.toml:3: status: \"life\" is none of off, test, live; did you mean \
             \"live\"?",
            ],
        ),
    ];
    for (file, from, to, expected) in cases {
        assert_eq!(
            &complaints(&changed(file, from, to)),
            expected,
            "{file}: {from} → {to}"
        );
    }
}

/// Each case: what is appended to the office, and everything that is said about it.
#[test]
fn what_is_said_about_one_more_rule() {
    let cases: &[(&str, &[&str])] = &[
        (
            "[[offer]]\nservice = \"pas\"\n",
            &[
                "amt/rathaus.toml:15: offer[1].service: there is no service \"pas\"; did you mean \
             \"pass\"?",
            ],
        ),
        (
            "[[offer]]\nservice = \"rat\"\nquantity_max = 21\n[[offer]]\nservice = \"rat\"\n",
            &[
                "amt/rathaus.toml:16: offer[1].quantity_max: 21 is not in 1 to 20",
                "amt/rathaus.toml:18: offer[2].service: the service is in the list already",
            ],
        ),
        (
            "[[closure]]\ndate = 2026-12-24\nuntil = 2026-12-23\n",
            &[
                "amt/rathaus.toml:14: closure[1].reason: is missing",
                "amt/rathaus.toml:16: closure[1].until: 2026-12-23 is before 2026-12-24",
            ],
        ),
        (
            "[[closure]]\ndate = \"24.12.2026\"\nreason = { de = \"x\", en = \"x\" }\n",
            &[
                "amt/rathaus.toml:15: closure[1].date: \"24.12.2026\" is not a date YYYY-MM-DD of \
             the years 2000 to 2199",
            ],
        ),
        (
            "[[quota]]\nchannel = \"callcentre\"\nfrom = \"09:00\"\nto = \"09:01\"\n",
            &[
                "amt/rathaus.toml:15: quota[1].channel: \"callcentre\" is none of agent, \
             call-centre, walk-in; did you mean \"call-centre\"?",
                "amt/rathaus.toml:17: quota[1].to: 09:01 is not on the 5-minute grid of rathaus",
            ],
        ),
        (
            "[[wave]]\ndays_ahead = 61\nat = \"24:00\"\n",
            &[
                "amt/rathaus.toml:15: wave[1].days_ahead: 61 is beyond horizon_days = 60",
                "amt/rathaus.toml:16: wave[1].at: 24:00 is 00:00 of the next day; write that",
            ],
        ),
        (
            "[[wave]]\nat = \"06:30\"\nshare_percent = 100\n",
            &[
                "amt/rathaus.toml:14: wave[1].days_ahead: is missing; so are weekday and on",
                "amt/rathaus.toml:16: wave[1].share_percent: 100 is not in 1 to 99",
            ],
        ),
        (
            "[[wave]]\nat = \"06:30\"\ndays_ahead = 3\nweekday = \"mo\"\nlast_day = 2026-12-24\n",
            &[
                "amt/rathaus.toml:17: wave[1].weekday: \"mo\" is not a weekday (mon … sun); did you \
             mean \"mon\"?",
                "amt/rathaus.toml:17: wave[1].weekday: either days_ahead or weekday is expected",
                "amt/rathaus.toml:18: wave[1].last_day: is only of use with on",
            ],
        ),
        (
            "[[wave]]\nat = \"06:30\"\nweekday = \"mon\"\nweeks_ahead = 8\n",
            &[
                "amt/rathaus.toml:17: wave[1].weeks_ahead: the last day is 62 days ahead, beyond \
             horizon_days = 60",
            ],
        ),
        (
            "[[wave]]\nat = \"06:30\"\non = 2026-12-01\nfirst_day = 2026-11-30\n",
            &[
                "amt/rathaus.toml:16: wave[1].on: needs last_day: later days would be open at once",
                "amt/rathaus.toml:17: wave[1].first_day: 2026-11-30 is before the release on \
             2026-12-01",
            ],
        ),
        (
            "[[question]]\nid = \"a\"\nlabel = \"?\"\nservices = [\"@karten\"]\n",
            &[
                "amt/rathaus.toml:16: question[1].label: a text where a table is expected",
                "amt/rathaus.toml:17: question[1].services[1]: there is no group \"@karten\"",
            ],
        ),
        (
            "[wave]\n",
            &["amt/rathaus.toml:14: wave: a table where [[wave]] is expected"],
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(
            &complaints(&extended("amt/rathaus.toml", more)),
            expected,
            "{more}"
        );
    }
}

#[test]
fn closures_may_lie_between_the_starts() {
    let closure = "[[closure]]\ndate = 2026-12-23\nfrom = \"10:10\"\nto = \"24:00\"\n\
                   reason = { de = \"Feier\", en = \"Party\" }\n";
    let mut files = extended("amt/rathaus.toml", closure);
    let office = files.get_mut("amt/rathaus.toml").unwrap();
    office.insert_str(0, "unit_minutes = 30\n");
    assert_eq!(loaded(&files).offices[0].closures[0].when.hours.from, 610);
}

#[test]
fn an_office_that_is_off_may_be_empty_but_no_other() {
    let empty = |status: &str| {
        let mut files = small_town();
        let text =
            format!("number = 1\nname = {{ de = \"x\", en = \"x\" }}\nstatus = {status:?}\n");
        files.insert("amt/rathaus.toml".to_owned(), text);
        complaints(&files)
    };
    assert_eq!(empty("off"), Vec::<String>::new());
    let expected = "amt/rathaus.toml: counter: an office that is not off needs a counter";
    assert_eq!(empty("test"), [expected]);
}

#[test]
fn files_have_their_places() {
    let mut files = small_town();
    files.remove("city.toml");
    let copies = [
        ("cyti.toml", ""),
        ("amd/rathaus.toml", "number = 2\n"),
        ("amt/deeper/rathaus.toml", ""),
        ("server.toml", "this is read elsewhere but must be TOML = 1"),
        ("README.md", "not looked at"),
    ];
    files.extend(copies.map(|(name, text)| (name.to_owned(), text.to_owned())));
    assert_eq!(
        complaints(&files),
        [
            "amd/rathaus.toml: belongs to no department: there is no amd.toml; did you mean \
             \"amt/rathaus.toml\"?",
            "amt/deeper/rathaus.toml: unknown file: departments are <id>.toml, offices \
             <department>/<id>.toml, ids are a-z, 0-9, -",
            "city.toml: is missing",
            "cyti.toml: unknown file: it has no [department]; did you mean \"city.toml\"?",
            "server.toml:1: not TOML: key with no value, expected `=`",
        ]
    );
}

/// Forty services of a department whose file is broken are not forty unknown services.
#[test]
fn what_is_not_toml_hides_no_other_mistake_and_invents_none() {
    let mut files = changed("amt.toml", "[[service]]", "[[service]");
    files.insert(
        "zweites.toml".to_owned(),
        "[department]\nname = { de = \"x\", en = \"x\" }\n[office]\nunit_minutes = 6\n".to_owned(),
    );
    let office = "number = 1\nname = { de = \"x\", en = \"x\" }\n\
                  [[counter]]\nnumber = 1\nskills = [\"pass\"]\nroom = 3\n";
    files.insert("zweites/haus.toml".to_owned(), office.to_owned());
    let complaints = complaints(&files);
    assert!(
        complaints[0].starts_with("amt.toml:3: not TOML: "),
        "{complaints:?}"
    );
    let rest: Vec<_> = complaints
        .iter()
        .filter(|c| !c.starts_with("amt.toml"))
        .collect();
    assert_eq!(
        rest,
        [
            "zweites.toml:4: office.unit_minutes: 6 is none of 5, 10, 15, 20, 30 and 60",
            "zweites/haus.toml:6: counter[1].room: unknown key",
        ]
    );
}

/// Files come from people in a hurry: whatever happens to a line, there is an answer, and it
/// names a file that is there.
#[test]
fn no_broken_line_is_a_panic() {
    let rules = "[[quota]]\nchannel = \"walk-in\"\ncounters = \"1-2\"\n\
                 [[wave]]\ndays_ahead = 3\nat = \"06:30\"\n\
                 [[closure]]\ndate = 2026-12-24\nreason = { de = \"x\", en = \"x\" }\n";
    let whole = extended("amt/rathaus.toml", rules);
    loaded(&whole);
    for (name, text) in &whole {
        let lines: Vec<&str> = text.lines().collect();
        for (position, line) in lines.iter().enumerate() {
            let middle = line.char_indices().nth(line.chars().count() / 2);
            let half = line
                .get(..middle.map_or(0, |(offset, _)| offset))
                .unwrap_or_default();
            let value = line.split_once('=').map_or("", |(_, value)| value);
            for other in ["", half, value, "= = =", "[[[", "x = 99999999999999999999"] {
                let mut broken = lines.clone();
                broken[position] = other;
                let mut files = whole.clone();
                files.insert(name.clone(), broken.join("\n"));
                for error in load(&files).err().unwrap_or_default() {
                    assert!(files.contains_key(&error.file), "{error}");
                }
            }
        }
    }
}

#[test]
fn numbers_and_ids_are_unique_in_the_city() {
    let mut files = small_town();
    let department = "[department]\nname = { de = \"x\", en = \"x\" }\n";
    files.insert("zweites.toml".to_owned(), department.to_owned());
    files.insert(
        "zweites/rathaus.toml".to_owned(),
        files["amt/rathaus.toml"].clone(),
    );
    let complaints = complaints(&files);
    assert!(complaints.contains(
        &"zweites/rathaus.toml:1: number: another department has an office \"rathaus\"".to_owned()
    ));
    assert!(complaints.contains(
        &"zweites/rathaus.toml:1: number: the number is taken by \"rathaus\"".to_owned()
    ));
}

#[test]
fn a_dump_is_the_same_city() {
    let when = [
        "days_ahead = 3",
        "weekday = \"tue\"\nweeks_ahead = 3",
        "on = 2026-12-01\n\
                first_day = 2026-12-21\nlast_day = 2027-01-06\nshare_percent = 40",
    ];
    let waves = when.map(|when| format!("[[wave]]\nat = \"06:30\"\n{when}\n"));
    let released = extended("amt/rathaus.toml", &waves.concat());
    for files in [small_town(), released, city_files("duesseldorf")] {
        let city = loaded(&files);
        let dumped = dump(&city);
        let again = loaded(&dumped);
        assert_eq!(format!("{city:#?}"), format!("{again:#?}"));
        assert_eq!(dumped, dump(&again));
    }
}

fn duesseldorf() -> Catalogue {
    loaded(&city_files("duesseldorf"))
}

fn citizen_offices(city: &Catalogue) -> impl Iterator<Item = &Office> {
    let is_ours = |office: &&Office| city.departments[office.department].id == "einwohnerwesen";
    city.offices.iter().filter(is_ours)
}

#[test]
fn duesseldorf_is_complete() {
    let city = duesseldorf();
    let services_of = |id: &str| {
        let department = city.departments.iter().position(|d| d.id == id).unwrap();
        city.services
            .iter()
            .filter(|service| service.department == department)
            .count()
    };
    assert!(services_of("einwohnerwesen") >= 14);
    assert!(services_of("strassenverkehr") >= 10);
    assert!(services_of("migration") >= 10);
    assert!(services_of("standesamt") >= 8);
    assert_eq!(citizen_offices(&city).count(), 11);
    assert_eq!(
        citizen_offices(&city)
            .map(|office| office.counters.len())
            .sum::<usize>(),
        80
    );
    for service in &city.services {
        let offered = city.offices.iter().any(|office| {
            city.service_by_id(&service.id)
                .is_some_and(|index| office.offer(index).is_some())
        });
        assert!(offered, "{} is offered somewhere", service.id);
    }
}

/// The published capacity: 2,200 appointments a working day of 12.7 minutes each in the usual
/// mix, about 15 % of it held back, and 60 to 70 % of the rest in the first wave.
#[test]
fn duesseldorfs_week_is_as_large_as_the_real_one() {
    const MINUTES_MEAN: f64 = 12.7;
    let city = duesseldorf();
    for day in 12..=16 {
        let date = date(2026, 10, day);
        let (mut public, mut held_back, mut early) = (0.0, 0.0, 0.0);
        for office in citizen_offices(&city) {
            let plan = plan(&city, office, date);
            let minutes = |cells: &[morgenruh_engine::rules::cells::CounterSet]| {
                cells.iter().map(|set| f64::from(set.len())).sum::<f64>() * f64::from(UNIT_MINUTES)
            };
            public += minutes(&plan.public);
            held_back += minutes(&plan.walk_in) + minutes(&plan.call_centre);
            early += plan.waves.first().map_or(0.0, |wave| minutes(&wave.cells));
        }
        let slots = public / MINUTES_MEAN;
        assert!(
            (1850.0..2700.0).contains(&slots),
            "{date}: {slots} public slots"
        );
        let share = held_back / (public + held_back);
        assert!((0.13..0.18).contains(&share), "{date}: {share} held back");
        assert!(
            (0.60..0.70).contains(&(early / public)),
            "{date}: {} early",
            early / public
        );
    }
}
