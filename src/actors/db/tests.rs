use super::*;
use crate::db;

fn start(dir: &tempfile::TempDir, executors: usize) -> Db {
    let url = format!("sqlite:{}", dir.path().join("test.db").display()).parse().unwrap();
    Db::start(db::open(&url, u32::try_from(executors).unwrap()).unwrap(), executors)
}

#[actix_web::test]
async fn a_panic_ends_no_thread_and_frees_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let db = start(&dir, 1);
    for _ in 0..3 {
        let outcome = db
            .run_writing::<(), DbError>(|conn| {
                let _: Result<(), diesel::result::Error> = db::write(conn, |_| panic!("on purpose"));
                Ok(())
            })
            .await;
        assert_eq!(outcome, Err(DbError::Panicked));
    }
    assert_eq!(db.run_writing::<_, DbError>(|_| Ok(7)).await, Ok(7));
    // The answer leaves a moment before the permit.
    while db.permits.available_permits() < QUEUE_PER_EXECUTOR {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn writers_wait_in_line_and_leave_a_thread_to_readers() {
    let dir = tempfile::tempdir().unwrap();
    let db = start(&dir, 2);
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let mut writers = Vec::new();
    let first = db.clone();
    writers.push(actix_web::rt::spawn(async move {
        first.run_writing::<_, DbError>(move |_| Ok(wait.recv().is_ok())).await.map(drop)
    }));
    for _ in 0..5 {
        let db = db.clone();
        writers.push(actix_web::rt::spawn(async move { db.run_writing::<_, DbError>(|_| Ok(())).await }));
    }
    while db.permits.available_permits() > 2 * QUEUE_PER_EXECUTOR - 6 {
        tokio::task::yield_now().await;
    }
    assert_eq!(db.run::<_, DbError>(|_| Ok(1)).await, Ok(1), "a reader passes them");
    release.send(()).unwrap();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn a_poll_whose_caller_has_left_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let db = start(&dir, WATCHERS);
    let (mut releases, mut hung) = (Vec::new(), Vec::new());
    let (started, has_started) = std::sync::mpsc::channel();
    for _ in 0..WATCHERS {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (db, started) = (db.clone(), started.clone());
        releases.push(release);
        hung.push(actix_web::rt::spawn(async move {
            db.run_watch::<_, DbError>(move |_| {
                started.send(()).unwrap();
                Ok(wait.recv().is_ok())
            })
            .await
        }));
    }
    for _ in 0..WATCHERS {
        while has_started.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    }
    let (ran, has_run) = std::sync::mpsc::channel();
    let poll = db.run_watch::<(), DbError>(move |_| {
        ran.send(()).unwrap();
        Ok(())
    });
    // It is queued behind them, and given up.
    assert!(futures_util::FutureExt::now_or_never(poll).is_none());
    drop(releases);
    for hung in hung {
        hung.await.unwrap().unwrap();
    }
    db.run_watch::<_, DbError>(|_| Ok(())).await.unwrap();
    assert!(has_run.recv().is_err(), "it has run");
}

#[actix_web::test]
async fn a_full_queue_refuses_work_but_not_the_patient() {
    let dir = tempfile::tempdir().unwrap();
    let db = start(&dir, 1);
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let busy = db.clone();
    let mut waiting = vec![actix_web::rt::spawn(async move {
        busy.run_writing::<_, DbError>(move |_| Ok(wait.recv().is_ok())).await.map(drop)
    })];
    while db.permits.available_permits() == QUEUE_PER_EXECUTOR {
        tokio::task::yield_now().await;
    }
    for _ in 1..QUEUE_PER_EXECUTOR {
        let db = db.clone();
        waiting.push(actix_web::rt::spawn(async move { db.run::<_, DbError>(|_| Ok(())).await }));
    }
    while db.permits.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(db.run_writing::<(), DbError>(|_| Ok(())).await, Err(DbError::Full));
    let patient = db.clone();
    let patient =
        actix_web::rt::spawn(async move { patient.run_writing_patiently::<_, DbError>(|_| Ok(7)).await });
    while db.patient.available_permits() == PATIENT {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    assert_eq!(patient.await.unwrap(), Ok(7));
    for work in waiting {
        work.await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn work_is_done_though_its_caller_left() {
    let dir = tempfile::tempdir().unwrap();
    let db = start(&dir, 1);
    let (done, was_done) = std::sync::mpsc::channel();
    let caller = db.clone();
    let caller = actix_web::rt::spawn(async move {
        caller
            .run_writing::<(), DbError>(move |_| {
                done.send(()).unwrap();
                Ok(())
            })
            .await
    });
    while db.permits.available_permits() == QUEUE_PER_EXECUTOR {
        tokio::task::yield_now().await;
    }
    caller.abort();
    let done = actix_web::web::block(move || was_done.recv()).await.unwrap();
    assert!(done.is_ok());
}
