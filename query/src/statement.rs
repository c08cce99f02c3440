//! Which statements a session runs: those that only read its tables.

use datafusion::execution::context::SQLOptions;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;

use crate::error::Error;
use crate::limits::SQL_BYTES_MAX;

/// Refuses a text that is too long to parse.
pub(crate) fn check_text(sql: &str) -> Result<(), Error> {
    match sql.len() {
        0..=SQL_BYTES_MAX => Ok(()),
        long => Err(Error::query(format!("the query has {long} bytes, more than {SQL_BYTES_MAX}"))),
    }
}

/// Lets through queries, `explain` of queries, `show` and `describe`.
pub(crate) fn check(statement: &Statement) -> Result<(), Error> {
    let allowed = match statement {
        Statement::Statement(sql) => reads(sql),
        Statement::Explain(explain) => return check(&explain.statement),
        _ => false,
    };
    if allowed {
        return Ok(());
    }
    Err(Error::query("only statements that read are allowed")
        .with_hint("use select, with, values, explain, describe, show tables or show columns"))
}

fn reads(sql: &Sql) -> bool {
    matches!(
        sql,
        Sql::Query(_)
            | Sql::ExplainTable { .. }
            | Sql::ShowTables { .. }
            | Sql::ShowColumns { .. }
            | Sql::ShowFunctions { .. }
            | Sql::ShowVariable { .. }
    ) || matches!(sql, Sql::Explain { statement, .. } if reads(statement))
}

/// The engine's own check, of the whole plan: a second lock on the same door.
pub(crate) fn read_only() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}
