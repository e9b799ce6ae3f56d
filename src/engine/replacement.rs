//! Replacement of keys: the attributes that Re-key and Re-key Key Pair copy, compute and link (KMIP 1.4 §4.4 and §4.5,
//! 2.1 §6.1.46 and §6.1.47). The operations generate the new key and run the transaction.

use crate::kmip::attributes::Attributes;
use crate::kmip::enums::{LinkType, ObjectType, ResultReason};
use crate::kmip::structures::Link;
use crate::kmip::{Error, Object};
use crate::store::{Id, Record};
use crate::ttlv::{DateTime, Interval, Tag};

use super::creation::{NewObject, RequestedAttributes, Requester};
use super::error::{destroyed, failed};
use super::lifecycle;

/// The dates that an Offset computes; a request cannot contain both.
const COMPUTED_DATES: &[Tag] =
    &[Tag::ActivationDate, Tag::ProcessStartDate, Tag::ProtectStopDate, Tag::DeactivationDate];

/// The attributes of the old key that the replacement does not inherit (1.4 §4.4, Table 173).
const NOT_INHERITED: &[Tag] =
    &[Tag::Link, Tag::Fresh, Tag::OriginalCreationDate, Tag::RandomNumberGenerator, Tag::KeyValueLocation];

/// The attributes that a client requests for a replacement key.
#[derive(Clone, Debug)]
pub struct ReplacementRequest {
    /// The Offset: the seconds from the Initial Date to the Activation Date of the new key.
    pub offset: Option<Interval>,
    /// The requested attributes, which override the inherited ones.
    pub requested: RequestedAttributes,
}

impl ReplacementRequest {
    /// Returns the request if it is consistent.
    ///
    /// # Errors
    /// Returns Invalid Message if the request contains an Offset and a date that the Offset computes (1.4 §11.5).
    pub fn checked(self) -> Result<Self, Error> {
        if self.offset.is_some() && self.requested.has_any(COMPUTED_DATES) {
            let message =
                "The Offset computes the dates of the new key; remove either the Offset or the dates.";
            return Err(failed(ResultReason::InvalidMessage, message));
        }
        Ok(self)
    }

    /// Returns the inherited and the requested attributes of the replacement of `old`.
    pub fn attributes(&self, old: &Record) -> RequestedAttributes {
        self.requested.overriding(&RequestedAttributes::inherited(old, NOT_INHERITED))
    }
}

/// Checks that a new object of this type can replace the object.
///
/// # Errors
/// Returns Object Destroyed (before 2.1 Item Not Found), Invalid Object Type (Permission Denied) for an object of
/// another type, and Key Value Not Present if this server does not store the key's value.
pub fn check_replaceable(record: &Record, object_type: ObjectType) -> Result<(), Error> {
    if record.object_type != object_type {
        let message = format!("An object of the type {} cannot be re-keyed here.", record.object_type);
        return Err(
            failed(ResultReason::InvalidObjectType, message).with_fallback(ResultReason::PermissionDenied)
        );
    }
    if lifecycle::is_destroyed(record) {
        return Err(destroyed(&record.id.to_string()));
    }
    if record.object.as_ref().and_then(Object::key_block).is_none_or(|block| block.key_value.is_none()) {
        return Err(failed(ResultReason::KeyValueNotPresent, "This server does not store the key's value."));
    }
    Ok(())
}

/// Returns the replacement of `old`, which has the value `object` and will have the Unique Identifier `id`. Moves the
/// names of `old` to it and links both.
///
/// # Errors
/// Returns Illegal Operation if an Offset must move dates but `old` has no Activation Date, and the errors of
/// [`NewObject::with_requested`].
pub fn replace(
    old: &mut Record,
    id: Id,
    object: Object,
    request: &ReplacementRequest,
    requester: &Requester,
) -> Result<NewObject, Error> {
    let now = requester.now();
    let mut new = NewObject::generated(object, now).with_requested(&request.attributes(old))?;
    if let Some(offset) = request.offset {
        shift_dates(&mut new.attributes, &old.attributes, offset, now)?;
    }
    let attributes = &mut new.attributes;
    attributes.link.push(Link::new(LinkType::ReplacedObjectLink, old.id));
    attributes.rotate_generation = Some(old.attributes.rotate_generation.unwrap_or(0).saturating_add(1));
    attributes.rotate_date = Some(now);
    attributes.rotate_latest = Some(true);
    let old = &mut old.attributes;
    old.name.clear();
    old.link.retain(|link| link.link_type != LinkType::ReplacementObjectLink);
    old.link.push(Link::new(LinkType::ReplacementObjectLink, id));
    old.rotate_latest = Some(false);
    Ok(new)
}

