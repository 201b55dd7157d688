//! Between the types that bindgen makes of `wit/provider.wit` and the project's own.
//!
//! Each host of the contract has bindings of its own, of the same shape: the gateway those of
//! wasmtime, the edge those of wit-bindgen.

/// Functions between the generated types and the project's own. `$wit` is the module of the interface `types`, `$lent` that
/// of the interface `capabilities`.
#[macro_export]
macro_rules! conversions {
    ($wit:path, $lent:path) => {
        use $crate as own;
        use $lent as lent;
        use $wit as wit;

        pub fn verdict(verdict: wit::Verdict) -> own::Verdict {
            match verdict {
                wit::Verdict::Admit(accepted) => own::Verdict::Admit(own::Accepted {
                    events: accepted.events.into_iter().map(admission).collect(),
                    reply: accepted.reply.map(reply),
                }),
                wit::Verdict::Answer(answer) => own::Verdict::Answer(reply(answer)),
                wit::Verdict::Confirm(confirmation) => {
                    own::Verdict::Confirm(own::Confirmation { url: confirmation.url, reply: reply(confirmation.reply) })
                }
                wit::Verdict::Enroll(wit::Enrollment { secret, value, reply: answer }) => {
                    own::Verdict::Enroll(own::Enrollment { secret, value, reply: reply(answer) })
                }
            }
        }

        pub fn refusal(refusal: wit::Refusal) -> own::Refusal {
            match refusal {
                wit::Refusal::Unauthenticated(text) => own::Refusal::Unauthenticated(text),
                wit::Refusal::Stale(text) => own::Refusal::Stale(text),
                wit::Refusal::Malformed(text) => own::Refusal::Malformed(text),
                wit::Refusal::Unsupported(text) => own::Refusal::Unsupported(text),
                wit::Refusal::Misconfigured(text) => own::Refusal::Misconfigured(text),
            }
        }

        pub fn admission(admission: wit::Admission) -> own::Admission {
            let wit::Identity { known_by, kind, occurred_at, ordering, attributes } = admission.identity;
            let known_by = match known_by {
                wit::KnownBy::Id(id) => own::KnownBy::Id(id),
                wit::KnownBy::Payload => own::KnownBy::Payload,
                wit::KnownBy::Delivery(fresh) => own::KnownBy::Delivery(fresh),
                wit::KnownBy::Undeclared => own::KnownBy::Undeclared,
            };
            let ordering = ordering.map(|ordering| own::Ordering {
                key: ordering.key,
                position: match ordering.position {
                    wit::Position::Arrival => own::Position::Arrival,
                    wit::Position::Sequence(n) => own::Position::Sequence(n),
                    wit::Position::Timestamp(ms) => own::Position::Timestamp(ms),
                },
            });
            own::Admission {
                identity: own::Identity { known_by, kind, occurred_at, ordering, attributes },
                payload: match admission.payload {
                    wit::Payload::Body => own::Payload::Body,
                    wit::Payload::BodyRange(wit::ByteRange { offset, length }) => {
                        own::Payload::BodyRange(own::ByteRange { offset, length })
                    }
                    wit::Payload::Bytes(bytes) => own::Payload::Bytes(bytes),
                },
            }
        }

        pub fn reply(reply: wit::Reply) -> own::Reply {
            own::Reply { status: reply.status, headers: reply.headers, body: reply.body }
        }

        pub fn cloud_event(event: wit::CloudEvent) -> own::CloudEvent {
            own::CloudEvent {
                id: event.id,
                source: event.source,
                type_: event.type_,
                subject: event.subject,
                time: event.time,
                data_schema: event.data_schema,
                data_content_type: event.data_content_type,
                data: match event.data {
                    wit::EventData::None => own::EventData::None,
                    wit::EventData::Payload => own::EventData::Payload,
                    wit::EventData::Json(text) => own::EventData::Json(text),
                    wit::EventData::Text(text) => own::EventData::Text(text),
                    wit::EventData::Bytes(bytes) => own::EventData::Bytes(bytes),
                },
                extensions: event
                    .extensions
                    .into_iter()
                    .map(|(name, value)| {
                        let value = match value {
                            wit::ExtensionValue::Text(text) => own::ExtensionValue::Text(text),
                            wit::ExtensionValue::Integer(number) => own::ExtensionValue::Integer(number),
                            wit::ExtensionValue::Boolean(yes) => own::ExtensionValue::Boolean(yes),
                        };
                        (name, value)
                    })
                    .collect(),
            }
        }

        pub fn descriptor(descriptor: wit::Descriptor) -> own::Descriptor {
            let wit::Descriptor {
                name,
                version,
                summary,
                documentation,
                secrets,
                settings,
                headers,
                key_urls,
                confirm_urls,
            } = descriptor;
            own::Descriptor {
                name,
                version,
                summary,
                documentation,
                secrets: secrets
                    .into_iter()
                    .map(|spec| own::SecretSpec {
                        name: spec.name,
                        required: spec.required,
                        handed_over: spec.handed_over,
                        prefixes: spec.prefixes,
                        description: spec.description,
                    })
                    .collect(),
                settings: settings
                    .into_iter()
                    .map(|spec| own::SettingSpec {
                        name: spec.name,
                        default: spec.default,
                        description: spec.description,
                    })
                    .collect(),
                headers,
                key_urls,
                confirm_urls,
            }
        }

        pub fn identity(identity: &own::Identity) -> lent::Identity {
            let own::Identity { known_by, kind, occurred_at, ordering, attributes } = identity.clone();
            lent::Identity {
                known_by: match known_by {
                    own::KnownBy::Id(id) => wit::KnownBy::Id(id),
                    own::KnownBy::Payload => wit::KnownBy::Payload,
                    own::KnownBy::Delivery(fresh) => wit::KnownBy::Delivery(fresh),
                    own::KnownBy::Undeclared => wit::KnownBy::Undeclared,
                },
                kind,
                occurred_at,
                ordering: ordering.map(|ordering| wit::Ordering {
                    key: ordering.key,
                    position: match ordering.position {
                        own::Position::Arrival => wit::Position::Arrival,
                        own::Position::Sequence(n) => wit::Position::Sequence(n),
                        own::Position::Timestamp(ms) => wit::Position::Timestamp(ms),
                    },
                }),
                attributes,
            }
        }

        pub fn json_value(value: own::JsonValue) -> lent::JsonValue {
            match value {
                own::JsonValue::Null => lent::JsonValue::Null,
                own::JsonValue::Boolean(yes) => lent::JsonValue::Boolean(yes),
                own::JsonValue::Number(text) => lent::JsonValue::Number(text),
                own::JsonValue::Text(text) => lent::JsonValue::Text(text),
                own::JsonValue::Composite(text) => lent::JsonValue::Composite(text),
            }
        }

        pub fn secret_error(error: own::SecretError) -> lent::SecretError {
            match error {
                own::SecretError::Missing => lent::SecretError::Missing,
                own::SecretError::Undecodable => lent::SecretError::Undecodable,
                own::SecretError::Other(text) => lent::SecretError::Other(text),
            }
        }

        pub fn key_request(
            url: String,
            format: lent::KeyFormat,
            fields: Vec<(String, lent::KeyField)>,
            at: String,
        ) -> own::KeyRequest {
            let field = |field: lent::KeyField| match field {
                lent::KeyField::Text(text) => own::OwnedKeyField::Text(text),
                lent::KeyField::Secret(name) => own::OwnedKeyField::Secret(name),
            };
            own::KeyRequest {
                url,
                format: match format {
                    lent::KeyFormat::Jwk => own::OwnedKeyFormat::Jwk,
                    lent::KeyFormat::Certificate(names) => own::OwnedKeyFormat::Certificate(names),
                },
                fields: fields.into_iter().map(|(name, value)| (name, field(value))).collect(),
                at,
            }
        }

        pub fn key_error(error: own::KeyError) -> lent::KeyError {
            match error {
                own::KeyError::NotAllowed => lent::KeyError::NotAllowed,
                own::KeyError::UnknownKey => lent::KeyError::UnknownKey,
                own::KeyError::Expired => lent::KeyError::Expired,
                own::KeyError::Unusable(text) => lent::KeyError::Unusable(text),
            }
        }

        pub fn parts(parts: &[lent::Part]) -> Vec<own::Part<'_>> {
            parts
                .iter()
                .map(|part| match part {
                    lent::Part::Bytes(bytes) => own::Part::Bytes(bytes),
                    lent::Part::Body => own::Part::Body,
                    lent::Part::BodyRange(range) => own::Part::BodyRange(*range),
                    lent::Part::Secret => own::Part::Secret,
                })
                .collect()
        }

        pub fn digest(digest: lent::Digest) -> own::Digest {
            match digest {
                lent::Digest::Md5 => own::Digest::Md5,
                lent::Digest::Sha1 => own::Digest::Sha1,
                lent::Digest::Sha256 => own::Digest::Sha256,
                lent::Digest::Sha384 => own::Digest::Sha384,
                lent::Digest::Sha512 => own::Digest::Sha512,
            }
        }

        pub fn encoding(encoding: lent::Encoding) -> own::Encoding {
            match encoding {
                lent::Encoding::Utf8 => own::Encoding::Utf8,
                lent::Encoding::Hex => own::Encoding::Hex,
                lent::Encoding::Base64 => own::Encoding::Base64,
                lent::Encoding::Base64url => own::Encoding::Base64url,
            }
        }

        pub fn scheme(scheme: lent::Scheme) -> own::Scheme {
            match scheme {
                lent::Scheme::Ed25519 => own::Scheme::Ed25519,
                lent::Scheme::EcdsaP256Sha256 => own::Scheme::EcdsaP256Sha256,
                lent::Scheme::EcdsaP256Sha256Fixed => own::Scheme::EcdsaP256Sha256Fixed,
                lent::Scheme::EcdsaP256Sha1 => own::Scheme::EcdsaP256Sha1,
                lent::Scheme::RsaPkcs1Sha1 => own::Scheme::RsaPkcs1Sha1,
                lent::Scheme::RsaPkcs1Sha256 => own::Scheme::RsaPkcs1Sha256,
                lent::Scheme::RsaPkcs1Sha512 => own::Scheme::RsaPkcs1Sha512,
                lent::Scheme::RsaPssSha256 => own::Scheme::RsaPssSha256,
                lent::Scheme::RsaPssSha512 => own::Scheme::RsaPssSha512,
            }
        }
    };
}
