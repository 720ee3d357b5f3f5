//! Vectors of x86-64: AVX2 and AVX-512.

#![allow(
    unsafe_code,
    reason = "instructions that not every processor has: each is used only below the function \
              that is called when it has them"
)]

use std::arch::{
    is_x86_feature_detected,
    x86_64::{
        __m256i, __m512i, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi32,
        _mm256_sllv_epi32, _mm256_srlv_epi32, _mm256_storeu_si256, _mm256_xor_si256,
        _mm512_and_si512, _mm512_loadu_si512, _mm512_or_si512, _mm512_rolv_epi32,
        _mm512_set1_epi32, _mm512_sllv_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32,
        _mm512_xor_si512,
    },
};

use super::{States, Vector, Work, perform as perform_in};

/// Does it in vectors of one kind; hands the work back when this processor does not have them.
type Kind = for<'a, 'b> fn(&mut States, Work<'a, 'b>) -> Option<Work<'a, 'b>>;

/// The kinds of vectors, the best one first.
pub const KINDS: [Kind; 2] = [
    |states, work| {
        if !is_x86_feature_detected!("avx512f") {
            return Some(work);
        }
        // SAFETY: the processor has it.
        unsafe { avx512(states, work) };
        None
    },
    |states, work| {
        if !is_x86_feature_detected!("avx2") {
            return Some(work);
        }
        // SAFETY: the processor has it.
        unsafe { avx2(states, work) };
        None
    },
];

#[target_feature(enable = "avx512f")]
fn avx512(states: &mut States, work: Work<'_, '_>) {
    perform_in::<16, Avx512>(states, work);
}

#[target_feature(enable = "avx2")]
fn avx2(states: &mut States, work: Work<'_, '_>) {
    perform_in::<8, Avx2>(states, work);
}

/// Used only below [`avx2`].
#[derive(Clone, Copy)]
struct Avx2(__m256i);

/// Used only below [`avx512`].
#[derive(Clone, Copy)]
struct Avx512(__m512i);

const _: () = assert!(size_of::<__m256i>() == size_of::<[u32; 8]>());
const _: () = assert!(size_of::<__m512i>() == size_of::<[u32; 16]>());

// SAFETY, for every method: a vector of this kind exists only below the function that is called
// when the processor has the instructions.
impl Vector<8> for Avx2 {
    #[inline(always)]
    fn load(word: [u32; 8]) -> Self {
        // SAFETY: a word is as long as the vector, and may be aligned in any way.
        Self(unsafe { _mm256_loadu_si256(word.as_ptr().cast()) })
    }
    #[inline(always)]
    fn store(self) -> [u32; 8] {
        let mut word = [0; 8];
        // SAFETY: as in `load`.
        unsafe { _mm256_storeu_si256(word.as_mut_ptr().cast(), self.0) };
        word
    }
    #[inline(always)]
    fn splat(bits: u32) -> Self {
        Self(unsafe { _mm256_set1_epi32(bits.cast_signed()) })
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(unsafe { _mm256_and_si256(self.0, other.0) })
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(unsafe { _mm256_or_si256(self.0, other.0) })
    }
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        self.xor(b).xor(c)
    }
    #[inline(always)]
    fn shift<const BITS: u32>(self) -> Self {
        Self(unsafe { _mm256_sllv_epi32(self.0, Self::splat(BITS).0) })
    }
    #[inline(always)]
    fn rotate<const BITS: u32>(self) -> Self {
        let right = unsafe { _mm256_srlv_epi32(self.0, Self::splat(32 - BITS).0) };
        self.shift::<BITS>().or(Self(right))
    }
}

// SAFETY, for every method: a vector of this kind exists only below the function that is called
// when the processor has the instructions.
impl Vector<16> for Avx512 {
    #[inline(always)]
    fn load(word: [u32; 16]) -> Self {
        // SAFETY: a word is as long as the vector, and may be aligned in any way.
        Self(unsafe { _mm512_loadu_si512(word.as_ptr().cast()) })
    }
    #[inline(always)]
    fn store(self) -> [u32; 16] {
        let mut word = [0; 16];
        // SAFETY: as in `load`.
        unsafe { _mm512_storeu_si512(word.as_mut_ptr().cast(), self.0) };
        word
    }
    #[inline(always)]
    fn splat(bits: u32) -> Self {
        Self(unsafe { _mm512_set1_epi32(bits.cast_signed()) })
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(unsafe { _mm512_and_si512(self.0, other.0) })
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(unsafe { _mm512_or_si512(self.0, other.0) })
    }
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        // the table of an exclusive or of three
        Self(unsafe { _mm512_ternarylogic_epi32::<0x96>(self.0, b.0, c.0) })
    }
    #[inline(always)]
    fn shift<const BITS: u32>(self) -> Self {
        Self(unsafe { _mm512_sllv_epi32(self.0, Self::splat(BITS).0) })
    }
    #[inline(always)]
    fn rotate<const BITS: u32>(self) -> Self {
        Self(unsafe { _mm512_rolv_epi32(self.0, Self::splat(BITS).0) })
    }
}
