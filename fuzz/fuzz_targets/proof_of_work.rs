#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    morgenruh_fuzz::feed("proof_of_work", data);
});
