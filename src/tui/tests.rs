//! Journeys: keys in, screen and state out.

use super::desk::Desk;
use super::face::Face;
use super::sample;

#[test]
fn print() {
    for keys in ["", "jjjjjjj<enter>", "3", "4", "5"] {
        let mut desk = Desk::sample();
        desk.keys(keys);
        println!("{}", desk.screen());
    }
    let mut desk = Desk::with(120, 40, Face::PLAIN, sample::picture());
    println!("{}", desk.screen());
    desk.keys("?");
    println!("{}", desk.screen());
}
