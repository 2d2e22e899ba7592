// bench_kernels.h - `fathom bench kernels`: the speed of every operation of the kernel table at a model's shapes.
#ifndef FATHOM_APPS_BENCH_KERNELS_H_
#define FATHOM_APPS_BENCH_KERNELS_H_

namespace fathom {

// argv[0] is "kernels".
int BenchKernelsMain(int argc, char** argv);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_KERNELS_H_
