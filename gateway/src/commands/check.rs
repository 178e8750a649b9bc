//! `morgenruh check`: is this folder a city?

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use morgenruh_engine::rules::catalogue::dump::dump;
use morgenruh_engine::rules::catalogue::{Catalogue, Status};

use super::city_files::read_city_files;
use super::configuration::city_and_settings;
use crate::settings::{SERVER_FILE, Settings};

const CHECK_FAILED: u8 = 1;
const CANNOT_READ: u8 = 2;

/// Checks the city in `dir` and prints all that is wrong, one mistake a line, or what the city
/// consists of; with `dump` its effective configuration instead. The environment is not looked
/// at: it belongs to a machine, not to a city.
///
/// Exits with 0 if all is well, 1 if something is wrong, 2 if the folder cannot be read.
pub fn check(dir: &Path, dump: bool) -> ExitCode {
    let files = match read_city_files(dir) {
        Ok(files) => files,
        Err(error) => {
            let _ = writeln!(io::stderr(), "cannot read the city: {error}");
            return ExitCode::from(CANNOT_READ);
        }
    };
    report(&files, dump, &mut io::stdout().lock()).unwrap_or_else(|_| ExitCode::from(CANNOT_READ))
}

fn report(
    files: &BTreeMap<String, String>,
    dump: bool,
    out: &mut impl Write,
) -> io::Result<ExitCode> {
    match city_and_settings(files, &BTreeMap::new()) {
        Ok((catalogue, settings)) if dump => print_dump(&catalogue, &settings, out)?,
        Ok((catalogue, _)) => writeln!(out, "ok: {}", summary(&catalogue))?,
        Err(errors) => {
            errors
                .iter()
                .try_for_each(|error| writeln!(out, "{error}"))?;
            let plural = if errors.len() == 1 { "" } else { "s" };
            writeln!(
                out,
                "failed: {} mistake{plural} in {} files",
                errors.len(),
                files.len()
            )?;
            return Ok(ExitCode::from(CHECK_FAILED));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_dump(catalogue: &Catalogue, settings: &Settings, out: &mut impl Write) -> io::Result<()> {
    let mut files = dump(catalogue);
    files.insert(SERVER_FILE.to_owned(), settings.dump());
    for (name, text) in files {
        writeln!(out, "# file: {name}\n\n{text}")?;
    }
    Ok(())
}

/// What a city consists of, in one line.
pub(super) fn summary(catalogue: &Catalogue) -> String {
    let with = |status| {
        catalogue
            .offices
            .iter()
            .filter(|office| office.status == status)
            .count()
    };
    let counters: usize = catalogue
        .offices
        .iter()
        .map(|office| office.counters.len())
        .sum();
    format!(
        "{}: {} departments, {} offices ({} live, {} test, {} off), {counters} counters, \
         {} services",
        catalogue.city.name.de,
        catalogue.departments.len(),
        catalogue.offices.len(),
        with(Status::Live),
        with(Status::Test),
        with(Status::Off),
        catalogue.services.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duesseldorf() -> BTreeMap<String, String> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/duesseldorf");
        read_city_files(&dir).unwrap()
    }

    fn run(files: &BTreeMap<String, String>, dump: bool) -> (String, bool) {
        let mut out = Vec::new();
        let code = report(files, dump, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), code == ExitCode::SUCCESS)
    }

    #[test]
    fn a_good_city_is_one_line() {
        let (text, ok) = run(&duesseldorf(), false);
        assert!(ok && text.starts_with("ok: Landeshauptstadt Düsseldorf: 4 departments, "));
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn the_mistakes_of_city_and_server_come_together() {
        let mut files = duesseldorf();
        files.insert(
            SERVER_FILE.to_owned(),
            "[ledger]\nbatch_max = 0\n".to_owned(),
        );
        files.insert(
            "standesamt/urkunden.toml".to_owned(),
            "number = 301\n".to_owned(),
        );
        let (text, ok) = run(&files, false);
        assert!(!ok);
        assert!(text.contains("server.toml:2: ledger.batch_max: 0 is not in 1 to 65536\n"));
        assert!(text.contains("standesamt/urkunden.toml:1: number: the number is taken by"));
        assert!(text.contains("standesamt/urkunden.toml: name: is missing\n"));
        assert!(
            text.lines()
                .last()
                .unwrap()
                .starts_with("failed: 4 mistakes in ")
        );
    }

    #[test]
    fn what_a_dump_prints_can_be_checked_again() {
        let (text, ok) = run(&duesseldorf(), true);
        assert!(ok);
        let files: BTreeMap<String, String> = text
            .split("# file: ")
            .skip(1)
            .filter_map(|part| part.split_once('\n'))
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect();
        assert_eq!(run(&files, true), (text, true));
    }
}
