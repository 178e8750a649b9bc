//! Webhooks as a receiver gets them: real servers, over real sockets, one with TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post as on_post;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use morgenruh_servers::Certificates;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use super::*;
use crate::clock;
use crate::post::destination::BadUrl;
use crate::post::{CannotTell, Sent};

/// More than a receiver that is well ever takes, in milliseconds.
const TIMEOUT_MS: u64 = 20_000;

#[derive(Clone)]
struct Heard {
    path: String,
    head: HeaderMap,
    body: Vec<u8>,
}

/// Answers with the status that a path names, and remembers what it was asked.
struct Receiver {
    dir: TempDir,
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Ends the server when it is dropped.
    _runtime: tokio::runtime::Runtime,
}

impl Receiver {
    fn start() -> Receiver {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let bound = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(bound).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/{status}", on_post(hear))
            .with_state(heard.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Receiver {
            dir: tempfile::tempdir().unwrap(),
            address,
            heard,
            _runtime: runtime,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    fn post(&self) -> Post {
        post(&settings(
            &self.dir,
            SECRET,
            "allow_http_to = \"127.0.0.1\"",
        ))
        .unwrap()
    }

    fn send(&self, path: &str, kind: NoticeKind) -> Sent {
        self.post().send(&to(&self.url(path), kind))
    }
}

async fn hear(
    State(heard): State<Arc<Mutex<Vec<Heard>>>>,
    Path(path): Path<String>,
    head: HeaderMap,
    body: Bytes,
) -> Response {
    heard.lock().push(Heard {
        path: path.clone(),
        head,
        body: body.to_vec(),
    });
    match path.as_str() {
        "never" => std::future::pending().await,
        "large" => vec![b'x'; 1 << 24].into_response(),
        status => {
            let status: u16 = status.parse().unwrap();
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::LOCATION, "/200")]).into_response()
        }
    }
}

fn settings(dir: &TempDir, secrets: &str, more: &str) -> String {
    let file = dir.path().join("secrets");
    std::fs::write(&file, secrets).unwrap();
    format!(
        "[webhooks]\ntimeout_ms = {TIMEOUT_MS}\nsecrets_file = {}\n{more}\n",
        quoted(&file)
    )
}

fn to(url: &str, kind: NoticeKind) -> Notice {
    Notice {
        to: Notify::Webhook(url.to_owned()),
        ..notice(kind)
    }
}

#[test]
fn a_webhook_says_what_has_happened_and_who_says_so() {
    let receiver = Receiver::start();
    assert_eq!(receiver.send("204", offered(false)), Sent::Done);
    let heard = receiver.heard.lock().pop().unwrap();
    let value = |name: &str| heard.head.get(name).unwrap().to_str().unwrap();
    assert_eq!(value("content-type"), "application/json");
    assert_eq!(value("webhook-id"), "AAAAAAAAAAc-3");
    let timestamp: i64 = value("webhook-timestamp").parse().unwrap();
    assert!((clock::now().0 / 1_000 - timestamp).abs() < 60);
    let key = BASE64.decode(&SECRET.as_bytes()["whsec_".len()..]).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("AAAAAAAAAAc-3.{timestamp}.").as_bytes());
    mac.update(&heard.body);
    let signature = value("webhook-signature").strip_prefix("v1,").unwrap();
    let signature = BASE64.decode(signature.as_bytes()).unwrap();
    mac.verify_slice(&signature).unwrap();

    let body: Value = serde_json::from_slice(&heard.body).unwrap();
    let wish = "https://termine.example.org/wunsch/AAAAAAAAAAc";
    assert_eq!(
        body,
        json!({
            "type": "wish.offered",
            "timestamp": "2026-12-24T06:30:00+01:00",
            "data": {
                "wish": "AAAAAAAAAAc",
                "deadline": "2026-12-24T07:00:00+01:00",
                "visit": {
                    "start": "2026-12-24T07:30:00+01:00",
                    "end": "2026-12-24T07:45:00+01:00",
                    "office": "Bürgerbüro <Mitte> & mehr",
                    "address": "Am Markt 1, 12345 Ört",
                    "services": "Personalausweis",
                },
                "links": [
                    { "rel": "wish", "href": format!("{wish}?token=geheim") },
                    { "rel": "accept", "href": format!("{wish}/angebote/1/annehmen?token=geheim") },
                    { "rel": "decline", "href": format!("{wish}/angebote/1/ablehnen?token=geheim") },
                ],
            },
        })
    );
}

