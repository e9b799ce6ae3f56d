//! Who makes objects and who asks for them (KMIP Profiles 2.1 §3.1.3): the user of the client certificate, and whom
//! the credential in the header of a request names.

/// One who makes objects and asks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user of the client certificate: the identity that TLS has proven.
    pub user: String,
    /// Whom the request's credential names, in the form of [`super::structures::Credential::named`]; none where a
    /// request has no such credential. Nobody has proven it: it tells those apart who share a certificate.
    pub credential: Option<String>,
}

impl Principal {
    /// Whether what `other` made is this one's: the user is the same, and no two credentials tell them apart. Who
    /// comes without credential is every one of the user's, as a client that begins or ceases to send one has to
    /// find what it made.
    pub fn is_same_owner_as(&self, other: &Self) -> bool {
        let apart = match (&self.credential, &other.credential) {
            (Some(own), Some(others)) => own != others,
            _ => false,
        };
        self.user == other.user && !apart
    }
}

/// The user of that name, without a credential.
impl From<String> for Principal {
    fn from(user: String) -> Self {
        Self { user, credential: None }
    }
}

/// The user of that name, without a credential.
impl From<&str> for Principal {
    fn from(user: &str) -> Self {
        user.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_credentials_tell_apart_who_share_a_certificate_and_none_tells_nobody_apart() {
        let of = |user: &str, credential: Option<&str>| Principal {
            user: user.to_owned(),
            credential: credential.map(str::to_owned),
        };
        for (one, other, same) in [
            (of("a", None), of("a", None), true),
            (of("a", Some("x")), of("a", Some("x")), true),
            (of("a", Some("x")), of("a", Some("y")), false),
            (of("a", Some("x")), of("a", None), true),
            (of("a", None), of("a", Some("x")), true),
            (of("a", None), of("b", None), false),
            (of("a", Some("x")), of("b", Some("x")), false),
        ] {
            assert_eq!(one.is_same_owner_as(&other), same, "{one:?} {other:?}");
        }
    }
}
