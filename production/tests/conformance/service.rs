//! A gateway in the production mode.

use std::path::Path;
use std::sync::Arc;

use morgenruh_engine::rules::ids::HoldToken;
use morgenruh_production::ledger::{OpenError, ProductionLedger};

use crate::place::Place;
use crate::support::{EVENING, Hall, TUESDAY, clock};
use crate::townhall::{kleinheim, told};

/// A gateway that serves the city.
pub(crate) struct Service {
    pub(crate) hall: Hall,
    pub(crate) ledger: Arc<ProductionLedger>,
    /// Live bookings that it has found.
    pub(crate) found: usize,
}

impl Service {
    pub(crate) fn start(place: &Place) -> Result<Service, OpenError> {
        Service::start_from(place, place.data.path())
    }

    pub(crate) fn start_from(place: &Place, data: &Path) -> Result<Service, OpenError> {
        let mut catalogue = kleinheim();
        let (ledger, stored) = place.open_from(data, &mut catalogue)?;
        let ledger = Arc::new(ledger);
        let hall = Hall::new(catalogue, ledger.clone(), EVENING);
        let found = hall.engine.recover(EVENING, stored).unwrap().bookings;
        Ok(Service {
            hall,
            ledger,
            found,
        })
    }

    /// Two facts each.
    pub(crate) fn book(&self, minutes: impl IntoIterator<Item = u16>) -> Vec<HoldToken> {
        let book = |minute| {
            let token = self.hall.hold(EVENING, clock(TUESDAY, 8, minute)).unwrap();
            told(self.hall.confirm(EVENING, token, "a request")).unwrap();
            token
        };
        minutes.into_iter().map(book).collect()
    }

    pub(crate) fn stop(self) {
        self.ledger.close();
    }
}
