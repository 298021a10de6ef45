//! How a plugin leaves a member: clean-up runs or is skipped as `onDelete` says, finalizers go either way. What a member out of
//! reach missed is treated on its return, from the record that the binding left there.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use motet_core::{
    ApiError, Gvk, Meta, ObjectName, PluginName, Resource, Target,
    names::{self, MANAGED_LABEL},
    owned,
    plugin::OnDelete,
    ports::{ListQuery, MemberApi, Write},
    request::Request,
};

use crate::{
    binding::Binding,
    dispatcher::Shared,
    finalizer,
    member::Member,
    plan::Planner,
    reads,
    record::{self, Record},
    slots::Slots,
    write::Writer,
};

/// Attempts before what is left is left to the next engagement.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);

/// A plugin leaves a member that can be reached: its code cleans up while it is still here.
pub(crate) async fn leave(shared: &Arc<Shared>, binding: &Arc<Binding>) {
    let member = binding.member.load_full();
    if !member.is_reachable() || member.paused {
        return;
    }
    let revision = binding.revision.load_full();
    if revision.spec.on_delete == OnDelete::Prune && revision.description.finalizer {
        clean_up(shared, binding).await;
    }
    let record = match binding.record.load(&binding.plugin, &member.api).await {
        Ok(record) => Record { on_delete: revision.spec.on_delete, ..record },
        Err(error) => {
            return tracing::warn!(plugin = %binding.plugin, member = %member.name(), %error, "what the plugin applied cannot be read; it stays");
        }
    };
    treat_until_done(&binding.plugin, &record, &member).await;
    binding.record.reset().await;
}

/// Runs each key's clean-up once.
async fn clean_up(shared: &Arc<Shared>, binding: &Arc<Binding>) {
    let Some(subscriptions) = binding.subscriptions.load_full() else { return };
    let (member, revision) = (binding.member.load_full(), binding.revision.load_full());
    let stats = shared.plugin_stats(&binding.plugin);
    for target in finalized(binding, &subscriptions) {
        let Target::Object(name) = &target else { continue };
        let primary = subscriptions.primary.as_ref();
        let request = Request {
            member: member.info.clone(),
            target: target.clone(),
            primary: primary.and_then(|w| w.get(name)),
            deleting: true,
            attempt: 0,
            deadline: revision.limits.deadline,
            config: (*binding.config.load_full()).clone(),
            previous: Arc::default(),
        };
        let slot = Arc::new(Slots::apart().await);
        let calls = reads::host_calls(binding, &subscriptions, &stats, &slot);
        let outcome = match revision.sandbox.reconcile(request, &revision.limits, calls).await {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::warn!(plugin = %binding.plugin, member = %member.name(), key = %target, %error, "clean-up failed; what it would have done is skipped");
                continue;
            }
        };
        let planner =
            Planner { binding, member: &member, subscriptions: &subscriptions, target: &target, primary_uid: None };
        let plan = planner.plan(outcome.intents).await;
        let writer = Writer {
            binding,
            member: &member,
            subscriptions: &subscriptions,
            stats: &stats,
            events: &shared.events,
            target: &target,
        };
        writer.write(plan).await;
    }
}

/// The primaries that carry the plugin's finalizer.
fn finalized(binding: &Binding, subscriptions: &crate::subscriptions::Subscriptions) -> Vec<Target> {
    let Some(primary) = &subscriptions.primary else { return vec![] };
    let name = names::finalizer(&binding.plugin);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (page, next) =
            primary.subscription.list(None, &motet_core::selector::Selector::default(), after.as_ref(), 500);
        let names = page.iter().filter_map(|json| Meta::scan(json).ok()).map(|m| m.object_name());
        found.extend(
            names.filter(|n| primary.subscription.meta(n).is_some_and(|i| i.finalizers.iter().any(|f| **f == *name))),
        );
        match next {
            Some(next) => after = Some(next),
            None => return found.into_iter().map(Target::Object).collect(),
        }
    }
}

