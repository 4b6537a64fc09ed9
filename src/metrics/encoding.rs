//! Histograms as data: an object with the figures that people read, and the counts as HDR V2 in
//! base64, which every HdrHistogram tool reads.
//!
//! Only the exact figures and the counts are read back; percentiles are computed again. V2 is
//! written uncompressed: equal histograms are then equal bytes, whatever the version of zlib.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer as HdrReader, Serializer as _, V2Serializer};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::coarse::CoarseHistogram;
use super::histogram::{Count, Figures, Histogram, VALUE_US_MAX};
use super::percentile::is_carried;

/// Significant digits of [`Histogram`].
const DIGITS: u8 = 3;
/// Significant digits of [`CoarseHistogram`].
const DIGITS_COARSE: u8 = 2;

/// What a histogram looks like in `run.json`. Percentiles are null when there are too few samples.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Shape {
    count: u64,
    #[serde(default)]
    sum_us: u64,
    min_us: Option<u64>,
    #[serde(skip_deserializing)]
    p50_us: Option<u64>,
    #[serde(skip_deserializing)]
    p90_us: Option<u64>,
    #[serde(skip_deserializing)]
    p95_us: Option<u64>,
    #[serde(skip_deserializing)]
    p99_us: Option<u64>,
    #[serde(skip_deserializing)]
    p99_9_us: Option<u64>,
    max_us: Option<u64>,
    #[serde(default)]
    overflow: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hdr: Option<String>,
}

impl Shape {
    fn of(
        figures: &Figures,
        percentile_us: impl Fn(f64) -> Option<u64>,
        hdr: Option<String>,
    ) -> Self {
        let carried = |percentile| {
            is_carried(percentile, figures.count).then(|| percentile_us(percentile))?
        };
        let any = figures.count > 0;
        Self {
            count: figures.count,
            sum_us: figures.sum_us,
            min_us: any.then_some(figures.min_us),
            p50_us: carried(50.0),
            p90_us: carried(90.0),
            p95_us: carried(95.0),
            p99_us: carried(99.0),
            p99_9_us: carried(99.9),
            max_us: any.then_some(figures.max_us),
            overflow: figures.overflow,
            hdr,
        }
    }

    fn figures(&self) -> Figures {
        Figures {
            count: self.count,
            sum_us: self.sum_us,
            min_us: self.min_us.unwrap_or(Figures::NONE.min_us),
            max_us: self.max_us.unwrap_or(Figures::NONE.max_us),
            overflow: self.overflow,
        }
    }
}

/// The same counts in the `hdrhistogram` crate's type, for its exchange format.
pub fn to_hdr<C: Count>(histogram: &Histogram<C>) -> hdrhistogram::Histogram<u64> {
    hdr_of(histogram.counts(), DIGITS)
}

fn hdr_of(counts: impl Iterator<Item = (u64, u64)>, digits: u8) -> hdrhistogram::Histogram<u64> {
    let mut hdr = hdrhistogram::Histogram::new_with_bounds(1, VALUE_US_MAX, digits)
        .expect("the bounds are constants that the crate accepts");
    for (value_us, count) in counts {
        hdr.saturating_record_n(value_us, count);
    }
    hdr
}

fn base64_of(counts: impl Iterator<Item = (u64, u64)>, digits: u8) -> String {
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(&hdr_of(counts, digits), &mut bytes)
        .expect("writing into memory does not fail");
    STANDARD.encode(bytes)
}

/// Counts as (value in µs, count) from base64; errors are in the words of whoever reads the file.
fn counts_of(base64: &str, digits: u8) -> Result<Vec<(u64, u64)>, String> {
    let bytes = STANDARD.decode(base64).map_err(|error| format!("hdr is not base64: {error}"))?;
    let hdr: hdrhistogram::Histogram<u64> = HdrReader::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("hdr is not an HDR V2 histogram: {error}"))?;
    if (hdr.low(), hdr.high(), hdr.sigfig()) != (1, VALUE_US_MAX, digits) {
        return Err(format!(
            "hdr has the range {}..{} at {} digits, expected 1..{VALUE_US_MAX} at {digits}",
            hdr.low(),
            hdr.high(),
            hdr.sigfig()
        ));
    }
    Ok(hdr.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect())
}

fn read(shape: &Shape, digits: u8) -> Result<Vec<(u64, u64)>, String> {
    let counts = shape.hdr.as_deref().map_or(Ok(Vec::new()), |hdr| counts_of(hdr, digits))?;
    let total = counts.iter().fold(0_u64, |total, (_, count)| total.saturating_add(*count));
    if total != shape.count {
        return Err(format!("count is {}, but hdr holds {total} values", shape.count));
    }
    Ok(counts)
}

impl<C: Count> Serialize for Histogram<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hdr = (!self.is_empty()).then(|| base64_of(self.counts(), DIGITS));
        let percentile_us = |percentile| self.percentile_us(percentile);
        Shape::of(self.figures(), percentile_us, hdr).serialize(serializer)
    }
}

impl<'de, C: Count> Deserialize<'de> for Histogram<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = Shape::deserialize(deserializer)?;
        let counts = read(&shape, DIGITS).map_err(D::Error::custom)?;
        Ok(Self::from_counts(shape.figures(), counts.into_iter()))
    }
}

impl Serialize for CoarseHistogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hdr = (self.figures().count > 0).then(|| base64_of(self.counts(), DIGITS_COARSE));
        let percentile_us = |percentile| self.percentile_us(percentile);
        Shape::of(self.figures(), percentile_us, hdr).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CoarseHistogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = Shape::deserialize(deserializer)?;
        let counts = read(&shape, DIGITS_COARSE).map_err(D::Error::custom)?;
        Ok(Self::from_counts(shape.figures(), counts.into_iter()))
    }
}

/// The schema of both kinds of histogram is that of their shape.
#[cfg(test)]
macro_rules! schema_of_shape {
    ($name:literal, [$($generics:tt)*] $type:ty) => {
        impl $($generics)* schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                Shape::json_schema(generator)
            }
        }
    };
}

#[cfg(test)]
schema_of_shape!("Histogram", [<C: Count>] Histogram<C>);
#[cfg(test)]
schema_of_shape!("CoarseHistogram", [] CoarseHistogram);
