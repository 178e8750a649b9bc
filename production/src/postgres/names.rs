//! Names for the numbers, as the configuration has them.
//!
//! What has left the configuration keeps its row: old bookings still name it.

use morgenruh_engine::rules::catalogue::Catalogue;

use super::fault::Fault;
use super::link::Session;

const DEPARTMENTS: &str = include_str!("sql/name_departments.sql");
const OFFICES: &str = include_str!("sql/name_offices.sql");
const SERVICES: &str = include_str!("sql/name_services.sql");
const META: &str = "INSERT INTO meta (key, value) VALUES ($1, $2)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// Writes all names, within a transaction of the caller's.
pub(super) fn write(session: &mut Session, catalogue: &Catalogue) -> Result<(), Fault> {
    let Catalogue {
        city,
        departments,
        services,
        offices,
        rooms: _,
    } = catalogue;
    for (key, value) in [
        ("city", &city.id),
        ("city_name", &city.name.de),
        ("zone", &city.zone_name),
    ] {
        session.execute(META, &[&key, value])?;
    }
    session.execute(
        DEPARTMENTS,
        &[
            &column(departments, |it| it.id.as_str()),
            &column(departments, |it| it.name.de.as_str()),
            &column(departments, |it| it.name.en.as_str()),
        ],
    )?;
    let department = |position: usize| departments[position].id.as_str();
    session.execute(
        OFFICES,
        &[
            &column(offices, |it| i32::from(it.number)),
            &column(offices, |it| it.id.as_str()),
            &column(offices, |it| it.name.de.as_str()),
            &column(offices, |it| it.name.en.as_str()),
            &column(offices, |it| department(it.department)),
            &column(offices, |it| it.address.as_str()),
        ],
    )?;
    session.execute(
        SERVICES,
        &[
            &column(services, |it| i32::from(it.number)),
            &column(services, |it| it.id.as_str()),
            &column(services, |it| it.name.de.as_str()),
            &column(services, |it| it.name.en.as_str()),
            &column(services, |it| department(it.department)),
        ],
    )?;
    Ok(())
}

fn column<'a, S, T>(rows: &'a [S], value: impl Fn(&'a S) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
