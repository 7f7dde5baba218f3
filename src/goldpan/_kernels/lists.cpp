#include "lists.h"

#include <algorithm>

#include "groups.h"

namespace goldpan {
namespace {

struct Found {
    float key;
    int32_t slot;
};

bool higher(const Found& a, const Found& b) { return a.key > b.key || (a.key == b.key && a.slot < b.slot); }

// The best estimates of one query so far.
struct Pool {
    std::vector<Found> held;
    float limit = kNone;

    void add(float key, int32_t slot, size_t most) {
        held.push_back({key, slot});
        if (held.size() == held.capacity()) shrink(most);
    }

    void shrink(size_t most) {
        if (held.size() <= most) return;
        std::nth_element(held.begin(), held.begin() + (most - 1), held.end(), higher);
        held.resize(most);
        limit = held.back().key;
    }
};

}  // namespace

Lists::Lists(const Level& level, bool narrow, size_t words, size_t n_lists)
    : level_(level), tiling_(narrow ? level.narrow : level.wide), narrow_(narrow), words_(words), lists_(n_lists) {}

int32_t* Lists::code(List& list, size_t row) {
    return list.codes.data() + row / tiling_.panel * tiling_.panel * words_ + row % tiling_.panel;
}

void Lists::copy_row(List& list, size_t from, size_t to) {
    const int32_t* source = code(list, from);
    int32_t* target = code(list, to);
    for (size_t word = 0; word < words_; ++word) target[word * tiling_.panel] = source[word * tiling_.panel];
    list.scale[to] = list.scale[from];
    list.offset[to] = list.offset[from];
    list.slots[to] = list.slots[from];
}

void Lists::add(const Listed& rows) {
    for (size_t i = 0; i < rows.n; ++i) {
        List& list = lists_[rows.list[i]];
        const size_t row = list.slots.size(), slot = rows.slot[i];
        if (row == list.scale.size()) {  // another panel
            list.scale.resize(row + kPanel);
            list.offset.resize(row + kPanel);
            list.codes.resize((row + kPanel) * words_);
        }
        if (slot >= places_.size()) places_.resize(std::max(slot + 1, 2 * places_.size()));
        places_[slot] = {rows.list[i], static_cast<int32_t>(row)};
        list.slots.push_back(rows.slot[i]);
        list.scale[row] = rows.scale[i];
        list.offset[row] = rows.offset[i];
        int32_t* to = code(list, row);
        const int32_t higher_bytes = narrow_ ? static_cast<int32_t>(0x80808080u) : 0;
        for (size_t word = 0; word < words_; ++word)
            to[word * tiling_.panel] = rows.codes[i * words_ + word] ^ higher_bytes;
    }
}

void Lists::remove(const int32_t* slots, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        const Place place = places_[slots[i]];
        List& list = lists_[place.list];
        const size_t last = list.slots.size() - 1;
        if (static_cast<size_t>(place.row) != last) {
            copy_row(list, last, place.row);
            places_[list.slots[place.row]].row = place.row;
        }
        list.slots.pop_back();
    }
}

void Lists::shrink() {
    for (List& list : lists_) {
        list.codes.shrink_to_fit();
        list.scale.shrink_to_fit();
        list.offset.shrink_to_fit();
        list.slots.shrink_to_fit();
    }
}

size_t Lists::bytes() const {
    size_t total = places_.capacity() * sizeof(Place);
    for (const List& list : lists_)
        total += 4 * (list.codes.capacity() + list.scale.capacity() + list.offset.capacity() + list.slots.capacity());
    return total;
}

class Lists::Search {
public:
    Search(const Lists& lists, const Probes& probes, size_t pool)
        : lists_(lists), tiling_(lists.tiling_), words_(lists.words_), probes_(probes), most_(pool), pools_(probes.n),
          start_(probes.n) {
        for (Pool& one : pools_) one.held.reserve(4 * pool + 64);
        for (size_t q = 0; q < probes.n; ++q) start_[q] = lists.narrow_ ? narrow_start(code_of(q), words_) : 0;
    }

    // Look into the lists of columns first to last, each list once for all its queries.
    void look(size_t first, size_t last) {
        std::vector<size_t> ends(lists_.lists_.size() + 1);
        const auto each = [&](auto work) {
            for (size_t q = 0; q < probes_.n; ++q)
                for (size_t column = first; column < last; ++column) {
                    const int32_t list = probes_.lists[q * probes_.width + column];
                    if (list >= 0) work(static_cast<size_t>(list), q, column);
                }
        };
        each([&](size_t list, size_t, size_t) { ++ends[list + 1]; });
        for (size_t list = 0; list + 1 < ends.size(); ++list) ends[list + 1] += ends[list];
        std::vector<Asked> asked(ends.back());
        std::vector<size_t> next(ends.begin(), ends.end() - 1);
        each([&](size_t list, size_t q, size_t column) {
            asked[next[list]++] = {q, probes_.near[q * probes_.width + column]};
        });
        for (size_t list = 0; list + 1 < ends.size(); ++list)
            if (ends[list] < ends[list + 1])
                scan(lists_.lists_[list], asked.data() + ends[list], ends[list + 1] - ends[list]);
    }

