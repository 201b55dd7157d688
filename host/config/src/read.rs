//! From text to [`Config`]: the whole text is read, every mistake collected, and only a text without any gives one.

use std::{io::Read, path::Path, sync::Arc};

use hookgate_model::component_signature::TrustedKey;
use hookgate_model::limits::{
    ADMIN_TOKEN_BYTES_MIN, CLAIM_KEY_BYTES_MIN, CONFIG_BYTES_MAX, CONFIG_KEY_DOTS_MAX, SEAL_KEY_CHARS_MIN,
};
use hookgate_settings::{ANY_OTHER, Context, Problems, Table, secret, value};
use toml::de::DeTable;
use toml_parser::lexer::TokenKind;

use super::{
    Admin, Bucket, Claims, Config, ConfigErrors, DataRef, Diagnosis, Egress, Environment, Log, Plugins,
    ProcessEnvironment, RefusedBodies, SecretText, Server, Store, Warning,
    destination::read_destination,
    keys::ROOT,
    plugins::{KnownPlugins, read_grants},
    relations::{self, Declared},
    route::read_route,
    source::read_source,
    tls::read_tls,
};

/// Finds the plugins that a configuration with these sections has: bundled ones, and those in its directory.
pub type FindPlugins<'f> = &'f dyn Fn(&Plugins, &Store) -> Box<dyn KnownPlugins>;

impl Config {
    /// Reads and checks the configuration in a file, with this process's environment.
    pub fn load(path: &Path, plugins: FindPlugins<'_>) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        let file = path.display().to_string();
        let unreadable = |reason: String| ConfigErrors::Unreadable { file: file.clone(), reason };
        let bytes = read_bounded(path).map_err(|error| unreadable(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
            unreadable(format!("it is not text in UTF-8 (line {line})"))
        })?;
        let base_dir = path.parent().unwrap_or(Path::new(""));
        Config::parse(&text, &file, base_dir, &ProcessEnvironment, plugins)
    }

    /// Reads and checks a configuration. `file` is how messages call it; paths in it are relative to `base_dir`.
    pub fn parse(
        text: &str,
        file: &str,
        base_dir: &Path,
        environment: &dyn Environment,
        plugins: FindPlugins<'_>,
    ) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        let problems = Problems::new(file, text);
        let config = read_text(text, base_dir, environment, plugins, &problems);
        match (config, problems.finish()) {
            (Some(config), (errors, warnings)) if errors.is_empty() => Ok((config, warnings)),
            (_, (errors, _)) => Err(ConfigErrors::Mistakes(errors)),
        }
    }
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The configuration; none when something that has no default is missing or wrong, which `problems` then holds.
fn read_text(
    text: &str,
    base_dir: &Path,
    environment: &dyn Environment,
    plugins: FindPlugins<'_>,
    problems: &Problems<'_>,
) -> Option<Config> {
    if text.len() as u64 > CONFIG_BYTES_MAX {
        let what = format!("the configuration is larger than {}", value::show_bytes(CONFIG_BYTES_MAX));
        problems.syntax(0, &what, "is this the right file?");
        return None;
    }
    if let Some(at) = too_many_dots(text) {
        problems.syntax(at, "a key with too many dots", "the longest key has three");
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().map_or(text.len(), |span| span.start);
        problems.syntax(at, &format!("not TOML: {}", error.message()), "see https://toml.io for how it is written");
    }
    let empty = DeTable::new();
    // A key that is described and never read fails a test; an operator's configuration has to be read all the same.
    let unread = |path: &str| {
        assert!(!cfg!(test) || std::thread::panicking(), "`{path}` is in the list of keys and never read");
    };
    let context = Context { problems, environment, base_dir, empty: &empty, unread };
    read_config(&Table::new(context, String::new(), 0, ROOT, document.get_ref()), plugins)
}

/// Where a key has absurdly many dots: each makes a table in a table, and the parser bounds their depth only in brackets.
fn too_many_dots(text: &str) -> Option<usize> {
    let mut dots = 0;
    let mut tokens = toml_parser::Source::new(text).lex();
    tokens.find_map(|token| {
        dots = match token.kind() {
            TokenKind::Dot => dots + 1,
            TokenKind::Newline | TokenKind::Equals | TokenKind::Comma => 0,
            _ => dots,
        };
        (dots > CONFIG_KEY_DOTS_MAX).then(|| token.span().start())
    })
}

