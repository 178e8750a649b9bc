//! The service's own settings: what is about the machine, not about the city.
//!
//! A value comes from the environment, else from the city's `server.toml`, else from
//! `default.toml`, which is also the manual. The names in the environment are made from the keys:
//! `batch_max` of `[ledger]` is `MORGENRUH_LEDGER_BATCH_MAX`. Passwords are not among them: see
//! `passwords.rs`.

mod agent;
mod kinds;
mod limits;
mod post;
mod production;
mod room;
mod service;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use morgenruh_engine::rules::catalogue::load::{DEFAULTS, DEFAULTS_FILE};
use morgenruh_engine::rules::catalogue::reader::{
    ConfigError, Document, Entry, Layers, Report, Section, Value, nearest,
};
use morgenruh_production::redis::Durability;

use production::durability_name;

pub use agent::Agent;
pub use limits::{Limits, Rate};
pub use post::{Encryption, Mail, Webhooks};
pub use production::{Postgres, Redis, Store};
pub use room::Room;
pub use service::{Availability, Holds, Kind, Ledger, Server};

/// What the name of every variable of ours begins with.
pub const PREFIX: &str = "MORGENRUH_";
/// The level of the log.
pub const LOG: &str = "MORGENRUH_LOG";
/// The password for Redis.
pub const REDIS_PASSWORD: &str = "MORGENRUH_REDIS_PASSWORD";
/// The password for PostgreSQL.
pub const POSTGRES_PASSWORD: &str = "MORGENRUH_POSTGRES_PASSWORD";
/// The password for the mail server.
pub const MAIL_PASSWORD: &str = "MORGENRUH_MAIL_PASSWORD";
/// The secrets that sign webhooks, with spaces between.
pub const WEBHOOKS_SECRETS: &str = "MORGENRUH_WEBHOOKS_SECRETS";
/// Variables of ours that are not keys of the configuration: the folders that the command line can
/// also name, the level of the log, and secrets.
pub const OTHER_VARIABLES: [&str; 7] = [
    "MORGENRUH_CONFIG",
    "MORGENRUH_DATA",
    LOG,
    REDIS_PASSWORD,
    POSTGRES_PASSWORD,
    MAIL_PASSWORD,
    WEBHOOKS_SECRETS,
];
/// The file in a city's folder.
pub const SERVER_FILE: &str = "server.toml";

const SECTIONS: [&str; 12] = [
    "server",
    "limits",
    "holds",
    "availability",
    "room",
    "agent",
    "mail",
    "webhooks",
    "ledger",
    "redis",
    "postgres",
    "store",
];

/// One field for each section of `default.toml` but `[office]`; there their keys are described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub server: Server,
    pub limits: Limits,
    pub holds: Holds,
    pub availability: Availability,
    pub room: Room,
    pub agent: Agent,
    pub mail: Mail,
    pub webhooks: Webhooks,
    pub ledger: Ledger,
    pub redis: Redis,
    pub postgres: Postgres,
    pub store: Store,
}

