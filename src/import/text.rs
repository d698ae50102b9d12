//! Decodes the bytes of a text file to UTF-8, and names files that are not text.

/// The first bytes of other kinds of files, and what to do with each.
const OTHERS: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "is compressed: unpack it with gunzip"),
    (b"PK\x03\x04", "is a ZIP archive, perhaps a spreadsheet: save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "is a spreadsheet: save the table as CSV"),
    (b"PGDMP", "is a PostgreSQL dump: load it there, and export the table with \\copy ... CSV HEADER"),
    (b"CREATE TABLE", "is SQL: load it into a database, and export the table as CSV"),
    (b"INSERT INTO", "is SQL: load it into a database, and export the table as CSV"),
];

/// Where the text of a file begins that has this head, after a byte order mark; none if it is not UTF-8 and
/// needs [`decode`].
pub(super) fn begin_of_utf8(head: &[u8]) -> Result<Option<u64>, String> {
    if let Some((_, why)) = OTHERS.iter().find(|(start, _)| head.starts_with(start)) {
        return Err((*why).to_owned());
    }
    match head {
        [0xef, 0xbb, 0xbf, ..] => Ok(Some(3)),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => Ok(None),
        _ => Ok(Some(0)),
    }
}

/// Removes a byte order mark and converts UTF-16 to UTF-8.
pub(super) fn decode(mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    if let Some(begins_at) = begin_of_utf8(&bytes)? {
        bytes.drain(..usize::try_from(begins_at).unwrap_or_default());
        return Ok(bytes);
    }
    let unit: fn([u8; 2]) -> u16 = match *bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        // Latin letters in UTF-16 have a zero byte each, and UTF-8 text has none.
        _ => {
            return Err(
                "is UTF-16 without a byte order mark: convert it with iconv -f UTF-16LE -t UTF-8".to_owned()
            );
        }
    };
    let (pairs, rest) = bytes[2..].as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(pairs.iter().copied().map(unit)).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text.into_bytes()),
        _ => Err("is damaged UTF-16: convert it to UTF-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn utf_16_is_decoded_and_other_files_are_named() {
        let text = "username,hash\r\nŽofie,x\r\n";
        let units: Vec<u16> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).collect();
        let little: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units.iter().copied().flat_map(u16::to_be_bytes).collect();
        let decode = |bytes: &[u8]| super::decode(bytes.to_vec());
        for bytes in [&little, &big, &format!("\u{feff}{text}").into_bytes(), &text.as_bytes().to_vec()] {
            assert_eq!(decode(bytes).unwrap(), text.as_bytes());
        }
        assert!(decode(&little[2..]).unwrap_err().contains("iconv -f UTF-16LE"));
        assert!(decode(&little[..little.len() - 1]).unwrap_err().contains("damaged UTF-16"));
        assert!(decode(b"\xff\xfe\x00\xd8").unwrap_err().contains("damaged UTF-16"));
        assert!(decode(b"\x1f\x8b\x08").unwrap_err().contains("gunzip"));
        assert!(decode(b"PK\x03\x04").unwrap_err().contains("save the table as CSV"));
        assert_eq!(decode(b"").unwrap(), b"");
        // Latin-1 is reported line by line.
        assert_eq!(decode(b"caf\xe9").unwrap(), b"caf\xe9");
    }
}
