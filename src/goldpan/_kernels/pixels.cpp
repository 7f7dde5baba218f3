// Images made smaller by averaging areas; goldpan/imaging/shrinking.py is the only caller and says the rule.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace nb = nanobind;

namespace {

constexpr size_t kChannels = 4;  // as Pillow keeps RGB: red, green, blue, unused
constexpr int kRowUnit = 256, kColumnUnit = 65535;  // what the weights of one cell sum up to

template <typename T>
using Pixels = nb::ndarray<T, nb::shape<-1, -1, kChannels>, nb::c_contig, nb::device::cpu>;

// One side: cell i of `to` covers from/to of the pixels, `taps` of them at most, from first[i] on.
struct Cells {
    Cells(uint64_t from, uint64_t to, uint64_t unit)
        : taps(std::min(from, (from - 1) / to + 2)), first(to), weights(to * taps) {
        for (uint64_t i = 0; i < to; ++i) {
            const uint64_t begin = i * from, end = begin + from;  // in units of 1/to of a pixel
            first[i] = std::min(begin / to, from - taps);
            for (uint64_t tap = 0, before = 0; tap < taps; ++tap) {
                const uint64_t covered = std::clamp((first[i] + tap + 1) * to, begin, end) - begin;
                const uint64_t upto = (2 * unit * covered + from) / (2 * from);  // rounded, so that all sum up to unit
                weights[i * taps + tap] = static_cast<uint16_t>(upto - before);
                before = upto;
            }
        }
    }

    uint64_t taps;
    std::vector<uint64_t> first;
    std::vector<uint16_t> weights;
};

// The weighted sum of the rows of one cell: 256 times their average.
void add_rows(const uint8_t* rows, size_t width, const uint16_t* weights, uint64_t taps, uint16_t* sum) {
    for (size_t x = 0; x < width; ++x) sum[x] = static_cast<uint16_t>(weights[0] * rows[x]);
    for (uint64_t tap = 1; tap < taps; ++tap) {
        const uint8_t* row = rows + tap * width;
        const uint16_t weight = weights[tap];
        if (weight == 0) continue;
        for (size_t x = 0; x < width; ++x) sum[x] = static_cast<uint16_t>(sum[x] + weight * row[x]);
    }
}

// Weights of columns, each as often as a pixel has channels, so that two pixels are multiplied at once; 0 fills up.
std::vector<uint16_t> in_pairs(const Cells& columns) {
    const uint64_t pairs = (columns.taps + 1) / 2;
    std::vector<uint16_t> spread(columns.first.size() * pairs * 2 * kChannels);
    for (uint64_t i = 0; i < columns.first.size(); ++i)
        for (uint64_t tap = 0; tap < columns.taps; ++tap)
            std::fill_n(&spread[(i * pairs * 2 + tap) * kChannels], kChannels, columns.weights[i * columns.taps + tap]);
    return spread;
}

// The average of the pixels of one cell; products lose what is below 1/256. It reads a pixel more where taps are odd.
void average(const uint16_t* pixels, const uint16_t* weights, uint64_t pairs, uint8_t* to) {
#if defined(__SSE2__)
    const auto at = [](const uint16_t* value) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(value)); };
    __m128i sum = _mm_mulhi_epu16(at(pixels), at(weights));
    for (uint64_t pair = 1; pair < pairs; ++pair)
        sum = _mm_add_epi16(sum, _mm_mulhi_epu16(at(pixels + 8 * pair), at(weights + 8 * pair)));
    sum = _mm_add_epi16(_mm_add_epi16(sum, _mm_unpackhi_epi64(sum, sum)), _mm_set1_epi16(128));
    sum = _mm_srli_epi16(sum, 8);
    const int packed = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
    std::memcpy(to, &packed, kChannels);
#else
    for (size_t channel = 0; channel < kChannels; ++channel) {
        uint32_t sum = 128;
        for (uint64_t tap = 0; tap < 2 * pairs; ++tap)
            sum += static_cast<uint32_t>(pixels[kChannels * tap + channel]) * weights[kChannels * tap + channel] >> 16;
        to[channel] = static_cast<uint8_t>(sum >> 8);
    }
#endif
}

void shrink(const Pixels<const uint8_t>& from, const Pixels<uint8_t>& to) {
    for (int axis = 0; axis < 2; ++axis)
        if (to.shape(axis) < 1 || to.shape(axis) > from.shape(axis))
            throw std::invalid_argument("an image can only be made smaller, and keeps a pixel");
    nb::gil_scoped_release released;
    const size_t width = kChannels * from.shape(1);
    const Cells rows(from.shape(0), to.shape(0), kRowUnit), columns(from.shape(1), to.shape(1), kColumnUnit);
    const std::vector<uint16_t> spread = in_pairs(columns);
    const uint64_t pairs = (columns.taps + 1) / 2;
    std::vector<uint16_t> sum(width + kChannels);
    uint8_t* out = to.data();
    for (size_t y = 0; y < to.shape(0); ++y) {
        add_rows(from.data() + rows.first[y] * width, width, &rows.weights[y * rows.taps], rows.taps, sum.data());
        const uint16_t* weights = spread.data();
        for (const uint64_t first : columns.first) {
            average(&sum[kChannels * first], weights, pairs, out);
            weights += pairs * 2 * kChannels;
            out += kChannels;
        }
    }
}

}  // namespace

NB_MODULE(_pixels, m) {
    m.def("shrink", &shrink, nb::arg("pixels"), nb::arg("to").noconvert());
}
