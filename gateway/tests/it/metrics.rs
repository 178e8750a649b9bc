//! `/metrics`, read as strictly as a machine reads it: every family described before its samples
//! and in one piece, every sample of a form that belongs to its type, an end at the end.

use std::collections::{BTreeMap, HashSet};

use crate::citizen::token;
use crate::http::Request;
use crate::support::Service;

type Labels = BTreeMap<String, String>;

/// A scrape.
pub(crate) struct Metrics {
    /// Type by the name of the family.
    types: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Metrics {
    #[track_caller]
    pub(crate) fn of(service: &Service) -> Metrics {
        let answer = Request::get("/metrics").send(service.admin).unwrap();
        let answer = answer.expect(200);
        assert_eq!(
            answer.header("content-type"),
            Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
        );
        Metrics::parse(answer.text())
    }

    #[track_caller]
    fn parse(text: &str) -> Metrics {
        let mut metrics = Metrics {
            types: BTreeMap::new(),
            samples: Vec::new(),
        };
        let body = text.strip_suffix("# EOF\n").expect("the end is marked");
        let mut family = String::new();
        let (mut families, mut seen) = (HashSet::new(), HashSet::new());
        for line in body.lines() {
            if let Some(described) = line.strip_prefix("# ") {
                let [kind, name, rest] = described.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                    panic!("{line}")
                };
                match kind {
                    "HELP" => {
                        assert!(
                            rest.ends_with('.') && families.insert(name.to_owned()),
                            "{line}"
                        );
                        family = name.to_owned();
                    }
                    "TYPE" => {
                        assert_eq!(name, family, "{line}");
                        let types = ["counter", "gauge", "histogram", "info"];
                        assert!(types.contains(&rest), "{line}");
                        metrics.types.insert(name.to_owned(), rest.to_owned());
                    }
                    "UNIT" => assert!(name == family && name.ends_with(rest), "{line}"),
                    _ => panic!("{line}"),
                }
                continue;
            }
            let (name, labels, value) = sample(line);
            let suffix = name.strip_prefix(&family).expect("families do not mix");
            let belongs = match metrics.types[&family].as_str() {
                "counter" => suffix == "_total",
                "gauge" => suffix.is_empty(),
                "info" => suffix == "_info" && value == 1.0,
                _ => ["_sum", "_count", "_bucket"].contains(&suffix),
            };
            assert!(belongs && !value.is_nan() && value >= 0.0, "{line}");
            let (series, _) = line.rsplit_once(' ').expect("it has a value");
            assert!(seen.insert(series.to_owned()), "twice: {line}");
            metrics.samples.push((name, labels, value));
        }
        metrics
    }

    /// The value of a sample that has these labels, perhaps among others.
    pub(crate) fn find(&self, name: &str, wanted: &[(&str, &str)]) -> Option<f64> {
        let has = |labels: &Labels| {
            wanted
                .iter()
                .all(|(key, value)| labels.get(*key).is_some_and(|it| it == value))
        };
        let mut found = self
            .samples
            .iter()
            .filter(|(it, labels, _)| it == name && has(labels));
        found.next().map(|(_, _, value)| *value)
    }

    /// Of all families, as their samples are called without what their type adds to it.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.types.iter().map(|(name, kind)| match kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.clone(),
        })
    }

    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> f64 {
        self.find(name, &[]).unwrap_or_else(|| panic!("no {name}"))
    }
}

/// `name{key="value",…} 1.5`
#[track_caller]
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').expect("it has a value");
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}').expect("it is closed")),
        None => (series, ""),
    };
    let plain = |text: &str| {
        let mut characters = text.chars();
        characters.next().is_some_and(|it| it.is_ascii_lowercase())
            && characters.all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
    };
    assert!(plain(name) && name.starts_with("morgenruh_"), "{line}");
    let mut pairs = Labels::new();
    for pair in labels.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').expect("a label has a value");
        let value = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let value = value.expect("it is quoted");
        assert!(plain(key) && !value.contains(['"', '\\']), "{line}");
        assert!(pairs.insert(key.to_owned(), value.to_owned()).is_none());
    }
    (name.to_owned(), pairs, value.parse().expect("a number"))
}

