//! One key as a sequential object, and the requests of its clients.

use kmip_server::kmip::attributes::Attribute;
use kmip_server::kmip::enums::{
    CryptographicAlgorithm, KeyFormatType, Operation, ResultReason, ResultStatus, RevocationReasonCode,
    State, UsageLimitsUnit,
};
use kmip_server::kmip::structures::{CryptographicParameters, RevocationReason, UsageLimits};
use kmip_server::kmip::{KeyMaterial, KeyValue, Object};
use kmip_server::ttlv::{Field, Tag, V1_4, Writer};

use crate::corpus::{attribute, flat, id, named, template, usage};
use crate::dialogue::{Answer, Caller, key};
use crate::harness::Draw;

use super::checker::{Event, Model};

/// The Usage Limits Total of each key.
const USES: i64 = 12;

/// The bytes of each key.
const BYTES: [u8; 16] = [7; 16];

/// A request about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Activate,
    /// Revoke with a compromise as reason, or with another one.
    Revoke {
        is_compromise: bool,
    },
    Destroy,
    /// Add Attribute: Contact Information with this number.
    Add(u32),
    /// Modify Attribute.
    Modify(u32),
    /// Delete Attribute.
    Delete,
    /// MAC, which the Usage Limits count.
    Use,
    Get,
    GetAttributes,
    /// Locate by Name and this Contact Information.
    Locate(u32),
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused,
    /// The attributes.
    Seen(Thing),
    /// Whether Locate returned the key.
    Found(bool),
}

/// What clients can see of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Thing {
    pub(crate) state: State,
    pub(crate) contact: Option<u32>,
    /// The remaining uses.
    pub(crate) uses: i64,
}

impl Thing {
    pub(crate) const NEW: Self = Self { state: State::PreActive, contact: None, uses: USES };

    fn is_destroyed(self) -> bool {
        matches!(self.state, State::Destroyed | State::DestroyedCompromised)
    }

    /// Returns the state after a permitted call, or `None`.
    fn next(self, call: Call) -> Option<Self> {
        use State::{Active, Compromised, Deactivated, Destroyed, DestroyedCompromised, PreActive};
        let to = |state| Some(Self { state, ..self });
        match (call, self.state) {
            (Call::Activate, PreActive) => to(Active),
            (Call::Revoke { is_compromise: false }, Active) => to(Deactivated),
            (Call::Revoke { is_compromise: true }, Destroyed | DestroyedCompromised) => {
                to(DestroyedCompromised)
            }
            (Call::Revoke { is_compromise: true }, _) => to(Compromised),
            (Call::Destroy, PreActive | Deactivated) => to(Destroyed),
            (Call::Destroy, Compromised) => to(DestroyedCompromised),
            (Call::Add(number), _) if self.contact.is_none() => Some(Self { contact: Some(number), ..self }),
            (Call::Modify(number), _) if self.contact.is_some() => {
                Some(Self { contact: Some(number), ..self })
            }
            (Call::Delete, _) if self.contact.is_some() => Some(Self { contact: None, ..self }),
            (Call::Use, Active) if self.uses > 0 => Some(Self { uses: self.uses - 1, ..self }),
            (Call::Get, _) if !self.is_destroyed() => Some(self),
            _ => None,
        }
    }
}

/// The model of a key.
#[derive(Debug)]
pub(crate) struct OneKey;

/// An event of a history of one key.
pub(crate) type KeyEvent = Event<Call, Outcome>;

impl Model for OneKey {
    type State = Thing;
    type Call = Call;
    type Answer = Outcome;

    fn apply(state: &Thing, call: &Call) -> (Thing, Outcome) {
        match call {
            Call::GetAttributes => (*state, Outcome::Seen(*state)),
            Call::Locate(number) => {
                (*state, Outcome::Found(!state.is_destroyed() && state.contact == Some(*number)))
            }
            _ => state.next(*call).map_or((*state, Outcome::Refused), |next| (next, Outcome::Done)),
        }
    }
}

/// Draws a call. Calls that end the life of the key are rare, so that most of the history is before them.
pub(crate) fn draw(draw: &mut Draw, number: u32, recent: u32) -> Call {
    match draw.below(40) {
        0..4 => Call::Activate,
        4 => Call::Revoke { is_compromise: false },
        5 if draw.below(2) == 0 => Call::Revoke { is_compromise: true },
        6 => Call::Destroy,
        7..11 => Call::Add(number),
        11..16 => Call::Modify(number),
        16..19 => Call::Delete,
        19..25 => Call::Use,
        25..28 => Call::Get,
        28..33 => Call::Locate(recent),
        _ => Call::GetAttributes,
    }
}

