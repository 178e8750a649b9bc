//! Behind a real nginx, with the configuration that this project hands out: what it asks of the
//! service, and what it lets through.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::http::{Request, connect};
use crate::metrics::Metrics;
use crate::support::{Home, Service, eventually, together};
use crate::town::Town;
use crate::visitor::{Visitor, direct};

const CACHING: &str = include_str!("../../../packaging/nginx.conf");
const GUARDING: &str = include_str!("../../../packaging/nginx-guard.conf");

/// A running nginx, which ends when it is dropped.
struct Nginx {
    child: Child,
    dir: TempDir,
    at: SocketAddr,
}

impl Nginx {
    /// With a configuration of ours, at a free port, without TLS, before these services.
    fn start(configuration: &str, at: SocketAddr, service: &Service, guarded: SocketAddr) -> Nginx {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        let mut sites = String::new();
        for line in configuration.lines() {
            let word = line.split_whitespace().next().unwrap_or_default();
            let line = match word {
                "ssl_certificate"
                | "ssl_certificate_key"
                | "ssl_protocols"
                | "ssl_session_cache"
                | "ssl_session_tickets" => String::new(),
                "listen" if line.contains("443 ssl") && !line.contains("[::]") => {
                    format!("listen {at};")
                }
                // The redirect from HTTP is of no use here.
                "listen" => String::new(),
                "return" if line.contains("301") => "listen unix:redirect.sock;".to_owned(),
                _ => line.to_owned(),
            };
            sites += &line;
            sites.push('\n');
        }
        let sites = sites
            .replace("127.0.0.1:8080", &service.public.to_string())
            .replace("127.0.0.1:8000", &guarded.to_string())
            .replace("/forward-auth/buergerbuero", "/forward-auth/raum")
            .replace("/var/lib/nginx", folder)
            .replace("/var/log/nginx", folder)
            .replace(
                "unix:redirect.sock",
                &format!("unix:{folder}/redirect.sock"),
            );
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
            .concat();
        let main = format!(
            "daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nworker_processes 2;\n\
             {user}\
             events {{ worker_connections 512; }}\n\
             http {{\naccess_log off;\n{temporary}{sites}\n\
             server {{ listen {guarded}; location / {{ return 200 \"the present system\"; }} }}\n}}\n",
            user = if is_root() { "user root;\n" } else { "" },
        );
        std::fs::write(dir.path().join("nginx.conf"), main).unwrap();
        let mut command = morgenruh_servers::ends_with_us(Path::new("nginx"));
        command.args(["-p", folder, "-c", "nginx.conf", "-e", "error.log"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // Debian keeps it where only administrators look.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
        let child = command.spawn().expect("nginx is there: make packages");
        let mut nginx = Nginx { child, dir, at };
        eventually("nginx listens", || {
            if let Some(status) = nginx.child.try_wait().unwrap() {
                panic!("nginx ended with {status}:\n{}", nginx.log());
            }
            connect(at).ok()
        });
        nginx
    }

    /// All that it has written about what was asked.
    fn logs(&self) -> String {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let logs = files.filter(|path| path.extension().is_some_and(|it| it == "log"));
        logs.map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The first process ends its others; killed, it could not.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of nginx:\n{}", self.log());
        }
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn town(settings: &str) -> Home {
    let town = Town::small();
    let at = town.hours_from_now(5);
    let town = town.with_room(&at, "08:00-18:00", "opens_minutes = 120");
    Home::of(town.server(settings))
}

/// How often the service was asked for the document of a room.
fn asked(service: &Service) -> f64 {
    let labels = [("route", "/api/v1/rooms/{id}"), ("method", "GET")];
    let metrics = Metrics::of(service);
    let name = "morgenruh_http_request_duration_seconds_count";
    let (well, unchanged) = ([labels[0], labels[1], ("status", "2xx")], ("status", "3xx"));
    let unchanged = metrics.find(name, &[labels[0], labels[1], unchanged]);
    metrics.find(name, &well).unwrap_or(0.0) + unchanged.unwrap_or(0.0)
}

/// However many look at a room, the service hears of a few a second.
#[test]
fn a_cache_multiplies_the_document_of_a_room() {
    const PEOPLE: usize = 8;
    const QUESTIONS: usize = 500;
    let service = town("").start_demo(3_600);
    let visitor = Visitor::of(&service);
    let nginx = Nginx::start(CACHING, free_address(), &service, free_address());
    let path = format!("/api/v1/rooms/{}", visitor.room);
    let document = visitor.document();
    let before = asked(&service);
    let begin = Instant::now();
    together(PEOPLE, |_| {
        for _ in 0..QUESTIONS {
            let answer = Request::get(&path).send(nginx.at).unwrap();
            assert_eq!(
                answer.expect(200).json::<morgenruh_wire::Room>().id,
                document.id
            );
        }
    });
    // A document may be asked for again as soon as it is a second old.
    let seconds = begin.elapsed().as_secs_f64();
    let cost = asked(&service) - before;
    assert!(
        cost >= 1.0 && cost <= 2.0 * (seconds + 2.0),
        "{cost} in {seconds} s"
    );

    // It is not an old one for long.
    let mut joined = visitor.at(nginx.at);
    joined.form("ticket");
    eventually("the cache has the ticket", || {
        let answer = Request::get(&path).send(nginx.at).unwrap();
        (answer.json::<morgenruh_wire::Room>().tickets == 1).then_some(())
    });
    // What belongs to one person is never kept.
    let place = format!("{path}/place");
    joined.send(Request::get(&place)).expect(200);
    assert_eq!(
        joined.other().send(Request::get(&place)).slug(),
        "token-missing"
    );
    // While the service is away, whoever waits still sees the room.
    let home = service.stop();
    Request::get(&path).send(nginx.at).unwrap().expect(200);
    drop(home);
}

/// Also of what goes wrong: its address has the secret as well.
#[test]
fn no_log_has_what_was_asked() {
    let service = town("").start_demo(3_600);
    let caching = Nginx::start(CACHING, free_address(), &service, free_address());
    let guarding = Nginx::start(GUARDING, free_address(), &service, free_address());
    drop(service.stop());
    for path in [
        "/wunsch/1/the-secret",
        "/termin/1/the-secret/absagen",
        "/warteraum/raum/weiter/the-secret",
    ] {
        Request::get(path).send(caching.at).unwrap().expect(502);
        let answer = Request::get(path).send(guarding.at).unwrap();
        assert!(answer.status >= 500, "{}", answer.status);
    }
    for nginx in [caching, guarding] {
        let logs = nginx.logs();
        assert!(!logs.contains("the-secret"), "{logs}");
    }
}

/// Whoever follows a room hears of it at once.
#[test]
fn events_are_not_kept_back() {
    let service = town("").start_demo(3_600);
    let mut visitor = Visitor::of(&service);
    let configurations = [CACHING, GUARDING];
    let nginxes =
        configurations.map(|it| Nginx::start(it, free_address(), &service, free_address()));
    let path = format!("/api/v1/rooms/{}/events", visitor.room);
    let mut streams = nginxes.each_ref().map(|nginx| {
        let mut stream = connect(nginx.at).unwrap();
        let request = Request::get(&path).head();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    });
    for stream in &mut streams {
        until(stream, "\"tickets\":0");
    }
    visitor.form("ticket");
    for stream in &mut streams {
        until(stream, "\"tickets\":1");
    }
}

/// Reads until this was said.
#[track_caller]
fn until(stream: &mut impl Read, words: &str) {
    let (mut heard, mut part) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&heard).contains(words) {
        let length = stream.read(&mut part).expect("nginx passes it on");
        assert!(length > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&part[..length]);
    }
}

/// In front of software that knows nothing of us.
#[test]
fn a_room_guards_another_site() {
    let at = free_address();
    let settings = format!("[room]\nforward_auth_targets = \"http://{at}\"\n");
    let service = town(&settings).start_demo(6);
    let nginx = Nginx::start(GUARDING, at, &service, free_address());
    let mut visitor = Visitor::of(&service).at(nginx.at);
    let host = at.to_string();
    let site = |visitor: &mut Visitor| visitor.send(Request::get("/office?day=1").at_host(&host));
    let answer = site(&mut visitor);
    let room = answer.expect(302).header("location").unwrap().to_owned();
    assert!(
        room.starts_with(&visitor.path("?ziel=http%3A%2F%2F")),
        "{room}"
    );
    let page = visitor.send(Request::get(&format!("{room}&lang=en")));
    page.expect(200);
    visitor.form("ticket");
    visitor.until("It is your turn");
    assert_eq!(site(&mut visitor).status, 302);
    visitor.form("eintreten");
    let page = visitor.page("en");
    let link = format!("href=\"http://{at}/office?day=1\">Continue to {at}</a>");
    assert!(page.text().contains(&link), "{}", page.text());
    assert_eq!(site(&mut visitor).expect(200).text(), "the present system");
    assert_eq!(site(&mut visitor.other()).status, 302);
    direct(&service, &visitor.room, "close");
    eventually("everybody passes", || {
        (site(&mut visitor.other()).status == 200).then_some(())
    });
}
