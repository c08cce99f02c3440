//! The only module that prints. Data goes to stdout, talk to stderr; a closed pipe is success.

use std::io::{self, IsTerminal, Write};

use crate::exit::{BUG, Failure};

/// Stdout for data.
pub(crate) struct Out(io::BufWriter<io::StdoutLock<'static>>);

impl Out {
    /// Stdout, buffered and locked.
    pub(crate) fn new() -> Self {
        Self(io::BufWriter::with_capacity(64 << 10, io::stdout().lock()))
    }

    /// One line of data.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> Result<(), Failure> {
        writeln!(self.0, "{text}").map_err(|e| written(&e))
    }

    /// What [`write`] leaves on stdout.
    pub(crate) fn with<E: std::fmt::Display>(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), Failure> {
        let mut sink = Sink { out: &mut self.0, error: None };
        let result = write(&mut sink);
        match (sink.error, result) {
            (Some(error), _) => Err(written(&error)),
            (None, Err(error)) => Err(Failure::bug(error)),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Hands everything to the system.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(|e| written(&e))
    }
}

/// Keeps the system's error, so that a closed pipe is recognised behind a library's own error type.
struct Sink<'a, W: Write> {
    out: &'a mut W,
    error: Option<io::Error>,
}

impl<W: Write> Write for Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).map_err(|e| {
            let copy = io::Error::new(e.kind(), e.to_string());
            self.error = Some(e);
            copy
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A reader that went away wants no more: success without words. Anything else is an error.
fn written(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::silent(0);
    }
    Failure::new(crate::exit::CANNOT_WRITE, format_args!("cannot write to stdout: {error}"))
}

/// Whether a person looks at stdout.
pub(crate) fn to_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person looks at stderr.
pub(crate) fn talks_to_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Says something to the person, beside the data.
#[expect(clippy::print_stderr, reason = "this is the module that prints")]
pub(crate) fn say(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Tells a failure: what happened and where, then the hint.
pub(crate) fn tell(failure: &Failure) {
    if !failure.message.is_empty() {
        say(format_args!("error: {}", failure.message));
    }
    if let Some(hint) = &failure.hint {
        say(format_args!("hint: {hint}"));
    }
    if failure.exit == BUG {
        say(format_args!("version: {}", env!("CARGO_PKG_VERSION")));
    }
}
