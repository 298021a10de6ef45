//! What may be typed after `motet`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use motet_core::{MemberName, PluginName, names::SYSTEM_NAMESPACE};

/// The author's and operator's command line for Motet.
#[derive(Debug, Parser)]
#[command(name = "motet", version, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a plugin: a crate of one page with a test, its Plugin YAML and a README.
    New(New),
    /// Show a component: what it is built for, what makes up its size, who signed it; or a plugin as a running host knows it.
    Inspect(Inspect),
    /// Ship a component: to an OCI registry, or into ConfigMaps of the hub.
    Push(Push),
    /// Return to an earlier good revision of a plugin, without any registry.
    Rollback(Rollback),
    /// Print the RBAC that plugins' grants need on a member, ready for `kubectl apply -f -`.
    Rbac(Rbac),
    /// Register members.
    #[command(subcommand)]
    Member(Member),
    /// Show members and plugins as a running host sees them. Exits with 3 where one of them is not well.
    Status(Status),
    /// Print a completion script.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How something is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// For machines.
    Json,
}

/// A running host.
#[derive(Debug, Args)]
pub(crate) struct Host {
    /// Where the host listens.
    #[arg(long = "host", value_name = "URL", env = "MOTET_HOST", default_value = "http://127.0.0.1:9440")]
    pub(crate) url: String,
    /// The bearer token that a host wants which does not listen on its loopback only. Whoever lists processes sees it here: prefer the
    /// environment or --token-file.
    #[arg(long, value_name = "TOKEN", env = "MOTET_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A file with that token; --token and MOTET_TOKEN beat it.
    #[arg(long, value_name = "FILE", env = "MOTET_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The authority that signed the host's certificate, beside the system's.
    #[arg(long, value_name = "FILE", env = "MOTET_HOST_CA")]
    pub(crate) host_ca: Option<PathBuf>,
}

/// The hub.
#[derive(Debug, Args)]
pub(crate) struct Hub {
    /// The hub's namespace of Motet's objects.
    #[arg(long, value_name = "NS", env = "MOTET_NAMESPACE", default_value = SYSTEM_NAMESPACE)]
    pub(crate) namespace: String,
    /// The hub's kubeconfig; KUBECONFIG where not given.
    #[arg(long, value_name = "FILE", env = "MOTET_HUB")]
    pub(crate) hub: Option<PathBuf>,
    /// Context of the hub's kubeconfig.
    #[arg(long, value_name = "NAME", env = "MOTET_HUB_CONTEXT")]
    pub(crate) hub_context: Option<String>,
}

/// A registry.
#[derive(Debug, Args)]
pub(crate) struct Registry {
    /// Speak plain HTTP to the registry.
    #[arg(long)]
    pub(crate) plain_http: bool,
    /// The authority that signed the registry's certificate, beside the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Credentials; ~/.docker/config.json where it exists and nothing is given.
    #[arg(long, value_name = "FILE")]
    pub(crate) docker_config: Option<PathBuf>,
}

/// `motet status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) host: Host,
    /// Table or JSON.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,
}

/// `motet inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A component's file, an image (HOST/REPOSITORY:TAG) or the name of a plugin that a host runs.
    #[arg(value_name = "FILE|IMAGE|PLUGIN")]
    pub(crate) what: String,
    /// A public key (PEM): says whether it signed the image, and exits with 3 where it did not.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) registry: Registry,
    #[command(flatten)]
    pub(crate) host: Host,
    /// Table or JSON.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,
}

/// `motet push`.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The component.
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// The image to push it as.
    #[arg(value_name = "IMAGE", required_unless_present = "config_map", conflicts_with = "config_map")]
    pub(crate) image: Option<String>,
    /// A ConfigMap of the hub to put it into; in chunks where it is larger than one holds.
    #[arg(long, value_name = "NAME")]
    pub(crate) config_map: Option<String>,
    /// The key in the ConfigMap.
    #[arg(long, value_name = "KEY", default_value = "plugin.wasm")]
    pub(crate) key: String,
    /// A detached signature to keep with the ConfigMap, as `cosign sign-blob` writes it.
    #[arg(long, value_name = "FILE", requires = "config_map")]
    pub(crate) signature: Option<PathBuf>,
    /// Print the ConfigMaps instead of writing them.
    #[arg(long, requires = "config_map")]
    pub(crate) dry_run: bool,
    /// A Plugin's YAML to print with its source set to what was pushed, ready for `kubectl apply -f -`.
    #[arg(long, value_name = "PLUGIN.yaml")]
    pub(crate) plugin: Option<PathBuf>,
    /// Pin the digest in that YAML, so that a moved tag changes nothing.
    #[arg(long, requires = "plugin")]
    pub(crate) pin: bool,
    /// The Secret in the hub with the registry's credentials, to be named in that YAML.
    #[arg(long, value_name = "SECRET", requires = "plugin", conflicts_with = "config_map")]
    pub(crate) pull_secret: Option<String>,
    /// Print nothing but the image with its digest, as `cosign sign` wants it.
    #[arg(short, long, conflicts_with_all = ["plugin", "config_map", "output"])]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) registry: Registry,
    #[command(flatten)]
    pub(crate) hub: Hub,
    /// Table or JSON.
    #[arg(short, long, value_name = "FORMAT", default_value = "table", conflicts_with = "plugin")]
    pub(crate) output: Output,
}

/// `motet rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The plugin.
    #[arg(value_parser = plugin_name)]
    pub(crate) name: PluginName,
    /// The digest to return to; the newest good one that does not run where not given.
    #[arg(long, value_name = "DIGEST", conflicts_with = "undo")]
    pub(crate) to: Option<String>,
    /// Follow the plugin's source again.
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) hub: Hub,
    /// Table or JSON.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,
}

/// `motet new`.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The plugin's name: a DNS label of at most 40 characters that starts with a letter.
    #[arg(value_parser = plugin_name)]
    pub(crate) name: PluginName,
    /// Where the crate goes; a folder of the plugin's name where not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// The SDK's crate; that of this build where it is still there, else the published version.
    #[arg(long, value_name = "PATH")]
    pub(crate) sdk_path: Option<PathBuf>,
}

/// `motet rbac`.
#[derive(Debug, Args)]
pub(crate) struct Rbac {
    /// Plugin YAML files.
    #[arg(required = true, value_name = "PLUGIN.yaml")]
    pub(crate) files: Vec<PathBuf>,
    /// Who the host is on the member, for the bindings of namespaced Roles: NAMESPACE/NAME of a ServiceAccount, or a user.
    #[arg(long, value_name = "SUBJECT", default_value = "motet-system/motet")]
    pub(crate) subject: String,
    /// Bind the ClusterRole to the subject too, where deploy/rbac-member.yaml with its aggregated ClusterRole is not used.
    #[arg(long)]
    pub(crate) bind: bool,
}

/// `motet member`.
#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// Write the Secret that makes a cluster a member.
    Add(Add),
}

/// `motet member add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The member's name.
    #[arg(value_parser = member_name)]
    pub(crate) name: MemberName,
    /// The member's kubeconfig.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: PathBuf,
    /// Which of its contexts; the current one where not given.
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// A label of the member, for selectors. May repeat.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) hub: Hub,
    /// Print the Secret instead of writing it.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn plugin_name(text: &str) -> Result<PluginName, String> {
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err("a plugin made here is a crate too, whose name starts with a letter".into());
    }
    PluginName::new(text).map_err(|e| e.to_string())
}

fn member_name(text: &str) -> Result<MemberName, String> {
    MemberName::new(text).map_err(|e| e.to_string())
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("write it as KEY=VALUE".into()),
    }
}
