//! Looks at a component without running it: what it is built for, and what makes up its size.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use motet_core::Digest;
use wasmparser::{Encoding, Parser, Payload};

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
pub(crate) fn run(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let found = parse(&bytes).with_context(|| format!("{} is not a plugin", path.display()))?;
    Ok(report(&bytes, &found)?)
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
    let fits = if bytes.len() <= CONFIG_MAP { "" } else { ", too large for a ConfigMap unless compressed" };
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
