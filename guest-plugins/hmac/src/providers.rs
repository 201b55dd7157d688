//! Providers whose settings are known, so that a source needs but `provider = "NAME"`.
//!
//! Each row is what an operator would write; a setting of the source comes before the row's. Rows of [`PROVIDERS`] are
//! taken from the provider's own code or documentation only; those of [`REPORTED`] are what others say. Where a provider
//! documents no id of an event the row has none either: then the payload tells events apart. Where its own library lets
//! signatures of any age pass, so does the row.

mod reported;

pub use reported::REPORTED;

/// A name and a value.
pub type Setting = (&'static str, &'static str);

/// A provider and its settings.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// As it stands in the setting.
    pub name: &'static str,
    /// As it calls itself.
    pub title: &'static str,
    /// Names and values.
    pub settings: &'static [Setting],
}

/// Every provider's name and settings: those known, then those reported.
pub fn all() -> impl Iterator<Item = (&'static str, &'static [Setting])> {
    PROVIDERS.iter().map(|known| (known.name, known.settings)).chain(REPORTED.iter().copied())
}

/// The settings of a provider.
pub fn settings(name: &str) -> Option<&'static [Setting]> {
    all().find(|(known, _)| *known == name).map(|(_, settings)| settings)
}

/// The headers that they use, lower case, beside those of token schemes.
pub fn headers() -> Vec<String> {
    let texts = all().flat_map(|(_, settings)| settings).map(|(_, text)| *text);
    let named = texts.flat_map(|text| text.split("header:").skip(1)).map(|after| {
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(after.len());
        after[..end].to_ascii_lowercase()
    });
    let mut names: Vec<String> = named.chain(["authorization".to_owned()]).collect();
    names.sort();
    names.dedup();
    names
}

/// The prefixes that their secrets may have, as `strip:PREFIX` says.
pub fn prefixes() -> Vec<&'static str> {
    let forms = all().flat_map(|(_, settings)| settings).filter(|(name, _)| *name == "key").map(|(_, form)| *form);
    let words = forms.flat_map(str::split_whitespace);
    let mut prefixes: Vec<&str> = words.filter_map(|word| word.strip_prefix("strip:")).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

