#include "captions.h"

#include <algorithm>

namespace goldpan {
namespace {

constexpr uint64_t kSeed = 0xcbf29ce484222325u, kPrime = 0x9e3779b97f4a7c15u;
constexpr size_t kLow = 1 << 16;

inline uint64_t mixed(uint64_t hash, uint8_t byte) { return (hash ^ byte) * kPrime; }
inline uint64_t finished(uint64_t hash) { return hash ^ (hash >> 29); }

uint64_t hash_of(const char* word, size_t size) {
    uint64_t hash = kSeed;
    for (size_t i = 0; i < size; ++i) hash = mixed(hash, static_cast<uint8_t>(word[i]));
    return hash;
}

// One code point; a byte that begins none stands for itself.
uint32_t decode(const uint8_t*& at, const uint8_t* end) {
    const uint8_t lead = *at++;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (!more || end - at < more) return lead;
    uint32_t code = lead & (0x3f >> more);
    for (int i = 0; i < more; ++i) code = code << 6 | (*at++ & 0x3f);
    return code;
}

void append(std::string& token, uint32_t code) {
    if (code < 0x80) {
        token.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
        token.push_back(static_cast<char>(0xc0 | code >> 6));
        token.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    } else {
        if (code < 0x10000) {
            token.push_back(static_cast<char>(0xe0 | code >> 12));
        } else {
            token.push_back(static_cast<char>(0xf0 | code >> 18));
            token.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3f)));
        }
        token.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
        token.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
}

}  // namespace

// Where each word of the queries stands in one text.
struct Captions::Found {
    explicit Found(size_t n_words) : places(n_words) {}

    void add(int32_t word) {
        if (places[word].empty()) words.push_back(word);
        places[word].push_back(position);
    }

    void clear() {
        for (const int32_t word : words) places[word].clear();
        words.clear();
        position = 0;
    }

    std::vector<std::vector<int32_t>> places;
    std::vector<int32_t> words;
    int32_t position = 0;
    std::string token;
};

Captions::Captions(std::vector<Run> runs, CaptionQueries queries)
    : runs_(std::move(runs)), queries_(std::move(queries)), low_(kLow) {
    size_t run = 0;
    for (size_t code = 0; code < kLow; ++code) {
        while (run + 1 < runs_.size() && runs_[run + 1].start <= static_cast<int32_t>(code)) ++run;
        const int32_t delta = runs_[run].delta;
        low_[code] = delta == kSeparator || delta == kVanishing ? delta : static_cast<int32_t>(code) + delta;
    }
    for (int code = 0; code < 128; ++code) ascii_[code] = low_[code] > 0 ? static_cast<uint8_t>(low_[code]) : 0;
    size_t size = 64;
    while (size < 4 * queries_.words.size()) size *= 2;
    table_.assign(size, {0, -1});
    for (size_t word = 0; word < queries_.words.size(); ++word) {
        const std::string& text = queries_.words[word];
        // A beginning is another word than the word itself.
        const bool whole = word < queries_.n_words;
        const uint64_t hash = finished(hash_of(text.data(), text.size())) ^ (whole ? 0 : kPrime);
        size_t at = hash & (size - 1);
        while (table_[at].word >= 0) at = (at + 1) & (size - 1);
        table_[at] = {hash, static_cast<int32_t>(word)};
        longest_ = std::max(longest_, text.size());
        if (!whole) prefix_sizes_.push_back(text.size());
    }
    std::sort(prefix_sizes_.begin(), prefix_sizes_.end());
    prefix_sizes_.erase(std::unique(prefix_sizes_.begin(), prefix_sizes_.end()), prefix_sizes_.end());
}

int32_t Captions::folded(uint32_t code) const {
    if (code < kLow) return low_[code];
    const auto after = std::upper_bound(runs_.begin(), runs_.end(), static_cast<int32_t>(code),
                                        [](int32_t value, const Run& run) { return value < run.start; });
    const int32_t delta = (after - 1)->delta;
    return delta == kSeparator || delta == kVanishing ? delta : static_cast<int32_t>(code) + delta;
}

