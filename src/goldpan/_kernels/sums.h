// Compensated sums (Ogita, Rump and Oishi 2005); the order of operations is that of compensated.py.
#pragma once
#include "vectors.h"

namespace goldpan {
namespace {

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

inline Lanes product_error(Lanes a, Lanes b, Lanes product) {
#if defined(__AVX512F__)
    return Lanes(_mm512_fmsub_pd(__m512d(a), __m512d(b), __m512d(product)));
#elif defined(__FMA__)
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
    Lanes total[8 / kLanes] = {}, error[8 / kLanes] = {};
    size_t i = 0;
    for (; i + 8 <= d; i += 8)
        for (int part = 0; part < 8 / kLanes; ++part) {
            const Lanes a = load_lanes(q + i + kLanes * part), b = load_lanes(x + i + kLanes * part);
            if (kDistance) add_square(a, b, total[part], error[part]);
            else add_product<kExact>(a, b, total[part], error[part]);
        }
    double totals[8], errors[8];
    for (int lane = 0; lane < 8; ++lane) {
        totals[lane] = total[lane / kLanes][lane % kLanes];
        errors[lane] = error[lane / kLanes][lane % kLanes];
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

}  // namespace
}  // namespace goldpan
