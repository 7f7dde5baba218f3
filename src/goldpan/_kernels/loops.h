// Body of every level: included once per instruction set, compiled with its flags. It uses nothing of the standard
// library but constants, so that no inline function compiled for one instruction set can be linked into another.
// Compiled without contraction of a*b+c: the compensated sums depend on each rounding.
#pragma once
#include "level.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace goldpan {
namespace {

// ---- bounds of a tile -------------------------------------------------------------------------------------------

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
    for (auto& sum : sums) sum = _mm512_setzero_si512();
    const int32_t* q = reinterpret_cast<const int32_t*>(group);
    for (size_t pair = 0; pair < pairs; ++pair, q += kGroup, panel += 2 * kPanel) {
        const __m512i x = _mm512_loadu_si512(panel);
#pragma GCC unroll 12
        for (int i = 0; i < kGroup; ++i) sums[i] = multiply_add(sums[i], x, _mm512_set1_epi32(q[i]));
    }
    const __m512 scale = _mm512_loadu_ps(fields.scale), norm = _mm512_loadu_ps(fields.norm);
    const __m512 residual = _mm512_loadu_ps(fields.residual), offset = _mm512_loadu_ps(fields.offset);
    for (int i = 0; i < kGroup; ++i) {
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
    for (auto& sum : sums) sum[0] = sum[1] = _mm256_setzero_si256();
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
    for (int i = 0; i < kGroup; ++i) {
        over[i] = 0;
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

// ---- codes ------------------------------------------------------------------------------------------------------

constexpr double kCodeNorm = 46300.0;   // with rounding below sqrt(2^31): no dot product of codes overflows
constexpr double kLargestCode = 32767.0;

constexpr double kLargestValue = 0x1p240;  // MAX_MAGNITUDE of bounds.py

inline double absolute(double value) { return value < 0 ? -value : value; }

// The power of two that brings a positive value to 1/2 .. 1 (subnormal ones: near it), so that squares are safe.
inline double normalizer(double value) {
    const int exponent = -1 - __builtin_ilogb(value);
    return __builtin_ldexp(1.0, exponent < 1000 ? exponent : 1000);
}

// Center one row into `buffer`; return its largest magnitude, NaN or infinity where the row is not finite.
template <typename T>
double center_row(const T* row, size_t d, const PackOptions& options, double* buffer) {
    double factor = 1.0;
    if (options.unit) {
        double largest = 0, square = 0;
        for (size_t i = 0; i < d; ++i) largest = absolute(row[i]) > largest ? absolute(row[i]) : largest;
        if (largest >= kLargestValue) return __builtin_inf();
        const double power = largest > 0 ? normalizer(largest) : 1.0;
        double lanes[4] = {};
        size_t i = 0;
        for (; i + 4 <= d; i += 4)
            for (int lane = 0; lane < 4; ++lane) lanes[lane] += (row[i + lane] * power) * (row[i + lane] * power);
        for (; i < d; ++i) square += (row[i] * power) * (row[i] * power);
        square += (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
        factor = square != 0 ? power / __builtin_sqrt(square) : 1.0;
    }
    double most[4] = {}, sum[4] = {};
    size_t i = 0;
    for (; i + 4 <= d; i += 4)
        for (int lane = 0; lane < 4; ++lane) {
            const double value = static_cast<double>(row[i + lane]) * factor - options.mean[i + lane];
            const double size = absolute(value);
            buffer[i + lane] = value;
            sum[lane] += size;
            most[lane] = size > most[lane] ? size : most[lane];
        }
    for (; i < d; ++i) {
        const double value = static_cast<double>(row[i]) * factor - options.mean[i];
        const double size = absolute(value);
        buffer[i] = value;
        sum[0] += size;
        most[0] = size > most[0] ? size : most[0];
    }
    double largest = most[0];
    for (int lane = 1; lane < 4; ++lane) largest = most[lane] > largest ? most[lane] : largest;
    const double total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    return total - total == 0 ? largest : total;  // a NaN slips through the comparisons, not through the sum
}

template <typename T>
PackedRow pack(const T* row, size_t d, const PackOptions& options, double* buffer, int16_t* codes) {
    codes[d - 1 + d % 2] = 0;
    const double largest = center_row(row, d, options, buffer);
    if (largest == 0 || largest - largest != 0) {
        for (size_t i = 0; i < d; ++i) codes[i] = 0;
        return {1.0, largest, 0.0};
    }
    const double power = normalizer(largest);
    double squares[4] = {};
    size_t i = 0;
    for (; i + 4 <= d; i += 4)
        for (int lane = 0; lane < 4; ++lane) {
            const double value = buffer[i + lane] * power;
            squares[lane] += value * value;
        }
    for (; i < d; ++i) squares[0] += (buffer[i] * power) * (buffer[i] * power);
    const double norm = __builtin_sqrt((squares[0] + squares[1]) + (squares[2] + squares[3]));
    const double by_norm = (kCodeNorm - 0.5 * __builtin_sqrt(static_cast<double>(d))) / norm;
    const double by_size = kLargestCode / (largest * power);
    double factor = by_norm < by_size ? by_norm : by_size;  // of a value times `power`
    if (options.whole && 1.0 / power <= factor) factor = 1.0 / power;
    const double encode = factor * power;
    double errors[4] = {};
    i = 0;
    for (; i + 4 <= d; i += 4)
        for (int lane = 0; lane < 4; ++lane) {
            const double value = buffer[i + lane] * encode;
            const double code = __builtin_rint(value);
            codes[i + lane] = static_cast<int16_t>(static_cast<int32_t>(code));
            errors[lane] += (value - code) * (value - code);
        }
    for (; i < d; ++i) {
        const double value = buffer[i] * encode;
        const double code = __builtin_rint(value);
        codes[i] = static_cast<int16_t>(static_cast<int32_t>(code));
        errors[0] += (value - code) * (value - code);
    }
    const double error = __builtin_sqrt((errors[0] + errors[1]) + (errors[2] + errors[3]));
    return {1.0 / encode, norm / power, error / encode};
}

// ---- compensated sums: the order of operations is that of compensated.py -------------------------------------------

typedef double Four __attribute__((vector_size(32)));
typedef float FourFloats __attribute__((vector_size(16), aligned(4)));
typedef double FourLoose __attribute__((vector_size(32), aligned(8)));

inline Four load4(const double* from) { return *reinterpret_cast<const FourLoose*>(from); }
inline Four load4(const float* from) {
    return __builtin_convertvector(*reinterpret_cast<const FourFloats*>(from), Four);
}

template <typename V>
inline V two_sum(V a, V b, V& error) {
    const V total = a + b;
    const V part = total - a;
    error = (a - (total - part)) + (b - part);
    return total;
}

template <typename V>
inline V dekker_error(V a, V b, V product) {
    const double split = 134217729.0;
    const V a_big = split * a, b_big = split * b;
    const V a_hi = a_big - (a_big - a), b_hi = b_big - (b_big - b);
    const V a_lo = a - a_hi, b_lo = b - b_hi;
    return a_lo * b_lo - (((product - a_hi * b_hi) - a_lo * b_hi) - a_hi * b_lo);
}

inline double product_error(double a, double b, double product) {
#if defined(__FMA__)
    return __builtin_fma(a, b, -product);
#else
    return dekker_error(a, b, product);
#endif
}

inline Four product_error(Four a, Four b, Four product) {
#if defined(__FMA__)
    return Four(_mm256_fmsub_pd(__m256d(a), __m256d(b), __m256d(product)));
#else
    return dekker_error(a, b, product);
#endif
}

template <typename V>
inline void add_product(V q, V x, V& total, V& error) {
    V rounding;
    const V product = q * x;
    const V low = product_error(q, x, product);
    total = two_sum(total, product, rounding);
    error += rounding + low;
}

template <typename V>
inline void add_square(V q, V x, V& total, V& error) {
    V rounding, gap_low;
    const V gap = two_sum(q, -x, gap_low);
    const V square = gap * gap;
    const V low = product_error(gap, gap, square) + 2.0 * gap * gap_low;
    total = two_sum(total, square, rounding);
    error += rounding + low;
}

template <typename Q, typename T, bool kDistance>
Double2 compensated(const Q* q, const T* x, size_t d) {
    Four total[2] = {}, error[2] = {};
    size_t i = 0;
    for (; i + 8 <= d; i += 8)
        for (int half = 0; half < 2; ++half) {
            const Four a = load4(q + i + 4 * half), b = load4(x + i + 4 * half);
            if (kDistance) add_square(a, b, total[half], error[half]);
            else add_product(a, b, total[half], error[half]);
        }
    double totals[8], errors[8];
    for (int lane = 0; lane < 8; ++lane) {
        totals[lane] = total[lane / 4][lane % 4];
        errors[lane] = error[lane / 4][lane % 4];
    }
    for (int lane = 0; i + lane < d; ++lane) {
        const double a = static_cast<double>(q[i + lane]), b = static_cast<double>(x[i + lane]);
        if (kDistance) add_square(a, b, totals[lane], errors[lane]);
        else add_product(a, b, totals[lane], errors[lane]);
    }
    double hi = totals[0], lo = errors[0];
    for (int lane = 1; lane < 8; ++lane) {
        double rounding;
        hi = two_sum(hi, totals[lane], rounding);
        lo += rounding + errors[lane];
    }
    const double rounded = hi + lo;
    return {rounded, (hi - rounded) + lo};
}

// ---- bits -------------------------------------------------------------------------------------------------------

void hamming4(const uint64_t* queries, const uint64_t* row, size_t words, uint32_t* bits) {
    uint64_t counts[4] = {};
    for (size_t word = 0; word < words; ++word)
        for (int i = 0; i < 4; ++i) counts[i] += __builtin_popcountll(queries[i * words + word] ^ row[word]);
    for (int i = 0; i < 4; ++i) bits[i] = static_cast<uint32_t>(counts[i]);
}

constexpr Level make_level(const char* name) {
    return {name,
            kGroup,
            tile,
            pack<float>,
            pack<double>,
            compensated<double, float, false>,
            compensated<double, double, false>,
            [](const float* x, size_t d) { return compensated<float, float, false>(x, x, d); },
            compensated<double, float, true>,
            compensated<double, double, true>,
            hamming4};
}

}  // namespace
}  // namespace goldpan
