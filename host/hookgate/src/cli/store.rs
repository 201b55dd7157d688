//! `hookgate store`: commands for a store while no gateway runs on it.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use hookgate_config::{EngineKind, Store as StoreConfig};
use hookgate_gateway::{enrollment, versions::files::Files};
use hookgate_journal as journal;
use hookgate_journal::{Journal, PluginChanges, Stats};
use hookgate_model::human::bytes;

use super::{
    Exit,
    configuration::{self, ConfigFile},
    output::{self, Format, Table},
};

/// Check a store, move it to the other engine, or repair it after a loss; the gateway must not run
#[derive(Debug, Subcommand)]
pub enum Store {
    Check(Check),
    Migrate(Migrate),
    AcceptLoss(AcceptLoss),
    ForgetSealed(ForgetSealed),
    DeactivatePlugins(DeactivatePlugins),
}

/// Open the store, check that nothing acknowledged is missing, and show what is in it
///
/// Example:
///   hookgate store check --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Check {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    format: Format,
}

/// Move the store to the other engine
///
/// The new store is built beside the old one and compared with it, entry by entry, before it replaces it. An interruption
/// leaves the old one unchanged. With --path the new store is created there, and the old one stays.
///
/// Example:
///   hookgate store migrate --to sled
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct Migrate {
    #[command(flatten)]
    file: ConfigFile,
    /// The engine
    #[arg(long)]
    to: Engine,
    /// Another directory for the new store
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// Continue with a store that has lost acknowledged data
///
/// Missing data stays missing, and the rest is made consistent. Events that may or may not have been delivered are delivered
/// again. If there is a complete copy of the store, restore that instead.
///
/// Example:
///   hookgate store accept-loss --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct AcceptLoss {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    format: Format,
}

/// Forget all secrets that providers have handed over, after their key was lost
///
/// They can no longer be read, and the gateway does not start with them in the store. Have the providers hand over new ones
/// afterwards. If the key is available, `hookgate secrets forget` removes single secrets.
///
/// Example:
///   hookgate store forget-sealed --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct ForgetSealed {
    #[command(flatten)]
    file: ConfigFile,
}

/// Let all sources run the plugins of the configuration instead of activated versions
///
/// Use it if an activated version cannot be loaded and the gateway does not start. The versions are kept and can be activated
/// again.
///
/// Example:
///   hookgate store deactivate-plugins --config hookgate.toml
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub struct DeactivatePlugins {
    /// The configuration's file
    #[arg(long, value_name = "FILE", default_value = "hookgate.toml", env = "HOOKGATE_CONFIG")]
    config: PathBuf,
}

/// The engines.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Fjall,
    Sled,
}

impl Store {
    pub async fn run(self) -> Result<Exit> {
        // Engines wait for the disk.
        tokio::task::block_in_place(|| match self {
            Store::Check(check) => check.run(),
            Store::Migrate(migrate) => migrate.run(),
            Store::AcceptLoss(accept_loss) => accept_loss.run(),
            Store::ForgetSealed(forget) => forget.run(),
            Store::DeactivatePlugins(deactivate) => deactivate.run(),
        })
    }
}

impl Check {
    fn run(self) -> Result<Exit> {
        let store = existing(&self.file)?;
        let stats = Journal::open(&store)?.stats()?;
        self.format.print(&stats, |stats| figures(&store, stats))?;
        Ok(Exit::Ok)
    }
}

fn figures(store: &StoreConfig, stats: &Stats) -> String {
    let mut text = Table::pairs([
        ("path", store.path.display().to_string()),
        ("size", bytes(stats.size)),
        ("deliveries", stats.deliveries.to_string()),
        ("idempotency keys", stats.keys.to_string()),
        ("to be transformed", stats.inbox.to_string()),
        ("held", stats.held.values().sum::<u64>().to_string()),
    ])
    .to_string();
    if !stats.destinations.is_empty() {
        let mut table = Table::new(["DESTINATION", "QUEUED", "DEAD"]);
        for (name, figures) in &stats.destinations {
            table.row([name.clone(), figures.queued.to_string(), figures.dead.to_string()]);
        }
        text += &format!("\n\n{table}");
    }
    text + "\nok: nothing acknowledged is missing"
}

impl Migrate {
    fn run(self) -> Result<Exit> {
        let store = existing(&self.file)?;
        let to = match self.to {
            Engine::Fjall => EngineKind::Fjall,
            Engine::Sled => EngineKind::Sled,
        };
        let migrated = journal::migrate(&store, to, self.path.as_deref())?;
        if migrated.path != store.path {
            enrollment::carry_key(&store.path, &migrated.path).context(
                "the store is moved, but not its file `seal-key`; copy it there, readable for its user only",
            )?;
            Files::of_store(&store.path)
                .carry(&migrated.path)
                .context("the store is moved, but not its directory `plugin-versions`; copy it there")?;
        }
        self.format.print(&migrated, |migrated| {
            format!(
                "moved {} entries from {} to {} at {}; set engine = \"{}\" in [store] now",
                migrated.entries,
                migrated.from,
                migrated.to,
                migrated.path.display(),
                migrated.to,
            )
        })?;
        Ok(Exit::Ok)
    }
}

impl AcceptLoss {
    fn run(self) -> Result<Exit> {
        let accepted = journal::accept_loss(&existing(&self.file)?)?;
        self.format.print(&accepted, |accepted| {
            Table::pairs([
                ("keys of missing events removed", accepted.keys_removed.to_string()),
                ("entries that pointed at nothing removed", accepted.orphans_removed.to_string()),
                ("events to be handed on again", accepted.events_requeued.to_string()),
                ("handoffs to be made again", accepted.handoffs_requeued.to_string()),
            ])
        })?;
        Ok(Exit::Ok)
    }
}

impl ForgetSealed {
    fn run(self) -> Result<Exit> {
        let journal = Journal::open(&existing(&self.file)?)?;
        let ids: Vec<_> = journal.sealed()?.into_iter().map(|sealed| sealed.id).collect();
        let forgotten = ids.len();
        tokio::runtime::Handle::current().block_on(journal.forget_sealed(ids))?;
        output::line(format_args!("{forgotten} forgotten"))?;
        Ok(Exit::Ok)
    }
}

impl DeactivatePlugins {
    fn run(self) -> Result<Exit> {
        let store = configuration::store(&self.config)?;
        if !journal::is_there(&store.path) {
            bail!("there is no store at {}; store.path says so", store.path.display());
        }
        let journal = Journal::open(&store)?;
        let forgotten: Vec<String> = journal.plugins()?.activations.into_iter().map(|(source, _)| source).collect();
        let count = forgotten.len();
        let changes = PluginChanges { forgotten, ..PluginChanges::default() };
        tokio::runtime::Handle::current().block_on(journal.change_plugins(changes))?;
        Files::of_store(&store.path).note_active(&BTreeMap::new())?;
        output::line(format_args!("{count} sources run the plugin of the configuration"))?;
        Ok(Exit::Ok)
    }
}

/// The configured store, which must exist.
fn existing(file: &ConfigFile) -> Result<StoreConfig> {
    let store = file.load()?.store;
    if journal::is_there(&store.path) {
        Ok(store)
    } else {
        bail!("there is no store at {}; store.path says so", store.path.display())
    }
}
