//! New objects: the attributes that a client requests, and those that the server sets (KMIP 1.4 §3 and §4.1 to §4.3,
//! 2.1 §4).

use std::sync::Arc;

use std::collections::HashSet;

use crate::crypto::hash;
use crate::excerpt::Excerpt;
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

/// The attributes that a client requests for a new object. The request's version has each of them.
#[derive(Clone, Debug, Default)]
pub struct RequestedAttributes(Vec<Attribute>);

impl FromIterator<Attribute> for RequestedAttributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

impl RequestedAttributes {
    /// Returns the attributes of a Template-Attribute. They override those of the templates that it names.
    ///
    /// # Errors
    /// Returns Item Not Found for an unknown template, Invalid Field for an attribute that the version does not have
    /// and for an index other than 0 of a single-instance attribute, and Index Out of Bounds for a second value of a
    /// single-instance attribute.
    pub fn of(cx: &mut Context<'_>, template: TemplateAttribute) -> Result<Self, Error> {
        for attribute in &template.attributes {
            if !attribute.row.exists_in(cx.version) {
                return Err(invalid_field(format!("KMIP {} has no {attribute} attribute.", cx.version)));
            }
            if !attribute.row.multiple && attribute.index.is_some_and(|index| index != 0) {
                return Err(invalid_field(format!(
                    "The {attribute} attribute has one value only; its index must be 0."
                )));
            }
        }
        for (position, attribute) in template.attributes.iter().enumerate() {
            let mut earlier = template.attributes.iter().take(position);
            if !attribute.row.multiple && earlier.any(|other| other.row == attribute.row) {
                return Err(failed(
                    ResultReason::IndexOutOfBounds,
                    format!("The {attribute} attribute can have one value only."),
                ));
            }
        }
        let mut requested = Self(template.attributes);
        for name in template.templates.iter().rev() {
            requested = requested.overriding(&Self::of_template(cx, name)?);
        }
        Ok(requested)
    }

    /// Returns the attributes of an optional Template-Attribute; none if it is absent.
    ///
    /// # Errors
    /// Returns the errors of [`RequestedAttributes::of`].
    pub fn of_optional(cx: &mut Context<'_>, template: Option<TemplateAttribute>) -> Result<Self, Error> {
        template.map_or_else(|| Ok(Self::default()), |template| Self::of(cx, template))
    }

    /// Merges `other` into `self`; attributes already present in `self` win.
    pub fn or(&self, other: &Self) -> Self {
        let missing = other.0.iter().filter(|attribute| {
            let reference = AttributeReference::to(attribute);
            !self.0.iter().any(|own| AttributeReference::to(own) == reference)
        });
        Self(self.0.iter().chain(missing).cloned().collect())
    }

    /// Adds `self` to `base`: a single-instance attribute of `self` replaces that of `base`; values of a multi-instance
    /// attribute follow those of `base` (1.4 §4.2).
    pub fn overriding(&self, base: &Self) -> Self {
        let remaining = base.0.iter().filter(|other| {
            !self
                .0
                .iter()
                .any(|own| own.row == other.row && (!own.row.multiple || own.stored() == other.stored()))
        });
        Self(remaining.chain(&self.0).cloned().collect())
    }

    /// Returns whether an attribute with one of these tags is present.
    pub fn has_any(&self, tags: &[Tag]) -> bool {
        self.0.iter().any(|attribute| tags.contains(&attribute.row.tag))
    }

    /// Returns the attributes that a replacement of `record` inherits: those that a client may set, except those of
    /// `without`.
    pub fn inherited(record: &Record, without: &[Tag]) -> Self {
        let rows =
            TABLE.iter().filter(|row| row.rules.origin != Origin::Server && !without.contains(&row.tag));
        Self(rows.flat_map(|row| record.attributes.of_row(row)).collect())
    }

    /// Adds one attribute.
    pub fn with<T: Value>(mut self, tag: Tag, value: &T) -> Self {
        self.0.extend(AttributeDefinition::of(tag).map(|row| Attribute::of(row, value)));
        self
    }

    /// Returns the value of the attribute with this tag, if it is present; `T` must be the attribute's type.
    pub fn read<T: Value>(&self, tag: Tag) -> Option<T> {
        self.0.iter().find(|attribute| attribute.row.tag == tag)?.read().ok()
    }

    /// Returns all values of the attribute with this tag; `T` must be the attribute's type.
    pub fn all<T: Value>(&self, tag: Tag) -> Vec<T> {
        let values = self.0.iter().filter(|attribute| attribute.row.tag == tag);
        values.filter_map(|attribute| attribute.read().ok()).collect()
    }

