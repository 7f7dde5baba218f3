// Differing bits of packed rows.
#pragma once
#include "level.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace goldpan {
namespace {

#if defined(__AVX512VPOPCNTDQ__)
uint32_t hamming(const uint64_t* panel, const uint64_t* query, size_t words, uint64_t limit, uint64_t* counts) {
    __m512i sum = _mm512_setzero_si512();
    for (size_t word = 0; word < words; ++word, panel += kBitPanel) {
        const __m512i differing = _mm512_xor_si512(_mm512_loadu_si512(panel), _mm512_set1_epi64(query[word]));
        sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(differing));
    }
    _mm512_storeu_si512(counts, sum);
    return _mm512_cmplt_epu64_mask(sum, _mm512_set1_epi64(limit));
}
#elif defined(__AVX2__)
// Bits of each byte by two table look-ups (Mula), added up byte by byte, then across the bytes of each row.
inline __m256i byte_counts(__m256i bits) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(bits, low)),
                           _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bits, 4), low)));
}

uint32_t hamming(const uint64_t* panel, const uint64_t* query, size_t words, uint64_t limit, uint64_t* counts) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i sums[2] = {zero, zero};
    for (size_t first = 0; first < words; first += 31) {  // 31 * 8 fits in a byte
        const size_t end = first + 31 < words ? first + 31 : words;
        __m256i bytes[2] = {zero, zero};
        for (size_t word = first; word < end; ++word, panel += kBitPanel) {
            const __m256i asked = _mm256_set1_epi64x(static_cast<int64_t>(query[word]));
            for (int half = 0; half < 2; ++half) {
                const __m256i rows = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + 4 * half));
                bytes[half] = _mm256_add_epi8(bytes[half], byte_counts(_mm256_xor_si256(rows, asked)));
            }
        }
        for (int half = 0; half < 2; ++half)
            sums[half] = _mm256_add_epi64(sums[half], _mm256_sad_epu8(bytes[half], zero));
    }
    uint32_t below = 0;
    const __m256i bound = _mm256_set1_epi64x(static_cast<int64_t>(limit));
    for (int half = 0; half < 2; ++half) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(counts + 4 * half), sums[half]);
        const __m256i less = _mm256_cmpgt_epi64(bound, sums[half]);
        below |= static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(less))) << (4 * half);
    }
    return below;
}
#else
uint32_t hamming(const uint64_t* panel, const uint64_t* query, size_t words, uint64_t limit, uint64_t* counts) {
    for (int row = 0; row < kBitPanel; ++row) counts[row] = 0;
    for (size_t word = 0; word < words; ++word, panel += kBitPanel)
        for (int row = 0; row < kBitPanel; ++row) counts[row] += __builtin_popcountll(panel[row] ^ query[word]);
    uint32_t below = 0;
    for (int row = 0; row < kBitPanel; ++row) below |= static_cast<uint32_t>(counts[row] < limit) << row;
    return below;
}
#endif

}  // namespace
}  // namespace goldpan
