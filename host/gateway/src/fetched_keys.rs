//! The keys of a source that the host fetches for its plugin, and the subscriptions that it confirms.
//!
//! A plugin never waits. If a document is not cached, its call ends with [`Broken::KeysNeeded`](hookgate_sandbox::Broken),
//! the gateway fetches the document here, and the plugin judges the delivery again from the beginning.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use hookgate_capabilities::{
    FetchedKeys, Found, KeyDocument, KeyError, KeyNeed, KeyRequest, OwnedKeyField, SecretText, UrlPattern,
};
use hookgate_config::Source;
use hookgate_model::limits;
use hookgate_net::fetch::{Anew, Document, FetchError, Fetcher, Query};
use http::Uri;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use zeroize::Zeroize;

use crate::ingress::Client;

/// The documents that a source may have fetched, and the keys read from them.
pub struct SourceKeys {
    source: Arc<Source>,
    fetcher: Fetcher,
    granted: GrantedUrls,
    unproven: UnprovenBudget,
    /// Documents that were read, by their queries.
    read: Mutex<HashMap<String, ReadKeys>>,
}

/// The budget for documents that have not verified anything yet. Any sender can cause such fetches by inventing key ids, so the
/// budget is small, and one address gets only a part of it.
struct UnprovenBudget {
    all: DefaultDirectRateLimiter,
    by_address: DefaultKeyedRateLimiter<Client>,
}

/// The URLs that the host may request for deliveries of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantedUrls {
    /// Documents with keys.
    pub keys: Vec<UrlPattern>,
    /// Confirmations of subscriptions.
    pub confirm: Vec<UrlPattern>,
}

/// A document's number, and its keys or why it has none.
type ReadKeys = (u64, Result<Arc<KeyDocument>, String>);

/// Why keys are not available, or a subscription cannot be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Its server.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Too many fetches for this source.
    #[error(
        "deliveries of this source have asked for too many documents that have verified nothing yet: {} in {} s are fetched, \
         {} for one address",
        limits::KEY_FETCHES_OF_STRANGERS.0,
        limits::KEY_FETCHES_OF_STRANGERS.1.as_secs(),
        limits::KEY_FETCHES_OF_ADDRESS.0
    )]
    TooMany,
    /// Not a URL.
    #[error("the plugin asks for something that is not a URL")]
    NotAUrl,
    /// The source may not.
    #[error("the source may not confirm subscriptions at this URL; if it should, add a pattern for it to keys.confirm")]
    NotAllowed,
    /// No secret of that name.
    #[error("secrets.{0} is not set, which the request for keys needs")]
    NoSecret(String),
    /// Each round of fetches was followed by another.
    #[error("the plugin needed keys again and again")]
    TooManyRounds,
}

impl SourceKeys {
    /// The keys of a source; nothing is fetched yet.
    pub fn new(source: Arc<Source>, granted: GrantedUrls, fetcher: Fetcher) -> SourceKeys {
        SourceKeys { source, fetcher, granted, unproven: UnprovenBudget::new(), read: Mutex::default() }
    }

    /// Fetches the document that a plugin needs for a delivery of `sender`, unless it is cached by now. `sender` is `None` if
    /// the delivery was admitted before.
    ///
    /// # Errors
    /// It cannot be fetched now.
    pub async fn fetch(&self, need: &KeyNeed, sender: Option<Client>) -> Result<(), KeysError> {
        let query = self.query(&need.request)?;
        match self.fetcher.at_hand(&query) {
            Some(Err(error)) => return Err(error.into()),
            Some(Ok(document)) if need.newer_than.is_none_or(|number| document.number > number) => return Ok(()),
            Some(Ok(_)) | None => {}
        }
        let is_proven = self.fetcher.is_proven(&query);
        if !is_proven && !self.fetcher.is_under_way(&query) {
            self.unproven.spend(sender)?;
        }
        // Proven documents do not wait behind those that strangers ask for.
        let _room = if is_proven { None } else { Some(self.fetcher.stranger(&query)?) };
        match need.newer_than {
            None => self.fetcher.get(&query).await?,
            Some(number) => self.fetcher.newer(&query, number).await?,
        };
        Ok(())
    }

