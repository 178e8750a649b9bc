//! A solution of a proof of work, as a client sends it.

use morgenruh::proof_of_work::{Policy, PowRefusal, ProofOfWork};
use morgenruh_engine::rules::time::{Millis, UnixMillis};

use crate::Verdict;
use crate::text::lossy;

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
const ROOM: &str = "buergerbuero-2026-12-24";
const POLICY: Policy = Policy {
    number_max: 5_000,
    lasts: Millis::from_minutes(10),
    used_max: 10,
};

pub(crate) fn proof_of_work(data: &[u8]) -> Verdict {
    let pow = ProofOfWork::new(&[7; 32], POLICY);
    let payload = lossy(data);
    let check = |room, at| pow.check(at, room, Some(&payload));
    if check(ROOM, NOW).is_err() {
        return Verdict::Refused;
    }
    let elsewhere = check("buergerbuero-2026-12-25", NOW);
    assert_eq!(elsewhere, Err(PowRefusal::Foreign), "it is for one room");
    assert_eq!(check(ROOM, NOW), Err(PowRefusal::Used));
    assert_eq!(check(ROOM, NOW + POLICY.lasts), Err(PowRefusal::Expired));
    Verdict::Taken
}
