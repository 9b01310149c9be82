//! Pairs of names and values as proxy-wasm hands them over: headers, and maps of properties.

/// The headers in a serialised map: a count, the lengths, then names and values, each followed
/// by a zero byte. Stops where the bytes make no sense.
#[must_use = "reading them does nothing by itself"]
pub fn read(map: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let (count, rest) = read_u32(map).unwrap_or((0, &[]));
    let sizes_end = count.saturating_mul(8).min(rest.len());
    let (mut sizes, mut text) = rest.split_at(sizes_end);
    core::iter::from_fn(move || {
        let (name_size, after) = read_u32(sizes)?;
        let (value_size, after) = read_u32(after)?;
        sizes = after;
        let name = text.get(..name_size)?;
        let start = name_size.checked_add(1)?;
        let end = start.checked_add(value_size)?;
        let value = text.get(start..end)?;
        text = text.get(end.checked_add(1)?..).unwrap_or(&[]);
        Some((name, value))
    })
}

fn read_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

/// The reverse of [`read`].
pub fn write<'h>(headers: impl Iterator<Item = (&'h str, &'h str)> + Clone) -> Vec<u8> {
    let size = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let count = u32::try_from(headers.clone().count()).unwrap_or(0);
    let mut bytes = count.to_le_bytes().to_vec();
    for (name, value) in headers.clone() {
        bytes.extend_from_slice(&size(name));
        bytes.extend_from_slice(&size(value));
    }
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let headers = [(":path", "/"), ("x-empty", ""), ("x", "\u{fc}")];
        let bytes = write(headers.iter().copied());
        let again: Vec<_> = read(&bytes).collect();
        let expected = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(again, expected);
    }

    #[test]
    fn what_is_cut_off_ends_the_list() {
        let bytes = write([("name", "value"), ("other", "one")].into_iter());
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).count() < 2 || end == bytes.len() - 1, "{end}");
        }
        assert_eq!(read(&[0xff; 40]).count(), 0);
    }
}
