//! Vectors of x86-64: AVX2, and what AVX-512 adds to vectors of the same width.

#![allow(
    unsafe_code,
    reason = "instructions that not every processor has: each is used only below the function \
              that is called when it has them"
)]

use std::arch::{
    is_x86_feature_detected,
    x86_64::{
        __m256i, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_rolv_epi32,
        _mm256_set1_epi32, _mm256_sllv_epi32, _mm256_srlv_epi32, _mm256_storeu_si256,
        _mm256_ternarylogic_epi32, _mm256_xor_si256,
    },
};

use super::{LANES, States, Vector, Word, Work, perform as perform_in};

/// Does it in the best vectors of this processor; hands the work back when it has none.
pub fn perform<'a, 'b>(states: &mut States, work: Work<'a, 'b>) -> Option<Work<'a, 'b>> {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
        // SAFETY: the processor has both.
        unsafe { avx512(states, work) }
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        unsafe { avx2(states, work) }
    } else {
        return Some(work);
    }
    None
}

#[target_feature(enable = "avx512f,avx512vl")]
fn avx512(states: &mut States, work: Work<'_, '_>) {
    perform_in::<Avx512>(states, work);
}

#[target_feature(enable = "avx2")]
fn avx2(states: &mut States, work: Work<'_, '_>) {
    perform_in::<Avx2>(states, work);
}

/// Used only below [`avx2`].
#[derive(Clone, Copy)]
struct Avx2(__m256i);

/// Used only below [`avx512`].
#[derive(Clone, Copy)]
struct Avx512(__m256i);

const _: () = assert!(size_of::<Word>() == size_of::<__m256i>() && LANES == 8);

// SAFETY, for every method: a vector of this kind exists only below the function that is called
// when the processor has the instructions.
impl Vector for Avx2 {
    #[inline(always)]
    fn load(word: Word) -> Self {
        // SAFETY: a word is as long as the vector, and may be aligned in any way.
        Self(unsafe { _mm256_loadu_si256(word.as_ptr().cast()) })
    }
    #[inline(always)]
    fn store(self) -> Word {
        let mut word = [0; LANES];
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
    fn shift<const N: u32>(self) -> Self {
        Self(unsafe { _mm256_sllv_epi32(self.0, Self::splat(N).0) })
    }
    #[inline(always)]
    fn rotate<const N: u32>(self) -> Self {
        let right = unsafe { _mm256_srlv_epi32(self.0, Self::splat(32 - N).0) };
        self.shift::<N>().or(Self(right))
    }
}

// SAFETY, for every method: a vector of this kind exists only below the function that is called
// when the processor has the instructions.
impl Vector for Avx512 {
    #[inline(always)]
    fn load(word: Word) -> Self {
        // SAFETY: a word is as long as the vector, and may be aligned in any way.
        Self(unsafe { _mm256_loadu_si256(word.as_ptr().cast()) })
    }
    #[inline(always)]
    fn store(self) -> Word {
        let mut word = [0; LANES];
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
        // the table of an exclusive or of three
        Self(unsafe { _mm256_ternarylogic_epi32::<0x96>(self.0, b.0, c.0) })
    }
    #[inline(always)]
    fn shift<const N: u32>(self) -> Self {
        Self(unsafe { _mm256_sllv_epi32(self.0, Self::splat(N).0) })
    }
    #[inline(always)]
    fn rotate<const N: u32>(self) -> Self {
        Self(unsafe { _mm256_rolv_epi32(self.0, Self::splat(N).0) })
    }
}
