//! Addresses, ranges of addresses and URLs.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env, ExecutionError};

use super::{failed, own};

#[derive(Debug, Clone, PartialEq)]
struct Ip(IpAddr);

#[derive(Debug, Clone, PartialEq)]
struct Cidr(IpAddr, u8);

#[derive(Debug, Clone, PartialEq)]
struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

own!(Ip, "net.IP");
own!(Cidr, "net.CIDR");
own!(Url, "kubernetes.URL");

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_overload!(env, fn ip: (CelString) -> Result<Ip>)?;
    cel::add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    cel::add_overload!(env, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    cel::add_overload!(env, fn ip_text: (Ip) -> CelString, name = "string")?;
    cel::add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    cel::add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)?;
    cel::add_overload!(env, fn cidr: (CelString) -> Result<Cidr>)?;
    cel::add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    cel::add_overload!(env, fn cidr_text: (Cidr) -> CelString, name = "string")?;
    cel::add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    cel::add_member_overload!(env, fn contains_ip_text: (Cidr, CelString) -> Result<CelBool>, name = "containsIP")?;
    cel::add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    cel::add_member_overload!(env, fn contains_cidr_text: (Cidr, CelString) -> Result<CelBool>, name = "containsCIDR")?;
    cel::add_member_overload!(env, fn ip_of: (Cidr) -> Ip, name = "ip")?;
    cel::add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)?;
    cel::add_member_overload!(env, fn masked: (Cidr) -> Cidr)?;
    cel::add_overload!(env, fn url: (CelString) -> Result<Url>)?;
    cel::add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    cel::add_member_overload!(env, fn get_scheme: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_host: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_hostname: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_port: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_escaped_path: (Url) -> CelString)?;
    cel::add_member_overload!(env, fn get_query: (Url) -> CelMap)?;
    Ok(())
}

fn address(text: &str) -> Result<IpAddr, String> {
    if let Some((bare, _)) = text.split_once('%')
        && bare.parse::<Ipv6Addr>().is_ok()
    {
        return Err(format!("IP address \"{text}\" with zone value is not allowed"));
    }
    let found: IpAddr = text.parse().map_err(|_| {
        let why = unparsed(text);
        format!("IP Address \"{text}\" parse error during conversion from string: ParseAddr(\"{text}\"): {why}")
    })?;
    match found {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => {
            Err(format!("IPv4-mapped IPv6 address \"{text}\" is not allowed"))
        }
        other => Ok(other),
    }
}

/// Why a text is no address, in the words of Go.
fn unparsed(text: &str) -> String {
    if text.find('.').is_none_or(|dot| text.find(':').is_some_and(|colon| colon < dot)) {
        let odd = text.find(|c: char| !c.is_ascii_hexdigit() && c != ':' && c != '.');
        return match odd {
            _ if !text.contains(':') => "unable to parse IP".into(),
            Some(at) if !text[..at].ends_with(':') => {
                format!("unexpected character, want colon (at {:?})", &text[at..])
            }
            Some(at) => format!("each colon-separated field must have at least one digit (at {:?})", &text[at..]),
            None => "each colon-separated field must have at least one digit".into(),
        };
    }
    let mut fields = 1;
    let (mut value, mut digits) = (0u32, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '0'..='9' if digits == 1 && value == 0 => return "IPv4 field has octet with leading zero".into(),
            '0'..='9' => {
                value = value.saturating_mul(10).saturating_add(letter.to_digit(10).unwrap_or(0));
                digits += 1;
                if value > 255 {
                    return "IPv4 field has value >255".into();
                }
            }
            '.' if digits == 0 || at + 1 == text.len() => {
                return format!("IPv4 field must have at least one digit (at {:?})", &text[at..]);
            }
            '.' if fields == 4 => return "IPv4 address too long".into(),
            '.' => (fields, value, digits) = (fields + 1, 0, 0),
            _ => return format!("unexpected character (at {:?})", &text[at..]),
        }
    }
    "IPv4 address too short".into()
}

fn range(text: &str) -> Result<Cidr, String> {
    let wrong = |why: &str| {
        let what = "network address parse error during conversion from string: ";
        format!("{what}{what}netip.ParsePrefix(\"{text}\"): {why}")
    };
    let (bare, length) = text.rsplit_once('/').ok_or_else(|| wrong("no '/'"))?;
    let found: IpAddr = bare.parse().map_err(|_| wrong(&format!("ParseAddr(\"{bare}\"): unable to parse IP")))?;
    let most = if found.is_ipv4() { 32 } else { 128 };
    let plain = length == "0" || !length.starts_with('0') && length.chars().all(|c| c.is_ascii_digit());
    let bits = length
        .parse::<u8>()
        .ok()
        .filter(|_| plain)
        .ok_or_else(|| wrong(&format!("bad bits after slash: \"{length}\"")))?;
    if bits > most {
        return Err(wrong("prefix length out of range"));
    }
    match found {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => Err(format!(
            "network address parse error during conversion from string: IPv4-mapped IPv6 address \"{text}\" is not allowed"
        )),
        other => Ok(Cidr(other, bits)),
    }
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(four) => (u128::from(u32::from(four)), 32),
        IpAddr::V6(six) => (u128::from(six), 128),
    }
}

fn head(address: IpAddr, length: u8) -> (u128, u32) {
    let (number, size) = bits(address);
    let drop = size - u32::from(length);
    (number.checked_shr(drop).unwrap_or(0), size)
}

