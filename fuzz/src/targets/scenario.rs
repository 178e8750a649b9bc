//! The load tool's scenario file.

use morgenruh_loadtest::arrivals::Curve;
use morgenruh_loadtest::dice::Dice;
use morgenruh_loadtest::scenario::Scenario;

use crate::Verdict;
use crate::text::lossy;

/// Citizens planned for a scenario that is accepted.
const PEOPLE: u32 = 100;
/// What rounding may change about a share.
const ROUNDING: f64 = 1e-3;

pub(crate) fn scenario(data: &[u8]) -> Verdict {
    let scenario = match Scenario::parse(&lossy(data)) {
        Ok(scenario) => scenario,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Verdict::Refused;
        }
    };
    let curve = Curve::new(&scenario.phase);
    let (from_s, to_s) = (curve.from_s(), curve.to_s());
    let everybody = curve.share_between(from_s, to_s);
    assert!(
        (everybody - 1.0).abs() < ROUNDING,
        "{everybody} of the people come"
    );
    let arrivals = curve.plan(PEOPLE, &mut Dice::new(1));
    assert_eq!(arrivals.len(), PEOPLE as usize);
    for (person, at_s) in arrivals.iter().enumerate() {
        assert!(
            (from_s..=to_s).contains(at_s),
            "person {person} comes at {at_s}"
        );
        // The p-th person comes when p of them are due by the curve, as far as seconds can tell.
        let due = curve.share_between(from_s, *at_s) * f64::from(PEOPLE);
        let steepest = curve.share_between(at_s - 1e-6, at_s + 1e-6) * f64::from(PEOPLE);
        let early = due + steepest + 0.1 < person as f64;
        let late = due - steepest - 1.1 > person as f64;
        assert!(
            !early && !late,
            "person {person} comes at {at_s} s, when {due} are due"
        );
    }
    Verdict::Taken
}
