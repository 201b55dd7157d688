//! `hookgate send`

mod curl;
mod sender;

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use hookgate_capabilities::SecretText;
use hookgate_model::{
    clock::now_ms,
    human::{printable, span},
};
use http::{HeaderMap, StatusCode, Uri};
use http_body_util::Full;
use serde::Serialize;

pub use self::{curl::quoted, sender::Sender};
use super::{
    Exit, Usage, gateway,
    http::{HttpClient, parse_url},
    output,
    sandbox::{self, Directory, Found},
};

/// Send a delivery as a provider would, correctly signed
///
/// The plugin itself signs, in the sandbox. Without --event it sends an example, if the plugin has one. The secret is the
/// source's own; for providers with public keys, the private key that belongs to it.
///
/// It prints the status, the gateway's result and the event's id, and fails if the answer is not a success.
///
/// Examples:
///   hookgate send stripe --secret whsec_test http://127.0.0.1:8080/in/stripe
///   hookgate send razorpay --secret s http://127.0.0.1:8080/in/razorpay
///   hookgate send github --event push.json --header x-github-event:push --secret s http://127.0.0.1:8080/in/github
///   hookgate send hmac --set signature=header:x-signature --secret s --print https://hooks.example.com/in/other
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Send {
    /// The plugin that signs: a name, a known provider, or a component's file
    provider: String,
    /// The URL to send it to
    #[arg(value_parser = parse_url)]
    url: Uri,
    /// The body; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// The secret, if the plugin has only one
    #[arg(long, value_name = "SECRET", env = "HOOKGATE_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// One of several secrets, by name
    #[arg(long, value_name = "NAME=SECRET", value_parser = pair('='))]
    secret_name: Vec<(String, String)>,
    /// A setting of the source
    #[arg(long, value_name = "SETTING=VALUE", value_parser = pair('='))]
    set: Vec<(String, String)>,
    /// A header to send; the plugin's own headers override it
    #[arg(long, value_name = "NAME:VALUE", value_parser = pair(':'))]
    header: Vec<(String, String)>,
    /// The request's method
    #[arg(long, default_value = "POST")]
    method: String,
    /// The time of sending: Unix seconds or RFC 3339; by default now
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    at: Option<u64>,
    /// How often to send it, one after the other, each with its own signature
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u64,
    /// The URL to sign, for providers that sign it, if the gateway's public URL differs
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    signed_url: Option<Uri>,
    /// Print a curl command instead of sending anything
    #[arg(long, conflicts_with = "count")]
    print: bool,
    #[command(flatten)]
    directory: Directory,
    /// Print JSON, one line per delivery
    #[arg(long, conflicts_with = "print")]
    json: bool,
}

/// The prefix of the kinds of the admin API's problems.
const ADMIN_PROBLEMS: &str = "urn:hookgate:admin:";

/// The answer.
#[derive(Serialize)]
struct Answer {
    status: u16,
    /// `accepted`, `duplicate` or `answered`.
    outcome: Option<String>,
    events: Vec<String>,
    trace: Option<String>,
    took_ms: u64,
    body: String,
}

impl Send {
    pub async fn run(self) -> Result<Exit> {
        let catalog = self.directory.catalog()?;
        let found = sandbox::load(&self.provider, &catalog, &self.directory.sandbox()?).await?;
        let sender = self.sender(found)?;
        let body = self.body()?;
        if self.print {
            output::line(curl::command(&self.url, &self.sign(&sender, body).await?))?;
            return Ok(Exit::Ok);
        }
        let client = HttpClient::new(&self.url)?;
        let mut all_taken = true;
        for _ in 0..self.count {
            let answer = self.send(&client, self.sign(&sender, body.clone()).await?).await?;
            all_taken &= (200..300).contains(&answer.status);
            if self.json {
                output::line(serde_json::to_string(&answer)?)?;
            } else {
                output::line(&answer)?;
            }
            if gateway::problem_kind(answer.body.as_bytes()).is_some_and(|kind| kind.starts_with(ADMIN_PROBLEMS)) {
                bail!(
                    "{} is the admin API, not the listener for deliveries, which is at 127.0.0.1:8080 by default",
                    self.url.authority().map_or("this", |at| at.as_str())
                );
            }
        }
        Ok(if all_taken { Exit::Ok } else { Exit::Failed })
    }

