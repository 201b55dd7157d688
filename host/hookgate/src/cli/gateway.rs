//! A running gateway, through its admin API.

use std::{fmt::Display, net::IpAddr, path::PathBuf};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;
use hookgate_config::SecretText;
use hookgate_gateway::admin::Problem;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Exit, Usage, configuration,
    http::{HttpClient, parse_url},
    output::Format,
};

/// Everything but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const JSON: &str = "application/json";

/// Which gateway to ask, and how to print its answer.
#[derive(Args, Debug)]
pub struct GatewayArgs {
    /// The admin API of a running gateway
    #[arg(
        long,
        value_name = "URL",
        env = "HOOKGATE_ADMIN",
        default_value = "http://127.0.0.1:8081",
        value_parser = parse_url
    )]
    admin: Uri,
    /// Its token; safer in the environment than on the command line, where other users can see it
    #[arg(long, value_name = "TOKEN", env = "HOOKGATE_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A configuration to take address and token from, instead of the two above
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    pub format: Format,
}

/// Which page of a list.
#[derive(Args, Debug)]
pub struct Page {
    /// How many, at most 500
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u16,
    /// The next page: the token at the end of the page before it
    #[arg(long, value_name = "TOKEN")]
    page: Option<String>,
}

/// A parameter of a query, and its value if it is set.
type Parameter = (&'static str, Option<String>);

/// A running gateway.
pub struct Gateway {
    client: HttpClient,
    base: String,
    token: Option<SecretText>,
    /// The configuration that the token comes from.
    config: Option<PathBuf>,
}

impl Page {
    /// The parameters for this page of a list with this filter.
    pub fn with<const N: usize>(self, filter: [Parameter; N]) -> Vec<Parameter> {
        let page = [("limit", Some(self.limit.to_string())), ("page", self.page)];
        filter.into_iter().chain(page).collect()
    }
}

impl GatewayArgs {
    /// Asks for what is at a path, and prints it.
    pub async fn show<T, D>(&self, path: &str, query: &[Parameter], text: impl FnOnce(&T) -> D) -> Result<Exit>
    where
        T: DeserializeOwned + Serialize,
        D: Display,
    {
        let found: T = self.gateway()?.get(path, query).await?;
        self.format.print(&found, text)?;
        Ok(Exit::Ok)
    }

    /// Gives an order, prints the answer and returns it.
    pub async fn order<T, D>(&self, path: &str, order: &impl Serialize, text: impl FnOnce(&T) -> D) -> Result<T>
    where
        T: DeserializeOwned + Serialize,
        D: Display,
    {
        let answer: T = self.gateway()?.post(path, order).await?;
        self.format.print(&answer, text)?;
        Ok(answer)
    }

    /// The gateway; nothing is asked of it yet.
    pub fn gateway(&self) -> Result<Gateway> {
        match &self.config {
            None => Gateway::new(&self.admin, self.token.clone().map(SecretText::new), None),
            Some(file) => {
                let (config, _) = configuration::load(file)?;
                let mut address = config.admin.listen;
                if address.port() == 0 {
                    let text = format!("{} has admin.listen on port 0; name the address with --admin", file.display());
                    return Err(Usage(text).into());
                }
                if address.ip().is_unspecified() {
                    address.set_ip(if address.is_ipv4() {
                        IpAddr::from([127, 0, 0, 1])
                    } else {
                        IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16])
                    });
                }
                let url = format!("http://{address}").parse().context("admin.listen makes no URL")?;
                Gateway::new(&url, config.admin.token, Some(file.clone()))
            }
        }
    }
}

impl Gateway {
    fn new(url: &Uri, token: Option<SecretText>, config: Option<PathBuf>) -> Result<Self> {
        let base = url.to_string().trim_end_matches('/').to_owned();
        Ok(Gateway { client: HttpClient::new(url)?, base, token, config })
    }

