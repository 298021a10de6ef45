//! Where packets may go. An image's name, a redirect and a token realm are all words of strangers: each hop is held against the
//! rules before it is taken, and each address that a name resolves to before it is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::OciError;

/// Hosts that a well-known registry sends its clients to: its token service and its blob storage.
const COMPANIONS: [(&str, &[&str]); 3] = [
    ("docker.io", &["auth.docker.io", "registry-1.docker.io", "*.docker.com", "*.docker.io"]),
    ("ghcr.io", &["pkg-containers.githubusercontent.com"]),
    ("quay.io", &["*.quay.io"]),
];

/// Metadata services outside the link-local range: of AWS over IPv6, and of Alibaba and Oracle clouds.
const METADATA: [IpAddr; 3] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// A host, or `*.` and a domain for all below it; with a port only that one, else any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    host: String,
    below: bool,
    port: Option<u16>,
}

impl HostPattern {
    /// Reads one. The error says what it should look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no host: write HOST, HOST:PORT or *.DOMAIN");
        let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let authority: http::uri::Authority = rest.parse().map_err(|_| wrong())?;
        let plain = !authority.host().is_empty() && !rest.contains(['*', '@', '/']);
        if !plain {
            return Err(wrong());
        }
        Ok(Self { host: authority.host().to_ascii_lowercase(), below, port: authority.port_u16() })
    }

    fn matches(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.to_ascii_lowercase();
        let named = if self.below {
            host.strip_suffix(&self.host).is_some_and(|rest| rest.ends_with('.'))
        } else {
            host == self.host
        };
        named && self.port.is_none_or(|p| Some(p) == port)
    }
}

/// What this host lets plugins' images lead to.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Registries that images may be in; empty means any.
    pub registries: Vec<HostPattern>,
    /// Further hosts that any registry may send us to (token services, blob storage).
    pub hosts: Vec<HostPattern>,
    /// Whether registries may send us anywhere: for people's own commands.
    pub any_host: bool,
    /// Whether a `Plugin` may ask for plain HTTP.
    pub plain_http: bool,
    /// Whether loopback addresses may be connected to: for tests and laptops.
    pub loopback: bool,
}

impl Rules {
    /// Whether images may be in the registry `authority` (host and perhaps port).
    pub(crate) fn registry(&self, authority: &str) -> Result<(), OciError> {
        let (host, port) = split(authority);
        if self.registries.is_empty() || self.registries.iter().any(|p| p.matches(host, port)) {
            return Ok(());
        }
        Err(OciError::Forbidden(format!(
            "the registry {authority} is not among those that this host allows (--registries)"
        )))
    }

    /// Whether plain HTTP may be spoken where a `Plugin` asks for it.
    pub(crate) fn plain_http(&self, authority: &str) -> Result<(), OciError> {
        if self.plain_http {
            return Ok(());
        }
        Err(OciError::Forbidden(format!(
            "plainHTTP is set for {authority}, but this host allows it nowhere (--allow-registry plain-http)"
        )))
    }

    /// Whether a request meant for `registry` may go to `url`; `plain` says whether plain HTTP was asked for and allowed.
    pub(crate) fn hop(&self, registry: &str, url: &Uri, plain: bool) -> Result<(), OciError> {
        let forbidden = |why: &str| OciError::Forbidden(format!("{registry} sends to {url}: {why}"));
        match url.scheme_str() {
            Some("https") => {}
            Some("http") if plain => {}
            Some("http") => return Err(forbidden("plain HTTP is not allowed there")),
            _ => return Err(forbidden("that is neither http nor https")),
        }
        let Some(authority) = url.authority() else { return Err(forbidden("that names no host")) };
        if authority.as_str().contains('@') {
            return Err(forbidden("credentials in an address are not sent"));
        }
        let (host, port) = (authority.host(), authority.port_u16());
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            self.address(address).map_err(|why| forbidden(&why))?;
        }
        if self.leads_to(registry, authority.as_str(), host, port) {
            return Ok(());
        }
        Err(forbidden("that host is neither the registry itself nor listed with --registry-hosts"))
    }

    fn leads_to(&self, registry: &str, authority: &str, host: &str, port: Option<u16>) -> bool {
        let own = registry.eq_ignore_ascii_case(authority);
        let known = COMPANIONS.iter().filter(|(name, _)| *name == split(registry).0).flat_map(|(_, hosts)| *hosts);
        let companion = known.filter_map(|h| HostPattern::parse(h).ok()).any(|p| p.matches(host, port));
        own || self.any_host || companion || self.hosts.iter().any(|p| p.matches(host, port))
    }

    /// Whether `address` may be connected to. The error says what it is.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), String> {
        let address = embedded(address).map_or_else(|| address.to_canonical(), IpAddr::V4);
        let what = match address {
            IpAddr::V4(v4) if v4.is_link_local() => "a link-local address, where metadata services live",
            IpAddr::V6(v6) if v6.is_unicast_link_local() => "a link-local address",
            other if METADATA.contains(&other) => "a metadata service",
            other if other.is_multicast() => "a multicast address",
            IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast address",
            IpAddr::V4(v4) if (v4.octets()[0] == 0 || v4.is_loopback()) && !self.loopback => "a loopback address",
            IpAddr::V6(v6) if (v6.is_unspecified() || v6.is_loopback()) && !self.loopback => "a loopback address",
            _ => return Ok(()),
        };
        Err(format!("{address} is {what}, which nothing is fetched from"))
    }
}

