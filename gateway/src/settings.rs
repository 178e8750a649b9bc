//! The service's own settings: what is about the machine, not about the city.
//!
//! A value comes from the environment, else from the city's `server.toml`, else from
//! `default.toml`, which is also the manual. The names in the environment are made from the keys:
//! `batch_max` of `[ledger]` is `MORGENRUH_LEDGER_BATCH_MAX`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use morgenruh_engine::rules::catalogue::load::{DEFAULTS, DEFAULTS_FILE};
use morgenruh_engine::rules::catalogue::reader::kinds::{self, Read};
use morgenruh_engine::rules::catalogue::reader::{
    ConfigError, Document, Entry, Fault, Layers, Lookup, Report, Section, Value, nearest,
};

/// What the name of every variable of ours begins with.
pub const PREFIX: &str = "MORGENRUH_";
/// Variables of ours that are not keys of the configuration: the level of the log, and the
/// folders that the command line can also name.
pub const OTHER_VARIABLES: [&str; 3] = ["MORGENRUH_CONFIG", "MORGENRUH_DATA", "MORGENRUH_LOG"];
/// The file in a city's folder.
pub const SERVER_FILE: &str = "server.toml";

const SECTIONS: [&str; 4] = ["server", "holds", "ledger", "availability"];
const PATH_CHARS_MAX: usize = 4096;

/// One field for each key of `default.toml` outside `[office]`; there they are described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub server: Server,
    pub holds: Holds,
    pub ledger: Ledger,
    pub availability: Availability,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub listen: SocketAddr,
    pub admin_listen: SocketAddr,
    pub connections_max: usize,
    pub header_timeout_ms: u64,
    pub request_timeout_ms: u64,
    pub body_bytes_max: usize,
    pub stop_notice_ms: u64,
    pub drain_ms: u64,
    /// `None`: there are no service keys.
    pub service_keys_file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holds {
    pub stretch_minutes_max: u16,
    pub idempotency_minutes: u32,
    pub idempotency_keys_max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    pub batch_max: usize,
    pub queue_max: usize,
    pub retry_ms: u64,
    pub ack_timeout_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    pub span_days_max: u16,
    pub span_days_default: u16,
    pub rendered_bytes_max: usize,
}

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

    /// The settings as the text of a `server.toml`.
    pub fn dump(&self) -> String {
        let Settings {
            server,
            holds,
            ledger,
            availability,
        } = self;
        let mut text = String::new();
        let mut section = |name: &str, keys: &[(&str, &dyn std::fmt::Display)]| {
            writeln!(text, "[{name}]").expect("writing to a string cannot fail");
            for (key, value) in keys {
                writeln!(text, "{key} = {value}").expect("writing to a string cannot fail");
            }
        };
        let keys_file = server
            .service_keys_file
            .as_deref()
            .map(|path| path.to_string_lossy());
        section(
            "server",
            &[
                ("listen", &quote(&server.listen.to_string())),
                ("admin_listen", &quote(&server.admin_listen.to_string())),
                ("connections_max", &server.connections_max),
                ("header_timeout_ms", &server.header_timeout_ms),
                ("request_timeout_ms", &server.request_timeout_ms),
                ("body_bytes_max", &server.body_bytes_max),
                ("stop_notice_ms", &server.stop_notice_ms),
                ("drain_ms", &server.drain_ms),
                ("service_keys_file", &quote(&keys_file.unwrap_or_default())),
            ],
        );
        section(
            "holds",
            &[
                ("stretch_minutes_max", &holds.stretch_minutes_max),
                ("idempotency_minutes", &holds.idempotency_minutes),
                ("idempotency_keys_max", &holds.idempotency_keys_max),
            ],
        );
        section(
            "ledger",
            &[
                ("batch_max", &ledger.batch_max),
                ("queue_max", &ledger.queue_max),
                ("retry_ms", &ledger.retry_ms),
                ("ack_timeout_ms", &ledger.ack_timeout_ms),
            ],
        );
        section(
            "availability",
            &[
                ("span_days_max", &availability.span_days_max),
                ("span_days_default", &availability.span_days_default),
                ("rendered_bytes_max", &availability.rendered_bytes_max),
            ],
        );
        text
    }
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
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
    let settings = Settings {
        server: finished(&in_section("server"), server),
        holds: finished(&in_section("holds"), holds),
        ledger: finished(&in_section("ledger"), ledger),
        availability: finished(&in_section("availability"), availability),
    };
    file.iter().for_each(Section::finish);
    settings
}