    /// Confirms a subscription: requests the URL that an authentic delivery has named.
    ///
    /// # Errors
    /// It is not granted, or was not answered with a success.
    pub async fn confirm(&self, url: &str) -> Result<(), KeysError> {
        if !self.granted.confirm.iter().any(|pattern| pattern.fits(url)) {
            return Err(KeysError::NotAllowed);
        }
        self.fetcher.visit(parsed(url)?).await.map_err(KeysError::Fetch)
    }

    /// The request as it is sent, with the source's secrets in it.
    fn query(&self, request: &KeyRequest) -> Result<Query, KeysError> {
        let url = parsed(&request.url)?;
        if request.fields.is_empty() {
            return Ok(Query::get(url));
        }
        let mut object = Map::new();
        // Sources have credentials of their own, so one must not use the document that another one was given.
        let mut about = self.source.name.clone();
        for (name, field) in &request.fields {
            let text = match field {
                OwnedKeyField::Text(text) => {
                    about += &format!(" {name}={text:?}");
                    text.clone()
                }
                OwnedKeyField::Secret(secret) => {
                    let newest = self.source.secrets.get(secret).and_then(|versions| versions.first());
                    let newest = newest.ok_or_else(|| KeysError::NoSecret(secret.clone()))?;
                    newest.expose().to_owned()
                }
            };
            object.insert(name.clone(), Value::String(text));
        }
        let json = Value::Object(object);
        let text = SecretText::new(json.to_string());
        wipe(json);
        Ok(Query::post(url, text, &about))
    }

    /// The document as keys, read once.
    fn read(&self, request: &KeyRequest, document: &Document) -> Result<Arc<KeyDocument>, String> {
        let name = format!("{request:?}");
        let mut read = self.read.lock();
        if let Some((_, keys)) = read.get(&name).filter(|(number, _)| *number == document.number) {
            return keys.clone();
        }
        // Invented requests must not fill the memory; clearing only costs reading documents again.
        if read.len() >= limits::FETCHED_DOCUMENTS_MAX {
            read.clear();
        }
        let keys = KeyDocument::read(&request.format, &request.at, &document.bytes).map(Arc::new);
        read.insert(name, (document.number, keys.clone()));
        keys
    }
}

impl FetchedKeys for SourceKeys {
    fn find(&self, request: &KeyRequest) -> Found {
        if !self.granted.keys.iter().any(|pattern| pattern.fits(&request.url)) {
            return Found::Never(KeyError::NotAllowed);
        }
        let query = match self.query(request) {
            Ok(query) => query,
            Err(error) => return Found::Never(KeyError::Unusable(error.to_string())),
        };
        // A recent failure is reported by `fetch`.
        let Some(Ok(document)) = self.fetcher.at_hand(&query) else { return Found::Needed(None) };
        self.fetcher.keep_fresh(&query);
        match self.read(request, &document) {
            Ok(keys) => Found::Document(keys, document.number),
            Err(_) if self.fetcher.anew(&query) == Anew::Outdated => Found::Needed(Some(document.number)),
            Err(why) => Found::Never(KeyError::Unusable(why)),
        }
    }

    fn may_be_outdated(&self, request: &KeyRequest) -> bool {
        self.query(request).is_ok_and(|query| self.fetcher.anew(&query) == Anew::Outdated)
    }

    fn proved(&self, request: &KeyRequest) {
        if let Ok(query) = self.query(request) {
            self.fetcher.prove(&query);
        }
    }
}

impl UnprovenBudget {
    fn new() -> Self {
        UnprovenBudget {
            all: RateLimiter::direct(quota(limits::KEY_FETCHES_OF_STRANGERS)),
            by_address: RateLimiter::keyed(quota(limits::KEY_FETCHES_OF_ADDRESS)),
        }
    }

