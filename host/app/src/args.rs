//! What an operator may set: flags, over environment, over the config file.

use std::{collections::BTreeSet, ffi::OsString, fs, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};
use motet_cluster::Allow;
use motet_core::units::{parse_bytes, parse_duration};
use motet_oci::{HostPattern, Rules};

/// One host that runs sandboxed Kubernetes controllers for a whole fleet of clusters.
///
/// Every flag is also an environment variable (MOTET_ and the flag's name in capitals) and a camelCase key of the config file;
/// a flag beats the environment, which beats the file.
#[derive(Debug, Clone, Parser)]
#[command(name = "motet-host", version, max_term_width = 110)]
pub struct Args {
    /// YAML file with any of the settings below.
    #[arg(long, value_name = "FILE", env = "MOTET_CONFIG")]
    pub config: Option<PathBuf>,

    /// Kubeconfig of the hub, or `none`; in-cluster credentials where there are any, else `none`.
    #[arg(long, value_name = "FILE", env = "MOTET_HUB")]
    pub hub: Option<PathBuf>,

    /// Context of the hub's kubeconfig.
    #[arg(long, value_name = "NAME", env = "MOTET_HUB_CONTEXT")]
    pub hub_context: Option<String>,

    /// Where member Secrets and plugin ConfigMaps live in the hub.
    #[arg(long, value_name = "NS", env = "MOTET_NAMESPACE", default_value = "motet-system")]
    pub namespace: String,

    /// A folder of kubeconfigs (file stem = member) or one kubeconfig file (context = member). May repeat; watched.
    #[arg(long, value_name = "PATH", env = "MOTET_MEMBERS", value_delimiter = ',', action = ArgAction::Append)]
    pub members: Vec<PathBuf>,

    /// Folder of NAME.yaml and the .wasm that it names. Watched.
    #[arg(long, value_name = "DIR", env = "MOTET_PLUGINS")]
    pub plugins: Option<PathBuf>,

    /// Where compiled plugins are kept; the user's cache folder where not given.
    #[arg(long, value_name = "DIR", env = "MOTET_DATA_DIR")]
    pub data_dir: Option<PathBuf>,

    /// File with the key that compiled plugins are authenticated by, outside --data-dir; made where it is missing. Without it a
    /// Secret of the hub holds the key, or without a hub a file in the user's config folder.
    #[arg(long, value_name = "FILE", env = "MOTET_CACHE_KEY")]
    pub cache_key: Option<PathBuf>,

    /// What compiled plugins may take on disk; the least recently used go first.
    #[arg(long, value_name = "BYTES", env = "MOTET_CACHE_SIZE", default_value = "2Gi", value_parser = parse_bytes)]
    pub cache_size: u64,

    /// Memory that compiling one component may take. As many are compiled at once as there are cores, unless that could take more
    /// than half of the memory that this host may use.
    #[arg(long, value_name = "BYTES", env = "MOTET_COMPILE_MEMORY", default_value = "512Mi", value_parser = parse_bytes)]
    pub compile_memory: u64,

    /// Address of health, metrics and status API.
    #[arg(long, value_name = "ADDR", env = "MOTET_LISTEN", default_value = "127.0.0.1:9440")]
    pub listen: SocketAddr,

    /// When reading /api needs a bearer token that the hub knows and allows: `auto` (always but on a loopback address) or `always`.
    #[arg(long, value_name = "WHEN", env = "MOTET_HTTP_AUTH", default_value = "auto")]
    pub http_auth: HttpAuth,

    /// Certificate chain (PEM) to serve HTTPS with instead of HTTP; read again when it changes. Needs --tls-key.
    #[arg(long, value_name = "FILE", env = "MOTET_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,

    /// Its key (PEM); read again when it changes.
    #[arg(long, value_name = "FILE", env = "MOTET_TLS_KEY")]
    pub tls_key: Option<PathBuf>,

    /// Reconciles at once; the number of cores where not given.
    #[arg(long, value_name = "N", env = "MOTET_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,

    /// Time between two probes of a member.
    #[arg(long, value_name = "TIME", env = "MOTET_PROBE_INTERVAL", default_value = "10s", value_parser = duration)]
    pub probe_interval: Duration,

    /// Time for one probe.
    #[arg(long, value_name = "TIME", env = "MOTET_PROBE_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub probe_timeout: Duration,

    /// Failed probes in a row that make a member Unreachable.
    #[arg(long, value_name = "N", env = "MOTET_UNHEALTHY_AFTER", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    pub unhealthy_after: u32,

    /// Good probes in a row that make it Ready again.
    #[arg(long, value_name = "N", env = "MOTET_HEALTHY_AFTER", default_value = "2", value_parser = clap::value_parser!(u32).range(1..))]
    pub healthy_after: u32,

