//! An issuer of tokens: its keys, what it signs, and the places where it shows its keys.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{Answer, Delivery, Received, Receiver, now, sign};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Whom its tokens are for.
pub const AUDIENCE: &str = "https://hooks.example.com";
/// The modulus of the key of RFC 7515, A.2: public, and nothing to sign with.
pub const RSA_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// An issuer with a server that shows its keys.
pub struct Issuer {
    server: Receiver,
    shown: Arc<Mutex<Shown>>,
}

struct Shown {
    keys: Vec<Value>,
    status: u16,
    delay: Duration,
}

impl Issuer {
    /// One key, `first`, of Ed25519, and one of RSA that signs nothing.
    pub async fn start() -> Issuer {
        let rsa = json!({ "kty": "RSA", "kid": "rsa", "n": RSA_MODULUS, "e": "AQAB", "use": "sig" });
        let shown = Shown { keys: vec![public("first", [1; 32]), rsa], status: 200, delay: Duration::ZERO };
        let shown = Arc::new(Mutex::new(shown));
        let answers = shown.clone();
        let server = Receiver::answering(move |request, _| answers.lock().unwrap().answer(request)).await;
        Issuer { server, shown }
    }

    /// `iss` of its tokens.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Shows another key besides.
    pub fn add_key(&self, id: &str, seed: [u8; 32]) {
        self.shown.lock().unwrap().keys.push(public(id, seed));
    }

    /// Answers like this from now on.
    pub fn answer(&self, status: u16, delay: Duration) {
        let mut shown = self.shown.lock().unwrap();
        (shown.status, shown.delay) = (status, delay);
    }

    /// How often its keys were asked for.
    pub fn asked(&self) -> usize {
        self.server.all().iter().filter(|request| request.path == "/keys").count()
    }

    /// Good claims with some in place of theirs; `null` takes one away.
    pub fn claims(&self, changes: Value) -> Value {
        let mut claims = json!({
            "iss": self.url(), "aud": AUDIENCE, "sub": "shop-7", "iat": now(), "exp": now() + 600, "scope": "events:write",
        });
        let all = claims.as_object_mut().unwrap();
        all.extend(changes.as_object().unwrap().clone());
        all.retain(|_, value| !value.is_null());
        claims
    }

    /// A good token but for these claims.
    pub fn token(&self, changes: Value) -> String {
        signed(&json!({ "alg": "EdDSA", "kid": "first", "typ": "at+jwt" }), &self.claims(changes), ed25519([1; 32]))
    }
}

impl Shown {
    fn answer(&self, request: &Received) -> Answer {
        let host = request.headers["host"].to_str().unwrap();
        let body = match request.path.as_str() {
            CONFIGURATION => json!({ "issuer": format!("http://{host}"), "jwks_uri": format!("http://{host}/keys") }),
            _ => json!({ "keys": self.keys }),
        };
        Answer::status(self.status).after(self.delay).body(body.to_string())
    }
}

fn public(id: &str, seed: [u8; 32]) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": URL_SAFE_NO_PAD.encode(sign::public_key(seed)) })
}

/// Signs with that key.
pub fn ed25519(seed: [u8; 32]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = SigningKey::from_bytes(&seed);
    move |message| key.sign(message).to_bytes().to_vec()
}

/// Signs with that secret.
pub fn hs256(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let secret = secret.to_vec();
    move |message| sign::hmac_sha256(&secret, &[message])
}

/// A token.
pub fn signed(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(sign(message.as_bytes())))
}

/// A delivery with a bearer token.
pub fn bearer(token: &str) -> Delivery {
    Delivery::post(&[("content-type", "application/json"), ("authorization", &format!("Bearer {token}"))], "{}")
}

/// A server whose answers have no end; how many bytes of them were taken.
pub async fn endless() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, taken) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
    let counted = taken.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"keys\":[").await;
                let blanks = [b' '; 64 * 1024];
                while let Ok(written) = stream.write(&blanks).await {
                    counted.fetch_add(written as u64, Ordering::SeqCst);
                }
            });
        }
    });
    (address, taken)
}
