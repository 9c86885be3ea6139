//! PostgreSQL's binary format. Numbers are big-endian, times count from 2000.

use jiff::{SignedDuration, Timestamp, civil};
use serde_json::Value;
use tokio_postgres::types::{Kind, Type};

use crate::database::answer::{hexadecimal, real};

/// Bytes that are no value of their type, or one that JSON and we have no words for.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be passed on")]
pub(super) struct Unreadable;

type Read<T> = Result<T, Unreadable>;

const INFINITY: [&str; 2] = ["infinity", "-infinity"];

/// A value as JSON.
pub(super) fn json(kind: &Type, raw: &[u8]) -> Read<Value> {
    match kind.kind() {
        Kind::Domain(inner) => json(inner, raw),
        Kind::Array(inner) => array(inner, raw),
        Kind::Enum(_) => text(raw),
        _ => simple(kind, raw),
    }
}

fn simple(kind: &Type, raw: &[u8]) -> Read<Value> {
    let mut bytes = Bytes(raw);
    Ok(match *kind {
        Type::BOOL => (bytes.take::<1>()? != [0]).into(),
        Type::INT2 => bytes.i16()?.into(),
        Type::INT4 => bytes.i32()?.into(),
        Type::INT8 => bytes.i64()?.into(),
        Type::OID => u32::from_be_bytes(bytes.take()?).into(),
        Type::FLOAT4 => shortest(f32::from_be_bytes(bytes.take()?)),
        Type::FLOAT8 => real(f64::from_be_bytes(bytes.take()?)),
        Type::NUMERIC => numeric(&mut bytes)?.into(),
        Type::CHAR => char::from(u8::from_be_bytes(bytes.take()?)).to_string().into(),
        Type::JSON => document(raw)?,
        Type::JSONB => document(raw.strip_prefix(&[1]).ok_or(Unreadable)?)?,
        Type::UUID => uuid(bytes.take()?).into(),
        Type::DATE => date(bytes.i32()?)?,
        Type::TIME => time(bytes.i64()?)?,
        Type::TIMESTAMP => timestamp(bytes.i64()?, |time| Some(civil_time(time)?.to_string()))?,
        Type::TIMESTAMPTZ => timestamp(bytes.i64()?, |time| Some(time.to_string()))?,
        Type::INTERVAL => interval(&mut bytes)?.into(),
        Type::BYTEA => hexadecimal(raw),
        Type::INET | Type::CIDR => network(&mut bytes)?.into(),
        Type::VOID => Value::Null,
        _ => text(raw)?,
    })
}

fn text(raw: &[u8]) -> Read<Value> {
    std::str::from_utf8(raw).map(Value::from).map_err(|_| Unreadable)
}

/// JSON inside of JSON; what is nested too deep stays text.
fn document(raw: &[u8]) -> Read<Value> {
    serde_json::from_slice(raw).or_else(|_| text(raw))
}

/// Single precision, with the digits that it has.
fn shortest(number: f32) -> Value {
    number.to_string().parse().map_or_else(|_| number.to_string().into(), real)
}

/// Digits to the base of 10,000.
fn numeric(bytes: &mut Bytes<'_>) -> Read<String> {
    let (count, weight) = (bytes.u16()?, i32::from(bytes.i16()?));
    let sign = match bytes.u16()? {
        0 => "",
        0x4000 => "-",
        0xD000 => return Ok("Infinity".to_owned()),
        0xF000 => return Ok("-Infinity".to_owned()),
        _ => return Ok("NaN".to_owned()),
    };
    let scale = usize::from(bytes.u16()?);
    let digits: Vec<u16> = (0..count).map(|_| bytes.u16()).collect::<Read<_>>()?;
    let digit = |place: i32| usize::try_from(weight - place).ok().and_then(|at| digits.get(at)).unwrap_or(&0);
    let mut text = digit(weight.max(0)).to_string();
    for place in (0..weight.max(0)).rev() {
        text.push_str(&format!("{:04}", digit(place)));
    }
    let fraction: String = (1..=scale.div_ceil(4))
        .map(|place| {
            let place = i32::try_from(place).unwrap_or(i32::MAX);
            format!("{:04}", digit(-place))
        })
        .collect();
    let dot = if scale > 0 { "." } else { "" };
    Ok(format!("{sign}{text}{dot}{}", fraction.get(..scale).unwrap_or_default()))
}

fn date(days: i32) -> Read<Value> {
    let [infinity, before] = INFINITY;
    match days {
        i32::MAX => Ok(infinity.into()),
        i32::MIN => Ok(before.into()),
        days => {
            let since = SignedDuration::from_hours(i64::from(days) * 24);
            let date = civil::date(2000, 1, 1).checked_add(since).map_err(|_| Unreadable)?;
            Ok(date.to_string().into())
        }
    }
}

