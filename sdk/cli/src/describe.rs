//! What a component says about itself. It is asked as a host would ask it: compiled by a confined process, run in the sandbox.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use motet_core::{
    PluginName,
    description::{Description, Primary, Watch},
    grant::Rule,
    ports::Limits,
};
use motet_runtime::{ArtifactDir, CompileLimits, Compiler, Runtime, Settings};

/// Asks it. The error says why it cannot be asked, or what is wrong with its answer.
pub(crate) async fn describe(component: Bytes) -> Result<Description> {
    let compiler = Compiler::process("/proc/self/exe".into(), CompileLimits::default());
    let settings = Settings { compiler, sandboxes: 1, ..Settings::default() };
    let runtime = Runtime::new(&settings, ArtifactDir::none())
        .map_err(|e| anyhow::anyhow!("{e:#}"))
        .context("the Wasm engine cannot be started")?;
    let compiled = runtime.compile(component, Limits::default().stack).await?;
    Ok(compiled.describe(&PluginName::new("inspected")?).await?)
}

/// Version, watches, needs and config schema, for people.
pub(crate) fn report(description: &Description) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "plugin    {} {}", description.name, description.version)?;
    let primary = match &description.primary {
        Primary::Object(watch) => format!("{}, one key each", line(watch)),
        Primary::Member {} => "the member itself, one key".into(),
    };
    let watches: Vec<String> = std::iter::once(primary).chain(description.related.iter().map(line)).collect();
    writeln!(text, "watches   {}", watches.join("\n          "))?;
    let applies: Vec<String> = description.applies.iter().map(ToString::to_string).collect();
    writeln!(text, "applies   {}", or_none(&applies))?;
    let needs: Vec<String> = description.needs.iter().map(rule).collect();
    writeln!(text, "needs     {}", or_none(&needs))?;
    writeln!(text, "finalizer {}", if description.finalizer { "yes" } else { "no" })?;
    match &description.config {
        None => writeln!(text, "config    none")?,
        Some(schema) => writeln!(text, "config    {}", format!("{schema:#}").replace('\n', "\n          "))?,
    }
    Ok(text)
}

fn or_none(lines: &[String]) -> String {
    if lines.is_empty() { "none".into() } else { lines.join("\n          ") }
}

fn line(watch: &Watch) -> String {
    let mut text = watch.gvk().to_string();
    let scope = &watch.scope;
    if !scope.namespaces.is_empty() {
        text += &format!(" in {}", scope.namespaces.join(", "));
    }
    for selector in [&scope.labels, &scope.fields].into_iter().filter(|s| !s.is_empty()) {
        text += &format!(" where {selector}");
    }
    match &watch.projection {
        Some(paths) => text + &format!(" [{}]", paths.join(" ")),
        None => text + " [whole objects]",
    }
}

fn rule(rule: &Rule) -> String {
    let groups: Vec<&str> = rule.api_groups.iter().map(|g| if g.is_empty() { "core" } else { g }).collect();
    let mut text = format!("{} of {} ({})", rule.verbs.join(" "), rule.resources.join(" "), groups.join(" "));
    if !rule.namespaces.is_empty() {
        text += &format!(" in {}", rule.namespaces.join(", "));
    }
    if !rule.resource_names.is_empty() {
        text += &format!(" named {}", rule.resource_names.join(", "));
    }
    text
}
