#include "search.h"

#include <algorithm>
#include <cmath>

#include "groups.h"

namespace goldpan {
namespace {

constexpr float kLowerSlack = 0x1p-18f;    // see "lower" in bounds.py
constexpr size_t kCodeBytes = 192 << 10;   // codes of the queries that stay in cache while the base streams by
constexpr size_t kHeldBytes = 32 << 20;    // candidates of these queries
constexpr size_t kSmallestBuffer = 192;
// Where in the interval of a narrow candidate its score is hoped to lie when the limit is raised: the bound is several
// times the usual error. `finish` checks the limit again by what has been scored since; hope in vain costs time only.
constexpr float kHope = 0.4f;

float round_down(double value) {
    const float narrow = static_cast<float>(value);
    return narrow > value ? std::nextafter(narrow, kNone) : narrow;
}

float round_up(double value) { return -round_down(-value); }

struct Candidate {
    uint32_t row : 31, scored : 1;
    float upper, lower;
};

// Searches one block for a few queries whose codes fit in cache.
class Scan {
public:
    Scan(const Level& level, const Tiling& tiling, const Base& base, const Queries& queries, const Second* second,
         size_t d, Metric metric, const Answers& answers)
        : tiling_(tiling), base_(base), queries_(queries), second_(second), answers_(answers), words_(queries.words),
          capacity_(second ? 6 * answers.k + 64 : std::max(kSmallestBuffer, 3 * answers.k)),
          scorer_(level, metric, base.rows, queries.rows, d) {
        const size_t group = tiling.group;
        const size_t fitting = std::min(kCodeBytes / (4 * words_), kHeldBytes / (sizeof(Candidate) * capacity_));
        most_ = std::max(group, std::min(fitting / group * group, (queries.n + group - 1) / group * group));
        codes_.resize(most_ * words_);
        for (auto* weights : {&norm_weight_, &residual_weight_, &offset_weight_, &limit_}) weights->resize(most_);
        start_.resize(most_);
        held_.resize(most_);
    }

    bool run() {
        for (first_ = 0; first_ < queries_.n; first_ += most_) {
            count_ = std::min(most_, queries_.n - first_);
            load_queries();
            stream();
            for (size_t i = 0; i < count_; ++i) {
                if (second_) settle(i);
                else compact(i, 0), score(i);
            }
        }
        return sound_;
    }

private:
    // Interleave the codes of each group of queries; lanes without a query get a limit that nothing exceeds.
    void load_queries() {
        for (size_t i = 0; i < most_; ++i) {
            const bool real = i < count_;
            const size_t q = first_ + i;
            norm_weight_[i] = real ? queries_.norm_weight[q] : 0;
            residual_weight_[i] = real ? queries_.residual_weight[q] : 0;
            offset_weight_[i] = real ? queries_.offset_weight[q] : 0;
            limit_[i] = real ? threshold(q) : std::numeric_limits<float>::infinity();
            held_[i].clear();
            const int32_t* codes = real ? queries_.codes + q * words_ : nullptr;
            start_[i] = real && second_ ? narrow_start(codes, words_) : 0;
            interleave(codes, i, words_, tiling_.group, codes_);
        }
    }

    void stream() {
        float upper[16 * kPanel];
        uint32_t over[16];
        const size_t group = tiling_.group, panel = tiling_.panel;
        for (size_t row = 0; row < base_.n; row += panel) {
            const PanelFields fields = {base_.fields.scale + row, base_.fields.norm + row, base_.fields.residual + row,
                                        base_.fields.offset + row};
            const uint32_t real = base_.n - row < panel ? (1u << (base_.n - row)) - 1 : ~0u;
            for (size_t i = 0; i < count_; i += group) {
                const GroupWeights weights = {norm_weight_.data() + i, residual_weight_.data() + i,
                                              offset_weight_.data() + i, limit_.data() + i, start_.data() + i};
                tiling_.tile(base_.codes + row * words_, codes_.data() + i * words_, words_, fields, weights, upper,
                             over);
                for (size_t lane = 0; lane < group; ++lane)
                    for (uint32_t left = over[lane] & real; left; left &= left - 1) {
                        const int at = __builtin_ctz(left);
                        push(i + lane, static_cast<uint32_t>(row) + at, upper[panel * lane + at]);
                    }
            }
        }
    }

    void push(size_t i, uint32_t row, float upper) {
        if (upper <= limit_[i]) return;  // the limit may have risen since the tile was computed
        const float spread =
            norm_weight_[i] * base_.fields.norm[row] + residual_weight_[i] * base_.fields.residual[row];
        const float lower = upper - 2 * spread - offset_weight_[i] * base_.fields.offset[row] * kLowerSlack;
        std::vector<Candidate>& held = held_[i];
        if (held.capacity() == 0) held.reserve(capacity_);
        held.push_back({row, 0, upper, lower >= kNone ? lower : kNone});
        if (held.size() == held.capacity()) make_room(i);
    }

    // Drop what cannot be in the answer; score or keep the rest: nothing is ever dropped for want of room.
    void make_room(size_t i) {
        std::vector<Candidate>& held = held_[i];
        compact(i, second_ ? kHope : 0);
        if (held.size() <= held.capacity() - held.capacity() / 4) return;
        if (!second_) score(i);
        else if (held.size() > base_.n / 64 + 16 * answers_.k) give_up(i);
        else held.reserve(2 * held.capacity());
    }

    // Leave the answer as it is and take no more candidates.
    void give_up(size_t i) {
        second_->looked_at[first_ + i] = -1;
        limit_[i] = std::numeric_limits<float>::infinity();
        held_[i].clear();
    }

