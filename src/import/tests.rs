use std::fs::File;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;

use super::fields::RowSource;
use super::sink::Sink;
use super::*;

const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const BCRYPT: &str = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO";

fn origin() -> RowSource<'static> {
    RowSource { kind: "csv", path: Path::new("/old.csv"), digest: None }
}

fn rows(read: impl FnOnce(&mut Sink) -> Result<columns::Columns, String>) -> Result<Vec<Row>, String> {
    let (mut sink, rows) = Sink::keeping(Limits::default(), 10_000);
    read(&mut sink)?;
    drop(sink);
    Ok(rows.into_iter().collect())
}

fn csv_rows(bytes: &[u8], mapping: &Mapping) -> Result<Vec<Row>, String> {
    let bytes = text::decode(bytes.to_vec())?;
    rows(|sink| csv::read(&bytes, origin(), mapping, sink))
}

fn jsonl_rows(bytes: &[u8], mapping: &Mapping) -> Result<Vec<Row>, String> {
    let bytes = text::decode(bytes.to_vec())?;
    rows(|sink| jsonl::read(&mut &*bytes, origin(), mapping, sink))
}

fn from_csv(text: &str) -> Vec<Row> {
    csv_rows(text.as_bytes(), &Mapping::default()).unwrap()
}

fn from_jsonl(text: &str) -> Vec<Row> {
    jsonl_rows(text.as_bytes(), &Mapping::default()).unwrap()
}

/// The place of each row, with its name and address or the code of the reason.
fn told(rows: &[Row]) -> Vec<String> {
    let tell = |row: &Row| match &row.account {
        Ok(ImportedAccount { username, email, .. }) => {
            format!("{} {} {}", row.place, username.typed(), email.as_ref().map_or("-", Email::as_str))
        }
        Err(reason) => format!("{} {}", row.place, reason.code()),
    };
    rows.iter().map(tell).collect()
}

#[test]
fn csv_columns_are_found_by_name() {
    let text = format!(
        "Note,hash, USERNAME ,email\r\n\"a \"\"b\"\",\nc\",{SHA256},alice,a@b.org\r\n,{BCRYPT},\"Žofie\",\r\n"
    );
    assert_eq!(told(&from_csv(&text)), ["line 2 alice a@b.org", "line 4 Žofie -"]);
    let text = format!("\r\nusername,hash\r\n\r\na,{SHA256}\r\n\r\n\r\nb,{SHA256}");
    assert_eq!(told(&from_csv(&text)), ["line 4 a -", "line 7 b -"]);
    let text = format!("\u{feff}username,password_hash\nalice,{SHA256}\n\nbob,{BCRYPT}");
    assert_eq!(told(&from_csv(&text)), ["line 2 alice -", "line 4 bob -"]);
}

#[test]
fn a_header_without_its_columns_is_refused_and_not_repeated() {
    for text in ["", "username,email\n", "hash\n", &format!("alice,{SHA256}\nbob,{SHA256}\n")] {
        let error = csv_rows(text.as_bytes(), &Mapping::default()).err().unwrap();
        assert!(error.contains("username, hash (or password_hash)") && !error.contains("ba78"), "{error}");
    }
}

#[test]
fn a_bad_csv_line_leaves_the_others_intact() {
    let text = format!("username,hash\nalice,{SHA256},x\nbob\ncy,{SHA256}\n\"dan,{SHA256}\neve,{SHA256}\n");
    let rows = from_csv(&text);
    assert_eq!(told(&rows), ["line 2 malformed", "line 3 malformed", "line 4 cy -", "line 5 malformed"]);
    let Err(reason) = &rows[3].account else { panic!() };
    assert_eq!(reason.to_string(), "A field spans lines 5 to 6: a quote may be unclosed.");
    // The same in a column that is not read.
    for (first, second) in [("\"x", "y"), ("\"x", "\"y"), ("\"x\"\"", "y")] {
        let text = format!(
            "username,hash,note\na,{SHA256},\"b\nc, \"\"d\"\"\"\na,{SHA256},{first}\nb,{SHA256},{second}\n"
        );
        assert_eq!(told(&from_csv(&text)), ["line 2 a -", "line 4 malformed"], "{first} {second}");
    }
    let rows = csv_rows(b"username,hash\n\xffx,y\nx,\xff\n", &Mapping::default()).unwrap();
    assert_eq!(told(&rows), ["line 2 not_utf8", "line 3 not_utf8"]);
}

