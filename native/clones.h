// One library for every processor: a function marked so is compiled several times, and the loader picks the widest version that the
// processor has. Templates cannot be marked, what is inlined into a marked function can be one.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TESSERA_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TESSERA_CLONES
#endif
#define TESSERA_INLINE inline __attribute__((always_inline))
