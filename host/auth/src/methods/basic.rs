//! HTTP basic authentication (RFC 7617).

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hookgate_net::fetch::Fetcher;
use hookgate_settings::{Kind as Takes, Table, key};
use http::{HeaderName, header::AUTHORIZATION};
use zeroize::Zeroizing;

use super::known::Known;
use crate::{Around, Asked, Credentials, Denied, Kind, Prover, authorization};

const CHALLENGE: &str = "Basic realm=\"hookgate\", charset=\"UTF-8\"";

/// This method.
pub const KIND: Kind = Kind {
    key: key("basic", Takes::NamedSecrets, "HTTP basic authentication: passwords by the names of their users."),
    read,
};

/// Users and the live versions of their passwords.
#[derive(Clone, Debug)]
pub struct Users(Known);

fn read(table: &Table<'_>, _: &Around<'_>) -> Option<Box<dyn Asked>> {
    Some(Box::new(Users(Known::read(table, "basic"))))
}

impl Asked for Users {
    fn header(&self) -> Option<HeaderName> {
        Some(AUTHORIZATION)
    }

    fn prover(&self, _: &Fetcher) -> Arc<dyn Prover> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Prover for Users {
    async fn prove(&self, shown: Credentials<'_>) -> Result<String, Denied> {
        let wrong = |why: &str| Denied::Wrong(why.to_owned(), vec![CHALLENGE.to_owned()]);
        let encoded = authorization(shown.headers, "Basic", CHALLENGE)?;
        let decoded = BASE64_STANDARD
            .decode(encoded)
            .map(Zeroizing::new)
            .map_err(|_| wrong("what follows Basic is not base64"))?;
        let text = std::str::from_utf8(&decoded).map_err(|_| wrong("user and password are not in UTF-8"))?;
        let (user, password) =
            text.split_once(':').ok_or_else(|| wrong("there is no colon between user and password"))?;
        let known = self.0.owner(password, Some(user));
        known.map(str::to_owned).ok_or_else(|| wrong("there is no user with this name and password"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use hookgate_settings::Key;

    use super::*;
    use crate::{
        Auth, Method,
        tests::{asked, denied, named, proven},
    };

    pub(crate) fn method() -> Method {
        Method { name: "basic", asked: Box::new(Users(Known::new(&named("ann", &["new:secret", "old"])))) }
    }

    #[tokio::test]
    async fn users_are_known_by_their_passwords() {
        let auth = Auth { all: vec![method()], any: vec![] };
        // ann:new:secret, ann:old, bob:old, no colon, no base64
        let cases = [
            ("Basic YW5uOm5ldzpzZWNyZXQ=", proven(&["basic ann"])),
            ("basic   YW5uOm9sZA==", proven(&["basic ann"])),
            ("Basic Ym9iOm9sZA==", denied("wrong Basic")),
            ("Basic YW5u", denied("wrong Basic")),
            ("Basic YW5uOg==", denied("wrong Basic")),
            ("Basic !", denied("wrong Basic")),
            ("Basic", denied("missing Basic")),
            ("Bearer YW5uOm9sZA==", denied("missing Basic")),
        ];
        for (value, expected) in cases {
            assert_eq!(asked(&auth, &[("authorization", value)], "::1").await, expected, "{value}");
        }
        assert_eq!(asked(&auth, &[], "::1").await, denied("missing Basic"));
        let twice = [("authorization", "Basic YW5uOm9sZA=="), ("authorization", "Basic YW5uOm9sZA==")];
        assert_eq!(asked(&auth, &twice, "::1").await, denied("wrong Basic"));
    }

    #[tokio::test]
    async fn every_version_of_a_password_is_read() {
        const OUTER: &[Key] = &[KIND.key];
        let text = "basic = { ann = [{ env = \"A\" }, { env = \"B\" }] }";
        let around = Around { asks_for_certificates: false, egress: &Default::default() };
        let (read, problems) = hookgate_settings::testing::read(text, OUTER, |table| read(table, &around));
        assert_eq!(problems, []);
        let auth = Auth { all: vec![Method { name: "basic", asked: read.unwrap() }], any: vec![] };
        for name in ["A", "B"] {
            let value = format!("Basic {}", BASE64_STANDARD.encode(format!("ann:a long secret of {name}")));
            assert_eq!(asked(&auth, &[("authorization", &value)], "::1").await, proven(&["basic ann"]));
        }
    }
}