#[test]
fn jsonl_is_an_object_a_line() {
    let text = format!(
        "\u{feff}{{\"hash\":\"{SHA256}\",\"username\":\"alice\",\"email\":null,\"x\":[1]}}\r\n\r\n\
         {{\"password_hash\":\"{BCRYPT}\",\"username\":\"オドワード\",\"email\":\"A@b.org\"}}\n\
         [1]\n{{\"username\":1}}\n{{\n{{\"username\":\"bob\"}}"
    );
    let rows = from_jsonl(&text);
    let wanted = [
        "line 1 alice -",
        "line 3 オドワード a@b.org",
        "line 4 malformed",
        "line 5 malformed",
        "line 6 malformed",
        "line 7 no_hash",
    ];
    assert_eq!(told(&rows), wanted);
    let reasons: Vec<_> =
        rows.iter().filter_map(|row| Some(row.account.as_ref().err()?.to_string())).collect();
    assert_eq!(reasons[..2], ["The line is not a JSON object.", "\"username\" is not a string."]);
    let rows = jsonl_rows(b"{\"username\":\"\xff\"}", &Mapping::default()).unwrap();
    assert_eq!(told(&rows), ["line 1 malformed"]);
}

#[test]
fn each_reason_has_its_code() {
    let text = format!(
        "username,email,hash\na b,,{SHA256}\n,,{SHA256}\nann,nowhere,{SHA256}\nbob,,secret\ncy,,\ndan,,{}\n",
        BCRYPT.replace("$04$", "$31$")
    );
    let codes: Vec<_> =
        from_csv(&text).iter().map(|row| row.account.as_ref().err().map_or("-", Reason::code)).collect();
    let wanted =
        ["invalid_username", "invalid_username", "invalid_email", "unknown_hash", "no_hash", "absurd_cost"];
    assert_eq!(codes, wanted);
}

#[test]
fn a_mark_identifies_one_row_and_reveals_no_name() {
    let mark = |path: &str, id, name: &str| {
        RowSource { kind: "userdata", path: Path::new(path), digest: None }.mark(id, name)
    };
    assert_eq!(mark("/a", Some(1), "alice"), mark("/a", Some(1), "alice"));
    for other in [mark("/b", Some(1), "alice"), mark("/a", Some(2), "alice"), mark("/a", Some(1), "Alice")] {
        assert_ne!(mark("/a", Some(1), "alice"), other);
    }
    assert!(!mark("/a", Some(1), "alice").contains("alice"));
}

#[test]
fn the_format_is_recognized_by_content_and_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        File::create(&path).unwrap().write_all(content).unwrap();
        path
    };
    let text = format!("username,hash\nalice,{SHA256}\n");
    let count = |path: &Path, format| {
        open(path, format, Limits::default(), &Mapping::default()).map(|source| {
            let total = source.total;
            // What was counted is what is read then.
            let mut rows = source.rows();
            assert_eq!(rows.by_ref().count(), total);
            rows.finish().unwrap();
            total
        })
    };
    let (csv, other) = (file("a.CSV", text.as_bytes()), file("a", text.as_bytes()));
    assert_eq!(count(&csv, None).unwrap(), 1);
    assert_eq!(count(&other, Some(Format::Csv)).unwrap(), 1);
    assert_eq!(count(&file("a.ndjson", b"{}\n"), None).unwrap(), 1);
    assert!(matches!(count(&other, None), Err(SourceError::UnknownFormat(_))));
    assert!(matches!(count(&dir.path().join("none"), None), Err(SourceError::Unreadable(..))));
    assert!(!dir.path().join("none").exists());
    let error = count(&other, Some(Format::Sqlite)).unwrap_err();
    assert!(error.to_string().ends_with("is not an SQLite database"), "{error}");
    let torn = file("torn.db", b"SQLite format 3\0 and no more");
    assert!(count(&torn, None).unwrap_err().to_string().contains("cannot be read"));
    assert!(count(&torn, Some(Format::Csv)).unwrap_err().to_string().contains("is an SQLite database"));
}

const FEW: Limits = Limits { rows: 3, time: Duration::from_mins(1) };

#[test]
fn more_rows_than_allowed_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let count = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        open(&path, None, FEW, &Mapping::default())
            .map(|source| source.total)
            .map_err(|error| error.to_string())
    };
    let csv = |rows: usize| format!("username,hash\n{}", format!("a,{SHA256}\n").repeat(rows));
    assert_eq!(count("a.csv", &csv(3)), Ok(3));
    // Rows that could not be imported count as well.
    for (name, text) in [("a.csv", csv(4)), ("a.csv", "username,hash\n".to_owned() + &"x\n".repeat(4))] {
        assert!(count(name, &text).unwrap_err().contains("more than 3 rows: allow more with --max-rows"));
    }
    assert_eq!(count("a.jsonl", &"{}\n\n".repeat(3)), Ok(3));
    assert!(count("a.jsonl", &"{}\n".repeat(4)).unwrap_err().contains("more than 3 rows"));
    let error = count("a.csv", &csv(3).replace('a', &"a".repeat(30_000))).unwrap_err();
    assert!(error.contains("bytes, more than the 65536 that 3 rows may have"), "{error}");
}

