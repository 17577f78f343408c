//! Memory for books, as the engine reserves it: shared by the benches.

use tickspin_host::memory::Table;
use tickspin_hot::book::{Book, BookMemory, BookSize, InstrumentSlot, Level, OrderSlot};

pub(crate) struct Memory {
    orders: Table<OrderSlot>,
    levels: Table<Level>,
    instruments: Table<InstrumentSlot>,
}

impl Memory {
    pub(crate) fn new(size: BookSize, huge: bool) -> Memory {
        Memory {
            orders: Table::new(size.order_slots(), huge).expect("memory"),
            levels: Table::new(size.level_slots(), huge).expect("memory"),
            instruments: Table::new(size.instrument_slots(), huge).expect("memory"),
        }
    }

    pub(crate) fn book(&mut self) -> Book<'_> {
        let memory = BookMemory {
            orders: self.orders.as_mut_slice(),
            levels: self.levels.as_mut_slice(),
            instruments: self.instruments.as_mut_slice(),
        };
        Book::new(memory, 7).expect("sizes from BookSize")
    }
}
