//! Does this Redis keep what it acknowledges? What it says of itself, and what follows from it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The settings that are asked for, one by one: older servers take no list.
pub(super) const SETTINGS: [&str; 4] = [
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory-policy",
];

/// The first release with all that is needed here: appending only where the stream exists.
const OLDEST: (u32, u32) = (6, 2);

/// What an acknowledgement is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It survives the loss of power, or there is none.
    #[default]
    Strict,
    /// What Redis is set up for; findings about it become warnings. For trials.
    Relaxed,
}

/// What a server said of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// By name; None where it may not be asked.
    pub(super) settings: HashMap<String, Option<String>>,
    /// The fields of `INFO`.
    pub(super) info: HashMap<String, String>,
}

/// Something that is not as it has to be: one sentence that says what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) sentence: String,
    /// Whether [`Durability::Relaxed`] puts up with it.
    pub(super) tolerable: bool,
}

impl Finding {
    fn tolerable(sentence: impl Into<String>) -> Finding {
        Finding {
            sentence: sentence.into(),
            tolerable: true,
        }
    }

    fn grave(sentence: impl Into<String>) -> Finding {
        Finding {
            sentence: sentence.into(),
            tolerable: false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Said {
    /// Reads the text of `INFO`.
    pub(super) fn read_info(&mut self, text: &str) {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        self.info
            .extend(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
    }

    /// Which run of the server this is: another one after each start.
    pub(super) fn run(&self) -> &str {
        self.field("run_id")
    }

    fn field(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    /// A setting, or the finding that it may not be asked for.
    fn setting(&self, name: &str) -> Result<&str, Finding> {
        let known = self.settings.get(name).and_then(Option::as_deref);
        known.ok_or_else(|| {
            Finding::tolerable(format!(
                "{name} cannot be asked for, so nobody knows whether a booking is kept; allow our \
                 user `+config|get`"
            ))
        })
    }
}

/// All that is wrong with this server; the grave first.
pub(super) fn findings(said: &Said) -> Vec<Finding> {
    let mut findings = identity(said);
    let checks = [
        check(said, "appendonly", append_only),
        check(said, "appendfsync", append_fsync),
        check(said, "no-appendfsync-on-rewrite", sync_on_rewrite),
        check(said, "maxmemory-policy", eviction),
    ];
    findings.extend(checks.into_iter().flatten());
    if said.field("aof_rewrite_in_progress") == "1" && said.field("aof_base_size") == "0" {
        findings.push(Finding::tolerable(
            "aof_rewrite_in_progress is 1 and aof_base_size 0: the append-only file is being made \
             and keeps nothing before it is whole; wait for it",
        ));
    }
    if said.field("aof_last_write_status") == "err" {
        findings.push(Finding::tolerable(
            "aof_last_write_status is \"err\": the append-only file cannot be written; give its \
             disk room",
        ));
    }
    findings
}

fn check(said: &Said, name: &str, finding: fn(&str) -> Option<Finding>) -> Option<Finding> {
    said.setting(name).map_or_else(Some, finding)
}

/// What no policy puts up with: it is not the server that acknowledged, or not for long.
fn identity(said: &Said) -> Vec<Finding> {
    let mut findings = Vec::new();
    let version = said.field("redis_version");
    if release(version) < OLDEST {
        let (major, minor) = OLDEST;
        findings.push(Finding::grave(format!(
            "redis_version is {version:?}: at least {major}.{minor} is needed"
        )));
    }
    let role = said.field("role");
    if role != "master" {
        findings.push(Finding::grave(format!(
            "role is {role:?}: a replica may lack what was acknowledged; give the address of the \
             primary"
        )));
    }
    let promoted_at = said.field("second_repl_offset");
    if !matches!(promoted_at, "-1" | "") {
        findings.push(Finding::grave(format!(
            "second_repl_offset is {promoted_at}: it was a replica and was promoted, so it may \
             lack what was acknowledged; bring back the primary, without automatic promotion"
        )));
    }
    if said.field("loading") == "1" {
        findings.push(Finding::grave("it is still loading its data; wait for it"));
    }
    findings
}

fn append_only(value: &str) -> Option<Finding> {
    (value != "yes").then(|| {
        Finding::tolerable(format!(
            "appendonly is {value:?}: an acknowledged booking can be lost with the process; set \
             appendonly yes"
        ))
    })
}

fn append_fsync(value: &str) -> Option<Finding> {
    (value != "always").then(|| {
        Finding::tolerable(format!(
            "appendfsync is {value:?}: an acknowledged booking can be lost with the power; set \
             appendfsync always"
        ))
    })
}

fn sync_on_rewrite(value: &str) -> Option<Finding> {
    (value != "no").then(|| {
        Finding::tolerable(format!(
            "no-appendfsync-on-rewrite is {value:?}: while the append-only file is rewritten an \
             acknowledged booking can be lost with the power; set no-appendfsync-on-rewrite no"
        ))
    })
}

/// Our keys have no time to live, so what evicts only others never takes them.
fn eviction(value: &str) -> Option<Finding> {
    (value != "noeviction" && !value.starts_with("volatile-")).then(|| {
        Finding::tolerable(format!(
            "maxmemory-policy is {value:?}: the ledger can be evicted when memory is short; set \
             maxmemory-policy noeviction"
        ))
    })
}

/// 7.0 of "7.0.15"; 0.0 when it is no version.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map_while(|part| part.parse().ok());
    (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    )
}

/// The sentences of some findings as one text.
pub(super) fn sentences(findings: &[Finding]) -> String {
    let sentences: Vec<&str> = findings.iter().map(|it| it.sentence.as_str()).collect();
    sentences.join("; ")
}

/// What a relaxed connection puts up with, for whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Warnings(Arc<Mutex<Vec<Finding>>>);

impl Warnings {
    /// Sentences, as of the last check; none while all is as it has to be.
    pub fn list(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(Finding::to_string).collect()
    }

    /// Keeps the findings and says whether they are others than before.
    pub(super) fn set(&self, findings: Vec<Finding>) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *kept != findings;
        *kept = findings;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: [(&str, &str); 4] = [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("no-appendfsync-on-rewrite", "no"),
        ("maxmemory-policy", "noeviction"),
    ];
    const SOUND_INFO: &str = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nloading:0\r\n\
                              aof_last_write_status:ok\r\nrole:master\r\n\
                              second_repl_offset:-1\r\n";

    fn sound() -> Said {
        let settings = SOUND.map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
        let mut said = Said {
            settings: settings.into(),
            ..Said::default()
        };
        said.read_info(SOUND_INFO);
        said
    }

    #[test]
    fn a_server_that_keeps_everything_has_no_findings() {
        assert_eq!(findings(&sound()), []);
        assert_eq!(sound().run(), "abc");
        let mut said = sound();
        let policy = Some("volatile-ttl".to_owned());
        said.settings.insert("maxmemory-policy".into(), policy);
        assert_eq!(findings(&said), []);
    }

    #[test]
    fn each_setting_is_named_with_what_it_has_to_be() {
        for (name, value, advice) in [
            ("appendonly", "no", "set appendonly yes"),
            ("appendfsync", "everysec", "set appendfsync always"),
            (
                "no-appendfsync-on-rewrite",
                "yes",
                "set no-appendfsync-on-rewrite no",
            ),
            (
                "maxmemory-policy",
                "allkeys-lru",
                "set maxmemory-policy noeviction",
            ),
        ] {
            let mut said = sound();
            said.settings.insert(name.into(), Some(value.into()));
            let found = findings(&said);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].tolerable);
            assert!(
                found[0]
                    .sentence
                    .starts_with(&format!("{name} is {value:?}"))
            );
            assert!(found[0].sentence.ends_with(advice), "{}", found[0]);
            said.settings.insert(name.into(), None);
            let found = findings(&said);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].sentence.contains("`+config|get`"), "{}", found[0]);
        }
    }

    #[test]
    fn what_the_server_is_weighs_more_than_how_it_is_set() {
        for (name, value, word) in [
            ("role", "slave", "primary"),
            ("second_repl_offset", "1234", "promoted"),
            ("loading", "1", "loading"),
            ("redis_version", "6.0.16", "6.2"),
            ("redis_version", "", "6.2"),
        ] {
            let mut said = sound();
            said.info.insert(name.into(), value.into());
            let found = findings(&said);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(!found[0].tolerable);
            assert!(found[0].sentence.contains(word), "{}", found[0]);
        }
    }
}