    // Raise the limit to what k candidates are known, or with `hope` likely, to reach, and drop those that cannot.
    // Returns what they reach.
    float compact(size_t i, float hope) {
        std::vector<Candidate>& held = held_[i];
        float reached = kNone;
        if (held.size() > answers_.k) {
            lowers_.resize(held.size());
            for (size_t j = 0; j < held.size(); ++j) lowers_[j] = hoped(held[j], hope);
            std::nth_element(lowers_.begin(), lowers_.begin() + (answers_.k - 1), lowers_.end(), std::greater<float>());
            reached = lowers_[answers_.k - 1];
            limit_[i] = std::max(limit_[i], round_down(static_cast<double>(reached) - queries_.slack[first_ + i]));
        }
        const float limit = limit_[i];
        held.erase(std::remove_if(held.begin(), held.end(), [=](const Candidate& c) { return c.upper < limit; }),
                   held.end());
        return reached;
    }

    static float hoped(const Candidate& one, float hope) { return one.lower + hope * (one.upper - one.lower); }

    // Narrow codes: score the k best, which raises the limit to where it belongs, and look at the others in float32.
    // Where the answers of earlier blocks have raised it so far that fewer than k are left, all are looked at first.
    void settle(size_t i) {
        const size_t q = first_ + i;
        std::vector<Candidate>& held = held_[i];
        if (second_->looked_at[q] < 0) return;
        const float least = compact(i, kHope);
        scorer_.ask(q);
        scored_.clear();
        const bool scores_first = least > kNone || threshold(q) == kNone;
        each(held, [&](Candidate& one) { return scores_first && hoped(one, kHope) >= least; },
             [&](Candidate& one) { score_one(q, one); });
        each(held, [](Candidate& one) { return !one.scored; }, [&](Candidate& one) { tighten(q, one); });
        second_->looked_at[q] = static_cast<int32_t>(held.size());
        const float assumed = limit_[i];
        limit_[i] = threshold(q);
        compact(i, 0);
        if (assumed > limit_[i]) return give_up(i);
        each(held, [](Candidate& one) { return !one.scored; }, [&](Candidate& one) { score_one(q, one); });
        merge_scored(i);
    }

    // Do something with some of the candidates, their rows fetched a little ahead.
    template <typename Wanted, typename Work>
    void each(std::vector<Candidate>& held, Wanted wanted, Work work) {
        for (size_t j = 0; j < held.size(); ++j) {
            if (j + kAhead < held.size() && wanted(held[j + kAhead])) scorer_.fetch(held[j + kAhead].row);
            if (wanted(held[j])) work(held[j]);
        }
    }

    void tighten(size_t q, Candidate& one) {
        const double row_length = base_.fields.norm[one.row] / second_->unit + second_->mean_norm;
        const Interval key = scorer_.quick_key(one.row, second_->length[q], row_length);
        narrow_down(q, one, key.low, key.high);
    }

    // Take in what is known of a candidate's key; bounds that contradict each other are broken.
    void narrow_down(size_t q, Candidate& one, double low, double high) {
        const double slack = queries_.relative[q] * std::max(std::fabs(low), std::fabs(high)) + queries_.slack[q];
        const float upper = round_up(queries_.slope[q] * high + queries_.shift[q] + slack);
        const float lower = round_down(queries_.slope[q] * low + queries_.shift[q] - slack);
        if (lower > one.upper || upper < one.lower) sound_ = false;
        one.upper = std::min(one.upper, upper);
        one.lower = std::max(one.lower, lower);
    }

    void score_one(size_t q, Candidate& one) {
        const double key = scorer_.key(one.row);
        narrow_down(q, one, key, key);
        one.scored = 1;
        scored_.push_back({key, base_.first_id + one.row});
    }

    // Score what is held.
    void score(size_t i) {
        scorer_.ask(first_ + i);
        scored_.clear();
        each(held_[i], [](Candidate&) { return true; }, [&](Candidate& one) { score_one(first_ + i, one); });
        merge_scored(i);
    }

    void merge_scored(size_t i) {
        const size_t q = first_ + i;
        answers_.survivors[q] += static_cast<int64_t>(scored_.size());
        merge(scored_, answers_.keys + q * answers_.k, answers_.ids + q * answers_.k, answers_.k);
        limit_[i] = std::max(limit_[i], threshold(q));
        held_[i].clear();
    }

    // The bound that a row has to exceed to enter the answer of a query.
    float threshold(size_t q) const {
        const double kth = answers_.keys[q * answers_.k + answers_.k - 1];
        if (!std::isfinite(kth)) return kNone;
        return round_down(queries_.slope[q] * kth + queries_.shift[q] - queries_.relative[q] * std::fabs(kth) -
                          queries_.slack[q]);
    }

    const Tiling& tiling_;
    const Base& base_;
    const Queries& queries_;
    const Second* second_;
    const Answers& answers_;
    const size_t words_, capacity_;
    size_t most_, first_ = 0, count_ = 0;
    bool sound_ = true;
    std::vector<int32_t> codes_, start_;
    std::vector<float> norm_weight_, residual_weight_, offset_weight_, limit_, lowers_;
    std::vector<std::vector<Candidate>> held_;
    Scorer scorer_;
    std::vector<Scored> scored_;
};

}  // namespace

bool search_block(const Level& level, const Base& base, const Queries& queries, size_t d, Metric metric,
                  const Answers& answers) {
    return Scan(level, level.wide, base, queries, nullptr, d, metric, answers).run();
}

bool search_narrow(const Level& level, const Base& base, const Queries& queries, const Second& second, size_t d,
                   Metric metric, const Answers& answers) {
    return Scan(level, level.narrow, base, queries, &second, d, metric, answers).run();
}

}  // namespace goldpan
