//! New keys in the place of old ones: what Re-key and Re-key Key Pair copy, compute and link
//! (KMIP 1.4 §4.4 and §4.5, 2.1 §6.1.46 and §6.1.47).
//!
//! Making the new key, and the change of the store, are left to the operations.

use crate::kmip::enums::{LinkType, ObjectType, ResultReason};
use crate::kmip::structures::Link;
use crate::kmip::{Error, Object};
use crate::store::{Id, Record};
use crate::ttlv::{DateTime, Interval, Tag};

use super::creation::{NewObject, RequestedAttributes, Requester};
use super::error::{destroyed, failed};
use super::lifecycle;

/// The dates that an offset computes, so that they cannot be given beside it.
const DATES: &[Tag] =
    &[Tag::ActivationDate, Tag::ProcessStartDate, Tag::ProtectStopDate, Tag::DeactivationDate];

/// What a client asks for besides the new key itself.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How many seconds after its making the new key is activated.
    pub offset: Option<Interval>,
    /// The attributes that the new key has instead of the old one's, or on top of them.
    pub given: RequestedAttributes,
}

impl Wanted {
    /// The same, where it makes sense.
    ///
    /// # Errors
    /// Invalid Message for an offset beside a date that it computes (1.4 §11.5).
    pub fn checked(self) -> Result<Self, Error> {
        if self.offset.is_some() && self.given.has_any(DATES) {
            let message = "An Offset computes the dates of the new key; they cannot be given beside it.";
            return Err(failed(ResultReason::InvalidMessage, message));
        }
        Ok(self)
    }

    /// The attributes of the successor of `old`, before what belongs to the new key itself.
    pub fn attributes(&self, old: &Record) -> RequestedAttributes {
        self.given.on_top_of(&RequestedAttributes::inherited(old))
    }
}

/// Checks that the object can be replaced by a new one of its kind.
///
/// # Errors
/// Object Destroyed (before 2.1 Item Not Found), Invalid Object Type (Permission Denied) for another type, Key
/// Value Not Present for a key that is kept elsewhere.
pub fn replaceable(record: &Record, object_type: ObjectType) -> Result<(), Error> {
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
        return Err(failed(ResultReason::KeyValueNotPresent, "The value of the key is not on this server."));
    }
    Ok(())
}

/// The successor of `old`, with the number `id` and the value `object`. The old object loses its names to it, and
/// both are linked.
///
/// # Errors
/// Illegal Operation where an offset has no Activation Date to move the others by, and those of [`NewObject::give`].
pub fn succeed(
    old: &mut Record,
    id: Id,
    object: Object,
    wanted: &Wanted,
    asker: &Requester,
) -> Result<NewObject, Error> {
    let now = asker.now();
    let mut draft = NewObject::generated(object, now).give(&wanted.attributes(old))?;
    if let Some(offset) = wanted.offset {
        shift_dates(&mut draft, old, offset, now)?;
    }
    let attributes = &mut draft.attributes;
    attributes.link.push(Link::new(LinkType::ReplacedObjectLink, old.id));
    attributes.rotate_generation = Some(old.attributes.rotate_generation.unwrap_or(0).saturating_add(1));
    attributes.rotate_date = Some(now);
    attributes.rotate_latest = Some(true);
    let old = &mut old.attributes;
    old.name.clear();
    old.link.retain(|link| link.link_type != LinkType::ReplacementObjectLink);
    old.link.push(Link::new(LinkType::ReplacementObjectLink, id));
    old.rotate_latest = Some(false);
    Ok(draft)
}

