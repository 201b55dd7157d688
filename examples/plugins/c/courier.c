// Courier: HMAC-SHA256 of the body, in hex, in the header `courier-signature: sha256=...`. Its JSON has `id`, `type` and
// `time` (in seconds).

#include "provider.h"

#include <stdlib.h>
#include <string.h>

#define SIGNATURE "courier-signature"
#define PREFIX "sha256="
#define DIGEST_BYTES 32

typedef provider_string_t text_t;

static text_t text(const char *from) {
  text_t made;
  provider_string_dup(&made, from);
  return made;
}

static text_t joined(const char *begin, text_t end) {
  size_t length = strlen(begin);
  text_t made = {malloc(length + end.len), length + end.len};
  memcpy(made.ptr, begin, length);
  memcpy(made.ptr + length, end.ptr, end.len);
  return made;
}

void exports_provider_describe(provider_descriptor_t *ret) {
  static text_t documentation[1], headers[1];
  static hookgate_provider_types_secret_spec_t secrets[1];
  documentation[0] = text("https://courier.example/docs/webhooks");
  headers[0] = text(SIGNATURE);
  secrets[0].name = text("signing");
  secrets[0].required = true;
  secrets[0].description = text("the webhook's secret");
  *ret = (provider_descriptor_t){
      .name = text("courier"),
      .version = text("0.1.0"),
      .summary = text("Courier: HMAC-SHA256 of the body, in C"),
      .documentation = {documentation, 1},
      .secrets = {secrets, 1},
      .headers = {headers, 1},
  };
}

static bool refused(provider_refusal_t *err, uint8_t tag, const char *why) {
  err->tag = tag;
  err->val.unauthenticated = text(why);
  return false;
}

