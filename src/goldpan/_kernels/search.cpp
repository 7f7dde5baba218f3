#include "search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace goldpan {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr float kLowerSlack = 0x1p-18f;    // see "lower" in bounds.py
constexpr size_t kCodeBytes = 192 << 10;   // codes of the queries that stay in cache while the base streams by
constexpr size_t kHeldBytes = 32 << 20;    // candidates of these queries
constexpr size_t kSmallestBuffer = 192;

float round_down(double value) {
    const float narrow = static_cast<float>(value);
    return narrow > value ? std::nextafter(narrow, kNone) : narrow;
}

struct Candidate {
    int32_t row;
    float upper, lower;
};

// Searches one block for a few queries whose codes fit in cache.
class Scan {
public:
    Scan(const Level& level, const Base& base, const Queries& queries, size_t d, Metric metric, const Answers& answers)
        : level_(level), base_(base), queries_(queries), d_(d), answers_(answers), pairs_((d + 1) / 2),
          capacity_(std::max(kSmallestBuffer, 3 * answers.k)), scorer_(level, metric, base.rows, queries.rows, d) {
        const size_t group = level.group;
        const size_t fitting = std::min(kCodeBytes / (4 * pairs_), kHeldBytes / (sizeof(Candidate) * capacity_));
        most_ = std::max(group, std::min(fitting / group * group, (queries.n + group - 1) / group * group));
        codes_.resize(most_ * 2 * pairs_);
        for (auto* weights : {&norm_weight_, &residual_weight_, &offset_weight_, &limit_}) weights->resize(most_);
        buffers_.resize(most_ * capacity_);
        held_.resize(most_);
    }

    bool run() {
        for (first_ = 0; first_ < queries_.n; first_ += most_) {
            count_ = std::min(most_, queries_.n - first_);
            load_queries();
            stream();
            for (size_t i = 0; i < count_; ++i) {
                if (held_[i] > answers_.k) compact(i);
                score(i);
            }
        }
        return sound_;
    }

private:
    // Interleave the codes of each group of queries; lanes without a query get a limit that nothing exceeds.
    void load_queries() {
        const size_t group = level_.group;
        for (size_t i = 0; i < most_; ++i) {
            const bool real = i < count_;
            const size_t q = first_ + i;
            norm_weight_[i] = real ? queries_.norm_weight[q] : 0;
            residual_weight_[i] = real ? queries_.residual_weight[q] : 0;
            offset_weight_[i] = real ? queries_.offset_weight[q] : 0;
            limit_[i] = real ? threshold(q) : std::numeric_limits<float>::infinity();
            held_[i] = 0;
            int16_t* to = codes_.data() + i / group * group * 2 * pairs_ + 2 * (i % group);
            const int16_t* from = queries_.codes + q * 2 * pairs_;
            for (size_t pair = 0; pair < pairs_; ++pair, to += 2 * group) {
                to[0] = real ? from[2 * pair] : 0;
                to[1] = real ? from[2 * pair + 1] : 0;
            }
        }
    }

    void stream() {
        float upper[16 * kPanel];
        uint32_t over[16];
        const size_t group = level_.group;
        for (size_t row = 0; row < base_.n; row += kPanel) {
            const PanelFields fields = {base_.fields.scale + row, base_.fields.norm + row, base_.fields.residual + row,
                                        base_.fields.offset + row};
            const uint32_t real = base_.n - row < kPanel ? (1u << (base_.n - row)) - 1 : 0xffffu;
            for (size_t i = 0; i < count_; i += group) {
                const GroupWeights weights = {norm_weight_.data() + i, residual_weight_.data() + i,
                                              offset_weight_.data() + i, limit_.data() + i};
                level_.tile(base_.codes + row * 2 * pairs_, codes_.data() + i * 2 * pairs_, pairs_, fields, weights,
                            upper, over);
                for (size_t lane = 0; lane < group; ++lane)
                    for (uint32_t left = over[lane] & real; left; left &= left - 1) {
                        const int at = __builtin_ctz(left);
                        push(i + lane, static_cast<int32_t>(row) + at, upper[kPanel * lane + at]);
                    }
            }
        }
    }

