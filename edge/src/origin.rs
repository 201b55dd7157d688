//! Forwarding: CloudEvents in JSON, signed as Standard Webhooks say.

use spin_sdk::wasip3::http::types::{Method, Response};

use crate::{bindings::gate::Outgoing, config::Config, http, refused::Refused, timed::within};

/// When the origin does not say.
const RETRY_AFTER_SECONDS: u64 = 10;
/// The longest that a provider is asked to wait, whatever the origin says.
const RETRY_AFTER_SECONDS_MAX: u64 = 3600;

/// Has the origin take the events, all or none.
pub async fn forward(Outgoing { headers, body }: Outgoing, config: &Config) -> Result<(), Refused> {
    let headers = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    let sending = http::send(Method::Post, &config.origin, headers, body);
    let response = match within(config.origin_timeout, sending).await {
        None => return Err(failed(format!("it did not answer within {} seconds", config.origin_timeout.as_secs()))),
        Some(Err(why)) => return Err(failed(why)),
        Some(Ok(response)) => response,
    };
    match response.get_status_code() {
        200..=299 => Ok(()),
        status => Err(Refused::OriginFailed(refusal(status), retry_after(&response))),
    }
}

fn refusal(status: u16) -> String {
    let hint = match status {
        401 => ": is origin_secret the one that the origin's source has?",
        404 => ": is origin the URL of the origin's source?",
        413 => ": the origin takes less than body_limit",
        _ => "",
    };
    format!("the origin answered {status}{hint}")
}

fn failed(why: String) -> Refused {
    Refused::OriginFailed(format!("the origin cannot be reached: {why}"), RETRY_AFTER_SECONDS)
}

fn retry_after(response: &Response) -> u64 {
    let value = response.get_headers().get("retry-after").into_iter().next();
    let seconds = value.and_then(|value| String::from_utf8(value).ok()?.trim().parse().ok());
    seconds.map_or(RETRY_AFTER_SECONDS, |seconds: u64| seconds.clamp(1, RETRY_AFTER_SECONDS_MAX))
}