static int nibble(uint8_t digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// The signature, where the header is there once, and is its prefix and the digest in hex.
static bool signature(provider_borrow_delivery_t delivery, uint8_t tag[DIGEST_BYTES]) {
  text_t name = text(SIGNATURE);
  provider_list_list_u8_t values;
  hookgate_provider_capabilities_method_delivery_headers(delivery, &name, &values);
  size_t prefix = strlen(PREFIX);
  if (values.len != 1 || values.ptr[0].len != prefix + 2 * DIGEST_BYTES) return false;
  const uint8_t *value = values.ptr[0].ptr;
  if (memcmp(value, PREFIX, prefix) != 0) return false;
  for (size_t at = 0; at < DIGEST_BYTES; at++) {
    int high = nibble(value[prefix + 2 * at]), low = nibble(value[prefix + 2 * at + 1]);
    if (high < 0 || low < 0) return false;
    tag[at] = (uint8_t)(high << 4 | low);
  }
  return true;
}

typedef hookgate_provider_capabilities_option_json_value_t field_t;

static provider_option_string_t text_of(field_t field) {
  bool is_text = field.is_some && field.val.tag == HOOKGATE_PROVIDER_CAPABILITIES_JSON_VALUE_TEXT;
  provider_option_string_t found = {is_text && field.val.val.text.len > 0, field.val.val.text};
  return found;
}

// Whole seconds into milliseconds.
static provider_option_u64_t time_of(field_t field) {
  provider_option_u64_t none = {false, 0}, found = {true, 0};
  if (!field.is_some || field.val.tag != HOOKGATE_PROVIDER_CAPABILITIES_JSON_VALUE_NUMBER) return none;
  text_t digits = field.val.val.number;
  for (size_t at = 0; at < digits.len; at++) {
    if (at > 11 || digits.ptr[at] < '0' || digits.ptr[at] > '9') return none;
    found.val = found.val * 10 + (uint64_t)(digits.ptr[at] - '0');
  }
  found.val *= 1000;
  return found;
}

static bool judged(provider_borrow_delivery_t delivery, provider_verdict_t *ret, provider_refusal_t *err) {
  provider_list_u8_t tag = {malloc(DIGEST_BYTES), DIGEST_BYTES};
  if (!signature(delivery, tag.ptr)) {
    return refused(err, HOOKGATE_PROVIDER_TYPES_REFUSAL_UNAUTHENTICATED, SIGNATURE " is not there once, as sha256= and hex");
  }
  text_t name = text("signing");
  hookgate_provider_capabilities_own_secret_t secret;
  hookgate_provider_capabilities_secret_error_t missing;
  if (!hookgate_provider_capabilities_method_delivery_secret(
          delivery, &name, HOOKGATE_PROVIDER_CAPABILITIES_ENCODING_UTF8, NULL, &secret, &missing)) {
    return refused(err, HOOKGATE_PROVIDER_TYPES_REFUSAL_MISCONFIGURED, "secrets.signing is missing");
  }
  // The bytes of the secret stay with the host, and so does the body.
  hookgate_provider_capabilities_part_t body = {.tag = HOOKGATE_PROVIDER_CAPABILITIES_PART_BODY};
  hookgate_provider_capabilities_list_part_t message = {&body, 1};
  bool is_right = hookgate_provider_capabilities_method_secret_verify_mac(
      hookgate_provider_capabilities_borrow_secret(secret), HOOKGATE_PROVIDER_CAPABILITIES_DIGEST_SHA256, &message, &tag);
  if (!is_right) {
    return refused(err, HOOKGATE_PROVIDER_TYPES_REFUSAL_UNAUTHENTICATED, SIGNATURE " does not fit the body");
  }
  text_t names[] = {text("/id"), text("/type"), text("/time")};
  provider_list_string_t pointers = {names, 3};
  hookgate_provider_capabilities_list_option_json_value_t fields;
  text_t why;
  if (!hookgate_provider_capabilities_method_delivery_json(delivery, &pointers, &fields, &why)) {
    return refused(err, HOOKGATE_PROVIDER_TYPES_REFUSAL_MALFORMED, "the body is no JSON");
  }
  static hookgate_provider_types_admission_t admission;
  admission = (hookgate_provider_types_admission_t){
      .identity = {.id = text_of(fields.ptr[0]), .kind = text_of(fields.ptr[1]), .occurred_at = time_of(fields.ptr[2])},
      .payload = {.tag = HOOKGATE_PROVIDER_TYPES_PAYLOAD_BODY},
  };
  *ret = (provider_verdict_t){.tag = HOOKGATE_PROVIDER_TYPES_VERDICT_ADMIT, .val.admit.events = {&admission, 1}};
  return true;
}

// True is the good case of a `result`, in `ret`; false the other one, in `err`. What was lent must be given back.
bool exports_provider_verify(provider_borrow_delivery_t delivery, provider_verdict_t *ret, provider_refusal_t *err) {
  bool is_good = judged(delivery, ret, err);
  hookgate_provider_capabilities_delivery_drop_borrow(delivery);
  return is_good;
}

bool exports_provider_transform(provider_borrow_event_t event, provider_list_cloud_event_t *ret, text_t *err) {
  (void)err;
  hookgate_provider_types_identity_t identity;
  hookgate_provider_capabilities_method_event_identity(event, &identity);
  if (!identity.id.is_some) hookgate_provider_capabilities_method_event_id(event, &identity.id.val);
  hookgate_provider_capabilities_event_drop_borrow(event);
  static provider_cloud_event_t made;
  made = (provider_cloud_event_t){
      .id = identity.id.val,
      .source = text("https://courier.example"),
      .type = joined("example.courier.", identity.kind.is_some ? identity.kind.val : text("event")),
      .time = identity.occurred_at,
      .data_content_type = {true, text("application/json")},
      .data = {.tag = HOOKGATE_PROVIDER_TYPES_EVENT_DATA_PAYLOAD},
  };
  ret->ptr = &made;
  ret->len = 1;
  return true;
}
