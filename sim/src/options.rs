//! What a run is made of: each seed draws its own mixture, so that no two runs are busy with the
//! same things (swarm testing).

use fastrand::Rng;

use crate::town::Town;
use crate::wishers::WishTerms;

/// Something that happens in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Somebody does what they can do next.
    Person,
    /// Somebody reads what is free.
    Read,
    /// The engine looks at the time.
    Tick,
    /// The scribe writes what has arrived.
    Turn,
    /// The store catches up.
    Drain,
    /// The power fails somewhere.
    Crash,
    /// The service is stopped and started again in good order.
    Restart,
    /// The next but n-th write goes wrong.
    Mishap,
    /// The disk is full, or has room again.
    Outage,
    /// The clock is set.
    Jump,
    /// Everybody wants the same seat.
    Herd,
    /// Everybody cancels.
    MassCancel,
    /// The opening hours change.
    Reopen,
    /// Nothing is written and nothing falls due for a while.
    Pause,
    /// Somebody does what they can do next in the waiting room.
    Visit,
    /// The engine looks at the rooms.
    TickRooms,
    /// Staff decide something about the room.
    Staff,
    /// Somebody does what they can do next about their wishes.
    Wish,
    /// The engine looks at the wishes.
    TickWishes,
    /// Some of the notices are handed over.
    Letters,
    /// Staff decide something about a release.
    Decide,
    /// The engine announces what drips.
    Announce,
    /// For a while nothing goes wrong, and nothing that is wished for may stay free.
    Calm,
}

/// The mixture of one seed.
#[derive(Clone, Debug)]
pub struct Options {
    pub town: Town,
    pub people: usize,
    pub steps: u32,
    /// Most milliseconds between two steps.
    pub pace_ms: u32,
    /// Deeds with their weights.
    pub weights: Vec<(Deed, u32)>,
    /// Of all deeds together.
    pub weight: u32,
    /// In a thousand answers, those that get lost on their way.
    pub lost_answers: u32,
    /// In a hundred confirmations, those that aim at the deadline.
    pub races: u32,
    pub batch_max: usize,
    pub queue_max: usize,
    pub deadlines_max: usize,
    /// Records by which the store may be behind.
    pub backlog_max: u64,
    /// Each recovery is done twice and compared.
    pub twins: bool,
}

/// Records that wait where the bounds are not what is tried: never so many.
pub const QUEUE_MAX: usize = 1 << 10;
/// Steps of a run.
const STEPS: u32 = 3_000;

impl Options {
    pub fn draw(dice: &mut Rng) -> Options {
        // Half of the runs do without each of the rare deeds.
        let rare = |dice: &mut Rng, most: u32| if dice.bool() { dice.u32(1..=most) } else { 0 };
        let mut town = Town::draw(dice);
        town.furnish(dice);
        // Drawn apart, so that the seeds of towns without wishes go on meaning the same.
        let mut apart = Rng::with_seed(dice.clone().u64(..));
        town.wishes = (apart.u8(..3) == 0).then(|| WishTerms::draw(&mut apart));
        let mut further = Rng::with_seed(apart.clone().u64(..));
        town.raffle(&mut further);
        town.steer(&mut further);
        let mut weights = vec![
            (Deed::Person, 1_000),
            (Deed::Read, dice.u32(20..240)),
            (Deed::Tick, dice.u32(20..400)),
            (Deed::Turn, dice.u32(50..500)),
            (Deed::Drain, dice.u32(0..100)),
            (Deed::Crash, rare(dice, 8)),
            (Deed::Restart, rare(dice, 4)),
            (Deed::Mishap, rare(dice, 20)),
            (Deed::Outage, rare(dice, 8)),
            (Deed::Jump, rare(dice, 8)),
            (Deed::Herd, rare(dice, 10)),
            (Deed::MassCancel, rare(dice, 4)),
            (Deed::Reopen, rare(dice, 4)),
            (Deed::Pause, rare(dice, 6)),
        ];
        if town.room.is_some() {
            weights.extend([
                (Deed::Visit, 700),
                (Deed::TickRooms, dice.u32(20..400)),
                (Deed::Staff, rare(dice, 12)),
            ]);
        }
        if town.wishes.is_some() {
            weights.extend([
                (Deed::Wish, apart.u32(100..800)),
                (Deed::TickWishes, apart.u32(20..400)),
                (Deed::Letters, rare(&mut apart, 200)),
                (Deed::Calm, rare(&mut apart, 6)),
            ]);
        }
        if let Some(release) = town.release {
            weights.push((Deed::Decide, further.u32(..40)));
            if release.drip_minutes > 0 {
                weights.push((Deed::Announce, further.u32(2..40)));
            }
        }
        let is_small = dice.u8(..4) == 0;
        let is_lottery = town.room.is_some_and(|room| room.is_lottery);
        let people = dice.usize(2..=16);
        let pace_ms = [10, 1_000, 5_000, 12_000][dice.usize(..4)];
        Options {
            town,
            people,
            steps: STEPS,
            // Slower, and no run would come to the draw.
            pace_ms: if is_lottery {
                pace_ms.max(1_000)
            } else {
                pace_ms
            },
            weight: weights.iter().map(|(_, weight)| weight).sum(),
            weights,
            lost_answers: rare(dice, 100),
            races: dice.u32(..40),
            batch_max: dice.usize(1..=16),
            queue_max: if is_small {
                dice.usize(1..=4)
            } else {
                QUEUE_MAX
            },
            deadlines_max: if is_small { dice.usize(1..=8) } else { 1 << 10 },
            twins: dice.u8(..8) == 0,
            backlog_max: if dice.u8(..4) == 0 {
                dice.u64(4..64)
            } else {
                1 << 20
            },
        }
    }

    pub fn deed(&self, dice: &mut Rng) -> Deed {
        let mut at = dice.u32(..self.weight);
        for (deed, weight) in &self.weights {
            if at < *weight {
                return *deed;
            }
            at -= weight;
        }
        Deed::Person
    }
}
