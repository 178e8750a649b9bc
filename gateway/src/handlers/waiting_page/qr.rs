//! A link as a picture that other devices can read.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// A QR code as the path of an SVG: a stroke of width 1 for each run of dark modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    /// Modules on each side.
    pub(super) side: usize,
    pub(super) path: String,
}

/// None when the text is too long for one.
pub(super) fn code(text: &str) -> Option<Code> {
    // It is shown on a screen, where nothing is smudged.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let side = code.width();
    let colors = code.to_colors();
    let mut path = String::new();
    let (mut x, mut y) = (0, 0);
    for (row, modules) in (0i32..).zip(colors.chunks(side)) {
        let mut column: i32 = 0;
        for run in modules.chunk_by(|one, other| one == other) {
            let length = i32::try_from(run.len()).ok()?;
            if run[0] == Color::Dark {
                let begin = if path.is_empty() { 'M' } else { 'm' };
                // From where the stroke before has ended.
                write!(path, "{begin}{} {}h{length}", column - x, row - y).ok()?;
                (x, y) = (column + length, row);
            }
            column += length;
        }
    }
    Some(Code { side, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path drawn again is the code.
    #[test]
    fn the_path_is_the_code() {
        let text = "https://termine.example.org/warteraum/buergerbuero-2026-12-24/weiter/AQEF";
        let Code { side, path } = code(text).unwrap();
        let mut drawn = vec![Color::Light; side * side];
        let (mut x, mut y) = (0i32, 0i32);
        for stroke in path.split(['M', 'm']).skip(1) {
            let (to, length) = stroke.split_once('h').unwrap();
            let (dx, dy) = to.split_once(' ').unwrap();
            x += dx.parse::<i32>().unwrap();
            y += dy.parse::<i32>().unwrap();
            for _ in 0..length.parse().unwrap() {
                drawn[y as usize * side + x as usize] = Color::Dark;
                x += 1;
            }
        }
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        assert_eq!(drawn, code.to_colors());
        assert_eq!(path.matches('M').count(), 1);
    }

    #[test]
    fn what_is_too_long_has_none() {
        assert_eq!(code(&"a".repeat(10_000)), None);
    }
}
