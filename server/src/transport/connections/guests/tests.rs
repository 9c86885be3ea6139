use std::net::Ipv4Addr;

use futures::FutureExt;

use super::*;

fn bounds(most: usize, strangers_per_address: usize) -> Bounds {
    Bounds { most, strangers_per_address, patience: Duration::from_secs(30) }
}

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(n).into()
}

/// Those who come one after another, each from the address of that number.
fn entered(guests: &Arc<Guests>, bounds: Bounds, from: &[u32]) -> Vec<Place> {
    from.iter().map(|from| guests.try_enter(address(*from), bounds).unwrap()).collect()
}

/// Who has to go.
fn leaving(places: &[Place]) -> Vec<usize> {
    (0..places.len()).filter(|at| places[*at].0.gives_way.is_cancelled()).collect()
}

#[test]
fn where_all_places_are_taken_the_oldest_of_whoever_has_the_most_gives_way() {
    for (from, gives_way) in
        [(&[1, 2, 2, 3, 2][..], 1), (&[1, 2, 3, 4, 5], 0), (&[7, 7, 7, 7, 7], 0), (&[1, 1, 2, 2, 2], 2)]
    {
        let guests = Arc::<Guests>::default();
        let places = entered(&guests, bounds(5, 5), from);
        assert_eq!(leaving(&places), [0; 0]);
        let _new = guests.try_enter(address(9), bounds(5, 5)).unwrap();
        assert_eq!(leaving(&places), [gives_way], "{from:?}");
    }
}

#[test]
fn who_has_shown_a_token_counts_with_its_agent_and_goes_after_strangers() {
    let guests = Arc::<Guests>::default();
    let places = entered(&guests, bounds(5, 5), &[1, 1, 1, 1, 1]);
    for (place, agent) in places.iter().zip(["a", "b", "a", "a"]) {
        place.0.is_known_as(agent);
    }
    let mut new = entered(&guests, bounds(5, 5), &[9]);
    assert_eq!(leaving(&places), [0], "agent a has three");
    new.extend(entered(&guests, bounds(5, 5), &[9]));
    assert_eq!(leaving(&places), [0, 2], "and then two still, and 9 one");
    new.extend(entered(&guests, bounds(5, 5), &[8]));
    assert_eq!((leaving(&places), leaving(&new)), (vec![0, 2], vec![0]), "9 has two, a stranger");
    new.extend(entered(&guests, bounds(5, 5), &[7]));
    assert_eq!(leaving(&places), [0, 2, 4], "all have one, and strangers go first, the oldest of them");
}

#[test]
fn for_whom_somebody_works_stays_and_the_next_one_waits() {
    let guests = Arc::<Guests>::default();
    let places = entered(&guests, bounds(2, 2), &[1, 1]);
    let busy: Vec<_> = places.iter().map(|place| place.0.busy()).collect();
    let again = places[0].0.busy();
    assert!(guests.try_enter(address(2), bounds(2, 2)).is_none());
    let mut next = Box::pin(guests.enter(address(2), || bounds(2, 2)));
    assert!(next.as_mut().now_or_never().is_none());
    let mut busy = busy.into_iter();
    drop(busy.next());
    assert!(next.as_mut().now_or_never().is_none(), "somebody works for it still");
    drop(again);
    assert!(next.as_mut().now_or_never().is_some());
    assert_eq!(leaving(&places), [0]);
}

#[test]
fn an_address_has_so_many_strangers_and_its_known_ones_do_not_count() {
    let guests = Arc::<Guests>::default();
    let most = bounds(100, 3);
    let places = entered(&guests, most, &[1, 1, 1, 2]);
    places[1].0.is_known_as("laptop");
    let mut new = entered(&guests, most, &[1]);
    assert_eq!(leaving(&places), [0; 0]);
    new.extend(entered(&guests, most, &[1]));
    assert_eq!(leaving(&places), [0]);
    let _busy = places[2].0.busy();
    new.extend(entered(&guests, most, &[1]));
    assert_eq!(leaving(&places), [0, 2], "whatever it waits for");
}

#[test]
fn nothing_is_kept_of_those_who_have_gone() {
    let guests = Arc::<Guests>::default();
    let mut places = entered(&guests, bounds(3, 3), &[1, 2, 3]);
    places[1].0.is_known_as("laptop");
    places.extend(entered(&guests, bounds(3, 3), &[4]));
    places[0].0.is_known_as("too late");
    assert_eq!(guests.table().open.len(), 3);
    drop(places);
    let table = guests.table();
    assert_eq!((table.open.len(), table.counts.len()), (0, 0));
}
