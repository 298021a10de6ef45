//! Returns to an earlier good revision: an annotation on the Plugin, which the host answers out of what it kept.

use anyhow::{Context as _, Result, bail};
use motet_core::{
    Digest, Gvk, ObjectName,
    names::ROLLBACK_ANNOTATION,
    outcome::PatchKind,
    ports::{MemberApi as _, Write},
};
use serde_json::{Value, json};

use crate::{
    args::{Output, Rollback},
    block_on, hub,
};

/// Writes the annotation and says what it means.
pub(crate) fn run(rollback: &Rollback) -> Result<String> {
    block_on(write(rollback))
}

async fn write(rollback: &Rollback) -> Result<String> {
    let client = hub::connect(&rollback.hub)?;
    let resource = client.resource(&Gvk::new("motet.dev", "v1alpha1", "Plugin")).await?;
    let name = ObjectName::cluster(rollback.name.as_str());
    let found = client.get(&resource, &name).await?;
    let json = found.with_context(|| format!("the hub {} has no Plugin {}", client.server(), rollback.name))?;
    let plugin: Value = serde_json::from_slice(&json)?;
    let wanted = if rollback.undo { None } else { Some(target(&plugin, rollback.to.as_deref())?) };
    let body = json!({ "metadata": { "annotations": { ROLLBACK_ANNOTATION: wanted } } });
    let patch = Write::Patch {
        body: body.to_string().into_bytes().into(),
        kind: PatchKind::Merge,
        manager: "motet-cli".into(),
        subresource: None,
    };
    client.write(&resource, &name, patch).await?;
    let name = &rollback.name;
    Ok(match (rollback.output, wanted) {
        (Output::Json, wanted) => format!("{:#}\n", json!({ "plugin": name, "rollback": wanted })),
        (Output::Table, Some(digest)) => {
            format!(
                "plugin {name} returns to {digest} and stays there; motet rollback {name} --undo follows its source again\n"
            )
        }
        (Output::Table, None) => format!("plugin {name} follows its source again\n"),
    })
}

/// The digest to return to, out of the last good ones.
fn target(plugin: &Value, asked: Option<&str>) -> Result<Digest> {
    let status = &plugin["status"];
    let running = status["digest"].as_str().unwrap_or_default();
    let kept: Vec<&str> =
        status["revisions"].as_array().into_iter().flatten().filter_map(|r| r["digest"].as_str()).collect();
    let found = match asked {
        Some(asked) => {
            kept.iter().find(|k| k.trim_start_matches("sha256:").starts_with(asked.trim_start_matches("sha256:")))
        }
        None => kept.iter().find(|k| **k != running),
    };
    let Some(found) = found else {
        let asked = asked.map_or("an earlier good revision".into(), |a| format!("{a:?}"));
        bail!("{asked} is not kept: {running} runs, kept are {kept:?}");
    };
    Digest::try_from(found.to_string()).context("the Plugin's status cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_that_does_not_run_is_returned_to() {
        let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
        let plugin = json!({"status": {"digest": digest("aa"), "revisions": [{"digest": digest("aa")}, {"digest": digest("bb")}]}});
        assert_eq!(target(&plugin, None).unwrap().to_string(), digest("bb"));
        assert_eq!(target(&plugin, Some("aaaa")).unwrap().to_string(), digest("aa"));
        assert_eq!(target(&plugin, Some(&digest("bb"))).unwrap().to_string(), digest("bb"));
        let error = target(&plugin, Some("cc")).unwrap_err().to_string();
        assert!(error.contains("cc") && error.contains(&digest("bb")), "{error}");
        assert!(target(&json!({}), None).is_err());
    }
}
