//! Ids for machines from names for people.

use std::collections::BTreeSet;

use morgenruh_engine::rules::catalogue::reader::kinds::ID_CHARS_MAX;

/// Ids that were given out.
#[derive(Default)]
pub(super) struct Slugs(BTreeSet<String>);

impl Slugs {
    /// An id from `name`; where the name alone is taken with the export's `key` behind it, and
    /// where that is taken too with a number.
    pub(super) fn unique(&mut self, name: &str, key: &str) -> String {
        let key = slug(key, ID_CHARS_MAX / 2);
        let suffixes = [String::new(), key].into_iter();
        let id = suffixes
            .chain((2u32..).map(|number| number.to_string()))
            .map(|suffix| with_suffix(name, &suffix))
            .find(|id| !id.is_empty() && !self.0.contains(id))
            .expect("there are more numbers than things in an export");
        self.0.insert(id.clone());
        id
    }
}

fn with_suffix(name: &str, suffix: &str) -> String {
    if suffix.is_empty() {
        return slug(name, ID_CHARS_MAX);
    }
    let name = slug(name, ID_CHARS_MAX - suffix.len() - 1);
    if name.is_empty() {
        suffix.to_owned()
    } else {
        format!("{name}-{suffix}")
    }
}

/// Small letters, digits and single hyphens, at most `chars_max`, cut between words if possible.
fn slug(name: &str, chars_max: usize) -> String {
    let mut slug = String::new();
    for character in name.chars().flat_map(char::to_lowercase) {
        match character {
            'ä' => slug.push_str("ae"),
            'ö' => slug.push_str("oe"),
            'ü' => slug.push_str("ue"),
            'ß' => slug.push_str("ss"),
            'a'..='z' | '0'..='9' => slug.push(character),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    if slug.len() > chars_max {
        slug.truncate(chars_max + 1);
        let whole_words = slug.rfind('-').filter(|length| *length > chars_max / 2);
        slug.truncate(whole_words.unwrap_or(chars_max));
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ids() {
        assert_eq!(
            slug("Bürgerbüro Ruppertstraße (KVR-II/221)", 40),
            "buergerbuero-ruppertstrasse-kvr-ii-221"
        );
        assert_eq!(
            slug("Umschreibung Fahrzeug – von außerhalb nach München", 30),
            "umschreibung-fahrzeug-von"
        );
        assert_eq!(slug("Donaudampfschifffahrtsgesellschaft", 10), "donaudampf");
        assert_eq!(slug("– ! –", 10), "");
    }

    #[test]
    fn the_second_of_a_name_carries_its_key() {
        let mut slugs = Slugs::default();
        assert_eq!(slugs.unique("Standesamt", "1"), "standesamt");
        assert_eq!(slugs.unique("Standesamt", "10485"), "standesamt-10485");
        assert_eq!(slugs.unique("…", "7"), "7");
    }

    #[test]
    fn no_id_is_given_twice_and_none_is_empty() {
        let mut slugs = Slugs::default();
        let ids = ["Amt", "AMT", "amt!", "Amt 2", "…", "!", ""].map(|name| slugs.unique(name, "?"));
        assert_eq!(ids, ["amt", "amt-2", "amt-3", "amt-2-2", "2", "3", "4"]);
    }
}
