//! Rows that are whole accounts, and files that change.

use super::*;

#[test]
fn a_file_that_grows_while_it_is_imported_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    std::fs::write(&path, "{}\n".repeat(1000)).unwrap();
    let source = open(&path, None, Limits::default(), &Mapping::default()).unwrap();
    File::options().append(true).open(&path).unwrap().write_all(b"{}\n").unwrap();
    let mut rows = source.rows();
    assert!(rows.by_ref().count() >= 1000);
    assert!(rows.finish().unwrap_err().to_string().ends_with("is being written to: import a copy of it"));
    // An import that stops early leaves no thread that waits for it.
    let mut rows = open(&path, None, Limits::default(), &Mapping::default()).unwrap().rows();
    assert!(rows.next().is_some());
    assert!(rows.finish().is_err());
}

#[test]
fn lines_are_read_whatever_lies_between_them() {
    let object = |name: &str| format!("{{\"username\":\"{name}\",\"hash\":\"{SHA256}\"}}");
    // Longer than what is looked at first.
    let blank = " ".repeat(jsonl::LOOK_AHEAD * 2);
    let text = format!("\r\n{}\r\n{blank}\n{}\n{blank}x\n{}", object("a"), object("b"), object("c"));
    assert_eq!(
        told(&from_jsonl(&text)),
        ["line 2 a -", "line 3 malformed", "line 4 b -", "line 5 malformed", "line 6 c -"]
    );
    assert_eq!(told(&from_jsonl(&[object("a"), object("b")].join("\r"))), ["line 1 a -", "line 2 b -"]);
}

#[test]
fn an_account_is_read_with_its_state_and_its_times() {
    let line = format!(
        "{{\"id\":\"01a21c91-9c8b-7000-8000-000000000000\",\"username\":\"kim\",\"display_name\":\"Kim K\",\
         \"hash\":\"{SHA256}\",\
         \"disabled\":\"2026-01-31T12:00:00.123456Z\",\"created\":1714557600123,\"email\":\"kim@example.org\",\
         \"email_verified\":\"2025-01-31T12:00:00Z\"}}"
    );
    let rows = from_jsonl(&line);
    let Ok(kim) = &rows[0].account else { panic!("{:?}", told(&rows)) };
    assert_eq!(kim.id.unwrap().to_string(), "01a21c91-9c8b-7000-8000-000000000000");
    assert_eq!(kim.display_name.as_ref().unwrap().as_str(), "Kim K");
    assert!(kim.disabled && kim.verified);
    let times = [kim.disabled_at, kim.created_at, kim.verified_at].map(|at| at.unwrap().to_string());
    assert_eq!(times, ["2026-01-31 12:00:00.123456", "2024-05-01 10:00:00.123", "2025-01-31 12:00:00"]);

    let header = "username,hash,is_active,date_joined,id";
    let csv = |row: &str| from_csv(&format!("{header}\nlee,{SHA256},{row}\n")).remove(0).account;
    let Ok(lee) = csv("0,2024-05-01 10:00:00+02:00,7") else { panic!("refused") };
    assert_eq!((lee.disabled, lee.id), (true, None));
    assert_eq!(lee.created_at.unwrap().to_string(), "2024-05-01 08:00:00");
    let Ok(lee) = csv(",,") else { panic!("refused") };
    assert!(!lee.disabled && lee.created_at.is_none());
    for (row, code) in [("maybe,,", "invalid_enabled"), (",soon,", "invalid_created")] {
        assert_eq!(csv(row).err().map(|reason| reason.code()), Some(code), "{row}");
    }
    let off = format!("{{\"username\":\"a\",\"hash\":\"{SHA256}\",\"disabled\":\"perhaps\"}}");
    assert_eq!(told(&from_jsonl(&off)), ["line 1 invalid_disabled"]);
}

#[test]
fn roles_and_claims_are_read_in_each_form_and_checked() {
    let line = |more: &str| format!("{{\"username\":\"kim\",\"hash\":\"{SHA256}\",{more}}}");
    let rows = from_jsonl(&line("\"roles\":[\"editor\",\"admin\"],\"claims\":{\"plan\":\"gold\"}"));
    let Ok(kim) = &rows[0].account else { panic!("{:?}", told(&rows)) };
    assert_eq!(kim.roles.to_string(), "admin, editor");
    assert_eq!(kim.claims.to_string(), "{\"plan\":\"gold\"}");
    let csv =
        |row: &str| from_csv(&format!("username,hash,roles,claims\nlee,{SHA256},{row}\n")).remove(0).account;
    let Ok(lee) = csv("\"editor; staff\",\"{\"\"a\"\":1}\"") else { panic!("refused") };
    assert_eq!(
        (lee.roles.to_string(), lee.claims.to_string()),
        ("editor, staff".to_owned(), "{\"a\":1}".to_owned())
    );
    let Ok(lee) = csv(",") else { panic!("refused") };
    assert!(lee.roles.is_empty() && lee.claims.is_empty());
    for (row, code) in
        [("Admin!,", "invalid_roles"), ("[1],", "invalid_roles"), (",{\"sub\":1}", "invalid_claims")]
    {
        assert_eq!(csv(row).err().map(|reason| reason.code()), Some(code), "{row}");
    }
    assert_eq!(told(&from_jsonl(&line("\"claims\":{\"sub\":1}"))), ["line 1 invalid_claims"]);
    assert_eq!(told(&from_jsonl(&line("\"roles\":{}"))), ["line 1 malformed"]);
}
