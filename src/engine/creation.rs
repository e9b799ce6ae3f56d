//! New objects: from what a client gives to a record with everything that the server adds
//! (KMIP 1.4 §3 and §4.1 to §4.3, 2.1 §4 and §6.1.8, §6.1.9, §6.1.43).

use crate::crypto::hash;
use crate::kmip::attributes::{
    Attribute, AttributeDefinition, AttributeReference, Attributes, Origin, TABLE, TemplateAttribute,
};
use crate::kmip::enums::*;
use crate::kmip::structures::{Digest, Name, RngParameters};
use crate::kmip::{Error, KeyMaterial, KeyValue, Object, Principal};
use crate::store::{Criterion, Id, Order, Record};
use crate::ttlv::{DateTime, STORED, Tag, Value, Writer};

use super::context::{Context, Search};
use super::error::{failed, invalid_field};
use super::{certificates, key, lease, lifecycle, quantum, usage_limits};

/// The attributes that a client wants on a new object, each allowed in the request's version.
#[derive(Clone, Debug, Default)]
pub struct RequestedAttributes(Vec<Attribute>);

impl FromIterator<Attribute> for RequestedAttributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

impl RequestedAttributes {
    /// Those of a request; the templates that it names come first, and what the request says overrides them.
    ///
    /// # Errors
    /// Item Not Found for an unknown template, Invalid Field for an attribute that the version does not have
    /// or an index where there can be none, Index Out of Bounds for a second value where there can be one.
    pub fn of(cx: &mut Context<'_>, template: &TemplateAttribute) -> Result<Self, Error> {
        for attribute in &template.attributes {
            if !attribute.row.exists_in(cx.version) {
                return Err(invalid_field(format!(
                    "KMIP {} has no {} attribute.",
                    cx.version,
                    attribute.name()
                )));
            }
            if !attribute.row.multiple && attribute.index.is_some_and(|index| index != 0) {
                return Err(invalid_field(format!(
                    "The {} attribute has one value; its index can only be 0.",
                    attribute.name()
                )));
            }
        }
        for (at, attribute) in template.attributes.iter().enumerate() {
            let before = template.attributes.iter().take(at);
            if !attribute.row.multiple && before.into_iter().any(|other| other.row == attribute.row) {
                return Err(failed(
                    ResultReason::IndexOutOfBounds,
                    format!("The {} attribute can have one value only.", attribute.name()),
                ));
            }
        }
        let mut given = Self(template.attributes.clone());
        for name in template.templates.iter().rev() {
            given = given.on_top_of(&Self::of_template(cx, name)?);
        }
        Ok(given)
    }

    /// Those of an optional part of a request.
    ///
    /// # Errors
    /// As [`RequestedAttributes::of`].
    pub fn of_optional(cx: &mut Context<'_>, template: Option<&TemplateAttribute>) -> Result<Self, Error> {
        template.map_or_else(|| Ok(Self::default()), |template| Self::of(cx, template))
    }

    /// These, and of the others those attributes that these do not name.
    pub fn or(&self, others: &Self) -> Self {
        let missing = others.0.iter().filter(|other| {
            let reference = AttributeReference::to(other);
            !self.0.iter().any(|own| AttributeReference::to(own) == reference)
        });
        Self(self.0.iter().chain(missing).cloned().collect())
    }

    /// The attributes of `record` that an object in its place gets too: what clients may set, without what belongs
    /// to the object itself (1.4 §4.4, Table 173).
    pub fn inherited(record: &Record) -> Self {
        const ITS_OWN: &[Tag] = &[
            Tag::Link,
            Tag::Fresh,
            Tag::OriginalCreationDate,
            Tag::RandomNumberGenerator,
            Tag::KeyValueLocation,
        ];
        let rows = TABLE.iter().filter(|row| row.rules.origin != Origin::Server);
        let rows = rows.filter(|row| !ITS_OWN.contains(&row.tag));
        Self(rows.flat_map(|row| record.attributes.of_row(row)).collect())
    }

