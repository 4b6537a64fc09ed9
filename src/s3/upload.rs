//! Objects are written once: whole, in one request or in parts, or not at all.
//!
//! `If-None-Match: *` makes S3 refuse a key that is taken. When the answer to a first attempt is
//! lost, the next one finds its own object there; so each upload carries a mark of its own, and an
//! object that has it is ours. Checksums are the SDK's: CRC32 of all bytes, which S3 verifies.

use std::path::PathBuf;

use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};

use super::problem::chain;
use super::{Address, Problem, Store, attempt_timeout, patient};

/// An object to be written.
#[derive(Clone, Debug)]
pub struct NewObject {
    /// Where.
    pub address: Address,
    /// Its media type.
    pub content_type: &'static str,
    /// Names and values that are kept beside it.
    pub metadata: Vec<(&'static str, String)>,
    /// What is in it.
    pub body: Body,
}

/// The content of an object.
#[derive(Clone, Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// All of this file, which must not change meanwhile.
    File(PathBuf),
}

/// When an object goes up in parts, and how large they are.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// A larger object goes up in parts.
    pub above_bytes: u64,
    /// The least size of a part; S3 takes none below 5 MiB, except the last.
    pub bytes: u64,
}

impl Default for Parts {
    fn default() -> Self {
        Self { above_bytes: 64 * MIB, bytes: 16 * MIB }
    }
}

const MIB: u64 = 1024 * 1024;
/// S3 takes 10 000 parts.
const PARTS_MAX: u64 = 9_000;
/// The name of the mark that tells our own object from another's.
const MARK: &str = "tallyho-upload";

impl Store {
    pub(super) async fn upload(&self, object: &NewObject) -> Result<(), Problem> {
        let size = match &object.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(path) => match tokio::fs::metadata(path).await {
                Ok(file) => file.len(),
                Err(error) => return Err(unreadable(object, &error)),
            },
        };
        let mark = format!("{:016x}", getrandom::u64().unwrap_or_default());
        let written = if size > self.parts.above_bytes {
            self.in_parts(object, size, &mark).await
        } else {
            self.at_once(object, size, &mark).await
        };
        match written {
            Err(Problem::Exists { .. }) if self.is_ours(&object.address, &mark).await => Ok(()),
            written => written,
        }
    }

    async fn at_once(&self, object: &NewObject, size: u64, mark: &str) -> Result<(), Problem> {
        let body = match &object.body {
            Body::Bytes(bytes) => ByteStream::from(bytes.clone()),
            Body::File(path) => {
                ByteStream::from_path(path).await.map_err(|error| unreadable(object, &error))?
            }
        };
        let mut put = self.client.put_object().bucket(&object.address.bucket);
        for (name, value) in &object.metadata {
            put = put.metadata(*name, value);
        }
        let put = put
            .key(&object.address.key)
            .content_type(object.content_type)
            .metadata(MARK, mark)
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .if_none_match("*")
            .body(body);
        let sent = put.customize().config_override(patient(attempt_timeout(size))).send().await;
        sent.map(drop).map_err(|error| Problem::of(&error, &self.region, &object.address))
    }

    async fn in_parts(&self, object: &NewObject, size: u64, mark: &str) -> Result<(), Problem> {
        let Address { bucket, key } = &object.address;
        let mut create = self.client.create_multipart_upload().bucket(bucket).key(key);
        for (name, value) in &object.metadata {
            create = create.metadata(*name, value);
        }
        let create = create
            .content_type(object.content_type)
            .metadata(MARK, mark)
            .checksum_algorithm(ChecksumAlgorithm::Crc32);
        let created = create.send().await;
        let created =
            created.map_err(|error| Problem::of(&error, &self.region, &object.address))?;
        let written = self.parts_of(object, size, &created).await;
        if written.is_err() {
            let abort = self.client.abort_multipart_upload().bucket(bucket).key(key);
            // Best effort: a rule of the bucket's removes what is left over.
            let _left_over = abort.set_upload_id(created.upload_id).send().await;
        }
        written
    }

    async fn parts_of(
        &self,
        object: &NewObject,
        size: u64,
        created: &CreateMultipartUploadOutput,
    ) -> Result<(), Problem> {
        let Address { bucket, key } = &object.address;
        let failed = |error: &(dyn std::error::Error + 'static)| Problem::Broken {
            reason: format!("{}: {}", object.address, chain(error)),
        };
        let part_bytes = self.parts.bytes.max(size.div_ceil(PARTS_MAX));
        let mut done = Vec::new();
        for (number, from) in (1..).zip((0..size).step_by(usize::try_from(part_bytes).unwrap_or(1)))
        {
            let length = part_bytes.min(size - from);
            let body = match &object.body {
                Body::Bytes(bytes) => {
                    let all = bytes.iter().skip(index(from)).take(index(length));
                    ByteStream::from(all.copied().collect::<Vec<u8>>())
                }
                Body::File(path) => ByteStream::read_from()
                    .path(path)
                    .offset(from)
                    .length(Length::Exact(length))
                    .build()
                    .await
                    .map_err(|error| failed(&error))?,
            };
            let part = self.client.upload_part().bucket(bucket).key(key);
            let part = part
                .set_upload_id(created.upload_id.clone())
                .checksum_algorithm(ChecksumAlgorithm::Crc32)
                .part_number(number)
                .body(body);
            let sent =
                part.customize().config_override(patient(attempt_timeout(length))).send().await;
            let sent = sent.map_err(|error| Problem::of(&error, &self.region, &object.address))?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
            done.push(part.set_checksum_crc32(sent.checksum_crc32).build());
        }
        let complete = self.client.complete_multipart_upload().bucket(bucket).key(key);
        let complete = complete
            .set_upload_id(created.upload_id.clone())
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(done)).build())
            .if_none_match("*");
        let sent = complete.send().await;
        sent.map(drop).map_err(|error| Problem::of(&error, &self.region, &object.address))
    }

    /// Whether the object that is there is the one that was just sent.
    async fn is_ours(&self, address: &Address, mark: &str) -> bool {
        let head = self.client.head_object().bucket(&address.bucket).key(&address.key);
        let Ok(found) = head.send().await else { return false };
        found.metadata.is_some_and(|metadata| metadata.get(MARK).is_some_and(|m| m == mark))
    }
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn unreadable(object: &NewObject, error: &(dyn std::error::Error + 'static)) -> Problem {
    let place = match &object.body {
        Body::Bytes(_) => object.address.to_string(),
        Body::File(path) => path.display().to_string(),
    };
    Problem::Broken { reason: format!("{place}: {}", chain(error)) }
}
