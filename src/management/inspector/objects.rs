//! Objects, policies and decisions as JSON.

use serde_json::{Map, Value, json};

use super::{Failure, Inspected, Parameters, history, words};
use crate::encoding;
use crate::engine::Services;
use crate::engine::inspection::{Decision, Listed, Obstacle, deciding_entries};
use crate::kmip::Principal;
use crate::kmip::enums::{ObjectType, Operation, ResultReason};
use crate::policy::{Permission, Policies, Rules};
use crate::store::{self, Id};

const NO_OBJECT: Failure = Failure::NotFound("there is no such object");

/// Returns what `read` returns for the services of the server.
fn with_services<T>(
    server: &dyn Inspected,
    mut read: impl FnMut(&Services) -> Result<T, store::Error>,
) -> Result<T, Failure> {
    let mut outcome = None;
    server.with_services(&mut |services| outcome = Some(read(services)));
    outcome.ok_or(Failure::NotFound("this server has no objects"))?.map_err(failed)
}

fn failed(error: store::Error) -> Failure {
    Failure::Store(crate::url::masked(&error.to_string()).into_owned())
}

/// Returns the object that a parameter names.
fn id(parameters: &Parameters) -> Result<Id, Failure> {
    let text = parameters.text("object").ok_or(Failure::Parameter("object is missing"))?;
    Id::parse(text).ok_or(NO_OBJECT)
}

/// Returns the objects below an identifier that contain a text.
pub(super) fn list(server: &dyn Inspected, parameters: &Parameters) -> Result<Value, Failure> {
    let (search, below) = (parameters.text("search").unwrap_or_default(), parameters.number("below")?);
    let listing = with_services(server, |services| services.list_objects(search, below))?;
    let objects: Vec<_> = listing.objects.iter().map(listed).collect();
    Ok(json!({ "objects": objects, "next": listing.next }))
}

fn listed(object: &Listed) -> Value {
    let dates: Map<_, _> = object
        .dates
        .iter()
        .map(|(name, date)| ((*name).to_owned(), Value::from(encoding::iso_8601(*date))))
        .collect();
    json!({
        "id": object.id.to_string(),
        "type": object.object_type.name(),
        "names": object.names,
        "state": object.state.map(|state| state.name()),
        "owner": owner(&object.owner),
        "policy": object.policy,
        "dates": dates,
    })
}

fn owner(owner: &Principal) -> String {
    match &owner.credential {
        Some(credential) => format!("{} ({credential})", owner.user),
        None => owner.user.clone(),
    }
}

/// Returns an object with its attributes and its history.
pub(super) fn describe(server: &dyn Inspected, parameters: &Parameters) -> Result<Value, Failure> {
    let id = id(parameters)?;
    let (object, attributes) =
        with_services(server, |services| services.describe_object(id))?.ok_or(NO_OBJECT)?;
    let (lines, error) = match server.audit_log() {
        Some(path) => match history::of(path, &id.to_string()) {
            Ok(lines) => (lines, None),
            Err(error) => {
                (Vec::new(), Some(format!("The audit log {} cannot be read: {error}.", path.display())))
            }
        },
        None => {
            let text = "The lines of the audit are in the log; set audit_log_path to see them here.";
            (Vec::new(), Some(text.to_owned()))
        }
    };
    Ok(json!({
        "object": listed(&object),
        "attributes": words::tree(&attributes),
        "history": lines,
        "no_history": error,
    }))
}

/// Returns the policies in force: for each, its sections, and for each operation the permission by object type.
pub(super) fn policies(server: &dyn Inspected) -> Result<Value, Failure> {
    let policies = with_services(server, |services| Ok(services.policies_in_force()))?;
    let all = policies.all().map(|(name, policy)| {
        let mut sections = Vec::new();
        if let Some(rules) = &policy.preset {
            sections.push(json!({ "group": null, "operations": matrix(rules) }));
        }
        for (group, rules) in policy.groups.iter().flatten() {
            sections.push(json!({ "group": group, "operations": matrix(rules) }));
        }
        json!({ "name": name, "built_in": Policies::is_reserved(name), "sections": sections })
    });
    let types: Vec<_> = ObjectType::ALL.iter().map(|object_type| object_type.name()).collect();
    Ok(json!({ "types": types, "policies": all.collect::<Vec<_>>() }))
}