/// All of them: those of Standard Webhooks, those who sign the body alone, those who sign a timestamp with it.
#[rustfmt::skip]
pub const PROVIDERS: &[Known] = &[
    Known { name: "bigcommerce", title: "BigCommerce", settings: &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("content", "{id}.{timestamp}.{body}"), ("timestamp", "header:webhook-timestamp"),
        ("timestamp-unit", "s"), ("id", "header:webhook-id"), ("kind", "json:/scope"), ("time", "json:/created_at"),
    ] },
    Known { name: "gitlab", title: "GitLab (signing token)", settings: &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "header:X-Gitlab-Event"),
    ] },
    Known { name: "lithic", title: "Lithic", settings: &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/event_type"),
    ] },
    Known { name: "openai", title: "OpenAI", settings: &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature} {signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64 | utf8"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/type"), ("time", "json:/created_at"),
    ] },
    Known { name: "polar", title: "Polar", settings: &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("content", "{id}.{timestamp}.{body}"), ("timestamp", "header:webhook-timestamp"),
        ("timestamp-unit", "s"), ("id", "header:webhook-id"), ("kind", "json:/type"),
    ] },
    Known { name: "replicate", title: "Replicate", settings: &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("tolerance", "0"),
        ("id", "header:webhook-id"), ("kind", "json:/status"),
    ] },
    Known { name: "standard-webhooks", title: "Standard Webhooks (spec)", settings: &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/type"),
    ] },
    Known { name: "supabase-auth", title: "Supabase Auth hooks", settings: &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:v1,whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
    ] },
    Known { name: "svix", title: "Svix", settings: &[
        ("signature", "[\"header:svix-signature\",\"header:webhook-signature\"]"), ("format", "v1,{signature}"),
        ("separator", " "), ("encoding", "base64"), ("key", "strip:whsec_ base64"),
        ("content", "{id}.{timestamp}.{body}"), ("timestamp", "header:svix-timestamp | header:webhook-timestamp"),
        ("timestamp-unit", "s"), ("id", "header:svix-id | header:webhook-id"), ("kind", "json:/type"),
    ] },
    Known { name: "adyen-platforms", title: "Adyen (platforms / management / balance)", settings: &[
        ("signature", "header:HmacSignature"), ("encoding", "base64"), ("key", "hex"), ("kind", "json:/type"),
        ("time", "json:/timestamp"), ("reply-body", "[accepted]"),
    ] },
    Known { name: "asana", title: "Asana", settings: &[
        ("signature", "header:X-Hook-Signature"),
    ] },
    Known { name: "btcpay", title: "BTCPay Server", settings: &[
        ("signature", "header:BTCPay-Sig"), ("format", "sha256={signature}"),
        ("id", "json:/originalDeliveryId | json:/deliveryId"), ("kind", "json:/type"), ("time", "json:/timestamp"),
    ] },
    Known { name: "checkout", title: "Checkout.com", settings: &[
        ("signature", "header:Cko-Signature"), ("kind", "json:/type"),
    ] },
    Known { name: "circleci", title: "CircleCI", settings: &[
        ("signature", "header:circleci-signature"), ("format", "v1={signature}"), ("separator", ","),
        ("kind", "header:circleci-event-type | json:/type"),
    ] },
    Known { name: "coinbase-commerce", title: "Coinbase Commerce", settings: &[
        ("signature", "header:X-CC-Webhook-Signature"), ("id", "json:/event/id"), ("kind", "json:/event/type"),
        ("time", "json:/event/created_at"),
    ] },
    Known { name: "convoy", title: "Convoy, advanced signatures", settings: &[
        ("signature", "header:X-Convoy-Signature"), ("format", "t={timestamp},v1={signature}"), ("separator", ","),
        ("content", "{timestamp},{body}"), ("timestamp-unit", "s"),
    ] },
    Known { name: "convoy-simple", title: "Convoy, simple signatures", settings: &[
        ("signature", "header:X-Convoy-Signature"),
    ] },
    Known { name: "docusign", title: "DocuSign Connect", settings: &[
        ("signature", "header:X-DocuSign-Signature-*"), ("encoding", "base64"), ("kind", "json:/event"),
        ("time", "json:/generatedDateTime"),
    ] },
    Known { name: "dropbox", title: "Dropbox", settings: &[
        ("signature", "header:X-Dropbox-Signature"), ("challenge", "query:challenge"),
    ] },
    Known { name: "easypost", title: "EasyPost", settings: &[
        ("signature", "header:X-Hmac-Signature"), ("format", "hmac-sha256-hex={signature}"), ("id", "json:/id"),
        ("kind", "json:/description"), ("time", "json:/created_at"),
    ] },
    Known { name: "github", title: "GitHub", settings: &[
        ("signature", "header:X-Hub-Signature-256"), ("format", "sha256={signature}"),
        ("id", "header:X-GitHub-Delivery"), ("kind", "header:X-GitHub-Event"),
    ] },
    Known { name: "gocardless", title: "GoCardless", settings: &[
        ("signature", "header:Webhook-Signature"),
    ] },
    Known { name: "gogs", title: "Gogs", settings: &[
        ("signature", "header:X-Gogs-Signature"), ("id", "header:X-Gogs-Delivery"), ("kind", "header:X-Gogs-Event"),
    ] },
    Known { name: "hookdeck-outpost", title: "Hookdeck Outpost", settings: &[
        ("signature", "header:x-outpost-signature"), ("format", "v0={signature},{signature}"), ("separator", ","),
    ] },
    Known { name: "intercom", title: "Intercom", settings: &[
        ("signature", "header:X-Hub-Signature"), ("format", "sha1={signature}"), ("digest", "sha1"),
        ("id", "json:/id"), ("kind", "json:/topic"), ("time", "json:/created_at"),
    ] },
    // A delivery that is repeated says so in its body, so that the body cannot tell events apart.
    Known { name: "line", title: "LINE", settings: &[
        ("signature", "header:X-Line-Signature"), ("encoding", "base64"), ("id", "json:/events/0/webhookEventId"),
    ] },
    Known { name: "linear", title: "Linear", settings: &[
        ("signature", "header:Linear-Signature"), ("timestamp", "json:/webhookTimestamp"), ("timestamp-unit", "ms"),
        ("tolerance", "60"), ("id", "header:Linear-Delivery"), ("kind", "header:Linear-Event | json:/type"),
        ("time", "json:/webhookTimestamp"),
    ] },
    Known { name: "modern-treasury", title: "Modern Treasury", settings: &[
        ("signature", "header:X-Signature"),
    ] },
    Known { name: "mollie", title: "Mollie", settings: &[
        ("signature", "header:X-Mollie-Signature"), ("format", "sha256={signature}"), ("id", "json:/id"),
        ("kind", "json:/type"),
    ] },
    Known { name: "ms-teams", title: "Microsoft Teams outgoing webhook", settings: &[
        ("signature", "header:Authorization"), ("format", "HMAC {signature}"), ("encoding", "base64"),
        ("key", "base64"), ("id", "json:/id"), ("kind", "json:/type"), ("time", "json:/timestamp"),
    ] },
    Known { name: "notion", title: "Notion", settings: &[
        ("signature", "header:X-Notion-Signature"), ("format", "sha256={signature}"), ("id", "json:/id"),
        ("kind", "json:/type"), ("time", "json:/timestamp"),
    ] },
    Known { name: "onfido", title: "Onfido", settings: &[
        ("signature", "header:X-SHA2-Signature"), ("kind", "json:/payload/action"),
        ("time", "json:/payload/object/completed_at_iso8601"),
    ] },
    Known { name: "pagerduty", title: "PagerDuty", settings: &[
        ("signature", "header:X-PagerDuty-Signature"), ("format", "v1={signature}"), ("separator", ","),
        ("id", "json:/event/id"), ("kind", "json:/event/event_type"), ("time", "json:/event/occurred_at"),
    ] },
    Known { name: "pusher", title: "Pusher Channels", settings: &[
        ("signature", "header:X-Pusher-Signature"), ("time", "json:/time_ms"),
    ] },
    Known { name: "razorpay", title: "Razorpay", settings: &[
        ("signature", "header:X-Razorpay-Signature"), ("id", "header:X-Razorpay-Event-Id"), ("kind", "json:/event"),
        ("time", "json:/created_at"),
    ] },
    Known { name: "shopify", title: "Shopify", settings: &[
        ("signature", "header:X-Shopify-Hmac-Sha256"), ("encoding", "base64"), ("kind", "header:X-Shopify-Topic"),
        ("time", "header:X-Shopify-Triggered-At"),
    ] },
    Known { name: "sinch-numbers", title: "Sinch Numbers", settings: &[
        ("signature", "header:X-Sinch-Signature"), ("digest", "sha1"),
    ] },
    Known { name: "viber", title: "Viber", settings: &[
        ("signature", "header:X-Viber-Content-Signature"), ("kind", "json:/event"), ("time", "json:/timestamp"),
    ] },
    Known { name: "x", title: "X (Account Activity / webhooks v2)", settings: &[
        ("signature", "header:x-twitter-webhooks-signature"), ("format", "sha256={signature}"),
        ("encoding", "base64"), ("challenge", "query:crc_token"),
        ("challenge-reply", "{{\"response_token\":\"sha256={hmac:base64}\"}}"),
    ] },
    Known { name: "box", title: "Box", settings: &[
        ("signature", "[\"header:BOX-SIGNATURE-PRIMARY\",\"header:BOX-SIGNATURE-SECONDARY\"]"),
        ("encoding", "base64"), ("content", "[\"{body}{timestamp}\",\"{body:escaped}{timestamp}\"]"),
        ("timestamp", "header:BOX-DELIVERY-TIMESTAMP"), ("timestamp-unit", "iso"), ("tolerance", "600"),
        ("id", "json:/id"), ("kind", "json:/trigger"), ("time", "json:/created_at"),
    ] },
    Known { name: "buildkite", title: "Buildkite", settings: &[
        ("signature", "header:X-Buildkite-Signature"), ("format", "timestamp={timestamp},signature={signature}"),
        ("separator", ","), ("content", "{timestamp}.{body}"), ("kind", "header:X-Buildkite-Event"),
    ] },
    Known { name: "cashfree", title: "Cashfree", settings: &[
        ("signature", "header:x-webhook-signature"), ("encoding", "base64"), ("content", "{timestamp}{body}"),
        ("timestamp", "header:x-webhook-timestamp"), ("kind", "json:/type"), ("time", "json:/event_time"),
    ] },
    Known { name: "elevenlabs", title: "ElevenLabs", settings: &[
        ("signature", "header:ElevenLabs-Signature"), ("format", "t={timestamp},v0={signature}"), ("separator", ","),
        ("content", "{timestamp}.{body}"), ("tolerance", "1800"), ("tolerance-future", "any"),
        ("id", "json:/type + json:/data/conversation_id"), ("kind", "json:/type"), ("time", "json:/event_timestamp"),
    ] },
    // Deliveries have a timestamp only where Grafana is told to send one: then the source names its header too.
    Known { name: "grafana", title: "Grafana Alerting", settings: &[
        ("signature", "header:X-Grafana-Alerting-Signature"), ("content", "[{timestamp}:]{body}"),
        ("kind", "json:/status"),
    ] },
    Known { name: "hook0", title: "Hook0", settings: &[
        ("signature", "header:X-Hook0-Signature"),
        ("format", "t={timestamp},h={covered},v1={signature},v0={signature}"), ("separator", ","),
        ("strongest", "true"),
        ("content", "[\"{timestamp}.{field:covered}.{covered:covered}.{body}\",\"{timestamp}.{body}\"]"),
        ("id", "header:X-Event-Id"), ("kind", "header:X-Event-Type"),
    ] },
    Known { name: "hygraph", title: "Hygraph", settings: &[
        ("signature", "header:gcms-signature"), ("format", "sign={signature}, env={env}, t={timestamp}"),
        ("separator", ","), ("encoding", "base64"),
        ("content", "{{\"Body\":{body:json},\"EnvironmentName\":\"{field:env}\",\"TimeStamp\":{timestamp}}}"),
        ("timestamp-unit", "ms"), ("tolerance", "0"), ("kind", "json:/operation"),
    ] },
    Known { name: "inngest", title: "Inngest (function invoke)", settings: &[
        ("signature", "header:X-Inngest-Signature"), ("format", "t={timestamp}&s={signature}"), ("separator", "&"),
        ("key", "strip:signkey-prod- | strip:signkey-test- | utf8"), ("content", "{body}{timestamp}"),
    ] },
    Known { name: "mux", title: "Mux", settings: &[
        ("signature", "header:mux-signature"), ("format", "t={timestamp},v1={signature}"), ("separator", ","),
        ("content", "{timestamp}.{body}"), ("tolerance-future", "any"), ("id", "json:/id"), ("kind", "json:/type"),
        ("time", "json:/created_at"),
    ] },
    Known { name: "orb", title: "Orb", settings: &[
        ("signature", "header:X-Orb-Signature"), ("format", "v1={signature}"), ("separator", " "),
        ("content", "v1:{timestamp}:{body}"), ("timestamp", "header:X-Orb-Timestamp"), ("timestamp-unit", "iso"),
        ("id", "json:/id"), ("kind", "json:/type"), ("time", "json:/created_at"),
    ] },
    Known { name: "paddle", title: "Paddle Billing", settings: &[
        ("signature", "header:Paddle-Signature"), ("format", "ts={timestamp};h1={signature}"), ("separator", ";"),
        ("content", "{timestamp}:{body}"), ("tolerance", "5"), ("tolerance-future", "any"), ("id", "json:/event_id"),
        ("kind", "json:/event_type"), ("time", "json:/occurred_at"),
    ] },
    Known { name: "retell", title: "Retell AI", settings: &[
        ("signature", "header:x-retell-signature"), ("format", "v={timestamp},d={signature}"),
        ("content", "{body}{timestamp}"), ("timestamp-unit", "ms"), ("tolerance", "300"), ("kind", "json:/event"),
    ] },
    Known { name: "revolut", title: "Revolut (business/merchant)", settings: &[
        ("signature", "header:Revolut-Signature"), ("format", "v1={signature}"), ("separator", ","),
        ("content", "v1.{timestamp}.{body}"), ("timestamp", "header:Revolut-Request-Timestamp"),
        ("timestamp-unit", "ms"), ("kind", "json:/event"),
    ] },
    Known { name: "sanity", title: "Sanity", settings: &[
        ("signature", "header:sanity-webhook-signature"), ("format", "t={timestamp},v1={signature}"),
        ("separator", ","), ("encoding", "base64url"), ("content", "{timestamp}.{body}"), ("timestamp-unit", "ms"),
        ("tolerance", "0"), ("id", "header:idempotency-key"),
    ] },
    Known { name: "sinch", title: "Sinch (conversation, fax, ...)", settings: &[
        ("signature", "header:x-sinch-webhook-signature"), ("encoding", "base64"),
        ("content", "{body}.{header:x-sinch-webhook-signature-nonce}.{timestamp}"),
        ("timestamp", "header:x-sinch-webhook-signature-timestamp"), ("timestamp-unit", "s"),
        ("time", "json:/event_time"),
    ] },
    Known { name: "slack", title: "Slack", settings: &[
        ("signature", "header:X-Slack-Signature"), ("format", "v0={signature}"), ("content", "v0:{timestamp}:{body}"),
        ("timestamp", "header:X-Slack-Request-Timestamp"), ("timestamp-unit", "s"), ("id", "json:/event_id"),
        ("kind", "json:/event/type | json:/type"), ("time", "json:/event_time"), ("challenge", "json:/challenge"),
    ] },
    Known { name: "stripe", title: "Stripe", settings: &[
        ("signature", "header:Stripe-Signature"), ("format", "t={timestamp},v1={signature}"), ("separator", ","),
        ("content", "{timestamp}.{body}"), ("tolerance-future", "any"), ("id", "json:/id"), ("kind", "json:/type"),
        ("time", "json:/created"),
    ] },
    Known { name: "twitch", title: "Twitch EventSub", settings: &[
        ("signature", "header:Twitch-Eventsub-Message-Signature"), ("format", "sha256={signature}"),
        ("content", "{id}{timestamp}{body}"), ("timestamp", "header:Twitch-Eventsub-Message-Timestamp"),
        ("timestamp-unit", "iso"), ("tolerance", "600"), ("id", "header:Twitch-Eventsub-Message-Id"),
        ("kind", "header:Twitch-Eventsub-Subscription-Type"), ("time", "header:Twitch-Eventsub-Message-Timestamp"),
        ("challenge", "json:/challenge"),
    ] },
    Known { name: "webflow", title: "Webflow", settings: &[
        ("signature", "header:x-webflow-signature"), ("content", "{timestamp}:{body}"),
        ("timestamp", "header:x-webflow-timestamp"), ("timestamp-unit", "ms"), ("kind", "json:/triggerType"),
    ] },
    Known { name: "webhookx", title: "WebhookX", settings: &[
        ("signature", "header:webhookx-signature"), ("format", "v1={signature}"), ("content", "{timestamp}.{body}"),
        ("timestamp", "header:webhookx-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhookx-event-id"),
    ] },
    Known { name: "workos", title: "WorkOS", settings: &[
        ("signature", "header:WorkOS-Signature"), ("format", "t={timestamp}, v1={signature}"), ("separator", ","),
        ("content", "{timestamp}.{body}"), ("timestamp-unit", "ms"), ("tolerance", "180"),
        ("tolerance-future", "any"), ("id", "json:/id"), ("kind", "json:/event"), ("time", "json:/created_at"),
    ] },
    Known { name: "zoom", title: "Zoom", settings: &[
        ("signature", "header:x-zm-signature"), ("format", "v0={signature}"), ("content", "v0:{timestamp}:{body}"),
        ("timestamp", "header:x-zm-request-timestamp"), ("timestamp-unit", "s"), ("tolerance", "0"),
        ("kind", "json:/event"), ("time", "json:/event_ts"), ("challenge", "json:/payload/plainToken"),
        ("challenge-reply", "{{\"plainToken\":{challenge:json},\"encryptedToken\":\"{hmac:hex}\"}}"),
    ] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_found_by_its_name() {
        assert!(settings("stripe").is_some_and(|settings| !settings.is_empty()));
        assert!(settings("meta").is_some_and(|settings| !settings.is_empty()));
        assert!(settings("Stripe").is_none());
    }

    #[test]
    fn headers_are_found_within_lists_and_templates() {
        let headers = headers();
        // As many as the host lets a plugin have.
        assert!(headers.len() <= 256, "{}", headers.len());
        for name in ["stripe-signature", "box-signature-secondary", "webhook-id", "x-sinch-webhook-signature-nonce"] {
            assert!(headers.iter().any(|header| header == name), "{name}");
        }
    }

    #[test]
    fn no_name_stands_twice_and_no_setting_either() {
        let twice = |names: Vec<&str>| names.iter().any(|name| names.iter().filter(|other| *other == name).count() > 1);
        assert!(!twice(all().map(|(name, _)| name).collect()));
        for (name, settings) in all() {
            assert!(!twice(settings.iter().map(|(name, _)| *name).collect()), "{name}");
        }
    }
}
