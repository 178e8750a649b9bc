//! `morgenruh-loadtest storm`: hold and confirm as fast as the service answers, and keep a record.
//!
//! This is closed-loop on purpose: it measures no latency that anybody should quote, it makes
//! acknowledgements to be counted after the service was killed.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use morgenruh_wire::{BookingRequest, Hold, HoldRequest, Office, Person, ServiceQuantity};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api::{Api, Reply};
use crate::city::City;
use crate::clock;
use crate::dice::Dice;
use crate::measure::Call;
use crate::record::{Acknowledged, Record};

/// A client ends after this many refused holds in a row for each office: the city is sold out.
const REFUSED_IN_A_ROW_PER_OFFICE: usize = 4;

/// Pause after a refusal that names no time, in milliseconds.
const PAUSE_MS: u64 = 100;

/// What a storm left behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aftermath {
    pub acknowledged: u64,
    pub clients_sold_out: u64,
    /// Clients that ended because the service went away.
    pub clients_abandoned: u64,
    pub elapsed: Duration,
}

/// What the clients of a storm share.
#[derive(Debug)]
pub struct Storm {
    api: Arc<Api>,
    city: City,
    record: Mutex<Record>,
    until: Instant,
    run: String,
    seed: u64,
}

/// How a client ended.
enum End {
    TimeIsUp,
    SoldOut,
    Abandoned,
}

impl Storm {
    /// Prepares a storm of `duration` whose acknowledgements go to `record`.
    pub fn new(
        api: Arc<Api>,
        city: City,
        record: &Path,
        duration: Duration,
        seed: u64,
    ) -> std::io::Result<Self> {
        Ok(Self {
            api,
            city,
            record: Mutex::new(Record::append(record)?),
            until: Instant::now() + duration,
            run: format!("{:x}", clock::now().as_nanosecond()),
            seed,
        })
    }

    /// Runs `clients` clients until time is up, everything is sold out or the service is gone.
    pub async fn run(self, clients: u32) -> std::io::Result<Aftermath> {
        let begun = Instant::now();
        let storm = Arc::new(self);
        let mut running = JoinSet::new();
        for client in 0..clients {
            let storm = Arc::clone(&storm);
            running.spawn(async move { storm.client(client).await });
        }
        let mut aftermath = Aftermath::default();
        for ended in running.join_all().await {
            match ended? {
                (acknowledged, End::TimeIsUp) => aftermath.acknowledged += acknowledged,
                (acknowledged, End::SoldOut) => {
                    aftermath.acknowledged += acknowledged;
                    aftermath.clients_sold_out += 1;
                }
                (acknowledged, End::Abandoned) => {
                    aftermath.acknowledged += acknowledged;
                    aftermath.clients_abandoned += 1;
                }
            }
        }
        Ok(Aftermath {
            elapsed: begun.elapsed(),
            ..aftermath
        })
    }

    async fn client(&self, client: u32) -> std::io::Result<(u64, End)> {
        let offices: Vec<&Office> = self
            .city
            .offices
            .values()
            .filter(|office| !office.services.is_empty())
            .collect();
        let mut dice = Dice::of(self.seed, u64::from(client));
        let mut acknowledged = 0;
        let mut refused_in_a_row = 0;
        let mut number = 0u64;
        while Instant::now() < self.until {
            if refused_in_a_row >= offices.len() * REFUSED_IN_A_ROW_PER_OFFICE {
                return Ok((acknowledged, End::SoldOut));
            }
            let Some(office) = offices.get(dice.below(offices.len())) else {
                break;
            };
            let Some(offer) = office.services.get(dice.below(office.services.len())) else {
                break;
            };
            let need = vec![ServiceQuantity {
                id: offer.id.clone(),
                quantity: 1,
            }];
            let hold = match self.hold(office, need.clone()).await {
                Reply::Done(hold) => hold,
                Reply::Refused(refusal) => {
                    refused_in_a_row += 1;
                    if let Some(pause) = refusal.retry_after {
                        sleep(pause).await;
                    }
                    continue;
                }
                Reply::Unforeseen => {
                    sleep(Duration::from_millis(PAUSE_MS)).await;
                    continue;
                }
                Reply::Silent => return Ok((acknowledged, End::Abandoned)),
            };
            refused_in_a_row = 0;
            number += 1;
            let key = format!("{}-{client}-{number}", self.run);
            match self.confirm(office, &hold, &need, &key).await? {
                Reply::Done(()) => acknowledged += 1,
                Reply::Refused(_) | Reply::Unforeseen => {
                    sleep(Duration::from_millis(PAUSE_MS)).await;
                }
                Reply::Silent => return Ok((acknowledged, End::Abandoned)),
            }
        }
        Ok((acknowledged, End::TimeIsUp))
    }

    async fn hold(&self, office: &Office, services: Vec<ServiceQuantity>) -> Reply<Hold> {
        let request = HoldRequest {
            services,
            earliest: true,
            offices: Some(vec![office.id.clone()]),
            ..HoldRequest::default()
        };
        self.api.hold(Instant::now(), &request).await
    }

    /// Confirms, and writes the acknowledgement down before anything else is asked.
    async fn confirm(
        &self,
        office: &Office,
        hold: &Hold,
        need: &[ServiceQuantity],
        key: &str,
    ) -> std::io::Result<Reply<()>> {
        let request = BookingRequest {
            hold: hold.token.clone().unwrap_or_default(),
            person: Person {
                name: "Lasttest".to_owned(),
                email: format!("lasttest-{key}@example.org"),
                phone: Some("+49 30 23125000".to_owned()),
            },
            answers: crate::citizen::answers(office, need),
        };
        Ok(
            match self
                .api
                .confirm(Call::Confirm, Instant::now(), &request, key)
                .await
            {
                Reply::Done(booking) => {
                    match Acknowledged::new(booking, self.city.minutes(&hold.office, need)) {
                        Ok(acknowledged) => {
                            self.record
                                .lock()
                                .expect("no holder of this lock panics")
                                .write(&acknowledged)?;
                            Reply::Done(())
                        }
                        Err(error) => {
                            self.api
                                .measure()
                                .unexpected(Call::Confirm, error.to_string());
                            Reply::Unforeseen
                        }
                    }
                }
                Reply::Refused(refusal) => {
                    if let Some(pause) = refusal.retry_after {
                        sleep(pause).await;
                    }
                    Reply::Refused(refusal)
                }
                Reply::Silent => Reply::Silent,
                Reply::Unforeseen => Reply::Unforeseen,
            },
        )
    }
}
