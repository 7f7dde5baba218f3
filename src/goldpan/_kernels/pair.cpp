#include <cmath>

#include "search.h"

namespace goldpan {
namespace {

// Dekker's product error, without the fused multiply-add that this file may not assume.
double product_error(double a, double b, double product) {
    const double split = 134217729.0;
    const double a_big = split * a, b_big = split * b;
    const double a_hi = a_big - (a_big - a), b_hi = b_big - (b_big - b);
    const double a_lo = a - a_hi, b_lo = b - b_hi;
    return a_lo * b_lo - (((product - a_hi * b_hi) - a_lo * b_hi) - a_hi * b_lo);
}

// dot / sqrt(qq * xx) rounded once; 0 where a norm is 0. Follows compensated.py step by step.
double cosine(Double2 dot, Double2 qq, Double2 xx) {
    if (qq.hi == 0 || xx.hi == 0) return 0.0;
    const double product = qq.hi * xx.hi;
    const double low = product_error(qq.hi, xx.hi, product) + (qq.hi * xx.lo + qq.lo * xx.hi);
    const double root = std::sqrt(product);
    const double square = root * root;
    const double root_low = (((product - square) - product_error(root, root, square)) + low) / (2.0 * root);
    const double ratio = dot.hi / root;
    const double back = ratio * root;
    const double rest = ((dot.hi - back) - product_error(ratio, root, back)) + (dot.lo - ratio * root_low);
    return ratio + rest / root;
}

}  // namespace

double pair_key(const Level& level, Metric metric, const double* q, Double2 qq, const Rows& rows, size_t row,
                size_t d) {
    if (rows.floats) {
        const float* x = rows.floats + row * d;
        if (metric == Metric::distance) return -level.distance_float(q, x, d).hi;
        const Double2 dot = level.dot_float(q, x, d);
        return metric == Metric::ip ? dot.hi : cosine(dot, qq, level.square_float(x, d));
    }
    const double* x = rows.doubles + row * d;
    if (metric == Metric::distance) return -level.distance_double(q, x, d).hi;
    const Double2 dot = level.dot_double(q, x, d);
    return metric == Metric::ip ? dot.hi : cosine(dot, qq, level.dot_double(x, x, d));
}

}  // namespace goldpan
