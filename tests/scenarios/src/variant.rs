//! Components that do the same and are not the same.

/// A component with a custom section of `noise` at its end: it does what it did, under another digest.
pub fn variant(component: &[u8], noise: &[u8]) -> Vec<u8> {
    let mut section = vec![5];
    section.extend(b"noise");
    section.extend(noise);
    let mut padded = component.to_vec();
    padded.push(0);
    let mut left = section.len();
    while left >= 0x80 {
        padded.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    padded.push(left as u8);
    padded.extend(section);
    padded
}
