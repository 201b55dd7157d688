//! A delivery to try things on.

use std::{collections::BTreeMap, sync::Arc};

use hookgate_capabilities::{Delivery, Encoding, Prefixes, Request, Secret, SecretText, Secrets};

/// A delivery of a source with the secret `key`, in these versions, for a plugin that lists the prefix `whsec_`.
pub fn delivery(body: &[u8], versions: &[&str]) -> Delivery {
    let texts = versions.iter().map(|text| SecretText::new((*text).to_owned())).collect();
    let request = Request {
        method: "POST".to_owned(),
        url: "https://hooks.example.com/in/a?name=a+b%21&name=second&empty#name=fragment".to_owned(),
        headers: [("x-one", "1"), ("x-two", "2"), ("x-one", "3")].map(|(n, v)| (n.to_owned(), v.into())).into(),
        received_at: 1_700_000_000_000,
        body: body.to_vec().into(),
    };
    let settings = BTreeMap::from([("tolerance".to_owned(), "30".to_owned())]);
    let secrets = Secrets::new(BTreeMap::from([("key".to_owned(), texts)]));
    let prefixes = Prefixes::from(BTreeMap::from([("key".to_owned(), vec!["whsec_".to_owned()])]));
    Delivery::new(Arc::new(request), Arc::new(settings), Arc::new(secrets)).with_prefixes(Arc::new(prefixes))
}

/// The secret of such a delivery.
#[allow(dead_code, reason = "not every test needs it")]
pub fn secret(body: &[u8], versions: &[&str], encoding: Encoding) -> Secret {
    delivery(body, versions).secret("key", encoding, None).expect("a secret in that encoding")
}