    /// Removes all values of the attribute with this tag.
    pub fn without(mut self, tag: Tag) -> Self {
        self.0.retain(|attribute| attribute.row.tag != tag);
        self
    }

    /// Returns the attributes with these tags.
    pub fn only(&self, tags: &[Tag]) -> Self {
        Self(self.0.iter().filter(|attribute| tags.contains(&attribute.row.tag)).cloned().collect())
    }

    /// Returns the attributes of the template with this name, except its own names.
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
                format!("No template has the name {}.", Excerpt(&name.name_value)),
            ));
        };
        let record = cx.open(Some(&(*id).into()), Operation::GetAttributes)?;
        let Some(Object::Template(template)) = &record.object else { return Ok(Self::default()) };
        let attributes = template.attributes.0.iter().filter(|attribute| attribute.row.tag != Tag::Name);
        Ok(Self(attributes.cloned().collect()))
    }
}

/// An object before the server assigns its Unique Identifier and its other own attributes.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// Its attributes so far.
    pub attributes: Attributes,
    object: Object,
    /// Whether the client requested a Key Format Type.
    format_requested: bool,
}

impl NewObject {
    /// Returns a new object with the attributes that follow from `object` itself.
    pub fn new(object: Object) -> Self {
        let mut attributes = Attributes { object_type: Some(object.object_type()), ..Attributes::default() };
        if let Some(block) = object.key_block() {
            attributes.cryptographic_algorithm = block.cryptographic_algorithm;
            attributes.cryptographic_length = block.cryptographic_length;
            attributes.key_format_type = Some(block.key_format_type);
            if block.key_value.is_none() {
                attributes.key_value_present = Some(false);
            }
        } else {
            attributes.key_format_type = format_without_key_block(&object);
        }
        match &object {
            Object::Certificate(certificate) => certificates::describe(certificate, &mut attributes),
            Object::OpaqueObject(opaque) => attributes.opaque_data_type = Some(opaque.opaque_data_type),
            _ => {}
        }
        Self { attributes, object, format_requested: false }
    }

    /// Returns a new object that the server generates at `now`.
    pub fn generated(object: Object, now: DateTime) -> Self {
        let mut new = Self::new(object);
        new.attributes.original_creation_date = Some(now);
        new.attributes.random_number_generator = Some(RngParameters::OF_THIS_SERVER);
        new
    }

    /// Sets the requested attributes. They may repeat the attributes that follow from the object, but not contradict
    /// them.
    ///
    /// # Errors
    /// Returns Invalid Field for an attribute that objects of this type do not have, that only the server sets, or that
    /// contradicts the object, and for a name that occurs twice.
    pub fn with_requested(mut self, requested: &RequestedAttributes) -> Result<Self, Error> {
        let object_type = self.object.object_type();
        for attribute in &requested.0 {
            let rules = &attribute.row.rules;
            if !rules.applies_to.contains(object_type) {
                return Err(invalid_field(format!(
                    "Objects of the type {object_type} have no {attribute} attribute."
                )));
            }
            self.format_requested |= attribute.row.tag == Tag::KeyFormatType;
            let present = self.attributes.of_row(attribute.row).next();
            match present {
                Some(present) if !attribute.row.multiple || rules.origin == Origin::Server => {
                    if present.stored() != attribute.stored() {
                        return Err(invalid_field(format!(
                            "The {attribute} attribute contradicts the object itself."
                        )));
                    }
                }
                None if rules.origin == Origin::Server => {
                    return Err(invalid_field(format!(
                        "Only the server sets the {attribute} attribute; remove it from the request."
                    )));
                }
                _ => self.attributes.push(attribute),
            }
        }
        let mut seen = HashSet::new();
        if !self.attributes.name.iter().all(|name| seen.insert((&name.name_value, name.name_type.to_wire())))
        {
            return Err(invalid_field("The same Name occurs twice."));
        }
        Ok(self)
    }

    /// Gives a template the names among the attributes that it contains, because clients name templates by them.
    pub fn name_template(&mut self) {
        if let Object::Template(template) = &self.object {
            let names = template.attributes.0.iter().filter(|attribute| attribute.row.tag == Tag::Name);
            names.for_each(|name| self.attributes.push(name));
        }
    }

