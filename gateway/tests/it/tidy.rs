//! What holds for every file of the project, looked at as text. Each rule has its reason.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The project's own files with one of these endings.
fn files(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                let not_ours = ["target", "data", ".git", "node_modules"];
                if !not_ours.contains(&name) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "the walk has found the project");
    files
}

/// Fails with every line that breaks the rule.
fn no_line(endings: &[&str], rule: &str, breaks: impl Fn(&str) -> bool) {
    let mut found = Vec::new();
    for (path, text) in files(endings) {
        for (number, line) in text.lines().enumerate() {
            if breaks(line) {
                let path = path.strip_prefix(root()).unwrap();
                found.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

/// A promise in a comment is forgotten; an issue is not.
#[test]
fn nothing_is_left_for_later() {
    let words = [["FIX", "ME"], ["TO", "DO"], ["XX", "X"], ["HA", "CK"]].map(|word| word.concat());
    no_line(
        &[".rs", ".toml", ".md", ".html", ".sh"],
        "finish it or file it",
        |line| {
            line.split(|character: char| !character.is_ascii_alphanumeric())
                .any(|word| words.iter().any(|banned| word == banned))
        },
    );
}

/// Two files fit beside each other on a screen. Long literals are the formatter's exception.
#[test]
fn lines_of_code_fit() {
    no_line(&[".rs"], "at most 100 columns", |line| {
        line.chars().count() > 100 && !line.contains('"') && !line.contains("http")
    });
}

/// The project runs wherever it is put.
#[test]
fn nothing_names_a_place_on_one_machine() {
    let places = ["home", "root", "work", "Users"].map(|place| format!("/{place}/"));
    no_line(
        &[".rs", ".toml", ".md", ".html", ".sh", "Makefile"],
        "paths are relative",
        |line| {
            places.iter().any(|place| {
                line.match_indices(place.as_str()).any(|(at, _)| {
                    !line[..at].ends_with(|it: char| it.is_alphanumeric() || it == '.')
                })
            })
        },
    );
}

/// A document is about one thing, and its outline begins with its name.
#[test]
fn each_document_has_one_title() {
    for (path, text) in files(&[".md"]) {
        let mut in_code = false;
        let titles = text.lines().filter(|line| {
            in_code ^= line.starts_with("```");
            !in_code && line.starts_with("# ")
        });
        assert_eq!(titles.count(), 1, "{}", path.display());
        assert!(text.starts_with("# "), "{}", path.display());
    }
}

/// A name in the map that no longer exists would lead the reader astray.
#[test]
fn the_code_map_names_what_exists() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let mut folder = PathBuf::new();
    let mut checked = 0;
    let mut in_map = false;
    for line in map.lines() {
        if line.starts_with("```") {
            in_map = !in_map;
            continue;
        }
        if !in_map {
            continue;
        }
        let names = line
            .split("  ")
            .find(|part| !part.trim().is_empty())
            .unwrap_or_default();
        if !line.starts_with(' ') {
            folder = root().join(names.trim());
            assert!(folder.exists(), "{}", folder.display());
            continue;
        }
        for name in names
            .split([',', ' '])
            .filter(|name| !name.is_empty() && *name != "->")
        {
            let plain = name.trim_end_matches('/');
            let exists = ["", "catalogue", "room", "wish", "engine"]
                .iter()
                .any(|inner| {
                    let folder = folder.join(inner);
                    folder.join(plain).is_dir() || folder.join(format!("{plain}.rs")).exists()
                });
            assert!(
                exists,
                "{name} of the code map does not exist in {}",
                folder.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 15, "only {checked} names were checked");
}
