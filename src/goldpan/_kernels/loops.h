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

// ---- codes ------------------------------------------------------------------------------------------------------

constexpr double kCodeNorm = 46300.0;   // with rounding below sqrt(2^31): no dot product of codes overflows
constexpr double kLargestCode = 32767.0;

constexpr double kLargestValue = 0x1p240;  // MAX_MAGNITUDE of bounds.py

// The power of two that brings a positive value to 1/2 .. 1 (subnormal ones: near it), so that squares are safe.
inline double normalizer(double value) {
    const int exponent = -1 - __builtin_ilogb(value);
    return __builtin_ldexp(1.0, exponent < 1000 ? exponent : 1000);
}

typedef double Four __attribute__((vector_size(32)));
typedef float FourFloats __attribute__((vector_size(16), aligned(4)));
typedef double FourLoose __attribute__((vector_size(32), aligned(8)));
typedef int32_t FourInts __attribute__((vector_size(16)));
typedef int16_t FourCodes __attribute__((vector_size(8), aligned(2)));

inline Four load4(const double* from) { return *reinterpret_cast<const FourLoose*>(from); }
inline Four load4(const float* from) {
#if defined(__AVX2__)
    return Four(_mm256_cvtps_pd(_mm_loadu_ps(from)));  // compilers convert in two halves
#else
    return __builtin_convertvector(*reinterpret_cast<const FourFloats*>(from), Four);
#endif
}
inline double across(Four v) { return (v[0] + v[1]) + (v[2] + v[3]); }

inline Four larger(Four a, Four b) { return a > b ? a : b; }
inline double larger(double a, double b) { return a > b ? a : b; }

struct Size {
    double largest, square;  // largest magnitude (of the values that are numbers), sum of squares
};

// Write ``row * factor - mean`` to `out`; a sum of squares that is not finite betrays a row that is not.
template <typename T>
Size center(const T* row, size_t d, double factor, const double* mean, double* out) {
    Four most = {}, squares = {};
    size_t i = 0;
    for (; i + 4 <= d; i += 4) {
        const Four value = load4(row + i) * factor - load4(mean + i);
        *reinterpret_cast<FourLoose*>(out + i) = value;
        most = larger(most, larger(value, -value));
        squares += value * value;
    }
    double largest = larger(larger(most[0], most[1]), larger(most[2], most[3])), square = across(squares);
    for (; i < d; ++i) {
        out[i] = static_cast<double>(row[i]) * factor - mean[i];
        largest = larger(largest, larger(out[i], -out[i]));
        square += out[i] * out[i];
    }
    return {largest, square};
}

// Factor that brings a row to unit length; 1 for a row of zeros, NaN for one that is not finite or too large.
template <typename T>
double unit_factor(const T* row, size_t d) {
    Four most = {}, squares = {};
    size_t i = 0;
    for (; i + 4 <= d; i += 4) {
        const Four value = load4(row + i);
        most = larger(most, larger(value, -value));
        squares += value * value;
    }
    double largest = larger(larger(most[0], most[1]), larger(most[2], most[3])), square = across(squares);
    for (; i < d; ++i) {
        const double value = static_cast<double>(row[i]);
        largest = larger(largest, larger(value, -value));
        square += value * value;
    }
    if (largest == 0 && square == 0) return 1.0;
    if (!(largest < kLargestValue) || square != square) return __builtin_nan("");
    if (largest >= 0x1p-240) return 1.0 / __builtin_sqrt(square);
    const double power = normalizer(largest);  // only float64 is so small; its squares would vanish
    square = 0;
    for (i = 0; i < d; ++i) square += (row[i] * power) * (row[i] * power);
    return power / __builtin_sqrt(square);
}

// Encode `value * encode`; return the sum of squared rounding errors of the codes.
double encode_row(const double* values, size_t d, double encode, int16_t* codes) {
    const double nearest = 0x1.8p52;  // adding it rounds to whole numbers
    Four errors = {};
    size_t i = 0;
    for (; i + 4 <= d; i += 4) {
        const Four value = load4(values + i) * encode;
        const Four code = (value + nearest) - nearest;
        errors += (value - code) * (value - code);
        *reinterpret_cast<FourCodes*>(codes + i) =
            __builtin_convertvector(__builtin_convertvector(code, FourInts), FourCodes);
    }
    double error = across(errors);
    for (; i < d; ++i) {
        const double value = values[i] * encode;
        const double code = (value + nearest) - nearest;
        error += (value - code) * (value - code);
        codes[i] = static_cast<int16_t>(static_cast<int32_t>(code));
    }
    return error;
}

template <typename T>
PackedRow pack(const T* row, size_t d, const PackOptions& options, double* buffer, int16_t* codes) {
    codes[d - 1 + d % 2] = 0;
    const double factor = options.unit ? unit_factor(row, d) : 1.0;
    Size size = center(row, d, factor, options.mean, buffer);
    if (size.largest == 0 || !(size.square < 0x1p500)) {
        for (size_t i = 0; i < d; ++i) codes[i] = 0;
        return {1.0, size.square == 0 ? 0.0 : __builtin_inf(), 0.0};
    }
    double power = 1.0;
    if (size.largest < 0x1p-240) {  // only float64 is so small; its squares would vanish
        power = normalizer(size.largest);
        size = {size.largest * power, 0.0};
        for (size_t i = 0; i < d; ++i) {
            buffer[i] *= power;
            size.square += buffer[i] * buffer[i];
        }
    }
    const double norm = __builtin_sqrt(size.square);
    const double by_norm = (kCodeNorm - 0.5 * __builtin_sqrt(static_cast<double>(d))) / norm;
    const double by_size = kLargestCode / size.largest;
    double encode = by_norm < by_size ? by_norm : by_size;
    if (options.whole && encode >= 1.0) encode = 1.0;  // whole numbers are their own codes
    const double error = __builtin_sqrt(encode_row(buffer, d, encode, codes));
    return {1.0 / encode / power, norm / power, error / encode / power};
}

// ---- compensated sums: the order of operations is that of compensated.py -------------------------------------------

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

// `kExact`: both factors are float32, so that their product is a float64.
template <bool kExact, typename V>
inline void add_product(V q, V x, V& total, V& error) {
    V rounding;
    const V product = q * x;
    total = two_sum(total, product, rounding);
    error += kExact ? rounding : rounding + product_error(q, x, product);
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
    constexpr bool kExact = sizeof(T) == sizeof(float);
    Four total[2] = {}, error[2] = {};
    size_t i = 0;
    for (; i + 8 <= d; i += 8)
        for (int half = 0; half < 2; ++half) {
            const Four a = load4(q + i + 4 * half), b = load4(x + i + 4 * half);
            if (kDistance) add_square(a, b, total[half], error[half]);
            else add_product<kExact>(a, b, total[half], error[half]);
        }
    double totals[8], errors[8];
    for (int lane = 0; lane < 8; ++lane) {
        totals[lane] = total[lane / 4][lane % 4];
        errors[lane] = error[lane / 4][lane % 4];
    }
    for (int lane = 0; i + lane < d; ++lane) {
        const double a = static_cast<double>(q[i + lane]), b = static_cast<double>(x[i + lane]);
        if (kDistance) add_square(a, b, totals[lane], errors[lane]);
        else add_product<kExact>(a, b, totals[lane], errors[lane]);
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
            hamming};
}

}  // namespace
}  // namespace goldpan
