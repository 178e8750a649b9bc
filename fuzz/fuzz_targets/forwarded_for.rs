#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    morgenruh_fuzz::feed("forwarded_for", data);
});
