//! Requests, counted and timed by what they ask for: the template of a route, a method, and the
//! class of the answer's status.
//!
//! Labels come from lists that are known when a router is built, never from a request, so neither
//! an id nor an unheard-of path makes a series: at most routes × [`METHODS`] × [`CLASSES`] of them.
//! A series is made when it is first needed and found by its place from then on.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds of the classes of durations, in seconds: an answer from memory is far below a
/// millisecond, one that waits for a disk some milliseconds, one that is refused seconds.
const DURATIONS_S: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "DELETE", "other"];
const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "other"];
/// The route of what no route matches.
const NO_ROUTE: &str = "none";

/// Durations of the requests of all listeners.
pub(crate) type Durations = Family<Series, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Series {
    listener: &'static str,
    route: Arc<str>,
    method: &'static str,
    status: &'static str,
}

/// What comes in over HTTP.
#[derive(Clone, Debug)]
pub struct Traffic {
    durations: Durations,
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS_S)),
        }
    }
}

impl Traffic {
    pub(crate) fn durations(&self) -> &Durations {
        &self.durations
    }

    /// What counts the requests of a listener with these routes.
    pub fn counter(
        &self,
        listener: &'static str,
        templates: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Counter {
        let route = |template: &str| Route {
            template: template.into(),
            series: Default::default(),
        };
        let routes = templates.into_iter().map(|template| {
            let template = template.as_ref();
            (template.to_owned(), route(template))
        });
        Counter {
            listener,
            durations: self.durations.clone(),
            routes: routes.collect(),
            no_route: route(NO_ROUTE),
        }
    }
}

/// Counts the requests of one listener.
#[derive(Debug)]
pub struct Counter {
    listener: &'static str,
    durations: Durations,
    routes: HashMap<String, Route>,
    no_route: Route,
}

#[derive(Debug)]
struct Route {
    template: Arc<str>,
    series: [[OnceLock<Histogram>; CLASSES.len()]; METHODS.len()],
}

impl Counter {
    /// Counts a request that was answered after this time; `template` is the route that matched.
    pub(crate) fn count(
        &self,
        template: Option<&str>,
        method: &Method,
        status: StatusCode,
        duration: Duration,
    ) {
        let route = template.and_then(|template| self.routes.get(template));
        let route = route.unwrap_or(&self.no_route);
        let (method, class) = (method_index(method), class_index(status));
        let series = route.series[method][class].get_or_init(|| {
            self.durations.get_or_create_owned(&Series {
                listener: self.listener,
                route: Arc::clone(&route.template),
                method: METHODS[method],
                status: CLASSES[class],
            })
        });
        series.observe(duration.as_secs_f64());
    }
}

fn method_index(method: &Method) -> usize {
    let known = METHODS.iter().position(|known| *known == method.as_str());
    known.unwrap_or(METHODS.len() - 1)
}

fn class_index(status: StatusCode) -> usize {
    match status.as_u16() / 100 {
        class @ 2..=5 => usize::from(class) - 2,
        _ => CLASSES.len() - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is asked for, there are no more series than the lists allow.
    #[test]
    fn a_request_makes_no_labels() {
        let traffic = Traffic::default();
        let counter = traffic.counter("public", ["/holds/{token}"]);
        let count = |template, method: &[u8], status| {
            let method = Method::from_bytes(method).unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            counter.count(template, &method, status, Duration::from_millis(1));
        };
        for number in 0..100_u16 {
            count(Some("/holds/{token}"), b"GET", 200 + number);
            count(Some("/holds/1"), b"DELETE", 404);
            count(None, format!("X{number}").as_bytes(), 405);
        }
        let seen = |route: &str, method, status| {
            let series = Series {
                listener: "public",
                route: route.into(),
                method,
                status,
            };
            traffic.durations.get(&series).is_some()
        };
        assert!(seen("/holds/{token}", "GET", "2xx"));
        assert!(seen(NO_ROUTE, "DELETE", "4xx"));
        assert!(seen(NO_ROUTE, "other", "4xx"));
        assert!(!seen("/holds/1", "DELETE", "4xx"));
    }
}
