//! What happened, as one number or as lines.

use morgenruh_engine::rules::time::UnixMillis;

/// Two runs of a seed have the same number, or something in them was left to chance.
#[derive(Clone, Debug)]
pub struct Trace {
    digest: u64,
    step: u64,
    now: UnixMillis,
    loud: bool,
}

impl Trace {
    pub fn new(loud: bool) -> Trace {
        Trace {
            digest: 0,
            step: 0,
            now: UnixMillis(0),
            loud,
        }
    }

    pub fn digest(&self) -> u64 {
        self.digest
    }

    pub fn step(&self) -> u64 {
        self.step
    }

    pub fn next(&mut self, now: UnixMillis) {
        self.step += 1;
        self.now = now;
        self.mix(now.0 as u64);
    }

    #[expect(clippy::print_stdout, reason = "somebody asked to see it")]
    pub fn note(&mut self, what: &str, who: usize, value: u64) {
        let name = what
            .bytes()
            .fold(0u64, |name, byte| (name << 8) ^ u64::from(byte));
        self.mix(name);
        self.mix(who as u64);
        self.mix(value);
        if self.loud {
            let Trace { step, now, .. } = self;
            println!("{step:>6} {:>14} {what:<12} {who:>3} {value:x}", now.0);
        }
    }

    fn mix(&mut self, value: u64) {
        self.digest = (self.digest.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
