//! placeholder
use datafusion as _;
