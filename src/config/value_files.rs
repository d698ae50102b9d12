//! Reads a key's value from a file of its own, as Docker and Kubernetes provide secrets. `..._FILE` names the
//! file.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::ownership;
use doorward_core::domain::without_bom;

/// The suffix of a key's name when its value is the path of a file.
pub(super) const ENDING: &str = "_file";

/// Bytes: far more than any value needs.
const LARGEST: u64 = 64 * 1024;

/// The text of a file without its final line endings, or why it cannot be read.
pub(super) fn read(path: &Path) -> Result<String, String> {
    // A pipe must not block until a writer opens it.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let open = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    let file = open.map_err(|error| ownership::explain(&error, path, ownership::Need::Read))?;
    let kind = file.metadata().map_err(|error| error.to_string())?.file_type();
    if kind.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if !kind.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let text = read_text(file, LARGEST)?;
    let text = without_bom(&text).trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(text.to_owned())
}

/// The whole text of a file of at most `largest` bytes, or why it cannot be read.
pub(super) fn read_text(file: File, largest: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > largest {
        return Err(format!("it has more than {largest} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let bytes = error.as_bytes();
        let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        if is_utf16 { "it is UTF-16: save it as UTF-8" } else { "it is not UTF-8" }.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_text_without_its_final_line_ending() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let large = vec![b'x'; 64 * 1024 + 1];
        for (bytes, wanted) in [
            (&b"v"[..], Ok("v")),
            (b"v\n", Ok("v")),
            (b"v\r\n", Ok("v")),
            (b"\xef\xbb\xbfv\r\n\r\n", Ok("v")),
            (b" v ", Ok(" v ")),
            (b"", Err("it is empty")),
            (b"\r\n", Err("it is empty")),
            (b"\xff\xfev\0", Err("it is UTF-16: save it as UTF-8")),
            (b"caf\xe9", Err("it is not UTF-8")),
            (&large, Err("it has more than 65536 bytes")),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path), wanted.map(str::to_owned).map_err(str::to_owned));
        }
        assert_eq!(read(dir.path()).unwrap_err(), "it is a directory");
        let missing = read(&dir.path().join("none")).unwrap_err();
        assert!(missing.contains("No such file"), "{missing}");
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        assert_eq!(read(&pipe).unwrap_err(), "it is not a regular file");
    }
}
