//! `morgenruh-sim`: runs seeds and says what is wrong, if anything is.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use fastrand::Rng;
use morgenruh_engine::canary::{Canary, sing};
use morgenruh_sim::options::Options;
use morgenruh_sim::run::{self, Harvest};

/// Seeds in which something was once wrong, one in each line, with what it was.
const FAILED_ONCE: &str = include_str!("../seeds.txt");
/// Seeds of which is counted in how many a canary is caught.
const CANARY_SEEDS: u64 = 400;
/// Seeds within which it must be caught.
const CANARY_SEEDS_MAX: u64 = 40_000;
const FOREVER: Duration = Duration::from_secs(u64::MAX / 4);

/// Bugs that the simulation can see; those of the real disk are tried with `lying-disk`.
const CANARIES: [Canary; 33] = [
    Canary::AckBeforeDurable,
    Canary::UnclearTakenForRefused,
    Canary::UnclearSettledByLooking,
    Canary::DeadlineIgnored,
    Canary::EarlyExpiry,
    Canary::ExpiryForgotten,
    Canary::DoubleHold,
    Canary::FreedBeforeDurable,
    Canary::RepetitionForgotten,
    Canary::WatermarkAhead,
    Canary::QueueSkipped,
    Canary::CeilingForgotten,
    Canary::SpentForgotten,
    Canary::DrawForgotten,
    Canary::NumbersForgotten,
    Canary::WishPassedOver,
    Canary::PersonForgotten,
    Canary::FreedUnseen,
    Canary::LapsedSeatKept,
    Canary::RestEndedEarly,
    Canary::AcceptedBeforeDurable,
    Canary::OfferForgotten,
    Canary::SleeperServed,
    Canary::PlaceGivenUp,
    Canary::DrawnBackwards,
    Canary::LotteryCutShort,
    Canary::PlaceForgotten,
    Canary::TicketKept,
    Canary::DecisionForgotten,
    Canary::WithdrawnUnderneath,
    Canary::DripEarly,
    Canary::PhoneForgotten,
    Canary::NothingForgotten,
];

/// The real engine in a simulated world, judged by what its clients saw.
///
/// Exit code 0: all is well. 1: an invariant does not hold, a canary was not caught, or nothing
/// happened that would have proved anything.
#[derive(Parser)]
struct Arguments {
    /// Runs this seed alone and prints every step.
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds for fresh seeds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// First of the fresh seeds; drawn and printed when left out.
    #[arg(long)]
    from: Option<u64>,
    /// Lets each known bug loose in turn, and counts in how many seeds it is caught.
    #[arg(long)]
    canaries: bool,
}

#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        return match run::replay(seed) {
            Ok(()) => ExitCode::SUCCESS,
            Err(violation) => {
                println!("{}", violation.0);
                ExitCode::FAILURE
            }
        };
    }
    run::keep_panics();
    let from = arguments.from.unwrap_or_else(|| fastrand::u64(..) >> 1);
    let is_well = if arguments.canaries {
        canaries(from)
    } else {
        seeds(from, Duration::from_secs(arguments.seconds))
    };
    ExitCode::from(u8::from(!is_well))
}

#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn seeds(from: u64, time: Duration) -> bool {
    let mut is_well = true;
    for line in FAILED_ONCE.lines() {
        let seed = line
            .split_whitespace()
            .next()
            .and_then(|seed| seed.parse().ok());
        if let Some(seed) = seed {
            is_well &= report(&run::many(seed, 1, FOREVER, 1));
        }
    }
    let began = Instant::now();
    let harvest = run::many(from, u64::MAX, time, 1);
    let seconds = began.elapsed().as_secs_f64();
    is_well &= report(&harvest);
    let Harvest { seeds, tally, .. } = &harvest;
    let rate = tally.steps as f64 / seconds / 1e6;
    println!("{seeds} seeds from {from} on, {rate:.2} million steps a second:\n{tally}");
    let missing = tally.missing();
    if !missing.is_empty() {
        println!(
            "never happened, so nothing is proved: {}",
            missing.join(", ")
        );
    }
    println!("{}", if is_well { "no violation" } else { "VIOLATED" });
    is_well && missing.is_empty()
}

#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn report(harvest: &Harvest) -> bool {
    for (seed, what) in &harvest.violations {
        let options = Options::draw(&mut Rng::with_seed(*seed));
        println!("seed {seed}, {what}\n  {options:?}\n  replay: make sim SEED={seed}");
    }
    harvest.violations.is_empty()
}

#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
fn canaries(from: u64) -> bool {
    let mut all_caught = true;
    for canary in CANARIES {
        sing(Some(canary));
        let first = run::many(from, CANARY_SEEDS, FOREVER, usize::MAX);
        let caught = first.violations.len();
        let example = match first.violations.into_iter().next() {
            Some(violation) => Some(violation),
            None => {
                let more = run::many(from + CANARY_SEEDS, CANARY_SEEDS_MAX, FOREVER, 1);
                more.violations.into_iter().next()
            }
        };
        let name = format!("{canary:?}");
        match example {
            Some((seed, what)) => {
                let what: String = what.chars().take(90).collect();
                println!(
                    "{name:<24} caught in {caught:>3} of {CANARY_SEEDS} seeds; {seed}, {what}…"
                );
            }
            None => {
                println!("{name:<24} NOT CAUGHT in {CANARY_SEEDS_MAX} seeds");
                all_caught = false;
            }
        }
    }
    sing(None);
    all_caught
}
