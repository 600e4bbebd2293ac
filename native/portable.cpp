// What lets the library run with older C libraries than that of the machine that it was compiled on.

// libstdc++'s shared_ptr asks whether the process has one thread only, since glibc 2.32. .NET's have several: always no. Hidden, it is used
// by this library alone, which then asks for no symbol newer than glibc 2.27.
extern "C" __attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