#[test]
fn requests_are_counted_by_their_route() {
    let service = Service::start();
    let citizen = service.citizen();
    let hold = citizen.hold("mitte", "pass", &service.town().at(1, "08:00"));
    citizen.extend(&hold).expect(200);
    let booking = citizen.book(&hold);
    citizen.look(&booking).expect(200);
    citizen.cancel(&booking).expect(200);
    for number in 0..50 {
        service.send(&Request::get(&format!("/secret-{number}")));
        service.send(&Request::get(&format!("/api/v1/bookings/{number}")));
        service.send(&Request::new(&format!("X{number}"), "/"));
    }
    let metrics = Metrics::of(&service);
    let count = |route, method, status| {
        let labels = [
            ("listener", "public"),
            ("route", route),
            ("method", method),
            ("status", status),
        ];
        metrics.find("morgenruh_http_request_duration_seconds_count", &labels)
    };
    for (route, method, status, expected) in [
        ("/api/v1/holds", "POST", "2xx", 1.0),
        ("/api/v1/bookings", "POST", "2xx", 1.0),
        ("none", "GET", "4xx", 50.0),
        ("/", "other", "4xx", 50.0),
    ] {
        let counted = count(route, method, status);
        assert_eq!(counted, Some(expected), "{method} {route} {status}");
    }

    let mut routes = HashSet::new();
    for (name, labels, value) in &metrics.samples {
        let text = format!("{labels:?}");
        for secret in ["secret", token(&hold), booking.id.as_str()] {
            assert!(!text.contains(secret), "{text}");
        }
        if name.ends_with("_bucket") && labels["le"] == "+Inf" {
            let [route, method, status] =
                ["route", "method", "status"].map(|key| labels[key].as_str());
            let counted = match labels["listener"].as_str() {
                "public" => count(route, method, status),
                _ => None,
            };
            assert!(counted.is_none_or(|count| count == *value), "{text}");
            routes.insert(route.to_owned());
        }
    }
    assert!(routes.len() < 12, "{routes:?}");
}

/// Every route of the public listener is known by its template: none is counted as `none`.
#[test]
fn no_route_is_counted_as_none() {
    let service = Service::start();
    let document: serde_json::Value = service.send(&Request::get("/api/openapi.json")).json();
    let paths = document["paths"].as_object().unwrap();
    let pages = ["/", "/api/docs", "/problems/{slug}", "/healthz", "/readyz"];
    let templates = paths.keys().map(String::as_str).chain(pages);
    let mut asked = 1;
    for template in templates {
        service.send(&Request::get(&template.replace(['{', '}'], "")));
        asked += 1;
    }
    let metrics = Metrics::of(&service);
    let name = "morgenruh_http_request_duration_seconds_count";
    let public = |labels: &Labels| labels["listener"] == "public";
    let counted: f64 = metrics
        .samples
        .iter()
        .filter(|(it, labels, _)| it == name && public(labels))
        .map(|(_, _, value)| value)
        .sum();
    assert_eq!(counted, f64::from(asked));
    assert_eq!(metrics.find(name, &[("route", "none")]), None);
}

#[test]
fn the_embedded_ledger_has_no_store() {
    let service = Service::start();
    let metrics = Metrics::of(&service);
    let ledger = [("kind", "sqlite"), ("durability", "strict")];
    assert_eq!(metrics.find("morgenruh_ledger_info", &ledger), Some(1.0));
    let build = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(metrics.find("morgenruh_build_info", &build), Some(1.0));
    assert_eq!(metrics.value("morgenruh_ledger_ready"), 1.0);
    assert_eq!(metrics.value("morgenruh_ledger_findings"), 0.0);
    assert_eq!(metrics.find("morgenruh_store_backlog_records", &[]), None);
}

#[test]
fn open_connections_are_counted() {
    let service = Service::start();
    let open = |service: &Service| {
        let labels = [("listener", "public")];
        Metrics::of(service).find("morgenruh_connections", &labels)
    };
    assert_eq!(open(&service), Some(0.0));
    let connections = [(); 3].map(|()| crate::http::connect(service.public).unwrap());
    crate::support::eventually("three are counted", || {
        (open(&service) == Some(3.0)).then_some(())
    });
    drop(connections);
    crate::support::eventually("none is left", || {
        (open(&service) == Some(0.0)).then_some(())
    });
}
