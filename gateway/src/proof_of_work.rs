//! A proof of work: before somebody gets a ticket, their machine computes for a moment. Nobody
//! notices one such moment, and whoever wants ten thousand tickets has ten thousand of them.
//!
//! It is the first version of ALTCHA's format, so that existing widgets can solve it. The client
//! looks for the `number` of which SHA-256(`salt` ‖ `number`) is `challenge`, and sends back, as
//! JSON in base64, `{algorithm, challenge, number, salt, signature}`; `signature` is
//! HMAC-SHA256(key, `challenge`). All hashes are in lower-case hexadecimal.
//!
//! Room and deadline stand in the salt, `<nonce>?expires=<seconds>&room=<id>&`. Salt and number
//! are hashed without anything between them, so a part of the one could pass for the other. It
//! cannot here: a salt is taken only if it is, byte for byte, one that we would have written, and
//! a number only if it is one.

use std::collections::{BTreeMap, HashSet, VecDeque};

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use morgenruh_engine::rules::catalogue::{Catalogue, RoomRule};
use morgenruh_engine::rules::room::RoomId;
use morgenruh_engine::rules::time::{Millis, UnixMillis};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::problem::{ApiError, Kind};

const ALGORITHM: &str = "SHA-256";
/// Longest payload, in characters of base64.
const PAYLOAD_CHARS_MAX: usize = 1_024;
/// What tells two challenges of the same second apart, in bytes.
const NONCE_BYTES: usize = 12;

type Nonce = [u8; NONCE_BYTES];

/// What is asked of whom.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Largest number that can be the solution; half of it is what a client has to try on the
    /// average. 0: nothing is asked.
    pub number_max: u32,
    /// From a challenge until its solution is no longer taken.
    pub lasts: Millis,
    /// Used solutions that are remembered; beyond it the oldest are forgotten.
    pub used_max: usize,
}

/// Sets challenges and checks their solutions.
///
/// Which solutions were used is not kept over a restart.
pub struct ProofOfWork {
    key: Vec<u8>,
    policy: Policy,
    used: Mutex<Used>,
}

/// From a challenge of a room until its solution is no longer taken.
const LASTS: Millis = Millis::from_minutes(10);
/// Used solutions that are remembered for each room.
const USED_MAX: usize = 200_000;

/// What the rooms of a city ask, by the number of their rule.
#[derive(Default)]
pub struct Challenges(BTreeMap<u16, ProofOfWork>);

impl Challenges {
    /// Those that the configuration wants.
    pub fn new(catalogue: &Catalogue, key: &[u8]) -> Challenges {
        let asking = catalogue.rooms.iter().filter(|rule| rule.proof_of_work > 0);
        let policy = |rule: &RoomRule| Policy {
            number_max: rule.proof_of_work,
            lasts: LASTS,
            used_max: USED_MAX,
        };
        let works = asking.map(|rule| (rule.number, ProofOfWork::new(key, policy(rule))));
        Challenges(works.collect())
    }

    /// None where nothing is asked.
    pub fn of(&self, room: RoomId) -> Option<&ProofOfWork> {
        self.0.get(&room.number)
    }
}

/// What a client has to solve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Challenge {
    pub algorithm: &'static str,
    pub challenge: String,
    /// Numbers from 0 to this one have to be tried.
    pub maxnumber: u32,
    pub salt: String,
    pub signature: String,
}

/// Entropy of one challenge.
#[derive(Clone, Copy)]
pub struct Random(pub [u8; NONCE_BYTES + 8]);

/// Why nobody gets in with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowRefusal {
    /// There is no payload, and one is needed.
    Missing,
    /// It is not a payload.
    Malformed,
    /// The challenge is not one of ours for this room.
    Foreign,
    /// The number does not solve it.
    Wrong,
    /// It came too late.
    Expired,
    /// It was used before.
    Used,
}

/// A solution as it comes in. Widgets say more than that, e.g. how long it took them.
#[derive(Deserialize)]
struct Solution {
    algorithm: String,
    challenge: String,
    number: u64,
    salt: String,
    signature: String,
}

/// A solution that is being used. It is used up when it is [`kept`](Self::keep); until then nobody
/// else can use it, and dropped before that it counts as never shown.
#[must_use = "a solution that is not kept can be used again"]
pub struct Solved<'a>(Option<Use<'a>>);

