//! A header holds a key.

use std::sync::Arc;

use async_trait::async_trait;
use hookgate_net::fetch::Fetcher;
use hookgate_settings::{Key, Kind as Takes, Table, key, required};
use http::{HeaderName, HeaderValue};

use super::known::Known;
use crate::{Around, Asked, Credentials, Denied, Kind, Prover, only};

/// Not registered with IANA; a 401 has to name something (RFC 9110, 15.5.2).
const CHALLENGE: &str = "ApiKey realm=\"hookgate\"";

/// This method.
pub const KIND: Kind = Kind { key: key("api-key", Takes::Table(KEYS), "A header holds one of these keys."), read };

const KEYS: &[Key] = &[
    required("keys", Takes::NamedSecrets, "The keys, by the names of their owners."),
    key("header", Takes::Text("x-api-key"), "Where they are looked for."),
    key("prefix", Takes::Text(""), "What stands in front of a key there: `Bearer `."),
];

/// Keys in a header.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    header: HeaderName,
    /// What stands in front of the key there.
    prefix: String,
    keys: Known,
}

fn read(table: &Table<'_>, _: &Around<'_>) -> Option<Box<dyn Asked>> {
    let table = table.table("api-key");
    let name = |text: &str| {
        HeaderName::from_bytes(text.as_bytes()).map(drop).map_err(|_| "is not the name of a header".into())
    };
    let value = |text: &str| HeaderValue::from_str(text).map(drop).map_err(|_| "cannot stand in a header".into());
    let header = HeaderName::from_bytes(table.text("header", name).as_bytes());
    let (keys, prefix) = (Known::read(&table, "keys"), table.text("prefix", value));
    Some(Box::new(ApiKeys { header: header.ok()?, prefix, keys }))
}

impl Asked for ApiKeys {
    fn header(&self) -> Option<HeaderName> {
        Some(self.header.clone())
    }

    fn prover(&self, _: &Fetcher) -> Arc<dyn Prover> {
        Arc::new(self.clone())
    }
}

#[async_trait]
impl Prover for ApiKeys {
    async fn prove(&self, shown: Credentials<'_>) -> Result<String, Denied> {
        let challenge = || vec![CHALLENGE.to_owned()];
        let missing = || Denied::Missing(format!("there is no header {}", self.header), challenge());
        let value = only(shown.headers, &self.header, CHALLENGE)?.ok_or_else(missing)?;
        let key = value.strip_prefix(&self.prefix);
        let known = key.and_then(|key| self.keys.owner(key, None)).map(str::to_owned);
        known.ok_or_else(|| Denied::Wrong(format!("the header {} holds none of the keys", self.header), challenge()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        Auth, Method,
        tests::{asked, denied, named, proven},
    };

    pub(crate) fn method(prefix: &str) -> Method {
        let header = HeaderName::from_static("x-api-key");
        let keys = Known::new(&named("shop", &["k1", "k2"]));
        Method { name: "api-key", asked: Box::new(ApiKeys { header, prefix: prefix.to_owned(), keys }) }
    }

    #[tokio::test]
    async fn owners_are_known_by_their_keys() {
        let auth = Auth { all: vec![method("")], any: vec![] };
        let cases =
            [("k1", proven(&["api-key shop"])), ("k2", proven(&["api-key shop"])), ("k3", denied("wrong ApiKey"))];
        for (value, expected) in cases {
            assert_eq!(asked(&auth, &[("x-api-key", value)], "::1").await, expected, "{value}");
        }
        assert_eq!(asked(&auth, &[("authorization", "k1")], "::1").await, denied("missing ApiKey"));
        let auth = Auth { all: vec![method("Key ")], any: vec![] };
        assert_eq!(asked(&auth, &[("x-api-key", "Key k1")], "::1").await, proven(&["api-key shop"]));
        assert_eq!(asked(&auth, &[("x-api-key", "k1")], "::1").await, denied("wrong ApiKey"));
    }

    #[tokio::test]
    async fn every_key_is_read() {
        const OUTER: &[Key] = &[KIND.key];
        let text = "api-key = { keys = { shop = { env = \"A\" } }, header = \"X-Key\", prefix = \"Key \" }";
        let around = Around { asks_for_certificates: false, egress: &Default::default() };
        let (read, problems) = hookgate_settings::testing::read(text, OUTER, |table| read(table, &around));
        assert_eq!(problems, []);
        let auth = Auth { all: vec![Method { name: "api-key", asked: read.unwrap() }], any: vec![] };
        assert_eq!(asked(&auth, &[("x-key", "Key a long secret of A")], "::1").await, proven(&["api-key shop"]));
    }
}