    /// Sets the attributes that only the server sets, and the initial state.
    ///
    /// # Errors
    /// Returns Cryptographic Failure if the value cannot be hashed, Invalid Field for negative Usage Limits, and the
    /// errors of [`quantum::check`].
    pub fn finish(self, requester: &Requester) -> Result<RecordWithoutId, Error> {
        let Self { mut attributes, object, format_requested } = self;
        let object_type = object.object_type();
        quantum::check(&attributes)?;
        attributes.operation_policy_name.get_or_insert_with(|| crate::store::DEFAULT_POLICY.to_owned());
        attributes.fresh.get_or_insert(true);
        if AttributeDefinition::of(Tag::LeaseTime)
            .is_some_and(|row| row.rules.applies_to.contains(object_type))
        {
            attributes.lease_time = Some(lease::MAX_LEASE_TIME);
        }
        if let Some(limits) = &attributes.usage_limits {
            attributes.usage_limits = Some(usage_limits::initialize(limits)?);
        }
        let sensitive = *attributes.sensitive.get_or_insert(false);
        let extractable = *attributes.extractable.get_or_insert(true);
        attributes.always_sensitive = Some(sensitive);
        attributes.never_extractable = Some(!extractable);
        attributes.protection_storage_mask = Some(ProtectionStorageMask::SOFTWARE);
        if lifecycle::has_state(object_type) {
            attributes.cryptographic_usage_mask.get_or_insert_default();
        }
        attributes.digest = digest(&object)?.into_iter().collect();
        if format_requested && let Some(standard) = key::in_default_format(&object) {
            // 2.1 §4.26 demands the digest in the default format as well.
            attributes.digest.extend(digest(&standard)?);
        }
        let (id, owner, object) = (Id(0), requester.owner.clone(), Some(object));
        let mut record = Record { id, owner, object_type, attributes, object };
        lifecycle::initialize(&mut record, requester.now);
        Ok(RecordWithoutId(Arc::new(record)))
    }
}

/// A record that is complete except for its Unique Identifier. A transaction assigns the identifier, after all slow
/// computation.
#[derive(Clone, Debug)]
pub struct RecordWithoutId(Arc<Record>);

impl RecordWithoutId {
    /// Returns the record with this Unique Identifier.
    pub fn with_id(mut self, id: Id) -> Record {
        drop(self.assign_id(id));
        Arc::unwrap_or_clone(self.0)
    }

    /// Returns the record with this Unique Identifier. Copies it only if the record of an earlier call is still in use.
    pub(super) fn assign_id(&mut self, id: Id) -> Arc<Record> {
        let record = Arc::make_mut(&mut self.0);
        record.id = id;
        record.attributes.unique_identifier = Some(id.into());
        record.attributes.short_unique_identifier = Some(id.0.to_be_bytes().to_vec());
        Arc::clone(&self.0)
    }
}

/// The principal that creates an object, and the time of the request.
#[derive(Clone, Debug)]
pub struct Requester {
    owner: Principal,
    now: DateTime,
}

impl Requester {
    /// Returns a requester that need not be the one of a request to this server.
    pub(super) fn new(owner: impl Into<Principal>, now: DateTime) -> Self {
        Self { owner: owner.into(), now }
    }

    /// Returns a requester that seeds a store under test.
    pub fn of_owner(owner: String, now: DateTime) -> Self {
        Self::new(owner, now)
    }

    /// Returns the time of the request.
    pub fn now(&self) -> DateTime {
        self.now
    }

    /// Returns the requester of the current request.
    pub fn of(cx: &Context<'_>) -> Self {
        Self { owner: cx.identity.principal.clone(), now: cx.now }
    }
}

/// Returns the Key Format Type of an object that has no key block (2.1 §4.26, table 81).
fn format_without_key_block(object: &Object) -> Option<KeyFormatType> {
    match object {
        Object::Certificate(certificate) if certificate.certificate_type == CertificateType::X509 => {
            Some(KeyFormatType::X509)
        }
        Object::Certificate(_) => Some(KeyFormatType::Raw),
        Object::CertificateRequest(_) => Some(KeyFormatType::Pkcs10),
        Object::OpaqueObject(_) => Some(KeyFormatType::Opaque),
        _ => None,
    }
}

/// Returns the SHA-256 digest of the object's value (1.4 §3.17), or `None` if this server does not store the value.
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
        // The standard's test cases expect the format Raw for an object without a Key Block; PyKMIP's client cannot
        // parse a digest without a format.
        key_format_type: Some(format.unwrap_or(KeyFormatType::Raw)),
    }))
}
