//! The tokens (JWT) beside notifications with resource data: one for each tenant, made by the Microsoft identity platform
//! for the application that has subscribed, at the request of Graph.
//! <https://learn.microsoft.com/graph/change-notifications-with-resource-data#validating-the-authenticity-of-notifications>

use hookgate_plugin_sdk::{
    Delivery, KeyFormat, KeySet, Refusal,
    answer::forged,
    fields, json_text,
    jwt::{self, Algorithm, Token},
};

/// The keys of the identity platform, for all tenants.
/// <https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-signature>
pub const KEYS: &str = "https://login.microsoftonline.com/common/discovery/v2.0/keys";

/// The application by which Graph tracks changes: it has asked for the tokens.
const GRAPH: &str = "0bf30f3b-4a52-48df-9a82-231910c4a086";

/// Tokens that are looked at; a delivery brings one for each tenant.
const TOKENS_MAX: usize = 64;

/// Checks every token, and that each notification with resource data has one of its tenant. Nothing where the source does
/// not say which application it is.
///
/// # Errors
/// Unauthenticated, or stale.
pub fn check(delivery: &Delivery) -> Result<(), Refusal> {
    let Some(app) = delivery.setting("app-id").filter(|app| !app.is_empty()) else { return Ok(()) };
    let body = fields::body_text(delivery)?;
    let tokens = json_text::items(&body, "/validationTokens").unwrap_or_default();
    if tokens.len() > TOKENS_MAX {
        return Err(Refusal::Malformed(format!("more than {TOKENS_MAX} validationTokens")));
    }
    let mut tenants = Vec::new();
    if !tokens.is_empty() {
        let url = delivery.setting("keys-url").unwrap_or_else(|| KEYS.to_owned());
        let keys = delivery.fetched_keys(&url, KeyFormat::Jwk, &[], "");
        let keys = keys.map_err(|error| jwt::refusal(error, "the keys of Microsoft"))?;
        for token in tokens {
            tenants.push(tenant(delivery, token.text.trim_matches('"'), &keys, &app)?);
        }
    }
    for notification in json_text::items(&body, "/value").unwrap_or_default() {
        let Some([content, tenant]) = json_text::fields(notification.text, ["/encryptedContent", "/tenantId"]) else {
            continue;
        };
        if content.0.is_some() && !tenant.text().is_some_and(|tenant| tenants.contains(&tenant)) {
            return Err(forged("a notification has resource data, and its tenant has no token in validationTokens"));
        }
    }
    Ok(())
}

/// Whose a token is, once it has been checked.
fn tenant(delivery: &Delivery, token: &str, keys: &KeySet, app: &str) -> Result<String, Refusal> {
    let token = Token::read(token, Algorithm::Rs256)?;
    token.verify(keys, &token.key_id()?, Algorithm::Rs256)?;
    let [audience, issuer, tenant, one, two] = token.claims(["/aud", "/iss", "/tid", "/appid", "/azp"]);
    if audience.text().as_deref() != Some(app) {
        return Err(forged("a validation token is for another application (aud) than settings.app-id"));
    }
    // Tokens of version 1 and 2 name it differently, and their issuers too.
    if one.text().or(two.text()).as_deref() != Some(GRAPH) {
        return Err(forged("a validation token was not made for Microsoft Graph (appid, azp)"));
    }
    let tenant = tenant.text().ok_or_else(|| forged("a validation token has no tenant (tid)"))?;
    let issuers =
        [format!("https://sts.windows.net/{tenant}/"), format!("https://login.microsoftonline.com/{tenant}/v2.0")];
    if !issuer.text().is_some_and(|issuer| issuers.contains(&issuer)) {
        return Err(forged("a validation token is not of its tenant's issuer (iss)"));
    }
    token.check_times(delivery)?;
    Ok(tenant)
}
