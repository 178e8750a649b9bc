//! Which changes of a wish keep its place.
//!
//! A place is the time for which somebody has been waiting *for this*. Whoever then takes less
//! keeps it: nobody behind them is worse off. Whoever takes more would overtake people who have
//! waited for exactly that, so the wish counts anew from the change:
//!
//! | change | place |
//! |---|---|
//! | fewer offices, hours or days, more notice, `auto_accept` on or off | kept |
//! | an office, an hour or a day more, less notice | lost |
//! | other services, or other quantities | lost |
//! | another booking to bring forward | lost |
//!
//! Without this a wish that hardly anything fits could be laid early and opened when it is wanted.

use super::{Place, Wish};
use crate::rules::time::UnixMillis;

/// The place of a wish that becomes another one.
pub fn place(old: &Wish, place: Place, new: &Wish, now: UnixMillis) -> Place {
    if keeps_place(old, new) {
        place
    } else {
        Place::at(now)
    }
}

/// Whether everything that fits the new wish fits the old one as well, for the same visit.
pub fn keeps_place(old: &Wish, new: &Wish) -> bool {
    new.services == old.services
        && new.instead_of == old.instead_of
        && new
            .offices
            .iter()
            .all(|office| old.offices.contains(office))
        && new.windows.is_within(old.windows)
        && old.from <= new.from
        && new.until <= old.until
        && old.notice_minutes <= new.notice_minutes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::need::Services;
    use crate::rules::time::DayNumber;
    use crate::rules::wish::windows::Windows;

    fn wish() -> Wish {
        Wish {
            services: Services::collect([(1, 1)]).unwrap(),
            offices: vec![1, 4],
            windows: Windows::NEVER.with(0, 8, 12).with(2, 8, 12),
            from: DayNumber(9_900),
            until: DayNumber(9_930),
            notice_minutes: 60,
            auto_accept: false,
            instead_of: None,
        }
    }

    #[track_caller]
    fn changed(keeps: bool, change: impl FnOnce(&mut Wish)) {
        let mut new = wish();
        change(&mut new);
        let (before, now) = (
            Place {
                since: 5,
                position: 7,
            },
            UnixMillis(99),
        );
        let expected = if keeps { before } else { Place::at(now) };
        assert_eq!(place(&wish(), before, &new, now), expected);
    }

    #[test]
    fn who_takes_less_keeps_the_place() {
        changed(true, |_| {});
        changed(true, |wish| wish.offices = vec![4]);
        changed(true, |wish| wish.windows = Windows::NEVER.with(2, 9, 12));
        changed(true, |wish| wish.from = DayNumber(9_905));
        changed(true, |wish| wish.until = DayNumber(9_920));
        changed(true, |wish| wish.notice_minutes = 120);
        changed(true, |wish| wish.auto_accept = true);
    }

    #[test]
    fn who_takes_more_begins_anew() {
        changed(false, |wish| wish.offices = vec![1, 4, 5]);
        changed(false, |wish| wish.offices = vec![5]);
        changed(false, |wish| wish.windows = wish.windows.with(4, 8, 9));
        changed(false, |wish| wish.from = DayNumber(9_899));
        changed(false, |wish| wish.until = DayNumber(9_931));
        changed(false, |wish| wish.notice_minutes = 59);
        changed(false, |wish| {
            wish.services = Services::collect([(1, 2)]).unwrap()
        });
        // Less of one thing does not pay for more of another.
        changed(false, |wish| {
            wish.offices = vec![1];
            wish.until = DayNumber(9_940);
        });
    }
}
