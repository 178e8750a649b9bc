//! The waiting rooms that exist, each behind its lock.
//!
//! Whoever has a day locked may lock a room, never the other way round.

use std::sync::Arc;

use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering, SharedMap};
use crate::rules::ids::ReservationId;
use crate::rules::room::proof::Beacon;
use crate::rules::room::state::Room;
use crate::rules::room::{RoomId, TicketId};

/// One room: whoever has the lock decides alone.
#[derive(Debug)]
pub struct RoomShard {
    /// The id for people and addresses.
    pub name: String,
    pub id: RoomId,
    room: Mutex<Room>,
    beacon: Mutex<Option<Beacon>>,
    /// Whether its days know that it is over.
    lifted: AtomicBool,
}

impl RoomShard {
    pub(super) fn new(room: Room) -> RoomShard {
        RoomShard {
            name: room.plan().name.clone(),
            id: room.plan().id,
            room: Mutex::new(room),
            beacon: Mutex::new(None),
            lifted: AtomicBool::new(false),
        }
    }

    /// Looks at the room, or decides something. Nothing inside may wait.
    pub fn decide<R>(&self, decision: impl FnOnce(&mut Room) -> R) -> R {
        decision(&mut self.room.lock())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock()
    }

    /// The public random value for its draw, as far as it has come.
    pub fn beacon(&self) -> Option<Beacon> {
        self.beacon.lock().clone()
    }

    /// Takes the first value; false when there is one already.
    pub fn set_beacon(&self, beacon: Beacon) -> bool {
        let mut known = self.beacon.lock();
        let is_first = known.is_none();
        if is_first {
            *known = Some(beacon);
        }
        is_first
    }

    /// True the first time.
    pub(super) fn lift_once(&self) -> bool {
        !self.lifted.swap(true, Ordering::AcqRel)
    }
}

/// The rooms of an engine, by id and by name.
#[derive(Debug, Default)]
pub struct Rooms {
    by_id: SharedMap<RoomId, Arc<RoomShard>>,
    by_name: SharedMap<String, Arc<RoomShard>>,
    /// Announcements on their way to the ledger: while one is, there is no other.
    announcing: SharedMap<RoomId, ()>,
}

impl Rooms {
    pub fn get(&self, id: RoomId) -> Option<Arc<RoomShard>> {
        self.by_id.get(&id).map(|shard| Arc::clone(&shard))
    }

    pub fn named(&self, name: &str) -> Option<Arc<RoomShard>> {
        self.by_name.get(name).map(|shard| Arc::clone(&shard))
    }

    /// Earliest release first.
    pub fn all(&self) -> Vec<Arc<RoomShard>> {
        let mut all: Vec<Arc<RoomShard>> =
            self.by_id.iter().map(|shard| Arc::clone(&shard)).collect();
        all.sort_by_cached_key(|shard| (shard.decide(|room| room.plan().release_at), shard.id));
        all
    }

    /// Whether it may be announced: not while an announcement is on its way.
    pub(super) fn begin_announcing(&self, id: RoomId) -> bool {
        self.announcing.insert(id, ()).is_none()
    }

    pub(super) fn end_announcing(&self, id: RoomId) {
        self.announcing.remove(&id);
    }

    /// In place of one with the same id.
    pub(super) fn put(&self, shard: Arc<RoomShard>) {
        self.by_name.insert(shard.name.clone(), Arc::clone(&shard));
        self.by_id.insert(shard.id, shard);
    }

    pub(super) fn drop_before(&self, kept: impl Fn(RoomId) -> bool) {
        self.by_id.retain(|id, _| kept(*id));
        self.by_name.retain(|_, shard| kept(shard.id));
    }

    /// The booking is cancelled: whoever had it may book another one.
    pub(super) fn disclaim(&self, booking: ReservationId) {
        // Nobody else waits for the map while one of them is waited for.
        let all: Vec<Arc<RoomShard>> = self.by_id.iter().map(|it| Arc::clone(&it)).collect();
        for shard in all {
            shard.lock().disclaim(booking);
        }
    }

    /// A hold that was made with the ticket's pass has begun or ended.
    pub(super) fn count_hold(&self, ticket: Option<TicketId>, begun: bool) {
        if let Some(ticket) = ticket
            && let Some(shard) = self.get(ticket.room)
        {
            shard.lock().count_hold(ticket.seq, begun);
        }
    }
}
