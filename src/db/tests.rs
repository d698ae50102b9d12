use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

#[test]
fn sqlite_is_compiled_as_the_repository_says() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    let mut has = |option: &str| -> bool {
        diesel::select(sql::<Bool>(&format!("sqlite_compileoption_used('{option}')")))
            .get_result(&mut conn)
            .unwrap()
    };
    assert!(has("ENABLE_QPSG"), "statements with LIMIT are prepared each time");
    assert!(has("DEFAULT_MEMSTATUS=0"), "threads wait for each other to count memory");
    for unused in ["ENABLE_MEMORY_MANAGEMENT", "ENABLE_LOAD_EXTENSION"] {
        assert!(!has(unused), "{unused}");
    }
}
