// Bounds of one group of queries and one panel of rows: the loop in which nearly all time is spent.
#pragma once
#include "level.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace goldpan {
namespace {

// Bounds of one query and the rows of a panel, one by one.
inline uint32_t plain_bounds(const int32_t* sums, int panel, int i, const PanelFields& fields,
                             const GroupWeights& weights, float* upper) {
    uint32_t over = 0;
    for (int row = 0; row < panel; ++row) {
        const float spread =
            weights.norm_weight[i] * fields.norm[row] + weights.residual_weight[i] * fields.residual[row];
        const float center = static_cast<float>(sums[row]) * fields.scale[row];
        const float bound = (center + spread) - weights.offset_weight[i] * fields.offset[row];
        upper[row] = bound;
        over |= static_cast<uint32_t>(!(bound <= weights.limit[i])) << row;
    }
    return over;
}

#if defined(__AVX512BW__)
constexpr int kGroup = 13, kWidePanel = 32;  // 26 sums, 2 halves of a panel, 1 broadcast: 29 registers

// Bounds of one query and 16 rows.
struct Bounds {
    Bounds(const PanelFields& fields, int at)
        : scale(_mm512_loadu_ps(fields.scale + at)), norm(_mm512_loadu_ps(fields.norm + at)),
          residual(_mm512_loadu_ps(fields.residual + at)), offset(_mm512_loadu_ps(fields.offset + at)) {}

    uint32_t exceeding(__m512i sum, int i, const GroupWeights& weights, float* upper) const {
        const __m512 spread = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(weights.norm_weight[i]), norm),
                                            _mm512_mul_ps(_mm512_set1_ps(weights.residual_weight[i]), residual));
        const __m512 away = _mm512_mul_ps(_mm512_set1_ps(weights.offset_weight[i]), offset);
        const __m512 center = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
        const __m512 bound = _mm512_sub_ps(_mm512_add_ps(center, spread), away);
        _mm512_storeu_ps(upper, bound);
        return _mm512_cmp_ps_mask(bound, _mm512_set1_ps(weights.limit[i]), _CMP_NLE_UQ);
    }

    const __m512 scale, norm, residual, offset;
};

struct Wide {
    static __m512i start(const GroupWeights&, int) { return _mm512_setzero_si512(); }

    static __m512i multiply_add(__m512i sum, __m512i x, __m512i q) {
#if defined(__AVX512VNNI__)
        return _mm512_dpwssd_epi32(sum, x, q);
#else
        return _mm512_add_epi32(sum, _mm512_madd_epi16(x, q));
#endif
    }
};

template <typename Codes>
void tile_of(const int32_t* panel, const int32_t* q, size_t words, const PanelFields& fields,
             const GroupWeights& weights, float* upper, uint32_t* over) {
    __m512i sums[kGroup][2];
#pragma GCC unroll 13
    for (int i = 0; i < kGroup; ++i) sums[i][0] = sums[i][1] = Codes::start(weights, i);
    for (size_t word = 0; word < words; ++word, q += kGroup, panel += kWidePanel) {
        const __m512i low = _mm512_loadu_si512(panel), high = _mm512_loadu_si512(panel + 16);
#pragma GCC unroll 13
        for (int i = 0; i < kGroup; ++i) {
            const __m512i asked = _mm512_set1_epi32(q[i]);
            sums[i][0] = Codes::multiply_add(sums[i][0], low, asked);
            sums[i][1] = Codes::multiply_add(sums[i][1], high, asked);
        }
    }
    const Bounds first(fields, 0), second(fields, 16);
#pragma GCC unroll 13
    for (int i = 0; i < kGroup; ++i) {  // unrolled, or the compiler keeps the sums in memory
        float* to = upper + kWidePanel * i;
        over[i] = first.exceeding(sums[i][0], i, weights, to) | second.exceeding(sums[i][1], i, weights, to + 16) << 16;
    }
}

constexpr auto tile = tile_of<Wide>;

#elif defined(__AVX2__)
constexpr int kWidePanel = 16, kGroup = 6;  // 12 sums, 2 halves of a panel, 1 broadcast, 1 product: 16 registers

