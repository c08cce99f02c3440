//! What only shows across crates, in one binary, since each one links all of DataFusion.

mod tidy;
mod tool;