    /// Spends one fetch. The share of the address is checked first, so that one address cannot use up the budget of all.
    fn spend(&self, sender: Option<Client>) -> Result<(), KeysError> {
        if let Some(sender) = sender {
            let is_known = self.by_address.len() < limits::KEY_FETCHING_ADDRESSES_MAX;
            if !is_known {
                self.by_address.retain_recent();
            }
            // When too many addresses are remembered, further ones share the budget of unknown senders.
            let counted = if is_known { sender.counted() } else { Client::Unknown };
            self.by_address.check_key(&counted).map_err(|_| KeysError::TooMany)?;
        }
        self.all.check().map_err(|_| KeysError::TooMany)
    }
}

fn quota((count, per): (u32, Duration)) -> Quota {
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(per / count.get()).unwrap_or(Quota::per_second(count)).allow_burst(count)
}

fn parsed(url: &str) -> Result<Uri, KeysError> {
    let url: Uri = url.parse().map_err(|_| KeysError::NotAUrl)?;
    if url.host().is_some() { Ok(url) } else { Err(KeysError::NotAUrl) }
}

/// Wipes the texts of an object: secrets are among them.
fn wipe(json: Value) {
    if let Value::Object(members) = json {
        for (_, value) in members {
            if let Value::String(mut text) = value {
                text.zeroize();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
    };

    use hookgate_capabilities::OwnedKeyFormat;
    use hookgate_net::egress::Guard;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    fn source() -> Arc<Source> {
        let secret = SecretText::new("hush \"quoted\"".to_owned());
        Arc::new(Source {
            secrets: BTreeMap::from([("api".to_owned(), vec![secret])]),
            ..Source::of_plugin("bank", "plaid")
        })
    }

    /// Keys from loopback, which the guard refuses at once: nothing is ever fetched.
    fn keys() -> SourceKeys {
        let patterns = |text: &str| vec![UrlPattern::new(text).unwrap()];
        let granted =
            GrantedUrls { keys: patterns("http://127.0.0.1/*.pem"), confirm: patterns("http://127.0.0.1/?t=*") };
        SourceKeys::new(source(), granted, Fetcher::new(Guard::default()))
    }

    fn request(url: &str, fields: Vec<(String, OwnedKeyField)>) -> KeyRequest {
        KeyRequest { url: url.to_owned(), format: OwnedKeyFormat::Certificate(Vec::new()), fields, at: String::new() }
    }

    fn need(url: &str) -> KeyNeed {
        KeyNeed { request: Arc::new(request(url, Vec::new())), newer_than: None }
    }

    #[test]
    fn only_what_is_granted_is_looked_for() {
        let keys = keys();
        let find = |url: &str| keys.find(&request(url, Vec::new()));
        assert!(matches!(find("http://127.0.0.1/a.pem"), Found::Needed(None)));
        for url in
            ["http://127.0.0.1/?t=1", "http://127.0.0.1/a.pem?x", "https://127.0.0.1/a.pem", "http://127.0.0.1/.pem"]
        {
            assert!(matches!(find(url), Found::Never(KeyError::NotAllowed)), "{url}");
        }
    }

    #[test]
    fn secrets_go_into_the_body_and_into_nothing_else() {
        let fields = vec![
            ("secret".to_owned(), OwnedKeyField::Secret("api".to_owned())),
            ("key_id".to_owned(), OwnedKeyField::Text("k1".to_owned())),
        ];
        let query = keys().query(&request("http://127.0.0.1/a.pem", fields)).unwrap();
        assert!(!format!("{query:?}").contains("hush"));
        let fields = vec![("secret".to_owned(), OwnedKeyField::Secret("missing".to_owned()))];
        let found = keys().find(&request("http://127.0.0.1/a.pem", fields));
        assert!(matches!(found, Found::Never(KeyError::Unusable(why)) if why.contains("secrets.missing")));
    }

    /// How many invented documents an address can ask for before it is refused.
    async fn fetched_for(keys: &SourceKeys, address: Option<Client>, from: u32) -> u32 {
        for n in 0.. {
            match keys.fetch(&need(&format!("http://127.0.0.1/{}.pem", from + n)), address).await {
                Err(KeysError::Fetch(_)) => {}
                other => {
                    assert_eq!(other, Err(KeysError::TooMany));
                    return n;
                }
            }
        }
        unreachable!("the loop has no end")
    }

    #[tokio::test]
    async fn made_up_urls_bring_about_few_fetches_and_one_address_only_its_share_of_them() {
        let keys = keys();
        let address = |n: u8| Some(Client::Address([192, 0, 2, n].into()));
        // While the clock runs some more come free: fewer than a loop can ask for.
        let (share, all) = (limits::KEY_FETCHES_OF_ADDRESS.0, limits::KEY_FETCHES_OF_STRANGERS.0);
        let first = fetched_for(&keys, address(1), 0).await;
        assert!((share..all).contains(&first), "{first}");
        assert!(fetched_for(&keys, address(2), 1_000).await >= 1, "another address has its own share");
        let mut total = first;
        for n in 3..20 {
            total += fetched_for(&keys, address(n), u32::from(n) * 1_000).await;
        }
        assert!(total < 2 * all, "{total}");
    }

    /// The made-up ones have used up everything; the document that has verified a delivery is fetched again all the same.
    #[tokio::test(start_paused = true)]
    async fn a_proven_document_is_not_paid_from_what_strangers_spend() {
        let keys = keys();
        let proven = need("http://127.0.0.1/proven.pem");
        assert!(matches!(keys.fetch(&proven, None).await, Err(KeysError::Fetch(_))), "the guard refuses loopback");
        keys.proved(&proven.request);
        fetched_for(&keys, None, 0).await;
        tokio::time::advance(limits::FETCH_FAILURE_PAUSE).await;
        assert!(matches!(keys.fetch(&proven, None).await, Err(KeysError::Fetch(_))));
        assert_eq!(keys.fetch(&need("http://127.0.0.1/unproven.pem"), None).await, Err(KeysError::TooMany));
    }

    #[tokio::test]
    async fn only_what_is_granted_is_confirmed() {
        let keys = keys();
        assert_eq!(keys.confirm("http://127.0.0.1/a.pem").await, Err(KeysError::NotAllowed));
        assert!(matches!(keys.confirm("http://127.0.0.1/?t=1").await, Err(KeysError::Fetch(_))));
    }

    /// A server of documents, each with its number; how many it has handed out.
    async fn numbered_documents() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, asked) = (format!("http://{}/keys", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let text = format!("document {}", count.fetch_add(1, SeqCst));
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
                stream.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
            }
        });
        (url, asked)
    }

    #[tokio::test]
    async fn what_has_verified_a_delivery_is_fetched_again_before_it_is_out_of_date() {
        let (url, asked) = numbered_documents().await;
        let fetcher = Fetcher::new(Guard::new(vec!["127.0.0.0/8".parse().unwrap()]));
        let query = Query::get(url.parse().unwrap());
        let granted = GrantedUrls { keys: vec![UrlPattern::new(&url).unwrap()], ..GrantedUrls::default() };
        let keys = SourceKeys::new(Arc::new(Source::of_plugin("shop", "plaid")), granted, fetcher.clone());
        let request = KeyRequest { url, format: OwnedKeyFormat::Jwk, fields: Vec::new(), at: String::new() };
        keys.fetch(&KeyNeed { request: Arc::new(request.clone()), newer_than: None }, None).await.unwrap();
        keys.proved(&request);
        keys.find(&request);
        assert_eq!(asked.load(SeqCst), 1, "it is new");
        tokio::time::pause();
        tokio::time::advance(limits::FETCHED_AGE_DEFAULT * 4 / 5).await;
        tokio::time::resume();
        keys.find(&request);
        let newer = async {
            while fetcher.at_hand(&query).unwrap().unwrap().bytes != "document 1" {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), newer).await.expect("it was not fetched again");
        assert_eq!(asked.load(SeqCst), 2);
    }
}
