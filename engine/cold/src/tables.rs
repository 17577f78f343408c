//! The memory that the pinned loop borrows: mapped, formatted and prefaulted before it starts,
//! alive until after it has ended.

use crate::error::EngineError;
use tickspin_host::memory::Table;
use tickspin_hot::book::{BookMemory, BookSize, InstrumentSlot, Level, OrderSlot};
use tickspin_hot::orders::OwnOrder;
use tickspin_hot::risk::Exposure;
use tickspin_hot::strategy::market_maker::MakerSlot;

/// All tables of one loop.
pub struct Tables {
    orders: Table<OrderSlot>,
    levels: Table<Level>,
    instruments: Table<InstrumentSlot>,
    exposures: Table<Exposure>,
    own_orders: Table<OwnOrder>,
    quotes: Table<MakerSlot>,
}

/// The tables, borrowed for one loop.
pub struct Borrowed<'m> {
    /// For the books.
    pub book: BookMemory<'m>,
    /// For the gate.
    pub exposures: &'m mut [Exposure],
    /// For own orders.
    pub own_orders: &'m mut [OwnOrder],
    /// For the market maker.
    pub quotes: &'m mut [MakerSlot],
}

/// How many bytes they take.
#[must_use]
pub const fn bytes(size: &BookSize, own_orders: usize) -> usize {
    size.bytes()
        + size.instruments * (size_of::<Exposure>() + size_of::<MakerSlot>())
        + own_orders * size_of::<OwnOrder>()
}

impl Tables {
    /// Maps and populates all of them.
    ///
    /// # Errors
    /// The machine has not that much memory.
    pub fn new(size: &BookSize, own_orders: usize, huge: bool) -> Result<Tables, EngineError> {
        let named = |what| move |source| EngineError::Memory { what, source };
        Ok(Tables {
            orders: Table::new(size.order_slots(), huge).map_err(named("the order table"))?,
            levels: Table::new(size.level_slots(), huge).map_err(named("price levels"))?,
            instruments: Table::new(size.instrument_slots(), huge).map_err(named("instruments"))?,
            exposures: Table::new(size.instruments, huge).map_err(named("exposures"))?,
            own_orders: Table::new(own_orders, huge).map_err(named("own orders"))?,
            quotes: Table::new(size.instruments, huge).map_err(named("quotes"))?,
        })
    }

    /// What pages they got, one line.
    #[must_use]
    pub fn pages(&self) -> String {
        format!(
            "orders in {}, levels in {}, instruments in {}, exposures in {}, own orders in {}, \
             quotes in {}",
            self.orders.pages(),
            self.levels.pages(),
            self.instruments.pages(),
            self.exposures.pages(),
            self.own_orders.pages(),
            self.quotes.pages(),
        )
    }

    /// For one loop.
    pub fn borrow(&mut self) -> Borrowed<'_> {
        Borrowed {
            book: BookMemory {
                orders: self.orders.as_mut_slice(),
                levels: self.levels.as_mut_slice(),
                instruments: self.instruments.as_mut_slice(),
            },
            exposures: self.exposures.as_mut_slice(),
            own_orders: self.own_orders.as_mut_slice(),
            quotes: self.quotes.as_mut_slice(),
        }
    }
}
