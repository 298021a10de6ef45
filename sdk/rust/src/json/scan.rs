//! Finds what ends or interrupts the plain text of a string, eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = ONES << 7;

/// How many bytes from the start are neither quote, backslash nor control character.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            return n * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let end = |b: &u8| matches!(b, b'"' | b'\\' | 0..0x20);
    bytes.len() - rest.len() + rest.iter().position(end).unwrap_or(rest.len())
}

/// The high bit of each special byte; above the first one there may be more than are special.
fn special(word: u64) -> u64 {
    let equals = |byte: u8| {
        let differs = word ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (equals(b'"') | equals(b'\\') | control) & HIGH
}
