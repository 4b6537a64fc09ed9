//! Why S3 did not do what was asked, told apart by what has to be done about it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::Address;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No credentials were found, or those found cannot be read.
    NoCredentials {
        /// What the sources said.
        reason: String,
    },
    /// The credentials are no longer valid.
    Expired,
    /// The credentials are not known to the server, or the secret key is wrong.
    BadCredentials {
        /// The server's word for it.
        code: String,
    },
    /// 403. S3 says this too of a key that is not there, unless the bucket may be listed.
    Forbidden {
        /// What was asked for.
        address: Address,
    },
    /// There is no such bucket.
    NoBucket {
        /// Its name.
        bucket: String,
    },
    /// There is no such key.
    NoKey {
        /// What was asked for.
        address: Address,
    },
    /// The bucket is in another region.
    WrongRegion {
        /// Its name.
        bucket: String,
        /// Where it was looked for.
        asked: String,
        /// Where it is, if the server told.
        actual: Option<String>,
    },
    /// There is an object under the key already.
    Exists {
        /// The key.
        address: Address,
    },
    /// The server was not reached, or the connection broke, in every attempt.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// It was not done in the time that there was.
    TooSlow {
        /// That time.
        within: Duration,
    },
    /// The server refused, in every attempt where there was hope.
    Refused {
        /// Its status and its words.
        reason: String,
    },
    /// Something here: a file that cannot be read, an answer that cannot be understood.
    Broken {
        /// What.
        reason: String,
    },
}

impl Problem {
    /// What an error of the SDK means.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>, region: &str, address: &Address) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let Some(response) = error.raw_response() else {
            return match error {
                SdkError::ConstructionFailure(_) => Self::Broken { reason: chain(error) },
                _ if chain(error).contains("credentials") => {
                    Self::NoCredentials { reason: chain(error) }
                }
                _ => Self::Unreachable { reason: chain(error) },
            };
        };
        let status = response.status().as_u16();
        let code = error.code().unwrap_or_default();
        let actual = response.headers().get("x-amz-bucket-region").map(str::to_owned);
        let is_redirect = status == 301 || status == 307;
        let is_elsewhere = actual.as_deref().is_some_and(|actual| actual != region);
        let bucket = address.bucket.clone();
        match code {
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Self::Expired,
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" => {
                Self::BadCredentials { code: code.to_owned() }
            }
            "NoSuchBucket" => Self::NoBucket { bucket },
            "NoSuchKey" => Self::NoKey { address: address.clone() },
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => {
                Self::WrongRegion { bucket, asked: region.to_owned(), actual }
            }
            _ if is_redirect || (is_elsewhere && status < 500) => {
                Self::WrongRegion { bucket, asked: region.to_owned(), actual }
            }
            "PreconditionFailed" => Self::Exists { address: address.clone() },
            _ if status == 412 => Self::Exists { address: address.clone() },
            _ if status == 403 => Self::Forbidden { address: address.clone() },
            _ if status == 404 => Self::NoKey { address: address.clone() },
            _ => {
                let words = error.message().unwrap_or_default();
                Self::Refused { reason: format!("{status} {code} {words}").trim().to_owned() }
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials { reason } => write!(
                f,
                "no AWS credentials were found ({reason}); on ECS the task definition needs a \
                 taskRoleArn, elsewhere set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ),
            Self::Expired => f.write_str(
                "the AWS credentials have expired; sign in again, or give the task a role, whose \
                 credentials are renewed",
            ),
            Self::BadCredentials { code } => write!(
                f,
                "the AWS credentials are not accepted ({code}); check AWS_ACCESS_KEY_ID, \
                 AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
            ),
            Self::Forbidden { address } => write!(
                f,
                "{address}: access denied (403); the role needs s3:GetObject and s3:PutObject on \
                 arn:aws:s3:::{}/*, and S3 says the same of a key that is not there",
                address.bucket
            ),
            Self::NoBucket { bucket } => {
                write!(f, "there is no bucket {bucket} (404); check S3_BUCKET and the account")
            }
            Self::NoKey { address } => {
                write!(f, "{address}: there is no such object (404); check the name")
            }
            Self::WrongRegion { bucket, asked, actual: Some(actual) } => write!(
                f,
                "bucket {bucket} is in {actual}, and was looked for in {asked}; set \
                 AWS_REGION={actual}"
            ),
            Self::WrongRegion { bucket, asked, actual: None } => write!(
                f,
                "bucket {bucket} is not in {asked}; set AWS_REGION to the bucket's region"
            ),
            Self::Exists { address } => {
                write!(f, "{address}: there is an object already, and nothing is overwritten")
            }
            Self::Unreachable { reason } => {
                write!(f, "S3 cannot be reached: {reason}; check network, proxy and endpoint")
            }
            Self::TooSlow { within } => write!(f, "S3 took longer than {within:?}"),
            Self::Refused { reason } => write!(f, "S3 refused: {reason}"),
            Self::Broken { reason } => f.write_str(reason),
        }
    }
}

impl Error for Problem {}

/// An error with its causes, each once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
