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
    let Ok(solved) = check(ROOM, NOW) else {
        return Verdict::Refused;
    };
    let refusal = |room, at| check(room, at).err();
    assert_eq!(refusal(ROOM, NOW), Some(PowRefusal::Used), "it is in hand");
    solved.keep();
    let elsewhere = refusal("buergerbuero-2026-12-25", NOW);
    assert_eq!(elsewhere, Some(PowRefusal::Foreign), "it is for one room");
    assert_eq!(refusal(ROOM, NOW), Some(PowRefusal::Used));
    let later = NOW + POLICY.lasts;
    assert_eq!(refusal(ROOM, later), Some(PowRefusal::Expired));
    Verdict::Taken
}
