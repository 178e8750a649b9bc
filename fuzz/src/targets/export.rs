//! An export of the service database that Berlin and Munich keep.

use morgenruh::commands::import::{Imported, convert};
use morgenruh_engine::rules::catalogue::load::load;

use crate::Verdict;
use crate::text::{lossy, part, parts};

pub(crate) fn dldb_export(data: &[u8]) -> Verdict {
    let text = lossy(data);
    let parts = parts(&text);
    let imported = match convert(part(&parts, "services"), part(&parts, "locations")) {
        Ok(imported) => imported,
        Err(reason) => {
            assert!(!reason.is_empty());
            return Verdict::Refused;
        }
    };
    for count in &imported.counts {
        assert!(count.taken <= count.of, "{count:?}");
    }
    match load(&imported.files) {
        Ok(catalogue) => {
            assert_eq!(catalogue.services.len(), taken(&imported, "services"));
            assert_eq!(catalogue.offices.len(), taken(&imported, "locations"));
            assert_eq!(catalogue.departments.len() + 1, tops(&imported));
            let offers: usize = catalogue
                .offices
                .iter()
                .map(|office| office.offers.len())
                .sum();
            assert_eq!(offers, taken(&imported, "offers"));
            Verdict::Taken
        }
        // What the export does not know or has too much of is left to a person. What is made here
        // is right: the files can be read, and every id stands for one thing.
        Err(errors) => {
            for error in &errors {
                let is_theirs = ["name.de", "name.en", "land"]
                    .iter()
                    .any(|key| error.key.ends_with(key));
                let is_too_much = ["at most", "more than", "is not in"]
                    .iter()
                    .any(|it| error.reason.contains(it));
                assert!(is_theirs || is_too_much, "{error}");
            }
            Verdict::Refused
        }
    }
}

/// Files that lie in no folder: one for each department, and one for the city.
fn tops(imported: &Imported) -> usize {
    imported
        .files
        .keys()
        .filter(|path| !path.contains('/'))
        .count()
}

fn taken(imported: &Imported, what: &str) -> usize {
    let count = imported.counts.iter().find(|count| count.what == what);
    count.expect("there is an account of it").taken
}