/// Sets the Activation Date to `offset` seconds after `now` and shifts the other dates by the same difference.
fn shift_dates(new: &mut Attributes, old: &Attributes, offset: Interval, now: DateTime) -> Result<(), Error> {
    let activation = DateTime(now.0.saturating_add(offset.0.into()));
    let shifted = [
        (&mut new.process_start_date, old.process_start_date),
        (&mut new.protect_stop_date, old.protect_stop_date),
        (&mut new.deactivation_date, old.deactivation_date),
    ];
    for (date, old_date) in shifted {
        let Some(old_date) = old_date else { continue };
        let Some(from) = old.activation_date else {
            let message = "The key has dates but no Activation Date, so an Offset cannot shift them.";
            return Err(failed(ResultReason::IllegalOperation, message));
        };
        *date = Some(DateTime(old_date.0.saturating_add(activation.0.saturating_sub(from.0))));
    }
    new.activation_date = Some(activation);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::key;
    use crate::kmip::attributes::{Attribute, AttributeDefinition};
    use crate::kmip::enums::{
        CryptographicAlgorithm, NameType, RevocationReasonCode, State, UsageLimitsUnit,
    };
    use crate::kmip::structures::{Name, RevocationReason, UsageLimits};
    use crate::secret::Secret;
    use crate::ttlv::{V1_4, Value};

    const NOW: DateTime = DateTime(10_000);

    fn symmetric_key() -> Object {
        let bytes = Secret::new(vec![7; 16]);
        key::symmetric_key(bytes, CryptographicAlgorithm::Aes, 128, None, V1_4).unwrap()
    }

    fn name(text: &str) -> Name {
        Name { name_value: text.to_owned(), name_type: NameType::UninterpretedTextString }
    }

    fn old() -> Record {
        let attributes = Attributes {
            name: vec![name("original")],
            state: Some(State::Active),
            initial_date: Some(DateTime(1_000)),
            activation_date: Some(DateTime(1_000)),
            protect_stop_date: Some(DateTime(1_500)),
            deactivation_date: Some(DateTime(2_000)),
            compromise_date: Some(DateTime(1_800)),
            link: vec![Link::new(LinkType::DerivationBaseObjectLink, Id(7))],
            fresh: Some(false),
            comment: Some("inherited".to_owned()),
            usage_limits: Some(UsageLimits {
                usage_limits_total: 100,
                usage_limits_count: Some(40),
                usage_limits_unit: UsageLimitsUnit::Byte,
            }),
            revocation_reason: Some(RevocationReason {
                revocation_reason_code: RevocationReasonCode::KeyCompromise,
                revocation_message: None,
            }),
            ..Attributes::default()
        };
        let object_type = ObjectType::SymmetricKey;
        Record { id: Id(1), owner: "john".into(), object_type, attributes, object: Some(symmetric_key()) }
    }

    fn requested<T: Value>(tag: Tag, value: &T) -> RequestedAttributes {
        RequestedAttributes::from_iter([Attribute::of(AttributeDefinition::of(tag).unwrap(), value)])
    }

    fn replacement(
        old: &mut Record,
        offset: Option<u32>,
        requested: RequestedAttributes,
    ) -> Result<Record, Error> {
        let request = ReplacementRequest { offset: offset.map(Interval), requested }.checked()?;
        let requester = Requester::new("john", NOW);
        Ok(replace(old, Id(2), symmetric_key(), &request, &requester)?.finish(&requester)?.with_id(Id(2)))
    }

    #[test]
    fn moves_names_and_links_both_keys() {
        let mut old = old();
        let new = replacement(&mut old, None, requested(Tag::Name, &name("second"))).unwrap();
        assert_eq!(new.attributes.name, [name("original"), name("second")]);
        assert_eq!(old.attributes.name, []);
        assert_eq!(new.attributes.link, [Link::new(LinkType::ReplacedObjectLink, Id(1))]);
        let unchanged = Link::new(LinkType::DerivationBaseObjectLink, Id(7));
        assert_eq!(old.attributes.link, [unchanged, Link::new(LinkType::ReplacementObjectLink, Id(2))]);
    }

    #[test]
    fn inherits_attributes_of_clients_but_not_those_of_the_old_key_itself() {
        let new = replacement(&mut old(), None, RequestedAttributes::default()).unwrap();
        let attributes = &new.attributes;
        assert_eq!(attributes.comment.as_deref(), Some("inherited"));
        assert_eq!(attributes.deactivation_date, Some(DateTime(2_000)));
        assert_eq!(attributes.initial_date, Some(NOW));
        assert_eq!(attributes.fresh, Some(true));
        assert_eq!((&attributes.compromise_date, &attributes.revocation_reason), (&None, &None));
        let limits = attributes.usage_limits.as_ref().unwrap();
        assert_eq!((limits.usage_limits_total, limits.usage_limits_count), (100, Some(100)));
        assert_eq!(attributes.unique_identifier, Some(Id(2).into()));
    }

    #[test]
    fn offset_shifts_all_dates_by_the_same_difference() {
        let new = replacement(&mut old(), Some(60), RequestedAttributes::default()).unwrap();
        assert_eq!(new.attributes.activation_date, Some(DateTime(10_060)));
        assert_eq!(new.attributes.protect_stop_date, Some(DateTime(10_560)));
        assert_eq!(new.attributes.deactivation_date, Some(DateTime(11_060)));
        assert_eq!(new.attributes.process_start_date, None);
        assert_eq!(new.attributes.state, Some(State::PreActive));
        let now = replacement(&mut old(), Some(0), RequestedAttributes::default()).unwrap();
        assert_eq!(now.attributes.state, Some(State::Active));
    }

    #[test]
    fn rejects_an_offset_together_with_dates_or_without_an_activation_date() {
        let date = requested(Tag::DeactivationDate, &DateTime(9));
        let error = replacement(&mut old(), Some(0), date.clone()).unwrap_err();
        assert_eq!(error.reason, ResultReason::InvalidMessage);
        let new = replacement(&mut old(), None, date).unwrap();
        assert_eq!(new.attributes.deactivation_date, Some(DateTime(9)));
        let mut undated = old();
        undated.attributes.activation_date = None;
        let error = replacement(&mut undated, Some(0), RequestedAttributes::default()).unwrap_err();
        assert_eq!(error.reason, ResultReason::IllegalOperation);
    }

    #[test]
    fn counts_generations_and_marks_the_latest() {
        let mut first = old();
        let mut second = replacement(&mut first, None, RequestedAttributes::default()).unwrap();
        assert_eq!(first.attributes.rotate_latest, Some(false));
        assert_eq!(second.attributes.rotate_generation, Some(1));
        let third = replacement(&mut second, None, RequestedAttributes::default()).unwrap();
        assert_eq!(third.attributes.rotate_generation, Some(2));
        assert_eq!(third.attributes.rotate_latest, Some(true));
    }

    #[test]
    fn rejects_objects_that_are_destroyed_or_of_another_type() {
        check_replaceable(&old(), ObjectType::SymmetricKey).unwrap();
        let error = check_replaceable(&old(), ObjectType::PrivateKey).unwrap_err();
        assert_eq!(error.reason, ResultReason::InvalidObjectType);
        assert_eq!(error.reason_in(V1_4), ResultReason::PermissionDenied);
        let mut destroyed = old();
        destroyed.attributes.destroy_date = Some(NOW);
        let error = check_replaceable(&destroyed, ObjectType::SymmetricKey).unwrap_err();
        assert_eq!(error.reason, ResultReason::ObjectDestroyed);
    }
}