/// The keys of a section with their values as TOML.
type Keys = Vec<(&'static str, String)>;

impl Settings {
    /// Settings from the text of `server.toml`, if there is one, and from the environment, of
    /// which only names with our [`PREFIX`] are looked at.
    ///
    /// # Errors
    /// All mistakes of both.
    pub fn load(
        server_toml: Option<&str>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Settings, Vec<ConfigError>> {
        let report = Report::default();
        let defaults = Document::parse(DEFAULTS_FILE, DEFAULTS, &report)
            .expect("default.toml is part of the program, and a test reads it");
        let file = server_toml.and_then(|text| Document::parse(SERVER_FILE, text, &report));
        let variables = variables(&defaults, environment, &report);
        let settings = read([Some(&variables), file.as_ref(), Some(&defaults)], &report);
        report.finish(settings)
    }

    /// "strict": whatever is acknowledged survives. "relaxed": as far as the Redis keeps it.
    pub fn durability(&self) -> &'static str {
        match self.ledger.kind {
            Kind::Sqlite => durability_name(Durability::Strict),
            Kind::Redis => durability_name(self.redis.durability),
        }
    }

    /// The settings as the text of a `server.toml`.
    pub fn dump(&self) -> String {
        let Settings {
            server,
            limits,
            holds,
            availability,
            room,
            agent,
            mail,
            webhooks,
            ledger,
            redis,
            postgres,
            store,
        } = self;
        let mut text = String::new();
        for (name, keys) in [
            ("server", server.keys()),
            ("limits", limits.keys()),
            ("holds", holds.keys()),
            ("availability", availability.keys()),
            ("room", room.keys()),
            ("agent", agent.keys()),
            ("mail", mail.keys()),
            ("webhooks", webhooks.keys()),
            ("ledger", ledger.keys()),
            ("redis", redis.keys()),
            ("postgres", postgres.keys()),
            ("store", store.keys()),
        ] {
            writeln!(text, "[{name}]").expect("writing to a string cannot fail");
            for (key, value) in keys {
                writeln!(text, "{key} = {value}").expect("writing to a string cannot fail");
            }
        }
        text
    }
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn quote_path(path: &Option<PathBuf>) -> String {
    let text = path.as_deref().map(Path::to_string_lossy);
    quote(&text.unwrap_or_default())
}

/// The environment as a document of the shape of `default.toml`.
fn variables(
    defaults: &Document,
    environment: &BTreeMap<String, String>,
    report: &Report,
) -> Document {
    let mut keys: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for section in SECTIONS {
        let Some(Entry {
            value: Value::Table(table),
            ..
        }) = defaults.table.get(section)
        else {
            continue;
        };
        for key in table.keys() {
            keys.insert(
                format!("{PREFIX}{section}_{key}").to_uppercase(),
                (section, key),
            );
        }
    }
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, value) in environment
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
    {
        if let Some((section, key)) = keys.get(name) {
            let section = sections.entry((*section).to_owned()).or_default();
            section.insert((*key).to_owned(), value.clone());
        } else if !OTHER_VARIABLES.contains(&name.as_str()) {
            let valid = keys.keys().map(String::as_str).chain(OTHER_VARIABLES);
            report.add(ConfigError {
                file: "environment".to_owned(),
                line: None,
                key: name.clone(),
                reason: "unknown variable".to_owned(),
                nearest: nearest(name, valid).map(str::to_owned),
            });
        }
    }
    Document::environment(PREFIX, sections)
}

fn read(documents: [Option<&Document>; 3], report: &Report) -> Settings {
    let [variables, file, defaults] =
        documents.map(|document| document.map(|document| Section::root(document, report)));
    let roots: Vec<&Section<'_>> = [&variables, &file, &defaults]
        .into_iter()
        .filter_map(Option::as_ref)
        .collect();
    let in_section = |name: &'static str| -> Vec<Section<'_>> {
        roots.iter().filter_map(|root| root.table(name)).collect()
    };
    let server = finished(&in_section("server"), Server::read);
    let has_public_url = server.public_url.is_some();
    let settings = Settings {
        server,
        limits: finished(&in_section("limits"), Limits::read),
        holds: finished(&in_section("holds"), Holds::read),
        availability: finished(&in_section("availability"), Availability::read),
        room: finished(&in_section("room"), Room::read),
        agent: finished(&in_section("agent"), Agent::read),
        mail: finished(&in_section("mail"), |layers| {
            Mail::read(layers, has_public_url)
        }),
        webhooks: finished(&in_section("webhooks"), |layers| {
            Webhooks::read(layers, has_public_url)
        }),
        ledger: finished(&in_section("ledger"), Ledger::read),
        redis: finished(&in_section("redis"), Redis::read),
        postgres: finished(&in_section("postgres"), Postgres::read),
        store: finished(&in_section("store"), Store::read),
    };
    if settings.ledger.ack_timeout_ms >= settings.server.request_timeout_ms {
        let ledger = in_section("ledger");
        let layers = Layers(ledger.iter().collect());
        layers.fault(
            "ack_timeout_ms",
            "is not less than request_timeout_ms of [server]",
        );
    }
    file.iter().for_each(Section::finish);
    settings
}

/// Reads one section in its layers, and reports what nobody asked for.
fn finished<T>(sections: &[Section<'_>], read: impl Fn(&Layers<'_, '_>) -> T) -> T {
    let value = read(&Layers(sections.iter().collect()));
    sections.iter().for_each(Section::finish);
    value
}

#[cfg(test)]
mod tests {
    use morgenruh_production::tls::Tls;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect()
    }

    fn complaints(server_toml: Option<&str>, variables: &[(&str, &str)]) -> Vec<String> {
        let errors = Settings::load(server_toml, &environment(variables)).err();
        errors
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn defaults() -> Settings {
        Settings::load(None, &BTreeMap::new()).unwrap()
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let file = "[server]\nlisten = \"0.0.0.0:80\"\ndrain_ms = 1\n[ledger]\nbatch_max = 7\n";
        let variables = environment(&[
            ("MORGENRUH_SERVER_LISTEN", "[::1]:81"),
            ("MORGENRUH_LEDGER_RETRY_MS", "20"),
            ("MORGENRUH_LOG", "debug"),
            ("HOME", "elsewhere"),
        ]);
        let settings = Settings::load(Some(file), &variables).unwrap();
        let mut expected = defaults();
        expected.server.listen = "[::1]:81".parse().unwrap();
        expected.server.drain_ms = 1;
        expected.ledger.batch_max = 7;
        expected.ledger.retry_ms = 20;
        assert_eq!(settings, expected);
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let file =
            "[server]\nlissten = \"0.0.0.0:80\"\n[leger]\n[availability]\nrendered_bytes_max = 1\n";
        let variables = [
            ("MORGENRUH_SERVER_LISTEN", "here"),
            ("MORGENRUH_LEDGER_BATCHMAX", "1"),
            ("MORGENRUH_HOLDS_STRETCH_MINUTES_MAX", "many"),
            ("MORGENRUH_AVAILABILITY_SPAN_DAYS_DEFAULT", "100"),
        ];
        assert_eq!(
            complaints(Some(file), &variables),
            [
                "environment: MORGENRUH_AVAILABILITY_SPAN_DAYS_DEFAULT: is more than span_days_max",
                "environment: MORGENRUH_HOLDS_STRETCH_MINUTES_MAX: a text where a whole number is \
                 expected",
                "environment: MORGENRUH_LEDGER_BATCHMAX: unknown variable; did you mean \
                 \"MORGENRUH_LEDGER_BATCH_MAX\"?",
                "environment: MORGENRUH_SERVER_LISTEN: \"here\" is not an address and port like \
                 127.0.0.1:8080",
                "server.toml:2: server.lissten: unknown key; did you mean \"listen\"?",
                "server.toml:3: leger: unknown key; did you mean \"ledger\"?",
                "server.toml:5: availability.rendered_bytes_max: 1 is not in 1048576 to 1073741824",
            ]
        );
    }

    #[test]
    fn a_dump_loads_again() {
        let mut settings = defaults();
        settings.server.service_keys_file = Some(PathBuf::from("keys \"of\" friends"));
        settings.server.trusted_proxies = "10.0.0.0/8, ::1".parse().unwrap();
        settings.limits.exempt = "192.0.2.0/24".parse().unwrap();
        settings.holds.stretch_minutes_max = 0;
        settings.server.public_url = Some("https://termine.example.org".to_owned());
        settings.room.keys_file = Some(PathBuf::from("room keys"));
        settings.room.forward_auth_targets =
            vec!["https://a.example".to_owned(), "http://[::1]:1".to_owned()];
        settings.mail = Mail {
            address: Some("[::1]:465".to_owned()),
            encryption: Encryption::Tls,
            ca_file: Some(PathBuf::from("ca.pem")),
            user: Some("termine".to_owned()),
            password_file: Some(PathBuf::from("mail")),
            from: Some("termine@example.org".to_owned()),
            reply_to: Some("amt@example.org".to_owned()),
            timeout_ms: 1_000,
        };
        settings.webhooks = Webhooks {
            hosts: vec!["a.example".to_owned(), "b.example:8443".to_owned()],
            secrets_file: Some(PathBuf::from("secrets")),
            ca_file: None,
            timeout_ms: 500,
            internal_networks: "10.1.0.0/16".parse().unwrap(),
            allow_http_to: vec!["::1".parse().unwrap()],
        };
        settings.ledger.kind = Kind::Redis;
        settings.redis.user = Some("gateway".to_owned());
        settings.redis.durability = Durability::Relaxed;
        settings.redis.tls = Tls::On { ca_file: None };
        settings.postgres.password_file = Some(PathBuf::from("a file"));
        settings.postgres.tls = Tls::On {
            ca_file: Some(PathBuf::from("ca.pem")),
        };
        assert_eq!(
            Settings::load(Some(&settings.dump()), &BTreeMap::new()),
            Ok(settings)
        );
    }

    #[test]
    fn a_dump_has_every_key_but_those_of_offices() {
        let dump = defaults().dump();
        let (settings, _) = DEFAULTS.split_once("\n[office]\n").unwrap();
        let lines = |text: &str| -> Vec<String> {
            let plain = text.lines().filter(|line| !line.is_empty());
            plain
                .filter(|line| !line.starts_with('#'))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(lines(&dump), lines(settings));
    }

    /// A password in a file that is shared would be known to everybody who may read it.
    #[test]
    fn no_password_gets_into_the_settings() {
        let file = "[redis]\npassword = \"secret\"\n[postgres]\naddress = \"u:secret@db\"\n";
        let variables = [
            ("MORGENRUH_REDIS_PASSWORD", "secret"),
            ("MORGENRUH_POSTGRES_PASSWORD", "secret"),
        ];
        assert_eq!(
            complaints(Some(file), &variables),
            [
                "server.toml:2: redis.password: unknown key; did you mean \"password_file\"?",
                "server.toml:4: postgres.address: is not a host and port like \
                 db.example.org:5432",
            ]
        );
        let settings = Settings::load(None, &environment(&variables));
        assert_eq!(settings, Ok(defaults()));
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        for (file, complaint) in [
            (
                "[store]\nbacklog_slow = 1000000\n",
                "server.toml:2: store.backlog_slow: is not less than backlog_max",
            ),
            (
                "[agent]\nrest_minutes_min = 61\n",
                "server.toml:2: agent.rest_minutes_min: is more than rest_minutes_max",
            ),
            (
                "[store]\nretry_ms = 5001\n",
                "server.toml:2: store.retry_ms: is more than retry_max_ms",
            ),
            (
                "[redis]\nca_file = \"ca.pem\"\n",
                "server.toml:2: redis.ca_file: is of no use without tls = true",
            ),
            (
                "[room]\nforward_auth_targets = \"https://a.example, b.example\"\n",
                "server.toml:2: room.forward_auth_targets: \"b.example\" is not like \
                 https://termine.example.org, with nothing behind the host and port",
            ),
            (
                "[server]\npublic_url = \"https://a.example\"\n[mail]\naddress = \"mail:25\"\n",
                "server.toml:4: mail.address: needs from, because letters have a sender",
            ),
            (
                "[mail]\naddress = \"mail:25\"\nfrom = \"termine@example.org\"\n",
                "server.toml:2: mail.address: needs public_url in [server], because what is sent \
                 has links",
            ),
            (
                "[mail]\nencryption = \"off\"\nuser = \"termine\"\n",
                "server.toml:3: mail.user: has a password, which is not sent without encryption",
            ),
            (
                "[mail]\nreply_to = \"a@b.de, x@y.de\"\n",
                "server.toml:2: mail.reply_to: \"a@b.de, x@y.de\" is not an address like \
                 termine@example.org",
            ),
            (
                "[webhooks]\nhosts = \"a.example\"\n",
                "server.toml:2: webhooks.hosts: needs public_url in [server], because what is \
                 sent has links",
            ),
            (
                "[webhooks]\nhosts = \"https://a.example\"\n",
                "server.toml:2: webhooks.hosts: \"https://a.example\" is not the name of a host \
                 like dienste.example.org, in small letters",
            ),
            (
                "[webhooks]\nhosts = \"0x7f.1\"\n",
                "server.toml:2: webhooks.hosts: \"0x7f.1\" is not the name of a host like \
                 dienste.example.org, in small letters",
            ),
            (
                "[webhooks]\nallow_http_to = \"10.0.0.1\"\n",
                "server.toml:2: webhooks.allow_http_to: \"10.0.0.1\" is not an address of this \
                 machine like 127.0.0.1",
            ),
            (
                "[limits]\nexempt = \"10.0.0.0/8, anybody\"\n",
                "server.toml:2: limits.exempt: \"anybody\" is not a network like 10.0.0.0/8 or \
                 2001:db8::/32",
            ),
            (
                "[ledger]\nkind = \"postgres\"\n",
                "server.toml:2: ledger.kind: \"postgres\" is none of sqlite, redis",
            ),
        ] {
            assert_eq!(complaints(Some(file), &[]), [complaint]);
        }
    }

    /// The manual must not lie: each bound it names is the bound that holds.
    #[test]
    fn the_manual_names_the_bounds() {
        let mut section = "";
        let mut comment = String::new();
        let mut checked = 0;
        for line in DEFAULTS.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            } else if let Some(more) = line.strip_prefix('#') {
                comment.push_str(more);
            } else if let Some((key, _)) = line.split_once(" = ") {
                if let Some((min, max)) = bounds(&comment).filter(|_| section != "office") {
                    let name = format!("{PREFIX}{section}_{key}").to_uppercase();
                    let complaint = |value: i64| {
                        let all = complaints(None, &[(&name, &value.to_string())]);
                        all.iter().any(|complaint| complaint.contains("is not in"))
                    };
                    assert!(!complaint(min) && !complaint(max), "{name} within");
                    assert!(complaint(min - 1) && complaint(max + 1), "{name} beyond");
                    checked += 1;
                }
                comment.clear();
            }
        }
        assert!(checked >= 28, "only {checked} keys name their bounds");
    }

    /// `… 16 to 1000000.` at the end of a comment.
    fn bounds(comment: &str) -> Option<(i64, i64)> {
        let words: Vec<&str> = comment.trim_end_matches('.').split_whitespace().collect();
        let [.., min, "to", max] = words[..] else {
            return None;
        };
        Some((min.parse().ok()?, max.parse().ok()?))
    }
}
