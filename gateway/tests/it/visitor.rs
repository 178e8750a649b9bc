//! Somebody who waits with a browser that runs no scripts: it follows no redirect by itself, and
//! keeps cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use morgenruh_wire::Room;

use crate::http::{Answer, Request};
use crate::support::{Service, eventually};

#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    to: SocketAddr,
    pub(crate) room: String,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Waits for the room to be there.
    #[track_caller]
    pub(crate) fn of(service: &Service) -> Visitor {
        let room = eventually("the room is announced", || {
            let answer = service.send(&Request::get("/api/v1/rooms"));
            let rooms = answer.json::<morgenruh_wire::Rooms>().rooms;
            rooms.into_iter().next()
        });
        Visitor {
            to: service.public,
            room: room.id,
            cookies: BTreeMap::new(),
        }
    }

    /// Somebody else, who has no cookies yet.
    pub(crate) fn other(&self) -> Visitor {
        Visitor {
            cookies: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// The same at another address.
    pub(crate) fn at(&self, to: SocketAddr) -> Visitor {
        Visitor { to, ..self.clone() }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, request: Request) -> Answer {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<String> = cookies.collect();
        let request = if cookies.is_empty() {
            request
        } else {
            request.header("cookie", &cookies.join("; "))
        };
        let answer = request.send(self.to).expect("the service answers");
        for cookie in answer.all("set-cookie") {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// The address of something about the room.
    pub(crate) fn path(&self, more: &str) -> String {
        format!("/warteraum/{}{more}", self.room)
    }

    #[track_caller]
    pub(crate) fn page(&mut self, lang: &str) -> Answer {
        let path = self.path(&format!("?lang={lang}"));
        self.send(Request::get(&path))
    }

    /// Sends a form of the page; the answer leads back to it. A room that was announced this moment
    /// may ask to try again.
    #[track_caller]
    pub(crate) fn form(&mut self, name: &str) -> Answer {
        let path = self.path(&format!("/{name}?lang=en"));
        let page = self.path("?lang=en");
        let answer = eventually("the form is taken", || {
            let form = Request::post(&path).header("sec-fetch-site", "same-origin");
            let answer = self.send(form);
            (answer.status != 503).then_some(answer)
        });
        assert_eq!(answer.status, 303, "{name}");
        assert_eq!(answer.header("location"), Some(page.as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer
    }

    pub(crate) fn token(&self, purpose: &str) -> Option<&str> {
        let name = format!("mr-{purpose}-{}", self.room);
        // As it is called where citizens come by https.
        let names = [format!("__Host-{name}"), name];
        let mut found = names.iter().filter_map(|name| self.cookies.get(name));
        found.next().map(String::as_str)
    }

    #[track_caller]
    pub(crate) fn document(&self) -> Room {
        let path = format!("/api/v1/rooms/{}", self.room);
        Request::get(&path).send(self.to).unwrap().json()
    }

    /// So many tickets were given, as everybody sees a moment later.
    #[track_caller]
    pub(crate) fn until_tickets(&self, tickets: u32) {
        eventually("the tickets are counted", || {
            (self.document().tickets == tickets).then_some(())
        });
    }

    /// Looks at the page until its heading is this one.
    #[track_caller]
    pub(crate) fn until(&mut self, heading: &str) -> Answer {
        eventually(heading, || {
            let page = self.page("en");
            (heading_of(page.text()) == heading).then_some(page)
        })
    }
}

/// The first heading of a page.
#[track_caller]
pub(crate) fn heading_of(html: &str) -> &str {
    let from = html.split("<h1").nth(1).expect("there is a heading");
    let from = from.split_once('>').expect("it is closed").1;
    from.split('<').next().unwrap_or_default()
}

/// What staff decide about the room.
#[track_caller]
pub(crate) fn direct(service: &Service, room: &str, what: &str) {
    let path = format!("/admin/rooms/{room}/{what}");
    let why = r#"{"by":"the tests","reason":"to see what happens"}"#;
    let answer = Request::post(&path).text(why).send(service.admin).unwrap();
    assert!(answer.status < 300, "{answer:?}");
}
