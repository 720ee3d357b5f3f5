//! The restore at the first boot: everything that the backup holds, but that the answers are those
//! from outside.

use anyhow::{Context, Result, bail};

use super::{STEP, mark::Done, source};
use crate::{
    agent::{console::say, target::Target, wanted::Wanted},
    answers::model::Restore,
    backup::{
        extract::extract,
        incoming, job,
        manifest::Header,
        meter::Meter,
        module::Module,
        open,
        scratch::Scratch,
        space,
        store::Store,
        switch::{self, Layout, Order, Record, layout::staged},
    },
    encpipe::{Key, Passphrase},
    util::{files, size::size, time::now},
};

/// Restores, and says what was done.
///
/// # Errors
/// When something is in the way. Nothing was changed then.
pub(super) fn run(
    target: &Target,
    layout: &Layout,
    restore: &Restore,
    wanted: &Wanted,
) -> Result<Vec<String>> {
    switch::create_folder(layout)?;
    let scratch = Scratch::take(layout.state())?;
    job::give_up(layout)?;
    let source = &restore.source;
    tell(&format!("from {source}"));
    let restored = source::with(
        target,
        layout,
        &scratch,
        source,
        wanted,
        |store, archive| whole(layout, &scratch, restore, wanted, store.as_ref(), archive),
    );
    let Err(error) = &restored else {
        return restored;
    };
    if let Err(more) = job::give_up(layout) {
        // begun, and not to be taken back: the next boot finishes it
        bail!("the backup in {source} could not be put in place: {error:#}; also: {more:#}");
    }
    bail!(
        "the backup in {source} could not be restored: {error:#}\n\
         This server does not start: nothing was changed, and the next boot tries again. To set up \
         an empty one instead, remove [restore] from the answers"
    )
}

/// Removes what a restore at the first boot took the place of, where that was nothing: there is
/// nothing to go back to.
pub(super) fn forget_nothing(layout: &Layout, record: &Record) -> Result<()> {
    let done = Done::read(layout)?;
    let is_first = done.is_some_and(|done| done.time == record.order.time);
    if is_first && switch::is_empty(layout, record)? {
        switch::drop_old(layout, record)?;
    }
    Ok(())
}

/// The same, where the restore was broken off between its end and that.
pub(super) fn forget_all(layout: &Layout) -> Result<()> {
    let olds = switch::olds(layout)?;
    olds.iter().try_for_each(|old| forget_nothing(layout, old))
}

fn tell(line: &str) {
    say(format_args!("ezmail: {STEP:<13} {line}"));
}

fn whole(
    layout: &Layout,
    scratch: &Scratch,
    restore: &Restore,
    wanted: &Wanted,
    store: &dyn Store,
    archive: Option<String>,
) -> Result<Vec<String>> {
    let answers = &wanted.answers;
    let passphrase = answers.backup.as_ref();
    let passphrase = passphrase.and_then(|backup| backup.passphrase.as_ref());
    let passphrase = passphrase.context("the answers have no `backup.passphrase`")?;
    let key = Key::derive(&Passphrase::new(passphrase.expose().as_bytes().to_vec())?)?;
    let archive = match archive {
        Some(name) => name,
        None => incoming::choose(store, answers.hostname.as_str(), &key)?.archive(),
    };
    let opened = open::open(store, &archive, &key, &scratch.work())?;
    let Header {
        id, files, bytes, ..
    } = opened.header.clone();
    incoming::check_version(&opened.header)?;
    tell(&format!("{id}: {files} files, {}", size(bytes)));
    if id.host != answers.hostname.as_str() {
        tell(&format!(
            "THIS WAS {}, and is {} now",
            id.host, answers.hostname
        ));
    }
    space::check(&layout.folder(), files, bytes)?;
    let modules = opened.header.modules.clone();
    switch::check(layout, &modules)?;
    let into = layout.staged();
    files::create_dir_all(&into)?;
    let meter = Meter::new(&tell, false);
    extract(&opened, store, &key, &modules, Some(&into), &meter)?;
    drop(opened);
    // its answers are not used, and need not be of this version
    let others: Vec<Module> = modules
        .iter()
        .copied()
        .filter(|m| *m != Module::Config)
        .collect();
    incoming::check_format(&into)?;
    let mut done = incoming::prepare(&into, &others)?;
    incoming::adopt(&into, answers, &wanted.current()?, wanted.found.as_ref())?;
    let mark = Done {
        source: restore.source.to_string(),
        backup: id.clone(),
        time: now()?,
        files,
        bytes,
    };
    mark.put(layout)?;
    let what = format!("the backup {id}");
    let parts = [&others[..], &[Module::Config]].concat();
    let order = Order::new(layout, staged(), &parts, what, mark.time)?;
    switch::begin(layout, order)?;
    if let Some(record) = switch::finish(layout)? {
        forget_nothing(layout, &record)?;
    }
    let restored = format!("restored {id}: {files} files, {}", size(bytes));
    tell(&restored);
    done.insert(0, restored);
    Ok(done)
}
