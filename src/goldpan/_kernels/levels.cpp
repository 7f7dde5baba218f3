// Which levels this machine can run; compiled for the baseline, as it runs before anything is known.
#include <cstring>

#include "level.h"

namespace goldpan {

extern const Level level_scalar;
#ifdef GOLDPAN_X86
extern const Level level_avx2, level_avx512, level_avx512vnni;
#endif

namespace {

struct Entry {
    const Level* level;
    bool runs;
};

std::vector<Entry> entries() {
    std::vector<Entry> found;
#ifdef GOLDPAN_X86
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    const bool vnni =
        avx512 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq");
    found.push_back({&level_avx512vnni, vnni});
    found.push_back({&level_avx512, avx512});
    found.push_back({&level_avx2, avx2});
#endif
    found.push_back({&level_scalar, true});
    return found;
}

}  // namespace

const Level* find_level(const char* name) {
    for (const Entry& entry : entries())
        if (entry.runs && std::strcmp(entry.level->name, name) == 0) return entry.level;
    return nullptr;
}

std::vector<const char*> level_names() {
    std::vector<const char*> names;
    for (const Entry& entry : entries())
        if (entry.runs) names.push_back(entry.level->name);
    return names;
}

}  // namespace goldpan
