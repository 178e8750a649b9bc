//! Reading every acknowledged booking back, and `morgenruh-loadtest readback`.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api::{Api, Reply};
use crate::record::Acknowledged;
use crate::verdict::{Checked, Found};

/// Bookings that are read at the same time.
const READERS: usize = 32;

/// How often a booking is asked for before it counts as unknown.
const TRIES_MAX: u32 = 5;

/// Pause before a question that got no answer is asked again, in milliseconds.
const PAUSE_MS: u64 = 200;

/// Asks the service for every booking of a record.
pub async fn read_all(api: &Arc<Api>, record: Vec<Acknowledged>) -> Vec<Checked> {
    let mut readers = JoinSet::new();
    let share = record.len().div_ceil(READERS).max(1);
    for part in record.chunks(share) {
        let (api, part) = (Arc::clone(api), part.to_vec());
        readers.spawn(async move {
            let mut checked = Vec::with_capacity(part.len());
            for acknowledged in part {
                let found = read_one(&api, &acknowledged).await;
                checked.push(Checked {
                    acknowledged,
                    found,
                });
            }
            checked
        });
    }
    readers.join_all().await.into_iter().flatten().collect()
}

async fn read_one(api: &Api, booking: &Acknowledged) -> Found {
    for _ in 0..TRIES_MAX {
        match api.read_back(&booking.id, &booking.manage_token).await {
            Reply::Done(booking) => return Found::There(booking),
            Reply::Refused(refusal) if refusal.status == 404 => return Found::Missing,
            Reply::Refused(refusal) => {
                sleep(
                    refusal
                        .retry_after
                        .unwrap_or(Duration::from_millis(PAUSE_MS)),
                )
                .await;
            }
            Reply::Silent => sleep(Duration::from_millis(PAUSE_MS)).await,
            Reply::Unforeseen => return Found::Unknown,
        }
    }
    Found::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, stub};

    /// A service that has forgotten everything is found out.
    #[tokio::test]
    async fn what_is_not_there_is_missing() {
        let base = stub::serve(stub::json("404 Not Found", "", "{}"), usize::MAX);
        let client = Client::new(base.parse().unwrap(), 4, Duration::from_secs(5));
        let api = Arc::new(Api::new(client));
        let line = r#"{"id":"a","manage_token":"t","office":"bilk","counter":1,
            "start":"2026-11-24T07:15:00Z","end":"2026-11-24T07:30:00Z"}"#;
        let record = vec![serde_json::from_str(line).unwrap(); 100];
        let checked = read_all(&api, record).await;
        assert_eq!(checked.len(), 100);
        assert!(
            checked
                .iter()
                .all(|one| matches!(one.found, Found::Missing))
        );
    }
}
