//! Letter case, as APIs that do not tell it apart compare paths.
//!
//! Text is folded by Unicode's simple mappings: what has one capital is one letter. With a table
//! of our own, since those of the standard library would take twelve kilobytes of the module.

use std::borrow::Cow;

/// A path as lax rules are compared: in small letters, without slashes at its end. Borrowed if it
/// is written that way already.
pub(super) fn folded(path: &str) -> Cow<'_, str> {
    let path = path.trim_end_matches('/');
    if path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(letters(path))
}

/// A text in small letters.
pub(crate) fn letters(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// The small letter of a letter's capital: `\u{17f}`, `s` and `S` are one letter.
fn fold(letter: char) -> char {
    if letter.is_ascii() {
        return letter.to_ascii_lowercase();
    }
    // It has two small letters in Unicode, the second one a dot; here it is the plain one.
    if letter == '\u{130}' {
        return 'i';
    }
    let code = u32::from(letter);
    let after = RUNS.partition_point(|(run, _)| run >> 8 <= code);
    let Some(&(run, to)) = after.checked_sub(1).and_then(|at| RUNS.get(at)) else {
        return letter;
    };
    let offset = code.saturating_sub(run >> 8);
    let every_other = run & 0x80 != 0;
    let place = if every_other { offset >> 1 } else { offset };
    if place >= run & 0x7f || every_other && offset & 1 != 0 {
        return letter;
    }
    code.checked_add_signed(to).and_then(char::from_u32).unwrap_or(letter)
}

/// Letters beyond ASCII whose small letter is as far from them as the first one's from it. In the
/// first number: 24 bits the first letter, a bit whether it is only every other one, and 7 bits how
/// many. The second number: how far. Unicode 17; a test compares them all with the standard
/// library's.
#[rustfmt::skip]
const RUNS: [(u32, i32); 206] = [
    (0xb501, 775), (0xc017, 32), (0xd807, 32), (0x1_0098, 1), (0x1_3101, -200), (0x1_3283, 1),
    (0x1_3988, 1), (0x1_4a97, 1), (0x1_7801, -121), (0x1_7983, 1), (0x1_7f01, -268),
    (0x1_8101, 210), (0x1_8282, 1), (0x1_8601, 206), (0x1_8701, 1), (0x1_8902, 205),
    (0x1_8b01, 1), (0x1_8e01, 79), (0x1_8f01, 202), (0x1_9001, 203), (0x1_9101, 1),
    (0x1_9301, 205), (0x1_9401, 207), (0x1_9601, 211), (0x1_9701, 209), (0x1_9801, 1),
    (0x1_9c01, 211), (0x1_9d01, 213), (0x1_9f01, 214), (0x1_a083, 1), (0x1_a601, 218),
    (0x1_a701, 1), (0x1_a901, 218), (0x1_ac01, 1), (0x1_ae01, 218), (0x1_af01, 1),
    (0x1_b102, 217), (0x1_b382, 1), (0x1_b701, 219), (0x1_b801, 1), (0x1_bc01, 1), (0x1_c401, 2),
    (0x1_c501, 1), (0x1_c701, 2), (0x1_c801, 1), (0x1_ca01, 2), (0x1_cb89, 1), (0x1_de89, 1),
    (0x1_f101, 2), (0x1_f282, 1), (0x1_f601, -97), (0x1_f701, -56), (0x1_f894, 1),
    (0x2_2001, -130), (0x2_2289, 1), (0x2_3a01, 10_795), (0x2_3b01, 1), (0x2_3d01, -163),
    (0x2_3e01, 10_792), (0x2_4101, 1), (0x2_4301, -195), (0x2_4401, 69), (0x2_4501, 71),
    (0x2_4685, 1), (0x3_4501, 116), (0x3_7082, 1), (0x3_7601, 1), (0x3_7f01, 116), (0x3_8601, 38),
    (0x3_8803, 37), (0x3_8c01, 64), (0x3_8e02, 63), (0x3_9111, 32), (0x3_a309, 32), (0x3_c201, 1),
    (0x3_cf01, 8), (0x3_d001, -30), (0x3_d101, -25), (0x3_d501, -15), (0x3_d601, -22),
    (0x3_d88c, 1), (0x3_f001, -54), (0x3_f101, -48), (0x3_f401, -60), (0x3_f501, -64),
    (0x3_f701, 1), (0x3_f901, -7), (0x3_fa01, 1), (0x3_fd03, -130), (0x4_0010, 80),
    (0x4_1020, 32), (0x4_6091, 1), (0x4_8a9b, 1), (0x4_c001, 15), (0x4_c187, 1), (0x4_d0b0, 1),
    (0x5_3126, 48), (0x10_a026, 7_264), (0x10_c701, 7_264), (0x10_cd01, 7_264),
    (0x13_a050, 38_864), (0x13_f006, 8), (0x1c_8001, -6_222), (0x1c_8101, -6_221),
    (0x1c_8201, -6_212), (0x1c_8302, -6_210), (0x1c_8501, -6_211), (0x1c_8601, -6_204),
    (0x1c_8701, -6_180), (0x1c_8801, 35_267), (0x1c_8901, 1), (0x1c_902b, -3_008),
    (0x1c_bd03, -3_008), (0x1e_00cb, 1), (0x1e_9b01, -58), (0x1e_9e01, -7_615), (0x1e_a0b0, 1),
    (0x1f_0808, -8), (0x1f_1806, -8), (0x1f_2808, -8), (0x1f_3808, -8), (0x1f_4806, -8),
    (0x1f_5984, -8), (0x1f_6808, -8), (0x1f_8808, -8), (0x1f_9808, -8), (0x1f_a808, -8),
    (0x1f_b802, -8), (0x1f_ba02, -74), (0x1f_bc01, -9), (0x1f_be01, -7_173), (0x1f_c804, -86),
    (0x1f_cc01, -9), (0x1f_d802, -8), (0x1f_da02, -100), (0x1f_e802, -8), (0x1f_ea02, -112),
    (0x1f_ec01, -7), (0x1f_f802, -128), (0x1f_fa02, -126), (0x1f_fc01, -9), (0x21_2601, -7_517),
    (0x21_2a01, -8_383), (0x21_2b01, -8_262), (0x21_3201, 28), (0x21_6010, 16), (0x21_8301, 1),
    (0x24_b61a, 26), (0x2c_0030, 48), (0x2c_6001, 1), (0x2c_6201, -10_743), (0x2c_6301, -3_814),
    (0x2c_6401, -10_727), (0x2c_6783, 1), (0x2c_6d01, -10_780), (0x2c_6e01, -10_749),
    (0x2c_6f01, -10_783), (0x2c_7001, -10_782), (0x2c_7201, 1), (0x2c_7501, 1),
    (0x2c_7e02, -10_815), (0x2c_80b2, 1), (0x2c_eb82, 1), (0x2c_f201, 1), (0xa6_4097, 1),
    (0xa6_808e, 1), (0xa7_2287, 1), (0xa7_329f, 1), (0xa7_7982, 1), (0xa7_7d01, -35_332),
    (0xa7_7e85, 1), (0xa7_8b01, 1), (0xa7_8d01, -42_280), (0xa7_9082, 1), (0xa7_968a, 1),
    (0xa7_aa01, -42_308), (0xa7_ab01, -42_319), (0xa7_ac01, -42_315), (0xa7_ad01, -42_305),
    (0xa7_ae01, -42_308), (0xa7_b001, -42_258), (0xa7_b101, -42_282), (0xa7_b201, -42_261),
    (0xa7_b301, 928), (0xa7_b488, 1), (0xa7_c401, -48), (0xa7_c501, -42_307),
    (0xa7_c601, -35_384), (0xa7_c782, 1), (0xa7_cb01, -42_343), (0xa7_cc88, 1),
    (0xa7_dc01, -42_561), (0xa7_f501, 1), (0xff_211a, 32), (0x104_0028, 40), (0x104_b024, 40),
    (0x105_700b, 39), (0x105_7c0f, 39), (0x105_8c07, 39), (0x105_9402, 39), (0x10c_8033, 64),
    (0x10d_5016, 32), (0x118_a020, 32), (0x16e_4020, 32), (0x16e_a019, 27), (0x1e9_0022, 34),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_unicode_is_folded_as_the_standard_library_does() {
        let one = |mut letters: Box<dyn Iterator<Item = char>>| {
            letters.next().filter(|_| letters.next().is_none())
        };
        for letter in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let capital = one(Box::new(letter.to_uppercase())).unwrap_or(letter);
            let small = one(Box::new(capital.to_lowercase())).unwrap_or(capital);
            let expected = if letter == '\u{130}' { 'i' } else { small };
            assert_eq!(fold(letter), expected, "{letter} U+{:04X}", u32::from(letter));
        }
    }

    #[test]
    fn what_a_lax_api_does_not_tell_apart() {
        for (written, compared) in [
            ("/api/joke", "/api/joke"),
            ("/API/Joke/", "/api/joke"),
            ("/api/jo\u{212a}e", "/api/joke"),
            ("/CAF\u{c9}", "/caf\u{e9}"),
            ("/Stra\u{df}e", "/stra\u{df}e"),
            ("/\u{3a3}\u{3c2}\u{3c3}", "/\u{3c3}\u{3c3}\u{3c3}"),
            ("/\u{416}\u{130}\u{131}\u{17f}", "/\u{436}iis"),
            ("/", ""),
        ] {
            assert_eq!(folded(written), compared, "{written}");
        }
        assert!(matches!(folded("/api/joke/"), Cow::Borrowed(_)), "no allocation");
    }
}
