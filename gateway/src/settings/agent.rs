//! How wishes are served: how long an offer waits, and for how long a seat is for wishes alone.

use morgenruh_engine::rules::catalogue::reader::Layers;
use morgenruh_engine::rules::time::Millis;
use morgenruh_engine::rules::wish::answer::AnswerTerms;
use morgenruh_engine::shell::engine::RestTerms;

use super::Keys;
use super::kinds::number;

/// What is not further away than this can be today: clocks may go back.
const LONGEST_DAY_HOURS: u32 = 25;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub answer_minutes_distant: u32,
    pub distant_days: u32,
    pub answer_minutes_far: u32,
    pub answer_minutes_near: u32,
    pub near_hours: u32,
    pub answer_minutes_same_day: u32,
    pub answer_minutes_min: u32,
    pub night_from_hour: u8,
    pub night_until_hour: u8,
    pub offers_max: u8,
    pub stretch_minutes_max: u32,
    pub rest_minutes_min: u32,
    pub rest_minutes_max: u32,
}

impl Agent {
    pub(super) fn read(layers: &Layers<'_, '_>) -> Agent {
        let agent = Agent {
            answer_minutes_distant: number(layers, "answer_minutes_distant", 5, 10_080),
            distant_days: number(layers, "distant_days", 1, 60),
            answer_minutes_far: number(layers, "answer_minutes_far", 5, 10_080),
            answer_minutes_near: number(layers, "answer_minutes_near", 5, 2_880),
            near_hours: number(layers, "near_hours", 1, 720),
            answer_minutes_same_day: number(layers, "answer_minutes_same_day", 5, 720),
            answer_minutes_min: number(layers, "answer_minutes_min", 1, 240),
            night_from_hour: number(layers, "night_from_hour", 0, 23),
            night_until_hour: number(layers, "night_until_hour", 0, 23),
            offers_max: number(layers, "offers_max", 1, 20),
            stretch_minutes_max: number(layers, "stretch_minutes_max", 0, 1_440),
            rest_minutes_min: number(layers, "rest_minutes_min", 0, 1_440),
            rest_minutes_max: number(layers, "rest_minutes_max", 0, 1_440),
        };
        if agent.rest_minutes_min > agent.rest_minutes_max {
            layers.fault("rest_minutes_min", "is more than rest_minutes_max");
        }
        agent
    }

    pub(super) fn keys(&self) -> Keys {
        vec![
            (
                "answer_minutes_distant",
                self.answer_minutes_distant.to_string(),
            ),
            ("distant_days", self.distant_days.to_string()),
            ("answer_minutes_far", self.answer_minutes_far.to_string()),
            ("answer_minutes_near", self.answer_minutes_near.to_string()),
            ("near_hours", self.near_hours.to_string()),
            (
                "answer_minutes_same_day",
                self.answer_minutes_same_day.to_string(),
            ),
            ("answer_minutes_min", self.answer_minutes_min.to_string()),
            ("night_from_hour", self.night_from_hour.to_string()),
            ("night_until_hour", self.night_until_hour.to_string()),
            ("offers_max", self.offers_max.to_string()),
            ("stretch_minutes_max", self.stretch_minutes_max.to_string()),
            ("rest_minutes_min", self.rest_minutes_min.to_string()),
            ("rest_minutes_max", self.rest_minutes_max.to_string()),
        ]
    }

    /// How long, in minutes, whoever is asked only about seats that are not near has at least to
    /// answer, where no office wants to know of visits later than `notice_minutes` before them.
    pub(crate) fn answer_minutes_least(&self, notice_minutes: u32) -> u32 {
        let mut window = self.answer_minutes_far.min(self.answer_minutes_distant);
        if self.near_hours < LONGEST_DAY_HOURS {
            window = window.min(self.answer_minutes_same_day);
        }
        // An answer comes before the seat can no longer be taken.
        let left = (self.near_hours * 60).saturating_sub(notice_minutes);
        window.min(left.max(self.answer_minutes_min))
    }

    /// How long offers wait for their answers.
    pub(crate) fn answers(&self) -> AnswerTerms {
        AnswerTerms {
            distant: Millis::from_minutes(self.answer_minutes_distant),
            distant_from: Millis::from_minutes(self.distant_days * 24 * 60),
            far: Millis::from_minutes(self.answer_minutes_far),
            near: Millis::from_minutes(self.answer_minutes_near),
            near_within: Millis::from_minutes(self.near_hours * 60),
            same_day: Millis::from_minutes(self.answer_minutes_same_day),
            night_from: self.night_from_hour,
            night_until: self.night_until_hour,
            shortest: Millis::from_minutes(self.answer_minutes_min),
            offers_max: self.offers_max,
            stretch_max: Millis::from_minutes(self.stretch_minutes_max),
        }
    }

    /// How long a seat that was given back is for wishes alone.
    pub(crate) fn rest(&self, key: [u8; 32]) -> RestTerms {
        RestTerms {
            shortest: Millis::from_minutes(self.rest_minutes_min),
            longest: Millis::from_minutes(self.rest_minutes_max),
            key,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::settings::Settings;

    const LONG: &str = "answer_minutes_far = 10080\nanswer_minutes_distant = 10080";

    #[test]
    fn nobody_is_promised_more_time_than_there_is() {
        for (file, notice_minutes, least) in [
            ("", 0, 24 * 60),
            ("", 24 * 60, 24 * 60),
            ("", 36 * 60, 12 * 60),
            ("", 10_000, 15),
            ("answer_minutes_distant = 600", 0, 600),
            ("answer_minutes_far = 10080", 0, 24 * 60),
            (LONG, 0, 48 * 60),
            (LONG, 60, 47 * 60),
            ("near_hours = 25", 0, 24 * 60),
            ("near_hours = 24", 0, 30),
            ("near_hours = 1\nanswer_minutes_same_day = 90", 0, 60),
            ("near_hours = 1\nanswer_minutes_same_day = 5", 0, 5),
        ] {
            let file = format!("[agent]\n{file}\n");
            let settings = Settings::load(Some(&file), &BTreeMap::new()).unwrap();
            let found = settings.agent.answer_minutes_least(notice_minutes);
            assert_eq!(found, least, "{file}, {notice_minutes}");
        }
    }
}
