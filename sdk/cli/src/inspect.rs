//! Looks at a component: what it is built for, what makes up its size, who signed it, and what it says about itself.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use motet_core::Digest;
use motet_oci::signature::{self, PublicKey};
use serde_json::{Value, json};
use wasmparser::{Encoding, Parser, Payload};

use crate::{
    Answer,
    args::{Inspect, Output},
    block_on, describe, host, image,
};

/// The interface that a plugin exports, without its version.
const CONTRACT: &str = "motet:plugin/reconciler@";
/// How large a value of a ConfigMap may be.
const CONFIG_MAP: usize = 1 << 20;

/// What was found in a component.
#[derive(Debug, Default)]
struct Found {
    imports: Vec<String>,
    exports: Vec<String>,
    code: usize,
    data: usize,
    /// Custom sections by name: names of functions, debug information and the like.
    custom: Vec<(String, usize)>,
}

/// Prints it.
pub(crate) fn run(inspect: &Inspect) -> Result<Answer> {
    let path = Path::new(&inspect.what);
    if path.is_file() {
        let bytes = Bytes::from(fs::read(path).with_context(|| format!("reading {}", path.display()))?);
        let found = parse(&bytes).with_context(|| format!("{} is not a plugin", path.display()))?;
        let (mut json, mut text) = (json_of(&bytes, &found), report(&bytes, &found)?);
        let well = block_on(described(bytes, &mut json, &mut text))?;
        return answer(inspect, json, text, well);
    }
    if inspect.what.contains('/') {
        return block_on(image(inspect));
    }
    let found = block_on(host::items(&inspect.host, &format!("/api/v1/plugins/{}", inspect.what)));
    let plugin = found.with_context(|| format!("{:?} is no file and no image; as a plugin", inspect.what))?;
    let Some(plugin) = plugin.into_iter().next() else { bail!("the host runs no plugin {:?}", inspect.what) };
    let text = serde_yaml::to_string(&plugin)?;
    let well = plugin["state"] == "Active" || plugin["state"] == "Suspended";
    answer(inspect, plugin, text, well)
}

fn answer(inspect: &Inspect, json: Value, text: String, well: bool) -> Result<Answer> {
    let text = if inspect.output == Output::Json { format!("{json:#}\n") } else { text };
    Ok(Answer { text, well })
}

async fn image(inspect: &Inspect) -> Result<Answer> {
    let registry = image::registry(&inspect.what, &inspect.registry)?;
    let pulled = image::pull(&registry).await?;
    let found = parse(&pulled.component).with_context(|| format!("{} holds no plugin", inspect.what))?;
    let mut json = json_of(&pulled.component, &found);
    let mut text = format!("image     {}\n{}", pulled.image, report(&pulled.component, &found)?);
    json["image"] = json!(pulled.image);
    json["signatures"] = json!(pulled.signatures.len());
    writeln!(text, "signed    {} signatures found", pulled.signatures.len())?;
    let mut well = described(pulled.component, &mut json, &mut text).await?;
    if let Some(file) = &inspect.key {
        let pem = fs::read_to_string(file).with_context(|| format!("reading --key {}", file.display()))?;
        let key = PublicKey::from_pem(&file.display().to_string(), &pem).map_err(anyhow::Error::msg)?;
        let checked = signature::check(&pulled.signatures, pulled.image, &[key]);
        well &= checked.is_ok();
        json["signed"] = json!(checked.is_ok());
        match checked {
            Ok(_) => writeln!(text, "          by {}", file.display())?,
            Err(why) => writeln!(text, "          {why}")?,
        }
    }
    answer(inspect, json, text, well)
}

/// Adds what the component says about itself; false where it cannot say it.
async fn described(component: Bytes, json: &mut Value, text: &mut String) -> Result<bool> {
    match describe::describe(component).await {
        Ok(description) => {
            text.push_str(&describe::report(&description)?);
            json["description"] = json!(description);
            Ok(true)
        }
        Err(error) => {
            writeln!(text, "plugin    it cannot be asked what it watches and needs: {error:#}")?;
            json["describeError"] = json!(format!("{error:#}"));
            Ok(false)
        }
    }
}

