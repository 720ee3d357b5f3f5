//! Answers back to TOML, secrets and all.

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::model::{Answers, Credential};
use crate::util::secret::Secret;

impl Answers {
    /// The answers as one TOML text that [`super::parse`] reads back: defaults written out, and
    /// what came from key files put inline, wherever it is known.
    ///
    /// # Errors
    /// When a value cannot be written as TOML, which none can be that came out of `parse`.
    pub fn to_toml(&self) -> Result<Secret> {
        let mut table = Table::try_from(self).context("writing the answers as TOML")?;
        if let Some(url) = &self.webhook {
            set(&mut table, "webhook", url);
        }
        reveal_keys(self, &mut table);
        reveal_certificate(self, &mut table);
        reveal_authority(self, &mut table);
        reveal_backup(self, &mut table);
        for (user, table) in self.users.iter().zip(tables(&mut table, "user")) {
            credential(&user.credential, table);
        }
        if let (Some(console), Some(table)) = (&self.console, inner(&mut table, "console")) {
            credential(&console.credential, table);
        }
        if let Some(relay) = &self.smarthost
            && let Some(password) = &relay.password
            && let Some(table) = inner(&mut table, "smarthost")
        {
            table.remove("password_file");
            set(table, "password", password);
        }
        let text = toml::to_string(&table).context("writing the answers as TOML")?;
        Ok(Secret::new(text))
    }
}

fn reveal_keys(answers: &Answers, root: &mut Table) {
    for (domain, table) in answers.domains.iter().zip(tables(root, "domain")) {
        for (key, table) in domain.dkim.iter().zip(tables(table, "dkim")) {
            if let Some(pem) = &key.key {
                table.remove("key_file");
                set(table, "key", pem);
            }
        }
    }
}

fn reveal_certificate(answers: &Answers, root: &mut Table) {
    let Some((tls, table)) = answers.tls.as_ref().zip(inner(root, "tls")) else {
        return;
    };
    if tls.certificate.is_some() {
        table.remove("certificate_file");
    }
    if let Some(key) = &tls.key {
        table.remove("key_file");
        set(table, "key", key);
    }
}

fn reveal_authority(answers: &Answers, root: &mut Table) {
    if let Some((acme, table)) = answers.acme.as_ref().zip(inner(root, "acme"))
        && acme.ca.is_some()
    {
        table.remove("ca_file");
    }
}

fn reveal_backup(answers: &Answers, root: &mut Table) {
    let Some((backup, table)) = answers.backup.as_ref().zip(inner(root, "backup")) else {
        return;
    };
    for (name, secret) in [
        ("passphrase", &backup.passphrase),
        ("ssh_key", &backup.ssh_key),
        ("secret_key", &backup.secret_key),
    ] {
        if let Some(secret) = secret {
            table.remove(&format!("{name}_file"));
            set(table, name, secret);
        }
    }
}

fn credential(credential: &Credential, table: &mut Table) {
    match credential {
        Credential::Password(s) => set(table, "password", s),
        Credential::Hash(s) => set(table, "password_hash", s),
    }
}

fn inner<'a>(table: &'a mut Table, key: &str) -> Option<&'a mut Table> {
    table.get_mut(key).and_then(Value::as_table_mut)
}

fn set(table: &mut Table, key: &str, secret: &Secret) {
    table.insert(key.to_owned(), Value::String(secret.expose().to_owned()));
}

fn tables<'a>(table: &'a mut Table, key: &str) -> impl Iterator<Item = &'a mut Table> {
    let items = table.get_mut(key).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_table_mut)
}