struct Use<'a> {
    work: &'a ProofOfWork,
    now_s: i64,
    expires_at_s: i64,
    nonce: Nonce,
}

/// Nonces of used solutions.
#[derive(Default)]
struct Used {
    /// Of those that are being used now.
    in_hand: HashSet<Nonce>,
    known: HashSet<Nonce>,
    /// With the second from which they need not be known any more, in the order of their use.
    order: VecDeque<(i64, Nonce)>,
}

impl ProofOfWork {
    /// The key should be as long as a hash, 32 bytes, and known to nobody else.
    pub fn new(key: &[u8], policy: Policy) -> ProofOfWork {
        ProofOfWork {
            key: key.to_owned(),
            policy,
            used: Mutex::default(),
        }
    }

    /// A challenge for the room with this id; `None` if nothing is asked.
    pub fn challenge(&self, now: UnixMillis, room: &str, random: Random) -> Option<Challenge> {
        let numbers = u64::from(self.policy.number_max) + 1;
        if numbers == 1 {
            return None;
        }
        let mut nonce = Nonce::default();
        let mut chance = [0; 8];
        nonce.copy_from_slice(&random.0[..NONCE_BYTES]);
        chance.copy_from_slice(&random.0[NONCE_BYTES..]);
        let number = u64::from_be_bytes(chance) % numbers;
        let expires_at_s = (now + self.policy.lasts).0.div_euclid(1_000);
        let salt = salt(nonce, expires_at_s, room);
        let challenge = hash(&salt, number);
        let signature = self.signature(&challenge).finalize().into_bytes();
        Some(Challenge {
            algorithm: ALGORITHM,
            signature: HEXLOWER.encode(&signature),
            challenge,
            maxnumber: self.policy.number_max,
            salt,
        })
    }

    /// Takes a solution in hand, if nobody has it and it was not used. What is cheap to see is
    /// looked at first.
    ///
    /// # Errors
    /// [`PowRefusal`]
    pub fn check(
        &self,
        now: UnixMillis,
        room: &str,
        payload: Option<&str>,
    ) -> Result<Solved<'_>, PowRefusal> {
        if self.policy.number_max == 0 {
            return Ok(Solved(None));
        }
        let solution = Solution::decode(payload.ok_or(PowRefusal::Missing)?)?;
        let signature = HEXLOWER.decode(solution.signature.as_bytes());
        let signature = signature.map_err(|_| PowRefusal::Foreign)?;
        self.signature(&solution.challenge)
            .verify_slice(&signature)
            .map_err(|_| PowRefusal::Foreign)?;
        let (nonce, expires_at_s) = read_salt(&solution.salt, room).ok_or(PowRefusal::Foreign)?;
        if solution.number > u64::from(self.policy.number_max)
            || hash(&solution.salt, solution.number) != solution.challenge
        {
            return Err(PowRefusal::Wrong);
        }
        let now_s = now.0.div_euclid(1_000);
        if now_s >= expires_at_s {
            return Err(PowRefusal::Expired);
        }
        self.used.lock().take(nonce)?;
        Ok(Solved(Some(Use {
            work: self,
            now_s,
            expires_at_s,
            nonce,
        })))
    }

    fn signature(&self, challenge: &str) -> Hmac<Sha256> {
        let mac = Hmac::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.chain_update(challenge)
    }
}

impl Solution {
    fn decode(payload: &str) -> Result<Solution, PowRefusal> {
        if payload.len() > PAYLOAD_CHARS_MAX {
            return Err(PowRefusal::Malformed);
        }
        let json = BASE64.decode(payload.as_bytes());
        let json = json.map_err(|_| PowRefusal::Malformed)?;
        let solution: Solution =
            serde_json::from_slice(&json).map_err(|_| PowRefusal::Malformed)?;
        if solution.algorithm != ALGORITHM {
            return Err(PowRefusal::Malformed);
        }
        Ok(solution)
    }
}

impl Solved<'_> {
    /// It has got somebody in, and gets nobody else in.
    pub fn keep(mut self) {
        if let Some(it) = self.0.take() {
            let mut used = it.work.used.lock();
            used.forget(it.now_s, it.work.policy.used_max);
            used.keep(it.expires_at_s, it.nonce);
        }
    }
}

impl Drop for Solved<'_> {
    fn drop(&mut self) {
        if let Some(it) = &self.0 {
            it.work.used.lock().in_hand.remove(&it.nonce);
        }
    }
}

