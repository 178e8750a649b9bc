//! Ids for machines from names for people.

use std::collections::BTreeSet;

use morgenruh_engine::rules::catalogue::reader::kinds::ID_CHARS_MAX;

/// Ids that were given out.
#[derive(Default)]
pub(super) struct Slugs(BTreeSet<String>);

impl Slugs {
    /// An id from `name`, with the export's `key` behind it where the name alone is taken.
    pub(super) fn unique(&mut self, name: &str, key: &str) -> String {
        let plain = slug(name, ID_CHARS_MAX);
        let key = slug(key, ID_CHARS_MAX / 2);
        let room = ID_CHARS_MAX - key.len() - 1;
        let id = if plain.is_empty() {
            key
        } else if self.0.contains(&plain) {
            format!("{}-{key}", slug(name, room))
        } else {
            plain
        };
        self.0.insert(id.clone());
        id
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
}
