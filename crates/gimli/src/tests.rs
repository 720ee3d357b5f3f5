//! The published test vector, and that all kinds of vectors agree.

use super::*;

/// States that differ from lane to lane.
fn states() -> States {
    let mut states = States::zero();
    for lane in 0..LANES {
        let bytes: Vec<u8> = (0..BLOCK).map(|i| (i * 37 + lane * 101) as u8).collect();
        states.add(lane, 0, &bytes);
    }
    states
}

#[test]
fn the_published_vector() {
    // the reference implementation's test: word i is i*i*i + i*0x9e3779b9
    let mut states = States::zero();
    for i in 0..12_u32 {
        let word = (i * i * i).wrapping_add(i.wrapping_mul(0x9e37_79b9));
        states.add_to_all(4 * i as usize, &word.to_le_bytes());
    }
    dispatch(&mut states, Work::Permute);
    let expected: [u32; 12] = [
        0xba11_c85a,
        0x91ba_d119,
        0x380c_e880,
        0xd24c_2c68,
        0x3ece_ffea,
        0x277a_921c,
        0x4f73_a0bd,
        0xda5a_9cd8,
        0x84b6_73f0,
        0x34e5_2ff7,
        0x9e2b_ef49,
        0xf41b_b8d6,
    ];
    for (word, expected) in states.0.iter().zip(expected) {
        assert_eq!(*word, [expected; LANES]);
    }
}

#[test]
fn all_vectors_agree_with_plain_numbers() {
    let plain = |states: &mut States, work: Work<'_, '_>| perform::<1, [u32; 1]>(states, work);
    for duty in [Duty::Encrypt, Duty::Decrypt] {
        let expected = after(duty, plain);
        let fast = |states: &mut States, work: Work<'_, '_>| dispatch(states, work);
        assert!(after(duty, fast) == expected, "{duty:?}");
        let small = |states: &mut States, work: Work<'_, '_>| perform::<4, [u32; 4]>(states, work);
        assert!(after(duty, small) == expected, "{duty:?}");
        #[cfg(target_arch = "x86_64")]
        for kind in x86::KINDS {
            let found = after(duty, |states, work| {
                // a kind that this processor does not have
                if let Some(work) = kind(states, work) {
                    plain(states, work);
                }
            });
            assert!(found == expected, "{duty:?}");
        }
        assert!(expected.1 != text(), "{duty:?}");
    }
}

/// The states and the text after ten blocks.
fn after(duty: Duty, perform: impl Fn(&mut States, Work<'_, '_>)) -> ([Word; BLOCK / 4], Vec<u8>) {
    let (mut states, mut text) = (states(), text());
    let mut messages = parts(&mut text);
    let work = Work::Blocks {
        messages: &mut messages,
        count: 10,
        duty,
        tag: 2,
    };
    perform(&mut states, work);
    (states.0, text)
}

fn text() -> Vec<u8> {
    (0..LANES * 160).map(|i| (i * 11) as u8).collect()
}

#[test]
fn stretching_is_turns_of_the_permutation() {
    let mut state: [u8; BLOCK] = std::array::from_fn(|i| (i * 37) as u8);
    let mut slow = States::zero();
    slow.add_to_all(0, &state);
    slow.step(1);
    for turn in 0..3_u64 {
        let mut rate = [0; RATE];
        slow.copy(0, 0, &mut rate);
        slow.add_to_all(0, &rate);
        slow.add_to_all(0, &turn.to_le_bytes());
        slow.step(0);
    }
    stretch(&mut state, 3);
    let mut expected = [0; BLOCK];
    slow.copy(0, 0, &mut expected);
    assert_eq!(state, expected);
}

#[test]
fn a_lane_does_not_see_the_others() {
    let mut together = states();
    let mut long = vec![1; 16 * 9 + 3];
    let mut short = vec![2; 5];
    let mut messages: [&mut [u8]; LANES] = std::array::from_fn(|_| &mut [][..]);
    messages[0] = &mut long;
    messages[4] = &mut short;
    together.run(&mut messages, Duty::Encrypt, 2, 0);
    let mut alone = states();
    let mut again = vec![2; 5];
    let mut messages: [&mut [u8]; LANES] = std::array::from_fn(|_| &mut [][..]);
    messages[4] = &mut again;
    alone.run(&mut messages, Duty::Encrypt, 2, 0);
    assert_eq!(short, again);
    let of = |states: &States, lane: usize| states.0.map(|word| word[lane]);
    assert_eq!(of(&together, 4), of(&alone, 4));
    assert_eq!(of(&together, 7), of(&alone, 7));
    assert_ne!(of(&together, 0), of(&alone, 0));
}

fn parts(text: &mut [u8]) -> [&mut [u8]; LANES] {
    let mut parts = text.chunks_mut(160);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
