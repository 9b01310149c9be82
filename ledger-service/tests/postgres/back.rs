//! Back to the version before: what `docs/operations.md` says of it.

use sqlx::migrate::Migrator;
use stripe402_ledger::{
    clock::{Clock as _, SystemClock},
    store::Store as _,
};
use stripe402_tests::postgres::Postgres as Server;

use super::{
    deduction, open,
    tables::{left, minted_ago, run, tables, take},
    upgrade::{BEFORE, HOUR, WEEK, before, take_before},
};

/// The statements of a block of the document.
fn documented(name: &str) -> String {
    let text = include_str!("../../../docs/operations.md");
    let block = text.split_once(&format!("```sql\n-- {name}\n")).unwrap().1;
    block.split_once("```").unwrap().0.to_owned()
}

/// What the version before does at its start: it knows the migrations until then, and no later one.
async fn start_before(server: &Server) -> Result<(), sqlx::migrate::MigrateError> {
    let folder = tempfile::tempdir().unwrap();
    let migrations = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for file in std::fs::read_dir(migrations).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        if name[..4].parse::<i64>().unwrap() <= BEFORE {
            std::fs::copy(file.path(), folder.path().join(name)).unwrap();
        }
    }
    // Of its own: one that fails leaves a lock on its connection, which ends with the process.
    let pool = tables(server).await;
    let started = Migrator::new(folder.path()).await.unwrap().run(&pool).await;
    pool.close().await;
    started
}

#[tokio::test]
async fn the_version_before_starts_once_later_migrations_are_put_aside() {
    let (server, pool, key) = before(100).await;
    start_before(&server).await.unwrap();
    let old = minted_ago(deduction(key, 1), HOUR);
    assert_eq!(take_before(&pool, &old).await.1, Some(99));
    let store = open(&server.url(), WEEK);
    store.ping().await.unwrap();
    assert_eq!(take(&store, &deduction(key, 2)).await, left(98));

    let refused = start_before(&server).await.unwrap_err().to_string();
    let text = include_str!("../../../docs/operations.md");
    assert!(text.contains(&format!("`{refused}`")), "the document does not say: {refused}");
    run(&pool, &documented("back")).await;
    start_before(&server).await.unwrap();
    // It deducts, once, whatever version took a charge first.
    assert_eq!(take_before(&pool, &old).await.1, Some(99));
    let new = deduction(key, 3);
    assert_eq!(take_before(&pool, &new).await.1, Some(97));

    let later = open(&server.url(), WEEK);
    later.ping().await.unwrap_err();
    run(&pool, &documented("forward again")).await;
    later.ping().await.unwrap();
    later.upkeep(SystemClock.now_ms()).await.unwrap();
    assert_eq!(take(&later, &new).await, left(97));
    assert_eq!(take(&later, &deduction(key, 4)).await, left(96));
}