void tile(const int32_t* panel, const int32_t* q, size_t words, const PanelFields& fields,
          const GroupWeights& weights, float* upper, uint32_t* over) {
    __m256i sums[kGroup][2];
#pragma GCC unroll 6
    for (int i = 0; i < kGroup; ++i) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
#pragma GCC unroll 2
    for (size_t word = 0; word < words; ++word, q += kGroup, panel += kWidePanel) {
        const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
        const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + 8));
#pragma GCC unroll 6
        for (int i = 0; i < kGroup; ++i) {
            const __m256i code = _mm256_set1_epi32(q[i]);
            sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(low, code));
            sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(high, code));
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < kGroup; ++i) {  // unrolled, or the compiler keeps the sums in memory
        over[i] = 0;
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
            const int at = 8 * half;
            const __m256 norm = _mm256_loadu_ps(fields.norm + at), residual = _mm256_loadu_ps(fields.residual + at);
            const __m256 spread = _mm256_add_ps(_mm256_mul_ps(_mm256_set1_ps(weights.norm_weight[i]), norm),
                                                _mm256_mul_ps(_mm256_set1_ps(weights.residual_weight[i]), residual));
            const __m256 away =
                _mm256_mul_ps(_mm256_set1_ps(weights.offset_weight[i]), _mm256_loadu_ps(fields.offset + at));
            const __m256 center = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[i][half]), _mm256_loadu_ps(fields.scale + at));
            const __m256 bound = _mm256_sub_ps(_mm256_add_ps(center, spread), away);
            _mm256_storeu_ps(upper + kWidePanel * i + at, bound);
            const __m256 above = _mm256_cmp_ps(bound, _mm256_set1_ps(weights.limit[i]), _CMP_NLE_UQ);
            over[i] |= static_cast<uint32_t>(_mm256_movemask_ps(above)) << at;
        }
    }
}

#else
constexpr int kGroup = 4, kWidePanel = 16;

void tile(const int32_t* panel, const int32_t* q, size_t words, const PanelFields& fields,
          const GroupWeights& weights, float* upper, uint32_t* over) {
    int32_t sums[kGroup][kWidePanel] = {};
    for (size_t word = 0; word < words; ++word, q += kGroup, panel += kWidePanel) {
        const int16_t* x = reinterpret_cast<const int16_t*>(panel);
        const int16_t* asked = reinterpret_cast<const int16_t*>(q);
        for (int i = 0; i < kGroup; ++i)
            for (int row = 0; row < kWidePanel; ++row)
                sums[i][row] += x[2 * row] * asked[2 * i] + x[2 * row + 1] * asked[2 * i + 1];
    }
    for (int i = 0; i < kGroup; ++i)
        over[i] = plain_bounds(sums[i], kWidePanel, i, fields, weights, upper + kWidePanel * i);
}
#endif

constexpr int kNarrowPanel = 32;

#if defined(__AVX512VNNI__)
constexpr int kNarrowGroup = kGroup;

struct Narrow {
    static __m512i start(const GroupWeights& weights, int i) { return _mm512_set1_epi32(weights.start[i]); }
    static __m512i multiply_add(__m512i sum, __m512i x, __m512i q) { return _mm512_dpbusd_epi32(sum, x, q); }
};

constexpr auto narrow_tile = tile_of<Narrow>;
#else
constexpr int kNarrowGroup = 4;

void narrow_tile(const int32_t* panel, const int32_t* q, size_t words, const PanelFields& fields,
                 const GroupWeights& weights, float* upper, uint32_t* over) {
    int32_t sums[kNarrowGroup][kNarrowPanel];
    for (int i = 0; i < kNarrowGroup; ++i)
        for (int row = 0; row < kNarrowPanel; ++row) sums[i][row] = weights.start[i];
    for (size_t word = 0; word < words; ++word, q += kNarrowGroup, panel += kNarrowPanel) {
        const uint8_t* x = reinterpret_cast<const uint8_t*>(panel);
        const int8_t* asked = reinterpret_cast<const int8_t*>(q);
        for (int i = 0; i < kNarrowGroup; ++i)
            for (int row = 0; row < kNarrowPanel; ++row)
                for (int byte = 0; byte < 4; ++byte) sums[i][row] += x[4 * row + byte] * asked[4 * i + byte];
    }
    for (int i = 0; i < kNarrowGroup; ++i)
        over[i] = plain_bounds(sums[i], kNarrowPanel, i, fields, weights, upper + kNarrowPanel * i);
}
#endif

}  // namespace
}  // namespace goldpan
