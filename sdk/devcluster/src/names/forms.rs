//! Forms of text beside names and labels: ports, variables, keys, addresses, domains. Each function says what is wrong with a text.

use std::net::{IpAddr, Ipv4Addr};

const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
     'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const RANGE: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const UNDERSCORE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end \
     with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case \
     alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is \
     '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const OLD_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and \
     end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
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

/// A range of addresses: its address and the length of its prefix.
pub(crate) fn parse_range(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits) = (loose_address(address)?, bits.parse::<u32>().ok()?);
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

/// The bits of an address, and which of them stand behind a prefix.
pub(crate) fn bits(address: IpAddr, prefix: u32) -> (u128, u128) {
    let (value, width) = match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let behind = width - prefix;
    (value, if behind >= 128 { u128::MAX } else { (1 << behind) - 1 })
}

/// A range of addresses such as 10.0.0.0/8.
pub(crate) fn range(text: &str) -> Vec<String> {
    let Some((address, prefix)) = parse_range(text) else { return vec![RANGE.into()] };
    let strict = text.split_once('/').is_some_and(|(a, bits)| {
        a.parse::<IpAddr>().is_ok() && (bits == "0" || !bits.starts_with('0')) && !bits.starts_with('+')
    });
    let (value, behind) = bits(address, prefix);
    match address {
        _ if !strict => vec!["must not have leading 0s in IP or prefix length".into()],
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => vec!["must not have an IPv4-mapped IPv6 address".into()],
        _ if value & behind != 0 => vec!["must not have bits set beyond the prefix length".into()],
        _ => Vec::new(),
    }
}

/// An address to which traffic may be sent.
pub(crate) fn endpoint_address(text: &str) -> Vec<String> {
    let Some(address) = loose_address(text) else { return vec!["must be a valid IP address".into()] };
    let mut wrong = unless(!address.is_unspecified(), &format!("may not be unspecified ({text})"));
    wrong.extend(unless(!address.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)"));
    let (local, multicast) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.segments()[0] & 0xff0f == 0xff02),
    };
    wrong.extend(unless(!local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
    wrong.extend(unless(!multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"));
    wrong
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

/// A subdomain that begins with `*.`.
pub(crate) fn wildcard(text: &str) -> Vec<String> {
    let mut wrong = unless(text.len() <= 253, "must be no more than 253 characters");
    let fits = text.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(super::is_label));
    wrong.extend(unless(fits, WILDCARD));
    wrong
}

/// A label of the older form, which does not begin with a number.
pub(crate) fn old_label(text: &str) -> Vec<String> {
    let mut wrong = unless(text.len() <= 63, "must be no more than 63 characters");
    let letter = text.starts_with(|c: char| c.is_ascii_lowercase());
    wrong.extend(unless(letter && super::is_label(text), OLD_LABEL));
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
        assert!(range("10.0.0.0/8").is_empty() && range("::/0").is_empty());
        assert_eq!(range("10.0.0.1/8"), ["must not have bits set beyond the prefix length"]);
        assert_eq!(range("10.0.0.0/08"), ["must not have leading 0s in IP or prefix length"]);
        assert!(variable("a b").is_empty() && !variable("a=b").is_empty());
        assert!(underscored("_sip._tcp.example.com").is_empty() && wildcard("*.a.b").is_empty());
    }
}
