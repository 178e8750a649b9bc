//! A script of ours that Redis keeps, sent only when it does not have it.

use redis::{Cmd, Value, cmd};

use super::link::{Link, Trouble};
use super::settings::Keys;

/// Scripts use both keys of the city.
const KEYS: usize = 2;

/// A text in Lua, and the name that Redis has given it.
pub(super) struct Script {
    text: &'static str,
    name: Option<String>,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Script {
        Script { text, name: None }
    }

    /// Runs it. `arguments` adds what follows on the keys.
    ///
    /// # Errors
    /// [`Trouble`]
    pub(super) fn run(
        &mut self,
        link: &mut Link,
        keys: &Keys,
        arguments: impl Fn(&mut Cmd),
    ) -> Result<Value, Trouble> {
        let answer = self.try_run(link, keys, &arguments);
        match answer {
            // It was not run: the server was started anew, or somebody has flushed the scripts.
            Err(Trouble::Denied(reason)) if reason.starts_with("NOSCRIPT") => {
                self.name = None;
                self.try_run(link, keys, &arguments)
            }
            answer => answer,
        }
    }

    fn try_run(
        &mut self,
        link: &mut Link,
        keys: &Keys,
        arguments: &impl Fn(&mut Cmd),
    ) -> Result<Value, Trouble> {
        let name = match &self.name {
            Some(name) => name,
            None => {
                let name = load(link, self.text)?;
                self.name.insert(name)
            }
        };
        let mut command = cmd("EVALSHA");
        command
            .arg(name)
            .arg(KEYS)
            .arg(&keys.stream)
            .arg(&keys.meta);
        arguments(&mut command);
        link.ask(&command)
    }
}

/// Nothing is changed by it, so a lost answer leaves nothing unclear.
fn load(link: &mut Link, text: &str) -> Result<String, Trouble> {
    let answer = link.ask(cmd("SCRIPT").arg("LOAD").arg(text));
    let value = answer.map_err(|trouble| match trouble {
        Trouble::Unanswered(reason) => Trouble::Unsent(reason),
        other => other,
    })?;
    redis::from_redis_value(value).map_err(|error| Trouble::Unsent(error.to_string()))
}
