#include <algorithm>
#include <limits>

#include "search.h"

namespace goldpan {
namespace {

constexpr size_t kTileBytes = 128 << 10;  // rows that stay in cache while the queries pass

struct Hit {
    uint32_t bits;
    uint32_t row;
};

// Keep the k nearest, ties by the order they came in, which is that of their ids; return the k-th distance.
uint32_t keep_best(std::vector<Hit>& hits, size_t k) {
    if (hits.size() < k) return std::numeric_limits<uint32_t>::max();
    std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.bits < b.bits; });
    hits.resize(k);
    return hits.back().bits;
}

void merge(const std::vector<Hit>& hits, int64_t first_id, double* keys, int64_t* ids, size_t k) {
    std::vector<std::pair<double, int64_t>> best;
    size_t old = 0, fresh = 0;
    while (best.size() < k && (fresh < hits.size() || (old < k && ids[old] >= 0))) {
        const bool has_old = old < k && ids[old] >= 0;
        const bool take = fresh < hits.size() && (!has_old || -static_cast<double>(hits[fresh].bits) > keys[old]);
        if (take) best.emplace_back(-static_cast<double>(hits[fresh].bits), first_id + hits[fresh].row), ++fresh;
        else best.emplace_back(keys[old], ids[old]), ++old;
    }
    for (size_t j = 0; j < best.size(); ++j) keys[j] = best[j].first, ids[j] = best[j].second;
}

}  // namespace

void search_bits(const Level& level, const uint64_t* rows, size_t n, int64_t first_id, const uint64_t* queries,
                 size_t n_queries, size_t words, const Answers& answers) {
    const size_t k = answers.k, capacity = 2 * k + 64;
    const size_t padded = (n_queries + 3) / 4 * 4;
    std::vector<uint64_t> codes(padded * words);
    std::copy_n(queries, n_queries * words, codes.begin());
    std::vector<std::vector<Hit>> hits(n_queries);
    std::vector<uint32_t> limits(padded, 0);  // a row must differ in fewer bits
    for (size_t q = 0; q < n_queries; ++q) {
        const bool full = answers.ids[q * k + k - 1] >= 0;
        limits[q] = full ? static_cast<uint32_t>(-answers.keys[q * k + k - 1]) : std::numeric_limits<uint32_t>::max();
    }
    const size_t tile = std::max<size_t>(1, kTileBytes / (8 * words));
    for (size_t first = 0; first < n; first += tile)
        for (size_t q = 0; q < padded; q += 4)
            for (size_t row = first; row < std::min(n, first + tile); ++row) {
                uint32_t bits[4];
                level.hamming4(codes.data() + q * words, rows + row * words, words, bits);
                for (size_t i = 0; i < 4; ++i) {
                    if (bits[i] >= limits[q + i]) continue;
                    hits[q + i].push_back({bits[i], static_cast<uint32_t>(row)});
                    if (hits[q + i].size() < capacity) continue;
                    limits[q + i] = std::min(limits[q + i], keep_best(hits[q + i], k));
                }
            }
    for (size_t q = 0; q < n_queries; ++q) {
        std::stable_sort(hits[q].begin(), hits[q].end(), [](const Hit& a, const Hit& b) { return a.bits < b.bits; });
        answers.survivors[q] += static_cast<int64_t>(hits[q].size());
        merge(hits[q], first_id, answers.keys + q * k, answers.ids + q * k, k);
    }
}

}  // namespace goldpan
