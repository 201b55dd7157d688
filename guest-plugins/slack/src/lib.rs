//! Slack: an HMAC over `v0:{timestamp}:{body}`; events, interactivity and slash commands.
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>
//!
//! An event has an `event_id`, which a retry repeats; an interaction or command has a `trigger_id` and is not sent
//! again.
//!
//! # Identity
//!
//! | events | identified by | a retry repeats | a second genuine event | checked against | found |
//! |---|---|---|---|---|---|
//! | Events API | event_id | event_id | has a different one | docs.slack.dev, Events API | yes |
//! | interactions and commands | trigger_id; without one each delivery is an event, known by its timestamp | not sent again | has a different one | docs.slack.dev, Handling user interaction | in part: which interactions have no trigger_id is not listed (`view_closed` has none) |

use hookgate_plugin_sdk::{
    CloudEvent, Delivery, Descriptor, Digest, Encoding, Event, EventData, Identity, KnownBy, Ordering, Outgoing, Part,
    Position, Provider, Refusal, Verdict,
    answer::{self, attribute, cloud_event, forged},
    encoding::{from_hex, part, to_hex},
    export, fields, form, header, json_text,
    sending::{self, Body},
    setting,
    time::{self, Window},
};

/// The plugin.
pub struct Slack;

export!(Slack);

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";

/// The kind of a slash command, whose own name is the subject.
const COMMAND: &str = "slash_command";

impl Provider for Slack {
    fn describe() -> Descriptor {
        Descriptor {
            secrets: vec![answer::secret("signing", "the app's signing secret, from Basic Information")],
            settings: vec![answer::setting("tolerance", Some("300"), "seconds that a signature lives; 0: for ever")],
            headers: answer::headers(&[SIGNATURE, TIMESTAMP, "content-type"]),
            ..answer::descriptor(
                "slack",
                env!("CARGO_PKG_VERSION"),
                env!("CARGO_PKG_DESCRIPTION"),
                &[
                    "https://docs.slack.dev/authentication/verifying-requests-from-slack",
                    "https://docs.slack.dev/apis/events-api",
                    "https://docs.slack.dev/interactivity/handling-user-interaction",
                    "https://docs.slack.dev/interactivity/implementing-slash-commands",
                ],
            )
        }
    }

    fn verify(delivery: &Delivery) -> Result<Verdict, Refusal> {
        // The content type is not signed, so it does not decide whether the body is JSON.
        let is_form = header::says_form(delivery) && !fields::begins_as_json(delivery);
        let Some(signature) = header::optional(delivery, SIGNATURE)? else { return unsigned(delivery, is_form) };
        authenticate(delivery, &signature)?;
        if is_form { admit_form(delivery, &fields::body_text(delivery)?) } else { admit_json(delivery) }
    }

    fn transform(event: &Event) -> Result<Vec<CloudEvent>, String> {
        let identity = event.identity();
        let kind = identity.kind.as_deref().unwrap_or("event");
        // `verify` notes team and channel of events and commands; an interaction is read here.
        let [team, channel] = fields::of_event(event, ["/team/id", "/channel/id"]);
        let source = match attribute(&identity, "team").or(team.id()) {
            Some(team) => format!("https://slack.com/team/{team}"),
            None => "https://slack.com".to_owned(),
        };
        let subject = attribute(&identity, "command").or(attribute(&identity, "channel")).or(channel.id());
        let data = match kind {
            COMMAND => EventData::Json(command_as_json(event)?),
            _ => EventData::Payload,
        };
        Ok(vec![CloudEvent {
            subject,
            time: Some(identity.occurred_at.unwrap_or_else(|| event.delivery().received_at())),
            data,
            ..cloud_event(
                answer::provider_id(&identity).unwrap_or_else(|| event.id()),
                source,
                format!("com.slack.{kind}"),
            )
        }])
    }

    fn sign(delivery: &Delivery) -> Result<Outgoing, String> {
        let secret = setting::signing_secret(delivery, "signing", Encoding::Utf8, None)?;
        let seconds = delivery.received_at() / 1000;
        let body = Body::of(delivery, || example(delivery, seconds));
        let signature = to_hex(&secret.mac(Digest::Sha256, &[part(&format!("v0:{seconds}:")), body.part()]));
        let media = header::first(delivery, "content-type").unwrap_or_else(|| "application/json".to_owned());
        Ok(body.with_headers([
            (SIGNATURE, format!("v0={signature}")),
            (TIMESTAMP, seconds.to_string()),
            ("content-type", media),
        ]))
    }
}

fn authenticate(delivery: &Delivery, signature: &str) -> Result<(), Refusal> {
    let timestamp = header::required(delivery, TIMESTAMP)?;
    let signed_at =
        time::unix_seconds(&timestamp).ok_or_else(|| forged("x-slack-request-timestamp is not a Unix timestamp"))?;
    let tag = signature.strip_prefix("v0=").and_then(from_hex);
    let tag = tag.ok_or_else(|| forged("x-slack-signature is not v0= and hex"))?;
    let secret = setting::secret(delivery, "signing", Encoding::Utf8, None)?;
    if !secret.verify_mac(Digest::Sha256, &[part("v0:"), part(&timestamp), part(":"), Part::Body], &tag) {
        return Err(forged("x-slack-signature does not fit the body"));
    }
    time::check(delivery, signed_at, setting::whole(delivery, "tolerance", 300)?, Window::Both)
}