/// Whether a host could take it.
pub(crate) fn check(bytes: &[u8]) -> Result<()> {
    let found = parse(bytes)?;
    if !found.exports.iter().any(|e| e.starts_with(CONTRACT)) {
        bail!("it exports no {CONTRACT}…: no host would take it");
    }
    Ok(())
}

fn json_of(bytes: &[u8], found: &Found) -> Value {
    json!({
        "contract": found.exports.iter().find_map(|e| e.strip_prefix(CONTRACT)),
        "digest": Digest::of(bytes),
        "size": bytes.len(),
        "code": found.code,
        "data": found.data,
        "exports": found.exports,
        "imports": found.imports,
    })
}

fn parse(bytes: &[u8]) -> Result<Found> {
    let mut found = Found::default();
    // Nested modules and components have imports and exports too; only the outermost ones are the component's.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.context("it is not valid WebAssembly")? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                bail!("it is a core module: build it with --target wasm32-wasip2, which makes a component");
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    found.imports.push(import?.name.name.to_string());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    found.exports.push(export?.name.name.to_string());
                }
            }
            Payload::CodeSectionStart { size, .. } => found.code += usize::try_from(size)?,
            Payload::DataSection(section) => found.data += section.range().len(),
            Payload::CustomSection(section) => found.custom.push((section.name().into(), section.range().len())),
            _ => {}
        }
    }
    Ok(found)
}

fn report(bytes: &[u8], found: &Found) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let contract = found.exports.iter().find_map(|e| e.strip_prefix(CONTRACT));
    let contract = contract.map_or_else(|| format!("none: no export {CONTRACT}…, no host will take it"), String::from);
    writeln!(text, "contract  {contract}")?;
    writeln!(text, "digest    {}", Digest::of(bytes))?;
    let fits = if bytes.len() <= CONFIG_MAP { "" } else { ", in ConfigMaps only compressed or in chunks" };
    writeln!(text, "size      {} bytes{fits}", bytes.len())?;
    let custom: usize = found.custom.iter().map(|(_, size)| size).sum();
    let rest = bytes.len().saturating_sub(found.code + found.data + custom);
    writeln!(text, "  code    {}\n  data    {}", found.code, found.data)?;
    let mut names = found.custom.clone();
    names.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let names: Vec<String> = names.into_iter().take(4).map(|(name, size)| format!("{name} {size}")).collect();
    writeln!(text, "  custom  {custom} ({})\n  other   {rest}", names.join(", "))?;
    writeln!(text, "exports   {}", found.exports.join("\n          "))?;
    writeln!(text, "imports   {}", found.imports.join("\n          "))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_components_own_names_are_found() {
        let bytes = wat::parse_str(
            r#"(component
                (import "motet:plugin/log@0.1.0" (instance))
                (core module $m (func (export "inner")) (memory 1) (data (i32.const 0) "hello"))
                (instance $i)
                (export "motet:plugin/reconciler@0.1.0" (instance $i)))"#,
        )
        .unwrap();
        let found = parse(&bytes).unwrap();
        assert_eq!(found.imports, ["motet:plugin/log@0.1.0"]);
        assert_eq!(found.exports, ["motet:plugin/reconciler@0.1.0"]);
        assert!(found.code > 0 && found.data >= 5);
        let text = report(&bytes, &found).unwrap();
        assert!(text.starts_with("contract  0.1.0\n") && text.contains(&format!("{} bytes\n", bytes.len())), "{text}");
    }

    #[test]
    fn what_is_no_plugin_is_said() {
        let module = wat::parse_str("(module)").unwrap();
        assert!(parse(&module).unwrap_err().to_string().contains("core module"));
        assert!(parse(b"hello").is_err());
        let empty = wat::parse_str("(component)").unwrap();
        assert!(report(&empty, &parse(&empty).unwrap()).unwrap().contains("no export"));
    }
}
