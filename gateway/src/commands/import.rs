//! `morgenruh import dldb`: a city's folder from the service database that Berlin and Munich keep.
//!
//! The database knows services, the places that offer them, how long they take and what can be
//! done in one visit. It knows neither counters nor opening hours, so each office gets one
//! counter and Monday to Friday from eight to twelve, marked as assumed, and is under test.

mod city;
mod dldb;
mod page;
mod slug;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use morgenruh_engine::rules::catalogue::load::load;

use super::check::summary;
use super::city_files::{CityFilesError, read_text};

pub use city::{Count, Imported};

const CHECK_FAILED: u8 = 1;
const CANNOT_READ: u8 = 2;

/// Largest export, in bytes.
const EXPORT_BYTES_MAX: u64 = 64 << 20;

/// Turns the exports `services` and `locations` into the folder `out`, which must be new or
/// empty, and prints what came through and what did not.
///
/// Exits with 0 if the folder passes the check, 1 if something must be written by hand first,
/// 2 if files cannot be read or written.
pub fn import_dldb(services: &Path, locations: &Path, out: &Path) -> ExitCode {
    match run(services, locations, out) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "cannot import: {error}");
            ExitCode::from(CANNOT_READ)
        }
    }
}

fn run(services: &Path, locations: &Path, out: &Path) -> Result<ExitCode, String> {
    let read = |path: &Path| {
        read_text(path.to_owned(), EXPORT_BYTES_MAX)
            .map_err(|error: CityFilesError| error.to_string())
    };
    let imported = convert(&read(services)?, &read(locations)?)?;
    write(&imported, out).map_err(|error| format!("{}: {error}", out.display()))?;
    let code = print(&imported, &mut io::stdout().lock()).map_err(|error| error.to_string())?;
    Ok(code)
}

/// The city that the texts of the exports `services` and `locations` describe.
///
/// # Errors
/// A sentence about the text that is no such export.
pub fn convert(services: &str, locations: &str) -> Result<Imported, String> {
    Ok(city::import(
        &dldb::services(services)?,
        &dldb::locations(locations)?,
    ))
}

fn write(imported: &Imported, out: &Path) -> io::Result<()> {
    std::fs::create_dir_all(out)?;
    if std::fs::read_dir(out)?.next().is_some() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the folder is not empty",
        ));
    }
    for (name, text) in &imported.files {
        let path = out.join(name);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// The account of the import, then the check of what it made.
fn print(imported: &Imported, out: &mut impl Write) -> io::Result<ExitCode> {
    for Count {
        what,
        taken,
        of,
        notes,
    } in &imported.counts
    {
        writeln!(out, "{what}: {taken} of {of}")?;
        notes
            .iter()
            .try_for_each(|(note, count)| writeln!(out, "  {count:>5} {note}"))?;
    }
    match load(&imported.files) {
        Ok(catalogue) => {
            writeln!(out, "ok: {}", summary(&catalogue))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            errors
                .iter()
                .try_for_each(|error| writeln!(out, "{error}"))?;
            writeln!(
                out,
                "failed: {} mistakes to be corrected by hand",
                errors.len()
            )?;
            Ok(ExitCode::from(CHECK_FAILED))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small export with one of each oddity: a service that nobody offers, a partner that is
    /// unknown, a one-sided pair, a key that is none, a grid and a quantity that cannot be, offers
    /// that are not public, longer than usual, doubled or of nothing, and an empty location.
    const SERVICES: &str = r#"{ "meta": {}, "data": [
        { "id": "1", "name": "Paß", "description": "<p>long</p>", "duration": 15, "maxQuantity": 2,
          "leika": "99085001000000, 1234", "combinable": [1, 2, 999], "public": true },
        { "id": "2", "name": "Paß", "duration": 5, "maxQuantity": 50, "combinable": { "1": "2" } },
        { "id": "3", "name": "Niemand", "duration": 5, "leika": "99085001000001", "combinable": [] }
    ] }"#;
    const LOCATIONS: &str = r#"[
        { "id": "10", "name": "Büro (A/1)", "organizationUnit": "Referat", "public": true,
          "organization": "Stadt Beispiel", "slotTimeInMinutes": 45,
          "address": { "street": "Weg", "house_number": "1", "postal_code": "10115",
                       "city": "Ort" },
          "services": [ { "service": "1", "duration": 15, "public": false },
                        { "service": "2", "duration": 10, "maxQuantity": 1 },
                        { "service": "1", "duration": 15 },
                        { "service": "7", "duration": 15 } ] },
        { "id": "11", "name": "Büro (A/2)", "organizationUnit": "Referat", "public": false,
          "slotTimeInMinutes": 5, "services": [ { "service": "2", "duration": 5 } ] },
        { "id": "12", "name": "Leer", "services": [] }
    ]"#;

    fn imported() -> Imported {
        convert(SERVICES, LOCATIONS).unwrap()
    }

    #[test]
    fn everything_is_accounted_for() {
        let mut out = Vec::new();
        let imported = imported();
        print(&imported, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
services: 2 of 3
      1 skipped: no location offers it
locations: 2 of 3
      1 grid of 45 minutes: 15 here, so there are more starts
      1 not public there: off here
      1 skipped: it offers nothing
offers: 3 of 5
      1 not public there: marked in the file, but everybody's once the office is live
      1 quantity of 50: 20 here
      1 skipped: the location offers it twice
      1 skipped: the service is not in the export
combinable, in one direction: 1 of 2
      1 one-sided there, mutual here
      1 skipped: the other service is not in the export
LeiKa keys: 1 of 3
      1 skipped: no location offers the service
      1 skipped: not 14 digits
ok: Stadt Beispiel: 1 departments, 2 offices (0 live, 1 test, 1 off), 2 counters, 2 services
"
        );
    }

    #[test]
    fn what_was_said_is_what_is_loaded() {
        let city = load(&imported().files).unwrap();
        let [first, second] = &city.services[..] else {
            panic!("two services")
        };
        assert_eq!((first.id.as_str(), second.id.as_str()), ("pass", "pass-2"));
        assert_eq!(first.leika, ["99085001000000"]);
        assert_eq!(first.combines_with.len() + second.combines_with.len(), 2);
        let [there, here] = &city.offices[..] else {
            panic!("two offices")
        };
        assert_eq!((here.id.as_str(), there.id.as_str()), ("buero", "buero-11"));
        assert_eq!((here.unit_minutes, there.unit_minutes), (15, 5));
        assert_eq!(here.address, "Weg 1, 10115 Ort");
        let offers: Vec<_> = here
            .offers
            .iter()
            .map(|offer| (offer.minutes, offer.quantity_max))
            .collect();
        assert_eq!(offers, [(15, 2), (10, 1)]);
    }

    #[test]
    fn an_existing_city_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        write(&imported(), dir.path()).unwrap();
        assert!(dir.path().join("referat/buero-11.toml").exists());
        let again = write(&imported(), dir.path()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}
