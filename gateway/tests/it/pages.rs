//! What people and programs read about the service: its page, its documentation, its headers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::citizen::{HOLDS, seat};
use crate::http::{Answer, Request};
use crate::support::{Home, Service};
use crate::town::{OFFICE_ON_TRIAL, Town};

/// A page as text, which must be complete in itself.
fn page(service: &Service, address: &str) -> String {
    let answer = service.send(&Request::get(address));
    let media_type = answer.expect(200).header("content-type");
    assert_eq!(media_type, Some("text/html; charset=utf-8"));
    let html = answer.text().to_owned();
    for foreign in [
        "http://", "https://", "src=", "@import", "url(", "<script", "<iframe", " on",
    ] {
        let allowed = foreign == " on" && !html.contains(" onclick") && !html.contains(" onload");
        assert!(
            allowed || !html.contains(foreign),
            "{address} contains {foreign}"
        );
    }
    let count = |tag: &str| html.matches(tag).count();
    assert!(html.starts_with("<!doctype html>"));
    assert_eq!((count("<h1"), count("<main"), count("<title>")), (1, 1, 1));
    assert_eq!(count("<table"), count("<caption"), "tables have captions");
    html
}

fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let parts = html.split(&start).skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

#[test]
fn the_start_page_speaks_three_languages() {
    let service = Service::start();
    for (query, lang, city, office, release) in [
        ("", "de", "Kleinstadt", "Bürgerbüro Mitte", "0:00 Uhr"),
        (
            "?lang=de",
            "de",
            "Kleinstadt",
            "Bürgerbüro Mitte",
            "0:00 Uhr",
        ),
        (
            "?lang=de-leicht",
            "de",
            "Kleinstadt",
            "Bürgerbüro Mitte",
            "0:00 Uhr",
        ),
        (
            "?lang=en",
            "en",
            "Smalltown",
            "Citizen Office Centre",
            "00:00",
        ),
        (
            "?lang=tlh&x=%3Cb%3E",
            "de",
            "Kleinstadt",
            "Bürgerbüro Mitte",
            "0:00 Uhr",
        ),
    ] {
        let html = page(&service, &format!("/{query}"));
        assert!(html.contains(&format!("<html lang=\"{lang}\"")), "{query}");
        let title = html
            .split("<title>")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap();
        assert!(title.contains(city), "{title}");
        assert!(
            html.contains(office) && html.contains(release),
            "{query}: {html}"
        );
        assert!(
            !html.contains("Probeamt") && !html.contains("Office on Trial"),
            "{query}"
        );
        assert!(
            !html.contains("Closed Office") && !html.contains("x=<b>"),
            "{query}"
        );
        assert_eq!(attributes(&html, "aria-current").len(), 1);
        let links = attributes(&html, "href");
        for link in [
            "/api/docs",
            "/api/openapi.json",
            "/?lang=en",
            "/?lang=de-leicht",
        ] {
            assert!(links.contains(&link), "{query}: no link to {link}");
        }
    }
    let page = |language: &str| {
        service
            .send(&Request::get(&format!("/?lang={language}")))
            .body
    };
    assert_ne!(page("de"), page("de-leicht"));
}

/// Every address that a page links to answers, and every place in a page that is pointed at exists.
#[test]
fn links_lead_somewhere() {
    let service = Service::start();
    for address in ["/", "/?lang=en", "/?lang=de-leicht", "/api/docs"] {
        let html = page(&service, address);
        let ids: Vec<&str> = attributes(&html, "id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{address}: an id twice");
        for link in attributes(&html, "href") {
            match link.strip_prefix('#') {
                Some(fragment) => assert!(unique.contains(fragment), "{address}: {link}"),
                None => assert!(service.send(&Request::get(link)).status == 200, "{link}"),
            }
        }
        for name in ["aria-labelledby", "for"] {
            for id in attributes(&html, name) {
                assert!(unique.contains(id), "{address}: {name} {id}");
            }
        }
    }
}