/// Treats the records of plugins that are not `current` on a member.
pub(crate) async fn leftovers(member: &Arc<Member>, current: impl Fn(&PluginName) -> bool) {
    let records = match record::list(&member.api).await {
        Ok(records) => records,
        Err(error) => {
            return tracing::debug!(member = %member.name(), %error, "the records of earlier plugins cannot be read");
        }
    };
    for (plugin, record) in records {
        if !current(&plugin) {
            tracing::info!(%plugin, member = %member.name(), on_delete = ?record.on_delete, "treating what a plugin left that is no longer here");
            treat_until_done(&plugin, &record, member).await;
        }
    }
}

async fn treat_until_done(plugin: &PluginName, record: &Record, member: &Arc<Member>) {
    for attempt in 0..ATTEMPTS {
        if !member.is_reachable() {
            return;
        }
        match treat(plugin, record, &member.api).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%plugin, member = %member.name(), attempt, %error, "leaving is not finished");
                tokio::time::sleep(PAUSE * (attempt + 1)).await;
            }
        }
    }
}

/// Prunes or keeps, removes the finalizers, then forgets the record.
async fn treat(plugin: &PluginName, record: &Record, api: &Arc<dyn MemberApi>) -> Result<(), ApiError> {
    if record.on_delete == OnDelete::Prune {
        for kind in &record.kinds {
            if let Some(resource) = resource(api, kind).await? {
                prune(plugin, &resource, api).await?;
            }
        }
    }
    if let Some(kind) = record.primary.as_ref().filter(|_| record.finalizer)
        && let Some(resource) = resource(api, kind).await?
    {
        remove_finalizers(plugin, &resource, api).await?;
    }
    record::delete(plugin, api).await
}

async fn resource(api: &Arc<dyn MemberApi>, kind: &Gvk) -> Result<Option<Resource>, ApiError> {
    match api.resource(kind).await {
        Ok(resource) => Ok(Some(resource)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes what the plugin's sets own: annotated with a set's owner, with our field manager in the live object.
async fn prune(plugin: &PluginName, resource: &Resource, api: &Arc<dyn MemberApi>) -> Result<(), ApiError> {
    let labels = format!("{MANAGED_LABEL}=true");
    let annotation = names::owner_annotation(plugin);
    let owned = each(resource, &labels, api, |json| {
        let meta = Meta::scan(json).ok()?;
        let owned = names::parse_owner_value(meta.annotations.get(annotation.as_str())?).is_some();
        let ours = owned::owned_digest(json, plugin).is_some();
        (owned && ours && !meta.deleting()).then_some(meta)
    })
    .await?;
    for meta in owned {
        let write = Write::Delete {
            uid: Some(meta.uid.to_string()),
            resource_version: Some(meta.resource_version.to_string()),
        };
        match api.write(resource, &meta.object_name(), write).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn remove_finalizers(plugin: &PluginName, resource: &Resource, api: &Arc<dyn MemberApi>) -> Result<(), ApiError> {
    let name = names::finalizer(plugin);
    let held: BTreeSet<ObjectName> = each(resource, "", api, |json| {
        let meta = Meta::scan(json).ok()?;
        meta.finalizers.iter().any(|f| **f == *name).then(|| meta.object_name())
    })
    .await?
    .into_iter()
    .collect();
    for object in held {
        finalizer::remove(plugin, &**api, resource, &object).await?;
    }
    Ok(())
}

/// Lists a kind page by page and keeps what `pick` makes of it.
async fn each<T>(
    resource: &Resource,
    labels: &str,
    api: &Arc<dyn MemberApi>,
    pick: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<T>, ApiError> {
    let mut query = ListQuery { labels: labels.into(), limit: 500, ..ListQuery::default() };
    let mut found = Vec::new();
    loop {
        let page = api.list(resource, &query).await?;
        found.extend(page.items.iter().filter_map(|json| pick(json)));
        match page.next {
            Some(next) => query.page = Some(next),
            None => return Ok(found),
        }
    }
}
