//! Providers as others report them: nobody has held these rows against the provider's own code or documentation, though
//! published examples of a few pass. Whoever uses one should look at the provider's page and at the first deliveries.
//! What is wrong about a signature only refuses deliveries, until the source sets it right; an `id` that is wrong would
//! have events taken for repeated ones. A row that has been checked at the provider moves to [`super::PROVIDERS`].

use super::Setting;

/// Names as they stand in the setting, and settings.
#[rustfmt::skip]
pub const REPORTED: &[(&str, &[Setting])] = &[
    ("brex", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/event_type"),
    ]),
    ("clerk", &[
        ("signature", "header:svix-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:svix-timestamp"), ("timestamp-unit", "s"), ("id", "header:svix-id"),
        ("kind", "json:/type"),
    ]),
    ("dodopayments", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
    ]),
    ("etsy", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
    ]),
    ("fathom", &[
        ("signature", "[\"header:svix-signature\",\"header:webhook-signature\"]"), ("format", "v1,{signature}"),
        ("separator", " "), ("encoding", "base64"), ("key", "strip:whsec_ base64"),
        ("content", "{id}.{timestamp}.{body}"), ("timestamp", "header:svix-timestamp | header:webhook-timestamp"),
        ("timestamp-unit", "s"), ("id", "header:svix-id | header:webhook-id"),
    ]),
    ("finch", &[
        ("signature", "header:Finch-Signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:Finch-Timestamp"), ("timestamp-unit", "s"), ("id", "header:Finch-Event-Id"),
    ]),
    ("folk", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
    ]),
    ("gemini", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/type"),
    ]),
    ("incident-io", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
    ]),
    ("increase", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/category"),
    ]),
    ("loops", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/type"),
    ]),
    ("mercury", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
    ]),
    ("recall-ai", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/event"),
    ]),
    ("render", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
        ("kind", "json:/type"),
    ]),
    ("resend", &[
        ("signature", "header:svix-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:svix-timestamp"), ("timestamp-unit", "s"), ("id", "header:svix-id"),
        ("kind", "json:/type"),
    ]),
    ("shipbob", &[
        ("signature", "header:webhook-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:webhook-timestamp"), ("timestamp-unit", "s"), ("id", "header:webhook-id"),
    ]),
    ("stytch", &[
        ("signature", "header:svix-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:svix-timestamp"), ("timestamp-unit", "s"), ("id", "header:svix-id"),
    ]),
    ("vanta", &[
        ("signature", "header:svix-signature"), ("format", "v1,{signature}"), ("separator", " "),
        ("encoding", "base64"), ("key", "strip:whsec_ base64"), ("content", "{id}.{timestamp}.{body}"),
        ("timestamp", "header:svix-timestamp"), ("timestamp-unit", "s"), ("id", "header:svix-id"),
        ("kind", "json:/type"),
    ]),
    ("ably", &[
        ("signature", "header:X-Ably-Signature"), ("encoding", "base64"),
    ]),
    ("acuity", &[
        ("signature", "header:X-Acuity-Signature"), ("encoding", "base64"), ("kind", "form:action"),
    ]),
    ("aftership", &[
        ("signature", "header:aftership-hmac-sha256"), ("encoding", "base64"),
    ]),
    ("aiprise", &[
        ("signature", "header:X-HMAC-SIGNATURE"),
    ]),
    ("airtable", &[
        ("signature", "header:X-Airtable-Content-MAC"), ("format", "hmac-sha256={signature}"), ("key", "base64"),
    ]),
    ("alchemy", &[
        ("signature", "header:X-Alchemy-Signature"), ("kind", "json:/type"),
    ]),
    ("ashby", &[
        ("signature", "header:Ashby-Signature"), ("format", "sha256={signature}"),
    ]),
    ("attio", &[
        ("signature", "[\"header:Attio-Signature\",\"header:X-Attio-Signature\"]"),
    ]),
    ("authorize-net", &[
        ("signature", "header:X-ANET-Signature"), ("format", "sha512={signature}"), ("digest", "sha512"),
        ("encoding", "hex-upper"), ("key", "hex | utf8"), ("id", "json:/notificationId"), ("kind", "json:/eventType"),
        ("time", "json:/eventDate"),
    ]),
    ("autodesk", &[
        ("signature", "header:x-adsk-signature"), ("format", "sha1hash={signature}"), ("digest", "sha1"),
    ]),
    ("autotask", &[
        ("signature", "header:x-hook-signature"), ("format", "sha1={signature}"), ("digest", "sha1"),
        ("encoding", "base64"),
    ]),
    ("bitbucket", &[
        ("signature", "header:X-Hub-Signature"), ("format", "sha256={signature}"), ("kind", "header:X-Event-Key"),
        ("time", "header:X-Event-Time"),
    ]),
    ("bitbucket-server", &[
        ("signature", "header:X-Hub-Signature"), ("format", "sha256={signature}"), ("id", "header:X-Request-Id"),
        ("kind", "header:X-Event-Key"),
    ]),
    ("bland", &[
        ("signature", "header:X-Webhook-Signature"),
    ]),
    ("bolt", &[
        ("signature", "header:X-Bolt-Hmac-Sha256"), ("encoding", "base64"),
    ]),
    ("bridgeapi", &[
        ("signature", "header:BridgeApi-Signature"), ("format", "v1={signature}"), ("separator", ","),
        ("encoding", "hex-upper"),
    ]),
    ("cal-com", &[
        ("signature", "header:X-Cal-Signature-256"), ("kind", "json:/triggerEvent"), ("time", "json:/createdAt"),
    ]),
    ("castle", &[
        ("signature", "header:X-Castle-Signature"), ("encoding", "base64"), ("id", "json:/id"),
        ("kind", "json:/type"),
    ]),
    ("chargify", &[
        ("signature", "header:X-Chargify-Webhook-Signature-Hmac-Sha-256"),
    ]),
    ("checkr", &[
        ("signature", "header:X-Checkr-Signature"), ("kind", "json:/type"),
    ]),
    ("clickup", &[
        ("signature", "header:X-Signature"), ("kind", "json:/event"),
    ]),
    ("clio", &[
        ("signature", "header:X-Hook-Signature"),
    ]),
    ("column", &[
        ("signature", "header:Column-Signature"),
    ]),
    ("commercelayer", &[
        ("signature", "header:X-CommerceLayer-Signature"), ("encoding", "base64"),
        ("kind", "header:X-CommerceLayer-Topic"),
    ]),
    ("connectwise", &[
        ("signature", "header:x-content-signature"), ("encoding", "base64"), ("key", "sha256"),
    ]),
    ("cronofy", &[
        ("signature", "header:Cronofy-HMAC-SHA256"), ("separator", ","), ("encoding", "base64"),
    ]),
    ("cursor", &[
        ("signature", "header:X-Webhook-Signature"), ("format", "sha256={signature}"),
    ]),
    ("deel", &[
        ("signature", "header:x-deel-signature"), ("content", "POST{body}"),
    ]),
    ("discourse", &[
        ("signature", "header:X-Discourse-Event-Signature"), ("format", "sha256={signature}"),
        ("id", "header:X-Discourse-Event-Id"), ("kind", "header:X-Discourse-Event"),
    ]),
    ("doppler", &[
        ("signature", "header:X-Doppler-Signature"), ("format", "sha256={signature}"),
    ]),
    ("dub", &[
        ("signature", "header:Dub-Signature"), ("kind", "json:/event"), ("time", "json:/createdAt"),
    ]),
    ("dwolla", &[
        ("signature", "header:X-Request-Signature-SHA-256"), ("kind", "header:X-Dwolla-Topic | json:/topic"),
        ("time", "json:/timestamp"),
    ]),
    ("enode", &[
        ("signature", "header:X-Enode-Signature"), ("format", "sha1={signature}"), ("digest", "sha1"),
        ("id", "header:X-Enode-Delivery"),
    ]),
    ("fastspring", &[
        ("signature", "header:X-FS-Signature"), ("encoding", "base64"),
    ]),
    ("fireflies", &[
        ("signature", "header:x-hub-signature"), ("format", "sha256={signature}"),
    ]),
    ("fitbit", &[
        ("signature", "header:X-Fitbit-Signature"), ("digest", "sha1"), ("encoding", "base64"),
        ("key", "utf8 suffix:&"),
    ]),
    ("flexport", &[
        ("signature", "header:X-Hub-Signature"), ("format", "sha256={signature}"),
    ]),
    ("framer", &[
        ("signature", "header:Framer-Signature"), ("format", "sha256={signature}"),
        ("content", "{body}{header:Framer-Webhook-Submission-Id}"), ("id", "header:Framer-Webhook-Submission-Id"),
    ]),
    ("gitea", &[
        ("signature", "header:X-Gitea-Signature"), ("id", "header:X-Gitea-Delivery"),
        ("kind", "header:X-Gitea-Event"),
    ]),
    ("helpscout", &[
        ("signature", "header:X-HelpScout-Signature"), ("digest", "sha1"), ("encoding", "base64"),
    ]),
    ("heroku", &[
        ("signature", "header:Heroku-Webhook-Hmac-SHA256"), ("encoding", "base64"),
    ]),
    ("hookdeck", &[
        ("signature", "[\"header:X-Hookdeck-Signature\",\"header:X-Hookdeck-Signature-2\"]"), ("encoding", "base64"),
        ("id", "header:X-Hookdeck-EventID"),
    ]),
    ("jira", &[
        ("signature", "header:X-Hub-Signature"), ("format", "sha256={signature}"), ("kind", "json:/webhookEvent"),
        ("time", "json:/timestamp"),
    ]),
    ("jobber", &[
        ("signature", "header:X-Jobber-Hmac-SHA256"), ("encoding", "base64"),
        ("kind", "json:/data/webHookEvent/topic"),
    ]),
    ("klarna", &[
        ("signature", "header:Klarna-Signature"),
    ]),
    ("launchdarkly", &[
        ("signature", "header:X-LD-Signature"),
    ]),
    ("lemonsqueezy", &[
        ("signature", "header:X-Signature"), ("kind", "header:X-Event-Name | json:/meta/event_name"),
    ]),
    ("linkedin", &[
        ("signature", "header:X-LI-Signature"), ("content", "hmacsha256={body}"),
        ("challenge", "query:challengeCode"),
        ("challenge-reply", "{{\"challengeCode\":{challenge:json},\"challengeResponse\":\"{hmac:hex}\"}}"),
    ]),
    ("merge", &[
        ("signature", "header:X-Merge-Webhook-Signature"), ("encoding", "base64url"),
    ]),
    ("meta", &[
        ("signature", "header:X-Hub-Signature-256"), ("format", "sha256={signature}"),
        ("challenge", "query:hub.challenge"), ("challenge-token", "query:hub.verify_token"),
    ]),
    ("mongodb-atlas", &[
        ("signature", "header:X-MMS-Signature"), ("digest", "sha1"), ("encoding", "base64"),
    ]),
    ("npm", &[
        ("signature", "header:X-Npm-Signature"), ("format", "sha256={signature}"),
    ]),
    ("nuvemshop", &[
        ("signature", "header:x-linkedstore-hmac-sha256"), ("kind", "json:/event"),
    ]),
    ("nylas", &[
        ("signature", "header:X-Nylas-Signature"), ("id", "json:/id"), ("kind", "json:/type"), ("time", "json:/time"),
        ("challenge", "query:challenge"),
    ]),
    ("onfleet", &[
        ("signature", "header:X-Onfleet-Signature"), ("digest", "sha512"), ("key", "hex"),
        ("challenge", "query:check"),
    ]),
    ("pandadoc", &[
        ("signature", "query:signature"),
    ]),
    ("paystack", &[
        ("signature", "header:x-paystack-signature"), ("digest", "sha512"), ("kind", "json:/event"),
    ]),
    ("picqer", &[
        ("signature", "header:X-Picqer-Signature"), ("encoding", "base64"), ("kind", "json:/event"),
    ]),
    ("primer", &[
        ("signature", "[\"header:X-Signature-Primary\",\"header:X-Signature-Secondary\"]"), ("encoding", "base64"),
    ]),
    ("quickbooks", &[
        ("signature", "header:intuit-signature"), ("encoding", "base64"),
    ]),
    ("ramp", &[
        ("signature", "header:X-Ramp-Signature"),
    ]),
    ("savvycal", &[
        ("signature", "header:X-SavvyCal-Signature"), ("format", "sha256={signature}"),
    ]),
    ("scrapfly", &[
        ("signature", "header:X-Scrapfly-Webhook-Signature"), ("encoding", "hex-upper"),
    ]),
    ("segment", &[
        ("signature", "header:X-Signature"), ("digest", "sha1"), ("kind", "json:/type + json:/event"),
    ]),
    ("sendbird", &[
        ("signature", "header:X-Sendbird-Signature"),
    ]),
    ("sentry", &[
        ("signature", "header:Sentry-Hook-Signature"), ("id", "header:Request-ID"),
        ("kind", "header:Sentry-Hook-Resource + json:/action"),
    ]),
    ("shiphero", &[
        ("signature", "header:x-shiphero-hmac-sha256"), ("encoding", "base64"),
    ]),
    ("shopline", &[
        ("signature", "header:X-Shopline-Hmac-Sha256"),
    ]),
    ("smartcar", &[
        ("signature", "header:SC-Signature"), ("challenge", "json:/data/challenge"),
        ("challenge-reply", "{{\"challenge\":\"{hmac:hex}\"}}"),
    ]),
    ("smartsheet", &[
        ("signature", "header:Smartsheet-Hmac-SHA256"), ("id", "json:/nonce"), ("time", "json:/timestamp"),
        ("challenge", "header:Smartsheet-Hook-Challenge"),
        ("challenge-reply", "{{\"smartsheetHookResponse\":{challenge:json}}}"),
    ]),
    ("smile", &[
        ("signature", "header:X-Smile-Signature"), ("digest", "sha512"),
    ]),
    ("snyk", &[
        ("signature", "header:X-Hub-Signature"), ("format", "sha256={signature}"),
    ]),
    ("solidgate", &[
        ("signature", "header:signature"), ("digest", "sha512"), ("encoding", "base64-of-hex"),
        ("content", "{app-id}{body}{app-id}"),
    ]),
    ("sonatype-nexus", &[
        ("signature", "header:X-Nexus-Webhook-Signature"), ("digest", "sha1"),
        ("id", "header:X-Nexus-Webhook-Delivery"), ("kind", "header:X-Nexus-Webhook-Id"),
    ]),
    ("squarespace", &[
        ("signature", "header:Squarespace-Signature"), ("key", "hex"),
    ]),
    ("storyblok", &[
        ("signature", "header:webhook-signature"), ("digest", "sha1"),
    ]),
    ("surveymonkey", &[
        ("signature", "header:Sm-Signature"), ("digest", "sha1"), ("encoding", "base64"),
    ]),
    ("tally", &[
        ("signature", "header:Tally-Signature"), ("encoding", "base64"), ("kind", "json:/eventType"),
        ("time", "json:/createdAt"),
    ]),
    ("tebex", &[
        ("signature", "header:X-Signature"), ("content", "{body:sha256:hex}"), ("id", "json:/id"),
        ("kind", "json:/type"), ("time", "json:/date"),
    ]),
    ("terraform", &[
        ("signature", "header:X-TFE-Notification-Signature"), ("digest", "sha512"),
    ]),
    ("tiktok-shop", &[
        ("signature", "header:Authorization"), ("content", "{app-id}{body}"), ("kind", "json:/type"),
        ("time", "json:/timestamp"),
    ]),
    ("typeform", &[
        ("signature", "header:Typeform-Signature"), ("format", "sha256={signature}"), ("encoding", "base64"),
        ("id", "json:/event_id"), ("kind", "json:/event_type"), ("time", "json:/form_response/submitted_at"),
    ]),
    ("uber", &[
        ("signature", "[\"header:X-Uber-Signature\",\"header:x-postmates-signature\"]"), ("kind", "json:/event_type"),
    ]),
    ("unit", &[
        ("signature", "header:X-Unit-Signature"), ("digest", "sha1"), ("encoding", "base64"),
    ]),
    ("upollo", &[
        ("signature", "header:upollo-signature"), ("digest", "sha512"),
    ]),
    ("vapi", &[
        ("signature", "header:x-vapi-signature"), ("kind", "json:/message/type"),
    ]),
    ("vercel", &[
        ("signature", "header:x-vercel-signature"), ("digest", "sha1"), ("id", "json:/id"), ("kind", "json:/type"),
        ("time", "json:/createdAt"),
    ]),
    ("veriff", &[
        ("signature", "header:x-hmac-signature"),
    ]),
    ("webex", &[
        ("signature", "header:X-Spark-Signature"), ("digest", "sha1"), ("time", "json:/created"),
    ]),
    ("websub", &[
        ("signature", "header:X-Hub-Signature"), ("format", "{digest}={signature}"),
        ("digest", "[\"sha256\",\"sha384\",\"sha512\",\"sha1\"]"), ("challenge", "query:hub.challenge"),
    ]),
    ("whatsapp", &[
        ("signature", "header:X-Hub-Signature-256"), ("format", "sha256={signature}"),
        ("challenge", "query:hub.challenge"), ("challenge-token", "query:hub.verify_token"),
    ]),
    ("woocommerce", &[
        ("signature", "header:X-WC-Webhook-Signature"), ("encoding", "base64"),
        ("id", "header:X-WC-Webhook-Delivery-ID"), ("kind", "header:X-WC-Webhook-Topic"),
    ]),
    ("xero", &[
        ("signature", "header:x-xero-signature"), ("encoding", "base64"),
    ]),
    ("affirm", &[
        ("signature", "header:X-Affirm-Signature"), ("format", "t={timestamp},v0={signature}"), ("separator", ","),
        ("digest", "sha512"), ("content", "{timestamp}.{body}"),
    ]),
    ("airship", &[
        ("signature", "header:X-UA-SIGNATURE"), ("content", "{timestamp}:{body}"),
        ("timestamp", "header:X-UA-TIMESTAMP"), ("timestamp-unit", "s"),
    ]),
    ("airwallex", &[
        ("signature", "header:x-signature"), ("content", "{timestamp}{body}"), ("timestamp", "header:x-timestamp"),
        ("timestamp-unit", "ms"), ("kind", "json:/name"),
    ]),
    ("akeneo", &[
        ("signature", "header:x-akeneo-request-signature"), ("content", "{timestamp}.{body}"),
        ("timestamp", "header:x-akeneo-request-timestamp"), ("timestamp-unit", "s"),
    ]),
    ("ascend", &[
        ("signature", "header:ascend-signature"), ("format", "t={timestamp},v1={signature}"), ("separator", ","),
        ("content", "{timestamp}:{body}"),
    ]),
    ("calendly", &[
        ("signature", "header:Calendly-Webhook-Signature"), ("format", "t={timestamp},v1={signature}"),
        ("separator", ","), ("content", "{timestamp}.{body}"), ("tolerance", "180"), ("kind", "json:/event"),
        ("time", "json:/created_at"),
    ]),
    ("chatwoot", &[
        ("signature", "header:X-Chatwoot-Signature"), ("format", "sha256={signature}"),
        ("content", "{timestamp}.{body}"), ("timestamp", "header:X-Chatwoot-Timestamp"), ("kind", "json:/event"),
    ]),
    ("close", &[
        ("signature", "header:close-sig-hash"), ("key", "hex"), ("content", "{timestamp}{body}"),
        ("timestamp", "header:close-sig-timestamp"), ("timestamp-unit", "s"),
    ]),
    ("coinbase-cdp", &[
        ("signature", "header:X-Hook0-Signature"), ("format", "t={timestamp},h={covered},v1={signature}"),
        ("separator", ","), ("content", "{timestamp}.{field:covered}.{covered:covered}.{body}"),
    ]),
    ("configcat", &[
        ("signature", "header:X-ConfigCat-Webhook-Signature-V1"), ("separator", ","), ("encoding", "base64"),
        ("content", "{id}{timestamp}{body}"), ("timestamp", "header:X-ConfigCat-Webhook-Timestamp"),
        ("timestamp-unit", "s"), ("id", "header:X-ConfigCat-Webhook-ID"),
    ]),
    ("courier", &[
        ("signature", "header:courier-signature"), ("format", "t={timestamp},signature={signature}"),
        ("separator", ","), ("content", "{timestamp}.{body}"), ("timestamp-unit", "ms"),
    ]),
    ("crisp", &[
        ("signature", "header:X-Crisp-Signature"), ("content", "[[{timestamp};{body}]]"),
        ("timestamp", "header:X-Crisp-Request-Timestamp"), ("timestamp-unit", "ms"), ("kind", "json:/event"),
    ]),
    ("customerio", &[
        ("signature", "header:X-CIO-Signature"), ("content", "v0:{timestamp}:{body}"),
        ("timestamp", "header:X-CIO-Timestamp"), ("timestamp-unit", "s"),
        ("kind", "json:/object_type + json:/metric"), ("time", "json:/timestamp"),
    ]),
    ("daily", &[
        ("signature", "header:X-Webhook-Signature"), ("encoding", "base64"), ("key", "base64"),
        ("content", "{timestamp}.{body}"), ("timestamp", "header:X-Webhook-Timestamp"), ("kind", "json:/type"),
        ("time", "json:/event_ts"),
    ]),
    ("frameio", &[
        ("signature", "header:X-Frameio-Signature"), ("format", "v0={signature}"),
        ("content", "v0:{timestamp}:{body}"), ("timestamp", "header:X-Frameio-Request-Timestamp"),
        ("timestamp-unit", "s"), ("kind", "json:/type"),
    ]),
    ("front", &[
        ("signature", "header:X-Front-Signature"), ("encoding", "base64"), ("content", "{timestamp}:{body}"),
        ("timestamp", "header:X-Front-Request-Timestamp"), ("timestamp-unit", "ms"), ("id", "json:/id"),
        ("kind", "json:/type"), ("time", "json:/emitted_at"), ("challenge", "header:X-Front-Challenge"),
    ]),
    ("ghost", &[
        ("signature", "header:X-Ghost-Signature"), ("format", "sha256={signature}, t={timestamp}"),
        ("separator", ","), ("content", "{body}[{timestamp}]"), ("timestamp-unit", "ms"),
    ]),
    ("klaviyo", &[
        ("signature", "header:Klaviyo-Signature"), ("content", "{body}{timestamp}"),
        ("timestamp", "header:Klaviyo-Timestamp"),
    ]),
    ("knock", &[
        ("signature", "header:x-knock-signature"), ("format", "t={timestamp},s={signature}"), ("separator", ","),
        ("encoding", "base64"), ("content", "{timestamp}.{body}"), ("timestamp-unit", "ms"),
    ]),
    ("lob", &[
        ("signature", "header:Lob-Signature"), ("content", "{timestamp}.{body}"),
        ("timestamp", "header:Lob-Signature-Timestamp"),
    ]),
    ("nmi", &[
        ("signature", "header:Webhook-Signature"), ("format", "t={nonce},s={signature}"), ("separator", ","),
        ("content", "{field:nonce}.{body}"), ("id", "json:/event_id"), ("kind", "json:/event_type"),
    ]),
    ("oura", &[
        ("signature", "header:x-oura-signature"), ("encoding", "hex-upper"), ("content", "{timestamp}{body}"),
        ("timestamp", "header:x-oura-timestamp"), ("time", "json:/event_time"),
    ]),
    ("persona", &[
        ("signature", "header:Persona-Signature"), ("format", "t={timestamp},v1={signature}"), ("separator", ","),
        ("group-separator", " "), ("content", "{timestamp}.{body}"), ("id", "json:/data/id"),
        ("kind", "json:/data/attributes/name"), ("time", "json:/data/attributes/created-at"),
    ]),
    ("pinwheel", &[
        ("signature", "header:X-Pinwheel-Signature"), ("format", "v2={signature}"),
        ("content", "v2:{timestamp}:{body}"), ("timestamp", "header:X-Timestamp"), ("timestamp-unit", "s"),
        ("kind", "json:/event"),
    ]),
    ("pylon", &[
        ("signature", "header:Pylon-Webhook-Signature"), ("format", "hs256={signature}"),
        ("content", "{timestamp}.{body}"), ("timestamp", "header:Pylon-Webhook-Timestamp"),
    ]),
    ("recurly", &[
        ("signature", "header:recurly-signature"), ("format", "{timestamp},{signature}"), ("separator", ","),
        ("content", "{timestamp}.{body}"), ("kind", "json:/object_type + json:/event_type"),
    ]),
    ("shippo", &[
        ("signature", "header:Shippo-Auth-Signature"), ("format", "t={timestamp},v1={signature}"), ("separator", ","),
        ("content", "{timestamp}.{body}"),
    ]),
    ("statsig", &[
        ("signature", "header:X-Statsig-Signature"), ("format", "v0={signature}"),
        ("content", "v0:{timestamp}:{body}"), ("timestamp", "header:X-Statsig-Request-Timestamp"),
        ("timestamp-unit", "ms"),
    ]),
    ("synctera", &[
        ("signature", "header:Synctera-Signature"), ("separator", "."), ("content", "{timestamp}.{body}"),
        ("timestamp", "header:Request-Timestamp"),
    ]),
    ("tiktok", &[
        ("signature", "header:TikTok-Signature"), ("format", "t={timestamp},s={signature}"), ("separator", ","),
        ("content", "{timestamp}.{body}"), ("kind", "json:/event"), ("time", "json:/create_time"),
    ]),
    ("whereby", &[
        ("signature", "header:Whereby-Signature"), ("format", "t={timestamp},v1={signature}"), ("separator", ","),
        ("content", "{timestamp}.{body}"), ("kind", "json:/type"),
    ]),
    ("zendesk", &[
        ("signature", "header:X-Zendesk-Webhook-Signature"), ("encoding", "base64"), ("content", "{timestamp}{body}"),
        ("timestamp", "header:X-Zendesk-Webhook-Signature-Timestamp"), ("timestamp-unit", "iso"),
        ("kind", "json:/type"), ("time", "json:/time"),
    ]),
    ("zerohash", &[
        ("signature", "header:x-zh-hook-signature-256"), ("content", "{body}{timestamp}"),
        ("timestamp", "header:x-zh-hook-timestamp"), ("timestamp-unit", "ms"),
    ]),
];
