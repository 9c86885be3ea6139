//! Values of every type, as JSON.

use super::*;

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn values_of_every_type_are_passed_on() {
    let postgres = Postgres::start();
    postgres.sql("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN age AS int CHECK (VALUE > 0);");
    let server = start(&config(&postgres, ""));
    for (sql, expected) in [
        ("true", json!(true)),
        ("7::smallint", json!(7)),
        ("(-2147483648)::int", json!(-2_147_483_648_i64)),
        ("9223372036854775807", json!(i64::MAX)),
        ("0.1::real", json!(0.1)),
        ("0.1::float8", json!(0.1)),
        ("'NaN'::float8", json!("NaN")),
        ("'-Infinity'::real", json!("-inf")),
        ("0::numeric", json!("0")),
        ("0.000::numeric", json!("0.000")),
        ("1234567.000100::numeric", json!("1234567.000100")),
        ("(-0.00001234)::numeric", json!("-0.00001234")),
        ("100000000::numeric", json!("100000000")),
        ("1e20::numeric", json!("100000000000000000000")),
        ("'NaN'::numeric", json!("NaN")),
        ("'żółw'::text", json!("żółw")),
        ("'a'::varchar(3)", json!("a")),
        ("'a'::char(3)", json!("a  ")),
        ("'untyped'", json!("untyped")),
        ("'x'::\"char\"", json!("x")),
        ("'x'::name", json!("x")),
        ("NULL", json!(null)),
        ("'{\"a\": [1, null]}'::json", json!({ "a": [1, null] })),
        ("'{\"a\": 1.5}'::jsonb", json!({ "a": 1.5 })),
        ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("'2026-11-25'::date", json!("2026-11-25")),
        ("'1066-10-14'::date", json!("1066-10-14")),
        ("'infinity'::date", json!("infinity")),
        ("'12:34:56.5'::time", json!("12:34:56.5")),
        ("'24:00'::time", json!("24:00:00")),
        ("'2026-11-25 01:02:03.000004'::timestamp", json!("2026-11-25T01:02:03.000004")),
        ("'2026-11-25 01:02:03+02'::timestamptz", json!("2026-11-24T23:02:03Z")),
        ("'-infinity'::timestamptz", json!("-infinity")),
        ("'1 year 2 mons 3 days 04:05:06.7'::interval", json!("P1Y2M3DT4H5M6.7S")),
        ("'-00:00:00.5'::interval", json!("PT-0.5S")),
        ("'0'::interval", json!("PT0S")),
        ("'\\x00ff'::bytea", json!("\\x00ff")),
        ("'10.0.0.7'::inet", json!("10.0.0.7")),
        ("'10.0.0.7/24'::inet", json!("10.0.0.7/24")),
        ("'2001:db8::/32'::cidr", json!("2001:db8::/32")),
        ("'glad'::mood", json!("glad")),
        ("7::age", json!(7)),
        ("ARRAY[[1, 2], [3, NULL]]", json!([[1, 2], [3, null]])),
        ("ARRAY[]::text[]", json!([])),
        ("ARRAY['glad']::mood[]", json!(["glad"])),
        ("1::oid", json!(1)),
        ("pg_sleep(0)", json!(null)),
    ] {
        let answer = query(&server, &format!("SELECT {sql} AS v")).await;
        assert_eq!(answer["rows"], json!([[expected]]), "{sql}: {answer}");
    }
    for (sql, kind) in [
        ("point(1, 2)", "point"),
        ("ROW(1, 'a')", "record"),
        ("1::money", "money"),
        ("'(1,2)'::int4range", "int4range"),
    ] {
        let message =
            format!("column `v` has the type `{kind}`, which is not passed on as it is: write `v::text`");
        assert_eq!(query(&server, &format!("SELECT {sql} AS v")).await, message);
        assert!(query(&server, &format!("SELECT ({sql})::text AS v")).await["rows"].is_array(), "{sql}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: cargo xtask test --system"]
async fn parameters_become_what_the_statement_needs() {
    let postgres = Postgres::start();
    let server = start(&config(&postgres, ""));
    for (sql, parameters, expected) in [
        ("SELECT $1::int + $2::int", json!([1, "2"]), json!([[3]])),
        ("SELECT $1::bool", json!([true]), json!([[true]])),
        ("SELECT $1::text", json!([null]), json!([[null]])),
        ("SELECT $1::numeric", json!([0.25]), json!([["0.25"]])),
        ("SELECT $1::timestamptz", json!(["2026-01-01T00:00:00Z"]), json!([["2026-01-01T00:00:00Z"]])),
        ("SELECT id FROM orders WHERE id = ANY($1::int[])", json!(["{1,2}"]), json!([[1], [2]])),
        ("SELECT $1::text", json!(["'; DROP TABLE orders; --"]), json!([["'; DROP TABLE orders; --"]])),
    ] {
        let arguments = json!({ "database": "sales", "sql": sql, "parameters": parameters });
        assert_eq!(told(&server, "db.query", arguments).await["rows"], expected, "{sql}");
    }
    for (sql, parameters, message) in [
        ("SELECT $1::int", json!(["x"]), "invalid input syntax for type integer: \"x\""),
        ("SELECT $1::int", json!([]), "the statement has 1 parameters, and there are 0 values"),
        ("SELECT 1", json!([1]), "the statement has 0 parameters, and there are 1 values"),
        ("SELECT $1::text", json!(["\u{0}"]), "invalid byte sequence for encoding \"UTF8\": 0x00"),
    ] {
        let arguments = json!({ "database": "sales", "sql": sql, "parameters": parameters });
        assert_eq!(told(&server, "db.query", arguments).await, message, "{sql}");
    }
}
