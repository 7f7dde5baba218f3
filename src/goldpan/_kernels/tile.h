// Bounds of one group of queries and one panel of rows: the loop in which nearly all time is spent.
#pragma once
#include "level.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace goldpan {
namespace {

#if defined(__AVX512BW__)
constexpr int kGroup = 12;

inline __m512i multiply_add(__m512i sum, __m512i x, __m512i q) {
#if defined(__AVX512VNNI__)
    return _mm512_dpwssd_epi32(sum, x, q);
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(x, q));
#endif
}

void tile(const int16_t* panel, const int16_t* group, size_t pairs, const PanelFields& fields,
          const GroupWeights& weights, float* upper, uint32_t* over) {
    __m512i sums[kGroup];
#pragma GCC unroll 12
    for (int i = 0; i < kGroup; ++i) sums[i] = _mm512_setzero_si512();
    const int32_t* q = reinterpret_cast<const int32_t*>(group);
    for (size_t pair = 0; pair < pairs; ++pair, q += kGroup, panel += 2 * kPanel) {
        const __m512i x = _mm512_loadu_si512(panel);
#pragma GCC unroll 12
        for (int i = 0; i < kGroup; ++i) sums[i] = multiply_add(sums[i], x, _mm512_set1_epi32(q[i]));
    }
    const __m512 scale = _mm512_loadu_ps(fields.scale), norm = _mm512_loadu_ps(fields.norm);
    const __m512 residual = _mm512_loadu_ps(fields.residual), offset = _mm512_loadu_ps(fields.offset);
#pragma GCC unroll 12
    for (int i = 0; i < kGroup; ++i) {  // unrolled, or the compiler keeps the sums in memory
        const __m512 spread = _mm512_add_ps(_mm512_mul_ps(_mm512_set1_ps(weights.norm_weight[i]), norm),
                                            _mm512_mul_ps(_mm512_set1_ps(weights.residual_weight[i]), residual));
        const __m512 away = _mm512_mul_ps(_mm512_set1_ps(weights.offset_weight[i]), offset);
        const __m512 center = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[i]), scale);
        const __m512 bound = _mm512_sub_ps(_mm512_add_ps(center, spread), away);
        _mm512_storeu_ps(upper + kPanel * i, bound);
        over[i] = _mm512_cmp_ps_mask(bound, _mm512_set1_ps(weights.limit[i]), _CMP_NLE_UQ);
    }
}

#elif defined(__AVX2__)
constexpr int kGroup = 6;  // 12 sums, 2 halves of a panel, 1 broadcast, 1 product: 16 registers

void tile(const int16_t* panel, const int16_t* group, size_t pairs, const PanelFields& fields,
          const GroupWeights& weights, float* upper, uint32_t* over) {
    __m256i sums[kGroup][2];
#pragma GCC unroll 6
    for (int i = 0; i < kGroup; ++i) sums[i][0] = sums[i][1] = _mm256_setzero_si256();
    const int32_t* q = reinterpret_cast<const int32_t*>(group);
#pragma GCC unroll 2
    for (size_t pair = 0; pair < pairs; ++pair, q += kGroup, panel += 2 * kPanel) {
        const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
        const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + kPanel));
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
            _mm256_storeu_ps(upper + kPanel * i + at, bound);
            const __m256 above = _mm256_cmp_ps(bound, _mm256_set1_ps(weights.limit[i]), _CMP_NLE_UQ);
            over[i] |= static_cast<uint32_t>(_mm256_movemask_ps(above)) << at;
        }
    }
}

#else
constexpr int kGroup = 4;

void tile(const int16_t* panel, const int16_t* group, size_t pairs, const PanelFields& fields,
          const GroupWeights& weights, float* upper, uint32_t* over) {
    int32_t sums[kGroup][kPanel] = {};
    for (size_t pair = 0; pair < pairs; ++pair, group += 2 * kGroup, panel += 2 * kPanel)
        for (int i = 0; i < kGroup; ++i)
            for (int row = 0; row < kPanel; ++row)
                sums[i][row] += panel[2 * row] * group[2 * i] + panel[2 * row + 1] * group[2 * i + 1];
    for (int i = 0; i < kGroup; ++i) {
        over[i] = 0;
        for (int row = 0; row < kPanel; ++row) {
            const float spread =
                weights.norm_weight[i] * fields.norm[row] + weights.residual_weight[i] * fields.residual[row];
            const float center = static_cast<float>(sums[i][row]) * fields.scale[row];
            const float bound = (center + spread) - weights.offset_weight[i] * fields.offset[row];
            upper[kPanel * i + row] = bound;
            over[i] |= static_cast<uint32_t>(!(bound <= weights.limit[i])) << row;
        }
    }
}
#endif

}  // namespace
}  // namespace goldpan