#[test]
fn a_row_that_is_too_long_is_refused_alone() {
    let long = "x".repeat(MAX_FIELD + 1);
    let text = format!(
        "username,hash,email,note\n{long},{SHA256},,\na,{long},,\nb,{SHA256},{long},\nc,{SHA256},,{long}\n"
    );
    let rows = from_csv(&text);
    assert_eq!(told(&rows), ["line 2 too_long", "line 3 too_long", "line 4 too_long", "line 5 c -"]);
    assert_eq!(rows[0].name, None);
    let line = "y".repeat(MAX_LINE + 1);
    let text = format!("username,hash,note\na,{SHA256},{line}\nb,{SHA256},\n");
    assert_eq!(told(&from_csv(&text)), ["line 2 malformed", "line 3 b -"]);
    let text = format!(
        "{{\"username\":\"{long}\"}}\n{{\"username\":\"a\",\"hash\":\"{long}\"}}\n{{\"note\":\"{line}\"}}\n\
         {{\"username\":\"b\",\"hash\":\"{SHA256}\"}}\n{}\n",
        "[".repeat(1000)
    );
    let wanted = ["line 1 too_long", "line 2 too_long", "line 3 malformed", "line 4 b -", "line 5 malformed"];
    assert_eq!(told(&from_jsonl(&text)), wanted);
    // An unclosed quote swallows the rest, which becomes one row.
    let text = format!("username,hash\na,\"{}", "x\n".repeat(100_000));
    assert_eq!(told(&from_csv(&text)), ["line 2 malformed"]);
}

#[test]
fn reading_ends_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    std::fs::write(&path, "{}\n".repeat(900_000)).unwrap();
    let limits = Limits { time: Duration::from_millis(1), ..Limits::default() };
    let error = open(&path, None, limits, &Mapping::default()).err().unwrap().to_string();
    assert!(error.ends_with("takes more than 1ms to read"), "{error}");
}

/// As [`told`], and whether the address counts as verified.
fn verified(rows: &[Row]) -> Vec<String> {
    let tell = |row: &Row| match &row.account {
        Ok(incoming) => format!("{} {}", incoming.username.typed(), incoming.verified),
        Err(reason) => format!("{} {}", row.place, reason.code()),
    };
    rows.iter().map(tell).collect()
}

#[test]
fn a_verified_address_is_verified_in_every_text() {
    let text = format!(
        "username,hash,email,email_verified\na,{SHA256},a@b.org,true\nb,{SHA256},b@b.org,0\nc,{SHA256},,1\n\
         d,{SHA256},d@b.org,2024-05-01 10:00:00\ne,{SHA256},e@b.org,\nf,{SHA256},f@b.org,maybe\n"
    );
    let wanted = ["a true", "b false", "c false", "d true", "e false", "line 7 invalid_email_verified"];
    assert_eq!(verified(&from_csv(&text)), wanted);
    let line = |name: &str, value: &str| {
        format!(
            "{{\"username\":\"{name}\",\"hash\":\"{SHA256}\",\"email\":\"{name}@b.org\",\"emailVerified\":{value}}}\n"
        )
    };
    let text = [
        line("a", "true"),
        line("b", "false"),
        line("c", "1"),
        line("d", "null"),
        line("e", "\"yes\""),
        line("f", "[]"),
    ];
    let wanted = ["a true", "b false", "c true", "d false", "e true", "line 6 malformed"];
    assert_eq!(verified(&from_jsonl(&text.concat())), wanted);
    let all = Mapping { verified: true, ..Mapping::default() };
    let text = format!("username,hash,email\na,{SHA256},a@b.org\nb,{SHA256},\n");
    assert_eq!(verified(&csv_rows(text.as_bytes(), &all).unwrap()), ["a true", "b false"]);
}

