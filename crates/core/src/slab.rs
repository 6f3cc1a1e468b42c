//! Objects by dense index, with a generation so that a key to a removed object finds nothing.

use std::ops::Range;

use sfu_prefetch::prefetch_range;

/// Names one object of one slab, for as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

/// In this order, and from the start of a cache line: what a value has in front is read with the generation.
#[derive(Debug)]
#[repr(C, align(64))]
struct Slot<T> {
    generation: u32,
    place: Place<T>,
}

/// An `Option` whose tag is in front. That of `Option` may be anywhere in the value: where nobody else looks.
#[derive(Debug)]
#[repr(u32)]
enum Place<T> {
    Free,
    Taken(T),
}

impl<T> Place<T> {
    fn get(&self) -> Option<&T> {
        match self {
            Self::Free => None,
            Self::Taken(value) => Some(value),
        }
    }

    fn get_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Free => None,
            Self::Taken(value) => Some(value),
        }
    }

    fn take(&mut self) -> Option<T> {
        match std::mem::replace(self, Self::Free) {
            Self::Free => None,
            Self::Taken(value) => Some(value),
        }
    }
}

/// A vector with holes that are used again.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Inserts what knows its own key.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            let key = Key { index, generation: slot.generation };
            slot.place = Place::Taken(make(key));
            return key;
        }
        let key = Key { index: self.slots.len() as u32, generation: 0 };
        self.slots.push(Slot { generation: 0, place: Place::Taken(make(key)) });
        key
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)?;
        let value = slot.place.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation { slot.place.get() } else { None }
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation { slot.place.get_mut() } else { None }
    }

    /// Where in a slot the value begins: behind the generation and the tag, each in the place of its alignment.
    const VALUE_AT: usize = 2 * if align_of::<T>() > 4 { align_of::<T>() } else { 4 };

    /// Asks for these bytes of an object that will be needed soon, whether it is there or not, and for what [`Self::get`]
    /// reads of it.
    #[inline]
    pub fn prefetch(&self, key: Key, bytes: Range<usize>) {
        if let Some(slot) = self.slots.get(key.index as usize) {
            if bytes.start > 0 {
                prefetch_range(slot, 0..1);
            }
            prefetch_range(slot, bytes.start + Self::VALUE_AT..bytes.end.saturating_add(Self::VALUE_AT));
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of all slots, taken or not: [`Self::iter_span`] takes ranges of it.
    pub fn span(&self) -> usize {
        self.slots.len()
    }

    /// What is in these slots; slots that are not there are empty.
    pub fn iter_span(&self, span: Range<usize>) -> impl Iterator<Item = &T> {
        let end = span.end.min(self.slots.len());
        self.slots.get(span.start.min(end)..end).unwrap_or_default().iter().filter_map(|slot| slot.place.get())
    }

    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let value = slot.place.get()?;
            Some((Key { index: index as u32, generation: slot.generation }, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_to_a_removed_object_finds_nothing_even_when_its_place_is_taken() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert("b");
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&"b")));
        assert_eq!((slab.remove(first), slab.len()), (None, 1));
        assert_eq!(slab.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>(), [(second, "b")]);
    }
}
