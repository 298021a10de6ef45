//! What `kubectl describe plugin` shows: where a plugin runs, every step on the way there, and why it does not run elsewhere.

use motet_catalog::{
    Condition, PluginState, PluginStatus,
    object::{ConditionStatus, FailingMember, Members, PluginObjectStatus, RevisionStatus},
};
use motet_dispatch::{BindingSnapshot, BindingState};
use motet_fleet::MemberStatus;

use crate::host::Host;

/// Failing members that are named; the rest are counted.
const NAMED: usize = 5;
/// Of a member's message; the whole of it is in the API.
const MESSAGE: usize = 300;

/// The status of one plugin, with its bindings, and all members that there are.
pub(crate) fn of(status: &PluginStatus, bindings: &[BindingSnapshot], members: &[MemberStatus]) -> PluginObjectStatus {
    let counts = Host::counts(status, bindings);
    let failing = failing(status, bindings);
    let mut conditions: Vec<ConditionStatus> = status.conditions.iter().map(condition).collect();
    if let Some(active) = conditions.iter_mut().find(|c| c.kind == "Active" && c.status == "True") {
        nowhere(status, members, active);
    }
    conditions.extend(degraded(status, &failing, counts.failing + counts.parked + counts.quarantined));
    PluginObjectStatus {
        state: format!("{:?}", status.state),
        observed_generation: status.generation,
        digest: status.digest.map(|d| d.to_string()),
        size: status.digest.and_then(|_| u64::try_from(status.size).ok()),
        contract: Some(status.contract.clone()).filter(|c| !c.is_empty()),
        members: Members {
            selected: counts.selected,
            active: counts.active,
            parked: counts.parked,
            failing: counts.failing,
            quarantined: counts.quarantined,
        },
        conditions,
        failing,
        revisions: status.revisions.iter().map(revision).collect(),
    }
}

/// A selector that matches nothing is no error: members come and go. But whoever wonders why nothing happens is told.
fn nowhere(status: &PluginStatus, members: &[MemberStatus], active: &mut ConditionStatus) {
    let selected = |m: &MemberStatus| status.selector.matches(|key| m.labels.get(key).map(String::as_str));
    if active.message.is_empty() && !members.is_empty() && !members.iter().any(selected) {
        active.reason = "NoMembers".into();
        active.message = format!(
            "spec.members selects none of the {} members; see kubectl get members --show-labels",
            members.len()
        );
    }
}

fn revision(good: &motet_catalog::Good) -> RevisionStatus {
    RevisionStatus {
        digest: good.digest.to_string(),
        from: good.origin.from.clone(),
        signed_by: good.origin.signed_by.clone(),
        since: format!("{:.0}", good.since),
    }
}

fn condition(c: &Condition) -> ConditionStatus {
    let (status, reason) = match c.status {
        Some(true) => ("True", "AsExpected"),
        Some(false) => ("False", "Failed"),
        None => ("Unknown", "NotReached"),
    };
    ConditionStatus {
        kind: c.kind.into(),
        status: status.into(),
        reason: if c.reason.is_empty() { reason.into() } else { c.reason.clone() },
        message: c.message.clone(),
        last_transition_time: format!("{:.0}", c.since),
    }
}

/// The first members on which it does not do what it should, by name.
fn failing(status: &PluginStatus, bindings: &[BindingSnapshot]) -> Vec<FailingMember> {
    let mut rows: Vec<FailingMember> = bindings.iter().filter(|b| b.plugin == status.name).filter_map(amiss).collect();
    rows.sort_by(|a, b| a.member.cmp(&b.member));
    rows.truncate(NAMED);
    rows
}

fn amiss(binding: &BindingSnapshot) -> Option<FailingMember> {
    let state = &binding.status;
    let (reason, message) = match state.state {
        BindingState::Parked | BindingState::Quarantined => (state.reason.to_string(), state.message.to_string()),
        _ if binding.last.failing => ("ReconcileFailed".into(), binding.last.error.clone().unwrap_or_default()),
        _ => return None,
    };
    let message = message.chars().take(MESSAGE).collect();
    Some(FailingMember { member: binding.member.to_string(), reason, message })
}

/// Whether it runs less well than it should. Its time is that of the plugin's own state, or of the first member named.
fn degraded(status: &PluginStatus, failing: &[FailingMember], count: u32) -> Option<ConditionStatus> {
    if matches!(status.state, PluginState::Loading) {
        return None;
    }
    let fetched =
        status.conditions.iter().find(|c| c.kind == "Fetched" && c.status == Some(true) && !c.reason.is_empty());
    let (reason, message) = match (status.state, fetched, failing.first()) {
        (PluginState::Rejected, _, _) => (status.reason.to_owned(), "what its object asks for is refused".to_owned()),
        (_, Some(source), _) => (source.reason.clone(), source.message.clone()),
        (_, None, Some(first)) => {
            let others = count.saturating_sub(1);
            (first.reason.clone(), format!("{} and {others} other members: {}", first.member, first.message))
        }
        (_, None, None) => (String::new(), String::new()),
    };
    let is = !reason.is_empty();
    Some(ConditionStatus {
        kind: "Degraded".into(),
        status: if is { "True" } else { "False" }.into(),
        reason: if is { reason } else { "AsExpected".into() },
        message,
        last_transition_time: format!("{:.0}", status.since),
    })
}
