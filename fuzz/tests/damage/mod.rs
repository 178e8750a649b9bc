//! Inputs made from others by the kinds of damage that decoders stumble over.

use std::ops::Range;

use fastrand::Rng;

/// Largest input, in bytes: above every bound on a body, below what would only cost time.
const INPUT_BYTES_MAX: usize = 96 * 1024;
/// Most changes to one input.
const CHANGES_MAX: usize = 4;
/// Most repetitions of a piece.
const REPEATED_MAX: usize = 300;

/// Numbers at which something ends: widths of integers, the calendar, our own bounds.
const NUMBERS: [&str; 32] = [
    "0",
    "-1",
    "1",
    "7",
    "59",
    "60",
    "64",
    "65",
    "99",
    "120",
    "121",
    "127",
    "128",
    "255",
    "256",
    "287",
    "288",
    "300",
    "1440",
    "9999",
    "32767",
    "65535",
    "65536",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1e308",
    "nan",
    "0.1",
];

/// Bytes that are no text, or not the text they seem to be.
const ODDITIES: [&[u8]; 16] = [
    b"\xff",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\0",
    b"\r\n",
    b"\t",
    "\u{feff}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{85}".as_bytes(),
    "İ".as_bytes(),
    "e\u{301}".as_bytes(),
    "\u{1f9d1}\u{200d}\u{1f680}".as_bytes(),
    b"\\ud800",
];

/// A stream of damaged inputs that a seed determines.
pub(crate) struct Damage<'c> {
    rng: Rng,
    inputs: &'c [Vec<u8>],
}

impl<'c> Damage<'c> {
    pub(crate) fn new(seed: u64, inputs: &'c [Vec<u8>]) -> Damage<'c> {
        Damage {
            rng: Rng::with_seed(seed),
            inputs,
        }
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.any_input().to_vec();
        for _ in 0..self.rng.usize(1..=CHANGES_MAX) {
            self.change(&mut input);
            input.truncate(INPUT_BYTES_MAX);
        }
        input
    }

    fn any_input(&mut self) -> &'c [u8] {
        &self.inputs[self.rng.usize(..self.inputs.len())]
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let piece = self.piece(input);
        match self.rng.u8(..12) {
            0 => self.flip_bit(input),
            1 => input.truncate(piece.start),
            2 => drop(input.drain(piece)),
            3 => self.splice(input),
            4 => self.repeat(input, piece),
            5 | 6 => self.change_number(input),
            7 => {
                let oddity = ODDITIES[self.rng.usize(..ODDITIES.len())];
                input.splice(piece.start..piece.start, oddity.iter().copied());
            }
            8 => {
                let random: Vec<u8> = piece.clone().map(|_| self.rng.u8(..)).collect();
                input.splice(piece, random);
            }
            9 => self.change_line(input),
            10 => self.copy_within(input, piece),
            _ => {
                // One character for another of the same input: quotes, brackets, separators.
                let (Some(at), Some(from)) = (self.place(input), self.place(input)) else {
                    return;
                };
                input[at] = input[from];
            }
        }
    }

    fn place(&mut self, input: &[u8]) -> Option<usize> {
        (!input.is_empty()).then(|| self.rng.usize(..input.len()))
    }

    fn piece(&mut self, input: &[u8]) -> Range<usize> {
        let start = self.rng.usize(..=input.len());
        let length = self.rng.usize(..=(input.len() - start).min(16));
        start..start + length
    }

    fn flip_bit(&mut self, input: &mut [u8]) {
        if let Some(place) = self.place(input) {
            input[place] ^= 1 << self.rng.u8(..8);
        }
    }

    /// The head of this input, the tail of another.
    fn splice(&mut self, input: &mut Vec<u8>) {
        let other = self.any_input();
        let (head, tail) = (
            self.rng.usize(..=input.len()),
            self.rng.usize(..=other.len()),
        );
        input.truncate(head);
        input.extend_from_slice(&other[tail..]);
    }

    fn repeat(&mut self, input: &mut Vec<u8>, piece: Range<usize>) {
        let repeated = input[piece.clone()].repeat(self.rng.usize(2..=REPEATED_MAX));
        input.splice(piece, repeated);
    }

    /// A number in the text becomes one at a bound, or its neighbour.
    fn change_number(&mut self, input: &mut Vec<u8>) {
        let is_digit = |at: usize| input.get(at).is_some_and(u8::is_ascii_digit);
        let starts = (0..input.len()).filter(|at| is_digit(*at) && (*at == 0 || !is_digit(at - 1)));
        let Some(start) = self.rng.choice(starts.collect::<Vec<_>>()) else {
            return;
        };
        let end = (start..).find(|at| !is_digit(*at)).unwrap_or(input.len());
        let text = String::from_utf8_lossy(&input[start..end]);
        let neighbour = text
            .parse::<u64>()
            .ok()
            .map(|number| match self.rng.bool() {
                true => number.wrapping_add(1),
                false => number.wrapping_sub(1),
            });
        let number = match neighbour {
            Some(neighbour) if self.rng.bool() => neighbour.to_string(),
            _ => NUMBERS[self.rng.usize(..NUMBERS.len())].to_owned(),
        };
        input.splice(start..end, number.into_bytes());
    }

    /// A line is doubled, left out, or stands elsewhere.
    fn change_line(&mut self, input: &mut Vec<u8>) {
        let mut lines: Vec<_> = input.split_inclusive(|byte| *byte == b'\n').collect();
        if lines.is_empty() {
            return;
        }
        let (line, place) = (self.rng.usize(..lines.len()), self.rng.usize(..lines.len()));
        match self.rng.u8(..3) {
            0 => lines.insert(place, lines[line]),
            1 => drop(lines.remove(line)),
            _ => lines.swap(line, place),
        }
        *input = lines.concat();
    }

    fn copy_within(&mut self, input: &mut Vec<u8>, piece: Range<usize>) {
        let copy = input[piece].to_vec();
        let place = self.rng.usize(..=input.len());
        input.splice(place..place, copy);
    }
}
