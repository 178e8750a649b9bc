//! What every request can reach.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use morgenruh_engine::rules::catalogue::Catalogue;
use morgenruh_engine::shell::engine::Engine;
use morgenruh_production::ledger::ProductionLedger;

use crate::availability::Availability;
use crate::handlers::releases::ReleaseDocuments;
use crate::idempotency::Idempotency;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::listener::Places;
use crate::post::Post;
use crate::proof_of_work::Challenges;
use crate::rooms::Documents;
use crate::service_keys::ServiceKeys;
use crate::settings::Settings;
use crate::traffic::Traffic;

/// Handed to every handler; cloning it is cheap.
pub type AppState = Arc<App>;

/// Built once, before the listeners open.
pub struct App {
    pub engine: Arc<Engine>,
    /// The engine's ledger, if there is a store behind it that operators want to hear of.
    pub production: Option<Arc<ProductionLedger>>,
    pub settings: Settings,
    /// Rendered answers, re-made when their days change.
    pub availability: Availability,
    /// Answers to requests that carried an Idempotency-Key.
    pub idempotency: Idempotency,
    pub service_keys: ServiceKeys,
    /// How people hear of what becomes of their wishes.
    pub post: Post,
    /// The public documents of the waiting rooms, re-made when they change.
    pub rooms: Documents,
    /// The public documents of releases, for a moment each.
    pub releases: ReleaseDocuments,
    /// They sign the tokens of the waiting room.
    pub keys: Keys,
    /// What rooms ask before they give a ticket.
    pub challenges: Challenges,
    /// How often who may ask.
    pub limits: Limits,
    /// Requests, for `/metrics`.
    pub traffic: Traffic,
    /// Open connections of the public listener.
    pub public_places: Places,
    /// Open connections of the listener for staff and operations.
    pub admin_places: Places,
    /// Set when the service is told to stop: readiness says so before the listeners close.
    pub stopping: AtomicBool,
    /// The OpenAPI document, as JSON.
    pub openapi: String,
    /// The same as a page for people.
    pub documentation: String,
}

impl App {
    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        self.engine.catalogue()
    }
}