int32_t Captions::find(const char* word, size_t size, uint64_t hash) const {
    const size_t mask = table_.size() - 1;
    for (size_t at = hash & mask; table_[at].word >= 0; at = (at + 1) & mask) {
        if (table_[at].hash != hash) continue;
        const std::string& text = queries_.words[table_[at].word];
        if (text.size() == size && std::equal(text.begin(), text.end(), word)) return table_[at].word;
    }
    return -1;
}

void Captions::take(const std::string& token, uint64_t hash, Found& found) const {
    if (token.size() <= longest_) {
        const int32_t word = find(token.data(), token.size(), finished(hash));
        if (word >= 0) found.add(word);
    }
    for (const size_t size : prefix_sizes_) {
        if (size > token.size()) break;
        const int32_t word = find(token.data(), size, finished(hash_of(token.data(), size)) ^ kPrime);
        if (word >= 0) found.add(word);
    }
    ++found.position;
}

void Captions::tokenize(const uint8_t* at, const uint8_t* end, Found& found) const {
    std::string& token = found.token;
    while (at < end) {
        token.clear();
        uint64_t hash = kSeed;
        while (at < end) {
            if (*at < 0x80) {
                const uint8_t letter = ascii_[*at++];
                if (!letter) break;
                hash = mixed(hash, letter);
                token.push_back(static_cast<char>(letter));
                continue;
            }
            const int32_t letter = folded(decode(at, end));
            if (letter == kVanishing && !token.empty()) continue;
            if (letter < 0) break;
            const size_t before = token.size();
            append(token, static_cast<uint32_t>(letter));
            for (size_t i = before; i < token.size(); ++i) hash = mixed(hash, static_cast<uint8_t>(token[i]));
        }
        if (!token.empty()) take(token, hash, found);
    }
}

bool Captions::stands(int32_t phrase, const Found& found) const {
    const int32_t begin = phrase ? queries_.phrase_ends[phrase - 1] : 0, end = queries_.phrase_ends[phrase];
    const int32_t* words = queries_.phrase_words.data();
    if (begin == end) return false;
    for (const int32_t place : found.places[words[begin]]) {
        if (queries_.phrase_first[phrase] && place > 0) break;
        bool all = true;
        for (int32_t i = begin + 1; all && i < end; ++i) {
            const std::vector<int32_t>& places = found.places[words[i]];
            all = std::binary_search(places.begin(), places.end(), place + i - begin);
        }
        if (all) return true;
    }
    return false;
}

bool Captions::holds(int32_t query, const Found& found, std::vector<char>& stack) const {
    stack.clear();
    const int32_t begin = query ? queries_.program_ends[query - 1] : 0, end = queries_.program_ends[query];
    for (int32_t i = begin; i < end; ++i) {
        const int32_t step = queries_.programs[i];
        if (step >= 0) {
            stack.push_back(stands(step, found));
            continue;
        }
        const bool right = stack.back();
        stack.pop_back();
        const bool left = stack.back();
        stack.back() = step == kAnd ? left && right : step == kOr ? left || right : left && !right;
    }
    return stack.back();
}

template <typename Offset>
std::vector<CaptionMatch> Captions::match(const uint8_t* text, const Offset* offsets, size_t n) const {
    std::vector<CaptionMatch> matches;
    Found found(queries_.words.size());
    std::vector<int32_t> asked;
    std::vector<char> stack;
    for (size_t row = 0; row < n; ++row) {
        tokenize(text + offsets[row], text + offsets[row + 1], found);
        asked.clear();
        for (const int32_t word : found.words)
            for (int32_t i = word ? queries_.anchor_ends[word - 1] : 0; i < queries_.anchor_ends[word]; ++i)
                asked.push_back(queries_.anchors[i]);
        std::sort(asked.begin(), asked.end());
        asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
        for (const int32_t query : asked)
            if (holds(query, found, stack)) matches.push_back({static_cast<int64_t>(row), query});
        found.clear();
    }
    return matches;
}

template std::vector<CaptionMatch> Captions::match(const uint8_t*, const int32_t*, size_t) const;
template std::vector<CaptionMatch> Captions::match(const uint8_t*, const int64_t*, size_t) const;

}  // namespace goldpan