    /// First wait before a lost member is connected again.
    #[arg(long, value_name = "TIME", env = "MOTET_RECONNECT_MIN", default_value = "1s", value_parser = duration)]
    pub reconnect_min: Duration,

    /// Longest wait.
    #[arg(long, value_name = "TIME", env = "MOTET_RECONNECT_MAX", default_value = "5m", value_parser = duration)]
    pub reconnect_max: Duration,

    /// How long a member's new credentials may take to fill its caches before they take over all the same.
    #[arg(long, value_name = "TIME", env = "MOTET_CACHE_SYNC_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub cache_sync_timeout: Duration,

    /// How long a stopping host waits for what runs.
    #[arg(long, value_name = "TIME", env = "MOTET_DRAIN_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub drain_timeout: Duration,

    /// Whether metrics carry the label `member`.
    #[arg(long, value_name = "BOOL", env = "MOTET_METRICS_PER_MEMBER", default_value = "true", action = ArgAction::Set)]
    pub metrics_per_member: bool,

    /// What member kubeconfigs may use besides embedded credentials: exec, auth-provider, files, proxy-url, insecure-tls.
    #[arg(long, value_name = "LIST", env = "MOTET_ALLOW_KUBECONFIG", value_delimiter = ',', value_parser = allow)]
    pub allow_kubeconfig: Vec<Allow>,

    /// Registries that plugins' images may be in: HOST, HOST:PORT or *.DOMAIN; any where not given.
    #[arg(long, value_name = "LIST", env = "MOTET_REGISTRIES", value_delimiter = ',', value_parser = HostPattern::parse)]
    pub registries: Vec<HostPattern>,

    /// Further hosts that a registry may send this host to: token services, blob storage.
    #[arg(long, value_name = "LIST", env = "MOTET_REGISTRY_HOSTS", value_delimiter = ',', value_parser = HostPattern::parse)]
    pub registry_hosts: Vec<HostPattern>,

    /// What registries may be besides TLS servers elsewhere: plain-http (where the Plugin asks for it too), loopback.
    #[arg(long, value_name = "LIST", env = "MOTET_ALLOW_REGISTRY", value_delimiter = ',')]
    pub allow_registry: Vec<AllowRegistry>,

    /// Time between two looks at a tag; a tenth of it is jitter.
    #[arg(long, value_name = "TIME", env = "MOTET_REGISTRY_INTERVAL", default_value = "5m", value_parser = duration)]
    pub registry_interval: Duration,

    /// YAML file that says whose signatures components from where must have; nobody's where not given.
    #[arg(long, value_name = "FILE", env = "MOTET_VERIFY")]
    pub verify: Option<PathBuf>,

    /// `text` or `json`; text on a terminal, else json, where not given.
    #[arg(long, value_name = "FORMAT", env = "MOTET_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,

    /// What is logged, in RUST_LOG syntax.
    #[arg(long, value_name = "FILTER", env = "MOTET_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// When a bearer token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum HttpAuth {
    /// Wherever others than this machine can connect.
    Auto,
    /// On a loopback address too.
    Always,
}

/// What a registry may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AllowRegistry {
    /// Without TLS.
    PlainHttp,
    /// On this machine.
    Loopback,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|d| if d.is_zero() { Err("must be more than nothing".into()) } else { Ok(d) })
}

fn allow(word: &str) -> Result<Allow, String> {
    let all = Allow::all();
    all.iter()
        .find(|a| a.word() == word)
        .copied()
        .ok_or_else(|| format!("{word:?} is none of {}", all.iter().map(|a| a.word()).collect::<Vec<_>>().join(", ")))
}

impl Args {
    /// Reads flags, environment and config file. The error is a line that says what and where (or the text of `--help`).
    pub fn read(arguments: impl IntoIterator<Item = OsString> + Clone) -> Result<Self, clap::Error> {
        let first = Self::command().try_get_matches_from(arguments.clone())?;
        let first = Self::from_arg_matches(&first)?;
        let Some(path) = &first.config else { return first.checked() };
        let command = with_file(Self::command(), path)?;
        Self::from_arg_matches(&command.try_get_matches_from(arguments)?)?.checked()
    }

    /// What clap cannot check where one half may come from the file and the other from a flag.
    fn checked(self) -> Result<Self, clap::Error> {
        let missing = match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => "--tls-cert needs --tls-key: name the certificate's key too",
            (None, Some(_)) => "--tls-key needs --tls-cert: name the key's certificate too",
            _ => return Ok(self),
        };
        Err(Self::command().error(clap::error::ErrorKind::MissingRequiredArgument, missing))
    }

    /// Where images' packets may go.
    pub fn registry_rules(&self) -> Rules {
        Rules {
            registries: self.registries.clone(),
            hosts: self.registry_hosts.clone(),
            any_host: false,
            plain_http: self.allow_registry.contains(&AllowRegistry::PlainHttp),
            loopback: self.allow_registry.contains(&AllowRegistry::Loopback),
        }
    }

    /// What member kubeconfigs may use.
    pub fn allowed(&self) -> BTreeSet<Allow> {
        self.allow_kubeconfig.iter().copied().collect()
    }
}

