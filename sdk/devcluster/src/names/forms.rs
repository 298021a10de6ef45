//! Forms of text beside names and labels: ports, variables, keys, addresses, domains. Each function says what is wrong with a text.

use std::net::{IpAddr, Ipv4Addr};

const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
     'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const UNDERSCORE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end \
     with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is \
     '[-A-Za-z0-9]+')";
const VARIABLE: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

fn unless(fits: bool, why: &str) -> Vec<String> {
    if fits { Vec::new() } else { vec![why.into()] }
}

/// The name of a port.
pub(crate) fn port(text: &str) -> Vec<String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let mut wrong = unless(text.len() <= 15, "must be no more than 15 characters");
    let letters = !text.is_empty() && text.chars().all(inner);
    wrong.extend(unless(letters, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"));
    let letter = text.contains(|c: char| c.is_ascii_lowercase());
    wrong.extend(unless(letter, "must contain at least one letter (a-z)"));
    wrong.extend(unless(!text.contains("--"), "must not contain consecutive hyphens"));
    wrong.extend(unless(!text.starts_with('-') && !text.ends_with('-'), "must not begin or end with a hyphen"));
    wrong
}

/// The name of an environment variable.
pub(crate) fn variable(text: &str) -> Vec<String> {
    unless(text.chars().all(|c| (' '..='~').contains(&c) && c != '='), VARIABLE)
}

/// A key of a ConfigMap or a Secret.
pub(crate) fn config_key(text: &str) -> Vec<String> {
    let mut wrong = unless(text.len() <= 253, "must be no more than 253 characters");
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    wrong.extend(unless(fits, CONFIG_KEY));
    match text {
        "." => wrong.push("must not be '.'".into()),
        ".." => wrong.push("must not be '..'".into()),
        text if text.starts_with("..") => wrong.push("must not start with '..'".into()),
        _ => {}
    }
    wrong
}

/// An IP address as Go once read it: zeros may lead its numbers.
pub(crate) fn loose_address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| {
        let parts: Vec<u8> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        <[u8; 4]>::try_from(parts).ok().map(|parts| IpAddr::V4(Ipv4Addr::from(parts)))
    })
}

/// An IP address.
pub(crate) fn address(text: &str) -> Vec<String> {
    match (loose_address(text), text.parse::<IpAddr>()) {
        (None, _) => vec![ADDRESS.into()],
        (_, Err(_)) => vec!["must not have leading 0s".into()],
        (_, Ok(IpAddr::V6(v6))) if v6.to_ipv4_mapped().is_some() => {
            vec!["must not be an IPv4-mapped IPv6 address".into()]
        }
        _ => Vec::new(),
    }
}

/// A subdomain whose labels may contain underscores.
pub(crate) fn underscored(text: &str) -> Vec<String> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let part = |part: &str| {
        let part = part.strip_prefix('_').unwrap_or(part);
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        edge(part.chars().next()) && edge(part.chars().last()) && part.chars().all(inner)
    };
    let mut wrong = unless(text.len() <= 253, "must be no more than 253 characters");
    wrong.extend(unless(text.split('.').all(part), UNDERSCORE));
    wrong
}

/// The name of an HTTP header.
pub(crate) fn header(text: &str) -> Vec<String> {
    unless(!text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        assert!(
            port("http").is_empty() && port("80").len() == 1 && port("Not_Ok").len() == 1 && port("-a--").len() == 2
        );
        assert!(address("10.0.0.1").is_empty() && address("::1").is_empty());
        assert_eq!(address("010.0.0.1"), ["must not have leading 0s"]);
        assert_eq!(address("::ffff:1.2.3.4"), ["must not be an IPv4-mapped IPv6 address"]);
        assert!(variable("a b").is_empty() && !variable("a=b").is_empty());
        assert!(underscored("_sip._tcp.example.com").is_empty());
    }
}
