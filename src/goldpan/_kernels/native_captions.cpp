// Python's view of `Captions`; goldpan/search/captions/words.py is the only caller.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include "captions.h"
#include "native.h"

namespace nb = nanobind;

namespace goldpan {
namespace {

template <typename T>
using Flat = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename T>
std::vector<T> copied(const Flat<T>& values) {
    return std::vector<T>(values.data(), values.data() + values.shape(0));
}

template <typename Offset>
nb::list matched(const Captions& captions, Flat<uint8_t> text, Flat<Offset> offsets) {
    std::vector<CaptionMatch> matches;
    {
        nb::gil_scoped_release released;
        matches = captions.match(text.data(), offsets.data(), offsets.shape(0) - 1);
    }
    nb::list rows, queries;
    for (const CaptionMatch& match : matches) {
        rows.append(match.row);
        queries.append(match.query);
    }
    nb::list both;
    both.append(rows);
    both.append(queries);
    return both;
}

}  // namespace

void bind_captions(nb::module_& m) {
    nb::class_<Captions>(m, "Captions")
        .def("__init__", [](Captions* self, nb::ndarray<const int32_t, nb::ndim<2>, nb::c_contig> runs, nb::list words,
                            size_t n_words, Flat<int32_t> phrase_words, Flat<int32_t> phrase_ends,
                            Flat<uint8_t> phrase_first, Flat<int32_t> programs, Flat<int32_t> program_ends,
                            Flat<int32_t> anchors, Flat<int32_t> anchor_ends) {
            std::vector<Run> table;
            for (size_t i = 0; i < runs.shape(0); ++i) table.push_back({runs(i, 0), runs(i, 1)});
            std::vector<std::string> texts;
            for (nb::handle word : words) {
                const nb::bytes bytes = nb::borrow<nb::bytes>(word);
                texts.emplace_back(bytes.c_str(), bytes.size());
            }
            new (self) Captions(std::move(table), {std::move(texts), n_words, copied(phrase_words), copied(phrase_ends),
                                                   copied(phrase_first), copied(programs), copied(program_ends),
                                                   copied(anchors), copied(anchor_ends)});
        })
        .def("match", &matched<int32_t>)
        .def("match", &matched<int64_t>);
}

}  // namespace goldpan
