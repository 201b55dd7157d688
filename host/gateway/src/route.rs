//! Which outputs go to which destinations.

use std::collections::HashSet;

use hookgate_capabilities::{CloudEvent, ExtensionValue};
use hookgate_config as config;
use hookgate_filter::{Decimal, Matcher, Scalar, Seen};
use hookgate_model::event::KeptEvent;

use hookgate_cloudevents::{Fields, JsonData};

/// The routes of a configuration, ready to be asked.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    /// The filters of all routes, by the routes' numbers.
    filters: Matcher,
}

#[derive(Debug)]
struct Route {
    from: From,
    to: Vec<String>,
    filtered: bool,
}

#[derive(Debug)]
enum From {
    /// `*`
    All,
    These(HashSet<String>),
}

impl Routes {
    /// Makes the configured routes ready.
    pub fn new(routes: &[config::Route]) -> Routes {
        let filters = routes.iter().enumerate().filter_map(|(number, route)| Some((number, route.filter.as_ref()?)));
        let filters = Matcher::new(filters);
        let compile = |route: &config::Route| {
            let all = route.from.iter().any(|source| source == "*");
            let from = if all { From::All } else { From::These(route.from.iter().cloned().collect()) };
            Route { from, to: route.to.clone(), filtered: route.filter.is_some() }
        };
        Routes { routes: routes.iter().map(compile).collect(), filters }
    }

    /// The destinations of one output of an event, each once, in the order of the configuration.
    ///
    /// None when no route leads on: the event is kept and goes nowhere.
    pub fn destinations(&self, event: &KeptEvent, output: &CloudEvent) -> Vec<&str> {
        let source = event.delivery.source.as_str();
        let mut seen = HashSet::new();
        let matched = self.matched(source, &Fields::new(event, output));
        let leads = |(number, route): &(usize, &Route)| {
            route.from.holds(source) && (!route.filtered || matched.binary_search(number).is_ok())
        };
        let leading = self.routes.iter().enumerate().filter(leads);
        leading.flat_map(|(_, route)| &route.to).map(String::as_str).filter(|name| seen.insert(*name)).collect()
    }

    /// The numbers of this source's routes whose filters match, in their order.
    fn matched(&self, source: &str, fields: &Fields<'_>) -> Vec<usize> {
        let concerns = |number: usize| self.routes.get(number).is_some_and(|route| route.from.holds(source));
        let wanted = self.filters.wanted();
        let top = wanted.top().filter(|(name, _)| *name != "data");
        let top = top.filter_map(|(name, field)| Some((field, Seen::Leaf(scalar(fields.attribute(name)?)?))));
        let data = |field| match fields.data()? {
            JsonData::Json(json) => Seen::read(json, wanted, field),
            JsonData::Text(text) => Some(Seen::Leaf(Scalar::text(text))),
        };
        self.filters.matching(top.collect(), data, concerns)
    }
}

fn scalar(value: ExtensionValue) -> Option<Scalar<'static>> {
    Some(match value {
        ExtensionValue::Text(text) => Scalar::text(text),
        ExtensionValue::Integer(number) => Scalar::Number(Decimal::parse(&number.to_string())?),
        ExtensionValue::Boolean(yes) => Scalar::Boolean(yes),
    })
}