/// Returns the operations that the rules allow, each with its permissions in the order of the object types.
fn matrix(rules: &Rules) -> Vec<Value> {
    let rows = Operation::ALL.iter().map(|operation| {
        let entries = deciding_entries(*operation);
        let permission = |object_type: &ObjectType| {
            let letter = match rules.permission(*object_type, entries) {
                Permission::AllowAll => "all",
                Permission::AllowOwner => "owner",
                Permission::DisallowAll => "none",
            };
            let inherits = entries.own != entries.fallback && !rules.has(*object_type, entries.own);
            (letter, inherits && letter != "none")
        };
        let cells: Vec<_> = ObjectType::ALL.iter().map(permission).collect();
        let from = cells.iter().any(|(_, inherits)| *inherits).then(|| entries.fallback.name());
        let partly = cells.iter().any(|(letter, inherits)| *letter != "none" && !inherits);
        let cells: Vec<_> = cells.into_iter().map(|(letter, _)| letter).collect();
        json!({ "operation": operation.name(), "from": from, "partly": partly, "permissions": cells })
    });
    let is_allowed = |row: &Value| {
        let cells = row.get("permissions").and_then(Value::as_array);
        cells.is_some_and(|cells| cells.iter().any(|cell| cell != "none"))
    };
    rows.filter(is_allowed).collect()
}

/// Returns why a policy allows or refuses an operation of a user on an object.
pub(super) fn access(server: &dyn Inspected, parameters: &Parameters) -> Result<Value, Failure> {
    let id = id(parameters)?;
    let user = parameters.text("user").ok_or(Failure::Parameter("user is missing"))?;
    let name = parameters.text("operation").ok_or(Failure::Parameter("operation is missing"))?;
    let operation = Operation::ALL.iter().find(|operation| operation.name().eq_ignore_ascii_case(name));
    let operation = *operation.ok_or(Failure::Parameter("operation is no operation of the standard"))?;
    let groups = parameters.text("groups").map(|groups| {
        groups
            .split(',')
            .map(|group| group.trim().to_owned())
            .filter(|group| !group.is_empty())
            .collect::<Vec<_>>()
    });
    let user = Principal::from(user);
    let decision =
        with_services(server, |services| services.explain_access(&user, groups.as_deref(), operation, id))?;
    let Some(decision) = decision else {
        let reason = "Item Not Found";
        let steps = [format!("No object has the identifier {id}.")];
        return Ok(json!({ "allowed": false, "reason": reason, "steps": steps }));
    };
    let reason = match &decision {
        Decision { is_allowed: false, .. } => Some(ResultReason::PermissionDenied),
        Decision { obstacle, .. } => obstacle.as_ref().map(|obstacle| obstacle.reason),
    };
    Ok(json!({
        "allowed": decision.is_allowed,
        "reason": reason.map(|reason| reason.name()),
        "steps": steps(&decision, &user, groups.as_deref(), operation),
    }))
}

/// Returns the decision as sentences, in the order of the checks.
fn steps(
    decision: &Decision,
    user: &Principal,
    groups: Option<&[String]>,
    operation: Operation,
) -> Vec<String> {
    let Decision { object, has_policy, entry, permission, is_owner, .. } = decision;
    let (kind, policy, name) = (object.object_type.name(), &object.policy, operation.name());
    let mut steps = vec![format!(
        "Object {} is a {kind} of {}, with the policy {policy:?}.",
        object.id,
        owner(&object.owner)
    )];
    if !has_policy {
        steps.push(format!("No policy has the name {policy:?}, so that nothing is allowed. Correct Operation Policy Name, or add the policy."));
        return steps;
    }
    match groups {
        Some([]) => steps.push("The user is in no group.".to_owned()),
        Some(groups) => steps.push(format!("The user is in the groups {}.", groups.join(", "))),
        None => steps.push("No service supplies groups, so that the section preset applies.".to_owned()),
    }
    if *entry != operation {
        steps.push(format!(
            "The policy has no entry of {name} for a {kind}; that of {} decides.",
            entry.name()
        ));
    }
    steps.push(match permission {
        Permission::AllowAll => format!("Its entry of {} allows every user.", entry.name()),
        Permission::AllowOwner if *is_owner => {
            format!("Its entry of {} allows the owner, who is {}.", entry.name(), user.user)
        }
        Permission::AllowOwner => format!(
            "Its entry of {} allows the owner only, and {} is not the owner.",
            entry.name(),
            user.user
        ),
        Permission::DisallowAll => {
            format!(
                "It has no entry of {} for a {kind} that allows the user, so that it is refused.",
                entry.name()
            )
        }
    });
    if let Some(state) = object.state {
        steps.push(format!("Its state is {}.", state.name()));
    }
    if let Some(Obstacle { message, reason, earlier_reason }) = &decision.obstacle {
        steps.push(format!("The object does not allow {name} now. {message}"));
        if reason != earlier_reason {
            steps.push(format!(
                "The answer is {} from KMIP 2.1 on, and {} before.",
                reason.name(),
                earlier_reason.name()
            ));
        }
    }
    steps
}
