//! CronJobs: their schedules and time zones.

use serde_json::json;

use super::{Place, Report, job, text};

/// The fields of a schedule: the least and the most of each, and the names that stand for numbers from the least on.
const FIELDS: [(u64, u64, &[&str]); 5] = [
    (0, 59, &[]),
    (0, 23, &[]),
    (1, 31, &[]),
    (1, 12, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]),
    (0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
];

/// Checks a CronJob's specification.
pub(super) fn check(spec: &Place<'_>, report: &mut Report) {
    let schedule = spec.of("schedule");
    if report.need(&schedule) {
        let said = text(schedule.value);
        if let Err(why) = parse(said) {
            report.wrong(&schedule, &why);
        }
        if said.contains("TZ") {
            report.wrong(&schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        }
    }
    report.wholes(spec, &["startingDeadlineSeconds"]);
    if spec.has("timeZone") {
        zone(&spec.of("timeZone"), report);
    }
    report.need_word(&spec.of("concurrencyPolicy"), &["Allow", "Forbid", "Replace"]);
    let inner = spec.of("jobTemplate").of("spec");
    job::template(&inner, report);
    if inner.has("selector") {
        report.wrong_struct(&inner.of("selector"), "v1.LabelSelector", "`selector` will be auto-generated");
    }
    if inner.value["manualSelector"] == true {
        report.unsupported(&inner.at("manualSelector"), "true", &["nil", "false"]);
    }
    report.wholes(spec, &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"]);
}

fn zone(zone: &Place<'_>, report: &mut Report) {
    let said = text(zone.value);
    if said.is_empty() {
        return report.invalid(&zone.path, &json!(""), "timeZone must be nil or non-empty string");
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    let odd = |part: &str| {
        matches!(part, "." | ".." | "") || part.starts_with('-') || part.len() > 14 || !part.chars().all(letter)
    };
    let unknown = format!("unknown time zone {said}");
    if said.split('/').any(odd) {
        return report.wrong(zone, &unknown);
    }
    if said.eq_ignore_ascii_case("local") {
        let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        report.wrong(zone, why);
    }
    let known = matches!(said, "UTC" | "Local")
        || jiff::tz::TimeZone::get(said).is_ok_and(|found| found.iana_name() == Some(said));
    if !known {
        report.wrong(zone, &unknown);
    }
}

/// What is wrong with a schedule, in the words of the library that Kubernetes reads it with.
fn parse(said: &str) -> Result<(), String> {
    let rest = match said.strip_prefix("CRON_TZ=").or_else(|| said.strip_prefix("TZ=")) {
        Some(rest) => {
            let (zone, rest) = rest
                .split_once(' ')
                .ok_or_else(|| "invalid schedule format: runtime error: slice bounds out of range [:-1]".to_owned())?;
            if !matches!(zone, "UTC" | "Local" | "") && jiff::tz::TimeZone::get(zone).is_err() {
                return Err(format!("provided bad location {zone}: unknown time zone {zone}"));
            }
            rest.trim()
        }
        None => said,
    };
    if rest.starts_with('@') {
        let known = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
        return match rest.strip_prefix("@every ") {
            Some(span) if is_duration(span) => Ok(()),
            Some(span) => Err(format!("failed to parse duration {rest}: time: invalid duration {span:?}")),
            None if known.contains(&rest) => Ok(()),
            None => Err(format!("unrecognized descriptor: {rest}")),
        };
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    if words.len() != FIELDS.len() {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", words.len(), words.join(" ")));
    }
    for (word, bounds) in words.iter().zip(FIELDS) {
        word.split(',').filter(|part| !part.is_empty()).try_for_each(|part| range(part, bounds))?;
    }
    Ok(())
}

/// A Go duration such as `1h30m`.
fn is_duration(said: &str) -> bool {
    let mut rest = said.strip_prefix(['-', '+']).unwrap_or(said);
    if rest == "0" {
        return true;
    }
    while !rest.is_empty() {
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let unit = ["ns", "us", "µs", "ms", "h", "m", "s"].into_iter().find(|unit| digits.starts_with(unit));
        match unit {
            Some(unit) if digits.len() < rest.len() => rest = &digits[unit.len()..],
            _ => return false,
        }
    }
    !said.is_empty()
}

fn range(part: &str, (least, most, names): (u64, u64, &[&str])) -> Result<(), String> {
    let number = |said: &str| {
        let named = names.iter().zip(least..).find(|(name, _)| said.eq_ignore_ascii_case(name));
        named.map_or_else(|| integer(said), |(_, number)| Ok(number))
    };
    let pieces: Vec<&str> = part.split('/').collect();
    let ends: Vec<&str> = pieces[0].split('-').collect();
    let (start, mut end) = match ends.as_slice() {
        ["*" | "?", ..] => (least, most),
        [one] => (number(one)?, number(one)?),
        [from, to] => (number(from)?, number(to)?),
        _ => return Err(format!("too many hyphens: {part}")),
    };
    let step = match pieces.as_slice() {
        [_] => 1,
        [_, step] => integer(step)?,
        _ => return Err(format!("too many slashes: {part}")),
    };
    if pieces.len() == 2 && ends.len() == 1 {
        end = most;
    }
    if start < least {
        return Err(format!("beginning of range ({start}) below minimum ({least}): {part}"));
    }
    if end > most {
        return Err(format!("end of range ({end}) above maximum ({most}): {part}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    Ok(())
}

fn integer(said: &str) -> Result<u64, String> {
    match said.parse::<i64>() {
        Err(_) => Err(format!("failed to parse int from {said}: strconv.Atoi: parsing {said:?}: invalid syntax")),
        Ok(number) if number < 0 => Err(format!("negative number ({number}) not allowed: {said}")),
        Ok(number) => Ok(number.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read_as_cron_reads_them() {
        for fine in ["* * * * *", "*/5 1-3 ? jan,dec mon-fri", "@hourly", "@every 1h30m", "0 0 1 1 0", "1/2 * * * *"] {
            assert_eq!(parse(fine), Ok(()), "{fine}");
        }
        let wrong = [
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
            ("@often", "unrecognized descriptor: @often"),
        ];
        for (said, why) in wrong {
            assert_eq!(parse(said).unwrap_err(), why);
        }
    }
}
