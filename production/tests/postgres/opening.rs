//! What a database must be before it is used, and what people are told when it is not.

use morgenruh_engine::shell::drain::Store;
use morgenruh_production::lineage::Lineage;
use morgenruh_production::password::Password;
use morgenruh_production::postgres::{OpenError, PostgresStore, SCHEMA_VERSION, Settings};
use morgenruh_production::tls::Tls;
use morgenruh_servers::PostgresOptions;

use crate::history::{History, Town};
use crate::server::Server;
use crate::town;

const TOWN: Town = Town {
    offices: 3,
    days: 5,
    counters: 6,
};

fn refusal(settings: &Settings) -> OpenError {
    match PostgresStore::open(settings) {
        Err(error) => error,
        Ok(_) => panic!("it was opened"),
    }
}

/// Several programs start at once on a database without tables.
#[test]
fn tables_are_made_once() {
    let server = Server::start();
    let settings = server.settings();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| PostgresStore::open(&settings).unwrap());
        }
    });
    let version = server
        .postgres
        .sql("SELECT value FROM meta WHERE key = 'schema_version'");
    assert_eq!(version, SCHEMA_VERSION.to_string());
}

#[test]
fn a_lineage_is_for_life() {
    let server = Server::start();
    let mut store = server.store();
    assert_eq!(store.state().unwrap().lineage, None);
    let (ours, theirs) = (Lineage([7; 16]), Lineage([8; 16]));
    store.begin(ours).unwrap();
    store.begin(ours).unwrap();
    assert!(store.begin(theirs).is_err());
    assert_eq!(server.store().state().unwrap().lineage, Some(ours));
}

#[test]
fn the_tables_of_a_newer_program_are_left_alone() {
    let server = Server::start();
    drop(server.store());
    server
        .postgres
        .sql("UPDATE meta SET value = '99' WHERE key = 'schema_version'; DROP VIEW cancellations");
    let told = refusal(&server.settings()).to_string();
    assert!(told.contains("version 99"), "{told}");
    let views = "SELECT count(*) FROM pg_views WHERE viewname = 'cancellations'";
    assert_eq!(server.postgres.sql(views), "0");
}

/// Tables from before there were rooms, releases or wishes keep what is in them and become like any
/// others.
#[test]
fn older_tables_keep_everything() {
    let migrations = [
        include_str!("../../src/postgres/migrations/0001_tables.sql"),
        include_str!("../../src/postgres/migrations/0002_views.sql"),
        include_str!("../../src/postgres/migrations/0003_rooms.sql"),
        include_str!("../../src/postgres/migrations/0004_releases.sql"),
    ];
    for version in 2..=migrations.len() {
        older_tables_of_a_version_keep_everything(&migrations[..version]);
    }
}

fn older_tables_of_a_version_keep_everything(migrations: &[&str]) {
    let [older, fresh] = [Server::start(), Server::start()];
    let sql = |statements: &str| older.postgres.sql(statements);
    older
        .postgres
        .sql_as_superuser("CREATE EXTENSION btree_gist");
    for migration in migrations {
        sql(migration);
    }
    let version = migrations.len();
    sql(&format!(
        "INSERT INTO meta VALUES ('schema_version', '{version}');
         INSERT INTO facts (position, at, fact, reservation)
         SELECT 1, now(), 'held', decode('000126670000600200000000000000aa', 'hex');
         UPDATE watermark SET position = 1"
    ));
    let facts = "SELECT position, at, fact, reservation FROM facts";
    let before = sql(facts);
    let mut store = older.store();
    assert_eq!(sql(facts), before);
    assert_eq!(store.state().unwrap().watermark.0, 1);
    drop(fresh.store());
    for shape in [
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
          WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
          WHERE connamespace = 'public'::regnamespace ORDER BY conname",
    ] {
        assert_eq!(sql(shape), fresh.postgres.sql(shape));
    }
    let nothing = "INSERT INTO facts (position, at, fact) VALUES (2, now(), 'expired')";
    let refused = format!(
        "DO $$ BEGIN {nothing}; EXCEPTION WHEN check_violation THEN DELETE FROM facts; END $$;
         SELECT count(*) FROM facts"
    );
    assert_eq!(sql(&refused), "0", "a fact about no seat");
    let mut history = History::new(1, TOWN);
    let mut facts = history.room(1, 2);
    facts.extend(history.wishes(100));
    facts.remove(0);
    store.apply(&facts).unwrap();
    assert_eq!(sql("SELECT room, booked FROM rooms"), "1|2");
    assert_ne!(
        sql("SELECT count(*) FROM wishes WHERE booked_at IS NOT NULL"),
        "0"
    );
}

