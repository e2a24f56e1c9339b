//! A terminal for tests and screenshots: a program in a pty, its screen, keys as text.
