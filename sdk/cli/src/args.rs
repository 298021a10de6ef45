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
    /// Show what a component exports and imports, and what makes up its size, without running it.
    Inspect {
        /// A component.
        file: PathBuf,
    },
    /// Print the RBAC that plugins' grants need on a member, ready for `kubectl apply -f -`.
    Rbac(Rbac),
    /// Register members.
    #[command(subcommand)]
    Member(Member),
    /// Show members and plugins as a running host sees them.
    Status {
        /// Where the host listens.
        #[arg(long, value_name = "URL", env = "MOTET_HOST", default_value = "http://127.0.0.1:9440")]
        host: String,
    },
    /// Print a completion script.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
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
    /// The hub's namespace of member Secrets.
    #[arg(long, value_name = "NS", env = "MOTET_NAMESPACE", default_value = SYSTEM_NAMESPACE)]
    pub(crate) namespace: String,
    /// The hub's kubeconfig; KUBECONFIG where not given.
    #[arg(long, value_name = "FILE", env = "MOTET_HUB")]
    pub(crate) hub: Option<PathBuf>,
    /// Context of the hub's kubeconfig.
    #[arg(long, value_name = "NAME", env = "MOTET_HUB_CONTEXT")]
    pub(crate) hub_context: Option<String>,
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