/// The IPv4 address inside an IPv6 one of the translating ranges (NAT64, 6to4, IPv4-compatible).
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0x64, 0xff9b, _, _, _, _, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        _ => None,
    }
}

fn split(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).unwrap()
    }

    #[test]
    fn patterns_match_hosts_and_what_is_below_them() {
        assert!(pattern("r.example").matches("R.example", Some(443)));
        assert!(pattern("r.example:5000").matches("r.example", Some(5000)));
        assert!(!pattern("r.example:5000").matches("r.example", None));
        assert!(pattern("*.example").matches("a.b.example", None));
        for (text, host) in [("*.example", "example"), ("*.example", "badexample"), ("r.example", "x.r.example")] {
            assert!(!pattern(text).matches(host, None), "{text} {host}");
        }
        for bad in ["", "*", "*.", "a/b", "user@host", "*.*.x", "http://x"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_listed_registries_are_pulled_from() {
        let rules = Rules { registries: vec![pattern("r.example"), pattern("*.corp:8443")], ..Rules::default() };
        assert!(rules.registry("r.example").is_ok() && rules.registry("a.corp:8443").is_ok());
        assert!(rules.registry("a.corp").is_err());
        let error = rules.registry("evil.example").unwrap_err();
        assert_eq!(error.reason(), "RegistryForbidden");
        assert!(error.to_string().contains("evil.example") && error.to_string().contains("--registries"), "{error}");
        assert!(Rules::default().registry("anything.example").is_ok());
    }

    #[test]
    fn a_registry_sends_to_itself_and_to_listed_hosts_only() {
        let rules = Rules { hosts: vec![pattern("*.storage.example")], ..Rules::default() };
        let hop = |registry: &str, url: &str, plain| rules.hop(registry, &url.parse().unwrap(), plain);
        assert!(hop("r.example", "https://r.example/x", false).is_ok());
        assert!(hop("r.example", "https://eu.storage.example/x", false).is_ok());
        assert!(hop("docker.io", "https://auth.docker.io/token", false).is_ok());
        assert!(hop("r.example", "http://r.example/x", true).is_ok());
        for (url, plain, why) in [
            ("http://r.example/x", false, "plain HTTP"),
            ("https://other.example/x", false, "--registry-hosts"),
            ("https://r.example:444/x", false, "--registry-hosts"),
            ("https://auth.docker.io/token", false, "--registry-hosts"),
            ("https://user:word@r.example/x", false, "credentials"),
            ("ftp://r.example/x", false, "neither http"),
            ("https://169.254.169.254/latest", false, "metadata"),
            ("https://[::1]/x", false, "loopback"),
            ("https://[::ffff:169.254.169.254]/x", false, "metadata"),
        ] {
            let error = hop("r.example", url, plain).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn inward_addresses_are_refused_in_every_disguise() {
        let (strict, laptop) = (Rules::default(), Rules { loopback: true, ..Rules::default() });
        for inward in
            ["127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
        {
            assert!(strict.address(inward.parse().unwrap()).is_err(), "{inward}");
            assert!(laptop.address(inward.parse().unwrap()).is_ok(), "{inward}");
        }
        for never in [
            "169.254.169.254",
            "169.254.1.1",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "192.0.0.192",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
        ] {
            assert!(laptop.address(never.parse().unwrap()).is_err(), "{never}");
        }
        for outward in ["10.0.0.1", "192.168.1.1", "93.184.216.34", "2606:2800:220:1::1", "fd12::1"] {
            assert!(strict.address(outward.parse().unwrap()).is_ok(), "{outward}");
        }
    }
}