    /// These on top of others: of attributes that have one value, these count; of those that can have several,
    /// the others' values come first (1.4 §4.2).
    pub fn on_top_of(&self, others: &Self) -> Self {
        let kept = others.0.iter().filter(|other| {
            !self
                .0
                .iter()
                .any(|own| own.row == other.row && (!own.row.multiple || own.stored() == other.stored()))
        });
        Self(kept.chain(&self.0).cloned().collect())
    }

    /// Whether an attribute of one of these tags is given.
    pub fn has_any(&self, tags: &[Tag]) -> bool {
        self.0.iter().any(|attribute| tags.contains(&attribute.row.tag))
    }

    /// What a client may give and `record` has, for an object that takes its place; those of `without` are left
    /// out.
    pub fn taken_over(record: &Record, without: &[Tag]) -> Self {
        let rows =
            TABLE.iter().filter(|row| row.rules.origin != Origin::Server && !without.contains(&row.tag));
        Self(rows.flat_map(|row| record.attributes.of_row(row)).collect())
    }

    /// These and one more.
    pub fn and<T: Value>(mut self, tag: Tag, value: &T) -> Self {
        self.0.extend(AttributeDefinition::of(tag).map(|row| Attribute::of(row, value)));
        self
    }

    /// The value of the attribute behind `tag`, where it is given; `T` has to be the attribute's type.
    pub fn read<T: Value>(&self, tag: Tag) -> Option<T> {
        self.0.iter().find(|attribute| attribute.row.tag == tag)?.read().ok()
    }

    /// All values of the attribute behind `tag`; `T` has to be its type.
    pub fn all<T: Value>(&self, tag: Tag) -> Vec<T> {
        let values = self.0.iter().filter(|attribute| attribute.row.tag == tag);
        values.filter_map(|attribute| attribute.read().ok()).collect()
    }

    /// Takes one attribute out.
    pub fn without(mut self, tag: Tag) -> Self {
        self.0.retain(|attribute| attribute.row.tag != tag);
        self
    }

    /// Those of these tags alone.
    pub fn only(&self, tags: &[Tag]) -> Self {
        Self(self.0.iter().filter(|attribute| tags.contains(&attribute.row.tag)).cloned().collect())
    }

    /// The attributes of a template that the asker may use, its names left out.
    fn of_template(cx: &mut Context<'_>, name: &Name) -> Result<Self, Error> {
        let criterion = |tag, value: &dyn Fn(&'static AttributeDefinition) -> Attribute| {
            AttributeDefinition::of(tag).map_or(Criterion::Nothing, |row| Criterion::Equals(value(row)))
        };
        let criteria = vec![
            criterion(Tag::Name, &|row| Attribute::of(row, name)),
            criterion(Tag::ObjectType, &|row| Attribute::of(row, &ObjectType::Template)),
        ];
        let search = Search {
            criteria,
            storage: StorageStatusMask::ON_LINE_STORAGE,
            offset: 0,
            limit: Some(1),
            order: Order::NewestFirst,
            count: false,
        };
        let found = cx.locate(search)?.ids;
        let [id] = found.as_slice() else {
            return Err(failed(
                ResultReason::ItemNotFound,
                format!("There is no template named {}.", name.name_value),
            ));
        };
        let record = cx.open(Some(&(*id).into()), Operation::GetAttributes)?;
        let Some(Object::Template(template)) = &record.object else { return Ok(Self::default()) };
        let attributes = template.attributes.0.iter().filter(|attribute| attribute.row.tag != Tag::Name);
        Ok(Self(attributes.cloned().collect()))
    }
}

/// An object on its way into the store.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// What is known about it so far.
    pub attributes: Attributes,
    object: Object,
    /// Whether the client said in which format it wants the key.
    format_given: bool,
}