/// The new key is activated `offset` after its making, and its other dates keep their distance from that.
fn shift_dates(draft: &mut NewObject, old: &Record, offset: Interval, now: DateTime) -> Result<(), Error> {
    let activation = DateTime(now.0.saturating_add(offset.0.into()));
    let before = &old.attributes;
    let new = &mut draft.attributes;
    let moved = [
        (&mut new.process_start_date, before.process_start_date),
        (&mut new.protect_stop_date, before.protect_stop_date),
        (&mut new.deactivation_date, before.deactivation_date),
    ];
    for (date, old_date) in moved {
        let Some(old_date) = old_date else { continue };
        let Some(from) = before.activation_date else {
            let message = "The key has dates but no Activation Date that an Offset could move them by.";
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
    use crate::kmip::attributes::{Attribute, AttributeDefinition, Attributes};
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
            comment: Some("kept".to_owned()),
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

    fn given<T: Value>(tag: Tag, value: &T) -> RequestedAttributes {
        RequestedAttributes::from_iter([Attribute::of(AttributeDefinition::of(tag).unwrap(), value)])
    }

    fn successor(old: &mut Record, offset: Option<u32>, given: RequestedAttributes) -> Result<Record, Error> {
        let wanted = Wanted { offset: offset.map(Interval), given }.checked()?;
        let asker = Requester::new("john", NOW);
        Ok(succeed(old, Id(2), symmetric_key(), &wanted, &asker)?.finish(&asker)?.numbered(Id(2)))
    }

    #[test]
    fn names_move_and_links_point_both_ways() {
        let mut old = old();
        let new = successor(&mut old, None, given(Tag::Name, &name("second"))).unwrap();
        assert_eq!(new.attributes.name, [name("original"), name("second")]);
        assert_eq!(old.attributes.name, []);
        assert_eq!(new.attributes.link, [Link::new(LinkType::ReplacedObjectLink, Id(1))]);
        let kept = Link::new(LinkType::DerivationBaseObjectLink, Id(7));
        assert_eq!(old.attributes.link, [kept, Link::new(LinkType::ReplacementObjectLink, Id(2))]);
    }

    #[test]
    fn what_clients_set_is_copied_and_what_belongs_to_the_old_key_is_not() {
        let new = successor(&mut old(), None, RequestedAttributes::default()).unwrap();
        let attributes = &new.attributes;
        assert_eq!(attributes.comment.as_deref(), Some("kept"));
        assert_eq!(attributes.deactivation_date, Some(DateTime(2_000)));
        assert_eq!(attributes.initial_date, Some(NOW));
        assert_eq!(attributes.fresh, Some(true));
        assert_eq!((&attributes.compromise_date, &attributes.revocation_reason), (&None, &None));
        let limits = attributes.usage_limits.as_ref().unwrap();
        assert_eq!((limits.usage_limits_total, limits.usage_limits_count), (100, Some(100)));
        assert_eq!(attributes.unique_identifier, Some(Id(2).into()));
    }

    #[test]
    fn an_offset_moves_all_dates_by_as_much() {
        let new = successor(&mut old(), Some(60), RequestedAttributes::default()).unwrap();
        assert_eq!(new.attributes.activation_date, Some(DateTime(10_060)));
        assert_eq!(new.attributes.protect_stop_date, Some(DateTime(10_560)));
        assert_eq!(new.attributes.deactivation_date, Some(DateTime(11_060)));
        assert_eq!(new.attributes.process_start_date, None);
        assert_eq!(new.attributes.state, Some(State::PreActive));
        let now = successor(&mut old(), Some(0), RequestedAttributes::default()).unwrap();
        assert_eq!(now.attributes.state, Some(State::Active));
    }

    #[test]
    fn dates_are_given_or_computed_and_not_both() {
        let date = given(Tag::DeactivationDate, &DateTime(9));
        let error = successor(&mut old(), Some(0), date.clone()).unwrap_err();
        assert_eq!(error.reason, ResultReason::InvalidMessage);
        let new = successor(&mut old(), None, date).unwrap();
        assert_eq!(new.attributes.deactivation_date, Some(DateTime(9)));
        let mut undated = old();
        undated.attributes.activation_date = None;
        let error = successor(&mut undated, Some(0), RequestedAttributes::default()).unwrap_err();
        assert_eq!(error.reason, ResultReason::IllegalOperation);
    }

    #[test]
    fn generations_are_counted_and_the_latest_is_marked() {
        let mut first = old();
        let mut second = successor(&mut first, None, RequestedAttributes::default()).unwrap();
        assert_eq!(first.attributes.rotate_latest, Some(false));
        assert_eq!(second.attributes.rotate_generation, Some(1));
        let third = successor(&mut second, None, RequestedAttributes::default()).unwrap();
        assert_eq!(third.attributes.rotate_generation, Some(2));
        assert_eq!(third.attributes.rotate_latest, Some(true));
    }

    #[test]
    fn only_what_is_there_and_of_the_right_type_is_replaced() {
        replaceable(&old(), ObjectType::SymmetricKey).unwrap();
        let error = replaceable(&old(), ObjectType::PrivateKey).unwrap_err();
        assert_eq!(error.reason, ResultReason::InvalidObjectType);
        assert_eq!(error.reason_in(V1_4), ResultReason::PermissionDenied);
        let mut gone = old();
        gone.attributes.destroy_date = Some(NOW);
        let error = replaceable(&gone, ObjectType::SymmetricKey).unwrap_err();
        assert_eq!(error.reason, ResultReason::ObjectDestroyed);
    }
}
