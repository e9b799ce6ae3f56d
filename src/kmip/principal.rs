//! Principals (KMIP Profiles 2.1 §3.1.3).

/// The owner of objects and the sender of requests: the user of the client certificate, and the user or
/// device of the credential in the request header.
///
/// # Examples
///
/// ```
/// use kmip_server::kmip::Principal;
///
/// let owner = Principal { user: "app".to_owned(), credential: Some("user ann".to_owned()) };
/// assert!(owner.is_same_owner_as(&"app".into()), "a request without credential");
/// assert!(!owner.is_same_owner_as(&"other".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user of the client certificate, which TLS authenticates.
    pub user: String,
    /// The user or device that the credential of the request names, such as `user ann`; `None` if the request
    /// has no such credential. It is not authenticated: it only distinguishes clients that share a
    /// certificate.
    pub credential: Option<String>,
}

impl Principal {
    /// Returns whether objects of `other` belong to this principal: the users are the same, and the
    /// credentials do not differ. A principal without credential owns all objects of the user, so that a
    /// client still has its objects when it begins or ceases to send a credential.
    pub fn is_same_owner_as(&self, other: &Self) -> bool {
        let differs = match (&self.credential, &other.credential) {
            (Some(own), Some(others)) => own != others,
            _ => false,
        };
        self.user == other.user && !differs
    }
}

/// Creates a principal without credential.
impl From<String> for Principal {
    fn from(user: String) -> Self {
        Self { user, credential: None }
    }
}

/// Creates a principal without credential.
impl From<&str> for Principal {
    fn from(user: &str) -> Self {
        user.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_credentials_distinguish_owners_and_an_absent_credential_matches_all() {
        let principal = |user: &str, credential: Option<&str>| Principal {
            user: user.to_owned(),
            credential: credential.map(str::to_owned),
        };
        for (one, other, same) in [
            (principal("a", None), principal("a", None), true),
            (principal("a", Some("x")), principal("a", Some("x")), true),
            (principal("a", Some("x")), principal("a", Some("y")), false),
            (principal("a", Some("x")), principal("a", None), true),
            (principal("a", None), principal("a", Some("x")), true),
            (principal("a", None), principal("b", None), false),
            (principal("a", Some("x")), principal("b", Some("x")), false),
        ] {
            assert_eq!(one.is_same_owner_as(&other), same, "{one:?} {other:?}");
        }
    }
}
