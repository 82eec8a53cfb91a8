//! One input: receives, checks, enters into the ledger, and says it again on `echo` when asked to.
//! It never stops for a bad message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use offboard::{Array, Error, Name, Node, Publisher, RawMessage, RawSubscriber, Result, clock};
use tokio::time::sleep;

use crate::{
    content::Check,
    ledger::Ledger,
    params::{Params, Read},
    trouble::Work,
};

/// The ledgers of all inputs, in the order of the wiring.
#[derive(Debug, Default)]
pub(crate) struct Ledgers(Mutex<Vec<(String, Ledger)>>);

impl Ledgers {
    /// Empty ledgers for these inputs.
    pub(crate) fn new(inputs: impl Iterator<Item = String>) -> Ledgers {
        Ledgers(Mutex::new(inputs.map(|input| (input, Ledger::default())).collect()))
    }

    /// All of them.
    pub(crate) fn all(&self) -> MutexGuard<'_, Vec<(String, Ledger)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener to one input.
pub(crate) struct Listener {
    /// Its place among the inputs.
    at: usize,
    messages: RawSubscriber,
    echo: Option<Publisher<Array>>,
    params: Arc<Params>,
    ledgers: Arc<Ledgers>,
    work: Arc<Work>,
}

impl Listener {
    /// Opens the input number `at`, and the echo when it is the one to be echoed.
    pub(crate) async fn open(
        (node, at, input): (&Node, usize, &str),
        params: &Arc<Params>,
        ledgers: &Arc<Ledgers>,
        work: &Arc<Work>,
    ) -> Result<Listener> {
        let messages = node.subscribe_raw(input).await?;
        let echo = if params.echo.as_deref() == Some(input) { Some(node.publish("echo").await?) } else { None };
        let (params, ledgers, work) = (params.clone(), ledgers.clone(), work.clone());
        Ok(Listener { at, messages, echo, params, ledgers, work })
    }

    /// Listens until the node is asked to stop.
    pub(crate) async fn run(mut self) -> Result<()> {
        loop {
            match self.read().await {
                Ok(Some(message)) => self.take(&message).await?,
                Ok(None) => return Ok(()),
                Err(Error::Silent { .. }) => self.ledgers.all()[self.at].1.silent += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn read(&mut self) -> Result<Option<RawMessage>> {
        match self.params.read {
            Read::Next => self.messages.next().await,
            Read::Latest => self.messages.latest().await,
        }
    }

    async fn take(&mut self, message: &RawMessage) -> Result<()> {
        let now_ns = clock::now_ns();
        if let Some(echo) = &mut self.echo
            && let Ok(array) = message.decode::<Array>()
        {
            echo.send_from(&array, array.body.clone()).await?;
        }
        let good = is_good(self.params.check, message);
        self.ledgers.all()[self.at].1.enter(&message.header, message.payload.len(), good, now_ns);
        self.work.count();
        if !self.params.slow.0.is_zero() {
            sleep(self.params.slow.0).await;
        }
        Ok(())
    }
}

/// Whether an array is as it was sent; other types are only counted.
fn is_good(check: Check, message: &RawMessage) -> bool {
    if check == Check::None || message.is_no_data() || message.header.r#type != Array::full_name() {
        return true;
    }
    message.decode::<Array>().is_ok_and(|array| check.passes(&array, message.header.seq))
}
