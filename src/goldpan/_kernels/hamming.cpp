#include <algorithm>

#include "search.h"

namespace goldpan {
namespace {

constexpr size_t kTileBytes = 64 << 10;        // rows that stay in cache while the queries pass
constexpr size_t kHistogramBytes = 16 << 20;

struct Hit {
    uint32_t bits, row;
};

// The nearest rows of one query so far. Rows come in the order of their ids, so a later one must be strictly nearer
// than the k-th; a histogram of distances tells at once how far that is.
class Nearest {
public:
    Nearest(size_t k, size_t bits, const double* keys, const int64_t* ids) : k_(k), top_(bits), histogram_(bits + 1) {
        for (size_t j = 0; j < k && ids[j] >= 0; ++j) count(static_cast<uint32_t>(-keys[j]));
    }

    // Rows that differ in fewer bits come in.
    uint64_t limit() const { return total_ < k_ ? top_ + 1 : top_; }

    void add(uint32_t bits, uint32_t row) {
        hits_.push_back({bits, row});
        count(bits);
        if (hits_.size() >= 4 * k_ + 256) drop_beaten();
    }

    // The new rows that may be among the k nearest.
    const std::vector<Hit>& finish() {
        drop_beaten();
        return hits_;
    }

private:
    void count(uint32_t bits) {
        ++histogram_[bits];
        ++total_;
        while (total_ - histogram_[top_] >= k_) total_ -= histogram_[top_--];
    }

    void drop_beaten() {
        hits_.erase(std::remove_if(hits_.begin(), hits_.end(), [this](const Hit& hit) { return hit.bits > top_; }),
                    hits_.end());
    }

    size_t k_, top_, total_ = 0;  // total_: rows seen within top_ bits
    std::vector<uint32_t> histogram_;
    std::vector<Hit> hits_;
};

// Lay rows out as panels [word][8 rows]; missing rows are zeros.
void to_panels(const uint64_t* rows, size_t n, size_t words, uint64_t* panels) {
    for (size_t row = 0; row < (n + kBitPanel - 1) / kBitPanel * kBitPanel; ++row)
        for (size_t word = 0; word < words; ++word)
            panels[(row / kBitPanel * words + word) * kBitPanel + row % kBitPanel] =
                row < n ? rows[row * words + word] : 0;
}

void search_few(const Level& level, const uint64_t* rows, size_t n, int64_t first_id, const uint64_t* queries,
                size_t n_queries, size_t words, const Answers& answers, size_t first_query) {
    const size_t k = answers.k, tile = std::max<size_t>(1, kTileBytes / (64 * words)) * kBitPanel;
    std::vector<Nearest> nearest;
    for (size_t q = 0; q < n_queries; ++q)
        nearest.emplace_back(k, 64 * words, answers.keys + (first_query + q) * k, answers.ids + (first_query + q) * k);
    std::vector<uint64_t> panels(tile * words);
    uint64_t counts[kBitPanel];
    for (size_t first = 0; first < n; first += tile) {
        const size_t filled = std::min(tile, n - first);
        to_panels(rows + first * words, filled, words, panels.data());
        for (size_t q = 0; q < n_queries; ++q)
            for (size_t row = 0; row < filled; row += kBitPanel) {
                uint32_t near = level.hamming(panels.data() + row * words, queries + q * words, words,
                                              nearest[q].limit(), counts);
                if (filled - row < kBitPanel) near &= (1u << (filled - row)) - 1;
                for (; near; near &= near - 1) {
                    const int at = __builtin_ctz(near);
                    if (counts[at] < nearest[q].limit())
                        nearest[q].add(static_cast<uint32_t>(counts[at]), static_cast<uint32_t>(first + row + at));
                }
            }
    }
    std::vector<Scored> scored;
    for (size_t q = 0; q < n_queries; ++q) {
        const std::vector<Hit>& hits = nearest[q].finish();
        answers.survivors[first_query + q] += static_cast<int64_t>(hits.size());
        for (const Hit& hit : hits) scored.push_back({-static_cast<double>(hit.bits), first_id + hit.row});
        merge(scored, answers.keys + (first_query + q) * k, answers.ids + (first_query + q) * k, k);
    }
}

}  // namespace

void search_bits(const Level& level, const uint64_t* rows, size_t n, int64_t first_id, const uint64_t* queries,
                 size_t n_queries, size_t words, const Answers& answers) {
    const size_t most = std::max<size_t>(1, kHistogramBytes / (256 * words));
    for (size_t first = 0; first < n_queries; first += most)
        search_few(level, rows, n, first_id, queries + first * words, std::min(most, n_queries - first), words, answers,
                   first);
}

}  // namespace goldpan