    fn sender(&self, Found { plugin, provider, .. }: Found) -> Result<Sender> {
        let named = self.secret_name.iter().map(|(name, text)| (name.clone(), SecretText::new(text.clone())));
        let preset = provider.map(|provider| ("provider".to_owned(), provider.name.to_owned()));
        let set = self.set.iter().cloned();
        let sender =
            Sender::new(plugin, self.secret.clone().map(SecretText::new), named, preset.into_iter().chain(set));
        sender.map_err(|wrong| Usage(wrong).into())
    }

    fn body(&self) -> Result<Bytes> {
        let bytes = match &self.event {
            None => Vec::new(),
            Some(file) if file.as_os_str() == "-" => {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).context("standard input")?;
                bytes
            }
            Some(file) => fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        };
        Ok(bytes.into())
    }

    async fn sign(&self, sender: &Sender, body: Bytes) -> Result<hookgate_capabilities::Request> {
        let headers =
            self.header.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim().into())).collect();
        let request = hookgate_capabilities::Request {
            method: self.method.to_ascii_uppercase(),
            url: self.signed_url.as_ref().unwrap_or(&self.url).to_string(),
            headers,
            received_at: self.at.unwrap_or_else(now_ms),
            body,
        };
        Ok(sender.sign(request).await?)
    }

    async fn send(&self, client: &HttpClient, signed: hookgate_capabilities::Request) -> Result<Answer> {
        let mut request = http::Request::new(Full::new(signed.body));
        *request.method_mut() = signed.method.parse().map_err(|_| Usage(format!("no method: {}", signed.method)))?;
        *request.uri_mut() = self.url.clone();
        for (name, value) in signed.headers {
            let name =
                http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| Usage(format!("no header: {name}")))?;
            let value = http::HeaderValue::from_bytes(&value)
                .map_err(|_| Usage(format!("the value of {name} holds control characters")))?;
            request.headers_mut().append(name, value);
        }
        let began = Instant::now();
        let (head, body) = client.send(request).await?.into_parts();
        let text = |name: &str| header(&head.headers, name);
        let events = text("hookgate-event").unwrap_or_default();
        Ok(Answer {
            status: head.status.as_u16(),
            outcome: text("hookgate-status"),
            events: events.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            trace: text("hookgate-trace"),
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        write!(f, "{} {}", self.status, reason.unwrap_or_default())?;
        if let Some(outcome) = &self.outcome {
            write!(f, "  {}", printable(outcome))?;
        }
        if !self.events.is_empty() {
            write!(f, "  {}", printable(&self.events.join(" ")))?;
        }
        write!(f, "  {}", span(self.took_ms))?;
        match self.body.trim() {
            "" => Ok(()),
            body => write!(f, "\n{}", printable(body)),
        }
    }
}

/// Splits `NAME=VALUE`.
pub(super) fn pair(separator: char) -> impl Fn(&str) -> Result<(String, String), String> + Clone {
    move |text| match text.split_once(separator) {
        Some((name, value)) if !name.is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err(format!("write it as NAME{separator}VALUE")),
    }
}

/// Milliseconds since the epoch.
fn time_ms(text: &str) -> Result<u64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..1e12).contains(seconds));
    let date = || u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()).ok();
    seconds
        .map(|seconds| (seconds * 1000.0).round() as u64)
        .or_else(date)
        .ok_or_else(|| "write unix seconds (1700000000) or RFC 3339 (2023-11-14T22:13:20Z)".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_unix_seconds_or_rfc_3339() {
        for text in ["1700000000", "1700000000.0", "2023-11-14T22:13:20Z", "2023-11-14T23:13:20+01:00"] {
            assert_eq!(time_ms(text), Ok(1_700_000_000_000), "{text}");
        }
        for text in ["", "yesterday", "-1", "NaN", "inf", "1969-01-01T00:00:00Z"] {
            assert!(time_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_may_hold_the_separator() {
        assert_eq!(pair('=')("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair(':')("x-a: b:c"), Ok(("x-a".to_owned(), " b:c".to_owned())));
        assert!(pair('=')("=b").is_err() && pair('=')("b").is_err());
    }

    #[test]
    fn an_answer_is_a_line_and_what_the_gateway_said() {
        let mut answer = Answer {
            status: 200,
            outcome: Some("accepted".to_owned()),
            events: vec!["a".to_owned(), "b".to_owned()],
            trace: None,
            took_ms: 12,
            body: String::new(),
        };
        assert_eq!(answer.to_string(), "200 OK  accepted  a b  12ms");
        answer = Answer { status: 401, outcome: None, events: Vec::new(), body: "{}\n".to_owned(), ..answer };
        assert_eq!(answer.to_string(), "401 Unauthorized  12ms\n{}");
    }
}
