//! Finds and verifies the chain from a certificate to a trust anchor (RFC 5280 §6.1), by the rules of OpenSSL for the
//! certificates of TLS clients, which PyKMIP's server applies.
//!
//! Anchors obey the same rules as other authorities. Policies are not checked, because the settings ask for none.
//! Revocation is not checked. [`super::chain`] validates a chain for the operation Validate.

mod constraints;
mod refusal;

use std::iter;

pub use refusal::{Refusal, Rule, Summary};

use super::parsed::{KeyUsage, Parsed};
use super::signature::{Verdict, is_forgeable, verify};
use super::{Certificate, name};
use crate::ttlv::DateTime;

/// The maximum number of certificates between the client's and the trust anchor.
pub const MAX_INTERMEDIATES: usize = 12;

/// The maximum number of signatures that are verified to find a chain. It bounds what certificates that a client makes
/// up can cost; the longest chain needs 13, and each wrong candidate of the same name one more.
pub const MAX_VERIFICATIONS: usize = 40;

/// The bits of Netscape's certificate type: TLS client, and authority for TLS.
const NETSCAPE_CLIENT: u8 = 0x80;
const NETSCAPE_AUTHORITY: u8 = 0x04;

/// The certificates that are trusted.
#[derive(Debug, Default)]
pub struct Anchors(Vec<Anchor>);

#[derive(Debug)]
struct Anchor {
    der: Vec<u8>,
    /// The comparable form of the subject.
    subject: Vec<u8>,
    /// The positions of the anchors that signed it, other than itself.
    parents: Vec<usize>,
}

/// What a chain is verified for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    /// The time.
    pub at: DateTime,
    /// Whether the extended key usage of each certificate, if present, must include client authentication.
    pub checks_usage: bool,
}

impl Anchors {
    /// Trusts these certificates (DER). One that cannot be read is left out.
    pub fn new<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let row = |der: &[u8]| {
            let subject = name::canonical(Parsed::read(der)?.subject)?;
            Some(Anchor { der: der.to_vec(), subject, parents: Vec::new() })
        };
        let mut anchors = Self(certificates.into_iter().filter_map(row).collect());
        let parents: Vec<_> = anchors.0.iter().map(|anchor| anchors.parents(anchor)).collect();
        for (anchor, parents) in anchors.0.iter_mut().zip(parents) {
            anchor.parents = parents;
        }
        anchors
    }

    /// Returns the positions of the anchors that signed `anchor`, unless it has its own name.
    fn parents(&self, anchor: &Anchor) -> Vec<usize> {
        let Some(parsed) = Parsed::read(&anchor.der) else { return Vec::new() };
        let Some(issuer) = name::canonical(parsed.issuer).filter(|issuer| *issuer != anchor.subject) else {
            return Vec::new();
        };
        let named = self.0.iter().enumerate().filter(|(_, it)| it.subject == issuer);
        let signed = named.filter(|(_, it)| {
            let key = Parsed::read(&it.der).map(|it| it.key);
            key.is_some_and(|key| signed_by(&parsed, key) == Verdict::Good)
        });
        signed.map(|(at, _)| at).collect()
    }

    /// Verifies that the client's certificate is one of these, or that a chain leads from it to one, possibly through
    /// certificates that the client sent. Returns the chain, which begins with the client's certificate.
    ///
    /// # Errors
    /// Returns the rule that the best chain breaks.
    pub fn verify<'a>(
        &'a self,
        client: &'a [u8],
        sent: &[&'a [u8]],
        purpose: Purpose,
    ) -> Result<Vec<&'a [u8]>, Box<Refusal>> {
        let sent: Vec<_> = sent.iter().filter_map(|der| Link::read(der, None)).collect();
        let Some(link) = Link::read(client, None) else {
            return Err(refusal(Rule::Readable, client, 0, false, client));
        };
        let step = Step { link: &link, below: None, depth: 0 };
        let mut search =
            Search { anchors: self, client, sent: &sent, purpose, left: MAX_VERIFICATIONS, best: None };
        let is_trusted_itself = self.0.iter().any(|anchor| anchor.der == client);
        let chain = if is_trusted_itself { search.end(&step) } else { search.extend(&step) };
        chain.ok_or_else(|| match search.best {
            Some((_, refusal)) => refusal,
            None => refusal(Rule::KnownIssuer, client, 0, false, client),
        })
    }

    fn link(&self, at: usize) -> Option<Link<'_>> {
        Link::read(&self.0.get(at)?.der, Some(at))
    }
}

/// A certificate that may be a part of a chain.
struct Link<'a> {
    parsed: Parsed<'a>,
    /// The comparable forms of subject and issuer.
    subject: Vec<u8>,
    issuer: Vec<u8>,
    /// The position among the anchors.
    anchor: Option<usize>,
}

impl<'a> Link<'a> {
    fn read(der: &'a [u8], anchor: Option<usize>) -> Option<Self> {
        let parsed = Parsed::read(der)?;
        let (subject, issuer) = (name::canonical(parsed.subject)?, name::canonical(parsed.issuer)?);
        Some(Self { parsed, subject, issuer, anchor })
    }

    fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Returns whether the key identifiers do not exclude that `issuer` signed this certificate.
    fn may_be_signed_by(&self, issuer: &Self) -> bool {
        let identifiers = self.parsed.extensions.authority_key.zip(issuer.parsed.extensions.subject_key);
        identifiers.is_none_or(|(wanted, key)| wanted == key)
    }
}

/// The chain from the client's certificate to `link`.
struct Step<'s, 'a> {
    link: &'s Link<'a>,
    below: Option<&'s Step<'s, 'a>>,
    /// The number of certificates below.
    depth: usize,
}

impl<'s, 'a> Step<'s, 'a> {
    /// Returns the chain from its end to the client's certificate.
    fn downwards(&'s self) -> impl Iterator<Item = &'s Link<'a>> {
        iter::successors(Some(self), |step| step.below).map(|step| step.link)
    }
}

/// How far a chain got that a rule ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    NoIssuer,
    OtherSignature,
    Complete,
    /// The search ended.
    Exhausted,
}

struct Search<'s, 'a> {
    anchors: &'a Anchors,
    client: &'a [u8],
    sent: &'s [Link<'a>],
    purpose: Purpose,
    /// The number of signatures that may still be verified.
    left: usize,
    /// The refusal of the chain that got farthest.
    best: Option<(Progress, Box<Refusal>)>,
}

impl<'a> Search<'_, 'a> {
    fn refuse(&mut self, progress: Progress, rule: Rule, link: &Link<'_>, depth: usize) {
        if self.best.as_ref().is_none_or(|(best, _)| *best < progress) {
            let is_trusted = link.anchor.is_some();
            self.best = Some((progress, refusal(rule, link.parsed.der, depth, is_trusted, self.client)));
        }
    }

    /// Searches for the rest of the chain above `step`, depth first.
    fn extend(&mut self, step: &Step<'_, 'a>) -> Option<Vec<&'a [u8]>> {
        if let Some(anchor) = step.link.anchor {
            return self.extend_anchor(step, anchor);
        }
        let anchors = self.anchors;
        let named = anchors.0.iter().enumerate().filter(|(_, anchor)| anchor.subject == step.link.issuer);
        let trusted: Vec<_> = named.filter_map(|(at, _)| anchors.link(at)).collect();
        let sent = self.sent;
        let named =
            sent.iter().filter(|link| link.subject == step.link.issuer && step.depth < MAX_INTERMEDIATES);
        let candidates: Vec<_> = trusted.iter().chain(named).collect();
        // The candidates that the key identifier names come first.
        let (likely, unlikely): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|candidate| step.link.may_be_signed_by(candidate));
        let mut has_candidate = false;
        for candidate in likely.into_iter().chain(unlikely) {
            if step.downwards().any(|link| link.parsed.der == candidate.parsed.der) {
                continue;
            }
            has_candidate = true;
            let Some(left) = self.left.checked_sub(1) else {
                self.refuse(Progress::Exhausted, Rule::Effort(MAX_VERIFICATIONS), step.link, step.depth);
                return None;
            };
            self.left = left;
            let rule = match signed_by(&step.link.parsed, candidate.parsed.key) {
                Verdict::Good => {
                    let chain =
                        self.extend(&Step { link: candidate, below: Some(step), depth: step.depth + 1 });
                    if chain.is_some() {
                        return chain;
                    }
                    continue;
                }
                Verdict::Bad => Rule::SignedByIssuer { is_trusted: candidate.anchor.is_some() },
                Verdict::Unknown => Rule::SignatureAlgorithm(step.link.parsed.algorithm.oid),
            };
            self.refuse(Progress::OtherSignature, rule, step.link, step.depth);
        }
        if !has_candidate {
            let is_too_long = step.depth >= MAX_INTERMEDIATES
                && sent.iter().any(|it| it.subject == step.link.issuer && !it.is_self_issued());
            let rule = if is_too_long { Rule::Length(MAX_INTERMEDIATES) } else { Rule::KnownIssuer };
            self.refuse(Progress::NoIssuer, rule, step.link, step.depth);
        }
        None
    }

    /// Continues from an anchor to the anchors that signed it, so that their rules apply too. The chain ends at an anchor that no
    /// other anchor signed.
    fn extend_anchor(&mut self, step: &Step<'_, 'a>, anchor: usize) -> Option<Vec<&'a [u8]>> {
        let anchors = self.anchors;
        let parents = anchors.0.get(anchor).map(|anchor| anchor.parents.as_slice()).unwrap_or_default();
        let is_new = |at: &&usize| step.downwards().all(|link| link.anchor != Some(**at));
        let mut parents =
            parents.iter().filter(is_new).filter(|_| step.depth <= MAX_INTERMEDIATES).peekable();
        if parents.peek().is_none() {
            return self.end(step);
        }
        parents.find_map(|at| {
            let link = anchors.link(*at)?;
            self.extend(&Step { link: &link, below: Some(step), depth: step.depth + 1 })
        })
    }

    /// Verifies a complete chain.
    fn end(&mut self, step: &Step<'_, 'a>) -> Option<Vec<&'a [u8]>> {
        let mut chain: Vec<_> = step.downwards().collect();
        chain.reverse();
        match check(&chain, self.purpose) {
            Ok(()) => Some(chain.iter().map(|link| link.parsed.der).collect()),
            Err((rule, depth)) => {
                let link = chain.get(depth).copied().unwrap_or(step.link);
                self.refuse(Progress::Complete, rule, link, depth);
                None
            }
        }
    }
}