impl NewObject {
    /// A draft of `object`, with the attributes that follow from the object itself.
    pub fn new(object: Object) -> Self {
        let mut attributes = Attributes { object_type: Some(object.object_type()), ..Attributes::default() };
        if let Some(block) = object.key_block() {
            attributes.cryptographic_algorithm = block.cryptographic_algorithm;
            attributes.cryptographic_length = block.cryptographic_length;
            attributes.key_format_type = Some(block.key_format_type);
            if block.key_value.is_none() {
                attributes.key_value_present = Some(false);
            }
        }
        match &object {
            Object::Certificate(certificate) => certificates::describe(certificate, &mut attributes),
            Object::OpaqueObject(opaque) => attributes.opaque_data_type = Some(opaque.opaque_data_type),
            _ => {}
        }
        Self { attributes, object, format_given: false }
    }

    /// The same for an object that the server generates at `now`.
    pub fn generated(object: Object, now: DateTime) -> Self {
        let mut draft = Self::new(object);
        draft.attributes.original_creation_date = Some(now);
        draft.attributes.random_number_generator = Some(RngParameters {
            rng_algorithm: RngAlgorithm::Unspecified,
            cryptographic_algorithm: None,
            cryptographic_length: None,
            hashing_algorithm: None,
            drbg_algorithm: None,
            recommended_curve: None,
            fips186_variation: None,
            prediction_resistance: None,
        });
        draft
    }

    /// Sets what the client gives. It may repeat, but not contradict, what follows from the object.
    ///
    /// # Errors
    /// Invalid Field for an attribute that objects of the type do not have, that only the server sets, that
    /// contradicts the object, or for a name that is given twice.
    pub fn give(mut self, given: &RequestedAttributes) -> Result<Self, Error> {
        let object_type = self.object.object_type();
        for attribute in &given.0 {
            let rules = &attribute.row.rules;
            let name = attribute.name();
            if !rules.applies_to.contains(object_type) {
                return Err(invalid_field(format!(
                    "Objects of the type {object_type} have no {name} attribute."
                )));
            }
            self.format_given |= attribute.row.tag == Tag::KeyFormatType;
            let there = self.attributes.of_row(attribute.row).next();
            match there {
                Some(there) if !attribute.row.multiple || rules.origin == Origin::Server => {
                    if there.stored() != attribute.stored() {
                        return Err(invalid_field(format!(
                            "The {name} attribute contradicts the object itself."
                        )));
                    }
                }
                None if rules.origin == Origin::Server => {
                    return Err(invalid_field(format!("The {name} attribute is set by the server alone.")));
                }
                _ => self.attributes.push(attribute),
            }
        }
        let names = &self.attributes.name;
        if names.iter().enumerate().any(|(at, name)| names.iter().take(at).any(|other| other == name)) {
            return Err(invalid_field("The same Name is given twice."));
        }
        Ok(self)
    }

    /// A template is found by the names that it brings in its own attributes.
    pub fn name_template(&mut self) {
        if let Object::Template(template) = &self.object {
            let names = template.attributes.0.iter().filter(|attribute| attribute.row.tag == Tag::Name);
            names.for_each(|name| self.attributes.push(name));
        }
    }