fn ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    address(text).map(Ip).map_err(failed)
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    address(text).is_ok().into()
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    address(text).map(|found| (found.to_string() == text.inner()).into()).map_err(failed)
}

fn ip_text(one: &Ip) -> CelString<'static> {
    one.0.to_string().into()
}

fn family(one: &Ip) -> CelInt {
    i64::from(if one.0.is_ipv4() { 4 } else { 6 }).into()
}

fn is_unspecified(one: &Ip) -> CelBool {
    one.0.is_unspecified().into()
}

fn is_loopback(one: &Ip) -> CelBool {
    one.0.is_loopback().into()
}

fn is_link_local_multicast(one: &Ip) -> CelBool {
    match one.0 {
        IpAddr::V4(four) => four.octets()[..3] == [224, 0, 0],
        IpAddr::V6(six) => six.segments()[0] & 0xff0f == 0xff02,
    }
    .into()
}

fn link_local(one: IpAddr) -> bool {
    match one {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

fn is_link_local_unicast(one: &Ip) -> CelBool {
    link_local(one.0).into()
}

fn is_global_unicast(one: &Ip) -> CelBool {
    let broadcast = matches!(one.0, IpAddr::V4(four) if four.is_broadcast());
    (!one.0.is_unspecified() && !broadcast && !one.0.is_loopback() && !one.0.is_multicast() && !link_local(one.0))
        .into()
}

fn cidr(text: &CelString<'_>) -> Result<Cidr, ExecutionError> {
    range(text).map_err(failed)
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    range(text).is_ok().into()
}

fn cidr_text(one: &Cidr) -> CelString<'static> {
    format!("{}/{}", one.0, one.1).into()
}

fn contains_ip(one: &Cidr, other: &Ip) -> CelBool {
    (one.0.is_ipv4() == other.0.is_ipv4() && head(one.0, one.1) == head(other.0, one.1)).into()
}

fn contains_ip_text(one: &Cidr, other: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_ip(one, &ip(other)?))
}

fn contains_cidr(one: &Cidr, other: &Cidr) -> CelBool {
    (one.1 <= other.1 && *contains_ip(one, &Ip(other.0)).inner()).into()
}

fn contains_cidr_text(one: &Cidr, other: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_cidr(one, &cidr(other)?))
}

fn ip_of(one: &Cidr) -> Ip {
    Ip(one.0)
}

fn prefix_length(one: &Cidr) -> CelInt {
    i64::from(one.1).into()
}

fn masked(one: &Cidr) -> Cidr {
    let (number, size) = head(one.0, one.1);
    let number = number.checked_shl(size - u32::from(one.1)).unwrap_or(0);
    let address = match one.0 {
        IpAddr::V4(_) => IpAddr::V4((number as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(number.into()),
    };
    Cidr(address, one.1)
}

fn read(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("URL parse error during conversion from string: parse \"{text}\": {why}");
    if text.is_empty() {
        return Err(wrong("empty url"));
    }
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err(wrong("net/url: invalid control character in URL"));
    }
    let bare = text.split('#').next().unwrap_or_default();
    let (scheme, rest) = match bare.split_once(':') {
        Some((scheme, rest)) if !scheme.contains('/') => {
            let fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            if scheme.is_empty() {
                return Err(wrong("missing protocol scheme"));
            }
            if !fits {
                return Err(wrong("first path segment in URL cannot contain colon"));
            }
            (scheme.to_lowercase(), rest)
        }
        _ => (String::new(), bare),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !rest.starts_with('/') && scheme.is_empty() {
        return Err(wrong("invalid URI for request"));
    }
    let (host, path) = match rest.strip_prefix("//") {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None => ("", if rest.starts_with('/') { rest } else { "" }),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    if host.contains(' ') {
        return Err(wrong("invalid character \" \" in host name"));
    }
    Ok(Url { scheme, host: host.into(), path: path.replace(' ', "%20"), query: query.into() })
}

fn url(text: &CelString<'_>) -> Result<Url, ExecutionError> {
    read(text).map_err(failed)
}

fn is_url(text: &CelString<'_>) -> CelBool {
    read(text).is_ok().into()
}

fn get_scheme(one: &Url) -> CelString<'static> {
    one.scheme.clone().into()
}

fn get_host(one: &Url) -> CelString<'static> {
    one.host.clone().into()
}

/// Host and port; a port is digits after the last colon outside of brackets.
fn parts(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) && !port.contains(']') => (name, port),
        _ => (host, ""),
    }
}

fn get_hostname(one: &Url) -> CelString<'static> {
    let name = parts(&one.host).0;
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).to_owned().into()
}

fn get_port(one: &Url) -> CelString<'static> {
    parts(&one.host).1.to_owned().into()
}

fn get_escaped_path(one: &Url) -> CelString<'static> {
    one.path.clone().into()
}

fn get_query(one: &Url) -> CelMap<'static> {
    let mut found: HashMap<String, Vec<Box<dyn Val>>> = HashMap::new();
    for (key, value) in form_urlencoded::parse(one.query.as_bytes()) {
        found.entry(key.into_owned()).or_default().push(Box::new(CelString::from(value.into_owned())));
    }
    let entries =
        found.into_iter().map(|(key, values)| (CelMapKey::from(key), Box::new(CelList::from(values)) as Box<dyn Val>));
    CelMap::from(entries.collect::<HashMap<_, _>>())
}
