//! Uploads in parts that were begun and not ended.

use jiff::Timestamp;
use rusty_s3::{Bucket, Credentials, Method, signing};
use url::Url;

use super::{
    service::VALID,
    xml::{element, elements},
};

/// An upload that was begun.
#[derive(Debug, PartialEq, Eq)]
pub struct Begun {
    /// Of which file.
    pub key: String,
    /// Which upload of it.
    pub id: String,
}

/// Where a further page of the list begins: after this file and upload.
pub type Marker = (String, String);

/// The URL of the list of uploads whose file begins with `prefix`.
pub fn url(
    bucket: &Bucket,
    credentials: &Credentials,
    prefix: &str,
    after: Option<&Marker>,
) -> Url {
    let mut query = vec![("prefix", prefix), ("uploads", "")];
    if let Some((key, id)) = after {
        query.extend([("key-marker", key.as_str()), ("upload-id-marker", id)]);
    }
    query.sort_unstable();
    signing::sign(
        &Timestamp::now(),
        Method::Get,
        bucket.base_url().clone(),
        credentials.key(),
        credentials.secret(),
        credentials.token(),
        bucket.region(),
        VALID.as_secs(),
        query.into_iter(),
        std::iter::empty(),
    )
}

/// Reads a page of the list, and where the next one begins.
pub fn parse(xml: &str) -> (Vec<Begun>, Option<Marker>) {
    let begun = elements(xml, "Upload").filter_map(|upload| {
        Some(Begun {
            key: element(upload, "Key")?,
            id: element(upload, "UploadId")?,
        })
    });
    let more = element(xml, "IsTruncated").as_deref() == Some("true");
    let next = element(xml, "NextKeyMarker").zip(element(xml, "NextUploadIdMarker"));
    (begun.collect(), next.filter(|_| more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_and_where_the_next_begins() {
        let page = |more| {
            format!(
                "<ListMultipartUploadsResult><Bucket>b</Bucket>\
                 <NextKeyMarker>a/&amp;</NextKeyMarker><NextUploadIdMarker>7</NextUploadIdMarker>\
                 <IsTruncated>{more}</IsTruncated>\
                 <Upload><Key>a/&amp;</Key><UploadId>7</UploadId></Upload>\
                 <Upload><Key>a/x</Key><UploadId>8</UploadId></Upload>\
                 </ListMultipartUploadsResult>"
            )
        };
        let (begun, next) = parse(&page(true));
        let ids: Vec<_> = begun
            .iter()
            .map(|b| (b.key.as_str(), b.id.as_str()))
            .collect();
        assert_eq!(ids, [("a/&", "7"), ("a/x", "8")]);
        assert_eq!(next, Some(("a/&".to_owned(), "7".to_owned())));
        assert_eq!(parse(&page(false)).1, None);
    }
}