impl Used {
    fn take(&mut self, nonce: Nonce) -> Result<(), PowRefusal> {
        if self.known.contains(&nonce) || !self.in_hand.insert(nonce) {
            return Err(PowRefusal::Used);
        }
        Ok(())
    }

    fn keep(&mut self, expires_at_s: i64, nonce: Nonce) {
        self.in_hand.remove(&nonce);
        self.known.insert(nonce);
        self.order.push_back((expires_at_s, nonce));
    }

    fn forget(&mut self, now_s: i64, used_max: usize) {
        while let Some((expires_at_s, nonce)) = self.order.front() {
            if now_s < *expires_at_s && self.order.len() < used_max {
                break;
            }
            self.known.remove(nonce);
            self.order.pop_front();
        }
    }
}

fn salt(nonce: Nonce, expires_at_s: i64, room: &str) -> String {
    let nonce = HEXLOWER.encode(&nonce);
    format!("{nonce}?expires={expires_at_s}&room={room}&")
}

/// Nonce and deadline of a salt that we could have written for this room.
fn read_salt(text: &str, room: &str) -> Option<(Nonce, i64)> {
    let (nonce, rest) = text.split_once("?expires=")?;
    let (expires_at_s, _) = rest.split_once('&')?;
    let nonce = HEXLOWER.decode(nonce.as_bytes()).ok()?;
    let nonce = Nonce::try_from(nonce).ok()?;
    let expires_at_s = expires_at_s.parse().ok()?;
    (salt(nonce, expires_at_s, room) == text).then_some((nonce, expires_at_s))
}

fn hash(salt: &str, number: u64) -> String {
    let hash = Sha256::new().chain_update(salt);
    HEXLOWER.encode(&hash.chain_update(number.to_string()).finalize())
}