fn refusal(rule: Rule, der: &[u8], depth: usize, is_trusted: bool, client: &[u8]) -> Box<Refusal> {
    let client = Certificate::read(client).summary();
    Box::new(Refusal { rule, certificate: Summary::of(der), depth, is_trusted, client })
}

/// Verifies the signature of a certificate with a key, DER of SubjectPublicKeyInfo. Signatures that collisions forge are
/// not supported.
fn signed_by(certificate: &Parsed<'_>, key: &[u8]) -> Verdict {
    if is_forgeable(certificate.algorithm.oid) {
        return Verdict::Unknown;
    }
    verify(key, certificate.algorithm, certificate.signed, certificate.signature)
}

/// Verifies the rules of a chain whose signatures are valid. Returns the rule that it breaks, and the position of the
/// certificate that breaks it.
fn check(chain: &[&Link<'_>], purpose: Purpose) -> Result<(), (Rule, usize)> {
    // The number of intermediate certificates so far, without self-issued ones (RFC 5280 §4.2.1.9).
    let mut below = 0;
    for (depth, link) in chain.iter().enumerate() {
        let is_last = depth + 1 == chain.len();
        check_one(link, depth, below, is_last, purpose).map_err(|rule| (rule, depth))?;
        below += usize::from(depth > 0 && !link.is_self_issued());
    }
    for (depth, link) in chain.iter().enumerate() {
        if depth > 0 && link.is_self_issued() && depth + 1 < chain.len() {
            continue;
        }
        for above in chain.iter().skip(depth + 1) {
            if let Some(limits) = above.parsed.extensions.name_constraints {
                constraints::check(&link.parsed, limits, depth == 0).map_err(|rule| (rule, depth))?;
            }
        }
    }
    Ok(())
}

/// Verifies the rules that apply to one certificate of a chain.
fn check_one(
    link: &Link<'_>,
    depth: usize,
    below: usize,
    is_last: bool,
    purpose: Purpose,
) -> Result<(), Rule> {
    let extensions = &link.parsed.extensions;
    let (from, to) = link.parsed.validity.ok_or(Rule::Dates)?;
    if purpose.at < from {
        return Err(Rule::Begun);
    }
    if purpose.at > to {
        return Err(Rule::NotExpired);
    }
    if let Some(id) = extensions.unsupported {
        return Err(Rule::CriticalExtension(id));
    }
    if purpose.checks_usage && extensions.for_clients == Some(false) {
        return Err(Rule::ClientAuthentication);
    }
    if depth == 0 {
        let lacks = |usages| move |usage: KeyUsage| !usage.includes(usages);
        if extensions.key_usage.is_some_and(lacks(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_AGREEMENT)) {
            return Err(Rule::ClientKeyUsage);
        }
        let netscape = extensions.netscape_type.filter(|_| purpose.checks_usage);
        return if netscape.is_some_and(|it| it & NETSCAPE_CLIENT == 0) {
            Err(Rule::ClientAuthentication)
        } else {
            Ok(())
        };
    }
    check_authority(&link.parsed, below, is_last)
}

/// Verifies that a certificate may issue others, with `below` intermediate certificates below it. Only the last of a chain
/// needs no basic constraints.
fn check_authority(certificate: &Parsed<'_>, below: usize, is_last: bool) -> Result<(), Rule> {
    let extensions = &certificate.extensions;
    if extensions.key_usage.is_some_and(|usage| !usage.includes(KeyUsage::CERTIFICATE_SIGNATURES)) {
        return Err(Rule::CertificateSignatures);
    }
    match extensions.basic_constraints {
        Some((true, Some(allowed))) if below > allowed => Err(Rule::PathLength { allowed, found: below }),
        Some((true, _)) => Ok(()),
        Some((false, _)) => Err(Rule::Authority),
        None if is_last && is_authority_without_constraints(certificate) => Ok(()),
        None => Err(Rule::Authority),
    }
}

/// Returns whether a certificate without basic constraints is an authority: a self-issued one of version 1, or one whose
/// key usage or Netscape's type states it.
fn is_authority_without_constraints(certificate: &Parsed<'_>) -> bool {
    let extensions = &certificate.extensions;
    (certificate.is_version_1 && certificate.is_self_issued())
        || extensions.key_usage.is_some()
        || extensions.netscape_type.is_some_and(|it| it & NETSCAPE_AUTHORITY != 0)
}

/// Returns whether a certificate may issue others.
pub fn may_issue(certificate: &Parsed<'_>) -> bool {
    check_authority(certificate, 0, true).is_ok()
}

#[cfg(test)]
mod tests;
