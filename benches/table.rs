//! What comes out: a table for people, and the same as JSON.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// One thing of ours, alone or beside another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub what: String,
    pub ours: f64,
    pub unit: String,
    pub beside: Option<Beside>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beside {
    pub name: String,
    pub theirs: f64,
    /// How many times as fast ours is.
    pub ratio: f64,
    /// How many times as fast it should be.
    pub aim: Option<f64>,
}

/// The results of one bench, and the machine on which they came about.
#[derive(Debug, Serialize, Deserialize)]
pub struct Results {
    pub bench: String,
    pub machine: Machine,
    pub rows: Vec<Row>,
}

impl Results {
    /// Writes `<bench>.json` into the [`folder`].
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self) -> std::io::Result<()> {
        let json = serde_json::to_vec_pretty(self).map_err(std::io::Error::other)?;
        std::fs::write(folder()?.join(format!("{}.json", self.bench)), json)
    }

    /// The results that the named bench wrote last.
    pub fn read(bench: &str) -> Option<Results> {
        let json = std::fs::read(folder().ok()?.join(format!("{bench}.json"))).ok()?;
        serde_json::from_slice(&json).ok()
    }

    #[expect(
        clippy::print_stdout,
        reason = "the result of a bench is what it prints"
    )]
    pub fn print(&self) {
        println!("\n{}: {}", self.bench, self.machine);
        let line = |columns: [&str; 6]| {
            let [what, ours, beside, theirs, ratio, aim] = columns;
            println!("{what:<42} {ours:>12}   {beside:<30} {theirs:>12} {ratio:>9}  {aim}");
        };
        line(["what", "ours", "beside", "theirs", "ratio", "aim"]);
        let mut before = ("", "");
        for row in &self.rows {
            let what = if row.what == before.0 { "" } else { &row.what };
            let again = before == (&row.what, &row.unit);
            let ours = if again {
                String::new()
            } else {
                figure(row.ours, &row.unit)
            };
            before = (&row.what, &row.unit);
            let Some(beside) = &row.beside else {
                line([what, &ours, "", "", "", ""]);
                continue;
            };
            let theirs = figure(beside.theirs, &row.unit);
            let ratio = format!("{:.2} x", beside.ratio);
            line([what, &ours, &beside.name, &theirs, &ratio, &beside.judged()]);
        }
    }
}

impl Beside {
    fn judged(&self) -> String {
        let Some(aim) = self.aim else {
            return String::new();
        };
        let verdict = if self.ratio >= aim {
            "reached"
        } else {
            "missed"
        };
        format!(">= {aim:.2} x  {verdict}")
    }
}

fn figure(value: f64, unit: &str) -> String {
    match unit {
        "ns" if value >= 10_000.0 => format!("{:.1} µs", value / 1_000.0),
        _ if value >= 1_000.0 => format!("{value:.0} {unit}"),
        _ => format!("{value:.1} {unit}"),
    }
}

/// The folder of results: `bench` beside the build's other results.
///
/// # Errors
/// When it cannot be made.
pub fn folder() -> std::io::Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(target, PathBuf::from);
    let folder = target.join("bench");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
