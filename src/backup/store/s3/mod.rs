//! A bucket of a service that speaks the protocol of Amazon's S3, over TLS.
//!
//! Requests are signed in their URL, which curl(1) is told on its standard input.
//!
//! | module | its one job |
//! |---|---|
//! | [`curl`] | one request by curl |
//! | [`download`] | reads a file, in spite of broken connections |
//! | [`region`] | which region a host is in |
//! | [`service`] | signs requests and repeats them |
//! | [`trouble`] | what errors mean |
//! | [`unfinished`] | uploads that were broken off |
//! | [`upload`] | writes a file in parts |
//! | [`xml`] | what the library has no types for |

mod curl;
mod download;
mod region;
mod service;
mod trouble;
mod unfinished;
mod upload;
mod xml;

use std::{io::Read, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use rusty_s3::{Credentials, Method, S3Action, actions::ListObjectsV2};
use url::Url;

use self::{
    curl::Curl,
    download::Download,
    service::{Patience, Service, VALID},
    upload::Uploading,
};
use super::{Access, Entry, Store, Upload};
use crate::answers::location::{Host, Location};

/// A folder in a bucket: the files whose keys begin alike.
#[derive(Debug)]
pub struct S3 {
    service: Arc<Service>,
    shown: String,
    /// With a slash at its end, or empty.
    prefix: String,
}

impl S3 {
    /// The folder that `location` names; nothing is connected yet.
    ///
    /// # Errors
    /// When `access` has no secret key.
    pub fn new(location: &Location, access: &Access) -> Result<Self> {
        let secret = access.secret_key.as_ref();
        let secret = secret.with_context(|| format!("there is no secret key for {location}"))?;
        let host = match &location.host {
            Host::Name(name) => name.to_string(),
            Host::Ip(ip) if ip.is_ipv6() => format!("[{ip}]"),
            Host::Ip(ip) => ip.to_string(),
        };
        let port = location.port.map(|port| format!(":{port}"));
        let endpoint = format!("https://{host}{}/", port.unwrap_or_default());
        let endpoint: Url = endpoint
            .parse()
            .with_context(|| format!("{endpoint} is no URL"))?;
        let path = location.path.trim_start_matches('/');
        let (bucket, folder) = path.split_once('/').unwrap_or((path, ""));
        let curl = Curl {
            ca_file: access.ca_file.clone(),
        };
        let credentials = Credentials::new(location.user.as_str(), secret.expose());
        let service = Service::new(curl, credentials, endpoint, bucket, region::of(&host))?;
        Ok(Self {
            service: Arc::new(service),
            shown: location.to_string(),
            prefix: match folder.is_empty() {
                true => String::new(),
                false => format!("{folder}/"),
            },
        })
    }

    /// Tries each request so often, with this pause after the first failure and twice as long ones
    /// after each further one.
    #[must_use]
    pub fn patience(mut self, tries: u32, pause: Duration) -> Self {
        if let Some(service) = Arc::get_mut(&mut self.service) {
            service.patience = Patience { tries, pause };
        }
        self
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// For error messages.
    fn shown(&self, name: &str) -> String {
        format!("{}/{name}", self.shown)
    }

    /// The name of the file with this key, if it is in this folder.
    fn name_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        let name = key.strip_prefix(&self.prefix)?;
        (!name.is_empty() && !name.contains('/')).then_some(name)
    }
}

impl Store for S3 {
    fn name(&self) -> String {
        self.shown.clone()
    }

    fn list(&self) -> Result<Vec<Entry>> {
        let what = || format!("listing {}", self.shown);
        let mut entries = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let answer = self
                .service
                .ask(Method::Get, None, None, |bucket, credentials| {
                    let mut action = bucket.list_objects_v2(Some(credentials));
                    action.with_prefix(self.prefix.as_str());
                    action.with_delimiter("/");
                    if let Some(after) = &after {
                        action.with_continuation_token(after.as_str());
                    }
                    action.sign(VALID)
                })
                .with_context(what)?;
            let page = ListObjectsV2::parse_response(&answer.body);
            let page = page.ok().context("the service's list is not understood");
            let page = page.with_context(what)?;
            for object in page.contents {
                if let (Some(name), Some(bytes)) = (self.name_of(&object.key), object.size)
                    && !name.starts_with('.')
                {
                    let name = name.to_owned();
                    entries.push(Entry { name, bytes });
                }
            }
            match page.next_continuation_token {
                Some(token) if Some(&token) != after.as_ref() => after = Some(token),
                Some(_) => bail!("{}: the service's list has no end", self.shown),
                None => break,
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, name: &str) -> Result<Box<dyn Upload>> {
        let (key, shown) = (self.key(name), self.shown(name));
        let there = self.service.look(&key);
        if there
            .with_context(|| format!("creating {shown}"))?
            .is_some()
        {
            bail!("{shown} is there already");
        }
        Ok(Box::new(Uploading::begin(
            self.service.clone(),
            key,
            shown,
        )?))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        let service = self.service.clone();
        let download = Download::begin(service, self.key(name), self.shown(name))?;
        Ok(Box::new(download))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let key = self.key(name);
        let what = || format!("removing {}", self.shown(name));
        // the service says that all is well where there is none
        if self.service.look(&key).with_context(what)?.is_none() {
            bail!("{}: there is no such file", what());
        }
        self.service
            .ask(Method::Delete, None, None, |bucket, credentials| {
                bucket.delete_object(Some(credentials), &key).sign(VALID)
            })
            .with_context(what)?;
        Ok(())
    }

    fn tidy(&self, prefix: &str) -> Result<Vec<String>> {
        let prefix = self.key(prefix);
        let what = || format!("looking for unfinished uploads in {}", self.shown);
        let mut begun = Vec::new();
        let mut after = None;
        loop {
            let answer = self
                .service
                .ask(Method::Get, None, None, |bucket, credentials| {
                    unfinished::url(bucket, credentials, &prefix, after.as_ref())
                })
                .with_context(what)?;
            let (page, next) = unfinished::parse(&answer.body);
            begun.extend(page);
            match next {
                Some(next) if Some(&next) != after.as_ref() => after = Some(next),
                Some(_) => bail!("{}: the service's list has no end", what()),
                None => break,
            }
        }
        let mut gone = Vec::new();
        for upload in begun {
            let Some(name) = self.name_of(&upload.key) else {
                continue;
            };
            self.service
                .ask(Method::Delete, None, None, |bucket, credentials| {
                    bucket
                        .abort_multipart_upload(Some(credentials), &upload.key, &upload.id)
                        .sign(VALID)
                })
                .with_context(|| format!("removing what is there of {}", self.shown(name)))?;
            gone.push(name.to_owned());
        }
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::secret::Secret;

    fn store(location: &str) -> S3 {
        let access = Access {
            secret_key: Some(Secret::new("hunter2-secret")),
            ..Access::default()
        };
        S3::new(&location.parse().unwrap(), &access).unwrap()
    }

    #[test]
    fn keys_are_those_of_the_folder() {
        let in_folder = store("s3://AKIA7@s3.example.org/bucket/a/b");
        assert_eq!(in_folder.key("x"), "a/b/x");
        assert_eq!(in_folder.name_of("a/b/x"), Some("x"));
        for other in ["a/b/", "a/b/c/x", "a/x", "x"] {
            assert_eq!(in_folder.name_of(other), None, "{other}");
        }
        let bucket = store("s3://AKIA7@s3.example.org/bucket");
        assert_eq!(
            (bucket.key("x").as_str(), bucket.name_of("x")),
            ("x", Some("x"))
        );
        assert_eq!(bucket.name(), "s3://AKIA7@s3.example.org/bucket");
    }

    #[test]
    fn a_secret_key_is_needed_and_never_shown() {
        let location = "s3://AKIA7@[2001:db8::1]:9000/bucket".parse().unwrap();
        let error = S3::new(&location, &Access::default()).unwrap_err();
        insta::assert_snapshot!(error, @"there is no secret key for s3://AKIA7@[2001:db8::1]:9000/bucket");
        let store = store("s3://AKIA7@[2001:db8::1]:9000/bucket");
        assert!(!format!("{store:?}").contains("hunter2"));
    }
}