    /// The object with the server's own attributes added, and its life begun.
    ///
    /// # Errors
    /// Cryptographic Failure where the value cannot be hashed, Invalid Field for Usage Limits below zero, those of
    /// [`quantum::check`].
    pub fn finish(self, asker: &Requester) -> Result<RecordWithoutId, Error> {
        let Self { mut attributes, object, format_given } = self;
        let object_type = object.object_type();
        quantum::check(&attributes)?;
        attributes.operation_policy_name.get_or_insert_with(|| crate::store::DEFAULT_POLICY.to_owned());
        attributes.fresh.get_or_insert(true);
        if AttributeDefinition::of(Tag::LeaseTime)
            .is_some_and(|row| row.rules.applies_to.contains(object_type))
        {
            attributes.lease_time = Some(lease::LONGEST);
        }
        if let Some(limits) = &attributes.usage_limits {
            attributes.usage_limits = Some(usage_limits::begin(limits)?);
        }
        let sensitive = *attributes.sensitive.get_or_insert(false);
        let extractable = *attributes.extractable.get_or_insert(true);
        attributes.always_sensitive = Some(sensitive);
        attributes.never_extractable = Some(!extractable);
        attributes.protection_storage_mask = Some(ProtectionStorageMask::SOFTWARE);
        if has_usage_mask(object_type) {
            attributes.cryptographic_usage_mask.get_or_insert_default();
        }
        attributes.digest = digest(&object)?.into_iter().collect();
        if format_given && let Some(standard) = key::in_default_format(&object) {
            // 2.1 §4.26: beside the digest of the format that was asked for, that of the default one.
            attributes.digest.extend(digest(&standard)?);
        }
        let (id, owner, object) = (Id(0), asker.owner.clone(), Some(object));
        let mut record = Record { id, owner, object_type, attributes, object };
        lifecycle::begin(&mut record, asker.now);
        Ok(RecordWithoutId(record))
    }
}

/// A new object that is whole but for its number: it gets one where no other change can get the same, and everything
/// that takes time is done by then.
#[derive(Clone, Debug)]
pub struct RecordWithoutId(Record);

impl RecordWithoutId {
    /// The object of number `id`.
    pub fn numbered(self, id: Id) -> Record {
        let Self(mut record) = self;
        record.id = id;
        record.attributes.unique_identifier = Some(id.into());
        record.attributes.short_unique_identifier = Some(id.0.to_be_bytes().to_vec());
        record
    }
}

/// Who makes an object, and when.
#[derive(Clone, Debug)]
pub struct Requester {
    owner: Principal,
    now: DateTime,
}

impl Requester {
    /// The user of that name, at `now`.
    #[cfg(test)]
    pub(super) fn new(owner: &str, now: DateTime) -> Self {
        Self { owner: owner.into(), now }
    }

    /// The moment of the request.
    pub fn now(&self) -> DateTime {
        self.now
    }

    /// The one who asks in `cx`, at the moment of the request.
    pub fn of(cx: &Context<'_>) -> Self {
        Self { owner: cx.identity.principal.clone(), now: cx.now }
    }

    /// One who asked another server, at that moment.
    pub(super) fn then(owner: Principal, now: DateTime) -> Self {
        Self { owner, now }
    }
}

fn has_usage_mask(object_type: ObjectType) -> bool {
    lifecycle::has_state(object_type)
}

/// The SHA-256 digest of the object's value (1.4 §3.17); none where the value is kept elsewhere.
fn digest(object: &Object) -> Result<Option<Digest>, Error> {
    let format = object.key_block().map(|block| block.key_format_type);
    let value = match object {
        Object::Certificate(certificate) => {
            hash::digest(HashingAlgorithm::Sha256, &certificate.certificate_value)?
        }
        Object::CertificateRequest(request) => {
            hash::digest(HashingAlgorithm::Sha256, &request.certificate_request_value)?
        }
        Object::OpaqueObject(opaque) => {
            hash::digest(HashingAlgorithm::Sha256, opaque.opaque_data_value.expose())?
        }
        _ => match object.key_block().and_then(|block| block.key_value.as_ref()) {
            Some(KeyValue::Wrapped(bytes) | KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => {
                hash::digest(HashingAlgorithm::Sha256, bytes.expose())?
            }
            Some(KeyValue::Plain { material, .. }) => {
                let bytes = Writer::wiped(STORED, |writer| material.encode(writer));
                hash::digest(HashingAlgorithm::Sha256, &bytes)?
            }
            None => return Ok(None),
        },
    };
    Ok(Some(Digest {
        hashing_algorithm: HashingAlgorithm::Sha256,
        digest_value: Some(value),
        // What is in no key block counts as raw bytes, as the standard's test cases have it; PyKMIP's client
        // cannot read a digest without format.
        key_format_type: Some(format.unwrap_or(KeyFormatType::Raw)),
    }))
}
