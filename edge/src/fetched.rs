//! Documents with keys: from the key-value store where they are fresh, else from their server.

use std::time::Duration;

use spin_sdk::wasip3::http::types::Method;

use crate::{
    bindings::{
        gate::{Gate, KeyNeed},
        keyvalue::store::{self, Bucket},
    },
    config::Config,
    http::{self, BodyError, Url},
    now,
    timed::within,
};

/// Providers wait 5 to 30 seconds for their answer.
const FETCH_TIME_MAX: Duration = Duration::from_secs(4);
/// A set of keys has a few KiB.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// How long a document is used without asking again.
const FRESH_MS: u64 = 3_600_000;
/// How long it counts as the newest: made-up key ids do not have it fetched more often.
const NEWEST_MS: u64 = 60_000;

/// Gives the plugin the document that it misses.
pub async fn give(gate: &Gate, need: &KeyNeed, config: &Config) -> Result<(), String> {
    let bucket = config.store.as_ref().and_then(|name| store::open(name).ok());
    let key = format!("keys/{}", need.id);
    let age_max = if need.is_newer { NEWEST_MS } else { FRESH_MS };
    if let Some((age, document)) = kept(bucket.as_ref(), &key).filter(|(age, _)| *age < age_max) {
        return gate.give_keys(&document, age < NEWEST_MS);
    }
    let document = get(&need.url, need.body.as_deref()).await?;
    gate.give_keys(&document, true)?;
    if let Some(bucket) = bucket {
        // Where it cannot be kept it is fetched again.
        _ = bucket.set(&key, &[&now().to_be_bytes()[..], &document].concat());
    }
    Ok(())
}

/// A document that was fetched before, and how long ago, in milliseconds.
fn kept(bucket: Option<&Bucket>, key: &str) -> Option<(u64, Vec<u8>)> {
    let value = bucket?.get(key).ok()??;
    let (time, document) = value.split_first_chunk()?;
    Some((now().saturating_sub(u64::from_be_bytes(*time)), document.to_vec()))
}

/// Gets a URL, or POSTs JSON to it.
pub async fn get(url: &str, json: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let parsed = Url::parse(url).ok_or_else(|| "the plugin asks for something that is not a URL".to_owned())?;
    let (method, headers) = match json {
        None => (Method::Get, Vec::new()),
        Some(_) => (Method::Post, vec![("content-type".to_owned(), b"application/json".to_vec())]),
    };
    let answer = within(FETCH_TIME_MAX, async {
        let response = http::send(method, &parsed, headers, json.unwrap_or_default().to_vec()).await?;
        match response.get_status_code() {
            200..=299 => http::body_of_response(response, DOCUMENT_BYTES_MAX).await.map_err(|error| match error {
                BodyError::TooLarge => format!("it has more than {DOCUMENT_BYTES_MAX} bytes"),
                BodyError::Truncated => "it broke off".to_owned(),
            }),
            status => Err(format!("it answered {status}")),
        }
    });
    let seconds = FETCH_TIME_MAX.as_secs();
    let answer = answer.await.unwrap_or_else(|| Err(format!("it did not answer within {seconds} seconds")));
    answer.map_err(|why| format!("{url}: {why}"))
}