fn read_config(root: &Table<'_>, find_plugins: FindPlugins<'_>) -> Option<Config> {
    let server = read_server(&root.table("server"));
    let admin = read_admin(&root.table("admin"), &server);
    let (store, seal_key) = read_store(&root.table("store"));
    let egress = read_egress(&root.table("egress"));
    let plugins = read_plugins(&root.table("plugins"));
    let log = read_log(&root.table("log"));
    let diagnosis = read_diagnosis(&root.table("diagnosis"));
    let claims = read_claims(&root.table("claims"), &store);
    let known = find_plugins(&plugins, &store);

    let mut declared = Declared::default();
    let source = |table: &Table<'_>| read_source(table, known.as_ref(), (&server, &egress, &plugins), &mut declared);
    let sources: Vec<_> = root.tables("source").iter().map(source).collect();
    let destinations: Vec<_> =
        root.tables("destination").iter().map(|t| read_destination(t, &egress, &mut declared)).collect();
    let routes: Vec<_> = root.tables("route").iter().map(|table| read_route(table, &declared)).collect();
    relations::warn_of_loose_ends(root.problems(), &declared, &routes);
    relations::check_filters(root.problems(), root.place("route"), &routes);
    relations::check_body_memory(root.problems(), &declared, &server, sources.iter().flatten());

    Some(Config {
        server,
        store,
        seal_key,
        admin,
        egress,
        plugins,
        log,
        diagnosis,
        claims: claims?,
        sources: sources.into_iter().map(|source| source.map(Arc::new)).collect::<Option<_>>()?,
        destinations: destinations.into_iter().map(|it| it.map(Arc::new)).collect::<Option<_>>()?,
        routes,
    })
}

fn read_server(table: &Table<'_>) -> Server {
    let server = Server {
        listen: table.address("listen"),
        public_url: table.parsed("public-url", public_url),
        trusted_proxies: table.networks("trusted-proxies"),
        connections: usize::try_from(table.count("connections")).unwrap_or(usize::MAX),
        header_timeout: table.duration("header-timeout"),
        body_timeout: table.duration("body-timeout"),
        body_memory: table.bytes("body-memory"),
        drain_timeout: table.duration("drain-timeout"),
        tls: if table.has("tls") { read_tls(&table.table("tls")) } else { None },
    };
    if server.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        let what = "`server.trusted-proxies` holds every address: anyone can then name any address as their own";
        table.problems().warning(table.place("trusted-proxies"), what, "write the networks of your proxies only");
    }
    server
}

