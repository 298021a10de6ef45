//! Owns field ownership: server-side apply and the upkeep of managedFields on every other write.
//!
//! The algorithm is that of structured-merge-diff: sets of field paths per manager, a typed merge of what is applied into
//! what is stored, removal of what the manager no longer applies and nobody else owns, and a comparison of before and after
//! that finds conflicts. It is checked against kube-apiserver's behaviour; no code is shared.

pub(crate) mod last_applied;
pub(crate) mod managers;
pub(crate) mod set;
pub(crate) mod typed;
pub(crate) mod walk;

use std::sync::LazyLock;

use serde_json::Value;

use crate::schema::Type;
use managers::{Identity, Managers};
use set::Set;

/// Which fields a write may own: all but status on the main resource where status is apart, only status there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Everything,
    AllButStatus,
    /// A write of the status of a built-in kind, with or without the labels.
    AllButSpec {
        labels: bool,
    },
    StatusOnly,
}

impl Reach {
    fn keep(self, set: Set) -> Set {
        match self {
            Self::Everything => set,
            Self::AllButSpec { labels: true } => set.without(".spec"),
            Self::AllButSpec { labels: false } => set.without(".spec").without_inner(".metadata", ".labels"),
            Self::AllButStatus => set.without(".status"),
            Self::StatusOnly => set.only(".status"),
        }
    }
}

/// The type that objects are written in, and the version beside it in which other managers may see them.
pub(crate) struct Form<'a> {
    pub(crate) ty: Type<'a>,
    pub(crate) other: Option<Other<'a>>,
}

/// A version of a kind whose fields are others.
pub(crate) struct Other<'a> {
    /// With its group.
    pub(crate) version: String,
    pub(crate) ty: Type<'a>,
    /// Makes an object of this version of one of the version that is written in.
    pub(crate) convert: fn(&mut Value),
    /// The way back.
    pub(crate) back: fn(&mut Value),
}

impl<'a> From<Type<'a>> for Form<'a> {
    fn from(ty: Type<'a>) -> Self {
        Self { ty, other: None }
    }
}

/// What changes in one version of an object.
struct Seen {
    /// What is added or set.
    touched: Set,
    removed: Set,
}

impl Seen {
    fn new(changes: walk::Changes, reach: Reach) -> Self {
        let changes = changes.filtered(|set| reach.keep(set));
        Self { touched: changes.modified.joined(changes.added), removed: changes.removed }
    }
}

/// What changes, as the writer sees it and as managers of the other version do.
struct Sight {
    own: Seen,
    other: Option<(String, Seen)>,
}

impl Sight {
    /// `own` is what changes in the version that is written in.
    fn new(
        form: &Form<'_>,
        (live, new): (&Value, &Value),
        own: walk::Changes,
        managers: &Managers,
        reach: Reach,
    ) -> Self {
        let other = form.other.as_ref().filter(|other| managers.use_version(&other.version)).map(|other| {
            let converted = |value: &Value| {
                let mut value = value.clone();
                (other.convert)(&mut value);
                value
            };
            let changes = walk::compare(Some(other.ty), &converted(live), &converted(new));
            (other.version.clone(), Seen::new(changes, reach))
        });
        Self { own: Seen::new(own, reach), other }
    }

    fn by(&self, who: &Identity) -> &Seen {
        let other = self.other.as_ref().filter(|(version, _)| *version == who.version);
        other.map_or(&self.own, |(_, seen)| seen)
    }

    /// Takes what changes from the managers who have it.
    fn disown(&self, managers: &mut Managers, who: &Identity) {
        for (other, entry) in managers.iter_mut().filter(|(other, _)| !other.is(who)) {
            let seen = self.by(other);
            let kept = entry.set.difference(&entry.set.intersection(&seen.touched));
            entry.set = kept.difference(&seen.removed);
        }
    }
}

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) owner: Identity,
    pub(crate) time: Option<String>,
    pub(crate) path: String,
}

/// Fields that are nobody's: identity and what the server sets.
static STRIPPED: LazyLock<Set> = LazyLock::new(|| {
    let mut set = Set::default();
    for path in [&["f:apiVersion"][..], &["f:kind"], &["f:metadata"]] {
        set.insert(path);
    }
    for field in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        set.insert(&["f:metadata", &format!("f:{field}")]);
    }
    set
});