    /// Asks for what is at a path below `/api/v1`, with these parameters.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[Parameter]) -> Result<T> {
        self.ask(Method::GET, &with_query(path, query), JSON, Bytes::new()).await
    }

    /// Sends bytes of another type than JSON, with these parameters.
    pub async fn send<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[Parameter],
        media_type: &'static str,
        body: Bytes,
    ) -> Result<T> {
        self.ask(Method::POST, &with_query(path, query), media_type, body).await
    }

    /// Removes what is at a path.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask(Method::DELETE, path, JSON, Bytes::new()).await
    }

    /// Gives an order.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, order: &impl Serialize) -> Result<T> {
        self.ask(Method::POST, path, JSON, serde_json::to_vec(order)?.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        media_type: &'static str,
        body: Bytes,
    ) -> Result<T> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}/api/v1{path}", self.base).parse().context("no URL")?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|_| Usage("the admin token holds control characters".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let answer =
            self.client.send(request).await.with_context(|| {
                format!("the admin API was looked for at {}; --admin names another address", self.base)
            })?;
        if !answer.status().is_success() {
            bail!("{}", self.refusal(answer.status(), answer.body()));
        }
        serde_json::from_slice(answer.body())
            .context("the admin API's answer cannot be read; is it of another version?")
    }

    /// Why there is no answer, and what to do.
    fn refusal(&self, status: StatusCode, body: &Bytes) -> String {
        let problem = serde_json::from_slice::<Problem>(body);
        match (problem_kind(body).as_deref(), problem) {
            (Some("urn:hookgate:admin:unauthorized"), _) => self.about_the_token(),
            (_, Ok(problem)) => format!("{}: {}", problem.title, problem.detail),
            (Some(kind), Err(_)) if kind.starts_with("urn:hookgate:") => format!(
                "{} is the listener for deliveries; the admin API is at 127.0.0.1:8081 by default: name its address with \
                 --admin, or the gateway's configuration with --config FILE",
                self.base
            ),
            (_, Err(_)) => format!("{} answered {status}; is it hookgate's?", self.base),
        }
    }

    fn about_the_token(&self) -> String {
        const WAYS: &str =
            "set HOOKGATE_ADMIN_TOKEN or give --token, or name the gateway's configuration with --config FILE";
        match (&self.token, &self.config) {
            (None, None) => format!("the gateway asks for its admin token: {WAYS}"),
            (Some(_), None) => format!("the token that was given is not the gateway's admin token: {WAYS}"),
            (None, Some(file)) => format!(
                "the gateway asks for its admin token, and {} has none; name the configuration that it runs with",
                file.display()
            ),
            (Some(_), Some(file)) => format!(
                "the admin token of {} is not the gateway's; name the configuration that it runs with, or restart it if \
                 the token has changed since it was started",
                file.display()
            ),
        }
    }
}

/// The `type` of a problem document (RFC 9457).
pub fn problem_kind(body: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(document.get("type")?.as_str()?.to_owned())
}

fn with_query(path: &str, query: &[Parameter]) -> String {
    let pairs = query.iter().filter_map(|(name, value)| Some(format!("{name}={}", escaped(value.as_ref()?))));
    let query = pairs.collect::<Vec<_>>().join("&");
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{path}{separator}{query}")
}

/// A value for a path or query.
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn problems_become_errors_that_say_what_to_do() {
        let gateway = Gateway::new(&Uri::from_static("http://127.0.0.1:1"), None, None).unwrap();
        let body = Bytes::from(r#"{"type":"urn:x","title":"No","status":404,"detail":"do this"}"#);
        assert_eq!(gateway.refusal(StatusCode::NOT_FOUND, &body), "No: do this");
        assert!(gateway.refusal(StatusCode::BAD_GATEWAY, &Bytes::from("<html>")).contains("502"));
    }

    #[test]
    fn values_are_escaped() {
        assert_eq!(escaped("a b/c?d&e=ü~"), "a%20b%2Fc%3Fd%26e%3D%C3%BC~");
    }
}