#[test]
fn any_separator_and_end_of_line_is_read() {
    for separator in [",", ";", "\t", "|"] {
        for end in ["\n", "\r\n", "\r"] {
            for start in ["", "\u{feff}"] {
                let note = format!("\"x{separator}{end}y\"");
                let text = [
                    ["username", "hash", "note"],
                    ["a", SHA256, &note],
                    ["b", "secret", ""],
                    ["c", SHA256, ""],
                ]
                .map(|fields| fields.join(separator) + end)
                .concat();
                let text = format!("{start}{text}");
                let wanted = ["line 2 a -", "line 4 unknown_hash", "line 5 c -"];
                assert_eq!(told(&from_csv(&text)), wanted, "{text:?}");
            }
        }
    }
    let text = format!("sep=;\r\n\"username\";\"hash\"\r\na;{SHA256}\r\nb;x\r\n");
    assert_eq!(told(&from_csv(&text)), ["line 3 a -", "line 4 unknown_hash"]);
    let text = format!("{{\"username\":\"a\",\"hash\":\"{SHA256}\"}}\r{{}}\r");
    assert_eq!(told(&from_jsonl(&text)), ["line 1 a -", "line 2 invalid_username"]);
    let error = jsonl_rows(b" [{}]", &Mapping::default()).err().unwrap();
    assert!(error.contains("jq -c"), "{error}");
    let rows = csv_rows(b"username,hash\nJos\xe9,x\n", &Mapping::default()).unwrap();
    let reason = rows[0].account.as_ref().err().unwrap().to_string();
    assert!(rows[0].place == Place::Line(2) && reason.contains("iconv -f WINDOWS-1252"), "{reason}");
}

#[test]
fn a_name_that_is_an_address_names_its_account() {
    let text = format!(
        "username,hash,email\nkim@example.org,{SHA256},\nO'Neil+x@b.org,{SHA256},other@b.org\nann,{SHA256},a@b.org\n\
         ,{SHA256},bo@b.org\n---@b.org,{SHA256},\n"
    );
    let rows = from_csv(&text);
    let reason = rows[0].account.as_ref().err().unwrap().to_string();
    assert!(reason.contains("--username-from-email"), "{reason}");
    let by_address = Mapping { username_from_email: true, ..Mapping::default() };
    let wanted = [
        "line 2 kim kim@example.org",
        "line 3 o-neil other@b.org",
        "line 4 ann a@b.org",
        "line 5 bo bo@b.org",
        "line 6 invalid_username",
    ];
    assert_eq!(told(&csv_rows(text.as_bytes(), &by_address).unwrap()), wanted);
    let text = format!("email,password_hash\nkim@example.org,{SHA256}\n");
    assert_eq!(told(&csv_rows(text.as_bytes(), &by_address).unwrap()), [wanted[0]]);
    assert!(csv_rows(text.as_bytes(), &Mapping::default()).err().unwrap().contains("--username-from-email"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "[\"\\[{}a,:\n\r\u{feff}]{0,40}") {
        for bytes in [bytes, text.into_bytes()] {
            for mapping in [Mapping::default(), Mapping { username_from_email: true, ..Mapping::default() }] {
                drop(jsonl_rows(&bytes, &mapping));
                drop(csv_rows(&bytes, &mapping));
                let text = [b"username,email,hash\n".as_slice(), &bytes].concat();
                drop(csv_rows(&text, &mapping));
            }
        }
    }

    #[test]
    fn every_quoted_name_is_read(name in "[^\r\n]{1,20}", email in "[a-z]{1,8}@[a-z]{1,8}\\.org") {
        let quoted = name.replace('"', "\"\"");
        let text = format!("hash,username,email\r\n{SHA256},\"{quoted}\",{email}\r\n");
        let line = serde_json::json!({"username": name, "email": email, "hash": SHA256}).to_string();
        for rows in [from_csv(&text), from_jsonl(&line)] {
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(rows[0].name.as_deref(), Some(name.as_str()));
            prop_assert_eq!(rows[0].account.is_ok(), Username::parse(&name).is_ok());
        }
    }

    #[test]
    fn no_reason_repeats_a_hash(hash in "[g-z]{30,70}") {
        let lines = [
            format!("{{\"username\":\"a\",\"hash\":\"{hash}\"}}"),
            format!("{{\"username\":\"a\",\"hash\":\"{SHA256}\",\"email\":\"{hash}\"}}"),
            format!("{{\"username\":\"{hash} \",\"hash\":1}}"),
            format!("\"{hash}\""),
            format!("{{{hash}"),
        ];
        for row in lines.iter().flat_map(|line| from_jsonl(line)) {
            let reason = row.account.err().map(|reason| reason.to_string()).unwrap_or_default();
            prop_assert!(!reason.is_empty() && !reason.contains(&hash), "{}", reason);
        }
    }
}

mod accounts;
