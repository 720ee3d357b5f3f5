//! The service with the bucket: signs requests, and repeats what may pass.

use std::{
    fs::File,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use rusty_s3::{Bucket, Credentials, Method, S3Action, UrlStyle};
use url::Url;

use super::{
    curl::{Answer, Curl},
    trouble::{Trouble, by_service},
};

/// How long a signature holds. A request has to have come by then, not to have ended.
pub const VALID: Duration = Duration::from_secs(3600);

/// How often something is tried, and how long to wait in between.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often in all.
    pub tries: u32,
    /// After the first failure; twice as long after each further one.
    pub pause: Duration,
}

impl Patience {
    /// Waits after the failure of this number, counted from 0; whether there is a further try.
    pub fn wait(self, failure: u32) -> bool {
        if failure + 1 >= self.tries {
            return false;
        }
        thread::sleep(self.pause * (1 << failure.min(5)));
        true
    }
}

/// The service.
#[derive(Debug)]
pub struct Service {
    /// How curl is run.
    pub curl: Curl,
    /// When to give up.
    pub patience: Patience,
    credentials: Credentials,
    /// Its region changes when the service names another one.
    bucket: RwLock<Bucket>,
    endpoint: Url,
}

impl Service {
    /// The bucket `name` at `endpoint`, until told otherwise in this region.
    ///
    /// # Errors
    /// When these make no URL.
    pub fn new(
        curl: Curl,
        credentials: Credentials,
        endpoint: Url,
        name: &str,
        region: &str,
    ) -> Result<Self> {
        Ok(Self {
            curl,
            patience: Patience {
                tries: 6,
                pause: Duration::from_secs(1),
            },
            credentials,
            bucket: RwLock::new(bucket(&endpoint, name, region)?),
            endpoint,
        })
    }

    /// Makes a request that is signed by `sign`, again while it may pass and `stop` is not set.
    ///
    /// # Errors
    /// The trouble; an answer that is an error is one.
    pub fn ask(
        &self,
        method: Method,
        body: Option<&File>,
        stop: Option<&AtomicBool>,
        sign: impl Fn(&Bucket, &Credentials) -> Url,
    ) -> Result<Answer, Trouble> {
        let mut failures = 0;
        let mut moved = false;
        loop {
            let trouble = match self.once(method, body, &sign) {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            if let (Some(region), false) = (&trouble.region, moved) {
                moved = true;
                if self.change_region(region)? {
                    continue;
                }
            }
            let stopped = stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
            if !trouble.again || stopped || !self.patience.wait(failures) {
                return Err(trouble);
            }
            failures += 1;
        }
    }

    /// Makes something of the bucket and what it is reached with, such as a signed URL.
    pub fn with<T>(&self, make: impl FnOnce(&Bucket, &Credentials) -> T) -> T {
        let bucket = self.bucket.read().unwrap_or_else(PoisonError::into_inner);
        make(&bucket, &self.credentials)
    }

    fn once(
        &self,
        method: Method,
        body: Option<&File>,
        sign: impl Fn(&Bucket, &Credentials) -> Url,
    ) -> Result<Answer, Trouble> {
        let answer = self.curl.ask(method.to_str(), &self.with(sign), body)?;
        match answer.status {
            // an answer that was begun before the end was known may be an error all the same
            200..=299 if !answer.body.contains("<Error>") => Ok(answer),
            200..=299 => Err(self.refused(500, &answer.body)),
            status => Err(self.refused(status, &answer.body)),
        }
    }

    /// What an answer means that is an error.
    pub fn refused(&self, status: u16, body: &str) -> Trouble {
        let now = Timestamp::now().strftime("%F %T UTC").to_string();
        let bucket = self.bucket.read().unwrap_or_else(PoisonError::into_inner);
        by_service(status, body, self.credentials.key(), bucket.name(), &now)
    }

    /// Takes a region that the service named; whether it is another one.
    fn change_region(&self, region: &str) -> Result<bool, Trouble> {
        let mut current = self.bucket.write().unwrap_or_else(PoisonError::into_inner);
        if current.region() == region {
            return Ok(false);
        }
        *current = bucket(&self.endpoint, current.name(), region)
            .map_err(|e| Trouble::ours(e.to_string()))?;
        Ok(true)
    }

    /// The file `key`: its length and ETag; none if it is not there.
    ///
    /// # Errors
    /// When the service does not tell.
    pub fn look(&self, key: &str) -> Result<Option<(u64, String)>, Trouble> {
        let asked = self.ask(Method::Head, None, None, |bucket, credentials| {
            bucket.head_object(Some(credentials), key).sign(VALID)
        });
        match asked {
            Ok(answer) => match answer.length {
                Some(length) => Ok(Some((length, answer.etag))),
                None => Err(Trouble::ours(
                    "it does not say how long the file is".to_owned(),
                )),
            },
            Err(trouble) if trouble.is_missing() => {
                // without a body, a bucket that is missing looks the same
                self.probe()?;
                Ok(None)
            }
            Err(trouble) if trouble.status.is_some() => {
                self.probe()?;
                Err(trouble)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Asks for what has an answer with words in it.
    fn probe(&self) -> Result<(), Trouble> {
        self.ask(Method::Get, None, None, |bucket, credentials| {
            let mut action = bucket.list_objects_v2(Some(credentials));
            action.with_max_keys(1);
            action.sign(VALID)
        })
        .map(drop)
    }
}

fn bucket(endpoint: &Url, name: &str, region: &str) -> Result<Bucket> {
    Bucket::new(
        endpoint.clone(),
        UrlStyle::Path,
        name.to_owned(),
        region.to_owned(),
    )
    .ok()
    .with_context(|| format!("{endpoint} with the bucket {name} makes no URL"))
}
