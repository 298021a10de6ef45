//! Semantic versions.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError};

use super::{failed, own};

#[derive(Debug, Clone)]
struct Semver {
    numbers: [u64; 3],
    /// What stands after a dash.
    before: Vec<String>,
}

own!(Semver, "kubernetes.Semver");

impl PartialEq for Semver {
    fn eq(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }
}

impl Semver {
    fn parse(text: &str) -> Option<Self> {
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, before) = text.split_once('-').map_or((text, None), |(numbers, before)| (numbers, Some(before)));
        let number = |part: &str| -> Option<u64> {
            let plain =
                !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().ok() } else { None }
        };
        let numbers: Vec<u64> = numbers.split('.').map(number).collect::<Option<_>>()?;
        let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let plain = |part: &str| !part.chars().all(|c| c.is_ascii_digit()) || part == "0" || !part.starts_with('0');
        let before: Vec<String> = before.map(|b| b.split('.').map(str::to_owned).collect()).unwrap_or_default();
        let fits = before.iter().all(|part| word(part) && plain(part)) && build.is_none_or(|b| b.split('.').all(word));
        Some(Self { numbers: numbers.try_into().ok()?, before }).filter(|_| fits)
    }

    /// What people write: `v1.2`, `01.2.3`.
    fn tolerant(text: &str) -> Option<Self> {
        let mut parts: Vec<String> = text.strip_prefix('v').unwrap_or(text).splitn(3, '.').map(str::to_owned).collect();
        for part in parts.iter_mut().filter(|part| part.len() > 1) {
            let bare = part.trim_start_matches('0').to_owned();
            *part = if bare.starts_with(|c: char| c.is_ascii_digit()) { bare } else { format!("0{bare}") };
        }
        if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return None;
        }
        parts.resize(3, "0".into());
        Self::parse(&parts.join("."))
    }

    fn order(&self, other: &Self) -> Ordering {
        let early = match (self.before.is_empty(), other.before.is_empty()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => {
                let parts =
                    self.before.iter().zip(&other.before).map(|(a, b)| match (a.parse::<u64>(), b.parse::<u64>()) {
                        (Ok(a), Ok(b)) => a.cmp(&b),
                        (Ok(_), Err(_)) => Ordering::Less,
                        (Err(_), Ok(_)) => Ordering::Greater,
                        _ => a.cmp(b),
                    });
                let first = parts.into_iter().find(|order| *order != Ordering::Equal);
                first.unwrap_or_else(|| self.before.len().cmp(&other.before.len()))
            }
        };
        self.numbers.cmp(&other.numbers).then(early)
    }
}

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_overload!(env, fn semver: (CelString) -> Result<Semver>)?;
    cel::add_overload!(env, fn semver_loose: (CelString, CelBool) -> Result<Semver>, name = "semver")?;
    cel::add_overload!(env, fn is_semver: (CelString) -> CelBool)?;
    cel::add_overload!(env, fn is_semver_loose: (CelString, CelBool) -> CelBool, name = "isSemver")?;
    cel::add_member_overload!(env, fn is_greater_than: (Semver, Semver) -> CelBool)?;
    cel::add_member_overload!(env, fn is_less_than: (Semver, Semver) -> CelBool)?;
    cel::add_member_overload!(env, fn compare_to: (Semver, Semver) -> CelInt)?;
    cel::add_member_overload!(env, fn major: (Semver) -> CelInt)?;
    cel::add_member_overload!(env, fn minor: (Semver) -> CelInt)?;
    cel::add_member_overload!(env, fn patch: (Semver) -> CelInt)?;
    Ok(())
}

fn read(text: &str, loose: bool) -> Option<Semver> {
    if loose { Semver::tolerant(text) } else { Semver::parse(text) }
}

fn semver(text: &CelString<'_>) -> Result<Semver, ExecutionError> {
    semver_loose(text, &false.into())
}

fn semver_loose(text: &CelString<'_>, loose: &CelBool) -> Result<Semver, ExecutionError> {
    read(text, *loose.inner()).ok_or_else(|| failed(wrong(text)))
}

/// The first part that is none of a version.
fn wrong(text: &str) -> String {
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    if text.is_empty() {
        return "Version string empty".into();
    }
    if parts.len() < 3 {
        return "No Major.Minor.Patch elements found".into();
    }
    for (part, name) in parts.iter().zip(["Major", "Minor", "Patch"]) {
        let part = part.split(['-', '+']).next().unwrap_or_default();
        if part.is_empty() || !part.chars().all(|c| c.is_ascii_digit()) {
            return format!("Invalid character(s) found in {} number \"{part}\"", name.to_lowercase());
        }
        if part.len() > 1 && part.starts_with('0') {
            return format!("{name} number must not contain leading zeroes \"{part}\"");
        }
    }
    format!("Invalid character(s) found in prerelease \"{text}\"")
}

fn is_semver(text: &CelString<'_>) -> CelBool {
    read(text, false).is_some().into()
}

fn is_semver_loose(text: &CelString<'_>, loose: &CelBool) -> CelBool {
    read(text, *loose.inner()).is_some().into()
}

fn is_greater_than(one: &Semver, other: &Semver) -> CelBool {
    (one.order(other) == Ordering::Greater).into()
}

fn is_less_than(one: &Semver, other: &Semver) -> CelBool {
    (one.order(other) == Ordering::Less).into()
}

fn compare_to(one: &Semver, other: &Semver) -> CelInt {
    (one.order(other) as i64).into()
}

fn number(one: &Semver, at: usize) -> CelInt {
    i64::try_from(one.numbers[at]).unwrap_or(i64::MAX).into()
}

fn major(one: &Semver) -> CelInt {
    number(one, 0)
}

fn minor(one: &Semver) -> CelInt {
    number(one, 1)
}

fn patch(one: &Semver) -> CelInt {
    number(one, 2)
}
