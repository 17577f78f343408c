//! Each kind of request, each rejection.