/// Records a create, update or patch: the manager comes to own what changed, others lose it.
pub(crate) fn update<'a>(
    form: impl Into<Form<'a>>,
    live: &Value,
    new: &Value,
    managers: &mut Managers,
    who: &Identity,
    reach: Reach,
    now: &str,
) {
    let form = form.into();
    let changes = walk::compare(Some(form.ty), live, new);
    let sight = Sight::new(&form, (live, new), changes, managers, reach);
    sight.disown(managers, who);
    let (before, seen) = (managers.set_of(who), sight.own);
    let after = reach.keep(before.difference(&seen.removed).joined(seen.touched)).difference(&STRIPPED);
    managers.put(who, after, now);
}

/// What an apply leads to.
pub(crate) struct Applied {
    pub(crate) object: Value,
    pub(crate) conflicts: Vec<Conflict>,
}

/// Applies `config` over `live`; `managers` is brought up to date unless there are conflicts and `force` is off.
pub(crate) fn apply<'a>(
    form: impl Into<Form<'a>>,
    live: &Value,
    config: &Value,
    managers: &mut Managers,
    who: &Identity,
    (reach, force): (Reach, bool),
    now: &str,
) -> Applied {
    let form = form.into();
    let ty = Some(form.ty);
    let merged = walk::merge(ty, live, config);
    let last = managers.set_of(who);
    let set = reach.keep(walk::owned(ty, config));
    let mut claims = managers.union_except(who);
    claims = claims.union(&set);
    let object = match form.other.as_ref().filter(|other| !last.is_empty() && managers.use_version(&other.version)) {
        None => prune(ty, merged, &last, &claims),
        Some(other) => {
            let pruned = prune(ty, merged.clone(), &last, &claims);
            restore(form.ty, other, (merged, pruned), &managers.union_of(&other.version))
        }
    };

    let changes = walk::compare(ty, live, &object);
    let changed = ![&changes.added, &changes.modified, &changes.removed].iter().all(|set| set.is_empty());
    let sight = Sight::new(&form, (live, &object), changes, managers, reach);
    let conflicts = managers.conflicts(who, |other| &sight.by(other).touched);
    if !conflicts.is_empty() && !force {
        return Applied { object, conflicts };
    }
    sight.disown(managers, who);
    managers.put(who, set.difference(&STRIPPED), now);
    if changed && who.subresource != "scale" {
        managers.stamp(who, now);
    }
    Applied { object, conflicts: Vec::new() }
}

/// Removes what the manager applied last time, unless `claims` (what it applies now and what others own) holds it.
fn prune(ty: Option<Type<'_>>, merged: Value, last: &Set, claims: &Set) -> Value {
    if last.is_empty() {
        return merged;
    }
    let named = |set: &Set| set.with_named_fields(ty);
    let remove =
        |value: &Value, set: &Set| walk::remove(ty, value, set).unwrap_or_else(|| Value::Object(Default::default()));
    let owned = |value: &Value| named(&walk::owned(ty, value));
    let pruned = remove(&merged, &named(last));
    let everything = owned(&merged);
    let kept = owned(&pruned).union(&named(claims));
    let pruned = remove(&merged, &everything.difference(&kept));
    let gone = everything.difference(&owned(&pruned)).intersection(&named(last));
    remove(&merged, &gone)
}

