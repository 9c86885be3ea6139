//! Which day or month it is, where the operator says that it is.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::Period;

/// One day or month, in which a limit counts.
///
/// What was spent is kept under its label for good, so a clock that is put back
/// comes to a day whose money is gone already, and nothing has to happen at
/// midnight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// `2026-11-25` or `2026-11`: where its owner's charges are kept.
    pub label: String,
    /// When the next one begins. `None` only at the end of the calendar.
    pub resets_at: Option<Timestamp>,
}

impl Window {
    /// The one in which `now` is.
    #[must_use]
    pub fn at(now: Timestamp, period: Period, time_zone: &TimeZone) -> Self {
        let today = now.to_zoned(time_zone.clone()).date();
        let (label, next) = match period {
            Period::Day => (today.to_string(), today.tomorrow()),
            Period::Month => (
                format!("{:04}-{:02}", today.year(), today.month()),
                today.first_of_month().checked_add(1.month()),
            ),
        };
        Self { label, resets_at: next.ok().and_then(|next| beginning(next, time_zone)) }
    }

    /// How long until the next one begins.
    #[must_use]
    pub fn resets_in_ms(&self, now: Timestamp) -> Option<u64> {
        let left = self.resets_at?.duration_since(now);
        Some(u64::try_from(left.as_millis()).unwrap_or(0))
    }
}

/// A day begins at midnight, or where the clocks skip that, with the first time
/// that there is.
fn beginning(day: Date, time_zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(time_zone.clone()).ok().map(|begin| begin.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(now: &str, period: Period, zone_name: &str) -> (String, String) {
        let window = Window::at(at(now), period, &zone(zone_name));
        (window.label, window.resets_at.unwrap().to_string())
    }

    fn says(now: &str, period: Period, zone_name: &str, label: &str, resets_at: &str) {
        let expected = (label.to_owned(), resets_at.to_owned());
        assert_eq!(window(now, period, zone_name), expected, "{now} {zone_name}");
    }

    #[test]
    fn a_budget_resets_at_local_midnight_and_not_late_by_the_offset_of_its_zone() {
        use Period::{Day, Month};
        for (now, period, zone, label, resets_at) in [
            ("2026-11-25T12:00:00Z", Day, "UTC", "2026-11-25", "2026-11-26T00:00:00Z"),
            ("2026-11-25T22:59:59Z", Day, "Europe/Warsaw", "2026-11-25", "2026-11-25T23:00:00Z"),
            ("2026-11-25T23:00:00Z", Day, "Europe/Warsaw", "2026-11-26", "2026-11-26T23:00:00Z"),
            ("2026-11-25T07:59:59Z", Day, "America/Los_Angeles", "2026-11-24", "2026-11-25T08:00:00Z"),
            ("2026-11-25T12:00:00Z", Day, "Pacific/Kiritimati", "2026-11-26", "2026-11-26T10:00:00Z"),
            ("2026-11-25T12:00:00Z", Day, "Asia/Kathmandu", "2026-11-25", "2026-11-25T18:15:00Z"),
            ("2026-11-30T23:30:00Z", Month, "Europe/Warsaw", "2026-12", "2026-12-31T23:00:00Z"),
            ("2026-12-31T22:59:59Z", Month, "Europe/Warsaw", "2026-12", "2026-12-31T23:00:00Z"),
            ("2028-01-31T12:00:00Z", Month, "UTC", "2028-01", "2028-02-01T00:00:00Z"),
        ] {
            says(now, period, zone, label, resets_at);
        }
    }

    /// Not at the time of day at which the server or the first request came.
    #[test]
    fn the_time_of_day_of_the_first_request_does_not_move_the_reset() {
        for now in ["2026-11-25T00:00:00Z", "2026-11-25T15:43:00Z", "2026-11-25T23:59:59.999Z"] {
            says(now, Period::Day, "UTC", "2026-11-25", "2026-11-26T00:00:00Z");
        }
    }

    #[test]
    fn a_day_of_daylight_saving_has_23_or_25_hours() {
        for (midnight, zone, label, hours) in [
            ("2026-03-28T23:00:00Z", "Europe/Warsaw", "2026-03-29", 23),
            ("2026-10-24T22:00:00Z", "Europe/Warsaw", "2026-10-25", 25),
            ("2026-03-08T05:00:00Z", "America/New_York", "2026-03-08", 23),
            ("2026-11-01T04:00:00Z", "America/New_York", "2026-11-01", 25),
            ("2026-10-03T13:30:00Z", "Australia/Lord_Howe", "2026-10-04", 23),
        ] {
            let (begin, zone) = (at(midnight), self::zone(zone));
            let window = Window::at(begin, Period::Day, &zone);
            let length = window.resets_at.unwrap().duration_since(begin);
            assert_eq!((window.label.as_str(), length.as_hours()), (label, hours), "{midnight}");
            // Every moment of it is in it, also the hour that comes twice.
            for quarter in 0..length.as_mins() / 15 {
                let now = begin + jiff::SignedDuration::from_mins(15 * quarter);
                assert_eq!(Window::at(now, Period::Day, &zone), window, "{now}");
            }
        }
    }

    #[test]
    fn where_the_clocks_skip_midnight_the_day_begins_an_hour_later() {
        says("2024-04-25T12:00:00Z", Period::Day, "Africa/Cairo", "2024-04-25", "2024-04-25T22:00:00Z");
        let (label, _) = window("2024-04-25T22:00:00Z", Period::Day, "Africa/Cairo");
        assert_eq!(label, "2024-04-26");
    }

    #[test]
    fn a_clock_that_is_put_back_comes_to_the_label_that_it_was_under() {
        let day = |now: &str| window(now, Period::Day, "UTC").0;
        assert_eq!(day("2026-11-25T23:59:59Z"), day("2026-11-25T00:00:00Z"));
        let labels = ["2026-11-25T23:59:59Z", "2026-11-26T00:00:01Z", "2026-11-25T23:59:58Z"].map(day);
        assert_eq!(labels, ["2026-11-25", "2026-11-26", "2026-11-25"]);
    }

    #[test]
    fn the_wait_for_a_reset_is_in_whole_milliseconds_and_never_negative() {
        let window = Window::at(at("2026-11-25T23:59:59Z"), Period::Day, &TimeZone::UTC);
        assert_eq!(window.resets_in_ms(at("2026-11-25T23:59:58.5Z")), Some(1500));
        assert_eq!(window.resets_in_ms(at("2026-11-26T00:00:01Z")), Some(0));
    }
}
