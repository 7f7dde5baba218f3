#include <algorithm>
#include <cmath>
#include <limits>

#include "groups.h"
#include "search.h"

namespace goldpan {
namespace {

constexpr double kLargestKey = 0x1p482;  // of vectors below MAX_MAGNITUDE of bounds.py

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

Scorer::Scorer(const Level& level, Metric metric, const Rows& base, const Rows& queries, size_t d)
    : level_(level), metric_(metric), base_(base), queries_(queries), d_(d), narrow_(base.floats && queries.floats),
      square_{}, query_(d), row_(d) {}

void Scorer::ask(size_t query) {
    asked_ = query;
    if (queries_.doubles) std::copy_n(queries_.doubles + query * d_, d_, query_.begin());
    else std::copy_n(queries_.floats + query * d_, d_, query_.begin());
    if (metric_ == Metric::cosine) square_ = level_.dot_double(query_.data(), query_.data(), d_);
}

double Scorer::key(size_t row) {
    const double* q = query_.data();
    if (narrow_) {
        const float* x = base_.floats + row * d_;
        if (metric_ == Metric::distance) return -level_.distance_float(q, x, d_).hi;
        const Double2 dot = level_.dot_float(q, x, d_);
        return metric_ == Metric::ip ? dot.hi : cosine(dot, square_, level_.square_float(x, d_));
    }
    const double* x = base_.doubles + row * d_;
    if (!base_.doubles) {
        std::copy_n(base_.floats + row * d_, d_, row_.begin());
        x = row_.data();
    }
    if (metric_ == Metric::distance) return -level_.distance_double(q, x, d_).hi;
    const Double2 dot = level_.dot_double(q, x, d_);
    return metric_ == Metric::ip ? dot.hi : cosine(dot, square_, level_.dot_double(x, x, d_));
}

Interval Scorer::quick_key(size_t row, double length, double row_length) const {
    constexpr Interval kUnknown = {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    const float* q = queries_.floats + asked_ * d_;
    const float* x = base_.floats + row * d_;
    const double error = quick_error(d_), underflow = static_cast<double>(d_) * 0x1p-140;
    if (metric_ == Metric::distance) {
        const double distance = level_.quick_distance(q, x, d_);
        if (!(distance < 0x1p126)) return kUnknown;
        const double away = distance * error * (1 + 2 * error) + underflow;
        return {-distance - away, -distance + away};
    }
    const double dot = level_.quick_dot(q, x, d_);
    if (!(std::fabs(dot) < 0x1p126)) return kUnknown;
    if (metric_ == Metric::ip) {
        const double away = error * length * row_length + underflow;
        return {dot - away, dot + away};
    }
    const double square = level_.quick_dot(x, x, d_);
    if (!(square > 1e-20 && square < 1e30 && square_.hi > 1e-20 && square_.hi < 1e30)) return kUnknown;
    const double similarity = dot / std::sqrt(square * square_.hi), away = 2.5 * error + static_cast<double>(d_) * 1e-20;
    return {similarity - away, similarity + away};
}

void Scorer::fetch(size_t row) const {
    if (base_.floats) prefetch(base_.floats + row * d_, d_ * sizeof(float));
    else prefetch(base_.doubles + row * d_, d_ * sizeof(double));
}

void merge(std::vector<Scored>& scored, double* keys, int64_t* ids, size_t k) {
    if (scored.size() > k) {
        std::nth_element(scored.begin(), scored.begin() + k, scored.end(), better);
        scored.resize(k);
    }
    std::sort(scored.begin(), scored.end(), better);
    std::vector<Scored> best;
    best.reserve(k);
    size_t old = 0, fresh = 0;
    while (best.size() < k) {
        const bool has_old = ids[old] >= 0, has_fresh = fresh < scored.size();
        if (!has_old && !has_fresh) break;
        if (has_fresh && (!has_old || better(scored[fresh], {keys[old], ids[old]}))) best.push_back(scored[fresh++]);
        else best.push_back({keys[old], ids[old]}), ++old;
    }
    for (size_t j = 0; j < best.size(); ++j) keys[j] = best[j].key, ids[j] = best[j].id;
    scored.clear();
}

int64_t search_rows(const Level& level, const Rows& base, size_t n, int64_t first_id, const Rows& queries,
                    size_t n_queries, size_t d, Metric metric, const Answers& answers) {
    const size_t k = answers.k;
    Scorer scorer(level, metric, base, queries, d);
    std::vector<Scored> scored;
    for (size_t q = 0; q < n_queries; ++q) {
        double* keys = answers.keys + q * k;
        int64_t* ids = answers.ids + q * k;
        scorer.ask(q);
        for (size_t row = 0; row < n; ++row) {
            const double key = scorer.key(row);
            if (!(std::fabs(key) < kLargestKey)) return static_cast<int64_t>(row);
            if (ids[k - 1] >= 0 && key <= keys[k - 1]) continue;  // an equal key loses: its id is higher
            scored.push_back({key, first_id + static_cast<int64_t>(row)});
            if (scored.size() == k + 64) merge(scored, keys, ids, k);
        }
        merge(scored, keys, ids, k);
        answers.survivors[q] += static_cast<int64_t>(n);
    }
    return -1;
}

}  // namespace goldpan