/// Registers a key with this name and returns its identifier, or `None` if there is no answer or General Failure.
pub(crate) fn register(caller: &mut Caller, name: &str) -> Option<String> {
    let limits = UsageLimits {
        usage_limits_total: USES,
        usage_limits_count: None,
        usage_limits_unit: UsageLimitsUnit::Object,
    };
    let object = key(KeyFormatType::Raw, CryptographicAlgorithm::Aes, 128, BYTES.to_vec());
    let attributes = [usage(0x80), attribute(Tag::UsageLimits, &limits), named(name)];
    let object = Object::SymmetricKey(object);
    let answer = caller.try_ask(V1_4, Operation::Register, |writer| {
        object.object_type().write(Tag::ObjectType, writer);
        template(Tag::Attributes, &attributes, writer);
        object.write(Tag::default(), writer);
    });
    let answer = answer.ok()?;
    (answer.reason != Some(ResultReason::GeneralFailure)).then(|| answer.id())
}

fn contact(number: u32) -> Attribute {
    attribute(Tag::ContactInformation, &number.to_string())
}

/// Sends a call. Returns `None` if the client cannot know whether it happened: the answer is General Failure.
///
/// # Errors
/// Returns an error if there is no answer.
pub(crate) fn send(
    caller: &mut Caller,
    key: &str,
    name: &str,
    call: Call,
) -> std::io::Result<Option<Outcome>> {
    let payload = |writer: &mut Writer| {
        if let Call::Locate(number) = call {
            return flat(&[named(name), contact(number)], writer);
        }
        id(key, writer);
        match call {
            Call::Revoke { is_compromise } => {
                let revocation_reason_code = if is_compromise {
                    RevocationReasonCode::KeyCompromise
                } else {
                    RevocationReasonCode::CessationOfOperation
                };
                let reason = RevocationReason { revocation_reason_code, revocation_message: None };
                reason.write(Tag::RevocationReason, writer);
            }
            Call::Add(number) | Call::Modify(number) => contact(number).write(Tag::Attribute, writer),
            Call::Delete => "Contact Information".to_owned().write(Tag::AttributeName, writer),
            Call::Use => {
                let parameters = CryptographicParameters {
                    cryptographic_algorithm: Some(CryptographicAlgorithm::HmacSha256),
                    ..Default::default()
                };
                parameters.write(Tag::CryptographicParameters, writer);
                b"data".to_vec().write(Tag::Data, writer);
            }
            _ => {}
        }
    };
    let answer = caller.try_ask(V1_4, operation(call), payload)?;
    if answer.reason == Some(ResultReason::GeneralFailure) {
        return Ok(None);
    }
    Ok(Some(outcome(call, key, &answer)))
}

fn operation(call: Call) -> Operation {
    match call {
        Call::Activate => Operation::Activate,
        Call::Revoke { .. } => Operation::Revoke,
        Call::Destroy => Operation::Destroy,
        Call::Add(_) => Operation::AddAttribute,
        Call::Modify(_) => Operation::ModifyAttribute,
        Call::Delete => Operation::DeleteAttribute,
        Call::Use => Operation::Mac,
        Call::Get => Operation::Get,
        Call::GetAttributes => Operation::GetAttributes,
        Call::Locate(_) => Operation::Locate,
    }
}

fn outcome(call: Call, key: &str, answer: &Answer) -> Outcome {
    if answer.status != ResultStatus::Success {
        return Outcome::Refused;
    }
    match call {
        Call::GetAttributes => Outcome::Seen(seen(&answer.attributes())),
        Call::Locate(_) => {
            let found = answer.ids();
            assert!(found.is_empty() || found == [key], "another key: {found:?}");
            Outcome::Found(!found.is_empty())
        }
        Call::Get => {
            let object = answer.object();
            assert_eq!(bytes(&object), BYTES, "other bytes");
            Outcome::Done
        }
        _ => Outcome::Done,
    }
}

/// Returns the bytes of a raw key.
pub(crate) fn bytes(object: &Object) -> &[u8] {
    match object.key_block().and_then(|block| block.key_value.as_ref()) {
        Some(KeyValue::Plain { material: KeyMaterial::Bytes(bytes), .. }) => bytes.expose(),
        _ => panic!("the object is no raw key"),
    }
}

fn seen(attributes: &[Attribute]) -> Thing {
    let find = |tag| attributes.iter().find(|attribute| attribute.row.tag == tag);
    let contact = find(Tag::ContactInformation).map(|it| it.read::<String>().unwrap().parse().unwrap());
    let limits: UsageLimits = find(Tag::UsageLimits).unwrap().read().unwrap();
    Thing {
        state: find(Tag::State).unwrap().read().unwrap(),
        contact,
        uses: limits.usage_limits_count.unwrap(),
    }
}