/// The one thing that Slack sends unsigned: a look whether a command's URL has a valid certificate. It brings nothing.
fn unsigned(delivery: &Delivery, is_form: bool) -> Result<Verdict, Refusal> {
    let is_ssl_check = is_form && form::value(&fields::body_text(delivery)?, "ssl_check").as_deref() == Some("1");
    if is_ssl_check { Ok(answer::answer(200, "text/plain", "")) } else { Err(forged("no header x-slack-signature")) }
}

/// The Events API.
fn admit_json(delivery: &Delivery) -> Result<Verdict, Refusal> {
    let [outer, challenge, id, kind, time, precise, team, enterprise, channel, channel_id, item_channel, limited] =
        fields::of(
            delivery,
            [
                "/type",
                "/challenge",
                "/event_id",
                "/event/type",
                "/event_time",
                "/event/event_ts",
                "/team_id",
                "/enterprise_id",
                "/event/channel",
                "/event/channel/id",
                "/event/item/channel",
                "/minute_rate_limited",
            ],
        )?;
    let outer = outer.kind();
    if outer.as_deref() == Some("url_verification") {
        let challenge =
            challenge.text().ok_or_else(|| Refusal::Malformed("a challenge without challenge".to_owned()))?;
        return Ok(answer::answer(200, "text/plain", challenge));
    }
    let team = team.id().or(enterprise.id());
    let channel = channel.id().or(channel_id.id()).or(item_channel.id());
    // `event_ts` is to the microsecond, and is missing from a few events.
    let precise = precise.text().and_then(|text| time::unix_decimal(&text));
    let occurred_at = precise.or(time.time());
    // A notice of the rate limit has no id, and comes once a minute with the minute in it.
    let otherwise = if limited.0.is_some() { KnownBy::Payload } else { once(delivery) };
    let occurred_at = occurred_at.or(limited.time());
    Ok(answer::admit(Identity {
        known_by: answer::id_or(id.id(), otherwise),
        kind: kind.kind().or(outer),
        occurred_at,
        ordering: ordering(&team, &channel, occurred_at),
        attributes: answer::attributes([("team", team), ("channel", channel)]),
    }))
}

/// Interactivity has its JSON in the field `payload`; a slash command is the form itself. Slack shows whatever it is
/// answered to the user, so the answer is empty.
fn admit_form(delivery: &Delivery, text: &str) -> Result<Verdict, Refusal> {
    let verdict = match form::value(text, "payload") {
        Some(json) => admit_interaction(delivery, json),
        None => admit_command(delivery, text),
    };
    verdict.map(answer::silently)
}

/// What has no id: Slack signs each delivery anew, and sends only events of the Events API again.
fn once(delivery: &Delivery) -> KnownBy {
    KnownBy::Delivery(header::first(delivery, TIMESTAMP))
}

/// An interaction is known by the id of its trigger, which most have. A closed view, for one, has none.
fn admit_interaction(delivery: &Delivery, json: String) -> Result<Verdict, Refusal> {
    let [kind, trigger, action_ts] = json_text::string_members(&json, ["type", "trigger_id", "action_ts"]);
    let Some(kind) = answer::kind(kind) else {
        return Err(Refusal::Malformed("the field payload is not a JSON object with a type".to_owned()));
    };
    let identity = Identity {
        known_by: answer::id_or(trigger, once(delivery)),
        kind: Some(kind),
        occurred_at: action_ts.and_then(|text| time::unix_decimal(&text)),
        ..answer::identity()
    };
    Ok(answer::admit_bytes(identity, json.into_bytes()))
}

fn admit_command(delivery: &Delivery, text: &str) -> Result<Verdict, Refusal> {
    let [command, trigger, team, channel] =
        ["command", "trigger_id", "team_id", "channel_id"].map(|name| answer::id(form::value(text, name)));
    // Older installations post nothing but this, signed.
    if command.is_none() && form::value(text, "ssl_check").is_some() {
        return Ok(answer::answer(200, "text/plain", ""));
    }
    if command.is_none() {
        return Err(Refusal::Unsupported("a form with neither payload nor command".to_owned()));
    }
    Ok(answer::admit(Identity {
        known_by: answer::id_or(trigger, once(delivery)),
        kind: Some(COMMAND.to_owned()),
        occurred_at: None,
        ordering: ordering(&team, &channel, None),
        attributes: answer::attributes([("command", command), ("team", team), ("channel", channel)]),
    }))
}

/// What happens in one channel is in order; what has no channel, within its team.
fn ordering(team: &Option<String>, channel: &Option<String>, occurred_at: Option<u64>) -> Option<Ordering> {
    let key = match (team, channel) {
        (Some(team), Some(channel)) => format!("{team}/{channel}"),
        (team, channel) => channel.clone().or(team.clone())?,
    };
    let position = occurred_at.map_or(Position::Arrival, Position::Timestamp);
    Some(Ordering { key, position }).filter(|ordering| ordering.key.len() <= fields::ID_MAX)
}

fn command_as_json(event: &Event) -> Result<String, String> {
    let text = String::from_utf8(event.payload(0, event.payload_length())).map_err(|error| error.to_string())?;
    let pairs: Vec<_> = form::pairs(&text).collect();
    Ok(json_text::object(pairs.iter().map(|(name, value)| (&**name, &**value))))
}

/// A mention of the app, new with each send.
fn example(delivery: &Delivery, seconds: u64) -> String {
    let id = sending::uuid(delivery).replace('-', "").to_uppercase();
    include_str!("../example.json")
        .replace("1700000000", &seconds.to_string())
        .replace("Ev0000000001", &format!("Ev{}", &id[..11]))
}
