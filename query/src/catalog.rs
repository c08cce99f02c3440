//! The tables of a session. Views are computed when they are first asked for, and then kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{DFSchema, TableReference};
use datafusion::datasource::MemTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::output::Rows;
use crate::views::{self, View};

/// Opens a context that shares this catalog, while the session lives.
pub(crate) type Reopen = Box<dyn Fn() -> Option<SessionContext> + Send + Sync>;

/// The one schema of a session: fixed tables and views.
pub(crate) struct Tables {
    fixed: BTreeMap<&'static str, Arc<dyn TableProvider>>,
    views: Vec<(View, OnceCell<Arc<dyn TableProvider>>)>,
    reopen: OnceLock<Reopen>,
}

impl Tables {
    /// The fixed tables, and all views over them.
    pub(crate) fn new(fixed: BTreeMap<&'static str, Arc<dyn TableProvider>>) -> Self {
        let views = views::all().into_iter().map(|view| (view, OnceCell::new())).collect();
        Self { fixed, views, reopen: OnceLock::new() }
    }

    /// Gives the views a context to run in. Before that no view can be read.
    pub(crate) fn connect(&self, reopen: Reopen) {
        // A second call would be a second session over one catalog, which `Session::open` never makes.
        let _ = self.reopen.set(reopen);
    }

    /// Computes view `at`.
    async fn compute(&self, at: usize) -> Result<Arc<dyn TableProvider>, Error> {
        let view = &self.views[at].0;
        let ctx = self.reopen.get().and_then(|reopen| reopen());
        let ctx = ctx.ok_or_else(|| Error::internal("the session of this catalog is closed"))?;
        let failed = |error: DataFusionError| Error::of_ours(error, view.name);
        self.check_order(&ctx, at).map_err(failed)?;
        let frame = ctx.sql(view.sql).await.map_err(failed)?;
        check_names(frame.schema()).map_err(failed)?;
        if !view.kept {
            return Ok(frame.into_view());
        }
        let planned = Arc::clone(frame.schema().inner());
        let rows = Rows::new(&planned, frame.collect().await.map_err(failed)?)?;
        Ok(Arc::new(MemTable::try_new(rows.schema, vec![rows.batches]).map_err(failed)?))
    }

    /// Refuses a view that reads itself or a later one: it would wait for itself for ever.
    fn check_order(&self, ctx: &SessionContext, at: usize) -> Result<()> {
        let state = ctx.state();
        let dialect = state.config_options().sql_parser.dialect;
        let statement = state.sql_to_statement(self.views[at].0.sql, &dialect)?;
        let read: Vec<TableReference> = state.resolve_table_references(&statement)?;
        match read.iter().find(|r| self.views[at..].iter().any(|(v, _)| v.name == r.table())) {
            Some(later) => {
                Err(DataFusionError::Plan(format!("reads `{later}`, which is not above it")))
            }
            None => Ok(()),
        }
    }
}

/// Refuses two columns of one name: a reader of the view would silently get the first.
fn check_names(schema: &DFSchema) -> Result<()> {
    let mut seen = BTreeSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        Some(field) => {
            Err(DataFusionError::Plan(format!("two columns are called `{}`", field.name())))
        }
        None => Ok(()),
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        let fixed = self.fixed.keys().copied();
        fixed.chain(self.views.iter().map(|(view, _)| view.name)).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.fixed.get(name) {
            return Ok(Some(Arc::clone(table)));
        }
        let Some(at) = self.views.iter().position(|(view, _)| view.name == name) else {
            return Ok(None);
        };
        let table = self.views[at].1.get_or_try_init(|| self.compute(at)).await;
        table.map(|table| Some(Arc::clone(table))).map_err(Error::into_engine)
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        let kind = if self.fixed.contains_key(name) { TableType::Base } else { TableType::View };
        Ok(self.table_exist(name).then_some(kind))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.fixed.contains_key(name) || self.views.iter().any(|(view, _)| view.name == name)
    }
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.table_names()).finish()
    }
}