/// Makes the file's settings the defaults: flags and environment then beat them by clap's own order.
fn with_file(mut command: clap::Command, path: &std::path::Path) -> Result<clap::Command, clap::Error> {
    let failed = |command: &mut clap::Command, message: String| {
        command.error(clap::error::ErrorKind::InvalidValue, format!("{}: {message}", path.display()))
    };
    let text = fs::read_to_string(path).map_err(|e| failed(&mut command, e.to_string()))?;
    let settings: serde_yaml::Mapping = serde_yaml::from_str(&text).map_err(|e| failed(&mut command, e.to_string()))?;
    for (key, value) in settings {
        let key = key.as_str().unwrap_or_default().to_string();
        let id = key.chars().fold(String::new(), |id, c| {
            if c.is_ascii_uppercase() { format!("{id}_{}", c.to_ascii_lowercase()) } else { format!("{id}{c}") }
        });
        let known: Vec<String> =
            command.get_arguments().map(|a| a.get_id().to_string()).filter(|k| k != "config").collect();
        if !known.contains(&id) {
            let nearest = known.iter().min_by_key(|k| strsim::damerau_levenshtein(k, &id)).cloned().unwrap_or_default();
            return Err(failed(&mut command, format!("unknown key {key:?}; did you mean {:?}?", camel(&nearest))));
        }
        let values =
            texts(&value).ok_or_else(|| failed(&mut command, format!("{key} must be a value or a list of values")))?;
        // clap keeps defaults for as long as the command lives, and this one lives as long as the process.
        let values: Vec<clap::builder::OsStr> =
            values.iter().map(|v| clap::builder::OsStr::from(&*v.clone().leak())).collect();
        command = command.mut_arg(&id, |argument| argument.default_values(values));
    }
    Ok(command)
}

fn camel(id: &str) -> String {
    let mut parts = id.split('_');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |all, part| all + &part[..1].to_uppercase() + &part[1..])
}

fn texts(value: &serde_yaml::Value) -> Option<Vec<String>> {
    match value {
        serde_yaml::Value::Sequence(items) => items.iter().map(text).collect(),
        other => text(other).map(|t| vec![t]),
    }
}

fn text(value: &serde_yaml::Value) -> Option<String> {
    match value {
        serde_yaml::Value::String(text) => Some(text.clone()),
        serde_yaml::Value::Number(number) => Some(number.to_string()),
        serde_yaml::Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Args, clap::Error> {
        Args::read(
            std::iter::once("motet-host").chain(arguments.iter().copied()).map(OsString::from).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn defaults_are_those_of_the_interface() {
        let args = read(&[]).unwrap();
        assert_eq!(
            (args.namespace.as_str(), args.probe_interval, args.unhealthy_after),
            ("motet-system", Duration::from_secs(10), 3)
        );
        assert!(args.metrics_per_member && args.listen.to_string() == "127.0.0.1:9440");
    }

    #[test]
    fn a_flag_beats_the_file() {
        let file = std::env::temp_dir().join(format!("motet-args-{}.yaml", std::process::id()));
        fs::write(&file, "probeInterval: 3s\nunhealthyAfter: 7\nmembers: [a, b]\nallowKubeconfig: [exec]\n").unwrap();
        let path = file.to_str().unwrap();
        let args = read(&["--config", path, "--unhealthy-after", "9"]).unwrap();
        assert_eq!((args.probe_interval, args.unhealthy_after), (Duration::from_secs(3), 9));
        assert_eq!((args.members.len(), args.allowed().len()), (2, 1));
        fs::write(&file, "probeIntervall: 3s\n").unwrap();
        let error = read(&["--config", path]).unwrap_err();
        assert!(error.to_string().contains("probeInterval\""), "{error}");
        assert_eq!(error.exit_code(), 2);
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_certificate_needs_its_key() {
        for alone in [["--tls-cert", "tls.crt"], ["--tls-key", "tls.key"]] {
            let error = read(&alone).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("needs --tls-"), "{error}");
        }
        assert!(read(&["--tls-cert", "tls.crt", "--tls-key", "tls.key"]).is_ok());
    }

    #[test]
    fn bad_values_are_usage_errors() {
        for bad in
            [["--probe-interval", "0s"], ["--probe-interval", "ten"], ["--allow-kubeconfig", "all"], ["--workers", "0"]]
        {
            assert_eq!(read(&bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }
}