#[test]
fn names_from_the_configuration_cannot_break_the_page() {
    let nasty = OFFICE_ON_TRIAL
        .replace("status = \"test\"", "status = \"live\"")
        .replace("Probeamt", "<i title='x'>Probe</i>&amp;");
    let town = Town::small().with("buergeramt/probe.toml", &nasty);
    let service = Home::of(town).start();
    let html = page(&service, "/");
    assert!(
        !html.contains("<i ") && html.contains("Probe"),
        "shown as it is written"
    );
    assert!(!html.contains("</i>&amp;<"), "an ampersand is one too");
}

/// The document, the router and the pages agree.
#[test]
fn the_openapi_document_is_true() {
    let service = Service::start();
    let answer = service.send(&Request::get("/api/openapi.json"));
    let document: Value = answer.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let references = attributes_of(&document, "$ref");
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference
            .strip_prefix('#')
            .expect("references stay in the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let docs = page(&service, "/api/docs");
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let address = path.replace("{id}", "AAAAAAAAAAAAAAAAAAAAAA");
        for method in ["get", "post", "put", "patch", "delete"] {
            let request = Request::new(&method.to_uppercase(), &address);
            let answer = service.send(&request.text("{\"hold\":\"x\"}"));
            let operation = &item[method];
            if operation.is_null() {
                assert_eq!(
                    answer.status, 405,
                    "{method} {path} works but is not described"
                );
                continue;
            }
            assert_ne!(answer.status, 405, "{method} {path}");
            if answer.status != 200 {
                assert_ne!(answer.slug(), "not-found", "{method} {path}");
            }
            let id = operation["operationId"]
                .as_str()
                .expect("operations have ids");
            assert!(operations.insert(id.to_owned()), "{id} twice");
            assert!(
                docs.contains(&format!("{} {path}", method.to_uppercase())),
                "{method} {path}"
            );
            assert!(
                operation["summary"]
                    .as_str()
                    .is_some_and(|it| !it.is_empty())
            );
            let secured = operation["security"].is_array();
            assert_eq!(
                answer.status == 401,
                secured,
                "{method} {path} needs a token or not"
            );
        }
    }
    assert_eq!(operations.len(), 31);
}

/// All values of a key, anywhere in a document.
fn attributes_of<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get(key).and_then(Value::as_str);
            let inner = fields.values().flat_map(|field| attributes_of(field, key));
            own.into_iter().chain(inner).collect()
        }
        Value::Array(items) => items
            .iter()
            .flat_map(|item| attributes_of(item, key))
            .collect(),
        _ => Vec::new(),
    }
}

/// The schemas say what the answers say: no answer has a field that is not described, and none
/// lacks one that is required.
#[test]
fn answers_have_the_form_that_is_described() {
    let service = Service::start();
    let document: Value = service.send(&Request::get("/api/openapi.json")).json();
    let citizen = service.citizen();
    let start = service.town().at(1, "08:00");
    let hold = citizen.try_hold("mitte", "pass", &start);
    let booking = citizen.try_book(&hold.json());
    let problem = citizen.try_hold("mitte", "pass", "morgen");
    let get = |path: &str| -> Value { service.send(&Request::get(path)).expect(200).json() };
    for (schema, value) in [
        ("Offices", get("/api/v1/offices")),
        ("Services", get("/api/v1/services")),
        ("Availability", get("/api/v1/availability?services=pass")),
        ("Hold", hold.json()),
        ("Booking", booking.json()),
        ("Problem", serde_json::from_slice(&problem.body).unwrap()),
    ] {
        let schema = &document["components"]["schemas"][schema];
        fits(&document, schema, &value);
    }
}

fn fits(document: &Value, schema: &Value, value: &Value) {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(document, document.pointer(&reference[1..]).unwrap(), value);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices
            .iter()
            .find(|it| (it["type"] == "null") == value.is_null());
        return fits(document, choice.expect("one of them fits"), value);
    }
    match value {
        Value::Object(fields) => {
            let known = schema["properties"]
                .as_object()
                .expect("an object is described");
            for (name, field) in fields {
                fits(
                    document,
                    known.get(name).unwrap_or_else(|| panic!("{name}")),
                    field,
                );
            }
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    fields.contains_key(name.as_str().unwrap()),
                    "no {name} in {value}"
                );
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| fits(document, &schema["items"], item)),
        Value::String(_) => assert!(is_of(schema, "string"), "{schema} {value}"),
        Value::Bool(_) => assert!(is_of(schema, "boolean"), "{schema} {value}"),
        Value::Number(_) => assert!(is_of(schema, "integer"), "{schema} {value}"),
        Value::Null => assert!(is_of(schema, "null"), "{schema} {value}"),
    }
}

