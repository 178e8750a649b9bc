//! What can happen to a day, and under which rules: the random part of its lives.

use morgenruh_engine::rules::calendar::{DayPlan, PlannedWave};
use morgenruh_engine::rules::catalogue::Channel;
use morgenruh_engine::rules::cells::CounterSet;
use morgenruh_engine::rules::release::ReleaseId;
use morgenruh_engine::rules::time::Millis;
use proptest::prelude::*;

use crate::naive::{COUNTERS, Cell, Rules, UNITS};
use crate::support::{EVENING, TUESDAY};

pub(crate) const MINUTE: i64 = 60_000;

/// One thing that happens. `who` counts through everybody who ever held a seat.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Hold {
        unit: usize,
        off_grid: bool,
        units: u8,
        counters: u64,
        channel: usize,
        minutes: i64,
    },
    Extend {
        who: usize,
        honest: bool,
    },
    Release {
        who: usize,
        honest: bool,
    },
    Expire {
        who: usize,
    },
    Stretch {
        who: usize,
        minutes: i64,
    },
    Confirm {
        who: usize,
        honest: bool,
        request: u8,
    },
    Cancel {
        who: usize,
        honest: bool,
    },
    Move {
        who: usize,
        to: usize,
    },
    LedgerSays {
        who: usize,
        durable: bool,
    },
    ClockGoes {
        minutes: i64,
    },
    /// To the deadline of a hold, one millisecond before it or one after.
    ClockMeets {
        who: usize,
        offset: i64,
    },
    Reopen {
        rules: Box<Rules>,
    },
}

/// Any step.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let who = 0usize..16;
    let honest = prop::bool::weighted(0.9);
    let hold = (
        0..UNITS,
        prop::bool::weighted(0.03),
        1u8..5,
        1u64..8,
        0usize..4,
        1i64..40,
    );
    prop_oneof![
        8 => hold.prop_map(|(unit, off_grid, units, counters, channel, minutes)| {
            Step::Hold { unit, off_grid, units, counters, channel, minutes }
        }),
        2 => (who.clone(), honest).prop_map(|(who, honest)| Step::Extend { who, honest }),
        2 => (who.clone(), honest).prop_map(|(who, honest)| Step::Release { who, honest }),
        4 => who.clone().prop_map(|who| Step::Expire { who }),
        1 => (who.clone(), 0i64..60).prop_map(|(who, minutes)| Step::Stretch { who, minutes }),
        6 => (who.clone(), honest, 0u8..2)
            .prop_map(|(who, honest, request)| Step::Confirm { who, honest, request }),
        3 => (who.clone(), honest).prop_map(|(who, honest)| Step::Cancel { who, honest }),
        4 => (who.clone(), who.clone()).prop_map(|(who, to)| Step::Move { who, to }),
        9 => (who.clone(), prop::bool::weighted(0.7))
            .prop_map(|(who, durable)| Step::LedgerSays { who, durable }),
        2 => (-40i64..40).prop_map(|minutes| Step::ClockGoes { minutes }),
        3 => (who, -1i64..2).prop_map(|(who, offset)| Step::ClockMeets { who, offset }),
        1 => rules().prop_map(|rules| Step::Reopen { rules: Box::new(rules) }),
    ]
}

/// Any rules.
pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    let open = |channel, wave| Just(Some(Cell { channel, wave }));
    let cell = prop_oneof![
        1 => Just(None),
        8 => open(Channel::Public, None),
        2 => open(Channel::Public, Some(0)),
        1 => open(Channel::Public, Some(1)),
        2 => open(Channel::CallCentre, None),
        1 => open(Channel::WalkIn, None),
        1 => open(Channel::Agent, None),
    ];
    // Runs of equal cells, so that longer visits find room.
    let row = prop::collection::vec((cell, 1usize..9), UNITS).prop_map(|runs| {
        let cells = runs
            .into_iter()
            .flat_map(|(cell, length)| std::iter::repeat_n(cell, length));
        let row = cells.take(UNITS).collect::<Vec<_>>();
        <[Option<Cell>; UNITS]>::try_from(row).unwrap()
    });
    let shape = (
        1u16..4,
        prop_oneof![Just(0i64), 1i64..60],
        1u8..5,
        -30i64..30,
        -30i64..90,
    );
    (prop::array::uniform3(row), shape).prop_map(
        |(cells, (grid, notice, useful_units, first, second))| Rules {
            cells,
            waves: [first, second].map(|minutes| EVENING + Millis(minutes * MINUTE)),
            starts_at: EVENING + Millis(60 * MINUTE),
            grid,
            notice: Millis(notice * MINUTE),
            useful_units,
        },
    )
}

/// The same rules as the calendar would hand them to a day.
pub(crate) fn plan(rules: &Rules) -> DayPlan {
    let cells = |wanted: &dyn Fn(Cell) -> bool| {
        let set = |unit: usize| {
            let inside = |counter: &usize| rules.cells[*counter][unit].is_some_and(wanted);
            let counters = (0..COUNTERS).filter(inside);
            counters.fold(CounterSet::EMPTY, |set, it| {
                set.or(CounterSet::only(it as u8))
            })
        };
        (0..UNITS).map(set).collect::<Box<[CounterSet]>>()
    };
    let mut waves: Vec<PlannedWave> = (0..2)
        .map(|wave| PlannedWave {
            at: rules.waves[wave],
            cells: cells(&|cell| cell.wave == Some(wave)),
            release: ReleaseId::from_bits(wave as u64),
            drip: Millis(0),
            guard: None,
        })
        .filter(|wave| wave.cells.iter().any(|set| !set.is_empty()))
        .collect();
    waves.sort_by_key(|wave| wave.at);
    DayPlan {
        date: TUESDAY,
        starts_at: rules.starts_at,
        units: UNITS as u16,
        grid: rules.grid,
        public: cells(&|cell| cell.channel == Channel::Public),
        call_centre: cells(&|cell| cell.channel == Channel::CallCentre),
        walk_in: cells(&|cell| cell.channel == Channel::WalkIn),
        agent: cells(&|cell| cell.channel == Channel::Agent),
        waves,
        notice: rules.notice,
        useful_units: rules.useful_units,
        guarded: false,
    }
}
