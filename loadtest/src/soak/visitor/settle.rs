//! Finding out what became of a change that was not answered.
//!
//! As long as the process lives that was asked, the change may still be under way: asking again is
//! the only way to know. After a crash it is wholly there or not at all, and stays so: then looking
//! tells as well, and one may think better of it.

use super::changes::is_at;
use super::{Appointment, Change, Unclear, Visitor};
use crate::soak::desk::{Desk, Span, Told};
use crate::soak::stay::Stay;

/// Share of changes that are looked at after a crash instead of being asked for again.
const LOOK_FIRST_SHARE: f64 = 0.5;

impl Visitor {
    /// Tries once; what stays unclear is put back.
    pub(super) async fn settle(&mut self, desk: &Desk, unclear: Unclear) {
        let Unclear {
            life,
            since,
            change,
        } = unclear;
        let look = life != desk.life && self.dice.chance(LOOK_FIRST_SHARE);
        match change {
            Change::Confirm {
                mut stay,
                request,
                key,
            } => match self.ask_to_confirm(desk, &request, &key).await {
                Told::Done(first, span) => {
                    resolved(desk, true);
                    self.booked(desk, stay, request, key, first, since_then(since, span));
                }
                Told::Refused(_, span) => {
                    resolved(desk, false);
                    self.expired(desk, stay, span);
                }
                told @ (Told::Away { .. } | Told::Unclear { .. }) => {
                    if let Told::Away { invoked } = told {
                        stay.stretched(invoked, desk.life);
                    }
                    let change = Change::Confirm { stay, request, key };
                    self.put_back(life, since, change);
                }
                Told::Unforeseen => self.over.push(stay),
            },
            Change::Cancel(appointment) if look => {
                self.look_whether_cancelled(desk, life, since, appointment)
                    .await;
            }
            Change::Cancel(appointment) => match self.ask_to_cancel(desk, &appointment).await {
                Told::Done(answer, span) => {
                    resolved(desk, true);
                    self.ended(desk, *appointment, answer, since_then(since, span));
                }
                Told::Away { .. } | Told::Unclear { .. } => {
                    self.put_back(life, since, Change::Cancel(appointment));
                }
                Told::Refused(..) | Told::Unforeseen => self.over.push(appointment.stay),
            },
            Change::Move(appointment, stay) if look => {
                self.look_whether_moved(desk, life, since, appointment, stay)
                    .await;
            }
            Change::Move(appointment, stay) => {
                match self.ask_to_move(desk, &appointment, &stay).await {
                    Told::Done(answer, span) => {
                        resolved(desk, true);
                        let span = since_then(since, span);
                        self.moved(desk, *appointment, stay, answer, span);
                    }
                    Told::Away { .. } | Told::Unclear { .. } => {
                        self.put_back(life, since, Change::Move(appointment, stay));
                    }
                    told => {
                        resolved(desk, false);
                        self.not_moved(desk, *appointment, stay, told).await;
                    }
                }
            }
        }
    }

    async fn look_whether_cancelled(
        &mut self,
        desk: &Desk,
        life: u32,
        since: u64,
        appointment: Box<Appointment>,
    ) {
        match self.look(desk, &appointment).await {
            Told::Done(found, _) if found == appointment.booking => {
                resolved(desk, false);
                self.appointments.push(*appointment);
            }
            Told::Done(found, span) => {
                resolved(desk, true);
                self.ended(desk, *appointment, found, since_then(since, span));
            }
            Told::Away { .. } | Told::Unclear { .. } => {
                self.put_back(life, since, Change::Cancel(appointment));
            }
            Told::Refused(..) | Told::Unforeseen => self.over.push(appointment.stay),
        }
    }

    async fn look_whether_moved(
        &mut self,
        desk: &Desk,
        life: u32,
        since: u64,
        appointment: Box<Appointment>,
        stay: Stay,
    ) {
        match self.look(desk, &appointment).await {
            Told::Done(found, _) if found == appointment.booking => {
                resolved(desk, false);
                self.appointments.push(*appointment);
                self.held = Some(stay);
            }
            Told::Done(found, span) if is_at(&found, &stay) => {
                resolved(desk, true);
                self.moved(desk, *appointment, stay, found, since_then(since, span));
            }
            Told::Done(found, _) => {
                let expected = &appointment.booking;
                self.violation(desk, &format!("{expected:?}, half moved, is {found:?}"));
                self.over.push(appointment.stay);
            }
            Told::Away { .. } | Told::Unclear { .. } => {
                self.put_back(life, since, Change::Move(appointment, stay));
            }
            Told::Refused(..) | Told::Unforeseen => self.over.push(appointment.stay),
        }
    }

    fn put_back(&mut self, life: u32, since: u64, change: Change) {
        self.unclear = Some(Unclear {
            life,
            since,
            change,
        });
    }
}

/// A change that was asked for several times has one interval.
fn since_then(since: u64, last: Span) -> Span {
    Span {
        invoked: since,
        returned: last.returned,
    }
}

fn resolved(desk: &Desk, done: bool) {
    desk.notebook.count(|tally| {
        let which = if done {
            &mut tally.resolved_done
        } else {
            &mut tally.resolved_undone
        };
        *which += 1;
    });
}
