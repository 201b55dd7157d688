//! `[server.tls]`: files that are read and tried, so that mistakes in them are reported before anything starts.

use std::path::Path;

use hookgate_net::tls::{TlsError, TlsTexts, server_config};

use hookgate_settings::Table;

use super::{ClientAuth, Environment, Tls};

/// Reads the section; none when something in it is missing or wrong.
pub(super) fn read_tls(table: &Table<'_>) -> Option<Tls> {
    let (certificate, key, client_ca) = (table.path("certificate"), table.path("key"), table.path("client-ca"));
    let client_auth = table.choice("client-auth");
    let asks = client_auth != ClientAuth::None;
    if asks && !table.has("client-ca") {
        let what = "`server.tls.client-auth` asks for certificates, and there is no `client-ca` to check them against";
        table.problems().error(table.place("client-auth"), what, "add client-ca = \"clients.pem\"");
    }
    if !asks && table.has("client-ca") {
        let what = "`server.tls.client-ca` has no effect: clients are not asked for certificates";
        table.problems().error(
            table.place("client-ca"),
            what,
            "add client-auth = \"optional\" or \"required\", or leave it out",
        );
    }
    let tls = Tls { certificate: certificate?, key: key?, client_ca, client_auth };
    try_files(table, &tls);
    Some(tls)
}

fn try_files(table: &Table<'_>, tls: &Tls) {
    let environment = table.context.environment;
    let texts = read_tls_files(tls, environment);
    if let Err(error) = texts.and_then(|texts| server_config(&texts, tls.client_auth)) {
        let instead = "see docs/operating/tls.md";
        table.problems().error(table.place("certificate"), error.to_string(), instead);
    }
    if environment.file(&tls.key).is_ok_and(|file| file.exposed) {
        let what = "`server.tls.key`: every user of this machine may read the private key";
        table.problems().warning(table.place("key"), what, "take the right away: chmod o-rwx FILE");
    }
}

/// The texts of the files.
///
/// # Errors
/// One cannot be read.
pub fn read_tls_files(files: &Tls, environment: &dyn Environment) -> Result<TlsTexts, TlsError> {
    let text = |path: &Path| match environment.file(path) {
        Ok(file) => Ok(file.text),
        Err(error) => Err(TlsError::Unreadable(path.display().to_string(), error)),
    };
    Ok(TlsTexts {
        certificate: text(&files.certificate)?,
        key: text(&files.key)?,
        client_ca: files.client_ca.as_deref().map(text).transpose()?,
    })
}
