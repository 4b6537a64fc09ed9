//! What must hold of the reader for any bytes.
