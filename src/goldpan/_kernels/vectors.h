// Four float64 at once, in the vector extension of GCC and Clang.
#pragma once
#include "level.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace goldpan {
namespace {

typedef double Four __attribute__((vector_size(32)));
typedef float FourFloats __attribute__((vector_size(16), aligned(4)));
typedef double FourLoose __attribute__((vector_size(32), aligned(8)));
typedef int32_t FourInts __attribute__((vector_size(16)));
typedef int16_t FourCodes __attribute__((vector_size(8), aligned(2)));

#if defined(__AVX512F__)
typedef double Lanes __attribute__((vector_size(64)));  // the 8 partial sums of compensated.py, in one or two vectors
#else
typedef Four Lanes;
#endif
constexpr int kLanes = sizeof(Lanes) / sizeof(double);

inline Four load4(const double* from) { return *reinterpret_cast<const FourLoose*>(from); }
inline Four load4(const float* from) {
#if defined(__AVX2__)
    return Four(_mm256_cvtps_pd(_mm_loadu_ps(from)));  // compilers convert in two halves
#else
    return __builtin_convertvector(*reinterpret_cast<const FourFloats*>(from), Four);
#endif
}

template <typename T>
inline Lanes load_lanes(const T* from) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == sizeof(float)) return Lanes(_mm512_cvtps_pd(_mm256_loadu_ps(from)));
    else return Lanes(_mm512_loadu_pd(from));
#else
    return load4(from);
#endif
}

}  // namespace
}  // namespace goldpan