    void finish(const float* rows, size_t d, bool distance, size_t k, int32_t* slots, float* keys) {
        const auto sum = distance ? lists_.level_.quick_distance : lists_.level_.quick_dot;
        for (size_t q = 0; q < probes_.n; ++q, slots += k, keys += k) {
            std::vector<Found>& held = pools_[q].held;
            pools_[q].shrink(most_);
            for (size_t j = 0; j < held.size(); ++j) {
                if (j + kAhead < held.size()) prefetch(rows + held[j + kAhead].slot * d, d * sizeof(float));
                const float value = sum(probes_.rows + q * d, rows + held[j].slot * d, d);
                held[j].key = distance ? -value : value;
            }
            const size_t found = std::min(k, held.size());
            std::partial_sort(held.begin(), held.begin() + found, held.end(), higher);
            for (size_t j = 0; j < k; ++j) {
                slots[j] = j < found ? held[j].slot : -1;
                keys[j] = j < found ? held[j].key : kNone;
            }
        }
    }

private:
    struct Asked {
        size_t query;
        float near;
    };

    const int32_t* code_of(size_t query) const { return probes_.codes + query * words_; }

    void scan(const List& list, const Asked* asked, size_t count) {
        const size_t group = tiling_.group, n = list.slots.size();
        if (!n) return;
        if (zeros_.size() < list.scale.size()) zeros_.resize(list.scale.size());
        std::vector<int32_t> codes((count + group - 1) / group * group * words_);
        for (size_t i = 0; i < count; ++i) interleave(code_of(asked[i].query), i, words_, group, codes);
        load_weights(asked, count, codes.size() / words_);
        const float none[16] = {};
        float upper[16 * kPanel];
        uint32_t over[16];
        for (size_t row = 0; row < n; row += tiling_.panel) {
            const PanelFields fields = {list.scale.data() + row, zeros_.data(), zeros_.data(), list.offset.data() + row};
            const uint32_t real = n - row < static_cast<size_t>(tiling_.panel) ? (1u << (n - row)) - 1 : ~0u;
            for (size_t first = 0; first < count; first += group) {
                const GroupWeights weights = {none, none, &weight_[first], &limit_[first], &start_of_[first]};
                tiling_.tile(list.codes.data() + row * words_, codes.data() + first * words_, words_, fields, weights,
                             upper, over);
                for (size_t lane = 0; lane < group; ++lane)
                    if (const uint32_t found = over[lane] & real)
                        take(list, row, asked[first + lane], found, upper + tiling_.panel * lane, limit_[first + lane]);
            }
        }
    }

    // Weights of the queries of a list; lanes without a query get a limit that nothing exceeds.
    void load_weights(const Asked* asked, size_t count, size_t padded) {
        weight_.assign(padded, 0);
        limit_.assign(padded, std::numeric_limits<float>::infinity());
        start_of_.assign(padded, 0);
        for (size_t i = 0; i < count; ++i) {
            weight_[i] = 1 / probes_.scale[asked[i].query];
            limit_[i] = limit_of(asked[i]);
            start_of_[i] = start_[asked[i].query];
        }
    }

    void take(const List& list, size_t row, const Asked& one, uint32_t over, const float* upper, float& limit) {
        Pool& pool = pools_[one.query];
        for (; over; over &= over - 1) {
            const int at = __builtin_ctz(over);
            const float key = upper[at] * probes_.scale[one.query] + one.near;
            if (key > pool.limit) pool.add(key, list.slots[row + at], most_);
        }
        limit = limit_of(one);
    }

    float limit_of(const Asked& one) const {
        return (pools_[one.query].limit - one.near) / probes_.scale[one.query];
    }

    const Lists& lists_;
    const Tiling& tiling_;
    const size_t words_;
    const Probes& probes_;
    const size_t most_;
    std::vector<Pool> pools_;
    std::vector<int32_t> start_;
    std::vector<float> weight_, limit_;
    std::vector<int32_t> start_of_;
    std::vector<float> zeros_ = std::vector<float>(kPanel);
};

void Lists::search(const Probes& probes, const float* rows, size_t d, bool distance, size_t pool, size_t k,
                   int32_t* slots, float* keys) const {
    Search search(*this, probes, pool);
    const size_t first = std::min<size_t>(1, probes.width);
    search.look(0, first);  // so that the limits are high when the many come
    search.look(first, probes.width);
    search.finish(rows, d, distance, k, slots, keys);
}

}  // namespace goldpan