impl From {
    fn holds(&self, source: &str) -> bool {
        match self {
            From::All => true,
            From::These(names) => names.contains(source),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hookgate_capabilities::{EventData, Payload};
    use hookgate_filter as filter;

    use super::*;
    use hookgate_cloudevents::testing::{event, output};

    /// Routes of sources, destinations and perhaps a filter.
    fn routes(routes: &[(&[&str], &[&str], &str)]) -> Routes {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let route = |(from, to, filter): &(&[&str], &[&str], &str)| config::Route {
            from: owned(from),
            to: owned(to),
            filter: (!filter.is_empty()).then(|| filter::parse_text(filter).unwrap()),
        };
        Routes::new(&routes.iter().map(route).collect::<Vec<_>>())
    }

    fn of(source: &str) -> KeptEvent {
        let mut event = event(b"", "text/plain", Payload::Body);
        std::sync::Arc::get_mut(&mut event.delivery).unwrap().source = source.to_owned();
        event
    }

    #[test]
    fn an_output_goes_to_every_destination_of_its_source_once() {
        let routes = routes(&[
            (&["stripe"], &["orders", "audit"], ""),
            (&["github", "*"], &["audit"], ""),
            (&["slack"], &["chat"], ""),
        ]);
        let output = output(EventData::None, None);
        assert_eq!(routes.destinations(&of("stripe"), &output), ["orders", "audit"]);
        assert_eq!(routes.destinations(&of("github"), &output), ["audit"]);
        assert_eq!(routes.destinations(&of("slack"), &output), ["audit", "chat"]);
    }

    #[test]
    fn a_source_without_a_route_goes_nowhere() {
        let routes = routes(&[(&["stripe"], &["orders"], "")]);
        assert!(routes.destinations(&of("slack"), &output(EventData::None, None)).is_empty());
    }

    #[test]
    fn a_filter_lets_through_what_it_matches() {
        let routes = routes(&[
            (&["*"], &["things"], r#"{"type": [{"prefix": "com.acme.thing."}]}"#),
            (&["stripe"], &["stripe"], r#"{"source": ["/acme"]}"#),
            (&["*"], &["large"], r#"{"data": {"amount": [{"numeric": [">", 1000]}]}}"#),
            (&["*"], &["bare"], r#"{"data": {"amount": [{"exists": false}]}, "subject": [{"exists": false}]}"#),
            (&["*"], &["all"], ""),
        ]);
        let json = |text: &str| output(EventData::Json(text.to_owned()), None);
        assert_eq!(routes.destinations(&of("x"), &json(r#"{"amount": 1001}"#)), ["things", "large", "all"]);
        assert_eq!(routes.destinations(&of("x"), &json(r#"{"amount": "1001"}"#)), ["things", "all"]);
        assert_eq!(routes.destinations(&of("stripe"), &json("{}")), ["things", "stripe", "bare", "all"]);
        assert_eq!(routes.destinations(&of("x"), &output(EventData::None, None)), ["things", "bare", "all"]);
    }

    /// The event is matched as the structured format shows it.
    #[test]
    fn every_field_of_the_json_form_can_be_asked_for() {
        let mut with_all = output(EventData::Text("hello".into()), None);
        with_all.subject = Some("s".into());
        with_all.time = Some(1_700_000_000_000);
        with_all.data_schema = Some("https://schema".into());
        with_all.extensions =
            vec![("count".into(), ExtensionValue::Integer(-5)), ("flag".into(), ExtensionValue::Boolean(true))];
        for filter in [
            r#"{"specversion": ["1.0"], "id": ["evt_1"], "source": ["/acme"], "type": ["com.acme.thing.done"]}"#,
            r#"{"subject": ["s"], "time": [{"prefix": "2023-11-14T22:13:20"}], "dataschema": ["https://schema"]}"#,
            r#"{"datacontenttype": ["text/plain"], "data": ["hello"]}"#,
            r#"{"count": [-5.0], "flag": [true], "traceparent": [{"prefix": "00-4bf92f3577b34da6a3ce929d0e0e4736-"}]}"#,
        ] {
            assert_eq!(routes(&[(&["*"], &["x"], filter)]).destinations(&of("a"), &with_all), ["x"], "{filter}");
        }
        let none = routes(&[(&["*"], &["x"], r#"{"data": [{"exists": true}]}"#)]);
        let binary = output(EventData::Bytes(vec![0xff]), None);
        assert!(none.destinations(&of("a"), &binary).is_empty(), "binary data is not a `data`");
        let broken = event(b"no json", "application/json", Payload::Body);
        assert!(none.destinations(&broken, &output(EventData::Payload, None)).is_empty());
    }
}