impl From<PowRefusal> for ApiError {
    fn from(refusal: PowRefusal) -> ApiError {
        let detail = match refusal {
            PowRefusal::Missing => {
                let detail = "Ask for a challenge, solve it, and send the solution along.";
                return ApiError::new(Kind::ProofOfWorkRequired, detail);
            }
            PowRefusal::Malformed => "Send the solution as base64 of JSON.",
            PowRefusal::Foreign => "It belongs to another room. Ask for a new challenge.",
            PowRefusal::Wrong => "The number does not solve the challenge.",
            PowRefusal::Expired => "It came too late. Ask for a new challenge.",
            PowRefusal::Used => "It was used before. Ask for a new challenge.",
        };
        ApiError::new(Kind::ProofOfWorkInvalid, detail)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
    const ROOM: &str = "buergerbuero-2026-12-24";
    const POLICY: Policy = Policy {
        number_max: 5_000,
        lasts: Millis::from_minutes(10),
        used_max: 100,
    };

    fn pow() -> ProofOfWork {
        ProofOfWork::new(&[7; 32], POLICY)
    }

    fn random(number: u8) -> Random {
        let mut random = [number; 20];
        random[12..].copy_from_slice(&(u64::from(number) * 7_919).to_be_bytes());
        Random(random)
    }

    /// What a client does.
    fn solve(challenge: &Challenge) -> u64 {
        let mut numbers = 0..=u64::from(challenge.maxnumber);
        let solves = |number: &u64| hash(&challenge.salt, *number) == challenge.challenge;
        numbers.find(solves).unwrap()
    }

    fn solution(challenge: &Challenge) -> Value {
        json!({
            "algorithm": "SHA-256",
            "challenge": challenge.challenge,
            "number": solve(challenge),
            "salt": challenge.salt,
            "signature": challenge.signature,
            "took": 12,
        })
    }

    fn encoded(solution: &Value) -> String {
        BASE64.encode(solution.to_string().as_bytes())
    }

    fn solved(pow: &ProofOfWork, room: &str, number: u8) -> String {
        let challenge = pow.challenge(NOW, room, random(number)).unwrap();
        encoded(&solution(&challenge))
    }

    /// What of a payload that gets somebody in.
    fn used(
        pow: &ProofOfWork,
        now: UnixMillis,
        room: &str,
        payload: Option<&str>,
    ) -> Result<(), PowRefusal> {
        pow.check(now, room, payload).map(Solved::keep)
    }

    #[test]
    fn a_challenge_is_what_widgets_expect() {
        let challenge = pow().challenge(NOW, ROOM, random(1)).unwrap();
        let Value::Object(fields) = serde_json::to_value(&challenge).unwrap() else {
            panic!("an object")
        };
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let expected = ["algorithm", "challenge", "maxnumber", "salt", "signature"];
        assert_eq!(names, expected);
        assert_eq!(
            challenge.salt,
            format!("{}?expires=1795000600&room={ROOM}&", "01".repeat(12))
        );
        assert_eq!(
            (challenge.challenge.len(), challenge.signature.len()),
            (64, 64)
        );
        // As `printf … | sha256sum` says.
        assert_eq!(
            hash("salt?expires=1&", 42),
            "56214130327e60ede7419aa4c87157c630572fb218bedc3f373eda067fe5b4c9"
        );
    }

    #[test]
    fn a_solution_is_taken_once() {
        let pow = pow();
        let payload = solved(&pow, ROOM, 1);
        assert_eq!(used(&pow, NOW, ROOM, Some(&payload)), Ok(()));
        assert_eq!(used(&pow, NOW, ROOM, Some(&payload)), Err(PowRefusal::Used));
        let another = solved(&pow, ROOM, 2);
        assert_eq!(used(&pow, NOW, ROOM, Some(&another)), Ok(()));
    }

    #[test]
    fn whoever_is_not_let_in_has_solved_it_still() {
        let pow = pow();
        let payload = solved(&pow, ROOM, 1);
        let in_hand = pow.check(NOW, ROOM, Some(&payload)).ok().unwrap();
        assert_eq!(used(&pow, NOW, ROOM, Some(&payload)), Err(PowRefusal::Used));
        drop(in_hand);
        assert_eq!(used(&pow, NOW, ROOM, Some(&payload)), Ok(()));
        assert_eq!(used(&pow, NOW, ROOM, Some(&payload)), Err(PowRefusal::Used));
        assert!(pow.used.lock().in_hand.is_empty());
    }

    /// Whatever becomes of the tries: only one at a time has it, and only one keeps it.
    #[test]
    fn of_those_who_use_it_at_once_one_gets_in() {
        let pow = pow();
        let payload = solved(&pow, ROOM, 1);
        let kept = std::thread::scope(|scope| {
            let tries = (0..4).map(|thread| {
                let (pow, payload) = (&pow, &payload);
                scope.spawn(move || {
                    let tries = (0..1_000).filter(|number| {
                        let solved = pow.check(NOW, ROOM, Some(payload));
                        let keeps = *number >= 500 + thread;
                        keeps && solved.map(Solved::keep).is_ok()
                    });
                    tries.count()
                })
            });
            let tries: Vec<_> = tries.collect();
            tries
                .into_iter()
                .map(|it| it.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!(kept, 1);
    }

    #[test]
    fn nothing_is_asked_when_it_is_off() {
        let off = Policy {
            number_max: 0,
            ..POLICY
        };
        let pow = ProofOfWork::new(&[7; 32], off);
        assert_eq!(pow.challenge(NOW, ROOM, random(1)), None);
        assert_eq!(used(&pow, NOW, ROOM, None), Ok(()));
    }

    #[test]
    fn another_room_another_key_and_another_time_are_refused() {
        let pow = pow();
        let payload = solved(&pow, ROOM, 1);
        let check = |room, at| used(&pow, at, room, Some(&payload));
        assert_eq!(
            check("buergerbuero-2026-12-25", NOW),
            Err(PowRefusal::Foreign)
        );
        let end = NOW + POLICY.lasts;
        assert_eq!(check(ROOM, end), Err(PowRefusal::Expired));
        let stranger = ProofOfWork::new(&[8; 32], POLICY);
        assert_eq!(
            used(&stranger, NOW, ROOM, Some(&payload)),
            Err(PowRefusal::Foreign)
        );
        assert_eq!(used(&pow, NOW, ROOM, None), Err(PowRefusal::Missing));
        assert_eq!(check(ROOM, UnixMillis(end.0 - 1_000)), Ok(()));
    }

    /// Salt and number are hashed as one text. Whoever moves the border between them could give
    /// an old solution a later deadline, or leave the room out.
    #[test]
    fn the_border_between_salt_and_number_does_not_move() {
        let pow = pow();
        let challenge = pow.challenge(NOW, ROOM, random(3)).unwrap();
        let original = solution(&challenge);
        let whole = format!("{}{}", challenge.salt, original["number"]);
        for border in 0..whole.len() {
            let (salt, number) = whole.split_at(border);
            if salt == challenge.salt {
                continue;
            }
            let as_number = number.parse().map(|number: u64| json!(number));
            for number in [as_number.unwrap_or_else(|_| json!(0)), json!(number)] {
                let mut moved = original.clone();
                moved["salt"] = json!(salt);
                moved["number"] = number;
                let refused = used(&pow, NOW, ROOM, Some(&encoded(&moved)));
                assert!(
                    matches!(refused, Err(PowRefusal::Foreign | PowRefusal::Malformed)),
                    "{moved}"
                );
            }
        }
        assert_eq!(used(&pow, NOW, ROOM, Some(&encoded(&original))), Ok(()));
    }

    #[test]
    fn a_changed_field_is_noticed() {
        let pow = pow();
        let challenge = pow.challenge(NOW, ROOM, random(4)).unwrap();
        let original = solution(&challenge);
        let later = challenge.salt.replace("1795000600", "1795009999");
        for (field, value, refusal) in [
            ("algorithm", json!("SHA-1"), PowRefusal::Malformed),
            (
                "challenge",
                json!(hash(&challenge.salt, 0)),
                PowRefusal::Foreign,
            ),
            ("number", json!(solve(&challenge) + 1), PowRefusal::Wrong),
            ("number", json!(u64::MAX), PowRefusal::Wrong),
            ("number", json!(-1), PowRefusal::Malformed),
            ("number", json!(1.5), PowRefusal::Malformed),
            ("number", Value::Null, PowRefusal::Malformed),
            ("salt", json!(later), PowRefusal::Wrong),
            (
                "salt",
                json!(challenge.salt.to_uppercase()),
                PowRefusal::Foreign,
            ),
            ("signature", json!("00".repeat(32)), PowRefusal::Foreign),
            (
                "signature",
                json!(&challenge.signature[..32]),
                PowRefusal::Foreign,
            ),
            ("signature", json!(""), PowRefusal::Foreign),
        ] {
            let mut changed = original.clone();
            changed[field] = value;
            let refused = used(&pow, NOW, ROOM, Some(&encoded(&changed)));
            assert_eq!(refused, Err(refusal), "{changed}");
        }
    }

    /// Every bit of the JSON, one after the other: nothing but the original is taken, except for
    /// what does not belong to the solution.
    #[test]
    fn a_flipped_bit_is_noticed() {
        let pow = pow();
        let challenge = pow.challenge(NOW, ROOM, random(5)).unwrap();
        let mut original = solution(&challenge);
        original.as_object_mut().unwrap().remove("took");
        let original = original.to_string().into_bytes();
        for bit in 0..original.len() * 8 {
            let mut flipped = original.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let refused = used(&pow, NOW, ROOM, Some(&BASE64.encode(&flipped)));
            assert!(refused.is_err(), "bit {bit}");
        }
        assert_eq!(
            used(&pow, NOW, ROOM, Some(&BASE64.encode(&original))),
            Ok(())
        );
    }

    #[test]
    fn rubbish_is_refused_and_huge_rubbish_quickly() {
        let pow = pow();
        let huge = "e".repeat(50_000_000);
        let deep = BASE64.encode("[".repeat(700).as_bytes());
        for payload in ["", "?", "bnVsbA==", "e30=", "e30", &deep, &huge] {
            assert_eq!(
                used(&pow, NOW, ROOM, Some(payload)),
                Err(PowRefusal::Malformed)
            );
        }
    }

    #[test]
    fn what_is_remembered_of_solutions_is_bounded() {
        let bounded = Policy {
            number_max: 1,
            used_max: 3,
            ..POLICY
        };
        let pow = ProofOfWork::new(&[7; 32], bounded);
        for number in 0..10 {
            let payload = solved(&pow, ROOM, number);
            assert_eq!(used(&pow, NOW, ROOM, Some(&payload)), Ok(()));
        }
        let remembered = pow.used.lock();
        assert_eq!((remembered.known.len(), remembered.order.len()), (3, 3));
        drop(remembered);
        let late = NOW + POLICY.lasts;
        let challenge = pow.challenge(late, ROOM, random(11)).unwrap();
        let payload = encoded(&solution(&challenge));
        assert_eq!(used(&pow, late, ROOM, Some(&payload)), Ok(()));
        assert_eq!(pow.used.lock().known.len(), 1);
    }
}