/// Puts back what was taken away, where that touches what managers of the other version own.
fn restore(ty: Type<'_>, other: &Other<'_>, (mut merged, mut pruned): (Value, Value), owned: &Set) -> Value {
    (other.convert)(&mut merged);
    (other.convert)(&mut pruned);
    let named = |set: &Set| set.with_named_fields(Some(other.ty));
    let all = |value: &Value| named(&walk::owned(Some(other.ty), value));
    let gone = all(&merged).difference(&all(&pruned).union(&named(owned)));
    let mut kept = walk::remove(Some(other.ty), &merged, &gone).unwrap_or_else(|| Value::Object(Default::default()));
    (other.back)(&mut kept);
    crate::schema::settle::settle(ty, &mut kept);
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::builtin::BUILTIN;

    fn deployment() -> Type<'static> {
        Type { schema: &BUILTIN.schema, id: BUILTIN.names["apps.v1.Deployment"] }
    }

    fn applier(name: &str) -> Identity {
        Identity::applier(name, "apps/v1", "")
    }

    fn run(live: &Value, config: &Value, managers: &mut Managers, who: &str, force: bool) -> Applied {
        apply(deployment(), live, config, managers, &applier(who), (Reach::AllButStatus, force), "now")
    }

    #[test]
    fn a_field_no_longer_applied_goes_unless_another_owns_it() {
        let mut managers = Managers::default();
        let first = json!({"metadata": {"labels": {"a": "1", "b": "1"}}, "spec": {"replicas": 2, "template": {"spec": {"containers": [
            {"name": "x", "image": "i", "ports": [{"containerPort": 80}]}, {"name": "y", "image": "j"}]}}}});
        let one = run(&json!({}), &first, &mut managers, "m", false).object;
        assert_eq!(one, first);
        let shared = json!({"metadata": {"labels": {"b": "1"}}});
        let two = run(&one, &shared, &mut managers, "other", false);
        assert!(two.conflicts.is_empty());
        let less = json!({"spec": {"template": {"spec": {"containers": [{"name": "x", "image": "i"}]}}}});
        let three = run(&two.object, &less, &mut managers, "m", false).object;
        let expected = json!({"metadata": {"labels": {"b": "1"}},
            "spec": {"template": {"spec": {"containers": [{"name": "x", "image": "i"}]}}}});
        assert_eq!(three, expected);
    }

    #[test]
    fn another_managers_field_is_a_conflict_until_forced() {
        let mut managers = Managers::default();
        let one = run(&json!({}), &json!({"spec": {"replicas": 1}}), &mut managers, "a", false).object;
        let config = json!({"spec": {"replicas": 2}});
        let refused = run(&one, &config, &mut managers, "b", false);
        assert_eq!(refused.conflicts.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), [".spec.replicas"]);
        assert_eq!(refused.conflicts[0].owner, applier("a"));
        let forced = run(&one, &config, &mut managers, "b", true);
        assert!(forced.conflicts.is_empty());
        assert_eq!(forced.object["spec"]["replicas"], 2);
        assert!(managers.set_of(&applier("a")).is_empty());
    }

    #[test]
    fn an_update_takes_the_field_from_its_applier() {
        let mut managers = Managers::default();
        let one = run(&json!({}), &json!({"spec": {"replicas": 1, "paused": true}}), &mut managers, "a", false).object;
        let mut new = one.clone();
        new["spec"]["replicas"] = 5.into();
        let editor = Identity::updater("edit", "apps/v1", "");
        update(deployment(), &one, &new, &mut managers, &editor, Reach::AllButStatus, "now");
        assert_eq!(managers.set_of(&editor).encode(), json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!(managers.set_of(&applier("a")).encode(), json!({"f:spec": {"f:paused": {}}}));
    }

    #[test]
    fn items_that_others_added_stay_and_keys_identify_items() {
        let mut managers = Managers::default();
        let mine = json!({"spec": {"template": {"spec": {"containers": [{"name": "x", "env": [{"name": "A", "value": "1"}]}]}}}});
        let one = run(&json!({}), &mine, &mut managers, "a", false).object;
        let theirs = json!({"spec": {"template": {"spec": {"containers": [{"name": "x", "env": [{"name": "B", "value": "2"}]}]}}}});
        let two = run(&one, &theirs, &mut managers, "b", false).object;
        let empty = json!({"spec": {"template": {"spec": {"containers": [{"name": "x"}]}}}});
        let three = run(&two, &empty, &mut managers, "a", false).object;
        let env = json!([{"name": "B", "value": "2"}]);
        assert_eq!(three["spec"]["template"]["spec"]["containers"][0]["env"], env);
        let encoded = managers.set_of(&applier("b")).encode();
        let item = &encoded["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"x\"}"];
        assert_eq!(item["f:env"]["k:{\"name\":\"B\"}"], json!({".": {}, "f:name": {}, "f:value": {}}));
    }
}