/// Every table and column that holds something of wishes says what.
#[test]
fn tables_of_wishes_say_what_they_hold() {
    let server = Server::start();
    drop(server.store());
    let silent = server.postgres.sql(
        "SELECT attrelid::regclass || '.' || attname FROM pg_attribute
          WHERE attrelid IN ('wish_facts'::regclass, 'wishers'::regclass) AND attnum > 0
            AND col_description(attrelid, attnum) IS NULL
         UNION ALL
         SELECT it::text FROM unnest(ARRAY['wish_facts', 'wishers', 'wishes']::regclass[]) AS it
          WHERE obj_description(it, 'pg_class') IS NULL",
    );
    assert_eq!(silent, "");
}

/// Each refusal names what somebody must do; having done that, it works.
#[test]
fn who_lacks_a_right_is_told_which() {
    let server = Server::start();
    let admin = |sql: &str| server.postgres.sql_as_superuser(sql);
    admin("CREATE ROLE clerk LOGIN PASSWORD 'secret'");
    let clerk = Settings {
        user: "clerk".into(),
        password: Some(Password::new("secret")),
        ..server.settings()
    };
    let wrong = Settings {
        password: Some(Password::new("wrong")),
        ..clerk.clone()
    };
    assert!(matches!(refusal(&wrong), OpenError::Password { .. }));

    let told = refusal(&clerk).to_string();
    assert!(told.contains("CREATE EXTENSION btree_gist"), "{told}");
    admin("CREATE EXTENSION btree_gist");
    let told = refusal(&clerk).to_string();
    assert!(told.contains("OWNER TO clerk"), "{told}");
    admin("ALTER DATABASE morgenruh OWNER TO clerk");
    PostgresStore::open(&clerk).unwrap();
}

#[test]
fn a_database_that_cannot_write_every_name_is_refused() {
    let server = Server::start();
    let admin = |sql: &str| server.postgres.sql_as_superuser(sql);
    admin("CREATE DATABASE latin OWNER morgenruh TEMPLATE template1");
    admin(
        "UPDATE pg_database SET encoding = pg_char_to_encoding('LATIN1') WHERE datname = 'latin'",
    );
    let latin = Settings {
        database: "latin".into(),
        ..server.settings()
    };
    assert!(refusal(&latin).to_string().contains("UTF8"));
    let nowhere = Settings {
        address: "127.0.0.1".into(),
        ..server.settings()
    };
    assert!(refusal(&nowhere).to_string().contains("host:port"));
}

#[test]
fn a_connection_can_be_encrypted_and_the_server_must_be_the_right_one() {
    let server = Server::with(PostgresOptions::default().tls());
    let other = Server::with(PostgresOptions::default().tls());
    let trusting = |server: &Server, address: String| Settings {
        tls: Tls::On {
            ca_file: server.postgres.authority().map(Into::into),
        },
        address,
        ..server.settings()
    };
    let port = server.postgres.port();
    PostgresStore::open(&trusting(&server, format!("localhost:{port}"))).unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                      WHERE ssl AND application_name = 'morgenruh'";
    let store = PostgresStore::open(&trusting(&server, format!("localhost:{port}"))).unwrap();
    assert_eq!(server.postgres.sql_as_superuser(encrypted), "1");
    drop(store);
    let stranger = trusting(&other, format!("localhost:{port}"));
    let told = refusal(&stranger).to_string();
    assert!(told.contains("certificate"), "{told}");
    // A server that does not speak TLS is not spoken to without.
    let plain = Server::start();
    let address = plain.postgres.address().to_string();
    let told = refusal(&trusting(&server, address)).to_string();
    assert!(told.contains("TLS"), "{told}");
}

/// A name that has left the configuration stays for the bookings that have its number.
#[test]
fn numbers_keep_their_names() {
    let server = Server::start();
    let mut store = server.store();
    let town = |offices| Town {
        offices,
        days: 1,
        counters: 2,
    };
    store.name_numbers(&town::catalogue(town(3))).unwrap();
    store.name_numbers(&town::catalogue(town(2))).unwrap();
    let names = server
        .postgres
        .sql("SELECT string_agg(name, ',' ORDER BY number) FROM offices");
    assert_eq!(names, "Bürgerbüro 1,Bürgerbüro 2,Bürgerbüro 3");
    let zone = server.postgres.sql("SELECT city_zone()");
    assert_eq!(zone, "Europe/Berlin");
}
