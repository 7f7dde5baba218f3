// Pixels as Pillow lends and takes them: four bytes each, red, green, blue and one that is unused, not copied. They come
// and go by the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html), whose structs these
// are: a list of fours of uint8.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <stdexcept>

struct ArrowSchema {
    const char* format;
    const char* name;
    const char* metadata;
    int64_t flags;
    int64_t n_children;
    ArrowSchema** children;
    ArrowSchema* dictionary;
    void (*release)(ArrowSchema*);
    void* private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void** buffers;
    ArrowArray** children;
    ArrowArray* dictionary;
    void (*release)(ArrowArray*);
    void* private_data;
};

namespace raster {

namespace nb = nanobind;

constexpr size_t kChannels = 4;

// Pixels that somebody else keeps.
struct View {
    // `pixels`: a capsule of an Arrow array, or bytes.
    View(nb::handle pixels, size_t width, size_t height) : width(width), height(height) {
        const size_t wanted = kChannels * width * height;
        size_t found = 0;
        if (PyCapsule_IsValid(pixels.ptr(), "arrow_array")) {
            const auto* array = static_cast<const ArrowArray*>(PyCapsule_GetPointer(pixels.ptr(), "arrow_array"));
            if (array->release != nullptr && array->n_children == 1 && array->offset == 0) {
                const ArrowArray* values = array->children[0];
                data = static_cast<const uint8_t*>(values->buffers[1]) + values->offset;
                found = values->length;
            }
        } else if (PyBytes_Check(pixels.ptr())) {
            data = reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(pixels.ptr()));
            found = PyBytes_GET_SIZE(pixels.ptr());
        }
        if (wanted == 0 || found != wanted) throw std::invalid_argument("these are not the pixels of such an image");
    }

    const uint8_t* row(size_t y) const { return data + kChannels * width * y; }

    const uint8_t* data = nullptr;
    size_t width, height;
};

// What keeps an array, or its list of values, alive: one owner each, since whoever takes an array may part them.
struct Kept {
    explicit Kept(const std::shared_ptr<uint8_t[]>& data) : data(data), buffers{nullptr, data.get()} {}

    std::shared_ptr<uint8_t[]> data;
    const void* buffers[2];
    ArrowArray values{};
    ArrowArray* child = &values;
};

inline void release_array(ArrowArray* array) {
    auto* kept = static_cast<Kept*>(array->private_data);
    if (array->n_children && kept->values.release) kept->values.release(&kept->values);
    array->release = nullptr;
    delete kept;
}

// The schema of the values, which is made of constants: nothing to release.
struct Described {
    ArrowSchema values{"C", "item", nullptr, 0, 0, nullptr, nullptr, [](ArrowSchema* self) { self->release = nullptr; },
                       nullptr};
    ArrowSchema* child = &values;
};

inline void release_schema(ArrowSchema* schema) {
    schema->release = nullptr;
    delete static_cast<Described*>(schema->private_data);
}

// Returns a capsule that releases what nobody took.
template <typename T>
nb::object capsule(T* content, const char* name) {
    return nb::steal(PyCapsule_New(content, name, [](PyObject* self) {
        auto* left = static_cast<T*>(PyCapsule_GetPointer(self, PyCapsule_GetName(self)));
        if (left->release) left->release(left);
        delete left;
    }));
}

// Pixels of our own; `__arrow_c_array__` lends them.
struct Image {
    Image(size_t width, size_t height) : width(width), height(height), data(new uint8_t[kChannels * width * height]) {}

    uint8_t* row(size_t y) const { return data.get() + kChannels * width * y; }

    nb::tuple arrow(nb::object /* requested_schema: there is no other */) const {
        const auto length = static_cast<int64_t>(width * height);
        auto* described = new Described;
        auto* schema =
            new ArrowSchema{"+w:4", "", nullptr, 0, 1, &described->child, nullptr, release_schema, described};
        auto* kept = new Kept(data);
        auto* inner = new Kept(data);
        kept->values = {length * 4, 0, 0, 2, 0, inner->buffers, nullptr, nullptr, release_array, inner};
        auto* array = new ArrowArray{length, 0, 0, 1, 1, kept->buffers, &kept->child, nullptr, release_array, kept};
        return nb::make_tuple(capsule(schema, "arrow_schema"), capsule(array, "arrow_array"));
    }

    size_t width, height;
    std::shared_ptr<uint8_t[]> data;
};

}  // namespace raster
