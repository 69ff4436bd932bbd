//! A value that never prints itself, in any build, and is wiped from memory when it is dropped.

use std::fmt;
use zeroize::Zeroize;

/// Holds a password, token or key. `Debug` and `Display` show `<hidden>`; only [`Secret::reveal`] gives the value. Wiped are the bytes
/// that it holds at its end; copies that somebody made, and what a growing value left behind, are not.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    pub fn new(value: T) -> Self {
        Secret(value)
    }

    /// The value, for the one place that sends or checks it.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn never_prints_itself() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "<hidden> <hidden> Some(<hidden>)");
        assert_eq!(*secret.reveal(), "hunter2");
    }

    #[test]
    fn is_wiped_at_its_end() {
        struct Seen(Rc<RefCell<Vec<u8>>>);
        impl Zeroize for Seen {
            fn zeroize(&mut self) {
                self.0.borrow_mut().fill(0);
            }
        }
        let bytes = Rc::new(RefCell::new(b"hunter2".to_vec()));
        drop(Secret::new(Seen(Rc::clone(&bytes))));
        assert_eq!(*bytes.borrow(), [0; 7]);
    }
}