/// Without a slash at its end: `/in/...` follows.
fn public_url(text: &str) -> Result<String, String> {
    let url = value::url(text)?;
    if url.query().is_some() || text.contains('?') {
        return Err("has a query (?...), and paths follow it".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn read_admin(table: &Table<'_>, server: &Server) -> Admin {
    let admin = Admin { listen: table.address("listen"), token: secret::one(table, "token") };
    let at = table.place("listen");
    if !admin.listen.ip().is_loopback() && !table.has("token") {
        let what = format!("`admin.listen` {} is not on loopback, and there is no token", admin.listen);
        let instead = "add token = { env = \"HOOKGATE_ADMIN_TOKEN\" }, or listen on 127.0.0.1:8081";
        table.problems().error(at, what, instead);
    }
    if admin.listen.port() != 0 && admin.listen == server.listen {
        let what = format!("`admin.listen` and `server.listen` are both {}", admin.listen);
        table.problems().error(at, what, "give each its own port");
    }
    if admin.token.as_ref().is_some_and(|token| token.expose().len() < ADMIN_TOKEN_BYTES_MIN) {
        let what = format!("`admin.token` is shorter than {ADMIN_TOKEN_BYTES_MIN} characters");
        table.problems().warning(table.place("token"), what, "make one: openssl rand -base64 32");
    }
    admin
}

fn read_store(table: &Table<'_>) -> (Store, Option<SecretText>) {
    let seal_key = secret::one(table, "seal-key");
    if seal_key.as_ref().is_some_and(|key| key.expose().chars().count() < SEAL_KEY_CHARS_MIN) {
        let what = format!("`store.seal-key` is shorter than {SEAL_KEY_CHARS_MIN} characters");
        table.problems().error(table.place("seal-key"), what, "make one: openssl rand -base64 32");
    }
    let store = Store {
        path: table.path("path").unwrap_or_else(|| table.context.base_dir.join("data")),
        engine: table.choice("engine"),
        retention: table.duration("retention"),
        headroom: table.bytes("headroom"),
        cache: table.bytes("cache"),
    };
    table.warn_if_exposed("path", &store.path, ANY_OTHER);
    (store, seal_key)
}

fn read_claims(table: &Table<'_>, store: &Store) -> Option<Claims> {
    let s3 = table.has("s3").then(|| read_bucket(&table.table("s3")));
    let dataref = table.choice("dataref");
    if dataref == DataRef::Object && s3.is_none() {
        let what = "`claims.dataref` is \"object\", and files of a directory have no URLs";
        table.problems().error(table.place("dataref"), what, "add [claims.s3], or leave dataref out");
    }
    let keys = secret::versions(table, "key");
    for (_, at) in keys.iter().filter(|(key, _)| key.expose().len() < CLAIM_KEY_BYTES_MIN) {
        let what = format!("`claims.key` is shorter than {CLAIM_KEY_BYTES_MIN} characters: links could be forged");
        table.problems().error(*at, what, "make one: openssl rand -base64 32");
    }
    let path = table.path("path").unwrap_or_else(|| store.path.join("claims"));
    table.warn_if_exposed("path", &path, ANY_OTHER);
    Some(Claims {
        path,
        public_url: table.parsed("public-url", public_url),
        url_ttl: table.duration("url-ttl"),
        keys: keys.into_iter().map(|(key, _)| key).collect(),
        dataref,
        // An incomplete bucket was reported.
        s3: match s3 {
            Some(bucket) => Some(bucket?),
            None => None,
        },
    })
}

fn read_bucket(table: &Table<'_>) -> Option<Bucket> {
    let plain = |text: &str| {
        if text.is_empty() || text.contains(['/', '?', '#']) || text.chars().any(char::is_control) {
            Err("is not a valid name".to_owned())
        } else {
            Ok(())
        }
    };
    let prefix = |text: &str| {
        if text.split('/').any(|part| matches!(part, "." | "..")) || !text.is_ascii() {
            Err("is not a prefix".to_owned())
        } else {
            Ok(())
        }
    };
    let endpoint = table.parsed("endpoint", public_url);
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
        let what = "`claims.s3.endpoint` is not encrypted: bodies travel in the clear";
        table.problems().warning(table.place("endpoint"), what, "write https://, unless it is on this machine");
    }
    let (bucket, region, prefix) =
        (table.text("bucket", plain), table.text("region", plain), table.text("prefix", prefix));
    let (access_key, secret_key) = (secret::one(table, "access-key"), secret::one(table, "secret-key"));
    Some(Bucket { name: bucket, region, endpoint, access_key: access_key?, secret_key: secret_key?, prefix })
}

fn read_egress(table: &Table<'_>) -> Egress {
    let egress = Egress { allow: table.networks("allow") };
    if egress.allow.iter().any(|network| network.prefix_len() == 0) {
        let what = "`egress.allow` holds every address: the guard then guards nothing";
        table.problems().warning(table.place("allow"), what, "write the networks of your own destinations only");
    }
    egress
}

fn read_plugins(table: &Table<'_>) -> Plugins {
    let plugins = Plugins {
        directory: table.path("directory"),
        cache: table.path("cache"),
        trusted_keys: table.texts("trusted-keys", TrustedKey::read),
        grants: read_grants(table),
        timeout: table.duration("timeout"),
        memory: table.bytes("memory"),
        concurrency: u32::try_from(table.count("concurrency")).unwrap_or(u32::MAX),
    };
    if let Some(directory) = plugins.directory.as_ref().filter(|directory| !directory.is_dir()) {
        let what = format!("`plugins.directory`: {} is not a directory", directory.display());
        table.problems().error(table.place("directory"), what, "make it, or leave the key out");
    }
    plugins
}

fn read_diagnosis(table: &Table<'_>) -> Diagnosis {
    Diagnosis { bodies: table.choice::<RefusedBodies>("bodies") == RefusedBodies::Keep }
}

fn read_log(table: &Table<'_>) -> Log {
    let filter = |text: &str| match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("is not a filter ({error})")),
    };
    Log { filter: table.text("filter", filter), format: table.choice("format") }
}
