//! Lists: selectors, pages, versions.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::json;

cases! { "lists": a_list_is_in_order_of_names, a_label_selector_filters }

async fn three(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for (name, app) in [("b", "shop"), ("a", "shop"), ("c", "bank")] {
        let map = json!({ "metadata": { "name": name, "labels": { "app": app } }, "data": { "k": name } });
        talk.post(&maps, &map).await?;
    }
    Ok(maps)
}

async fn a_list_is_in_order_of_names(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    talk.get(&maps).await?;
    Ok(())
}

async fn a_label_selector_filters(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    for selector in ["app%3Dshop", "app!%3Dshop", "app%20in%20(bank)", "!app", "app"] {
        talk.get(&format!("{maps}?labelSelector={selector}")).await?;
    }
    Ok(())
}
