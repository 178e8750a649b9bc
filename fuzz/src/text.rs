//! Inputs as texts of several parts.

use std::borrow::Cow;

/// The input as text. Bytes that are no text become the replacement character: what reads only
/// text never sees them, and where bytes matter a target looks at the bytes.
pub(crate) fn lossy(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// The parts of a text, each under a line `=== name`; what comes before the first such line has
/// the empty name.
pub(crate) fn parts(text: &str) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    let (mut name, mut start, mut offset) = ("", 0, 0);
    for line in text.split_inclusive('\n') {
        if let Some(next) = line.strip_prefix("=== ") {
            parts.push((name, &text[start..offset]));
            name = next.trim_end_matches(['\r', '\n']);
            start = offset + line.len();
        }
        offset += line.len();
    }
    parts.push((name, &text[start..]));
    parts
}

/// The part with this name; empty if there is none.
pub(crate) fn part<'t>(parts: &[(&str, &'t str)], name: &str) -> &'t str {
    let found = parts.iter().find(|(its, _)| *its == name);
    found.map_or("", |(_, text)| text)
}

/// Words that stand for something that only a running service knows, e.g. `@token`, replaced.
pub(crate) fn filled(data: &[u8], words: &[(&str, String)]) -> Vec<u8> {
    let mut filled = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some((first, others)) = rest.split_first() {
        let found = words
            .iter()
            .find(|(word, _)| rest.starts_with(word.as_bytes()));
        match found {
            Some((word, meaning)) => {
                filled.extend_from_slice(meaning.as_bytes());
                rest = &rest[word.len()..];
            }
            None => {
                filled.push(*first);
                rest = others;
            }
        }
    }
    filled
}
