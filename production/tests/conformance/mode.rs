//! The modes in which a city can be served, as far as a story needs to know them.

use std::sync::Arc;
use std::time::Duration;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::rules::record::Position;
use morgenruh_engine::shell::drain::Placed;
use morgenruh_engine::shell::ledger::Ledger;
use morgenruh_engine::shell::sqlite::{Departure, Options, SqliteLedger};
use morgenruh_engine::shell::stored::Stored;
use morgenruh_engine::shell::verify::verify;
use morgenruh_production::ledger::ProductionLedger;
use morgenruh_servers::{Mode as Network, scratch};
use tempfile::TempDir;

use crate::place::Place;
use crate::servers::{Servers, wait_for_locks};
use crate::support::{EVENING, berlin};

pub(crate) const OPTIONS: Options = Options {
    batch_max: 64,
    queue_max: 1_024,
    retry: Duration::from_millis(5),
    clock: || EVENING,
};

/// A ledger that can be closed, as a service that ends closes it.
pub(crate) trait Closing: Ledger {
    fn close(&self);
}

/// A place in which facts are kept, and the way in which they are.
pub(crate) trait Mode: Sized {
    /// A place where nothing was ever kept.
    fn anew() -> Self;

    /// Opens what there is for this configuration, whose city is given the id that it has here.
    /// A reason for people if that cannot be.
    fn open(&mut self, catalogue: &mut Catalogue) -> Result<(Arc<dyn Closing>, Stored), String>;

    /// Everything that was ever written down, oldest first. Nobody serves meanwhile.
    fn records(&self) -> Vec<Placed>;

    /// Panics if something is wrong with what there is. Nobody serves meanwhile.
    fn check(&self);
}

/// SQLite in a directory.
pub(crate) struct Embedded {
    pub(crate) data: TempDir,
}

/// Redis and PostgreSQL, which has everything when the service has ended.
pub(crate) struct Production(Place);

/// The same with a PostgreSQL that can only be reached while the service starts.
pub(crate) struct ProductionBehind {
    place: Place,
    /// The newest fact when the PostgreSQL could be reached last.
    known: Position,
}

impl Mode for Embedded {
    fn anew() -> Embedded {
        Embedded { data: scratch() }
    }

    fn open(&mut self, catalogue: &mut Catalogue) -> Result<(Arc<dyn Closing>, Stored), String> {
        wait_for_locks();
        let (ledger, stored) = SqliteLedger::open(self.data.path(), catalogue, OPTIONS)
            .map_err(|error| error.to_string())?;
        Ok((Arc::new(ledger), stored))
    }

    fn records(&self) -> Vec<Placed> {
        let mut records = Vec::new();
        wait_for_locks();
        let departure = Departure::open(self.data.path()).unwrap();
        let push = |placed| -> Result<(), std::convert::Infallible> {
            records.push(placed);
            Ok(())
        };
        departure.each_fact(&berlin(), Position(0), push).unwrap();
        records
    }

    fn check(&self) {
        assert_eq!(verify(self.data.path()).unwrap().errors, [] as [&str; 0]);
    }
}

impl Mode for Production {
    fn anew() -> Production {
        Production(Place::on(Servers::shared()))
    }

    fn open(&mut self, catalogue: &mut Catalogue) -> Result<(Arc<dyn Closing>, Stored), String> {
        let opened = self.0.open(catalogue).map_err(|error| error.to_string())?;
        Ok((Arc::new(opened.0), opened.1))
    }

    fn records(&self) -> Vec<Placed> {
        self.0.records()
    }

    fn check(&self) {
        let state = self.0.store_state();
        let newest = self.0.records().len() as u64;
        assert_eq!((state.watermark.0, state.quarantined), (newest, 0));
    }
}

impl Mode for ProductionBehind {
    fn anew() -> ProductionBehind {
        ProductionBehind {
            place: Place::on(Servers::shared()),
            known: Position(0),
        }
    }

    fn open(&mut self, catalogue: &mut Catalogue) -> Result<(Arc<dyn Closing>, Stored), String> {
        self.place.store_way.switch(Network::Pass);
        let opened = self.place.open(catalogue);
        self.place.store_way.switch(Network::Cut);
        let (ledger, stored) = opened.map_err(|error| error.to_string())?;
        self.known = ledger.backlog().newest();
        Ok((Arc::new(ledger), stored))
    }

    fn records(&self) -> Vec<Placed> {
        self.place.records()
    }

    fn check(&self) {
        self.place.store_way.switch(Network::Pass);
        let state = self.place.store_state();
        assert!(state.watermark <= self.known, "it was cut off");
        assert_eq!(state.quarantined, 0);
    }
}

impl Closing for SqliteLedger {
    fn close(&self) {
        SqliteLedger::close(self);
    }
}

impl Closing for ProductionLedger {
    fn close(&self) {
        ProductionLedger::close(self);
    }
}
