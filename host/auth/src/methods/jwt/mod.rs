//! Bearer tokens (RFC 6750) that are JWTs (RFC 7519), judged as RFC 8725 and RFC 9068 ask.

mod claims;
mod issuer;
mod settings;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use hookgate_net::{
    fetch::Fetcher,
    jose::{Algorithm, KeySet, Token, Verdict},
};
use hookgate_settings::{Kind as Takes, SecretText, Table, key};
use http::{HeaderName, header::AUTHORIZATION};

use self::{
    claims::Unfit,
    issuer::IssuerKeys,
    settings::{JwtAuth, JwtKeys},
};
use crate::{Around, Asked, Credentials, Denied, Kind, Prover, authorization};

/// This method.
pub const KIND: Kind = Kind {
    key: key("jwt", Takes::Table(settings::KEYS), "A bearer token that is a JWT: OAuth 2.0, OpenID Connect."),
    read,
};

const CHALLENGE: &str = "Bearer realm=\"hookgate\"";

fn read(table: &Table<'_>, around: &Around<'_>) -> Option<Box<dyn Asked>> {
    Some(Box::new(settings::read(&table.table("jwt"), around.egress)?))
}

impl Asked for JwtAuth {
    fn header(&self) -> Option<HeaderName> {
        Some(AUTHORIZATION)
    }

    fn prover(&self, fetcher: &Fetcher) -> Arc<dyn Prover> {
        Arc::new(Tokens::new(self, fetcher))
    }
}

/// The tokens that a source takes.
struct Tokens {
    wanted: Wanted,
    keys: Keys,
}

/// What a token must say; the rest of [`JwtAuth`] is what it is signed with.
#[derive(Debug)]
pub struct Wanted {
    /// `iss`.
    pub issuer: String,
    /// One of these is in `aud`.
    pub audience: Vec<String>,
    /// `alg` is one of these.
    pub algorithms: Vec<Algorithm>,
    /// All of these are in `scope` or `scp`.
    pub scopes: Vec<String>,
    /// Claims that have this value, or hold it in a list.
    pub claims: BTreeMap<String, serde_json::Value>,
    /// Seconds.
    pub clock_skew: f64,
}

enum Keys {
    Fetched(IssuerKeys),
    Set(KeySet),
    Secrets(Vec<SecretText>),
}

impl Tokens {
    /// As configured; keys are fetched at the first token.
    fn new(auth: &JwtAuth, fetcher: &Fetcher) -> Self {
        let keys = match &auth.keys {
            JwtKeys::Url(url) => Keys::Fetched(IssuerKeys::at(url.clone(), fetcher.clone())),
            JwtKeys::Discovery(url) => {
                Keys::Fetched(IssuerKeys::discovered(url.clone(), auth.issuer.clone(), fetcher.clone()))
            }
            JwtKeys::Set(set) => Keys::Set(set.clone()),
            JwtKeys::Secrets(secrets) => Keys::Secrets(secrets.clone()),
        };
        let wanted = Wanted {
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            algorithms: auth.algorithms.clone(),
            scopes: auth.scopes.clone(),
            claims: auth.claims.clone(),
            clock_skew: auth.clock_skew.as_secs_f64(),
        };
        Tokens { wanted, keys }
    }

    async fn check_signature(&self, token: &Token<'_>) -> Result<(), Denied> {
        let verdict = match &self.keys {
            Keys::Fetched(keys) => keys.judge(token).await.map_err(Denied::Unavailable)?,
            Keys::Set(set) => set.judge(token),
            Keys::Secrets(secrets) => judge_mac(secrets, token),
        };
        match verdict {
            Verdict::Right => Ok(()),
            Verdict::Wrong => Err(invalid("the token's signature is wrong".to_owned())),
            Verdict::NoKey => {
                Err(invalid("no key of the issuer has the id that the token names and is for its algorithm".to_owned()))
            }
        }
    }

    fn denied(&self, unfit: Unfit) -> Denied {
        match unfit {
            Unfit::Invalid(why) => invalid(why),
            Unfit::NotAllowed(why) => {
                let scopes = self.wanted.scopes.join(" ");
                let challenge = format!("{CHALLENGE}, error=\"insufficient_scope\", scope=\"{scopes}\"");
                Denied::Forbidden(why, vec![challenge])
            }
        }
    }
}

#[async_trait]
impl Prover for Tokens {
    async fn prove(&self, shown: Credentials<'_>) -> Result<String, Denied> {
        let text = authorization(shown.headers, "Bearer", CHALLENGE)?;
        let token = Token::parse(text).map_err(invalid)?;
        if !self.wanted.algorithms.contains(&token.algorithm) {
            return Err(invalid(format!("{} is not among the algorithms of this source", token.algorithm.name())));
        }
        self.check_signature(&token).await?;
        let claims = token.claims().map_err(invalid)?;
        claims::check(&claims, &self.wanted, shown.now).map_err(|unfit| self.denied(unfit))
    }
}

fn judge_mac(secrets: &[SecretText], token: &Token<'_>) -> Verdict {
    let right = |secret: &SecretText| {
        token.algorithm.verify_mac(secret.expose().as_bytes(), token.message.as_bytes(), &token.signature)
    };
    if secrets.iter().any(right) { Verdict::Right } else { Verdict::Wrong }
}