    void push(size_t i, int32_t row, float upper) {
        if (upper <= limit_[i]) return;  // the limit may have risen since the tile was computed
        const float spread =
            norm_weight_[i] * base_.fields.norm[row] + residual_weight_[i] * base_.fields.residual[row];
        const float lower = upper - 2 * spread - offset_weight_[i] * base_.fields.offset[row] * kLowerSlack;
        buffers_[i * capacity_ + held_[i]++] = {row, upper, lower >= kNone ? lower : kNone};
        if (held_[i] < capacity_) return;
        compact(i);
        if (held_[i] > capacity_ - capacity_ / 4) score(i);  // nothing is ever dropped for want of room
    }

    // Raise the limit to what k candidates are known to reach, and drop those that cannot.
    void compact(size_t i) {
        Candidate* held = buffers_.data() + i * capacity_;
        lowers_.resize(held_[i]);
        for (size_t j = 0; j < held_[i]; ++j) lowers_[j] = held[j].lower;
        std::nth_element(lowers_.begin(), lowers_.begin() + (answers_.k - 1), lowers_.end(), std::greater<float>());
        const double reached = static_cast<double>(lowers_[answers_.k - 1]) - queries_.slack[first_ + i];
        limit_[i] = std::max(limit_[i], round_down(reached));
        const float limit = limit_[i];
        held_[i] = std::remove_if(held, held + held_[i], [=](const Candidate& c) { return c.upper < limit; }) - held;
    }

    // Score what is held in float64, check it against its bounds, and merge it into the answer.
    void score(size_t i) {
        const size_t q = first_ + i;
        if (!held_[i]) return;
        scorer_.ask(q);
        scored_.clear();
        const Candidate* held = buffers_.data() + i * capacity_;
        for (size_t j = 0; j < held_[i]; ++j) {
            const double key = scorer_.key(held[j].row);
            const double value = queries_.slope[q] * key + queries_.shift[q];
            const double slack = queries_.relative[q] * std::fabs(key) + queries_.slack[q];
            if (value - slack > held[j].upper || value + slack < held[j].lower) sound_ = false;
            scored_.push_back({key, base_.first_id + held[j].row});
        }
        answers_.survivors[q] += held_[i];
        held_[i] = 0;
        merge(scored_, answers_.keys + q * answers_.k, answers_.ids + q * answers_.k, answers_.k);
        limit_[i] = std::max(limit_[i], threshold(q));
    }

    // The bound that a row has to exceed to enter the answer of a query.
    float threshold(size_t q) const {
        const double kth = answers_.keys[q * answers_.k + answers_.k - 1];
        if (!std::isfinite(kth)) return kNone;
        return round_down(queries_.slope[q] * kth + queries_.shift[q] - queries_.relative[q] * std::fabs(kth) -
                          queries_.slack[q]);
    }

    const Level& level_;
    const Base& base_;
    const Queries& queries_;
    const size_t d_;
    const Answers& answers_;
    const size_t pairs_, capacity_;
    size_t most_, first_ = 0, count_ = 0;
    bool sound_ = true;
    std::vector<int16_t> codes_;
    std::vector<float> norm_weight_, residual_weight_, offset_weight_, limit_, lowers_;
    std::vector<Candidate> buffers_;
    std::vector<size_t> held_;
    Scorer scorer_;
    std::vector<Scored> scored_;
};

}  // namespace

bool search_block(const Level& level, const Base& base, const Queries& queries, size_t d, Metric metric,
                  const Answers& answers) {
    return Scan(level, base, queries, d, metric, answers).run();
}

}  // namespace goldpan