#[test]
fn every_kind_can_be_told_and_none_names_a_person() {
    let receiver = Receiver::start();
    let count = all_kinds().len();
    for kind in all_kinds() {
        assert_eq!(receiver.send("200", kind), Sent::Done);
    }
    let heard = receiver.heard.lock();
    assert_eq!(heard.len(), count);
    for heard in heard.iter() {
        let text = String::from_utf8(heard.body.clone()).unwrap();
        assert!(!text.contains("erika"), "{text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["data"]["wish"], "AAAAAAAAAAc");
        match body["type"].as_str().unwrap() {
            "wish.booked" => assert_eq!(body["data"]["code"], "MR-1234"),
            "wish.ended" => assert!(body["data"]["how"].is_string()),
            _ => {}
        }
    }
}

#[test]
fn only_what_has_gone_is_given_up() {
    let receiver = Receiver::start();
    for status in ["200", "201", "202", "204"] {
        assert_eq!(
            receiver.send(status, offered(false)),
            Sent::Done,
            "{status}"
        );
    }
    let gone = receiver.send("410", offered(false));
    assert!(matches!(gone, Sent::Refused(_)), "{gone:?}");
    for status in ["400", "401", "404", "429", "500", "503"] {
        let sent = receiver.send(status, offered(false));
        assert!(matches!(sent, Sent::Later(_)), "{status}: {sent:?}");
    }
}

#[test]
fn nobody_is_led_elsewhere() {
    let receiver = Receiver::start();
    for status in ["301", "302", "303", "307", "308"] {
        let sent = receiver.send(status, offered(false));
        assert!(matches!(sent, Sent::Later(_)), "{status}: {sent:?}");
    }
    let heard = receiver.heard.lock();
    assert!(heard.iter().all(|it| it.path != "200"));
    assert_eq!(heard.len(), 5);
}

/// A receiver that says nothing, or too much, holds nobody up.
#[test]
fn a_receiver_has_a_time_and_nobody_hears_it_out() {
    let receiver = Receiver::start();
    let settings = settings(&receiver.dir, SECRET, "allow_http_to = \"127.0.0.1\"");
    let hasty = settings.replace(&TIMEOUT_MS.to_string(), "500");
    let sent = post(&hasty)
        .unwrap()
        .send(&to(&receiver.url("never"), offered(false)));
    assert!(matches!(sent, Sent::Later(_)), "{sent:?}");
    assert_eq!(receiver.send("large", offered(false)), Sent::Done);
    assert_eq!(receiver.heard.lock().len(), 2);
}

#[test]
fn a_receiver_that_is_away_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let post = post(&settings(&dir, SECRET, "allow_http_to = \"127.0.0.1\"")).unwrap();
    let sent = post.send(&to(&url, offered(false)));
    assert!(matches!(sent, Sent::Later(_)), "{sent:?}");
}

/// A name that the operator has allowed, and that leads to this machine all the same.
#[test]
fn a_name_that_leads_to_this_machine_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let more = format!(
        "hosts = \"{host}\"\nallow_http_to = \"127.0.0.1, ::1\"\n\
         internal_networks = \"127.0.0.0/8, ::1\""
    );
    let post = post(&settings(&dir, SECRET, &more)).unwrap();
    let url = format!("https://{host}/");
    assert_eq!(post.check(&Notify::Webhook(url.clone())), Ok(()));
    let sent = post.send(&to(&url, offered(false)));
    let Sent::Later(reason) = sent else {
        panic!("{sent:?}")
    };
    assert!(reason.contains("not to be reached"), "{reason}");
    assert!(listener.accept().is_err(), "nobody has come");
}

#[test]
fn other_hosts_are_refused_before_anything_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let post = post(&settings(&dir, SECRET, "hosts = \"dienste.example.org\"")).unwrap();
    let check = |url: &str| post.check(&Notify::Webhook(url.to_owned()));
    assert_eq!(check("https://dienste.example.org/termine"), Ok(()));
    assert_eq!(
        check("https://example.org/"),
        Err(CannotTell::Url(BadUrl::NotAllowed))
    );
    assert_eq!(check("dienste"), Err(CannotTell::Url(BadUrl::Malformed)));
    let sent = post.send(&to("https://example.org/", offered(false)));
    assert!(matches!(sent, Sent::Later(_)), "{sent:?}");
    assert_eq!(post.check(&Notify::Email), Err(CannotTell::NoMail));
}

#[test]
fn without_hosts_nobody_is_told_by_webhooks() {
    let url = Notify::Webhook("https://dienste.example.org/".to_owned());
    assert_eq!(post("").unwrap().check(&url), Err(CannotTell::NoWebhooks));
}

#[test]
fn hosts_need_secrets_that_are_some() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = "hosts = \"dienste.example.org\"";
    let of = |settings: &str| post(settings).err().unwrap().to_string();
    let none = of(&format!("[webhooks]\n{hosts}\n"));
    assert!(none.contains("no secret"), "{none}");
    let bad = of(&settings(&dir, "whsec_geheim", hosts));
    assert!(bad.contains("24 to 64") && !bad.contains("geheim"), "{bad}");
}

/// The certificate is checked against the authorities of the settings and the name in the address.
#[test]
fn https_is_spoken_to_whom_the_authority_knows() {
    let dir = tempfile::tempdir().unwrap();
    let [own, other] = ["own", "other"].map(|name| Certificates::of(&dir.path().join(name)));
    let address = serve_tls(&own);
    let sent = |authority: &Certificates, host: &str| {
        let more = format!(
            "ca_file = {}\nallow_http_to = \"127.0.0.1, 127.0.0.2\"",
            quoted(&authority.authority)
        );
        let post = post(&settings(&dir, SECRET, &more)).unwrap();
        post.send(&to(
            &format!("https://{host}:{}/", address.port()),
            offered(false),
        ))
    };
    assert_eq!(sent(&own, "127.0.0.1"), Sent::Done);
    for sent in [sent(&other, "127.0.0.1"), sent(&own, "127.0.0.2")] {
        let Sent::Later(reason) = sent else {
            panic!("{sent:?}")
        };
        assert!(reason.contains("certificate"), "{reason}");
    }
}

/// Answers 200 to whoever gets as far as to ask, at every address of this machine.
fn serve_tls(files: &Certificates) -> SocketAddr {
    let chain = vec![CertificateDer::from_pem_file(&files.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            // A client that does not trust us is gone in the middle of it.
            let _ = answer(rustls::StreamOwned::new(session, stream.unwrap()));
        }
    });
    address
}

fn answer(stream: rustls::StreamOwned<rustls::ServerConnection, TcpStream>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? <= 2 {
            break;
        }
        let line = line.to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.get_mut().write_all(answer)?;
    stream.get_mut().flush()
}