fn invalid(why: String) -> Denied {
    Denied::Wrong(why, vec![format!("{CHALLENGE}, error=\"invalid_token\"")])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    use hookgate_net::egress::Guard;
    use http::{HeaderMap, HeaderValue};
    use ring::{
        hmac,
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
    };

    use super::*;

    const SECRET: &str = "a-secret-of-thirty-two-bytes-or-more";
    const CLAIMS: &str = r#"{"iss":"https://issuer.example","aud":"hooks","exp":2000000000,"sub":"shop"}"#;

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn token(header: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let message = format!("{}.{}", encode(header), encode(CLAIMS));
        let signature = encode(sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn hs256(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        move |message| hmac::sign(&key, message).as_ref().to_vec()
    }

    fn tokens(keys: JwtKeys, algorithms: &[Algorithm]) -> Tokens {
        let auth = JwtAuth {
            issuer: "https://issuer.example".to_owned(),
            audience: vec!["hooks".to_owned()],
            keys,
            algorithms: algorithms.to_vec(),
            scopes: Vec::new(),
            claims: BTreeMap::new(),
            clock_skew: Duration::ZERO,
        };
        Tokens::new(&auth, &Fetcher::new(Guard::default()))
    }

    async fn proven(tokens: &Tokens, token: &str) -> Result<String, Denied> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        let client = hookgate_net::client::Client::Unknown;
        tokens.prove(Credentials { headers: &headers, client, certificate: None, now: 1_900_000_000_000 }).await
    }

    #[tokio::test]
    async fn tokens_of_a_shared_secret_are_judged_by_every_live_version() {
        let secrets = ["another-secret-another-secret-another", SECRET].map(|text| SecretText::new(text.to_owned()));
        let tokens = tokens(JwtKeys::Secrets(secrets.to_vec()), &[Algorithm::Hs256]);
        let header = r#"{"alg":"HS256","typ":"JWT"}"#;
        assert_eq!(proven(&tokens, &token(header, hs256(SECRET.as_bytes()))).await.unwrap(), "shop");
        let wrong = [
            token(header, hs256(b"x")),
            token(header, |_| Vec::new()),
            token(r#"{"alg":"HS512"}"#, hs256(SECRET.as_bytes())),
            token(r#"{"alg":"none"}"#, |_| Vec::new()),
        ];
        for token in wrong {
            assert!(matches!(proven(&tokens, &token).await, Err(Denied::Wrong(..))), "{token}");
        }
    }

    /// RFC 8725, 2.1: the public key is known to all, and must not become the secret of an HMAC.
    #[tokio::test]
    async fn a_public_key_is_never_a_secret_and_a_key_never_of_another_kind() {
        let rng = SystemRandom::new();
        let ed = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&rng).unwrap().as_ref()).unwrap();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        let point = ec.public_key().as_ref();
        let set = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"{}"}},
                {{"kty":"EC","crv":"P-256","kid":"ec","x":"{}","y":"{}"}}]}}"#,
            encode(ed.public_key()),
            encode(&point[1..33]),
            encode(&point[33..]),
        );
        let set = KeySet::parse(set.as_bytes()).unwrap();
        let tokens = tokens(JwtKeys::Set(set), Algorithm::ALL);
        let sign_ed = |message: &[u8]| ed.sign(message).as_ref().to_vec();
        let sign_ec = |message: &[u8]| ec.sign(&rng, message).unwrap().as_ref().to_vec();
        for right in [
            token(r#"{"alg":"EdDSA","kid":"ed"}"#, sign_ed),
            token(r#"{"alg":"EdDSA"}"#, sign_ed),
            token(r#"{"alg":"ES256","kid":"ec"}"#, sign_ec),
        ] {
            assert_eq!(proven(&tokens, &right).await.unwrap(), "shop");
        }
        for wrong in [
            token(r#"{"alg":"HS256","kid":"ec"}"#, hs256(point)),
            token(r#"{"alg":"HS256"}"#, hs256(ed.public_key().as_ref())),
            token(r#"{"alg":"HS256"}"#, hs256(b"")),
            token(r#"{"alg":"EdDSA","kid":"ec"}"#, sign_ed),
            token(r#"{"alg":"ES256","kid":"ed"}"#, sign_ec),
            token(r#"{"alg":"ES384","kid":"ec"}"#, sign_ec),
            token(r#"{"alg":"RS256","kid":"ec"}"#, sign_ec),
            token(r#"{"alg":"EdDSA","kid":"nobody"}"#, sign_ed),
            token(r#"{"alg":"EdDSA","kid":"ed"}"#, |_| vec![0; 64]),
        ] {
            assert!(matches!(proven(&tokens, &wrong).await, Err(Denied::Wrong(..))), "{wrong}");
        }
        let only_ec = Tokens { wanted: Wanted { algorithms: vec![Algorithm::Es256], ..tokens.wanted }, ..tokens };
        let ed = token(r#"{"alg":"EdDSA","kid":"ed"}"#, sign_ed);
        assert!(matches!(proven(&only_ec, &ed).await, Err(Denied::Wrong(..))));
    }
}