fn is_of(schema: &Value, name: &str) -> bool {
    let kind = &schema["type"];
    kind == name
        || kind
            .as_array()
            .is_some_and(|kinds| kinds.contains(&json!(name)))
}

/// The type of a problem is an address, and it explains the problem.
#[test]
fn problem_types_can_be_looked_up() {
    let service = Service::start();
    let docs = page(&service, "/api/docs");
    let slugs: Vec<&str> = attributes(&docs, "id")
        .into_iter()
        .filter_map(|id| id.strip_prefix("problem-"))
        .collect();
    assert!(slugs.len() >= 40 && slugs.contains(&"slot-taken"));
    for slug in slugs {
        let answer = service.send(&Request::get(&format!("/problems/{slug}")));
        let target = format!("/api/docs#problem-{slug}");
        assert_eq!(answer.expect(303).header("location"), Some(target.as_str()));
    }
}

/// Whatever is asked and however it ends: browsers are told to trust nothing else.
#[test]
fn every_answer_carries_the_protective_headers() {
    let service = Service::start();
    let citizen = service.citizen();
    let hold = citizen.try_hold("mitte", "pass", &service.town().at(1, "08:00"));
    let booking = citizen.try_book(&hold.json());
    let calendar = citizen.calendar(&booking.json());
    let get = |path: &str| service.send(&Request::get(path));
    let large = Request::post(HOLDS).bytes(&[b' '; 20_000]);
    let answers: Vec<(&str, Answer)> = vec![
        ("page", get("/")),
        ("docs", get("/api/docs")),
        ("document", get("/api/openapi.json")),
        ("redirect", get("/problems/slot-taken")),
        ("offices", get("/api/v1/offices")),
        ("availability", get("/api/v1/availability?services=pass")),
        ("health", get("/healthz")),
        ("readiness", get("/readyz")),
        ("hold", hold),
        ("booking", booking),
        ("calendar", calendar),
        ("not found", get("/nowhere")),
        ("not allowed", service.send(&Request::delete("/"))),
        ("too large", service.send(&large)),
        (
            "refused",
            service.send(&Request::post(HOLDS).json(&seat("x", "y", "z"))),
        ),
        (
            "operations",
            Request::get("/readyz").send(service.admin).unwrap(),
        ),
    ];
    for (what, answer) in answers {
        for (name, part) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("content-security-policy", "base-uri 'none'"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            let value = answer.header(name).unwrap_or_default();
            assert!(value.contains(part), "{what}: {name} is {value:?}");
        }
        assert!(
            answer.header("server").is_none(),
            "{what}: nobody needs to know"
        );
        if !answer.body.is_empty() {
            assert!(answer.header("content-type").is_some(), "{what}");
        }
    }
}

/// What belongs to operations is not on the public listener, and the other way round.
#[test]
fn the_two_listeners_do_not_mix() {
    let service = Service::start();
    assert_eq!(
        service.send(&Request::get("/admin/conflicts")).slug(),
        "not-found"
    );
    assert_eq!(service.send(&Request::get("/metrics")).slug(), "not-found");
    for path in ["/", "/api/v1/offices", "/api/docs"] {
        let answer = Request::get(path).send(service.admin).unwrap();
        assert_eq!(answer.slug(), "not-found");
    }
    let detail: Value = Request::get("/readyz").send(service.admin).unwrap().json();
    let ledger = json!({
        "kind": "sqlite",
        "health": "ready",
        "durability": "strict",
        "findings": [],
    });
    assert_eq!(detail, json!({ "stopping": false, "ledger": ledger }));
}