fn time(micros: i64) -> Read<Value> {
    // A day has an end, too.
    if micros == 86_400_000_000 {
        return Ok("24:00:00".into());
    }
    let since = SignedDuration::from_micros(micros);
    Ok(civil::Time::midnight().checked_add(since).map_err(|_| Unreadable)?.to_string().into())
}

fn timestamp(micros: i64, say: impl Fn(Timestamp) -> Option<String>) -> Read<Value> {
    const EPOCH: i64 = 946_684_800_000_000;
    let [infinity, before] = INFINITY;
    match micros {
        i64::MAX => Ok(infinity.into()),
        i64::MIN => Ok(before.into()),
        micros => {
            let since = micros.checked_add(EPOCH).ok_or(Unreadable)?;
            let time = Timestamp::from_microsecond(since).map_err(|_| Unreadable)?;
            say(time).map(Value::from).ok_or(Unreadable)
        }
    }
}

/// The same clock without a zone.
fn civil_time(time: Timestamp) -> Option<civil::DateTime> {
    civil::date(1970, 1, 1).at(0, 0, 0, 0).checked_add(time.as_duration()).ok()
}

/// As ISO 8601 writes it, each part with a sign of its own.
fn interval(bytes: &mut Bytes<'_>) -> Read<String> {
    let (micros, days, months) = (bytes.i64()?, bytes.i32()?, bytes.i32()?);
    let part = |count: i64, unit: &str| if count == 0 { String::new() } else { format!("{count}{unit}") };
    let (years, months) = (i64::from(months / 12), i64::from(months % 12));
    let (seconds, rest) = (micros / 1_000_000, (micros % 1_000_000).unsigned_abs());
    let sign = if micros < 0 && seconds % 60 == 0 { "-" } else { "" };
    let last = match rest {
        0 => part(seconds % 60, "S"),
        rest => format!("{sign}{}.{}S", seconds % 60, format!("{rest:06}").trim_end_matches('0')),
    };
    let date = part(years, "Y") + &part(months, "M") + &part(days.into(), "D");
    let time = part(seconds / 3600, "H") + &part(seconds / 60 % 60, "M") + &last;
    Ok(match (date.is_empty(), time.is_empty()) {
        (true, true) => "PT0S".to_owned(),
        (_, true) => format!("P{date}"),
        _ => format!("P{date}T{time}"),
    })
}

fn network(bytes: &mut Bytes<'_>) -> Read<String> {
    let [_, bits, is_cidr, length] = bytes.take::<4>()?;
    let address: std::net::IpAddr = match length {
        4 => bytes.take::<4>()?.into(),
        16 => bytes.take::<16>()?.into(),
        _ => return Err(Unreadable),
    };
    let is_one = is_cidr == 0 && bits == length * 8;
    Ok(if is_one { address.to_string() } else { format!("{address}/{bits}") })
}

/// Elements in a list, or in lists of lists.
fn array(inner: &Type, raw: &[u8]) -> Read<Value> {
    let mut bytes = Bytes(raw);
    let (dimensions, _, _) = (bytes.i32()?, bytes.i32()?, bytes.i32()?);
    let mut sizes = Vec::new();
    for _ in 0..dimensions {
        let (size, _) = (bytes.i32()?, bytes.i32()?);
        sizes.push(usize::try_from(size).map_err(|_| Unreadable)?);
    }
    if sizes.is_empty() { Ok(Value::Array(Vec::new())) } else { elements(inner, &sizes, &mut bytes) }
}

fn elements(inner: &Type, sizes: &[usize], bytes: &mut Bytes<'_>) -> Read<Value> {
    let Some((size, rest)) = sizes.split_first() else {
        return match usize::try_from(bytes.i32()?) {
            Ok(length) => json(inner, bytes.slice(length)?),
            Err(_) => Ok(Value::Null),
        };
    };
    (0..*size).map(|_| elements(inner, rest, bytes)).collect::<Read<Vec<_>>>().map(Value::Array)
}

/// What is left to be read.
struct Bytes<'r>(&'r [u8]);

impl<'r> Bytes<'r> {
    fn slice(&mut self, length: usize) -> Read<&'r [u8]> {
        let (read, rest) = self.0.split_at_checked(length).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(read)
    }

    fn take<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.slice(N)?.try_into().map_err(|_| Unreadable)
    }

    fn u16(&mut self) -> Read<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn i16(&mut self) -> Read<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Read<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Read<i64> {
        self.take().map(i64::from_be_bytes)
    }
}

/// Five groups of digits.
fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