/// Reads one section in its layers, and reports what nobody asked for.
fn finished<T>(sections: &[Section<'_>], read: impl Fn(&Layers<'_, '_>) -> T) -> T {
    let value = read(&Layers(sections.iter().collect()));
    sections.iter().for_each(Section::finish);
    value
}

fn server(layers: &Layers<'_, '_>) -> Server {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let keys_file = layers.need("service_keys_file", kinds::text(0..=PATH_CHARS_MAX));
    Server {
        listen: layers.need("listen", address).unwrap_or(nowhere),
        admin_listen: layers.need("admin_listen", address).unwrap_or(nowhere),
        connections_max: size(layers, "connections_max", 16, 1_000_000),
        header_timeout_ms: number(layers, "header_timeout_ms", 100, 60_000),
        request_timeout_ms: number(layers, "request_timeout_ms", 1000, 120_000),
        body_bytes_max: size(layers, "body_bytes_max", 1024, 1_048_576),
        stop_notice_ms: number(layers, "stop_notice_ms", 0, 60_000),
        drain_ms: number(layers, "drain_ms", 0, 600_000),
        service_keys_file: keys_file.filter(|path| !path.is_empty()).map(PathBuf::from),
    }
}

fn holds(layers: &Layers<'_, '_>) -> Holds {
    Holds {
        stretch_minutes_max: number(layers, "stretch_minutes_max", 0, 240),
        idempotency_minutes: number(layers, "idempotency_minutes", 1, 10_080),
        idempotency_keys_max: size(layers, "idempotency_keys_max", 100, 10_000_000),
    }
}

fn ledger(layers: &Layers<'_, '_>) -> Ledger {
    Ledger {
        batch_max: size(layers, "batch_max", 1, 65_536),
        queue_max: size(layers, "queue_max", 100, 1_000_000),
        retry_ms: number(layers, "retry_ms", 10, 60_000),
        ack_timeout_ms: number(layers, "ack_timeout_ms", 100, 60_000),
    }
}

fn availability(layers: &Layers<'_, '_>) -> Availability {
    let availability = Availability {
        span_days_max: number(layers, "span_days_max", 1, 366),
        span_days_default: number(layers, "span_days_default", 1, 366),
        rendered_bytes_max: size(layers, "rendered_bytes_max", 1 << 20, 1 << 30),
    };
    if availability.span_days_default > availability.span_days_max {
        layers.fault("span_days_default", "is more than span_days_max");
    }
    availability
}

fn number<T>(layers: &Layers<'_, '_>, key: &'static str, min: u32, max: u32) -> T
where
    T: TryFrom<u32> + Default,
{
    let number = layers.need(key, kinds::integer(min..=max)).unwrap_or(min);
    T::try_from(number).unwrap_or_default()
}

fn size(layers: &Layers<'_, '_>, key: &'static str, min: u32, max: u32) -> usize {
    number(layers, key, min, max)
}

fn address(entry: &Entry) -> Read<SocketAddr> {
    let text = kinds::text(1..=64)(entry)?;
    text.parse().map_err(|_| {
        vec![Fault::new(format!(
            "{text:?} is not an address and port like 127.0.0.1:8080"
        ))]
    })
}

#[cfg(test)]
mod tests {
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
        settings.holds.stretch_minutes_max = 0;
        assert_eq!(
            Settings::load(Some(&settings.dump()), &BTreeMap::new()),
            Ok(settings)
        );
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
        assert!(checked >= 15, "only {checked} keys name their bounds");
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
